#include "role.h"

#include "fd.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* What every role needs: memory, its edges, its loop, time, randomness, and to end. */
#define SYS_BASE \
	"read", "write", "readv", "writev", "pread64", "pwrite64", "close", "close_range", "dup", "dup2", "dup3", "fcntl", \
	"fstat", "newfstatat", "lseek", "sendmsg", "recvmsg", "sendto", "recvfrom", "getsockopt", "shutdown", \
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6", \
	"mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "memfd_create", "ftruncate", "futex", "sched_yield", \
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "clock_gettime", "clock_nanosleep", \
	"nanosleep", "gettimeofday", "getrandom", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getppid", \
	"exit", "exit_group", "tgkill", "rseq", "set_robust_list", "prlimit64", "uname", "sysinfo", "sched_getaffinity", \
	"timerfd_create", "timerfd_settime", "eventfd2", "getrusage", "membarrier"
/* Files that it reaches through held directories. */
#define SYS_FILES \
	"openat", "openat2", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "stat", "lstat", "statx", "statfs", \
	"fstatfs", "getdents64", "getcwd", "fsync", "fdatasync", "sync_file_range", "fallocate", "ftruncate", "truncate", \
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlinkat", \
	"chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat", "umask", "flock", "copy_file_range", \
	"splice", "sendfile", "pipe2", "open", "socketpair", "fadvise64", "readahead", "ioctl"

static const char *const sys_worker[] = { SYS_BASE, "socketpair", "pipe2", "splice", "accept4", "ioctl", NULL };
static const char *const sys_config[] = { SYS_BASE, "ioctl", NULL };
static const char *const sys_broker[] = { SYS_BASE, SYS_FILES, "accept4", "getpeername", "getsockname", "setsockopt", NULL };
/* clone: the process that owns a mapping's namespace while its maps are written; setresuid, setfsuid: to be the owner of the
   namespace that is mapped, which its map files ask for; kill, wait4, waitid: that helper; pidfd_*: is the process still there */
static const char *const sys_idmapper[] = { SYS_BASE, "openat", "openat2", "getdents64", "readlinkat", "clone", "clone3", "unshare",
	"wait4", "waitid", "kill", "pause", "prctl", "setresuid", "setresgid", "setfsuid", "setfsgid", "pidfd_send_signal",
	"pidfd_open", "ioctl", "capget", "capset", "pipe2", NULL };
/* open_tree, mount_setattr: what it is for; bpf: to take devices away from a container's group with cgroup v2; clone, unshare: one user namespace of its own to create host paths as root owns them */
static const char *const sys_mounter[] = { SYS_BASE, "openat", "openat2", "open_tree", "mount_setattr", "statfs", "fstatfs", "statx",
	"mkdirat", "getdents64", "readlinkat", "clone", "clone3", "unshare", "wait4", "waitid", "kill", "pause", "ioctl", "pipe2",
	"setfsuid", "setfsgid", "capget", "prctl", "fchown", "fchmod", "move_mount", "chdir", "fchdir", "bpf", NULL };
/* A part of the mounter: it has trees in its hands and mounts them where there is nothing else */
static const char *const sys_locker[] = { "read", "write", "close", "fstat", "newfstatat", "sendmsg", "recvmsg", "move_mount", "open_tree", "unshare", "clone",
	"wait4", "brk", "mmap", "munmap", "rt_sigreturn", "restart_syscall", "exit", "exit_group", NULL };
/* socket, bind, setsockopt: rtnetlink and nfnetlink; openat: sysctls beneath /proc/sys/net */
/* Works in a container's namespaces, as its root: nothing that reaches another process, no socket but the one that it has. alarm, setitimer: it ends itself when nothing
   moves; openat2, statx: the container's files, whose links are resolved there; sysinfo: qsort asks how much memory there is */
static const char *const sys_archiver[] = { "read", "write", "pread64", "pwrite64", "readv", "writev", "close", "close_range", "dup", "fcntl", "fstat", "newfstatat", "lseek", "sendmsg",
	"recvmsg", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "memfd_create",
	"ftruncate", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall", "clock_gettime", "getrandom", "exit", "exit_group", "futex", "openat", "openat2", "statx",
	"fstatfs", "getdents64", "readlinkat", "mkdirat", "unlinkat", "linkat", "symlinkat", "mknodat", "fchmod", "fchmodat", "fchown", "fchownat", "utimensat", "fallocate",
	"splice", "fgetxattr", "fsetxattr", "flistxattr", "alarm", "setitimer", "sysinfo", "getpid", "gettid", NULL };
