/* What happens to containers: start, stop, kill, restart, pause, rename, remove, and their end. */
#pragma once
#include "edge.h"
#include "msg/run.h"
#include "nets.h"
#include "steps.h"

/* start.c. then (may be NULL) hears how it went. */
int start_container(struct ctr *c, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e);
/* The second half of a restart: a crash in it does not leave the container stopped. */
int start_stopped(struct ctr *c, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e);
/* The runtime died with a run_start and now says what became of it (NULL: it knows nothing). */
void start_resolved(struct ctr *c, const struct run_state *state);
/* spec.c: all that run_start needs, in the arena. */
int spec_build(struct ctr *c, struct arena *a, struct run_spec *ret, struct err *e) must_check;
int spec_exec(struct ctr *c, const struct exec_config *x, bool tty, struct arena *a, struct run_process *ret, struct err *e) must_check;
/* An interface as it is to be set up from within; appended. */
int spec_link(const struct ctr *c, const struct endpoint *n, struct arena *a, struct run_link_list *ret, struct err *e) must_check;
/* etcfiles.c */
int etc_hosts(struct ctr *c, struct arena *a, char **ret, struct err *e) must_check;
int etc_resolv_conf(struct ctr *c, struct arena *a, char **ret, struct err *e) must_check;

/* exits.c */
int lifecycle_exited(struct broker *b, const struct run_exit *m, struct err *e);
void lifecycle_detached(struct broker *b, const struct run_id *m);
/* The container's process has ended; record, events, network, waiters, restart, automatic removal. */
void ctr_exited(struct ctr *c, int64_t code, bool oom, int64_t finished_at, const char *error);
/* A restart policy wants it up again. */
void restart_later(struct ctr *c);
bool restart_wanted(const struct ctr *c, int64_t code, bool engine_start);
void restart_forget(struct ctr *c);

/* wait.c */
int ctr_wait(struct ctr *c, enum wait_for what, void (*fn)(void *ctx, struct ctr *c, int64_t status, const char *error), void *ctx, struct err *e)
    must_check;
void ctr_unwait(struct ctr *c, void *ctx);
void waits_sweep(struct broker *b);      /* clients whose worker has died */
/* Wakes those that wait for this; removed: all that are left. */
void ctr_woke(struct ctr *c, bool exited, bool removed);

/* stop.c */
int stop_container(struct ctr *c, struct call *call, const char *signal, const struct opt *timeout, void (*then)(struct op *op, void *ctx),
    void *ctx, struct err *e) must_check;
/* Holds its processes, or lets them go on; health checks rest meanwhile. why NULL: it is so. What is not held can go on already. */
void freeze_container(struct op *op, bool on, unsigned flags, void (*done)(struct op *op, const struct err *why));
int signal_of(const char *text, struct err *e);   /* > 0, or -1 */
int64_t stop_timeout_of(const struct ctr *c, const struct opt *wish);

/* remove.c */
int remove_container(struct ctr *c, struct call *call, bool force, bool volumes, void (*then)(struct op *op, void *ctx), void *ctx,
    struct err *e) must_check;

/* archive.c */
int handle_container_archive(struct call *call, const void *msg, struct err *e);

int handle_container_start(struct call *call, const void *msg, struct err *e);
int handle_container_stop(struct call *call, const void *msg, struct err *e);
int handle_container_restart(struct call *call, const void *msg, struct err *e);
int handle_container_kill(struct call *call, const void *msg, struct err *e);
int handle_container_pause(struct call *call, const void *msg, struct err *e);
int handle_container_unpause(struct call *call, const void *msg, struct err *e);
int handle_container_rename(struct call *call, const void *msg, struct err *e);
int handle_container_remove(struct call *call, const void *msg, struct err *e);
int handle_container_wait(struct call *call, const void *msg, struct err *e);
int handle_container_prune(struct call *call, const void *msg, struct err *e);
