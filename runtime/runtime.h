/*
 * The runtime: makes containers without any capability on the host, from what the givers give. It keeps one box for
 * each container (or warm sandbox) and one mon for each monitor, all in one loop; it never waits for a monitor.
 */
#pragma once
#include "comp.h"
#include "msg/give.h"
#include "msg/run.h"
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>

#define POOL_SIZE 6
#define HIERARCHIES_MAX 32

struct runtime;
struct box;
struct copy;

struct hierarchy {
	char name[64];
	int dir;
};

/* A client that attached before the start. */
struct waiter {
	struct waiter *next;
	struct arena arena;
	struct run_stream *stream;
	int fd;
};

/* A call that a monitor answers, in order. */
struct asked {
	struct asked *next;
	struct call *call;
	int follow;                  /* our end of the follower's channel */
};

enum mon_state { MON_MAKING, MON_READY, MON_STARTING, MON_RUNNING, MON_LOST };

struct mon {
	struct mon *next;            /* of the box' execs */
	struct runtime *rt;
	struct box *box;
	char exec[65];               /* "": the container's own */
	struct loop_io io;
	int rs;                      /* channel to the process until it executes */
	struct loop_io hold;         /* the same, while it builds a root for copies */
	int pidfd;
	pid_t pid;
	enum mon_state state;
	bool tty;
	int64_t started_at;
	struct call *start;
	struct asked *asked;
};

enum box_state { BOX_MAKING, BOX_PREPARED, BOX_STARTING, BOX_RUNNING, BOX_EXITED };

struct box {
	struct box *next;
	struct runtime *rt;
	char id[65];                 /* "": in the pool */
	char cg_parent[256], cg_name[80];
	enum box_state state;
	unsigned create, own;        /* CLONE_NEW*: made for it, and those that are not the host's */
	bool no_shm, host_cgroupns, has_cgroup;
	uint32_t id_base;
	int netns, userns[2];
	struct mon *init;
	struct mon *execs;
	struct waiter *waiters;
	struct copy *copies;         /* archive.c */
	struct call *prepare;
	struct call *cancel;         /* answered when it is gone */
	bool foreign;                /* another runtime made what runs in it */
	bool tty, cancelled, is_new_dir;
	bool held;                   /* a sandbox for copies: nothing is started in it */
	bool paused;
	char log_driver[64];
	int64_t oom_before;
	int64_t started_at, finished_at;
	int code;
	bool oom_killed;
};

struct grave {
	struct grave *next;
	char parent[256], name[80];
	int tries;
};

/* An exec that ended while no broker was there to hear it. */
struct unheard {
	struct unheard *next;
	char id[65], exec[65];
	int code;
	bool oom_killed;
	int64_t finished_at;
};

struct program {                 /* a compiled system call filter */
	struct program *next;
	uint64_t caps;
	int memfd;
};

/* A container of the host-runtime. */
struct remote {
	struct remote *next;
	char id[65];
};

struct runtime {
	struct comp *comp;
	struct loop *loop;
	struct edge *run, *idmap, *mount;
	int containers, sockets;
	struct hierarchy h[HIERARCHIES_MAX];
	size_t n_h;
	bool v2;
	int64_t ncpu;
	struct { char name[16]; int64_t soft, hard; } rlimits[32];   /* of who names none */
	size_t n_rlimits;
	int monitor_bin, init_bin, archiver_bin, monitor_filter;
	unsigned n_copies;
	struct box *boxes;
	struct box *pool;
	size_t n_pool;
	unsigned seq;
	struct box *making;          /* on its way to the pool */
	bool pool_broken;
	int64_t last_request;
	struct loop_timer pool_timer, grave_timer;
	struct grave *graves;
	struct unheard *unheard;
	struct program *programs;
	bool host;                   /* this is the host-runtime */
	int map_ns;                  /* its map from the image id range to the host's ids */
	uid_t run_uid;
	gid_t run_gid;
	/* the runtime's way to the host-runtime */
	struct edge *to_host;
	struct remote *remotes;
	struct call *held;           /* until it is there, in order */
	size_t n_held;
	bool asking;
	unsigned refused;
	struct loop_timer ask_timer;
};

