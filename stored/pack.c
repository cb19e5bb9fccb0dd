/* Files of a container as a tar: its own layer (commit), or all that it sees (export). */
#include "fd.h"
#include "merge.h"
#include "tarout.h"
#include "text.h"
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTRS_MAX     64
#define XATTR_LIST_MAX 65536
#define XATTR_SIZE_MAX 65536
#define BLOCK          ((size_t)256 << 10)

struct pack {
	struct tar_out out;
	struct links links;
	bool layer;                    /* of upper only, with marks for what is gone */
	int upper;
	/* directories that the engine makes: they are written once something else is in them */
	struct { size_t path_len; struct stat st; } waiting[8];
	size_t n_waiting;
	unsigned char *block;
	struct tar_xattr xattrs[XATTRS_MAX];
	char *names;
	unsigned char *values;         /* XATTRS_MAX of them, of XATTR_SIZE_MAX together */
};

/* Opens what should be a file or directory; anything else that stands there by now is never waited for. */
static int
open_plain(int dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

/* ---- attributes ---- */

/* The same as unpacking takes (layer.c). */
static bool
is_wanted(const char *name)
{
	return (text_starts(name, "user.") && !text_starts(name, "user.overlay.")) || strcmp(name, "security.capability") == 0;
}

/* Those that do not fit are left out, as all are on a file system that has none. */
static void
read_xattrs(struct pack *p, int fd, struct tar_header *h)
{
	ssize_t all = flistxattr(fd, p->names, XATTR_LIST_MAX);
	size_t used = 0;

	h->xattrs = p->xattrs;
	for (ssize_t at = 0; at < all && h->n_xattrs < XATTRS_MAX; at += (ssize_t)strlen(p->names + at) + 1) {
		ssize_t n;

		if (!is_wanted(p->names + at))
			continue;
		n = fgetxattr(fd, p->names + at, p->values + used, XATTR_SIZE_MAX - used);
		if (n < 0)
			continue;
		p->xattrs[h->n_xattrs++] = (struct tar_xattr){ p->names + at, p->values + used, (size_t)n };
		used += (size_t)n;
	}
}

/* ---- entries ---- */

static struct tar_header
header_of(const char *name, char type, const struct stat *st)
{
	return (struct tar_header){ .name = name, .type = type, .mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec };
}

/* The file may shrink or grow meanwhile: what the header says is written, with zeros for what is missing. */
static int
put_content(struct pack *p, int fd, uint64_t size, struct err *e)
{
	uint64_t left = size;

	while (left > 0) {
		ssize_t n = read(fd, p->block, left < BLOCK ? (size_t)left : BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return err_sys(e, errno, "read a file");
		if (n <= 0)
			break;
		if (tar_out_put(&p->out, p->block, (size_t)n, e) < 0)
			return -1;
		left -= (uint64_t)n;
	}
	if (tar_out_zeros(&p->out, left, e) < 0)
		return -1;
	return tar_out_pad(&p->out, size, e);
}

static int
put_regular(struct pack *p, int dir, const char *base, const char *path, struct err *e)
{
	own_fd fd = open_plain(dir, base, 0);
	struct tar_header h;
	struct stat st;

	/* gone, or something else by now */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	h = header_of(path, TAR_FILE, &st);
	h.size = (uint64_t)st.st_size;
	if (st.st_nlink > 1) {
		int seen = links_note(&p->links, st.st_ino, path, &h.link, e);

		if (seen < 0)
			return -1;
		if (seen > 0) {
			h.type = TAR_HARD_LINK;
			h.size = 0;
			return tar_out_header(&p->out, &h, e);
		}
	}
	read_xattrs(p, fd, &h);
	return tar_out_header(&p->out, &h, e) < 0 ? -1 : put_content(p, fd, h.size, e);
}

static int
put_symlink(struct pack *p, int dir, const char *base, const char *path, const struct stat *st, struct err *e)
{
	char target[TAR_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, base, target, sizeof target);
	struct tar_header h = header_of(path, TAR_SYMLINK, st);

	if (n <= 0 || (size_t)n >= sizeof target)
		return 0;
	target[n] = '\0';
	h.link = target;
	h.mode = 0777;
	return tar_out_header(&p->out, &h, e);
}

static int
put_directory(struct pack *p, int dir, const char *base, const char *path, size_t n, const struct stat *st, struct err *e)
{
	own_fd fd = open_plain(dir, base, O_DIRECTORY);
	char name[TAR_PATH_MAX + 2];
	struct tar_header h = header_of(name, TAR_DIR, st);

	memcpy(name, path, n);
	memcpy(name + n, "/", 2);
	if (fd >= 0)
		read_xattrs(p, fd, &h);
	return tar_out_header(&p->out, &h, e);
}

/* An empty file whose name says what is not there any more: ".wh.name" beside it, or ".wh..wh..opq" in a directory. */
static int
put_mark(struct pack *p, const char *path, const char *base, const struct stat *st, bool opaque, struct err *e)
{
	char name[TAR_PATH_MAX + 32];
	struct tar_header h = header_of(name, TAR_FILE, st);

	if (opaque)
		(void)snprintf(name, sizeof name, "%s/.wh..wh..opq", path);
	else
		(void)snprintf(name, sizeof name, "%.*s.wh.%s", (int)(base - path), path, base);
	h.mode = 0600;
	return tar_out_header(&p->out, &h, e);
}

static int
put_other(struct pack *p, const char *path, const struct stat *st, struct err *e)
{
	char type = S_ISFIFO(st->st_mode) ? TAR_FIFO : S_ISCHR(st->st_mode) ? TAR_CHAR : S_ISBLK(st->st_mode) ? TAR_BLOCK_DEV : 0;
	struct tar_header h = header_of(path, type, st);

	if (type == 0)
		return 0;   /* a socket is nothing without its process */
	h.major = major(st->st_rdev);
	h.minor = minor(st->st_rdev);
	return tar_out_header(&p->out, &h, e);
}

static int
put_waiting(struct pack *p, const char *path, struct err *e)
{
	for (size_t i = 0; i < p->n_waiting; i++) {
		char name[TAR_PATH_MAX + 1];
		size_t n = p->waiting[i].path_len;

		memcpy(name, path, n);
		name[n] = '\0';
		if (put_directory(p, p->upper, name, name, n, &p->waiting[i].st, e) < 0)
			return -1;
	}
	p->n_waiting = 0;
	return 0;
}

static int
put_entry(struct pack *p, const struct merge_entry *m, const struct stat *st, int dir, struct err *e)
{
	if (S_ISREG(st->st_mode))
		return put_regular(p, dir, m->base, m->path, e);
	if (S_ISLNK(st->st_mode))
		return put_symlink(p, dir, m->base, m->path, st, e);
	if (!S_ISDIR(st->st_mode))
		return put_other(p, m->path, st, e);
	if (put_directory(p, dir, m->base, m->path, strlen(m->path), st, e) < 0)
		return -1;
	/* a new directory is opaque, too; only what was there before has to be hidden */
	return p->layer && m->opaque && m->lower != NULL && S_ISDIR(m->lower->st_mode) ? put_mark(p, m->path, m->base, st, true, e) : 0;
}

static int
on_layer_entry(void *ctx, const struct merge_entry *m, struct err *e)
{
	struct pack *p = ctx;
	enum engine_made made = tree_engine_made(m);

	while (p->n_waiting > 0 && (strlen(m->path) <= p->waiting[p->n_waiting - 1].path_len ||
	    m->path[p->waiting[p->n_waiting - 1].path_len] != '/'))
		p->n_waiting--;
	if (m->upper == NULL || made == ENGINE_FILE)
		return 0;
	if (made == ENGINE_DIR && (!m->opaque || m->lower == NULL) && p->n_waiting < sizeof p->waiting / sizeof *p->waiting &&
	    (m->lower == NULL || (m->lower->st_mode == m->upper->st_mode && m->lower->st_uid == m->upper->st_uid && m->lower->st_gid == m->upper->st_gid))) {
		p->waiting[p->n_waiting].path_len = strlen(m->path);
		p->waiting[p->n_waiting++].st = *m->upper;
		return 0;
	}
	if (merge_is_whiteout(m->upper) && m->lower == NULL)
		return 0;
	if (put_waiting(p, m->path, e) < 0)
		return -1;
	return merge_is_whiteout(m->upper) ? put_mark(p, m->path, m->path + strlen(m->path) - strlen(m->base), m->upper, false, e) :
	    put_entry(p, m, m->upper, m->upper_dir, e);
}

static int
on_export_entry(void *ctx, const struct merge_entry *m, struct err *e)
{
	return put_entry(ctx, m, m->lower, m->lower_dir, e);
}

static int
run(struct pack *p, const struct merge *m, struct err *e)
{
	int r = -1;

	p->block = malloc(BLOCK);
	p->names = malloc(XATTR_LIST_MAX);
	p->values = malloc(XATTR_SIZE_MAX);
	if (p->block == NULL || p->names == NULL || p->values == NULL)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	else
		r = merge_walk(m, e);
	if (r == 0)
		r = tar_out_end(&p->out, e);
	tar_out_done(&p->out);
	links_done(&p->links);
	free(p->block);
	free(p->names);
	free(p->values);
	return r;
}

int
tree_pack(const struct tree_dirs *d, int out, uint64_t limit, struct err *e)
{
	struct pack p = { .layer = true, .upper = d->upper };
	struct merge m = { .upper = d->upper, .lowers = d->lowers, .n_lowers = d->n_lowers, .on_entry = on_layer_entry, .ctx = &p };

	tar_out_open(&p.out, out, limit);
	return run(&p, &m, e);
}

int
tree_export(const struct tree_dirs *d, int out, struct err *e)
{
	struct pack p = { .upper = -1 };
	int all[MERGE_LAYERS_MAX];
	struct merge m = { .upper = -1, .lowers = all, .n_lowers = d->n_lowers + 1, .on_entry = on_export_entry, .ctx = &p };

	if (m.n_lowers > MERGE_LAYERS_MAX)
		return err_set(e, ERR_LIMIT, "max depth exceeded");
	all[0] = d->upper;
	memcpy(all + 1, d->lowers, d->n_lowers * sizeof *all);
	tar_out_open(&p.out, out, 0);
	return run(&p, &m, e);
}
