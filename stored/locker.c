#include "locker.h"

#include "edge.h"
#include "fd.h"
#include "role.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANNEL 3
#define WAIT_MS 10000

/* One packet each way: the trees and the place of the failure (errno, 0 for none). */
static int
pass(int fd, int32_t sys, const int *fds, size_t n)
{
	return fd_send(fd, &(struct iovec){ &sys, sizeof sys }, 1, fds, n, 0) < 0 ? -1 : 0;
}

/* Returns the number of descriptors, or -1: the other side is gone or makes no sense. */
static int
take(int fd, int32_t *ret_sys, int fds[EDGE_FDS_MAX])
{
	size_t n = EDGE_FDS_MAX;

	if (fd_receive(fd, ret_sys, sizeof *ret_sys, fds, &n, 0) == sizeof *ret_sys)
		return (int)n;
	while (n > 0)
		fd_close(&fds[--n]);
	return -1;
}

/* ---- the process ---- */

static void
place_of(char place[16], int tree, unsigned i)
{
	struct stat st;

	snprintf(place, 16, "/%c%u", fstat(tree, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 'f', i);
}

/* In a child for one request, in a copy of the empty namespace, so that nothing has to be taken down again. */
static int
lock_all(int *trees, unsigned n)
{
	char place[16];

	for (unsigned i = 0; i < n; i++) {
		place_of(place, trees[i], i);
		if (move_mount(trees[i], "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return errno;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno;
	for (unsigned i = 0; i < n; i++) {
		place_of(place, trees[i], i);
		close(trees[i]);
		trees[i] = open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (trees[i] < 0)
			return errno;
	}
	return 0;
}

static _Noreturn void
serve(void)
{
	int trees[EDGE_FDS_MAX], status = 0;
	int32_t sys = 0;

	for (;;) {
		int n = take(CHANNEL, &sys, trees);
		pid_t pid;

		if (n < 0)
			_exit(0);
		pid = (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
		if (pid == 0) {
			sys = lock_all(trees, (unsigned)n);
			_exit(pass(CHANNEL, sys, trees, sys == 0 ? (size_t)n : 0) < 0);
		}
		if (pid < 0)
			(void)pass(CHANNEL, errno, NULL, 0);
		for (int i = 0; i < n; i++)
			close(trees[i]);
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		/* it did not come to its answer, and nobody may wait for that: the mounter and with it this process start anew */
		if (pid > 0 && status != 0)
			_exit(1);
	}
}

static int
map_self(uid_t uid, gid_t gid)
{
	char map[64];

	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    fd_write_text(AT_FDCWD, "/proc/self/setgroups", "deny") < 0)
		return -1;
	snprintf(map, sizeof map, "0 %u 1", uid);
	if (fd_write_text(AT_FDCWD, "/proc/self/uid_map", map) < 0)
		return -1;
	snprintf(map, sizeof map, "0 %u 1", gid);
	return fd_write_text(AT_FDCWD, "/proc/self/gid_map", map);
}

/* A tmpfs with a place for each tree becomes all that there is. */
static int
enter_empty_root(void)
{
	own_fd fs = fsopen("tmpfs", FSOPEN_CLOEXEC), root = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
	    (root = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)) < 0)
		return -1;
	for (unsigned i = 0; i < EDGE_FDS_MAX; i++) {
		char name[16];
		int file;

		snprintf(name, sizeof name, "d%u", i);
		if (mkdirat(root, name, 0700) < 0)
			return -1;
		snprintf(name, sizeof name, "f%u", i);
		file = openat(root, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (file < 0)
			return -1;
		close(file);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -1;
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* SYS_ADMIN in its own namespace is all that mounting takes. */
static int
drop_caps(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { .effective = 1u << CAP_SYS_ADMIN, .permitted = 1u << CAP_SYS_ADMIN }, { 0 } };

	for (int c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (c != CAP_SYS_ADMIN && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &h, d);
}

/* Errors go back as the errno of a first packet. */
static _Noreturn void
locker(int channel, uid_t uid, gid_t gid)
{
	struct err e = ERR_INIT;
	int sys = 0;

	if (dup2(channel, CHANNEL) < 0 || syscall(SYS_close_range, CHANNEL + 1u, ~0u, 0) < 0)
		_exit(1);
	if (map_self(uid, gid) < 0 || enter_empty_root() < 0 || drop_caps() < 0 || prctl(PR_SET_NAME, "bulwark-locker", 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		sys = errno;
	else if (role_seccomp(ROLE_LOCKER, &e) < 0)
		sys = e.sys != 0 ? e.sys : EPERM;
	if (pass(CHANNEL, sys, NULL, 0) < 0 || sys != 0)
		_exit(1);
	serve();
}

/* ---- the mounter's side ---- */

static int
answer(int fd, int *trees, size_t n, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int got[EDGE_FDS_MAX], count;
	int32_t sys = 0;

	if (poll(&p, 1, WAIT_MS) <= 0 || (count = take(fd, &sys, got)) < 0)
		return err_set(e, ERR_UNAVAILABLE, "the process that locks mounts does not answer");
	if (sys != 0)
		return err_sys(e, sys, "lock mounts");
	if ((size_t)count != n) {
		for (int i = 0; i < count; i++)
			close(got[i]);
		return err_set(e, ERR_UNAVAILABLE, "%d of %zu locked mounts came back", count, n);
	}
	for (size_t i = 0; i < n; i++) {
		close(trees[i]);
		trees[i] = got[i];
	}
	return 0;
}

int
locker_start(int *ret_fd, struct err *e)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	int pair[2];
	pid_t pid;

	if (edge_pair(pair, e) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		locker(pair[1], uid, gid);
	close(pair[1]);
	if (pid < 0 || answer(pair[0], NULL, 0, e) < 0) {
		if (pid < 0)
			err_sys(e, errno, "fork");
		close(pair[0]);
		return err_wrap(e, "start the process that locks mounts");
	}
	*ret_fd = pair[0];
	return 0;
}

void
locker_end(int *fd)
{
	if (*fd < 0)
		return;
	fd_close(fd);
	while (wait(NULL) < 0 && errno == EINTR)
		;
}

int
locker_lock(int fd, int *trees, size_t n, struct err *e)
{
	if (n == 0)
		return 0;
	if (pass(fd, 0, trees, n) < 0)
		return err_set(e, ERR_UNAVAILABLE, "the process that locks mounts is gone");
	return answer(fd, trees, n, e);
}