static const char *const sys_netd[] = { SYS_BASE, "socket", "bind", "getsockname", "setsockopt", "connect", "listen", "openat", "openat2",
	"ioctl", NULL };
/* socket, connect: the name servers of the host; accept4, getsockname: the containers' sockets */
static const char *const sys_resolver[] = { SYS_BASE, "socket", "connect", "accept4", "getsockname", NULL };
/* fork, exec and what follows it: the unpacker; unshare: its namespaces */
static const char *const sys_stored[] = { SYS_BASE, SYS_FILES, "setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr", "fgetxattr",
	"flistxattr", "llistxattr", "removexattr", "lremovexattr", "clone", "clone3", "fork", "vfork", "execve", "execveat", "wait4", "waitid", "kill",
	"pidfd_open", "pidfd_send_signal", "unshare", "chroot", "chdir", "fchdir", "setresuid", "setresgid", "setgroups", "prctl",
	"capget", "capset", "arch_prctl", "set_tid_address", "seccomp", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "mknodat", "syncfs", "setrlimit", "getrlimit", "mknod", "symlink", "lchown", "signalfd4", NULL };
static const char *const sys_unpacker[] = { SYS_BASE, SYS_FILES, "setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr",
	"fgetxattr", "flistxattr", "llistxattr", "listxattr", "removexattr", "lremovexattr", "mknodat", "mknod", "symlink", "lchown", "utime", "futimesat",
	"chdir", "fchdir", "setresuid", "setresgid", "capget", "capset", "creat", NULL };
/* openat: the log file that rotation makes is created beneath a held directory, to which Landlock confines it once it is told of it. accept4: the runtime comes back after a
   restart; wait4: the container's first process, whose parent it is; clone: a copy of itself that compresses a full log file */
static const char *const sys_monitor[] = { SYS_BASE, "openat", "unlinkat", "renameat", "renameat2", "fsync", "fdatasync", "accept4", "wait4", "waitid",
	"kill", "pidfd_send_signal", "pidfd_open", "ioctl", "splice", "tee", "socketpair", "pipe2", "getsockname", "setsockopt", "fstatfs",
	"signalfd4", "fallocate", "linkat", "mkdirat", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "clone", NULL };
/* socket ... sendmmsg: connections to where logs go, and the look-up of names; clone: the threads in which names are looked up (no exec) */
static const char *const sys_logger[] = { SYS_BASE, "openat", "open", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "stat", "lstat", "statx",
	"getdents64", "unlinkat", "fstatfs", "ioctl", "pipe2", "socketpair", "socket", "connect", "bind", "getsockname", "getpeername", "setsockopt", "sendmmsg",
	"recvmmsg", "clone", "clone3", "prctl", NULL };
/* What no container and nothing else that the runtime starts has a use for: nearly all of it needs a host capability anyway. (Not
   adjtimex, which also reads the clock.) */
const char *const role_denied[] = { "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "swapon",
	"swapoff", "settimeofday", "clock_settime", "acct", "quotactl", "quotactl_fd", "nfsservctl", "iopl", "ioperm",
	"open_by_handle_at", "io_uring_setup", "io_uring_enter", "io_uring_register", "lookup_dcookie", "vhangup", NULL };

