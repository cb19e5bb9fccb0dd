#include "layer.h"

#include "fd.h"
#include "rec.h"
#include "recipe.h"
#include "text.h"
#include "xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ID_LIMIT 65536
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define WHITEOUT_META ".wh..wh."

/* Times of directories are set at the end, because what is created in them changes them. */
struct dir_time { char *path; struct timespec mtime; };

struct layer {
	int top, fs;
	const struct layer_limits *limits;
	struct tar tar;
	struct recipe_writer recipe;
	struct layer_result result;
	struct arena arena;
	struct { size_t n; struct dir_time *v; } dirs;
	/* the directory of the last entry; what follows is often in it too. Only what is in it is ever replaced, never itself. */
	char parent[TAR_PATH_MAX + 1];
	int parent_fd;
	uint32_t kept;
};

/* One entry with its place. */
struct place {
	char path[TAR_PATH_MAX + 1];
	const char *base;                /* last component, in path */
	int dir;                         /* borrowed: the layer's parent_fd */
};

static int
clean(const char *name, char out[TAR_PATH_MAX + 1], struct err *e)
{
	if (tar_clean_path(name, out) < 0)
		return err_set(e, ERR_INVALID, "invalid tar entry: \"%.200s\" is outside of the layer", name);
	return 0;
}

static int
entry_error(int sys, const char *what, const char *path, struct err *e)
{
	if (sys == ENOSPC || sys == EDQUOT)
		return err_sys(e, sys, "write");
	if (sys == ELOOP)
		return err_set(e, ERR_INVALID, "invalid tar entry: \"%.200s\" leads through a symbolic link", path);
	return err_sys(e, sys, "%s /%.200s", what, path);
}

static int
on_meta(void *ctx, const unsigned char *p, size_t n, struct err *e)
{
	struct layer *l = ctx;

	if (l->tar.in->passed > l->limits->bytes)
		return err_sys(e, ENOSPC, "layer");
	return recipe_meta(&l->recipe, p, n, e);
}

/* ---- places ---- */

/* Opens directory path, making what is missing. No component may be a link. */
static int
open_dir(struct layer *l, const char *path, struct err *e)
{
	int fd = fd_open_beneath(l->fs, path[0] != '\0' ? path : ".", O_PATH | O_DIRECTORY, 0);
	char part[TAR_PATH_MAX + 1];
	const char *p = path;

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return entry_error(errno, "mkdir", path, e);
	do {
		size_t n = (size_t)(p - path);

		n += strcspn(p, "/");
		memcpy(part, path, n);
		part[n] = '\0';
		fd_close(&fd);
		fd = fd_open_beneath(l->fs, part, O_PATH | O_DIRECTORY, 0);
		if (fd < 0 && errno == ENOENT) {
			const char *slash = strrchr(part, '/');
			own_fd up = -1;

			if (slash != NULL) {
				char above[TAR_PATH_MAX + 1];

				memcpy(above, part, (size_t)(slash - part));
				above[slash - part] = '\0';
				up = fd_open_beneath(l->fs, above, O_PATH | O_DIRECTORY, 0);
				if (up < 0)
					return entry_error(errno, "mkdir", path, e);
			}
			if (mkdirat(up >= 0 ? up : l->fs, slash != NULL ? slash + 1 : part, 0755) < 0)
				return entry_error(errno, "mkdir", path, e);
			fd = fd_open_beneath(l->fs, part, O_PATH | O_DIRECTORY, 0);
		}
		if (fd < 0)
			return entry_error(errno, "mkdir", path, e);
		p = path + n + (path[n] == '/');
	} while (*p != '\0');
	return fd;
}

/* Sets base and dir from path. */
static int
locate(struct layer *l, struct place *p, struct err *e)
{
	char *slash = strrchr(p->path, '/');
	size_t n = slash != NULL ? (size_t)(slash - p->path) : 0;
	char parent[TAR_PATH_MAX + 1];

	memcpy(parent, p->path, n);
	parent[n] = '\0';
	p->base = slash != NULL ? slash + 1 : p->path;
	if (l->parent_fd < 0 || strcmp(parent, l->parent) != 0) {
		fd_close(&l->parent_fd);
		l->parent_fd = open_dir(l, parent, e);
		if (l->parent_fd < 0)
			return -1;
		memcpy(l->parent, parent, n + 1);
	}
	p->dir = l->parent_fd;
	return 0;
}

