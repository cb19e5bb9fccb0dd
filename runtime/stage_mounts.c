/* What the user wants mounted: bind mounts and volumes (given by the mounter), tmpfs, devices. */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

bool
stage_has_mount(const struct stage *s, const char *path)
{
	for (size_t i = 0; i < s->spec->mounts.n; i++)
		if (s->spec->mounts.v[i].target != NULL && strcmp(s->spec->mounts.v[i].target, path) == 0)
			return true;
	return false;
}

/* A mount over the confinement switches would let the image catch what is written to them (CVE-2019-16884). */
static int
check_target(const char *target, struct err *e)
{
	static const char *const fine[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps",
		"/proc/uptime", "/proc/loadavg", "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/net/dev" };
	static const char *const whole[] = { "/proc", "/sys", "/dev" };

	if (target == NULL || *target != '/' || target[strspn(target, "/.")] == '\0')
		return err_set(e, ERR_INVALID, "invalid mount path: '%s' mount path must be absolute and not /", target != NULL ? target : "");
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		if (strcmp(target, fine[i]) == 0)
			return 0;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (strcmp(target, whole[i]) == 0)
			return err_set(e, ERR_INVALID, "\"%s\" cannot be mounted because it is a system directory of the container", target);
	if (text_starts(target, "/proc/"))
		return err_set(e, ERR_INVALID, "\"%s\" cannot be mounted because it is inside /proc", target);
	return 0;
}

static int
set_propagation(int mount, const char *name, struct err *e)
{
	static const struct { const char *name; unsigned long flag; bool deep; } rows[] = {
		{ "private", MS_PRIVATE, false }, { "rprivate", MS_PRIVATE, true }, { "slave", MS_SLAVE, false }, { "rslave", MS_SLAVE, true },
		{ "shared", MS_SHARED, false }, { "rshared", MS_SHARED, true },
	};
	struct mount_attr a = { .propagation = MS_PRIVATE };
	unsigned flags = AT_EMPTY_PATH | AT_RECURSIVE;

	if (name != NULL && *name != '\0') {
		a.propagation = 0;
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			if (strcmp(name, rows[i].name) == 0) {
				a.propagation = rows[i].flag;
				flags = AT_EMPTY_PATH | (rows[i].deep ? AT_RECURSIVE : 0);
			}
		if (a.propagation == 0)
			return err_set(e, ERR_UNSUPPORTED, "mount propagation \"%s\" is not possible here", name);
	}
	if (mount_setattr(mount, "", flags, &a, sizeof a) < 0)
		return err_sys(e, errno, "set mount propagation");
	return 0;
}

static int
dir_is_empty(int mount, bool *ret, struct err *e)
{
	int fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	*ret = true;
	if (dir == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "open a volume");
	}
	while (*ret && (entry = readdir(dir)) != NULL)
		*ret = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(dir);
	return 0;
}

static int
copy_up(struct stage *s, int volume, const char *target, struct err *e)
{
	own_fd from = -1;
	bool empty;

	if (dir_is_empty(volume, &empty, e) < 0)
		return -1;
	if (!empty)
		return 0;
	from = root_open(s, target, O_RDONLY | O_DIRECTORY, false);
	if (from < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, errno, "open \"%s\" in the image", target);
	return stage_copy_up(from, volume, e) < 0 ? err_wrap(e, "fill the volume for \"%s\"", target) : 0;
}

static int
mount_given(struct stage *s, const struct run_mount *m, struct err *e)
{
	own_fd mount = -1;

	if (stage_take_fd(s, &mount, e) < 0)
		return -1;
	if (m->options != NULL && *m->options != '\0')
		return err_set(e, ERR_UNSUPPORTED, "mount option \"%s\" is not supported", m->options);
	if (set_propagation(mount, m->propagation, e) < 0)
		return -1;
	if (m->copy_up && !m->read_only && copy_up(s, mount, m->target, e) < 0)
		return -1;
	if (m->relabel != NULL && *m->relabel != '\0' && stage_relabel(mount, m->relabel, e) < 0)
		return err_wrap(e, "SELinux relabeling of \"%s\" is not allowed", m->target);
	return root_attach(s, mount, m->target, false, e);
}

struct tmpfs_parsed {
	const char *kv[32];
	size_t n;
	unsigned attrs;
	bool has_mode;
	char text[1100], mode[16];
};