const struct role_row role_table[ROLE_COUNT] = {
	[ROLE_SUPERVISOR] = { .name = "supervisor", .binary = "bulwarkd", .landlock = LANDLOCK_NONE,
		.caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) | CAP(FOWNER) | CAP(KILL) | CAP(SETGID) | CAP(SETUID) |
		    CAP(SETPCAP) | CAP(SETFCAP) | CAP(NET_ADMIN) | CAP(NET_BIND_SERVICE) | CAP(SYS_ADMIN) | CAP(SYS_CHROOT) },
	[ROLE_CONFIG] = { .name = "config", .binary = "bulwark-config", .user = "bulwark-api", .no_new_privs = true,
		.landlock = LANDLOCK_EMPTY, .syscalls = sys_config, .nofile = 64 },
	[ROLE_BROKER] = { .name = "broker", .binary = "bulwark-broker", .user = "bulwark", .no_new_privs = true,
		.landlock = LANDLOCK_TREES, .syscalls = sys_broker, .nofile = 16384 },
	[ROLE_WORKER] = { .name = "worker", .binary = "bulwark-worker", .user = "bulwark-api", .no_new_privs = true,
		.landlock = LANDLOCK_EMPTY, .syscalls = sys_worker, .nofile = 16384 },
	[ROLE_RUNTIME] = { .name = "runtime", .binary = "bulwark-runtime", .user = "bulwark-run", .landlock = LANDLOCK_NONE,
		.nofile = 16384, .may_dump = true },
	[ROLE_MONITOR] = { .name = "monitor", .binary = "bulwark-monitor", .user = "bulwark-run", .landlock = LANDLOCK_TREES,
		.syscalls = sys_monitor, .no_new_privs = true },
	/* no Landlock: its domain may not look at the namespaces of processes outside of it, which is what this role is for */
	[ROLE_IDMAPPER] = { .name = "idmapper", .binary = "bulwark-idmapper", .user = "bulwark-idmap", .no_new_privs = true,
		.caps = CAP(SETUID) | CAP(SETGID), .landlock = LANDLOCK_NONE, .syscalls = sys_idmapper, .nofile = 256, .may_dump = true },
	/* what its containers may be given (--privileged: all), and no filter, which they would inherit. It runs only once it was asked for */
	[ROLE_HOST_RUNTIME] = { .name = "host-runtime", .binary = "bulwark-runtime", .landlock = LANDLOCK_NONE, .nofile = 16384,
		.caps = ROLE_CAPS_ALL, .unfiltered = true },
	[ROLE_STORED] = { .name = "stored", .binary = "bulwark-stored", .image_root = true, .no_new_privs = true,
		.ns_caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP) | CAP(MKNOD) | CAP(SYS_CHROOT) |
		    CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) | CAP(SYS_ADMIN) | CAP(KILL),
		.landlock = LANDLOCK_TREES, .syscalls = sys_stored, .nofile = 4096 },
	[ROLE_UNPACKER] = { .name = "unpacker", .binary = "bulwark-unpacker", .image_root = true, .no_new_privs = true,
		/* SYS_CHROOT: to enter its directory, given up then; the others only for the job that unpacks a layer */
		.ns_caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP) | CAP(MKNOD) | CAP(SYS_CHROOT),
		.landlock = LANDLOCK_TREES, .syscalls = sys_unpacker,
		/* each of a container's layers twice: its top, and the directory at work */
		.nofile = 1024 },
	[ROLE_MOUNTER] = { .name = "mounter", .binary = "bulwark-mounter", .user = "bulwark-mount", .no_new_privs = true,
		.caps = CAP(SYS_ADMIN) | CAP(DAC_READ_SEARCH), .landlock = LANDLOCK_TREES, .syscalls = sys_mounter, .nofile = 1024,
		/* a missing host directory is created in a detached mount, which no rule can name */
		.landlock_leave = LANDLOCK_ACCESS_FS_MAKE_DIR },
	[ROLE_NETD] = { .name = "netd", .binary = "bulwark-netd", .user = "bulwark-net", .no_new_privs = true,
		/* NET_BIND_SERVICE: a published port is held by a socket, so that a clash with the host's programs shows */
		.caps = CAP(NET_ADMIN) | CAP(NET_BIND_SERVICE), .landlock = LANDLOCK_TREES, .syscalls = sys_netd, .nofile = 16384 },
	[ROLE_RESOLVER] = { .name = "resolver", .binary = "bulwark-resolver", .user = "bulwark-dns", .no_new_privs = true,
		.landlock = LANDLOCK_EMPTY, .syscalls = sys_resolver, .nofile = 16384 },
	/* no Landlock, whose domain forbids mounting: there is no file in its namespace */
	[ROLE_LOCKER] = { .name = "locker", .binary = "bulwark-mounter", .user = "bulwark-mount", .no_new_privs = true,
		.ns_caps = CAP(SYS_ADMIN), .landlock = LANDLOCK_NONE, .syscalls = sys_locker, .nofile = 1024 },
	[ROLE_LOGGER] = { .name = "logger", .binary = "bulwark-logger", .user = "bulwark-log", .no_new_privs = true,
		.landlock = LANDLOCK_TREES, .syscalls = sys_logger, .nofile = 16384 },
	/* root of the container's user namespace; of what a container without one has been given, the same set. No Landlock: its own copy of the
	   container's mounts is all that it can name */
	[ROLE_ARCHIVER] = { .name = "archiver", .binary = "bulwark-archiver", .user = "bulwark-run", .no_new_privs = true,
		.ns_caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(MKNOD) | CAP(SETFCAP),
		.landlock = LANDLOCK_NONE, .syscalls = sys_archiver, .nofile = 256, .no_code = true },
};

