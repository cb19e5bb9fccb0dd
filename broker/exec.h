#pragma once
#include "edge.h"
#include "state.h"

void exec_exited(struct ctr *c, const char *id, int64_t code);
void execs_end(struct ctr *c);                    /* their container ended */
/* The runtime says which execs run: others that were recorded as running have ended without a trace. */
void execs_compare(struct ctr *c, const struct strs *running);
bool op_known_exec(const struct broker *b, const char *id);   /* being started now */
void execs_sweep(struct broker *b);               /* forgets those that ended a while ago */
int handle_exec_create(struct call *call, const void *msg, struct err *e);
int handle_exec_start(struct call *call, const void *msg, struct err *e);
int handle_exec_inspect(struct call *call, const void *msg, struct err *e);
/* An event of it; with_command: as "exec_create: ls /" */
void exec_emit(struct exec *x, const char *what, bool with_command);
void exec_failed(struct exec *x, int64_t code);   /* it never ran */
/* streams.c */
int handle_container_resize(struct call *call, const void *msg, struct err *e);
int handle_container_attach(struct call *call, const void *msg, struct err *e);
int handle_container_logs(struct call *call, const void *msg, struct err *e);
int handle_container_top(struct call *call, const void *msg, struct err *e);
int handle_container_stats(struct call *call, const void *msg, struct err *e);
int check_detach_keys(const char *keys, struct err *e) must_check;