static bool
tmpfs_flag(struct tmpfs_parsed *o, const char *word)
{
	static const struct { const char *name; unsigned flag; bool set; } rows[] = {
		{ "ro", MOUNT_ATTR_RDONLY, true }, { "rw", MOUNT_ATTR_RDONLY, false }, { "nosuid", MOUNT_ATTR_NOSUID, true },
		{ "suid", MOUNT_ATTR_NOSUID, false }, { "nodev", MOUNT_ATTR_NODEV, true }, { "dev", MOUNT_ATTR_NODEV, false },
		{ "noexec", MOUNT_ATTR_NOEXEC, true }, { "exec", MOUNT_ATTR_NOEXEC, false }, { "noatime", MOUNT_ATTR_NOATIME, true },
		{ "strictatime", MOUNT_ATTR_STRICTATIME, true }, { "nodiratime", MOUNT_ATTR_NODIRATIME, true },
		{ "relatime", 0, true }, { "defaults", 0, true }, { "rprivate", 0, true }, { "private", 0, true }, { "notmpcopyup", 0, true },
		{ "diratime", MOUNT_ATTR_NODIRATIME, false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(word, rows[i].name) == 0) {
			o->attrs = rows[i].set ? o->attrs | rows[i].flag : o->attrs & ~rows[i].flag;
			return true;
		}
	return false;
}

static int
parse_tmpfs(const char *options, struct tmpfs_parsed *o, struct err *e)
{
	static const char *const keys[] = { "size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge", "mpol" };
	char *save = NULL, *word;

	o->attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	if (!text_copy(o->text, sizeof o->text, options != NULL ? options : ""))
		return err_set(e, ERR_INVALID, "tmpfs options are too long");
	for (word = strtok_r(o->text, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
		char *value = strchr(word, '=');
		bool known = false;

		if (value == NULL) {
			if (!tmpfs_flag(o, word))
				return err_set(e, ERR_INVALID, "invalid tmpfs option [\"%s\"]", word);
			continue;
		}
		*value++ = '\0';
		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
			known = known || strcmp(word, keys[i]) == 0;
		if (!known || o->n + 4 > 30)
			return err_set(e, ERR_INVALID, "invalid tmpfs option [\"%s=%s\"]", word, value);
		o->has_mode = o->has_mode || strcmp(word, "mode") == 0;
		o->kv[o->n++] = word;
		o->kv[o->n++] = value;
	}
	return 0;
}

static int
mount_tmpfs(struct stage *s, const struct run_mount *m, struct err *e)
{
	struct tmpfs_parsed o = { .n = 0 };
	own_fd fs = -1, there = -1;
	struct stat st;

	if (parse_tmpfs(m->options, &o, e) < 0)
		return -1;
	/* as the directory that it covers, if nobody said otherwise */
	there = root_open(s, m->target, O_PATH | O_DIRECTORY, false);
	if (!o.has_mode && there >= 0 && fstat(there, &st) == 0) {
		snprintf(o.mode, sizeof o.mode, "%o", st.st_mode & 07777);
		o.kv[o.n++] = "mode";
		o.kv[o.n++] = o.mode;
	}
	if (m->read_only)
		o.attrs |= MOUNT_ATTR_RDONLY;
	fs = fs_make("tmpfs", o.kv, o.attrs);
	if (fs < 0)
		return err_sys(e, errno, "mount a tmpfs on \"%s\"", m->target);
	if (m->copy_up && (o.attrs & MOUNT_ATTR_RDONLY) == 0 && copy_up(s, fs, m->target, e) < 0)
		return -1;
	return root_attach(s, fs, m->target, false, e);
}

/* An image's layers as one tree that nobody can write; of a single layer there is nothing to join. */
static int
join_layers(struct stage *s, const struct run_mount *m, size_t no, int *ret_top, struct err *e)
{
	own_buf options = BUF_INIT(4095);
	char name[48];

	buf_puts(&options, "lowerdir=");
	for (size_t i = 0; i < m->layers.n; i++) {
		own_fd layer = -1;

		snprintf(name, sizeof name, "i%zu-%zu", no, i);
		if (stage_take_fd(s, &layer, e) < 0)
			return -1;
		if (mkdirat(s->dir, name, 0755) < 0 || fs_attach(layer, s->dir, name) < 0)
			return err_sys(e, errno, "put layer %zu of an image in place", i);
		buf_printf(&options, "%s%s", i > 0 ? ":" : "", name);
	}
	if (m->layers.n == 0)
		return err_set(e, ERR_INVALID, "the image for \"%s\" has no files", m->target);
	buf_puts(&options, ",userxattr");
	if (*buf_cstr(&options) == '\0')
		return err_set(e, ERR_LIMIT, "the image for \"%s\" has too many layers", m->target);
	if (m->layers.n > 1) {
		snprintf(name, sizeof name, "i%zu", no);
		if (mkdirat(s->dir, name, 0755) < 0 || mount("overlay", name, "overlay", MS_RDONLY | MS_NODEV, buf_cstr(&options)) < 0)
			return err_sys(e, errno, "mount an image on \"%s\"", m->target);
	}
	*ret_top = openat(s->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_top < 0 ? err_sys(e, errno, "open an image") : 0;
}

static int
mount_image(struct stage *s, const struct run_mount *m, size_t no, struct err *e)
{
	own_fd top = -1, tree = -1;

	if (join_layers(s, m, no, &top, e) < 0)
		return -1;
	if (m->subpath != NULL && *m->subpath != '\0') {
		int sub = fd_open_beneath(top, m->subpath, O_PATH, 0);

		if (sub < 0)
			return err_sys(e, errno, "cannot access path \"%s\" of the image for \"%s\"", m->subpath, m->target);
		fd_close(&top);
		top = sub;
	}
	tree = open_tree(top, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(e, errno, "mount an image on \"%s\"", m->target);
	return root_attach(s, tree, m->target, false, e);
}

int
stage_mounts(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->mounts.n; i++) {
		const struct run_mount *m = &s->spec->mounts.v[i];

		if (m->kind == NULL || check_target(m->target, e) < 0)
			return m->kind == NULL ? err_set(e, ERR_PROTOCOL, "mount without a kind") : -1;
		if (strcmp(m->kind, "tmpfs") == 0 ? mount_tmpfs(s, m, e) < 0 : strcmp(m->kind, "image") == 0 ? mount_image(s, m, i, e) < 0 : mount_given(s, m, e) < 0)
			return -1;
	}
	return 0;
}

/* A node of its own, at a path that is resolved in the root. What is there already stays. */
static int
make_device(struct stage *s, const char *path, const struct stat *st, struct err *e)
{
	char copy[4097], *slash;
	own_fd parent = -1;
	mode_t mode = st->st_mode & (S_IFMT | 07777);

	if (!text_copy(copy, sizeof copy, path) || *copy != '/' || (slash = strrchr(copy, '/'))[1] == '\0')
		return err_set(e, ERR_INVALID, "invalid device path: %s", path);
	*slash = '\0';
	if (root_target(s, copy, true, false, &parent, e) < 0)
		return -1;
	if (mknodat(parent, slash + 1, mode, st->st_rdev) < 0)
		return errno == EEXIST ? 0 : err_sys(e, errno, "make device node \"%s\"", path);
	if (fchownat(parent, slash + 1, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(parent, slash + 1, mode & 07777, 0) < 0)
		return err_sys(e, errno, "make device node \"%s\"", path);
	return 0;
}

#define NODES_DEPTH 8

static int copy_nodes(int from, int to, int depth, struct err *e);

static int
copy_node(int from, int to, const char *name, int depth, struct err *e)
{
	own_fd below = -1, made = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;   /* it went */
	if (S_ISDIR(st.st_mode)) {
		below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0 || depth == 0)
			return 0;
		made = fd_make_dir(to, name, 0755);
		return made < 0 ? err_sys(e, errno, "make a directory in /dev") : copy_nodes(below, made, depth - 1, e);
	}
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return 0;
	if (mknodat(to, name, st.st_mode & (S_IFMT | 07777), st.st_rdev) < 0)
		return errno == EEXIST ? 0 : err_sys(e, errno, "make device node %s", name);
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return err_sys(e, errno, "make device node %s", name);
	return 0;
}

/* --privileged: all nodes of the host's /dev, but for what every container has of its own. */
static int
copy_nodes(int from, int to, int depth, struct err *e)
{
	static const char *const own[] = { ".", "..", "pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev" };
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "read the host's /dev");
	}
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		bool skip = false;

		for (size_t i = 0; i < sizeof own / sizeof *own; i++)
			skip = skip || strcmp(entry->d_name, own[i]) == 0;
		if (!skip)
			r = copy_node(from, to, entry->d_name, depth, e);
	}
	closedir(dir);
	return r;
}

static int
copy_host_dev(struct stage *s, struct err *e)
{
	/* until the root is changed this is the host's */
	own_fd host = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (host < 0)
		return err_sys(e, errno, "open the host's /dev");
	return copy_nodes(host, s->dev, NODES_DEPTH, e);
}

int
stage_devices(struct stage *s, struct err *e)
{
	if (s->spec->privileged && copy_host_dev(s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->spec->devices.n; i++) {
		const struct device_mapping *d = &s->spec->devices.v[i];
		own_fd mount = -1;
		struct stat st;
		int r;

		if (stage_take_fd(s, &mount, e) < 0)
			return -1;
		if (fstat(mount, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
			return err_set(e, ERR_INVALID, "error gathering device information while adding custom device \"%s\": not a device node",
			    d->path_on_host);
		if (d->path_in_container == NULL)
			return err_set(e, ERR_PROTOCOL, "device without a path");
		r = s->prepare->host ? make_device(s, d->path_in_container, &st, e) : root_attach(s, mount, d->path_in_container, false, e);
		if (r < 0)
			return -1;
	}
	return 0;
}
