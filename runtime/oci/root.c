/* The container's root as config.json describes it, in the container's own mount namespace, with stage's tools. */
#include "root.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct options {
	unsigned set, clear;
	uint64_t propagation;
	bool bind, recursive, deep;
	const char *kv[32];
	size_t n;
	char text[2048];
};

static bool
take_flag(struct options *o, const char *word)
{
	static const struct { const char *name; unsigned flag; bool on; } rows[] = {
		{ "ro", MOUNT_ATTR_RDONLY, true }, { "rw", MOUNT_ATTR_RDONLY, false }, { "nosuid", MOUNT_ATTR_NOSUID, true }, { "suid", MOUNT_ATTR_NOSUID, false },
		{ "nodev", MOUNT_ATTR_NODEV, true }, { "dev", MOUNT_ATTR_NODEV, false }, { "noexec", MOUNT_ATTR_NOEXEC, true }, { "exec", MOUNT_ATTR_NOEXEC, false },
		{ "noatime", MOUNT_ATTR_NOATIME, true }, { "nodiratime", MOUNT_ATTR_NODIRATIME, true }, { "diratime", MOUNT_ATTR_NODIRATIME, false },
		{ "strictatime", MOUNT_ATTR_STRICTATIME, true }, { "relatime", 0, true }, { "defaults", 0, true },
	};
	static const struct { const char *name; uint64_t flag; bool deep; } spread[] = {
		{ "private", MS_PRIVATE, false }, { "rprivate", MS_PRIVATE, true }, { "slave", MS_SLAVE, false }, { "rslave", MS_SLAVE, true },
		{ "shared", MS_SHARED, false }, { "rshared", MS_SHARED, true }, { "unbindable", MS_UNBINDABLE, false }, { "runbindable", MS_UNBINDABLE, true },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(word, rows[i].name) == 0) {
			o->set = rows[i].on ? o->set | rows[i].flag : o->set & ~rows[i].flag;
			o->clear |= rows[i].on ? 0 : rows[i].flag;
			return true;
		}
	for (size_t i = 0; i < sizeof spread / sizeof *spread; i++)
		if (strcmp(word, spread[i].name) == 0) {
			o->propagation = spread[i].flag;
			o->deep = spread[i].deep;
			return true;
		}
	if (strcmp(word, "bind") != 0 && strcmp(word, "rbind") != 0)
		return false;
	o->bind = true;
	o->recursive = o->recursive || word[0] == 'r';
	return true;
}

/* What is no flag is the file system's own, if it is not a bind mount. */
static int
take_options(const struct oci_mount *m, struct options *o, struct err *e)
{
	size_t used = 0;

	for (size_t i = 0; i < m->options.n; i++) {
		char *word = o->text + used, *value;
		size_t n = strlen(m->options.v[i]);

		if (take_flag(o, m->options.v[i]))
			continue;
		if (used + n + 1 >= sizeof o->text || o->n + 2 >= sizeof o->kv / sizeof *o->kv)
			return err_set(e, ERR_LIMIT, "mounts: too many options for \"%.128s\"", m->destination);
		memcpy(word, m->options.v[i], n + 1);
		used += n + 1;
		value = strchr(word, '=');
		if (value != NULL)
			*value++ = '\0';
		o->kv[o->n++] = word;
		o->kv[o->n++] = value;
	}
	o->bind = o->bind || (m->type != NULL && strcmp(m->type, "bind") == 0);
	if (o->bind && o->n > 0)
		return err_set(e, ERR_UNSUPPORTED, "mounts: option \"%.64s\" of a bind mount is not implemented by bulwark-oci yet", o->kv[0]);
	return 0;
}

static int
make_mount(const struct oci_mount *m, const struct options *o, int *ret_fd, struct err *e)
{
	static const char *const types[] = { "proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2" };
	struct mount_attr a = { .attr_set = o->set, .attr_clr = o->clear };
	own_fd fd = -1;

	if (o->bind) {
		fd = open_tree(AT_FDCWD, m->source != NULL ? m->source : "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (o->recursive ? AT_RECURSIVE : 0u));
		if (fd < 0 || ((o->set | o->clear) != 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof a) < 0))
			return err_sys(e, errno, "bind \"%.200s\" to \"%.200s\"", m->source != NULL ? m->source : "", m->destination);
	} else {
		bool known = false;

		for (size_t i = 0; i < sizeof types / sizeof *types; i++)
			known = known || (m->type != NULL && strcmp(m->type, types[i]) == 0);
		if (!known)
			return err_set(e, ERR_UNSUPPORTED, "mounts: type \"%.32s\" is not implemented by bulwark-oci yet", m->type != NULL ? m->type : "");
		fd = fs_make(m->type, o->kv, o->set);
		if (fd < 0)
			return err_sys(e, errno, "mount %s on \"%.200s\"", m->type, m->destination);
	}
	a = (struct mount_attr){ .propagation = o->propagation != 0 ? o->propagation : MS_PRIVATE };
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (o->deep || o->propagation == 0 ? AT_RECURSIVE : 0u), &a, sizeof a) < 0)
		return err_sys(e, errno, "set the propagation of \"%.200s\"", m->destination);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int
