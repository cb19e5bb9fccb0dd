/*
 * A hostile runtime in the place of bulwark-runtime: same user, same deny-list, and the channels to broker, idmapper and mounter. Its first life
 * tries what a runtime must not get, the next ones send malformed packets, the last is quiet.
 */
#include "comp.h"
#include "drill.h"
#include "fd.h"
#include "hostile.h"
#include "msg/give.h"
#include "msg/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUN, IDMAP, MOUNT, EDGES };
static const char *const names[EDGES] = { "run", "idmap", "mount" };
static struct {
	struct comp *c;
	int dir, fds[EDGES];
	unsigned life, uid, gid;
	struct edge *idmap, *mount;
	struct loop_timer timer;
	char root[PATH_MAX_ + 1];
} r = { .fds = { -1, -1, -1 } };

static char *
text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* ---- whom the idmapper must not map ---- */

static int
pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* (who has no id cannot make another namespace) */
static bool
map_self(void)
{
	char map[32];

	snprintf(map, sizeof map, "0 %u 1", r.uid);
	if (fd_write_text(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 || fd_write_text(AT_FDCWD, "/proc/self/uid_map", map) < 0)
		return false;
	snprintf(map, sizeof map, "0 %u 1", r.gid);
	return fd_write_text(AT_FDCWD, "/proc/self/gid_map", map) == 0;
}

/* A process that waits, in the namespaces of flags, and (nested) in one more user namespace inside. */
static pid_t
waiting(int flags, bool nested)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone, (unsigned long)flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		if (nested && (!map_self() || unshare(CLONE_NEWUSER) < 0))
			_exit(1);
		(void)!write(ready[1], "r", 1);
		close(ready[0]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	(void)!read(ready[0], &c, 1);
	close(ready[0]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
map_refused(int fd, const char *what)
{
	drill_refused(r.idmap, NO_idmap_give, NULL, fd >= 0 ? &fd : NULL, fd >= 0 ? 1 : 0, what);
	if (fd >= 0)
		close(fd);
}

static void
at_the_idmapper(void)
{
	int pair[2], given[2] = { -1, -1 }, fd;
	char path[64];
	pid_t pid;

	map_refused(-1, "map of nothing");
	map_refused(pidfd_of(1), "map of init");
	map_refused(pidfd_of(getpid()), "map of itself");
	map_refused(pidfd_of(getppid()), "map of the supervisor");
	map_refused(memfd_create("drill", MFD_CLOEXEC), "map of a memory file");
	map_refused(open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), "map of the host's user namespace");
	map_refused(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "map of the host's network namespace");
	map_refused(open("/proc/1", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "map of a directory of /proc");
	map_refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC), "map of a file");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
		map_refused(pair[0], "map of a socket");
		close(pair[1]);
	}
	pid = waiting(0, false);
	map_refused(pidfd_of(pid), "map of a process without a user namespace");
	end(pid);
	pid = waiting(CLONE_NEWUSER, true);
	drill_said(kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0, "(a namespace inside another is there)", "it is not");
	map_refused(pidfd_of(pid), "map of a namespace inside another");
	end(pid);
	pid = waiting(CLONE_NEWUSER, false);
	fd = pidfd_of(pid);
	end(pid);
	map_refused(fd, "map of a process that ended");
	pid = waiting(CLONE_NEWUSER, false);
	fd = pidfd_of(pid);
	if (drill_works(r.idmap, NO_idmap_give, NULL, &fd, 1, given, 2, "map of a process of its own")) {
		map_refused(fcntl(fd, F_DUPFD_CLOEXEC, 3), "map of the same process again");
		map_refused(given[0], "map of a mapping");
		close(given[1]);
	}
	close(fd);
	end(pid);
	/* with a map that it wrote itself */
	pid = waiting(CLONE_NEWUSER, false);
	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	drill_said(fd_write_text(AT_FDCWD, path, "0 0 4294967295") < 0, "its own map of all ids", "it was written");
	drill_said(fd_write_text(AT_FDCWD, path, "0 268435456 65536") < 0, "its own map of the images' ids", "it was written");
	end(pid);
}

/* ---- what the mounter must not give ---- */

static void
wish_refused(const int ns[2], size_t n, struct mount_wish w, const char *what)
{
	struct mount_wishes m = { .wishes = { 1, &w } };

	drill_refused(r.mount, NO_mount_give, &m, ns, n, what);
}

