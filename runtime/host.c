/*
 * The host-runtime: the same program as root, for containers without a user namespace of their own. On file systems it acts as
 * the runtime's user: what it makes (directories of containers, sockets, control groups) belongs to that one and it can
 * write nowhere else; the monitors that it executes are root again until they have made their process.
 */
#include "runtime.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
write_map(int dir, const char *name, struct err *e)
{
	char text[64];

	snprintf(text, sizeof text, "%u 0 %u", IMAGE_ID_BASE, ID_RANGE_SIZE);
	return fd_write_text(dir, name, text) < 0 ? err_sys(e, errno, "write %s", name) : 0;
}

/* A user namespace of which only the map is wanted, for mounts of what lies on disk in the image id range. */
static int
make_map(int *ret_ns, struct err *e)
{
	char path[32];
	own_fd dir = -1, ns = -1;
	int r = -1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return err_sys(e, errno, "user namespace for a mapping");
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof path, "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ns = dir >= 0 ? openat(dir, "ns/user", O_RDONLY | O_CLOEXEC) : -1;
	if (ns < 0)
		err_sys(e, errno, "open a mapping's namespace");
	else if (write_map(dir, "uid_map", e) == 0)
		r = write_map(dir, "gid_map", e);
	kill(pid, SIGKILL);   /* (nobody is waited for here) */
	if (r == 0)
		*ret_ns = fd_take(&ns);
	return r;
}

static int
act_as_runtime(struct runtime *rt, struct err *e)
{
	(void)setfsgid(rt->run_gid);
	(void)setfsuid(rt->run_uid);
	/* they tell nothing but what was before */
	if ((gid_t)setfsgid((gid_t)-1) != rt->run_gid || (uid_t)setfsuid((uid_t)-1) != rt->run_uid)
		return err_sys(e, EPERM, "act as the runtime's user");
	return 0;
}

int
host_begin(struct runtime *rt, const struct ctl_start *m, struct err *e)
{
	struct stat st;

	if (fstat(rt->containers, &st) < 0 || st.st_uid != m->run_uid || st.st_uid == 0)
		return err_set(e, ERR_PROTOCOL, "the containers' directory is not the runtime's");
	rt->run_uid = st.st_uid;
	rt->run_gid = st.st_gid;
	if (make_map(&rt->map_ns, e) < 0 || act_as_runtime(rt, e) < 0)
		return -1;
	for (size_t i = 0; i < rt->n_h; i++) {
		int dir = fd_make_dir(rt->h[i].dir, HOST_GROUP, 0755);

		if (dir < 0)
			return err_sys(e, errno, "make control group %s in %s", HOST_GROUP, rt->h[i].name);
		fd_close(&rt->h[i].dir);
		rt->h[i].dir = dir;
	}
	return 0;
}