make_node(int dev, const char *name, unsigned minor_, unsigned major_, struct err *e)
{
	char path[32];
	own_fd node = -1, file = -1;
	struct stat st;

	if (mknodat(dev, name, S_IFCHR, makedev(major_, minor_)) == 0)
		return fchmodat(dev, name, 0666, 0) < 0 ? err_sys(e, errno, "make /dev/%s", name) : 0;
	if (errno == EEXIST)
		return 0;
	/* the host's, checked to be what its name says (CVE-2025-31133) */
	snprintf(path, sizeof path, "/dev/%s", name);
	node = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (node < 0 || fstat(node, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(major_, minor_))
		return err_sys(e, node < 0 ? errno : ENODEV, "open the host's %s", path);
	file = openat(dev, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return file < 0 || fs_attach(node, dev, name) < 0 ? err_sys(e, errno, "make /dev/%s", name) : 0;
}

/* The default devices of the specification, where /dev is the container's own. */
static int
make_devices(struct stage *s, struct err *e)
{
	static const struct { const char *name; unsigned minor_, major_; } nodes[] = {
		{ "null", 3, 1 }, { "zero", 5, 1 }, { "full", 7, 1 }, { "random", 8, 1 }, { "urandom", 9, 1 }, { "tty", 0, 5 },
	};
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" }, { "/proc/self/fd/0", "stdin" }, { "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" }, { "pts/ptmx", "ptmx" },
	};
	own_fd at = root_open(s, "/dev", O_RDONLY | O_DIRECTORY, true);

	if (at < 0)
		return err_sys(e, errno, "open /dev");
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		if (make_node(at, nodes[i].name, nodes[i].minor_, nodes[i].major_, e) < 0)
			return -1;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlinkat(links[i][0], at, links[i][1]) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make /dev/%s", links[i][1]);
	return 0;
}

static int
make_mounts(struct stage *s, const struct oci_config *c, struct err *e)
{
	bool own_dev = false;

	for (size_t i = 0; i < c->mounts.n; i++) {
		const struct oci_mount *m = &c->mounts.v[i];
		struct options o = { .n = 0 };
		own_fd fd = -1;

		/* in the container's own /proc nothing may stand in the way of its switches (CVE-2019-16884) */
		if (text_starts(m->destination, "/proc/"))
			return err_set(e, ERR_INVALID, "mounts: \"%.128s\" cannot be mounted because it is inside /proc", m->destination);
		if (take_options(m, &o, e) < 0 || make_mount(m, &o, &fd, e) < 0)
			return -1;
		/* /proc and /sys must be plain directories of the root (CVE-2019-19921) */
		if (root_attach(s, fd, m->destination, strcmp(m->destination, "/proc") == 0 || strcmp(m->destination, "/sys") == 0 || strcmp(m->destination, "/dev") == 0, e) < 0)
			return -1;
		own_dev = own_dev || (strcmp(m->destination, "/dev") == 0 && !o.bind);
	}
	return own_dev ? make_devices(s, e) : 0;
}

static int
place_root(struct stage *s, int state, const struct oci_config *c, struct err *e)
{
	struct mount_attr a = { .propagation = MS_PRIVATE };
	own_fd tree = open_tree(AT_FDCWD, c->root->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	own_fd fs = fs_make("tmpfs", (const char *const[]){ "mode", "0700", "size", "64k", NULL }, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof a) < 0)
		return err_sys(e, errno, "open root.path \"%.200s\"", c->root->path);
	if (fs < 0 || fs_attach(fs, state, "") < 0 || mkdirat(fs, "root", 0755) < 0 || mkdirat(fs, "mask", 0755) < 0 || fs_attach(tree, fs, "root") < 0)
		return err_sys(e, errno, "put the root in place");
	s->root = openat(fs, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->mask = fs_make("tmpfs", (const char *const[]){ "size", "4k", "mode", "0755", NULL }, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
	s->null_node = open("/dev/null", O_PATH | O_CLOEXEC);
	if (s->root < 0 || s->null_node < 0 || s->mask < 0 || fs_attach(s->mask, fs, "mask") < 0)
		return err_sys(e, errno, "open the root");
	s->dir = fd_take(&fs);
	return 0;
}

int
oci_root_make(struct stage *s, int state, const struct oci_config *c, struct err *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	const char *p = c->linux_->propagation;
	own_fd cwd = -1;

	if (p != NULL && *p != '\0' && strcmp(p, "private") != 0 && strcmp(p, "rprivate") != 0 && strcmp(p, "slave") != 0 && strcmp(p, "rslave") != 0)
		return err_set(e, ERR_UNSUPPORTED, "linux.rootfsPropagation \"%.32s\" is not implemented by bulwark-oci yet", p);
	if (mount(NULL, "/", NULL, MS_REC | (p != NULL && strstr(p, "slave") != NULL ? MS_SLAVE : MS_PRIVATE), NULL) < 0)
		return err_sys(e, errno, "linux.rootfsPropagation");
	if (place_root(s, state, c, e) < 0 || make_mounts(s, c, e) < 0)
		return -1;
	s->proc = (s->prepare->create & CLONE_NEWPID) != 0 || c->linux_->sysctl.n > 0 ? fs_make("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) :
	    open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->proc < 0)
		return err_sys(e, errno, "mount a procfs");
	if (stage_sysctls(s, e) < 0 || root_target(s, c->process->cwd, true, false, &cwd, e) < 0 || stage_mask(s, e) < 0)
		return -1;
	if (c->root->readonly && mount_setattr(s->root, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
		return err_sys(e, errno, "make the root read-only");
	return stage_pivot(s, e);
}