static void
paths_refused(const int ns[2])
{
	static const struct { const char *name, *kind, *path, *sub; bool create; } rows[] = {
		{ "wish without kind", NULL, "x", NULL, false }, { "wish without name", "host", NULL, NULL, false },
		{ "wish of another kind", "disk", "/etc", NULL, false }, { "layer with ..", "layer", "../../..", NULL, false },
		{ "layer that is a path", "layer", "../rw", NULL, false }, { "writable directory .", "rw", ".", NULL, false },
		{ "volume with ..", "volume", "../store", NULL, false }, { "the trash as a volume", "volume", ".trash", NULL, false },
		{ "host path that is not allowed", "host", "/etc", NULL, false }, { "host file that is not allowed", "host", "/etc/shadow", NULL, false },
		{ "host's root", "host", "/", NULL, false }, { "relative host path", "host", "etc", NULL, false },
		{ "host path with ..", "host", "/tmp/../etc", NULL, false }, { "host path with an empty part", "host", "/tmp//x", NULL, false },
		{ "host path through /proc", "host", "/proc/self/root", NULL, false }, { "host path through a descriptor", "host", "/proc/self/fd/3", NULL, false },
		{ "kernel files", "host", "/sys/kernel", NULL, false }, { "memory", "host", "/dev/mem", NULL, false },
		{ "host directory to be made in /etc", "host", "/etc/bulwark-drill-made", NULL, true },
		{ "layer that is to be made", "layer", "0000000000000000000000000000000000000000000000000000000000000000", NULL, true },
	};
	static const char *const own[] = { "", "/store", "/store/blobs", "/volumes", "/containers", "/broker/state.db" };
	char path[PATH_MAX_ + 64], name[PATH_MAX_ + 80];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		wish_refused(ns, 2, (struct mount_wish){ .kind = text(rows[i].kind), .name = text(rows[i].path), .create = rows[i].create }, rows[i].name);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		snprintf(path, sizeof path, "%s%s", r.root, own[i]);
		snprintf(name, sizeof name, "data root%s", own[i]);
		wish_refused(ns, 2, (struct mount_wish){ .kind = text("host"), .name = path }, name);
	}
	/* links of its own in a directory that is allowed */
	(void)!symlink("/etc", "/tmp/bulwark-drill-link");
	wish_refused(ns, 2, (struct mount_wish){ .kind = text("host"), .name = text("/tmp/bulwark-drill-link") }, "link to what is not allowed");
	wish_refused(ns, 2, (struct mount_wish){ .kind = text("host"), .name = text("/tmp/bulwark-drill-link/shadow") }, "through a link to what is not allowed");
	unlink("/tmp/bulwark-drill-link");
	(void)!symlink(r.root, "/tmp/bulwark-drill-link");
	wish_refused(ns, 2, (struct mount_wish){ .kind = text("host"), .name = text("/tmp/bulwark-drill-link") }, "link to the data root");
	unlink("/tmp/bulwark-drill-link");
}

static void
deny_refused(const char *path, int flags, const char *what)
{
	struct mount_denial d = { .major = 1, .minor = 3, .read = true, .write = true };
	struct mount_denials m = { .devices = { 1, &d } };
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return;   /* it is not even there to be passed on */
	drill_refused(r.mount, NO_mount_deny, &m, &fd, 1, what);
	close(fd);
}

