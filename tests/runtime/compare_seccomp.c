/*
 * compare_seccomp [--markdown]: the default filter, compiled and evaluated call by call, for no capability, the default set, each single one
 * and all, on each of the machine's call tables, against what the Docker engine 28 documents as its default profile. Whatever differs
 * must stand in the table below with its reason, and what stands there must differ. --markdown prints that table for docs/seccomp.md.
 */
#include "runtime.h"

#include "fd.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_CAPS UINT64_C(0xa80425fb)
#define ALL_CAPS     ((UINT64_C(1) << 41) - 1)

/* ---- the Docker engine's, as documented ---- */
static const char docker_always[] =
    "accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres "
    "clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 "
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group "
    "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync "
    "fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue "
    "futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
    "getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit "
    "get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch "
    "inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup "
    "io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr "
    "listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir "
    "mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 "
    "mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep "
    "newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 "
    "prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 "
    "read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat "
    "renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
    "rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
    "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
    "seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 "
    "setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 "
    "setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown "
    "sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync "
    "sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 "
    "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink "
    "unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev ";

static const struct { int cap; const char *names; } docker_caps[] = {
	{ CAP_DAC_READ_SEARCH, "open_by_handle_at " },
	{ CAP_SYS_ADMIN, "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount "
	    "mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare " },
	{ CAP_SYS_BOOT, "reboot " }, { CAP_SYS_CHROOT, "chroot " }, { CAP_SYS_MODULE, "delete_module init_module finit_module " },
	{ CAP_SYS_PACCT, "acct " }, { CAP_SYS_PTRACE, "kcmp pidfd_getfd process_madvise " }, { CAP_SYS_RAWIO, "iopl ioperm " },
	{ CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64 " }, { CAP_SYS_TTY_CONFIG, "vhangup " },
	{ CAP_SYS_NICE, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node " }, { CAP_SYSLOG, "syslog " }, { CAP_BPF, "bpf " },
	{ CAP_PERFMON, "perf_event_open " },
};

static bool
in_words(const char *words, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = words; (p = strstr(p, name)) != NULL; p += n)
		if ((p == words || p[-1] == ' ') && p[n] == ' ')
			return true;
	return false;
}

static uint32_t
docker_says(const char *name, uint64_t caps, const uint64_t args[6])
{
	bool admin = (caps >> CAP_SYS_ADMIN & 1) != 0;

	if (in_words(docker_always, name))
		return SECCOMP_RET_ALLOW;
	for (size_t i = 0; i < sizeof docker_caps / sizeof *docker_caps; i++)
		if ((caps >> docker_caps[i].cap & 1) != 0 && in_words(docker_caps[i].names, name))
			return SECCOMP_RET_ALLOW;
	if (strcmp(name, "socket") == 0 && (uint32_t)args[0] != AF_VSOCK)
		return SECCOMP_RET_ALLOW;
	if (strcmp(name, "personality") == 0 && (args[0] == 0 || args[0] == 8 || args[0] == 0x20000 || args[0] == 0x20008 || args[0] == 0xffffffff))
		return SECCOMP_RET_ALLOW;
	if (strcmp(name, "clone") == 0 && (args[0] & 0x7e020000) == 0)
		return SECCOMP_RET_ALLOW;
	if (strcmp(name, "clone3") == 0 && !admin)
		return SECCOMP_RET_ERRNO | ENOSYS;
	return SECCOMP_RET_ERRNO | EPERM;
}

/* ---- what differs, and why ---- */
static struct difference { const char *what, *docker, *here, *why; bool seen; } differences[] = {
	{ "socket", "every family but `AF_VSOCK`", "`AF_UNIX` `AF_INET` `AF_INET6` `AF_NETLINK` `AF_PACKET` only",
	    "the other families are old or rare code of the kernel that any user can reach (`AF_ALG` parses keys and certificates); later versions of the Docker "
	    "engine shut some of them too", false },
	{ "socketcall", "allowed", "only its forms that are allowed as calls of their own",
	    "32-bit programs must not reach by it what `socket` does not give", false },
	{ "sigaction", "refused", "allowed", "32-bit programs: the older forms of calls that are allowed (`rt_sigaction`, `rt_sigpending`, `rt_sigsuspend`)", false },
	{ "signal", "refused", "allowed", "as `sigaction`", false },
	{ "sigpending", "refused", "allowed", "as `sigaction`", false },
	{ "sigsuspend", "refused", "allowed", "as `sigaction`", false },
	{ "open_by_handle_at", "with `DAC_READ_SEARCH`", "only with `--userns=host`", "in a user namespace the kernel refuses it anyway", false },
	{ "acct", "with `SYS_PACCT`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "delete_module", "with `SYS_MODULE`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "init_module", "with `SYS_MODULE`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "finit_module", "with `SYS_MODULE`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "iopl", "with `SYS_RAWIO`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "ioperm", "with `SYS_RAWIO`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "settimeofday", "with `SYS_TIME`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "clock_settime", "with `SYS_TIME`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "vhangup", "with `SYS_TTY_CONFIG`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "quotactl", "with `SYS_ADMIN`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "quotactl_fd", "with `SYS_ADMIN`", "only with `--userns=host`", "as `open_by_handle_at`", false },
	{ "lookup_dcookie", "with `SYS_ADMIN`", "only with `--userns=host`", "as `open_by_handle_at`", false },
};

/* ---- evaluation ---- */
struct code { struct sock_filter v[BPF_MAXINSNS]; size_t n; };

/* The few kinds of instruction that libseccomp makes. */
static uint32_t
evaluate(const struct code *c, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < c->n; pc++) {
		const struct sock_filter *i = &c->v[pc];
		bool yes;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)d + i->k, sizeof a);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K: yes = a == i->k; break;
		case BPF_JMP | BPF_JGT | BPF_K: yes = a > i->k; break;
		case BPF_JMP | BPF_JGE | BPF_K: yes = a >= i->k; break;
		case BPF_JMP | BPF_JSET | BPF_K: yes = (a & i->k) != 0; break;
		default:
			printf("not ok - an instruction that is not known: %#x\n", i->code);
			exit(1);
		}
		pc += yes ? i->jt : i->jf;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static void
