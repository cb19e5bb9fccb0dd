#pragma once
#include "edge.h"
#include "state.h"

char *volume_mountpoint(const struct broker *b, struct arena *a, const char *name);
/* Fills a new volume's record; -1 without memory. */
int volume_fill(const struct broker *b, struct arena *a, struct volume *v, const char *name, bool anonymous, const struct kvs *labels,
    const struct kvs *options) must_check;
/* How many containers mount it; ids into the list if it is given. */
size_t volume_users(const struct broker *b, const char *name, struct strs *ids, struct arena *a);
int handle_volume_create(struct call *call, const void *msg, struct err *e);
int handle_volume_list(struct call *call, const void *msg, struct err *e);
int handle_volume_inspect(struct call *call, const void *msg, struct err *e);
int handle_volume_remove(struct call *call, const void *msg, struct err *e);
int handle_volume_prune(struct call *call, const void *msg, struct err *e);
