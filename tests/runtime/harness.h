/* The runtime with its givers as they run in the engine, in a directory, cgroups and users of the test's own. Root only. */
#pragma once
#include "edge.h"
#include "loop.h"
#include "msg/ctl.h"
#include "msg/give.h"
#include "msg/run.h"
#include "role.h"

#include <stdbool.h>
#include <sys/types.h>

#define RUN_UID   880011
#define IDMAP_UID 880012
#define MOUNT_UID 880013
#define LAYER     "1111111111111111111111111111111111111111111111111111111111111111"
#define CAPS      INT64_C(0xa80425fb)

struct rig_role {
	pid_t pid;
	struct edge *ctl;
};

struct seen {
	char id[65], exec[65];
	int code;
	bool oom;
};

struct rig {
	struct loop *loop;
	char dir[128], cg[64];
	struct rig_role idmapper, mounter, runtime;
	struct edge *run;
	struct seen seen[4096];
	size_t n_seen;
	int detached;
	int cgroup_fds[32];
	char *cgroup_names[32];
	size_t n_cgroups;
};

extern struct rig rig;

/* false: not root, skip. Enters mount and network namespaces of its own. */
bool rig_up(void);
void rig_down(void);            /* also checks that nothing is left; aborts the test program if something is */
void rig_kill_runtime(void);
void rig_stop_runtime(void);
void rig_start_runtime(void);

/* A container in the making; the arrays are filled for a simple command. */
struct box_spec {
	struct run_prepare prepare;
	struct run_spec spec;
	struct run_process process;
	struct run_limits limits;
	struct run_log log;
	char id[65];
	char *args[16], *env[16], *layers[4], *masked[16], *locked[16], *group_add[8];
	struct run_mount mounts[8];
	struct ulimit_rec rlimits[4];
	struct device_mapping devices[4];
	struct kv sysctls[4];
};
void box_init(struct box_spec *b, const char *const *args);
void box_shell(struct box_spec *b, const char *script);
void rig_make_rw(const char *id);
int box_prepare(struct box_spec *b, struct err *e);
int box_launch(struct box_spec *b, struct err *e);
/* prepare and start */
int box_run(struct box_spec *b, struct err *e);
/* Attaches before or after the start; returns our end. */
int box_attach(struct box_spec *b, bool in, bool mux, struct err *e);
/* Reads a stream to its end, takes frames apart; returns length. */
size_t read_frames(int fd, char *out, size_t size, char *errs, size_t errs_size);
size_t read_plain(int fd, char *out, size_t size);
int wait_exit(const char *id, const char *exec);       /* code, or -1 after 20 s */
int simple_call(unsigned no, const char *id, struct err *e);
void box_delete(const char *id);
int send_signal(const char *id, int sig, struct err *e);
/* Runs to the end and removes: exit code; output in out. A failed start: -1 and e. */
int box_output(struct box_spec *b, char *out, size_t size, struct err *e);
const char *sh(const char *script);                    /* output of a default container, static storage */
int exec_in(const char *id, const char *const *args, char *out, size_t size, struct err *e);
void pump(void);
