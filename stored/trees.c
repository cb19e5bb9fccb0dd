#include "trees.h"

#include "fd.h"
#include "json.h"
#include "merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX ((size_t)64 << 10)

/* ---- what the engine makes ---- */

static bool
is_mtab(int dir, const char *base)
{
	static const char target[] = "/proc/mounts";
	char text[sizeof target];

	return readlinkat(dir, base, text, sizeof text) == sizeof target - 1 && memcmp(text, target, sizeof target - 1) == 0;
}

enum engine_made
tree_engine_made(const struct merge_entry *m)
{
	static const char *const files[] = { ".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf" };
	static const char *const dirs[] = { "dev", "dev/pts", "dev/shm", "etc", "proc", "sys" };

	if (m->upper == NULL)
		return ENGINE_NOT;
	for (size_t i = 0; S_ISREG(m->upper->st_mode) && m->upper->st_size == 0 && m->lower == NULL && i < sizeof files / sizeof *files; i++)
		if (strcmp(m->path, files[i]) == 0)
			return ENGINE_FILE;
	for (size_t i = 0; S_ISDIR(m->upper->st_mode) && i < sizeof dirs / sizeof *dirs; i++)
		if (strcmp(m->path, dirs[i]) == 0)
			return ENGINE_DIR;
	return S_ISLNK(m->upper->st_mode) && m->lower == NULL && strcmp(m->path, "etc/mtab") == 0 && is_mtab(m->upper_dir, m->base) ? ENGINE_FILE :
	    ENGINE_NOT;
}

/* ---- files with several links ---- */

struct links_slot { uint64_t ino; const char *path; };

void
links_done(struct links *l)
{
	free(l->slots);
	arena_done(&l->arena);
	*l = (struct links){ 0 };
}

