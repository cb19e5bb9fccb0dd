/*
 * bulwark-oci: the runtime's own stage, filter and user code behind the usual OCI command line. A tool that is started by who may do
 * what it does anyway (root of the host or of a user namespace), so it may parse JSON; it is none of the engine's processes.
 */
#pragma once
#include "profile_oci.h"
#include "runtime.h"
#include "stage.h"

#include <stdbool.h>
#include <sys/types.h>

struct oci {
	const char *command;
	const char *root, *log, *bundle, *pid_file, *console_socket, *process_file, *format;
	bool log_json, debug, detach, force, quiet;
	int root_fd;                     /* --root, made if missing */
	struct arena arena;
};

/* What is kept of a container: ROOT/ID/state.json. */
struct oci_state {
	char *id, *bundle;
	pid_t pid;
	int64_t started;                 /* of the process, in clock ticks after the boot: its number alone may come again */
	struct kvs annotations;
};

/* spec.c: config.json, checked: what this runtime does not do is an error that names the field. */
int oci_spec_read(const char *text, size_t n, struct arena *a, struct oci_config *ret, struct err *e) must_check;
int oci_spec_load(const char *bundle, struct arena *a, struct oci_config *ret, struct err *e) must_check;
/* A process (of config.json, or of exec --process) checked and as stage wants it. ids: user, group and the others. */
int oci_process_read(const char *text, size_t n, struct arena *a, struct oci_process *ret, struct err *e) must_check;
int oci_process_plan(const struct oci_config *c, const struct oci_process *p, struct run_process *ret, struct err *e) must_check;
unsigned oci_space_flag(const char *type);   /* CLONE_NEW*; 0: unknown */

/* make.c: the container's process, until it waits for start. */
int oci_create(struct oci *o, const char *id, pid_t *ret_pid, struct err *e) must_check;
int oci_start(struct oci *o, const char *id, struct err *e) must_check;
int oci_exec(struct oci *o, const char *id, char *const *args, pid_t *ret_pid, struct err *e) must_check;

/* state.c */
int oci_dir(const struct oci *o, const char *id, int *ret_fd, struct err *e) must_check;
int oci_state_write(int dir, const struct oci_state *s, struct err *e) must_check;
int oci_state_read(struct oci *o, const char *id, struct oci_state *ret, struct err *e) must_check;
/* "created", "running", "stopped" */
const char *oci_status(struct oci *o, const struct oci_state *s);
int64_t oci_start_time(pid_t pid);           /* -1: no such process, or one that has ended */
