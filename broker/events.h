/* Events: the last ones are kept for "since"; listeners that do not read fast enough are dropped. */
#pragma once
#include "edge.h"
#include "state.h"

struct events;
struct events *events_new(struct broker *b, struct err *e);
void events_free(struct events *v);
size_t events_listeners(const struct events *v);
/* extra: pairs key, value, ... ended by NULL; NULL values are left out. Failure to remember an event is logged only. */
void event_emit(struct broker *b, const char *type, const char *action, const char *id, const char *const *extra);
/* With the container's labels, image and name. */
void event_ctr(struct ctr *c, const char *action, const char *const *extra);
void event_img(struct broker *b, const char *action, const struct image *i, const char *name);
void event_net(struct broker *b, const char *action, const struct net *n);
void event_vol(struct broker *b, const char *action, const struct volume *v);
void events_sweep(struct broker *b);      /* listeners whose worker has died */
int events_listen(struct broker *b, struct call *call, const struct api_events *m, struct err *e) must_check;