static bool
is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Something of this name came earlier in the same tar: it goes, but contents stay, because the recipe speaks of them. */
static int
displace(struct layer *l, const struct place *p, const struct stat *st, struct err *e)
{
	char name[16];
	own_fd kept = -1;

	if (!S_ISDIR(st->st_mode) && !(S_ISREG(st->st_mode) && st->st_size > 0))
		return unlinkat(p->dir, p->base, 0) < 0 ? entry_error(errno, "replace", p->path, e) : 0;
	kept = fd_make_dir(l->top, "kept", 0700);
	if (kept < 0)
		return err_sys(e, errno, "keep a replaced file");
	snprintf(name, sizeof name, "%u", l->kept);
	if (renameat(p->dir, p->base, kept, name) < 0)
		return entry_error(errno, "replace", p->path, e);
	return recipe_moved(&l->recipe, l->kept++, p->path, e);
}

/* Makes way for a new entry; *ret_was_whiteout if only a whiteout was there. */
static int
make_way(struct layer *l, struct place *p, bool *ret_was_whiteout, struct err *e)
{
	struct stat st;

	if (fstatat(p->dir, p->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return entry_error(errno, "replace", p->path, e);
	if (ret_was_whiteout != NULL)
		*ret_was_whiteout = is_whiteout(&st);
	return displace(l, p, &st, e);
}

/* ---- attributes ---- */

static int
set_opaque(int dir, const char *path, struct err *e)
{
	own_fd fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
		return entry_error(errno, "mark as opaque", path, e);
	return 0;
}

static int
set_xattrs(struct layer *l, int fd, const struct tar_entry *t, const char *path, struct err *e)
{
	for (size_t i = 0; i < t->n_xattrs; i++) {
		const struct tar_xattr *x = &t->xattrs[i];

		if (!xattr_is_wanted(x->name)) {
			l->result.skipped++;
			continue;
		}
		if (fsetxattr(fd, x->name, x->value, x->n, 0) == 0)
			continue;
		if (errno == EOPNOTSUPP || errno == EINVAL)
			l->result.skipped++;   /* as the Docker engine: an attribute that the file system does not know */
		else
			return entry_error(errno, "set an attribute of", path, e);
	}
	return 0;
}

static struct timespec
mtime_of(const struct tar_entry *t)
{
	return (struct timespec){ .tv_sec = t->mtime_s, .tv_nsec = t->mtime_ns };
}

/* Owner, mode, attributes and time of an open file or directory. Order: chown clears set-id bits and capabilities. */
static int
finish_fd(struct layer *l, int fd, const struct tar_entry *t, const char *path, bool times, struct err *e)
{
	struct timespec when[2] = { mtime_of(t), mtime_of(t) };

	if (fchown(fd, (uid_t)t->uid, (gid_t)t->gid) < 0 || fchmod(fd, t->mode) < 0)
		return entry_error(errno, "set owner and mode of", path, e);
	if (t->n_xattrs > 0 && set_xattrs(l, fd, t, path, e) < 0)
		return -1;
	if (times && futimens(fd, when) < 0)
		return entry_error(errno, "set the time of", path, e);
	return 0;
}

static int
finish_at(const struct place *p, const struct tar_entry *t, bool mode, struct err *e)
{
	struct timespec when[2] = { mtime_of(t), mtime_of(t) };

	if (fchownat(p->dir, p->base, (uid_t)t->uid, (gid_t)t->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (mode && fchmodat(p->dir, p->base, t->mode, 0) < 0) || utimensat(p->dir, p->base, when, AT_SYMLINK_NOFOLLOW) < 0)
		return entry_error(errno, "set owner and time of", p->path, e);
	return 0;
}

/* ---- kinds of entries ---- */

static int
charge(struct layer *l, uint64_t n, struct err *e)
{
	if (n > l->limits->bytes - l->result.size)
		return err_sys(e, ENOSPC, "layer");
	l->result.size += n;
	return 0;
}

static int
write_at(int fd, const unsigned char *p, size_t n, uint64_t offset, const char *path, struct err *e)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, (off_t)offset);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return entry_error(errno, "write", path, e);
		p += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return 0;
}

/* The next n bytes of the tar go to offset. */
static int
write_piece(struct layer *l, int fd, uint64_t offset, uint64_t n, const char *path, struct err *e)
{
	/* tar_data hands out what it has, which may be more than this piece */
	while (n > 0) {
		uint64_t left = l->tar.data_left;
		const unsigned char *p;
		int64_t got;

		if (n < left)
			l->tar.data_left = n;
		got = tar_data(&l->tar, &p, e);
		if (got < 0)
			return -1;
		l->tar.data_left = left - (uint64_t)got;
		if (write_at(fd, p, (size_t)got, offset, path, e) < 0)
			return -1;
		offset += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return 0;
}

static int
write_content(struct layer *l, int fd, const struct tar_entry *t, const struct place *p, struct err *e)
{
	const struct tar_piece whole = { 0, t->size }, *pieces = t->sparse ? t->pieces : &whole;
	size_t n = t->sparse ? t->n_pieces : 1;

	for (size_t i = 0; i < n; i++) {
		if (pieces[i].n == 0)
			continue;
		if (recipe_copy(&l->recipe, pieces[i].offset, pieces[i].n, p->path, e) < 0 ||
		    write_piece(l, fd, pieces[i].offset, pieces[i].n, p->path, e) < 0)
			return -1;
	}
	if (t->sparse && ftruncate(fd, (off_t)t->size) < 0)
		return entry_error(errno, "write", p->path, e);
	return 0;
}

static int
add_file(struct layer *l, const struct tar_entry *t, struct place *p, struct err *e)
{
	int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
	own_fd fd = openat(p->dir, p->base, flags, 0600);

	if (fd < 0 && errno == EEXIST) {
		if (make_way(l, p, NULL, e) < 0)
			return -1;
		fd = openat(p->dir, p->base, flags, 0600);
	}
	if (fd < 0)
		return entry_error(errno, "create", p->path, e);
	if (charge(l, t->size, e) < 0 || write_content(l, fd, t, p, e) < 0)
		return -1;
	return finish_fd(l, fd, t, p->path, true, e);
}

static int
note_time(struct layer *l, const struct tar_entry *t, const char *path, struct err *e)
{
	struct dir_time *d = list_add(&l->dirs, &l->arena, sizeof *d);

	if (d == NULL || (d->path = arena_str(&l->arena, path)) == NULL)
		return err_set(e, ERR_LIMIT, "too many directories in a layer");
	d->mtime = mtime_of(t);
	return 0;
}

static int
add_dir(struct layer *l, const struct tar_entry *t, struct place *p, struct err *e)
{
	bool was_whiteout = false;
	own_fd fd = -1;

	if (p->path[0] != '\0' && p->base != NULL && mkdirat(p->dir, p->base, 0700) < 0) {
		struct stat st;

		if (errno != EEXIST || fstatat(p->dir, p->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return entry_error(errno, "mkdir", p->path, e);
		if (!S_ISDIR(st.st_mode)) {
			was_whiteout = is_whiteout(&st);
			if (displace(l, p, &st, e) < 0)
				return -1;
			if (mkdirat(p->dir, p->base, 0700) < 0)
				return entry_error(errno, "mkdir", p->path, e);
		}
	}
	fd = fd_open_beneath(p->path[0] != '\0' ? p->dir : l->fs, p->path[0] != '\0' ? p->base : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return entry_error(errno, "open", p->path, e);
	/* what was below had been removed before this directory came */
	if (was_whiteout && set_opaque(fd, p->path, e) < 0)
		return -1;
	if (finish_fd(l, fd, t, p->path, false, e) < 0)
		return -1;
	return note_time(l, t, p->path, e);
}

static int
add_symlink(struct layer *l, const struct tar_entry *t, struct place *p, struct err *e)
{
	if (symlinkat(t->link, p->dir, p->base) < 0) {
		if (errno != EEXIST)
			return entry_error(errno, "symlink", p->path, e);
		if (make_way(l, p, NULL, e) < 0)
			return -1;
		if (symlinkat(t->link, p->dir, p->base) < 0)
			return entry_error(errno, "symlink", p->path, e);
	}
	return finish_at(p, t, false, e);
}

static int
add_hard_link(struct layer *l, const struct tar_entry *t, struct place *p, struct err *e)
{
	char target[TAR_PATH_MAX + 1], above[TAR_PATH_MAX + 1], *base;
	own_fd dir = -1;

	if (clean(t->link, target, e) < 0)
		return -1;
	if (target[0] == '\0' || strcmp(target, p->path) == 0)
		return err_set(e, ERR_INVALID, "invalid tar entry: \"%.200s\" is a hard link to %s", t->name, target[0] == '\0' ? "the root" : "itself");
	memcpy(above, target, strlen(target) + 1);
	base = strrchr(above, '/');
	if (base != NULL)
		*base = '\0';
	dir = fd_open_beneath(l->fs, base != NULL ? above : ".", O_PATH | O_DIRECTORY, 0);
	base = base != NULL ? base + 1 : above;
	if (dir < 0)
		return entry_error(errno, "link to", target, e);
	if (linkat(dir, base, p->dir, p->base, 0) == 0)
		return 0;
	if (errno == EEXIST) {
		if (make_way(l, p, NULL, e) < 0)
			return -1;
		if (linkat(dir, base, p->dir, p->base, 0) == 0)
			return 0;
	}
	return entry_error(errno, "link to", target, e);
}

static int
add_fifo(struct layer *l, const struct tar_entry *t, struct place *p, struct err *e)
{
	if (mknodat(p->dir, p->base, S_IFIFO | 0600, 0) < 0) {
		if (errno != EEXIST)
			return entry_error(errno, "mkfifo", p->path, e);
		if (make_way(l, p, NULL, e) < 0)
			return -1;
		if (mknodat(p->dir, p->base, S_IFIFO | 0600, 0) < 0)
			return entry_error(errno, "mkfifo", p->path, e);
	}
	return finish_at(p, t, true, e);
}

/* ".wh.x": x is gone from the layers below. What this layer itself says about x stays. */
static int
add_whiteout(struct layer *l, struct place *p, struct err *e)
{
	const char *name = p->base + sizeof WHITEOUT - 1;
	struct stat st;
	own_fd fd = -1;

	if (strcmp(p->base, OPAQUE) == 0)
		return set_opaque(p->dir, p->path, e);
	if (text_starts(p->base, WHITEOUT_META))
		return 0;   /* other marks of aufs */
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(e, ERR_INVALID, "invalid tar entry: whiteout \"%.200s\"", p->path);
	if (mknodat(p->dir, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return entry_error(errno, "whiteout", p->path, e);
	if (fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	fd = fd_open_beneath(p->dir, name, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? entry_error(errno, "whiteout", p->path, e) : set_opaque(fd, p->path, e);
}

static int
add(struct layer *l, const struct tar_entry *t, struct err *e)
{
	struct place p = { .dir = -1 };

	if (t->type == TAR_OTHER)
		return err_set(e, ERR_INVALID, "unhandled tar header type %d", (unsigned char)t->flag);
	if (t->uid >= ID_LIMIT || t->gid >= ID_LIMIT)
		return err_set(e, ERR_INVALID, "Container ID %llu cannot be mapped to a host ID",
		    (unsigned long long)(t->uid >= ID_LIMIT ? t->uid : t->gid));
	if (clean(t->name, p.path, e) < 0)
		return -1;
	if (p.path[0] == '\0')
		return t->type == TAR_DIR ? add_dir(l, t, &p, e) : err_set(e, ERR_INVALID, "invalid tar entry: the root is not a directory");
	if (locate(l, &p, e) < 0)
		return -1;
	if (text_starts(p.base, WHITEOUT))
		return add_whiteout(l, &p, e);
	switch (t->type) {
	case TAR_FILE:
		return add_file(l, t, &p, e);
	case TAR_DIR:
		return add_dir(l, t, &p, e);
	case TAR_SYMLINK:
		return add_symlink(l, t, &p, e);
	case TAR_HARD_LINK:
		return add_hard_link(l, t, &p, e);
	case TAR_FIFO:
		return add_fifo(l, t, &p, e);
	default:
		l->result.skipped++;   /* device nodes: nobody in a user namespace may make them */
		return 0;
	}
}

static int
set_dir_times(struct layer *l, struct err *e)
{
	for (size_t i = 0; i < l->dirs.n; i++) {
		const struct dir_time *d = &l->dirs.v[i];
		struct timespec when[2] = { d->mtime, d->mtime };
		own_fd fd = fd_open_beneath(l->fs, d->path[0] != '\0' ? d->path : ".", O_RDONLY | O_DIRECTORY, 0);

		/* it may have been replaced by something else meanwhile */
		if (fd >= 0 && futimens(fd, when) < 0)
			return entry_error(errno, "set the time of", d->path, e);
	}
	return 0;
}

static int
unpack(struct layer *l, struct err *e)
{
	struct tar_entry t;
	int r;

	while ((r = tar_next(&l->tar, &t, e)) > 0) {
		if (l->tar.entries > l->limits->entries)
			return err_set(e, ERR_LIMIT, "more than %llu entries in a layer", (unsigned long long)l->limits->entries);
		if (add(l, &t, e) < 0)
			return -1;
	}
	if (r < 0 || tar_tail(&l->tar, e) < 0 || recipe_flush(&l->recipe, e) < 0 || set_dir_times(l, e) < 0)
		return -1;
	l->result.tar_size = l->tar.in->passed;
	return 0;
}

int
layer_unpack(int top, struct source *in, const struct layer_limits *limits, struct layer_result *ret, struct err *e)
{
	struct layer l = { .top = top, .fs = -1, .parent_fd = -1, .limits = limits, .arena = { .max = (size_t)512 << 20 } };
	own_fd recipe = openat(top, "recipe", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = -1;

	l.fs = fd_make_dir(top, "fs", 0755);
	recipe_open(&l.recipe, recipe);
	tar_init(&l.tar, in);
	l.tar.on_meta = on_meta;
	l.tar.ctx = &l;
	if (recipe < 0 || l.fs < 0)
		err_sys(e, errno, "make a layer's directory");
	else
		r = unpack(&l, e);
	*ret = l.result;
	tar_done(&l.tar);
	recipe_done(&l.recipe);
	arena_done(&l.arena);
	fd_close(&l.parent_fd);
	fd_close(&l.fs);
	return r;
}