compile(struct runtime *rt, uint64_t caps, struct code *c)
{
	struct run_process p = { .caps = (int64_t)caps, .seccomp_mode = (char *)(uintptr_t)"default" };
	struct err e = ERR_INIT;
	unsigned flags;
	own_fd fd = -1;
	ssize_t n;

	if (filter_for(rt, &p, &fd, &flags, &e) < 0 || (n = pread(fd, c->v, sizeof c->v, 0)) < 0) {
		printf("not ok - compile: %s\n", e.text);
		exit(1);
	}
	c->n = (size_t)n / sizeof *c->v;
}

static bool
denied_with_userns(const char *name)
{
	for (const char *const *d = role_denied; *d != NULL; d++)
		if (strcmp(*d, name) == 0)
			return true;
	return false;
}

static int bad;

static void
compare(const struct code *c, const char *arch, uint32_t token, int no, const char *name, uint64_t caps, uint64_t first)
{
	struct seccomp_data d = { .nr = no, .arch = token, .args = { first } };
	uint32_t want = docker_says(name, caps, (const uint64_t *)d.args), got = evaluate(c, &d);

	/* the filter of the runtime comes on top of it */
	if (got == SECCOMP_RET_ALLOW && denied_with_userns(name))
		got = SECCOMP_RET_ERRNO | EPERM;
	if (want == got)
		return;
	for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
		if (strcmp(differences[i].what, name) == 0) {
			differences[i].seen = true;
			return;
		}
	printf("not ok - %s %s(%#llx) with capabilities %#llx: the Docker engine says %#x, here it is %#x\n", arch, name, (unsigned long long)first,
	    (unsigned long long)caps, want, got);
	bad = 1;
}

static size_t
compare_arch(const struct code *c, const char *arch, uint32_t scmp, uint32_t token, uint64_t caps)
{
	static const uint64_t persons[] = { 0, 1, 8, 0x20000, 0x20008, 0x40000, 0xffffffff };
	static const uint64_t clones[] = { 17, 0x11200, 0x10000000, 0x20000, 0x40000000, 0x20000000, 0x4000000, 0x8000000, 0x2000000, 0x3d0f00 };
	int base = scmp == SCMP_ARCH_X32 ? 0x40000000 : 0;
	size_t n = 0;

	for (int no = base; no < base + 1024; no++) {
		char *name = seccomp_syscall_resolve_num_arch(scmp, no);

		if (name == NULL)
			continue;
		n++;
		compare(c, arch, token, no, name, caps, 0);
		for (uint64_t f = 0; strcmp(name, "socket") == 0 && f < 46; f++)
			compare(c, arch, token, no, name, caps, f);
		for (size_t i = 0; strcmp(name, "personality") == 0 && i < sizeof persons / sizeof *persons; i++)
			compare(c, arch, token, no, name, caps, persons[i]);
		for (size_t i = 0; strcmp(name, "clone") == 0 && i < sizeof clones / sizeof *clones; i++)
			compare(c, arch, token, no, name, caps, clones[i]);
		free(name);
	}
	/* newer than the profile: no such call */
	for (int no = base + 900; no < base + 1030; no += 129) {
		struct seccomp_data d = { .nr = no, .arch = token };

		if (evaluate(c, &d) != (SECCOMP_RET_ERRNO | ENOSYS)) {
			printf("not ok - %s: call number %d is %#x\n", arch, no, evaluate(c, &d));
			bad = 1;
		}
	}
	return n;
}

static size_t
compare_caps(struct runtime *rt, uint64_t caps)
{
	static struct code c;
	size_t n;

	compile(rt, caps, &c);
#if defined __x86_64__
	n = compare_arch(&c, "x86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, caps);
	n += compare_arch(&c, "x86", SCMP_ARCH_X86, AUDIT_ARCH_I386, caps);
	n += compare_arch(&c, "x32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, caps);
#else
	n = compare_arch(&c, "native", seccomp_arch_native(), seccomp_arch_native(), caps);
#endif
	return n;
}

int
main(int argc, char **argv)
{
	static struct runtime rt;
	size_t n, count = sizeof differences / sizeof *differences;

	if (argc > 1 && strcmp(argv[1], "--markdown") == 0) {
		printf("| call | the Docker engine | here | why |\n|---|---|---|---|\n");
		for (size_t i = 0; i < count; i++)
			printf("| `%s` | %s | %s | %s |\n", differences[i].what, differences[i].docker, differences[i].here, differences[i].why);
		return 0;
	}
	n = compare_caps(&rt, 0);
	(void)compare_caps(&rt, DEFAULT_CAPS);
	(void)compare_caps(&rt, ALL_CAPS);
	for (int i = 0; i <= 40; i++)
		(void)compare_caps(&rt, UINT64_C(1) << i);
	for (size_t i = 0; i < count; i++)
		if (!differences[i].seen) {
			printf("not ok - %s does not differ\n", differences[i].what);
			bad = 1;
		}
	if (n < 900) {
		printf("not ok - only %zu system calls were known\n", n);
		bad = 1;
	}
	if (bad == 0)
		printf("ok - %zu system calls, each with 44 sets of capabilities\n", n);
	return bad;
}