/* As root of the namespace that the mount is for: nothing that is locked can be had back. */
static void
unlock(int tree, int ns)
{
	struct mount_attr off = { .attr_clr = MOUNT_ATTR_RDONLY };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int file;

		if (setns(ns, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
			_exit(2);
		if (mount_setattr(tree, "", AT_EMPTY_PATH, &off, sizeof off) == 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &off, sizeof off) == 0)
			_exit(1);
		file = openat(tree, "made", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		_exit(file >= 0);
	}
	waitpid(pid, &status, 0);
	drill_said(status == 0, "clearing read-only on a given mount", WEXITSTATUS(status) == 1 ? "it was cleared" : "not tried");
}

static void
at_the_mounter(void)
{
	struct mount_wish allowed = { .kind = text("host"), .name = text("/tmp/bulwark-drill-allowed"), .read_only = true };
	struct mount_wishes one = { .wishes = { 1, &allowed } };
	int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int mem = memfd_create("drill", MFD_CLOEXEC), given[2] = { -1, -1 }, tree = -1, pidfd;
	pid_t pid = waiting(CLONE_NEWUSER, false), nested;
	char path[64];

	pidfd = pidfd_of(pid);
	if (!drill_works(r.idmap, NO_idmap_give, NULL, &pidfd, 1, given, 2, "a mapping"))
		return;
	nested = waiting(CLONE_NEWUSER, true);
	snprintf(path, sizeof path, "/proc/%d/ns/user", nested);
	{
		int inner = open(path, O_RDONLY | O_CLOEXEC);

		wish_refused(NULL, 0, allowed, "wish without namespaces");
		wish_refused(given, 1, allowed, "wish with one namespace");
		wish_refused((int[]){ own, given[1] }, 2, allowed, "the host's namespace for images");
		wish_refused((int[]){ given[0], own }, 2, allowed, "the host's namespace for host paths");
		wish_refused((int[]){ given[1], given[0] }, 2, allowed, "namespaces in the wrong order");
		wish_refused((int[]){ given[0], net }, 2, allowed, "a network namespace");
		wish_refused((int[]){ mem, given[1] }, 2, allowed, "a memory file");
		wish_refused((int[]){ given[0], pidfd }, 2, allowed, "a process");
		wish_refused((int[]){ given[0], inner }, 2, allowed, "a namespace inside another");
		close(inner);
	}
	paths_refused(given);
	/* /dev/null for everybody */
	deny_refused("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY, "devices taken away from the host");
	deny_refused("/sys/fs/cgroup/devices", O_RDONLY | O_DIRECTORY, "devices taken away from the host's group");
	deny_refused("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY, "devices taken away from the host's second group");
	deny_refused("/tmp", O_RDONLY | O_DIRECTORY, "devices taken away from a directory");
	deny_refused("/dev/null", O_WRONLY, "devices taken away from a device");
	if (drill_works(r.mount, NO_mount_give, &one, given, 2, &tree, 1, "a host path that is allowed")) {
		unlock(tree, given[1]);
		drill_said(openat(tree, "made", O_CREAT | O_WRONLY | O_CLOEXEC, 0644) < 0, "writing to what was given read-only", "it was written");
		drill_said(openat(tree, "../../etc/shadow", O_RDONLY | O_CLOEXEC) < 0, "leaving a given mount upwards", "it was opened");
	}
	end(pid);
	end(nested);
	close(own), close(net), close(mem), close(tree), close(given[0]), close(given[1]), close(pidfd);
}

/* ---- the other processes and their files ---- */

static void
one_process(const char *name, pid_t pid)
{
	char path[64], what[128], byte[8];
	struct iovec l = { byte, sizeof byte }, there = { (void *)(uintptr_t)0x400000, sizeof byte };
	int pidfd = pidfd_of(pid);

#define TRY(text_, call_) \
	do { \
		snprintf(what, sizeof what, "%s: %s", text_, name); \
		errno = 0; \
		drill_said((call_) < 0 && errno != ENOSYS, what, "it was done"); \
	} while (0)
	TRY("signal", kill(pid, 0));
	TRY("signal through a pidfd", syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
	TRY("trace", ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	TRY("read the memory", syscall(SYS_process_vm_readv, pid, &l, 1ul, &there, 1ul, 0ul));
	TRY("take a descriptor", syscall(SYS_pidfd_getfd, pidfd, 3, 0));
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	TRY("open the memory", open(path, O_RDWR | O_CLOEXEC));
	snprintf(path, sizeof path, "/proc/%d/root", pid);
	TRY("open the root", open(path, O_RDONLY | O_CLOEXEC));
	snprintf(path, sizeof path, "/proc/%d/fd/0", pid);
	TRY("open a descriptor", open(path, O_RDONLY | O_CLOEXEC));
	close(pidfd);
}

static void
the_others(void)
{
	static const char *const who[] = { "bulwarkd", "bulwark-broker", "bulwark-stored", "bulwark-mounter", "bulwark-locker", "bulwark-idmappe", "bulwark-netd", NULL };
	bool seen[8] = { false };
	DIR *d = opendir("/proc");
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char path[300], name[32] = "", mine[64] = "", theirs[64] = "";

		snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || fd_read_text(AT_FDCWD, path, name, sizeof name) <= 0)
			continue;
		name[strcspn(name, "\n")] = '\0';
		/* only those of this engine: their parent is ours, or our parent */
		snprintf(path, sizeof path, "/proc/%s/cgroup", entry->d_name);
		(void)!fd_read_text(AT_FDCWD, path, theirs, sizeof theirs);
		(void)!fd_read_text(AT_FDCWD, "/proc/self/cgroup", mine, sizeof mine);
		for (size_t i = 0; who[i] != NULL; i++)
			if (!seen[i] && strcmp(name, who[i]) == 0) {
				seen[i] = true;
				one_process(name, (pid_t)atoi(entry->d_name));
			}
	}
	if (d != NULL)
		closedir(d);
	for (size_t i = 0; who[i] != NULL; i++)
		if (!seen[i])
			drill_said(false, who[i], "not found");
}

static void
their_files(void)
{
	static const char *const files[] = { "broker/state.db", "broker", "store", "store/layers", "volumes" };
	char path[PATH_MAX_ + 64], what[PATH_MAX_ + 80];

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", r.root, files[i]);
		snprintf(what, sizeof what, "open %s of the data root", files[i]);
		drill_said(open(path, O_RDONLY | O_CLOEXEC) < 0, what, "it was opened");
	}
	snprintf(path, sizeof path, "%s/made", r.root);
	drill_said(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0, "create in the data root", "it was created");
	drill_said(open("/etc/bulwark-drill", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0, "create in /etc", "it was created");
}

/* ---- lives ---- */

static void
first_life(void)
{
	struct err e = ERR_INIT;
	struct edge_conf conf = { .table = &idmap_edge, .side = EDGE_A, .peer = "idmapper" };

	r.idmap = edge_new(r.c->loop, r.fds[IDMAP], &conf, &e);
	conf.table = &mount_edge;
	conf.peer = "mounter";
	r.mount = edge_new(r.c->loop, r.fds[MOUNT], &conf, &e);
	if (r.idmap == NULL || r.mount == NULL) {
		drill_said(false, "edges", e.text);
		return;
	}
	at_the_idmapper();
	at_the_mounter();
	the_others();
	their_files();
}

static void
on_time(struct loop_timer *t)
{
	/* what the runtime may ask the givers, and what it may tell the broker */
	static const unsigned first[EDGES] = { NO_run_exited, NO_idmap_give, NO_mount_give };
	bool any = false;

	if (r.life == 0 && faccessat(r.dir, "drill-go", F_OK, 0) < 0) {
		loop_timer_set(r.c->loop, t, 50000000);
		return;
	}
	if (r.life == 0) {
		first_life();
		_exit(0);
	}
	for (unsigned i = 0; i < EDGES; i++) {
		unsigned on = (i + r.life) % EDGES;

		any = drill_malformed(r.fds[on], first[on], (r.life - 1) * EDGES + i, names[on]) || any;
	}
	if (any)
		_exit(0);
	drill_said(true, "the end", "");
}

static int
start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	/* what any user of the host may do is none of the role table's business; containers could not work without */
	static const char *const except[] = { "create_in_tmp", "socket_inet", "exec_shell", "kill_everybody", "keyring",
		/* here these are itself; the others are tried below */
		"ptrace_parent", "read_parent_memory", "kill_parent", NULL };

	r.c = c;
	r.dir = fd_take(&fds[0]);
	r.life = drill_life(r.dir);
	r.uid = getuid();
	r.gid = getgid();
	if (drill_dir(r.dir, r.root, sizeof r.root) < 0)
		return err_sys(e, errno, "where am I");
	*strrchr(r.root, '/') = '\0';
	if (r.life == 0)
		drill_common(ROLE_RUNTIME, NULL, 0, except);
	return 0;
}

static int
edge(struct comp *c, const char *name, int fd, struct err *e)
{
	bool all = true;

	for (unsigned i = 0; i < EDGES; i++) {
		if (strcmp(name, names[i]) == 0) {
			fd_close(&r.fds[i]);
			r.fds[i] = fd;
		}
		all = all && r.fds[i] >= 0;
	}
	r.timer.on_time = on_time;
	if (all)
		loop_timer_set(c->loop, &r.timer, 100000000);
	return 0;
}

int
main(void)
{
	struct comp c = { .role = ROLE_RUNTIME, .start = start, .edge = edge };

	return comp_main(&c);
}
