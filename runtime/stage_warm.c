/* The parts of a container's root that are the same for all: made by a warm sandbox before anybody asks for one. */
#include "stage.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

const char *fs_label;

/* The kernel takes a label for these even from within a user namespace. */
static bool
takes_label(const char *type)
{
	return strcmp(type, "tmpfs") == 0 || strcmp(type, "devpts") == 0;
}

int
fs_make(const char *type, const char *const *options, unsigned attrs)
{
	own_fd fs = fsopen(type, FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0) < 0)
		return -1;
	if (fs_label != NULL && takes_label(type) && fsconfig(fs, FSCONFIG_SET_STRING, "context", fs_label, 0) < 0)
		return -1;
	for (; options != NULL && *options != NULL; options += 2)
		if (fsconfig(fs, options[1] != NULL ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0], options[1], 0) < 0)
			return -1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC, attrs);
}

int
fs_attach(int mount, int dir, const char *name)
{
	return move_mount(mount, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH | (*name == '\0' ? MOVE_MOUNT_T_EMPTY_PATH : 0));
}

/* A tmpfs that lies over some directory that every host has; nothing below it is needed any more. */
static int
make_dir(struct stage *s, struct err *e)
{
	static const char *const places[] = { "/tmp", "/mnt", "/run", "/var" };
	static const char *const parts[] = { "root", "dev", "rw", "cgroup", "empty", "mask" };
	own_fd fs = fs_make("tmpfs", (const char *const[]){ "mode", "0700", "size", "1m", NULL }, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	bool done = false;

	if (fs < 0)
		return err_sys(e, errno, "mount a tmpfs");
	for (size_t i = 0; i < sizeof places / sizeof *places && !done; i++)
		done = fs_attach(fs, AT_FDCWD, places[i]) == 0;
	if (!done)
		return err_sys(e, errno, "find a place to build the root");
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (mkdirat(fs, parts[i], 0755) < 0)
			return err_sys(e, errno, "make %s", parts[i]);
	if (fchdir(fs) < 0)
		return err_sys(e, errno, "enter the place to build the root");
	s->dir = fd_take(&fs);
	return 0;
}

static const struct { const char *name; unsigned minor, major; } nodes[] = {
	{ "null", 3, 1 }, { "zero", 5, 1 }, { "full", 7, 1 }, { "random", 8, 1 }, { "urandom", 9, 1 }, { "tty", 0, 5 },
};

/* The host's node, checked to be what its name says (CVE-2025-31133), as a mount of its own. */
static int
open_node(const char *name, unsigned major_, unsigned minor_, int *ret_fd, struct err *e)
{
	char path[32];
	own_fd fd = -1;
	struct stat st;

	snprintf(path, sizeof path, "/dev/%s", name);
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open the host's %s", path);
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != major_ || minor(st.st_rdev) != minor_)
		return err_set(e, ERR_SYSTEM, "the host's %s is not the device that it should be", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Nodes of its own where that is possible: whoever may change the mode of a node of the host's changes the host's. */
static int
make_own_nodes(struct stage *s, int dev, struct err *e)
{
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (mknodat(dev, nodes[i].name, S_IFCHR, makedev(nodes[i].major, nodes[i].minor)) < 0 || fchmodat(dev, nodes[i].name, 0666, 0) < 0)
			return err_sys(e, errno, "make /dev/%s", nodes[i].name);
	s->null_node = openat(dev, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return s->null_node < 0 ? err_sys(e, errno, "open /dev/null") : 0;
}

static int
make_nodes(struct stage *s, int dev, struct err *e)
{
	if (s->prepare->host)
		return make_own_nodes(s, dev, e);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		own_fd node = -1, file = -1;

		if (open_node(nodes[i].name, nodes[i].major, nodes[i].minor, &node, e) < 0)
			return -1;
		file = openat(dev, nodes[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (file < 0 || fs_attach(node, dev, nodes[i].name) < 0)
			return err_sys(e, errno, "make /dev/%s", nodes[i].name);
		if (i == 0)
			s->null_node = fd_take(&node);
	}
	return 0;
}

static int
make_dev(struct stage *s, struct err *e)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/kcore", "core" }, { "pts/ptmx", "ptmx" },
	};
	own_fd dev = fs_make("tmpfs", (const char *const[]){ "mode", "0755", "size", "65536k", NULL },
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
	own_fd pts = -1;

	if (dev < 0 || fs_attach(dev, s->dir, "dev") < 0)
		return err_sys(e, errno, "mount /dev");
	if (make_nodes(s, dev, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			return err_sys(e, errno, "make /dev/%s", links[i][1]);
	if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "shm", 01777) < 0 || mkdirat(dev, "mqueue", 0755) < 0)
		return err_sys(e, errno, "make directories in /dev");
	pts = fs_make("devpts", (const char *const[]){ "ptmxmode", "0666", "mode", "0620", "gid", "5", NULL },
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (pts < 0 || fs_attach(pts, dev, "pts") < 0)
		return err_sys(e, errno, "mount /dev/pts");
	s->mqueue = fs_make("mqueue", NULL, SAFE);
	if (s->mqueue >= 0 ? fs_attach(s->mqueue, dev, "mqueue") < 0 : errno != ENODEV && errno != EPERM)
		return err_sys(e, errno, "mount /dev/mqueue");
	s->dev = fd_take(&dev);
	return 0;
}

/* As the host has it, with the flags of ours: for containers that share the host's network (sysfs) or processes (proc). */
static int
clone_host(const char *path, unsigned attrs, int *ret_fd, struct err *e)
{
	struct mount_attr a = { .attr_set = attrs };
	own_fd fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof a) < 0)
		return err_sys(e, errno, "share the host's %s", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

static bool
joins(const struct stage *s, unsigned flag)
{
	for (size_t i = 0; i < s->prepare->joins.n; i++)
		if ((s->prepare->joins.v[i].flags & flag) != 0)
			return true;
	return (s->prepare->create & flag) != 0;
}

static int
make_proc_sys(struct stage *s, struct err *e)
{
	/* (without a user namespace the host's can be mounted anew) */
	if (!s->prepare->host && !joins(s, CLONE_NEWPID)) {
		if (clone_host("/proc", SAFE, &s->proc, e) < 0)
			return -1;
	} else if ((s->proc = fs_make("proc", NULL, SAFE)) < 0) {
		return err_sys(e, errno, "mount /proc");
	}
	if (!s->prepare->host && !joins(s, CLONE_NEWNET))
		return clone_host("/sys", SAFE | MOUNT_ATTR_RDONLY, &s->sys, e);
	s->sys = fs_make("sysfs", NULL, SAFE | MOUNT_ATTR_RDONLY);
	return s->sys < 0 ? err_sys(e, errno, "mount /sys") : 0;
}

/* One v1 hierarchy; names of controllers that share one are links to it, as on the host. */
static int
make_hierarchy(int dir, const char *name, struct err *e)
{
	const char *plain = strncmp(name, "name=", 5) == 0 ? name + 5 : name;
	char controllers[256], *save = NULL;
	const char *options[64];
	size_t n = 0;
	own_fd fs = -1;

	if ((size_t)snprintf(controllers, sizeof controllers, "%s", name) >= sizeof controllers)
		return err_set(e, ERR_INVALID, "control group hierarchy %s", name);
	if (plain != name) {
		options[n++] = "name";
		options[n++] = plain;
		options[n++] = "none";
		options[n++] = NULL;
	} else {
		for (char *c = strtok_r(controllers, ",", &save); c != NULL && n + 4 < 64; c = strtok_r(NULL, ",", &save)) {
			options[n++] = c;
			options[n++] = NULL;
			if (strchr(name, ',') != NULL && symlinkat(name, dir, c) < 0)
				return err_sys(e, errno, "link %s", c);
		}
	}
	/* fs_make stops at a NULL key, not at a NULL value */
	options[n] = NULL;
	fs = fs_make("cgroup", options, SAFE | MOUNT_ATTR_RDONLY);
	if (fs < 0 || mkdirat(dir, plain, 0755) < 0 || fs_attach(fs, dir, plain) < 0)
		return err_sys(e, errno, "mount control group hierarchy %s", name);
	return 0;
}

static int
make_cgroup(struct stage *s, struct err *e)
{
	const struct strs *names = &s->prepare->cgroups;
	own_fd fs = -1;

	if (s->prepare->host_cgroupns) {
		if (clone_host("/sys/fs/cgroup", SAFE | MOUNT_ATTR_RDONLY, &fs, e) < 0)
			return -1;
	} else if (names->n == 1 && strcmp(names->v[0], "v2") == 0) {
		fs = fs_make("cgroup2", NULL, SAFE | MOUNT_ATTR_RDONLY);
	} else if (names->n > 0) {
		struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

		fs = fs_make("tmpfs", (const char *const[]){ "mode", "0755", "size", "64k", NULL }, SAFE);
		if (fs < 0 || fs_attach(fs, s->dir, "cgroup") < 0)
			return err_sys(e, errno, "mount /sys/fs/cgroup");
		for (size_t i = 0; i < names->n; i++)
			if (strcmp(names->v[i], "v2") != 0 && make_hierarchy(fs, names->v[i], e) < 0)
				return -1;
		if (mount_setattr(fs, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
			return err_sys(e, errno, "make /sys/fs/cgroup read-only");
		s->has_cgroup = true;
		return 0;
	} else {
		return 0;
	}
	if (fs < 0 || fs_attach(fs, s->dir, "cgroup") < 0)
		return err_sys(e, errno, "mount /sys/fs/cgroup");
	s->has_cgroup = true;
	return 0;
}

/* One /dev/shm goes with one IPC namespace. */
static int
share_shm(struct stage *s, struct err *e)
{
	if (s->shm < 0 && !joins(s, CLONE_NEWIPC) && clone_host("/dev/shm", SAFE, &s->shm, e) < 0)
		return -1;
	if (s->shm >= 0 && fs_attach(s->shm, s->dev, "shm") < 0)
		return err_sys(e, errno, "share /dev/shm");
	return 0;
}

int
stage_warm(struct stage *s, struct err *e)
{
	if (s->prepare->mount_label != NULL && *s->prepare->mount_label != '\0')
		fs_label = s->prepare->mount_label;
	/* nothing that we mount reaches the host, nothing that the host mounts reaches us */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "make the mounts private");
	if (make_proc_sys(s, e) < 0 || make_dir(s, e) < 0 || make_dev(s, e) < 0 || share_shm(s, e) < 0 || make_cgroup(s, e) < 0)
		return -1;
	s->mask = fs_make("tmpfs", (const char *const[]){ "size", "4k", "mode", "0755", NULL }, SAFE | MOUNT_ATTR_RDONLY);
	/* attached, because before Linux 6.15 only an attached mount can be copied */
	if (s->mask < 0 || fs_attach(s->mask, s->dir, "mask") < 0)
		return err_sys(e, errno, "mount an empty directory");
	return 0;
}
