/*
 * The process that becomes the user's program: cloned by a monitor into the namespaces, it holds nothing of the host but
 * the descriptors below. Until it executes the user's program it runs the monitor's image, which lies in a sealed memory
 * file and whose memory belongs to the host's user namespace: once undumpable, nobody inside can look into it.
 */
#pragma once
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>

#define STAGE_FDS_MAX 1024
#define STAGE_GROUPS_MAX 1024

struct stage {
	const struct w_prepare *prepare;
	const struct w_spec *w;
	const struct run_spec *spec;          /* NULL for an exec */
	const struct run_process *process;
	int rs, ms;                           /* channels: runtime, monitor */
	int apparmor, selinux;                /* switches of the labels, -1: not wanted */
	int oom_score;                        /* /proc/self/oom_score_adj, opened while that was possible */
	int fds[STAGE_FDS_MAX];
	size_t nfds, next;
	/* made before any image is known */
	int dir;                              /* a tmpfs of our own where the parts lie until they are in place */
	int proc, sys, mqueue, mask, null_node;
	int dev, shm;                         /* shm: somebody else's /dev/shm */
	bool has_cgroup;
	/* the new root */
	int root;
	/* who the program runs as */
	uid_t uid;
	gid_t gid;
	gid_t groups[STAGE_GROUPS_MAX];
	size_t n_groups;
	char home[4096];
	char **env;
	struct arena arena;
};

/* The whole life; never returns. cgroup_fds: what to write oneself into first. */
_Noreturn void stage_main(struct stage *s, int *cgroup_fds, size_t n_cgroups);
/* Sends the error and ends. */
_Noreturn void stage_fail(struct stage *s, const struct err *e);
int stage_take_fd(struct stage *s, int *ret_fd, struct err *e) must_check;

/* stage_warm.c: everything that does not depend on what will run */
int stage_warm(struct stage *s, struct err *e) must_check;
/* A new file system instance as a detached mount. options: key, value, key, value, ..., NULL. -1 with errno. */
extern const char *fs_label;   /* SELinux: of what is mounted from now on; NULL: as the policy says */
int fs_make(const char *type, const char *const *options, unsigned attrs) must_check;
int fs_attach(int mount, int dir, const char *name) must_check;

/* stage_root.c */
int stage_root(struct stage *s, struct err *e) must_check;
/* Only the container's files: layers, volumes and bind mounts, nothing that a program needs. */
int stage_files(struct stage *s, struct err *e) must_check;
int stage_pivot(struct stage *s, struct err *e) must_check;
/* Resolves path in the new root; what is missing is made. Links are followed inside, never out. */
int root_target(struct stage *s, const char *path, bool dir, bool no_links, int *ret_fd, struct err *e) must_check;
int root_open(const struct stage *s, const char *path, int flags, bool no_links) must_check;
int root_attach(struct stage *s, int mount, const char *path, bool no_links, struct err *e) must_check;

/* stage_mounts.c */
int stage_mounts(struct stage *s, struct err *e) must_check;
int stage_devices(struct stage *s, struct err *e) must_check;
bool stage_has_mount(const struct stage *s, const char *path);

/* stage_guard.c */
int stage_sysctls(struct stage *s, struct err *e) must_check;
int stage_mask(struct stage *s, struct err *e) must_check;

/* stage_net.c: within the network namespace */
int stage_net(struct stage *s, struct err *e) must_check;
/* In a network namespace in which nothing is set up yet. */
int net_loopback_up(struct err *e) must_check;
/* Of a container that runs: addresses and routes of interfaces that came later. proc: a directory of procfs. */
int net_set_up(int proc, const struct run_link_list *links, struct err *e) must_check;

/* stage_copy.c: the image's content for a volume that is empty */
int stage_copy_up(int from, int to, struct err *e) must_check;

/* stage_label.c */
int stage_labels_open(struct stage *s, struct err *e) must_check;
int stage_labels_apply(struct stage *s, struct err *e) must_check;   /* for the next execution */
int stage_relabel(int mount, const char *label, struct err *e) must_check;

/* stage_user.c: in the container's own files */
int stage_user(struct stage *s, struct err *e) must_check;

/* stage_foreign.c: the container is made by another runtime, this process stays its first one. */
_Noreturn void stage_foreign(struct stage *s);
/* stage_config.c: config.json. dir: holds "root"; seccomp: a descriptor of linux.seccomp as text, or -1. */
int stage_config(struct stage *s, const char *dir, int seccomp, struct buf *b, struct err *e) must_check;

/* stage_run.c */
/* Of what the kernel and the host have left. */
uint64_t stage_known_caps(uint64_t caps);
int stage_set_oom_score(struct stage *s, struct err *e) must_check;
int stage_set_caps(uint64_t effective, uint64_t permitted, struct err *e) must_check;
int stage_leave_keyring(struct err *e) must_check;
int stage_stdio(struct stage *s, struct err *e) must_check;
_Noreturn void stage_run(struct stage *s);
