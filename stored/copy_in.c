/*
 * Into a container: unpacks a tar stream beneath a directory. Names are cleaned first; one that would leave the directory by ".." is refused.
 * Links on the way are followed as the container would follow them. What stands where an entry belongs is removed, never written
 * through: a file is always a new one.
 */
#include "copy.h"

#include "fd.h"
#include "rec.h"
#include "xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ID_MAX_    65535u
#define DIRS_MEMORY ((size_t)128 << 20)

struct dir_time { char *path; struct timespec mtime; };

struct fill {
	const struct copy_place *top;
	struct tar tar;
	bool no_overwrite, host;
	const struct copy_ids *ids;
	struct arena arena;
	struct { size_t n; struct dir_time *v; } dirs;
	/* of the entry */
	char path[TAR_PATH_MAX + 1];
	const char *base;
	int parent;
	char parent_path[TAR_PATH_MAX + 1];
	bool foreign;                    /* its owner has no place in the container */
};

static const char *
shown(const struct fill *f, char out[512])
{
	size_t n = strlen(f->top->abs);

	snprintf(out, 512, "%.200s%s%.250s", f->top->abs, n > 0 && f->top->abs[n - 1] == '/' ? "" : "/", f->path);
	return out;
}

static int
failed(const struct fill *f, const char *what, struct err *e)
{
	char text[512];
	int sys = errno;

	return err_sys(e, sys, "%s %s", what, shown(f, text));
}

/* ---- places ---- */

/* A directory beneath the top, which is made if it is missing. */
static int
open_parent(struct fill *f, const char *path, struct err *e)
{
	int fd = copy_open(f->top->dir, *path != '\0' ? path : ".", O_PATH | O_DIRECTORY);
	own_fd at = -1;

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return failed(f, "mkdir", e);
	at = copy_open(f->top->dir, ".", O_PATH | O_DIRECTORY);
	for (const char *p = path; at >= 0 && *p != '\0';) {
		size_t n = strcspn(p, "/");
		char part[TAR_PATH_MAX + 1];

		memcpy(part, p, n);
		part[n] = '\0';
		p += n + (p[n] == '/');
		fd = copy_open(at, part, O_PATH | O_DIRECTORY);
		if (fd < 0 && errno == ENOENT && (mkdirat(at, part, 0755) == 0 || errno == EEXIST))
			fd = copy_open(at, part, O_PATH | O_DIRECTORY);
		if (fd < 0)
			return failed(f, "mkdir", e);
		fd_close(&at);
		at = fd;
	}
	return at >= 0 ? fd_take(&at) : failed(f, "mkdir", e);
}

static int
locate(struct fill *f, struct err *e)
{
	char *slash = strrchr(f->path, '/');
	size_t n = slash != NULL ? (size_t)(slash - f->path) : 0;

	f->base = slash != NULL ? slash + 1 : f->path;
	if (f->parent >= 0 && strncmp(f->parent_path, f->path, n) == 0 && f->parent_path[n] == '\0')
		return 0;
	fd_close(&f->parent);
	memcpy(f->parent_path, f->path, n);
	f->parent_path[n] = '\0';
	f->parent = open_parent(f, f->parent_path, e);
	return f->parent < 0 ? -1 : 0;
}

