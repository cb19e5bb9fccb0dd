/*
 * A hostile program for a container: root with every capability that a container can have, it tries to get out. Prints one line for
 * each attempt: "refused NAME why" or "EFFECT NAME". Static, since a container has no libraries of the host.
 */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int
refused(long r)
{
	return r >= 0 ? 0 : errno;
}

static int
write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? errno : refused(write(fd, text, strlen(text)));
}

static int c_core_pattern(void) { return write_to("/proc/sys/kernel/core_pattern", "|/tmp/x"); }
static int c_sysrq_trigger(void) { return write_to("/proc/sysrq-trigger", "h"); }
static int c_modprobe_path(void) { return write_to("/proc/sys/kernel/modprobe", "/tmp/x"); }
static int c_uevent_helper(void) { return write_to("/sys/kernel/uevent_helper", "/tmp/x"); }
static int c_release_agent(void)
{
	static const char *const files[] = { "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/pids/release_agent", "/sys/fs/cgroup/release_agent" };
	int r = ENOENT;

	for (size_t i = 0; i < 3; i++) {
		r = write_to(files[i], "/tmp/x");
		if (r == 0)
			return 0;
	}
	return r;
}
static int c_raise_memory_limit(void)
{
	int r = write_to("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1");

	return r == 0 ? 0 : write_to("/sys/fs/cgroup/memory.max", "max");
}
static int c_kcore(void)
{
	char b[4096];
	int fd = open("/proc/kcore", O_RDONLY);

	return fd < 0 ? errno : read(fd, b, sizeof b) > 0 ? 0 : EPERM;
}
static int c_mknod_and_open_disk(void)
{
	if (mknod("/tmp/disk", S_IFBLK | 0600, (254u << 8)) < 0)
		return errno;
	return refused(open("/tmp/disk", O_RDONLY));
}
static int c_mknod_and_open_mem(void)
{
	if (mknod("/tmp/mem", S_IFCHR | 0600, (1u << 8) | 1) < 0)
		return errno;
	return refused(open("/tmp/mem", O_RDONLY));
}
static int c_open_by_handle(void)
{
	struct { unsigned n; int type; unsigned char f[128]; } h = { .n = 8, .type = 1, .f = { 2 } };

	return refused(syscall(SYS_open_by_handle_at, open("/", O_RDONLY), &h, O_RDONLY));
}
static int c_remount_proc_sys(void)
{
	if (mount("none", "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
		return errno;
	return c_core_pattern();
}
static int c_unmask_by_new_proc(void)
{
	mkdir("/tmp/p", 0755);
	if (mount("proc", "/tmp/p", "proc", 0, NULL) < 0)
		return errno;
	return write_to("/tmp/p/sys/kernel/core_pattern", "|/tmp/x");
}
static int c_new_user_namespace(void) { return refused(unshare(CLONE_NEWUSER)); }
static int c_join_host_namespaces(void)
{
	int fd = open("/proc/1/ns/user", O_RDONLY);

	return fd < 0 ? errno : refused(setns(fd, CLONE_NEWUSER));
}
static int c_signal_outside(void)
{
	int seen = 0;

	/* in an own pid namespace no number names a process outside */
	for (pid_t p = 2; p < 100000; p++)
		if (p != getpid() && kill(p, 0) == 0)
			seen++;
	return seen > 2 ? 0 : ESRCH;
}
static int c_abstract_sockets(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0/containerd-shim" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? errno : refused(connect(fd, (struct sockaddr *)&a, sizeof a));
}
static int c_inherited_descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 0;
	return EBADF;
}
static int c_escape_by_cwd(void) { return refused(open("../../../../../../etc/shadow.of.host", O_RDONLY)); }
static int c_self_exe(void)
{
	/* only its own program, never the engine's: to be written it must not be running, and that is refused */
	return refused(open("/proc/1/exe", O_WRONLY));
}
static int c_link_host_file(void) { return refused(link("/proc/1/root/../etc/shadow.of.host", "/tmp/l")); }
static int c_pivot_up(void)
{
	/* "/.." is "/": the host's root is not above it */
	struct stat a, b;

	if (stat("/", &a) < 0 || stat("/../../..", &b) < 0)
		return errno;
	return a.st_ino == b.st_ino && a.st_dev == b.st_dev ? EPERM : 0;
}
static int c_host_ids_by_chown(void)
{
	int fd = open("/tmp/c", O_CREAT | O_RDWR, 0600);

	return fd < 0 ? errno : refused(fchown(fd, 268435456, 268435456));
}
static int c_nice_realtime(void)
{
	struct sched_param p = { .sched_priority = 50 };

	return refused(sched_setscheduler(0, SCHED_FIFO, &p));
}
static int c_unlock_read_only(void)
{
	/* the program itself, mounted read-only */
	if (mount(NULL, "/hostile", NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
		return errno;
	return refused(unlink("/hostile") < 0 ? chmod("/hostile", 0700) : 0);
}
static int c_oom_score(void) { return write_to("/proc/self/oom_score_adj", "-1000"); }

static const struct attack more[] = {
	{ "core_pattern", c_core_pattern }, { "sysrq_trigger", c_sysrq_trigger }, { "modprobe_path", c_modprobe_path },
	{ "uevent_helper", c_uevent_helper }, { "release_agent", c_release_agent }, { "raise_memory_limit", c_raise_memory_limit },
	{ "kcore", c_kcore }, { "mknod_and_open_disk", c_mknod_and_open_disk }, { "mknod_and_open_mem", c_mknod_and_open_mem },
	{ "open_by_handle", c_open_by_handle }, { "remount_proc_sys", c_remount_proc_sys }, { "unmask_by_new_proc", c_unmask_by_new_proc },
	{ "new_user_namespace", c_new_user_namespace }, { "join_host_namespaces", c_join_host_namespaces }, { "signal_outside", c_signal_outside },
	{ "abstract_sockets", c_abstract_sockets }, { "inherited_descriptors", c_inherited_descriptors }, { "escape_by_cwd", c_escape_by_cwd },
	{ "self_exe", c_self_exe }, { "link_host_file", c_link_host_file }, { "pivot_up", c_pivot_up }, { "host_ids_by_chown", c_host_ids_by_chown },
	{ "realtime", c_nice_realtime }, { "oom_score", c_oom_score },
	{ "unlock_read_only", c_unlock_read_only },
};
/* of the common ones those that a container must not have */
static const char *const common[] = { "load_module", "kexec", "set_clock", "io_uring", "keyring", "bpf" };

static void
one(const struct attack *a)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(a->run() & 127);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("refused %s killed by signal %d\n", a->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0)
		printf("EFFECT %s\n", a->name);
	else
		printf("refused %s %s\n", a->name, strerror(WEXITSTATUS(status)));
	fflush(stdout);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof more / sizeof *more; i++)
		one(&more[i]);
	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		one(attack_find(common[i]));
	return 0;
}