static struct links_slot *
slot_of(struct links_slot *slots, size_t size, uint64_t ino)
{
	size_t at = (size_t)(ino * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (size - 1);

	while (slots[at].path != NULL && slots[at].ino != ino)
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static int
grow(struct links *l)
{
	size_t size = l->size == 0 ? 256 : 2 * l->size;
	struct links_slot *slots = calloc(size, sizeof *slots);

	if (slots == NULL)
		return -1;
	for (size_t i = 0; i < l->size; i++)
		if (l->slots[i].path != NULL)
			*slot_of(slots, size, l->slots[i].ino) = l->slots[i];
	free(l->slots);
	l->slots = slots;
	l->size = size;
	return 0;
}

int
links_note(struct links *l, uint64_t ino, const char *path, const char **ret, struct err *e)
{
	struct links_slot *s;

	l->arena.max = (size_t)300 << 20;
	if (2 * l->n >= l->size && grow(l) < 0)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s = slot_of(l->slots, l->size, ino);
	if (s->path != NULL) {
		*ret = s->path;
		return 1;
	}
	s->ino = ino;
	s->path = arena_str(&l->arena, path);
	if (s->path == NULL)
		return err_set(e, ERR_LIMIT, "there are too many files with several links");
	l->n++;
	return 0;
}

/* ---- changes ---- */

enum { MODIFIED, ADDED, DELETED };

/* Directories on the way to the present entry that are not shown unless something in them is. */
struct waiting { size_t path_len; int kind; };

struct changes {
	int out;
	struct buf buf;
	bool any;
	size_t n, room;
	struct waiting *waiting;
};

static int
flush(struct changes *c, struct err *e)
{
	if (c->buf.failed)
		return err_set(e, ERR_NO_MEMORY, "changes");
	if (fd_write_all(c->out, c->buf.data, c->buf.used) < 0)
		return err_sys(e, errno, "write the changes");
	buf_reset(&c->buf);
	return 0;
}

static int
put_change(struct changes *c, const char *path, size_t n, int kind, struct err *e)
{
	char full[TAR_PATH_MAX + 2] = "/";

	memcpy(full + 1, path, n);
	buf_puts(&c->buf, c->any ? ",{\"Path\":" : "[{\"Path\":");
	json_put_strn(&c->buf, full, n + 1);
	buf_printf(&c->buf, ",\"Kind\":%d}", kind);
	c->any = true;
	return c->buf.used > OUT_MAX / 2 ? flush(c, e) : 0;
}

static int
put_with_parents(struct changes *c, const char *path, int kind, struct err *e)
{
	for (size_t i = 0; i < c->n; i++)
		if (put_change(c, path, c->waiting[i].path_len, c->waiting[i].kind, e) < 0)
			return -1;
	c->n = 0;
	return put_change(c, path, strlen(path), kind, e);
}

static int
wait_with(struct changes *c, const char *path, int kind, struct err *e)
{
	if (c->n == c->room) {
		size_t room = c->room == 0 ? 16 : 2 * c->room;
		struct waiting *grown = reallocarray(c->waiting, room, sizeof *grown);

		if (grown == NULL)
			return err_set(e, ERR_NO_MEMORY, "changes");
		c->waiting = grown;
		c->room = room;
	}
	c->waiting[c->n++] = (struct waiting){ strlen(path), kind };
	return 0;
}

/* That something was made in a directory and removed again is no change of it. */
static bool
same_directory(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

static int
on_change(void *ctx, const struct merge_entry *m, struct err *e)
{
	struct changes *c = ctx;
	enum engine_made made = tree_engine_made(m);

	/* those that the walk has left: their paths are no parents of this one. What a waiting one is called stands in this path. */
	while (c->n > 0 && (strlen(m->path) <= c->waiting[c->n - 1].path_len || m->path[c->waiting[c->n - 1].path_len] != '/'))
		c->n--;
	if (made == ENGINE_FILE)
		return 0;
	if (m->upper == NULL || merge_is_whiteout(m->upper))
		return m->lower != NULL ? put_with_parents(c, m->path, DELETED, e) : 0;
	if (!S_ISDIR(m->upper->st_mode))
		return put_with_parents(c, m->path, m->lower != NULL ? MODIFIED : ADDED, e);
	if (m->lower == NULL)
		return made == ENGINE_DIR ? wait_with(c, m->path, ADDED, e) : put_with_parents(c, m->path, ADDED, e);
	if (S_ISDIR(m->lower->st_mode) && same_directory(m->upper, m->lower))
		return wait_with(c, m->path, MODIFIED, e);
	return put_with_parents(c, m->path, MODIFIED, e);
}

int
tree_changes(const struct tree_dirs *d, int out, struct err *e)
{
	struct changes c = { .out = out, .buf = BUF_INIT(OUT_MAX) };
	struct merge m = { .upper = d->upper, .lowers = d->lowers, .n_lowers = d->n_lowers, .hidden = true, .on_entry = on_change, .ctx = &c };
	int r = merge_walk(&m, e);

	if (r == 0) {
		buf_puts(&c.buf, c.any ? "]\n" : "null\n");
		r = flush(&c, e);
	}
	buf_done(&c.buf);
	free(c.waiting);
	return r;
}

/* ---- sizes ---- */

struct size { bool container; int64_t sum; struct links links; };

static int
on_size(void *ctx, const struct merge_entry *m, struct err *e)
{
	struct size *s = ctx;
	const char *ignored;
	int seen = 0;

	if (m->upper == NULL || S_ISDIR(m->upper->st_mode) || m->upper->st_size <= 0 || (s->container && tree_engine_made(m) == ENGINE_FILE))
		return 0;
	if (m->upper->st_nlink > 1)
		seen = links_note(&s->links, m->upper->st_ino, "", &ignored, e);
	if (seen == 0 && m->upper->st_size > INT64_MAX - s->sum)
		return err_set(e, ERR_LIMIT, "size");
	if (seen == 0)
		s->sum += m->upper->st_size;
	return seen < 0 ? -1 : 0;
}

int
tree_size(int dir, bool container, int64_t *ret, struct err *e)
{
	struct size s = { .container = container };
	struct merge m = { .upper = dir, .on_entry = on_size, .ctx = &s };
	int r = merge_walk(&m, e);

	*ret = s.sum;
	links_done(&s.links);
	return r;
}