/* The commands of bpf(2) that a device program takes. The others are not given: one that traces the kernel needs no more than one call. */
static int
add_bpf(scmp_filter_ctx ctx, uint32_t action, int no)
{
	static const unsigned commands[] = { BPF_PROG_LOAD, BPF_PROG_ATTACH };
	int r = 0;

	for (size_t i = 0; i < sizeof commands / sizeof *commands && r == 0; i++)
		r = seccomp_rule_add(ctx, action, no, 1, SCMP_A0_32(SCMP_CMP_EQ, commands[i]));
	return r;
}

static int
add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, bool no_code, struct err *e)
{
	for (; *names != NULL; names++) {
		int no = seccomp_syscall_resolve_name(*names), r;

		/* not known to this libseccomp or not on this architecture: nothing to allow or deny */
		if (no == __NR_SCMP_ERROR || no < 0)
			continue;
		/* (the third argument of both says what the memory may be) */
		if (no_code && (no == SCMP_SYS(mmap) || no == SCMP_SYS(mprotect)))
			r = seccomp_rule_add(ctx, action, no, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		else if (no == SCMP_SYS(bpf))
			r = add_bpf(ctx, action, no);
		else
			r = seccomp_rule_add(ctx, action, no, 0);
		if (r < 0)
			return err_sys(e, -r, "system call filter: %s", *names);
	}
	return 0;
}

#ifdef BULWARK_SANITIZED
enum { FILTERED = 0 };   /* the sanitizers' own calls are not in the lists */
#else
enum { FILTERED = 1 };
#endif

#if defined __x86_64__
static const uint32_t other_archs[] = { SCMP_ARCH_X86, SCMP_ARCH_X32 };
#elif defined __aarch64__
static const uint32_t other_archs[] = { SCMP_ARCH_ARM };
#else
static const uint32_t other_archs[] = { SCMP_ARCH_NATIVE };
#endif

static int
load_filter(uint32_t otherwise, uint32_t action, const char *const *names, bool nnp, bool no_code, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	int r;

	if (ctx == NULL)
		return err_set(e, ERR_NO_MEMORY, "system call filter");
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, nnp ? 1 : 0);
	if (r == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* what is inherited by containers must not end programs of the machine's other call tables */
	for (size_t i = 0; r == 0 && otherwise == SCMP_ACT_ALLOW && i < sizeof other_archs / sizeof *other_archs; i++)
		if ((r = seccomp_arch_add(ctx, other_archs[i])) == -EEXIST)
			r = 0;   /* a machine that has no other */
	if (r < 0)
		err_sys(e, -r, "system call filter");
	else if ((r = add_all(ctx, action, names, no_code, e)) == 0 && (r = seccomp_load(ctx)) < 0)
		err_sys(e, -r, "load the system call filter");
	seccomp_release(ctx);
	return r < 0 ? -1 : 0;
}

int
role_seccomp(enum role role, struct err *e)
{
	const struct role_row *row = &role_table[role];

	if (!FILTERED || row->syscalls == NULL)
		return 0;
	return load_filter(SCMP_ACT_KILL_PROCESS, SCMP_ACT_ALLOW, row->syscalls, row->no_new_privs, row->no_code, e);
}

#define LL_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LL_ABI1 ((UINT64_C(1) << 13) - 1)
#define LL_REFER (UINT64_C(1) << 13)
#define LL_TRUNCATE (UINT64_C(1) << 14)

int
role_landlock_only(enum role role, const struct role_tree *trees, size_t n, struct err *e)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LL_ABI1 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	own_fd set = -1;

	if (role_table[role].landlock == LANDLOCK_NONE)
		return 0;
	if (abi < 1)
		return err_sys(e, errno, "this kernel has no Landlock");
	if (abi >= 2)
		attr.handled_access_fs |= LL_REFER;
	if (abi >= 3)
		attr.handled_access_fs |= LL_TRUNCATE;
	attr.handled_access_fs &= ~role_table[role].landlock_leave;
	set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (set < 0)
		return err_sys(e, errno, "Landlock rules");
	for (size_t i = 0; role_table[role].landlock == LANDLOCK_TREES && i < n; i++) {
		struct landlock_path_beneath_attr rule = { .parent_fd = trees[i].fd };

		rule.allowed_access = trees[i].write ? attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE :
		    attr.handled_access_fs & LL_READ;
		if (trees[i].exec)
			rule.allowed_access |= LANDLOCK_ACCESS_FS_EXECUTE;
		if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			return err_sys(e, errno, "Landlock rule %zu", i);
	}
	if (syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return err_sys(e, errno, "close the Landlock domain");
	return 0;
}

static int
set_caps(uint64_t caps, bool ambient, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps, .inheritable = ambient ? (uint32_t)caps : 0 },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32), .inheritable = ambient ? (uint32_t)(caps >> 32) : 0 },
	};

	if (syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, errno, "set capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, errno, "clear ambient capabilities");
	for (int c = 0; ambient && c < 64; c++)
		if ((caps >> c & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
			return err_sys(e, errno, "raise ambient capability %d", c);
	return 0;
}

struct role_limit role_limits[ROLE_LIMITS] = {
	{ "as", RLIMIT_AS, 0, 0 }, { "core", RLIMIT_CORE, 0, 0 }, { "cpu", RLIMIT_CPU, 0, 0 }, { "data", RLIMIT_DATA, 0, 0 }, { "fsize", RLIMIT_FSIZE, 0, 0 },
	{ "locks", RLIMIT_LOCKS, 0, 0 }, { "memlock", RLIMIT_MEMLOCK, 0, 0 }, { "msgqueue", RLIMIT_MSGQUEUE, 0, 0 }, { "nice", RLIMIT_NICE, 0, 0 },
	{ "nofile", RLIMIT_NOFILE, 0, 0 }, { "nproc", RLIMIT_NPROC, 0, 0 }, { "rss", RLIMIT_RSS, 0, 0 }, { "rtprio", RLIMIT_RTPRIO, 0, 0 },
	{ "rttime", RLIMIT_RTTIME, 0, 0 }, { "sigpending", RLIMIT_SIGPENDING, 0, 0 }, { "stack", RLIMIT_STACK, 0, 0 },
};
static bool limits_raised;

void
role_limits_raise(void)
{
	char text[32] = "";
	uint64_t open_max = 1048576;

	/* no process may have a higher one of these */
	if (fd_read_text(AT_FDCWD, "/proc/sys/fs/nr_open", text, sizeof text) > 0)
		open_max = strtoull(text, NULL, 10);
	for (size_t i = 0; i < ROLE_LIMITS; i++) {
		struct role_limit *l = &role_limits[i];
		struct rlimit r;

		if (getrlimit(l->what, &r) < 0)
			continue;
		l->soft = r.rlim_cur == RLIM_INFINITY ? -1 : (int64_t)r.rlim_cur;
		l->hard = r.rlim_max == RLIM_INFINITY ? -1 : (int64_t)r.rlim_max;
		r.rlim_max = l->what == RLIMIT_NOFILE ? open_max : RLIM_INFINITY;
		(void)!setrlimit(l->what, &r);
	}
	limits_raised = true;
}

static int
lower_limits(struct err *e)
{
	for (size_t i = 0; limits_raised && i < ROLE_LIMITS; i++) {
		struct rlimit r = { .rlim_cur = (rlim_t)role_limits[i].soft, .rlim_max = (rlim_t)role_limits[i].hard };

		if (setrlimit(role_limits[i].what, &r) < 0)
			return err_sys(e, errno, "resource limit %s", role_limits[i].name);
	}
	return 0;
}

/* keep: the hard limit stays */
static int
set_limit(int what, uint64_t value, bool keep, struct err *e)
{
	struct rlimit r;

	if (value == 0)
		return 0;
	if (getrlimit(what, &r) < 0)
		return err_sys(e, errno, "resource limit");
	r.rlim_cur = value < r.rlim_max ? value : r.rlim_max;
	if (!keep)
		r.rlim_max = r.rlim_cur;
	return setrlimit(what, &r) < 0 ? err_sys(e, errno, "resource limit") : 0;
}

int
role_drop(enum role role, uid_t uid, gid_t gid, struct err *e)
{
	const struct role_row *row = &role_table[role];
	uint64_t keep = row->ns_caps != 0 ? row->ns_caps : row->caps;
	bool runs_containers = role == ROLE_RUNTIME || role == ROLE_HOST_RUNTIME;

	if ((!runs_containers && lower_limits(e) < 0) || set_limit(RLIMIT_NOFILE, row->nofile, runs_containers, e) < 0 ||
	    set_limit(RLIMIT_NPROC, row->nproc, runs_containers, e) < 0)
		return -1;
	if (FILTERED && row->syscalls == NULL && !row->unfiltered && load_filter(SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM), role_denied, false, false, e) < 0)
		return -1;
	if (setgroups(0, NULL) < 0)
		return err_sys(e, errno, "drop groups");
	for (int c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		/* (a new user namespace starts with a full set again, so the runtime needs none either) */
		if ((keep >> c & 1) == 0 && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %d from the bounding set", c);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_sys(e, errno, "change to uid %u", uid);
	/* with uid 0 of a user namespace an exec would give everything back */
	if (row->ns_caps != 0 && prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) < 0)
		return err_sys(e, errno, "secure bits");
	/* (root that keeps all gets them by the exec, also those that the supervisor itself gave up) */
	if (keep != ROLE_CAPS_ALL && set_caps(keep, true, e) < 0)
		return -1;
	if (row->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "no_new_privs");
	return 0;
}

/* Root of an empty directory: through a user namespace of its own, so that no capability is needed on the host. */
static int
enter_empty_root(int dir, struct err *e)
{
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, errno, "user namespace for the empty root");
	if (fchdir(dir) < 0 || chroot(".") < 0)
		return err_sys(e, errno, "enter the empty root");
	for (int c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %d from the bounding set", c);
	return set_caps(0, false, e);
}

static int
check_caps(const struct role_row *row, struct err *e)
{
	uint64_t want = row->ns_caps != 0 ? row->ns_caps : row->caps;

	if (row == &role_table[ROLE_SUPERVISOR] || row == &role_table[ROLE_HOST_RUNTIME])
		return 0;
	if (capng_get_caps_process() < 0)
		return err_set(e, ERR_SYSTEM, "cannot read the capabilities");
	for (unsigned c = 0; c < 64; c++) {
		bool has = c <= CAP_LAST_CAP && (capng_have_capability(CAPNG_EFFECTIVE, c) != 0 || capng_have_capability(CAPNG_PERMITTED, c) != 0);

		if (has && (want >> c & 1) == 0)
			return err_set(e, ERR_DENIED, "%s was started with capability %s", row->name, capng_capability_to_name(c));
	}
	if (row->user != NULL && row->ns_caps == 0 && (getuid() == 0 || geteuid() == 0))
		return err_set(e, ERR_DENIED, "%s was started as root", row->name);
	return 0;
}

int
role_sandbox(enum role role, const struct role_tree *trees, size_t n, struct err *e)
{
	const struct role_row *row = &role_table[role];

	if (check_caps(row, e) < 0)
		return -1;
	if (row->landlock == LANDLOCK_EMPTY && n > 0 && enter_empty_root(trees[0].fd, e) < 0)
		return -1;
	if (row->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "no_new_privs");
	if (prctl(PR_SET_DUMPABLE, row->may_dump ? 1 : 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "dumpable");
	if (role_landlock_only(role, trees, n, e) < 0)
		return -1;
	return role_seccomp(role, e);
}