/* The group of the host-runtime in each hierarchy; the runtime leaves it alone. */
#define HOST_GROUP "host-userns"

/* sandbox.c */
int mon_spawn(struct runtime *rt, struct box *box, const struct w_prepare *p, const int *fds, size_t nfds, struct mon **ret, struct err *e) must_check;
/* Executes a sealed binary with the channel as its descriptor 3 and none else; -1 with errno. */
pid_t exec_sealed(int bin, const char *name, int channel);
void mon_free(struct mon *m);
void mon_kill(struct mon *m);
int on_run_prepare(struct call *c, const void *msg, struct err *e);
struct box *box_new(struct runtime *rt, const char *id, struct err *e);
struct box *box_find(struct runtime *rt, const char *id);
void box_free(struct box *b);
/* The process is gone or was never wanted: gives back everything but the directory. */
void box_release(struct box *b);
/* A directory that a failed start made. */
void box_forget_dir(struct box *b);
int box_cloned(struct mon *m, struct wire *w, struct err *e) must_check;
void pool_schedule(struct runtime *rt);
void pool_drop(struct runtime *rt);

/* events.c: what monitors say */
void mon_ready(struct loop_io *io, uint32_t events);
void send_exited(struct runtime *rt, const char *id, const char *exec, int code, bool oom, int64_t at);
void send_unheard(struct runtime *rt);
/* From a W_FAILED. */
void wire_error(const struct wire *w, struct err *ret);

/* start.c */
int on_run_start(struct call *c, const void *msg, struct err *e);
int on_run_exec(struct call *c, const void *msg, struct err *e);
int send_fds(int rs, const int *fds, size_t n, struct err *e) must_check;
/* <exec root>/run/NAME, at most 100 bytes */
int socket_path(const struct runtime *rt, const char *name, void *sockaddr, struct err *e) must_check;
void socket_remove(const struct runtime *rt, const char *name);
/* before the names of the host-runtime's, so that each of both knows its own */
#define SOCKET_OF_HOST "host-"

/* foreign.c: from now on m is about the first process of what another runtime made */
void foreign_find(struct mon *m);

/* archive.c */
int on_run_archive(struct call *c, const void *msg, struct err *e);
/* The container (or its sandbox) is no more: those who copy are told. */
void copies_end(struct box *b);

/* propagation.c: that a path is on a mount of the host which can pass mounts on */
int propagation_check(const char *path, bool slave, struct err *e) must_check;

/* start.c: the limits that a process does not name, in a copy of it */
int rlimits_complete(const struct runtime *rt, const struct run_process *p, struct arena *a, struct run_process *ret, struct err *e) must_check;

/* give.c: the mounter's part of a start, in the order that stage expects */
int give_mounts(struct box *b, const struct run_spec *spec, int *fds, size_t max, size_t *n, struct err *e) must_check;

/* control.c */
int on_run_cancel(struct call *c, const void *msg, struct err *e);
int on_run_signal(struct call *c, const void *msg, struct err *e);
int on_run_freeze(struct call *c, const void *msg, struct err *e);
int on_run_resize(struct call *c, const void *msg, struct err *e);
int on_run_attach(struct call *c, const void *msg, struct err *e);
int on_run_logs(struct call *c, const void *msg, struct err *e);
/* Answers c with the log of a container that has no monitor any more; one that wrote nothing has an empty one. */
int logs_from_disk(struct runtime *rt, const char *id, struct call *c, struct err *e);
int on_run_delete(struct call *c, const void *msg, struct err *e);
int on_run_list(struct call *c, const void *msg, struct err *e);
int list_states(struct runtime *rt, struct run_states *r, struct arena *a, struct err *e) must_check;
int on_run_update(struct call *c, const void *msg, struct err *e);
/* netjoin.c: within a container's network namespace, by a short-lived child */
int on_run_dns(struct call *c, const void *msg, struct err *e);
int on_run_netns(struct call *c, const void *msg, struct err *e);
int on_run_connect(struct call *c, const void *msg, struct err *e);
/* top.c */
int on_run_top(struct call *c, const void *msg, struct err *e);

