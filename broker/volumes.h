#pragma once
#include "edge.h"
#include "msg/run.h"
#include "state.h"

char *volume_mountpoint(const struct broker *b, struct arena *a, const char *name);
/* Fills a new volume's record; -1 without memory. */
int volume_fill(const struct broker *b, struct arena *a, struct volume *v, const char *name, bool anonymous, const struct kvs *labels,
    const struct kvs *options) must_check;
/* How many containers mount it; ids into the list if it is given. */
size_t volume_users(const struct broker *b, const char *name, struct strs *ids, struct arena *a);
/* volume_options.c: the local driver's type, o and device, when a volume is made and when a container starts with it. */
int volume_options_check(const struct kvs *o, struct arena *a, struct err *e) must_check;
int volume_options_mount(const struct ctr *c, const struct volume *v, struct run_mount *m, struct arena *a, struct err *e) must_check;
int handle_volume_create(struct call *call, const void *msg, struct err *e);
int handle_volume_list(struct call *call, const void *msg, struct err *e);
int handle_volume_inspect(struct call *call, const void *msg, struct err *e);
int handle_volume_remove(struct call *call, const void *msg, struct err *e);
int handle_volume_prune(struct call *call, const void *msg, struct err *e);