/* A directory is merged with one of the archive; anything else makes way. */
static int
make_way(struct fill *f, const struct tar_entry *t, struct err *e)
{
	bool dir = t->type == TAR_DIR;
	char text[512];
	struct stat st;

	if (fstatat(f->parent, f->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : failed(f, "lstat", e);
	if (f->no_overwrite && S_ISDIR(st.st_mode) && !dir)
		return err_set(e, ERR_INVALID, "cannot overwrite directory \"%s\" with non-directory \"%.200s\"", shown(f, text), f->top->abs);
	if (f->no_overwrite && !S_ISDIR(st.st_mode) && dir)
		return err_set(e, ERR_INVALID, "cannot overwrite non-directory \"%s\" with directory \"%.200s\"", shown(f, text), f->top->abs);
	if (S_ISDIR(st.st_mode) && dir)
		return 0;
	/* what is kept open may be within it */
	if (S_ISDIR(st.st_mode) ? fd_remove_tree(f->parent, f->base) < 0 : unlinkat(f->parent, f->base, 0) < 0 && errno != ENOENT)
		return failed(f, "unlinkat", e);
	return 0;
}

/* ---- attributes ---- */

/* Ids that the container does not have become its root's, and nothing runs with them for that. */
static bool
is_foreign(const struct fill *f, const struct tar_entry *t)
{
	return !f->ids->set && !f->host && (t->uid > ID_MAX_ || t->gid > ID_MAX_);
}

static void
owner_of(const struct fill *f, const struct tar_entry *t, uid_t *uid, gid_t *gid)
{
	if (f->ids->set) {
		*uid = f->ids->uid;
		*gid = f->ids->gid;
		return;
	}
	*uid = t->uid > (f->host ? UINT32_MAX - 1 : ID_MAX_) ? 0 : (uid_t)t->uid;
	*gid = t->gid > (f->host ? UINT32_MAX - 1 : ID_MAX_) ? 0 : (gid_t)t->gid;
}

static mode_t
mode_of(const struct fill *f, const struct tar_entry *t)
{
	return f->foreign ? t->mode & 01777 : t->mode & 07777;
}

static bool
xattr_wanted(const struct fill *f, const char *name)
{
	return xattr_is_wanted(name) && !(f->foreign && strcmp(name, "security.capability") == 0);
}

static int
finish_fd(struct fill *f, int fd, const struct tar_entry *t, bool times, struct err *e)
{
	struct timespec when[2] = { { t->mtime_s, t->mtime_ns }, { t->mtime_s, t->mtime_ns } };
	uid_t uid;
	gid_t gid;

	owner_of(f, t, &uid, &gid);
	if (fchown(fd, uid, gid) < 0)
		return failed(f, "lchown", e);
	if (fchmod(fd, mode_of(f, t)) < 0)
		return failed(f, "chmod", e);
	/* those that the file system does not know are left out, as the Docker engine does */
	for (size_t i = 0; i < t->n_xattrs; i++)
		if (xattr_wanted(f, t->xattrs[i].name) && fsetxattr(fd, t->xattrs[i].name, t->xattrs[i].value, t->xattrs[i].n, 0) < 0 &&
		    errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
			return failed(f, "setxattr", e);
	return times && futimens(fd, when) < 0 ? failed(f, "chtimes", e) : 0;
}

/* What cannot be opened. Something else may stand there by now; if it is of another kind, it is left as it is. */
static int
finish_at(struct fill *f, const struct tar_entry *t, mode_t kind, struct err *e)
{
	struct timespec when[2] = { { t->mtime_s, t->mtime_ns }, { t->mtime_s, t->mtime_ns } };
	own_fd fd = openat(f->parent, f->base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char text[512];
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(f, "open", e);
	if ((st.st_mode & S_IFMT) != kind)
		return err_set(e, ERR_SYSTEM, "%s was exchanged while it was written", shown(f, text));
	owner_of(f, t, &uid, &gid);
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return failed(f, "lchown", e);
	return utimensat(fd, "", when, AT_EMPTY_PATH) < 0 ? failed(f, "chtimes", e) : 0;
}

/* ---- kinds of entries ---- */

static int
write_at(struct fill *f, int fd, const unsigned char *p, size_t n, uint64_t at, struct err *e)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return failed(f, "write", e);
		p += w;
		n -= (size_t)w;
		at += (uint64_t)w;
	}
	return 0;
}

/* The next n bytes of the archive go to offset at. */
static int
write_piece(struct fill *f, int fd, uint64_t at, uint64_t n, struct err *e)
{
	/* (read and written in large pieces; splicing the pipe's many small ones into the file takes longer)
	   tar_data hands out what it has, which may be more than this piece */
	while (n > 0) {
		uint64_t left = f->tar.data_left;
		const unsigned char *p;
		int64_t got;

		copy_moved();
		if (n < left)
			f->tar.data_left = n;
		got = tar_data(&f->tar, &p, e);
		if (got < 0)
			return -1;
		f->tar.data_left = left - (uint64_t)got;
		if (write_at(f, fd, p, (size_t)got, at, e) < 0)
			return -1;
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return 0;
}

static int
add_file(struct fill *f, const struct tar_entry *t, struct err *e)
{
	const struct tar_piece whole = { 0, t->size }, *pieces = t->sparse ? t->pieces : &whole;
	own_fd fd = openat(f->parent, f->base, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return failed(f, "open", e);
	for (size_t i = 0; i < (t->sparse ? t->n_pieces : 1); i++)
		if (write_piece(f, fd, pieces[i].offset, pieces[i].n, e) < 0)
			return -1;
	if (t->sparse && ftruncate(fd, (off_t)t->size) < 0)
		return failed(f, "write", e);
	return finish_fd(f, fd, t, true, e);
}

static int
add_dir(struct fill *f, const struct tar_entry *t, struct err *e)
{
	struct dir_time *d;
	own_fd fd = -1;

	if (mkdirat(f->parent, f->base, 0700) < 0 && errno != EEXIST)
		return failed(f, "mkdir", e);
	fd = openat(f->parent, f->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return failed(f, "open", e);
	d = list_add(&f->dirs, &f->arena, sizeof *d);
	if (d == NULL || (d->path = arena_str(&f->arena, f->path)) == NULL)
		return err_set(e, ERR_LIMIT, "the archive has too many directories");
	d->mtime = (struct timespec){ t->mtime_s, t->mtime_ns };
	return finish_fd(f, fd, t, false, e);
}

static int
add_hard_link(struct fill *f, const struct tar_entry *t, struct err *e)
{
	char target[TAR_PATH_MAX + 1], *slash;
	own_fd dir = -1;

	if (tar_clean_path(t->link, target) < 0)
		return err_set(e, ERR_INVALID, "invalid hardlink \"%.200s\" -> \"%.200s\"", t->link, f->path);
	slash = strrchr(target, '/');
	if (slash != NULL)
		*slash = '\0';
	dir = copy_open(f->top->dir, slash != NULL ? target : ".", O_PATH | O_DIRECTORY);
	/* of a link the link itself gets a second name */
	if (dir < 0 || linkat(dir, slash != NULL ? slash + 1 : target, f->parent, f->base, 0) < 0)
		return failed(f, "link", e);
	return 0;
}

/* Where there is a user namespace, devices cannot be made: they are left out, as the Docker engine does there. */
static int
add_node(struct fill *f, const struct tar_entry *t, struct err *e)
{
	mode_t kind = t->type == TAR_FIFO ? S_IFIFO : t->type == TAR_CHAR ? S_IFCHR : S_IFBLK;

	if (kind != S_IFIFO && !f->host)
		return 0;
	/* with its mode from the beginning: there is no call that changes one by name and follows no link */
	if (mknodat(f->parent, f->base, kind | mode_of(f, t), kind == S_IFIFO ? 0 : makedev(t->dev_major, t->dev_minor)) < 0)
		return errno == EPERM && kind != S_IFIFO ? 0 : failed(f, "mknod", e);
	return finish_at(f, t, kind, e);
}

static int
add(struct fill *f, const struct tar_entry *t, struct err *e)
{
	char text[512];

	if (tar_clean_path(t->name, f->path) < 0)
		return err_set(e, ERR_INVALID, "\"%.200s\" is outside of \"%.200s\"", t->name, f->top->abs);
	/* the directory itself stays as it is */
	if (f->path[0] == '\0')
		return t->type == TAR_DIR ? 0 : err_set(e, ERR_INVALID, "cannot overwrite directory \"%s\" with non-directory \"%.200s\"", shown(f, text), f->top->abs);
	if (t->type == TAR_OTHER)
		return err_set(e, ERR_INVALID, "unhandled tar header type %d", (int)t->flag);
	if (locate(f, e) < 0 || make_way(f, t, e) < 0)
		return -1;
	f->foreign = is_foreign(f, t);
	switch (t->type) {
	case TAR_FILE: return add_file(f, t, e);
	case TAR_DIR: return add_dir(f, t, e);
	case TAR_SYMLINK: return symlinkat(t->link, f->parent, f->base) < 0 ? failed(f, "symlink", e) : finish_at(f, t, S_IFLNK, e);
	case TAR_HARD_LINK: return add_hard_link(f, t, e);
	default: return add_node(f, t, e);
	}
}

/* Last, because what is made in a directory changes its time. One that is none any more keeps what it has. */
static void
set_times(struct fill *f)
{
	for (size_t i = f->dirs.n; i > 0; i--) {
		const struct dir_time *d = &f->dirs.v[i - 1];
		struct timespec when[2] = { d->mtime, d->mtime };
		own_fd fd = copy_open(f->top->dir, d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (fd >= 0)
			(void)!futimens(fd, when);
	}
}

int
copy_in(const struct copy_place *p, int pipe, bool no_overwrite, bool host, const struct copy_ids *ids, struct err *e)
{
	static struct fill f;
	own_source in = { .fd = -1 };
	struct tar_entry t;
	int r;

	f = (struct fill){ .top = p, .no_overwrite = no_overwrite, .host = host, .ids = ids, .arena = { .max = DIRS_MEMORY }, .parent = -1 };
	copy_moved();
	if (source_open(&in, pipe, e) < 0)
		return -1;
	tar_init(&f.tar, &in);
	while ((r = tar_next(&f.tar, &t, e)) > 0) {
		copy_moved();
		if ((r = add(&f, &t, e)) < 0)
			break;
	}
	if (r == 0)
		set_times(&f);
	tar_done(&f.tar);
	fd_close(&f.parent);
	arena_done(&f.arena);
	return r;
}

/* ---- where to ---- */

static uint64_t
mount_of(int dir, const char *path)
{
	struct statx sx;

	return statx(dir, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &sx) == 0 ? sx.stx_mnt_id : 0;
}

int
copy_target(const char *path, struct copy_place *p, struct err *e)
{
	struct statvfs v;

	if (copy_clean(p, path, e) < 0)
		return -1;
	p->base = "";
	p->dir = copy_open(AT_FDCWD, p->abs, O_PATH | O_DIRECTORY);
	if (p->dir < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "%s", p->abs);
	if (p->dir < 0 && errno == ENOTDIR)
		return err_set(e, ERR_INVALID, "extraction point is not a directory");
	if (p->dir < 0 || fstat(p->dir, &p->st) < 0 || fstatvfs(p->dir, &v) < 0)
		return err_sys(e, errno, "lstat %.400s", p->abs);
	if ((v.f_flag & ST_RDONLY) != 0)
		return err_set(e, ERR_DENIED, mount_of(p->dir, "") == mount_of(AT_FDCWD, "/") ? "container rootfs is marked read-only" :
		    "mounted volume is marked read-only");
	return 0;
}
