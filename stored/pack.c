/* Files of a container as a tar: its own layer (commit), or all that it sees (export). */
#include "fd.h"
#include "merge.h"
#include "tar_out.h"
#include "trees.h"
#include "xattrs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct pack {
	struct tar_out out;
	struct links links;
	bool layer;                    /* of upper only, with marks for what is gone */
	int upper;
	/* directories that the engine makes: they are written once something else is in them */
	struct { size_t path_len; struct stat st; } waiting[8];
	size_t n_waiting;
	struct xattrs *xattrs;         /* of the entry */
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

/* ---- entries ---- */

static int
put_regular(struct pack *p, int dir, const char *base, const char *path, struct err *e)
{
	own_fd fd = open_plain(dir, base, 0);
	const char *earlier;
	struct stat st;

	/* gone, or something else by now */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (st.st_nlink > 1) {
		int seen = links_note(&p->links, st.st_ino, path, &earlier, e);

		if (seen != 0)
			return seen < 0 ? -1 : tar_out_entry(&p->out, path, TAR_HARD_LINK, &st, earlier, NULL, 0, e);
	}
	xattrs_read(p->xattrs, fd);
	/* it may shrink or grow meanwhile: what the header says is written */
	if (tar_out_entry(&p->out, path, TAR_FILE, &st, NULL, p->xattrs->v, p->xattrs->n, e) < 0 ||
	    tar_out_from(&p->out, fd, (uint64_t)st.st_size, e) < 0)
		return -1;
	return tar_out_pad(&p->out, (uint64_t)st.st_size, e);
}

static int
put_symlink(struct pack *p, int dir, const char *base, const char *path, const struct stat *st, struct err *e)
{
	char target[TAR_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, base, target, sizeof target);

	if (n <= 0 || (size_t)n >= sizeof target)
		return 0;
	target[n] = '\0';
	return tar_out_entry(&p->out, path, TAR_SYMLINK, st, target, NULL, 0, e);
}

static int
put_directory(struct pack *p, int dir, const char *base, const char *path, size_t n, const struct stat *st, struct err *e)
{
	own_fd fd = open_plain(dir, base, O_DIRECTORY);
	char name[TAR_PATH_MAX + 2];

	memcpy(name, path, n);
	memcpy(name + n, "/", 2);
	xattrs_read(p->xattrs, fd);
	return tar_out_entry(&p->out, name, TAR_DIR, st, NULL, p->xattrs->v, p->xattrs->n, e);
}

/* An empty file whose name says what is not there any more: ".wh.name" beside it, or ".wh..wh..opq" in a directory. */
static int
put_mark(struct pack *p, const char *path, const char *base, const struct stat *st, bool opaque, struct err *e)
{
	const struct stat mark = { .st_mode = S_IFREG | 0600, .st_uid = st->st_uid, .st_gid = st->st_gid, .st_mtim = st->st_mtim };
	char name[TAR_PATH_MAX + 32];

	if (opaque)
		(void)snprintf(name, sizeof name, "%s/.wh..wh..opq", path);
	else
		(void)snprintf(name, sizeof name, "%.*s.wh.%s", (int)(base - path), path, base);
	return tar_out_entry(&p->out, name, TAR_FILE, &mark, NULL, NULL, 0, e);
}

static int
put_other(struct pack *p, const char *path, const struct stat *st, struct err *e)
{
	char type = S_ISFIFO(st->st_mode) ? TAR_FIFO : S_ISCHR(st->st_mode) ? TAR_CHAR : S_ISBLK(st->st_mode) ? TAR_BLOCK_DEV : 0;

	/* a socket is nothing without its process */
	return type != 0 ? tar_out_entry(&p->out, path, type, st, NULL, NULL, 0, e) : 0;
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

	p->xattrs = malloc(sizeof *p->xattrs);
	if (p->xattrs == NULL)
		err_set(e, ERR_NO_MEMORY, "out of memory");
	else
		r = merge_walk(m, e);
	if (r == 0)
		r = tar_out_end(&p->out, e);
	tar_out_done(&p->out);
	links_done(&p->links);
	free(p->xattrs);
	return r;
}

int
tree_pack(const struct tree_dirs *d, int out, uint64_t limit, struct err *e)
{
	struct pack p = { .layer = true, .upper = d->upper };
	struct merge m = { .upper = d->upper, .lowers = d->lowers, .n_lowers = d->n_lowers, .on_entry = on_layer_entry, .ctx = &p };

	tar_out_init(&p.out, out);
	p.out.limit = limit;
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
	tar_out_init(&p.out, out);
	return run(&p, &m, e);
}
