/* The supervisor's parts: host.c prepares what the roles are handed, procs.c starts and watches them. */
#pragma once
#include "edge.h"
#include "loop.h"
#include "msg/ctl.h"
#include "role.h"

#include <sys/types.h>

#define MAX_HOSTS 64
#define MAX_HIERARCHIES 32
#define MAX_WORKERS 256

struct hierarchy {
	char name[64];        /* "memory", "cpu,cpuacct", "name=systemd"; "v2" for the unified one */
	char root[256];       /* where it is mounted */
	char path[512];       /* the delegated directory */
	int fd;
	int engine;           /* v2: cgroup.procs of the leaf in which the runtime itself runs; else -1 */
};

struct safe_dir { int mount, fd; };

/* What the host gives: opened once, before any role runs. */
struct host {
	int config_file, data_root, exec_root, lock;
	int store, volumes, containers, broker, logger, run, empty, root;
	struct safe_dir safe_store, safe_volumes;   /* stored's: without devices */
	int sockets[MAX_HOSTS];
	char socket_paths[MAX_HOSTS][108];   /* "" if it was inherited */
	size_t n_sockets;
	struct hierarchy cgroups[MAX_HIERARCHIES];
	size_t n_cgroups;
	uid_t uids[ROLE_COUNT];
	gid_t gids[ROLE_COUNT];
	bool pidfile_written;
};

/* Users, lock, data root, exec root, sockets, cgroups, in this order; the first failure is told and nothing is undone but what
   host_close undoes. */
int host_open(struct host *h, struct engine_config *config, struct arena *a, struct err *e) must_check;
/* Removes what is not in use: sockets, pid file, empty groups and directories. */
void host_close(struct host *h, const struct engine_config *config);
int host_users(struct host *h, struct err *e) must_check;
int host_cgroups_open(struct host *h, const struct engine_config *config, struct err *e) must_check;   /* cgroup.c */
void host_cgroups_close(struct host *h);

/* apparmor.c: whether the host has AppArmor; then its profile for containers was loaded (failure is logged). */
bool apparmor_prepare(void);

struct supervisor;
/* One running role. */
struct proc_slot {
	struct supervisor *s;
	enum role role;
	pid_t pid;            /* 0: not running */
	struct edge *ctl;
	bool started;         /* answered ctl_start */
	bool asked, stopped;  /* was sent, has answered ctl_stop */
	unsigned failures;
	int64_t started_ns;
	struct loop_timer again;
	char principal[64];   /* workers */
};

struct supervisor {
	struct loop *loop;
	struct host host;
	struct engine_config *config;
	struct arena arena;
	int libexec;          /* directory of the roles' binaries */
	struct proc_slot roles[ROLE_COUNT];
	struct proc_slot workers[MAX_WORKERS];
	struct loop_io signals;
	struct loop_timer deadline;
	int stopping;         /* 0 no, else the step of the order */
	unsigned term_signals;
	bool ready, failed;
	void (*on_ready)(void);   /* once, when all roles have started */
	char **argv;
	int argc;
};

/* Asks the configuration parser. Returns 1 if there is nothing more to do (help, version): text was printed. */
int config_ask(struct supervisor *s, struct arena *a, struct engine_config **ret, struct err *e) must_check;
int procs_start_all(struct supervisor *s, struct err *e) must_check;
void procs_reaped(struct supervisor *s, pid_t pid, int status);
void procs_stop(struct supervisor *s);
void procs_reload(struct supervisor *s);
/* Forks and executes a role's binary with ctl_fd as CTL_FD; extra: descriptors that become CTL_FD + 1, ... */
pid_t proc_spawn(struct supervisor *s, enum role role, char *const argv[], int ctl_fd, const int *extra, size_t n_extra, struct err *e) must_check;