/* route.c: of the runtime's requests those that are about a container of the host-runtime go there */
int route(struct call *c, const void *msg, struct err *e);
int remote_add(struct runtime *rt, const char *id, struct err *e) must_check;
bool remote_has(const struct runtime *rt, const char *id);
/* Asks for the host-runtime if it is wanted and not there. */
void route_want(struct runtime *rt);

/* host.c: the host-runtime's own beginning, at the place where the runtime's hierarchies are open */
int host_begin(struct runtime *rt, const struct ctl_start *m, struct err *e) must_check;

/* devices.c: what the container may open; nodes: descriptors of its devices */
int cg_devices(struct box *b, const struct run_spec *spec, const int *nodes, struct err *e) must_check;

/* device_nodes.c: the devices one by one, and what is taken away of them; nodes: their descriptors */
int devices_expand(const struct run_spec *spec, struct arena *a, struct device_mapping_list *ret, struct err *e) must_check;
int devices_deny(struct box *b, const struct run_spec *spec, const int *nodes, struct err *e) must_check;

/* recover.c */
int recover(struct runtime *rt, struct err *e) must_check;

/* cgroup.c */
int cg_init(struct runtime *rt, struct err *e) must_check;
int cg_make(struct runtime *rt, const char *parent, const char *name, struct err *e) must_check;
int cg_rename(struct runtime *rt, struct box *b, const char *name, struct err *e) must_check;
/* Descriptors by which a process joins; see W_PREPARE. */
int cg_join_fds(struct runtime *rt, const struct box *b, int *fds, size_t *n, struct err *e) must_check;
void cg_bury(struct runtime *rt, const char *parent, const char *name);
/* Kills what is left in it; returns how many there were. */
int cg_kill(struct runtime *rt, const char *parent, const char *name, int sig);
int cg_open(const struct runtime *rt, const struct box *b, const char *controller, const char *file, int flags);
int cg_freeze(struct runtime *rt, struct box *b, bool on, struct err *e) must_check;
void cg_thaw(struct runtime *rt, const char *parent, const char *name);
bool cg_is_frozen(struct runtime *rt, const struct box *b);
int64_t cg_oom_count(struct runtime *rt, const struct box *b);
size_t cg_pids(struct runtime *rt, const struct box *b, pid_t *pids, size_t max);
void cg_sweep(struct runtime *rt);   /* removes what pools of an earlier life left */
/* stats.c */
int on_run_stats(struct call *c, const void *msg, struct err *e);
/* blkio.c */
int cg_blkio(struct box *b, const struct run_limits *l, struct err *e) must_check;
/* limits.c */
int cg_put(struct box *b, const char *controller, const char *file, const char *text, struct err *e) must_check;
int cg_put_num(struct box *b, const char *controller, const char *file, int64_t v, struct err *e) must_check;
int cg_limits(struct runtime *rt, struct box *b, const struct run_limits *l, struct err *e) must_check;

/* filter.c: system call filters */
int filter_for(struct runtime *rt, const struct run_process *p, int *ret_memfd, unsigned *ret_flags, struct err *e) must_check;   /* flags: SECCOMP_FILTER_FLAG_* */
/* Does a rule of a profile hold here, for a container with these capabilities; is it an architecture ("SCMP_ARCH_...") of this machine's own programs? */
bool filter_applies(const struct seccomp_rule *r, uint64_t caps);
bool filter_is_native(const char *arch);
/* filter_json.c: the same as text for another runtime, in a sealed memory file. Not for "unconfined". */
int filter_json(const struct run_process *p, int *ret_memfd, struct err *e) must_check;
int filter_monitor(int *ret_memfd, struct err *e) must_check;
