/*
 * The role table: one row per kind of process says all that it may do. The supervisor drops a child to its row before it
 * executes it (so an unprivileged binary never holds a privilege), the process itself checks that and adds Landlock
 * and seccomp, docs/security.md is printed from it, and tests compare it with the running processes.
 */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum role {
	ROLE_SUPERVISOR, ROLE_CONFIG, ROLE_BROKER, ROLE_WORKER, ROLE_RUNTIME, ROLE_MONITOR, ROLE_IDMAPPER,
	ROLE_HOST_RUNTIME, ROLE_STORED, ROLE_UNPACKER, ROLE_MOUNTER, ROLE_NETD,
	ROLE_LOCKER, ROLE_ARCHIVER, ROLE_RESOLVER, ROLE_LOGGER,
	ROLE_COUNT
};

enum role_landlock {
	LANDLOCK_NONE,     /* none: its descendants are containers, and mounts fail in a Landlock domain */
	LANDLOCK_EMPTY,    /* no file at all; if it was handed a tree, that (empty) directory becomes its root */
	LANDLOCK_TREES,    /* only the trees that it was handed at start */
};

struct role_row {
	const char *name;            /* as in logs and docs */
	const char *binary;          /* file name in the libexec directory */
	const char *user;            /* NULL: root */
	bool image_root;             /* runs as root of a user namespace over the image id range: as IMAGE_ID_BASE on the host */
	uint64_t caps;               /* capabilities on the host, bit mask */
	uint64_t ns_caps;            /* capabilities within its own user namespace (stored, unpacker) */
	bool no_new_privs;
	enum role_landlock landlock;
	const char *const *syscalls; /* allow-list, NULL-terminated, closed by role_sandbox; NULL: the deny-list that containers
	                                may inherit, set by role_drop (a filter without no_new_privs needs a capability) */
	uint64_t nofile, nproc;      /* rlimits; 0: inherited. nproc counts the whole user */
	bool may_dump;               /* stays dumpable (its owner must be able to open its maps) */
	uint64_t landlock_leave;     /* kinds of access that its Landlock domain does not govern */
	bool unfiltered;             /* not even the deny-list */
	bool no_code;                /* no memory becomes executable any more */
};

/* CAP_LAST_CAP and below: what a process gets that is to hold everything the kernel knows */
#define ROLE_CAPS_ALL ((UINT64_C(1) << 41) - 1)

/* A resource limit as the engine was started with it; -1: none. */
struct role_limit { const char *name; int what; int64_t soft, hard; };
#define ROLE_LIMITS 16
extern struct role_limit role_limits[ROLE_LIMITS];
/* Notes the limits and raises what nothing may be raised above later, as far as that is allowed: only the runtimes keep it, since a container
   may be given more than the engine has. Root's, before it gives up its capabilities. */
void role_limits_raise(void);
/* What the runtime and all that it starts (containers with a user namespace) may never call. */
extern const char *const role_denied[];
extern const struct role_row role_table[ROLE_COUNT];

/* For the supervisor's child, between fork and exec: groups, ids, capability sets (the row's as ambient), bounding set,
   securebits, no_new_privs, rlimits. uid and gid are the row's user's. */
int role_drop(enum role role, uid_t uid, gid_t gid, struct err *e) must_check;
/* fd: a directory; write: may also create, change and remove beneath it; exec: may execute; close: comp_main closes fd after the sandbox is shut. */
struct role_tree { int fd; bool write, exec, close; };
/* For the process itself, once it has its descriptors: verifies ids and capabilities against the row, then not dumpable,
   no_new_privs, Landlock, seccomp. Any error is fatal for the caller. */
int role_sandbox(enum role role, const struct role_tree *trees, size_t n, struct err *e) must_check;
/* Only the seccomp part, for a process that is not started by the supervisor (monitor, unpacker). */
int role_seccomp(enum role role, struct err *e) must_check;
int role_landlock_only(enum role role, const struct role_tree *trees, size_t n, struct err *e) must_check;
