#include "merge.h"

#include "buf.h"
#include "fd.h"
#include "rec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DIR_MEMORY_MAX ((size_t)400 << 20)   /* names of one directory */

/* One directory on the way down. */
struct level {
	struct arena arena;
	size_t n, at, room;
	const char **names;
	size_t path_len;
	bool upper, opaque;
	size_t n_lowers;
	uint16_t *lowers;          /* which of the lower layers show something in it, topmost first */
};

struct walk {
	const struct merge *m;
	struct level *levels;
	size_t depth, room;
	uint64_t entries;
	char path[TAR_PATH_MAX + 1];
	/* open directories of the level that is worked on */
	size_t open_at;            /* depth of that level, 0: none */
	int upper_fd, lower_fds[MERGE_LAYERS_MAX];
};

bool
merge_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int
open_dir(int layer, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, layer, *path != '\0' ? path : ".", &how, sizeof how);
}

static bool
is_opaque(int dir)
{
	char v[2];

	return fgetxattr(dir, "user.overlay.opaque", v, sizeof v) == 1 && v[0] == 'y';
}

/* ---- open directories ---- */

static void
close_level(struct walk *w)
{
	if (w->open_at == 0)
		return;
	fd_close(&w->upper_fd);
	for (size_t i = 0; i < w->levels[w->open_at - 1].n_lowers; i++)
		fd_close(&w->lower_fds[i]);
	w->open_at = 0;
}

/* Opens the directories of the deepest level, whose path stands in w->path. Only what is gone meanwhile may be missing. */
static int
open_level(struct walk *w, struct err *e)
{
	struct level *l = &w->levels[w->depth - 1];

	if (w->open_at == w->depth)
		return 0;
	close_level(w);
	w->open_at = w->depth;
	for (size_t i = 0; i < l->n_lowers; i++)
		w->lower_fds[i] = -1;
	w->upper_fd = l->upper ? open_dir(w->m->upper, w->path) : -1;
	if (w->upper_fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM) && l->upper)
		return err_sys(e, errno, "open /%.200s", w->path);
	for (size_t i = 0; i < l->n_lowers; i++) {
		w->lower_fds[i] = open_dir(w->m->lowers[l->lowers[i]], w->path);
		if (w->lower_fds[i] < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
			return err_sys(e, errno, "open /%.200s", w->path);
	}
	return 0;
}

/* ---- names ---- */

static int
too_many(struct err *e)
{
	return err_set(e, ERR_LIMIT, "there are too many files");
}

static int
add_name(struct walk *w, struct level *l, const char *name, struct err *e)
{
	char *copy = arena_str(&l->arena, name);

	if (copy == NULL || ++w->entries > MERGE_ENTRIES_MAX)
		return too_many(e);
	if (l->n == l->room) {
		size_t room = l->room == 0 ? 16 : 2 * l->room;
		const char **grown = reallocarray(l->names, room, sizeof *grown);

		if (grown == NULL)
			return too_many(e);
		l->names = grown;
		l->room = room;
	}
	l->names[l->n++] = copy;
	return 0;
}

static int
read_names(struct walk *w, struct level *l, int dir, struct err *e)
{
	int fd = dir >= 0 ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int r = 0;

	if (d == NULL) {
		fd_close(&fd);
		return 0;   /* gone meanwhile */
	}
	while (r == 0 && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = add_name(w, l, entry->d_name, e);
	closedir(d);
	return r;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
sort_names(struct level *l)
{
	size_t kept = 0;

	if (l->n > 1)
		qsort(l->names, l->n, sizeof(const char *), by_name);
	for (size_t i = 0; i < l->n; i++)
		if (kept == 0 || strcmp(l->names[kept - 1], l->names[i]) != 0)
			l->names[kept++] = l->names[i];
	l->n = kept;
}

/* ---- levels ---- */

static void
pop(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];

	if (w->open_at == w->depth)
		close_level(w);
	arena_done(&l->arena);
	free(l->names);
	free(l->lowers);
	w->depth--;
}

/* Enters the directory in w->path. lowers: the layers that may have something in it. */
static int
push(struct walk *w, bool upper, const uint16_t *lowers, size_t n_lowers, struct err *e)
{
	struct level *l;

	if (w->depth == w->room) {
		size_t room = w->room == 0 ? 32 : 2 * w->room;
		struct level *grown = reallocarray(w->levels, room, sizeof *grown);

		if (grown == NULL)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		w->levels = grown;
		w->room = room;
	}
	l = &w->levels[w->depth];
	*l = (struct level){ .arena = { .max = DIR_MEMORY_MAX }, .path_len = strlen(w->path), .upper = upper };
	l->lowers = calloc(n_lowers + 1, sizeof *l->lowers);
	if (l->lowers == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	memcpy(l->lowers, lowers, n_lowers * sizeof *lowers);
	l->n_lowers = n_lowers;
	close_level(w);
	w->depth++;
	if (open_level(w, e) < 0)
		return -1;
	/* an opaque one ends what shows through it */
	for (size_t i = 0; i < l->n_lowers; i++)
		if (w->lower_fds[i] >= 0 && is_opaque(w->lower_fds[i]))
			while (l->n_lowers > i + 1)
				fd_close(&w->lower_fds[--l->n_lowers]);
	l->opaque = w->upper_fd >= 0 && is_opaque(w->upper_fd);
	if (read_names(w, l, w->upper_fd, e) < 0)
		return -1;
	for (size_t i = 0; (w->m->upper < 0 || (l->opaque && w->m->hidden)) && i < l->n_lowers; i++)
		if (read_names(w, l, w->lower_fds[i], e) < 0)
			return -1;
	sort_names(l);
	return 0;
}

/* What the lower layers show under this name; *n and lowers: the layers whose directories of this name make it. */
static bool
look_below(const struct walk *w, const struct level *l, const char *name, struct stat *ret, int *ret_dir, uint16_t *lowers, size_t *n)
{
	bool found = false;

	*n = 0;
	for (size_t i = 0; i < l->n_lowers; i++) {
		struct stat st;

		if (w->lower_fds[i] < 0 || fstatat(w->lower_fds[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (merge_is_whiteout(&st))
			break;
		if (!found) {
			*ret = st;
			*ret_dir = w->lower_fds[i];
			found = true;
		}
		if (!S_ISDIR(st.st_mode))
			break;
		lowers[(*n)++] = l->lowers[i];
	}
	return found;
}

static int
visit(struct walk *w, struct level *l, const char *name, struct err *e)
{
	struct stat upper = { .st_mode = 0 }, lower = { .st_mode = 0 };
	struct merge_entry m = { .path = w->path, .base = name, .upper_dir = w->upper_fd, .lower_dir = -1 };
	uint16_t lowers[MERGE_LAYERS_MAX];
	size_t n = 0;
	bool enter;

	if (w->upper_fd >= 0 && fstatat(w->upper_fd, name, &upper, AT_SYMLINK_NOFOLLOW) == 0)
		m.upper = &upper;
	if (look_below(w, l, name, &lower, &m.lower_dir, lowers, &n))
		m.lower = &lower;
	if (m.upper == NULL && m.lower == NULL)
		return 0;   /* gone meanwhile */
	if (m.upper != NULL && S_ISDIR(upper.st_mode)) {
		own_fd dir = open_dir(w->m->upper, w->path);

		m.opaque = dir >= 0 && is_opaque(dir);
	}
	enter = w->m->upper >= 0 ? m.upper != NULL && S_ISDIR(upper.st_mode) : S_ISDIR(lower.st_mode);
	if (w->m->on_entry(w->m->ctx, &m, e) < 0)
		return -1;
	/* (l may move) */
	return enter ? push(w, m.upper != NULL, lowers, n, e) : 0;
}

static int
step(struct walk *w, struct err *e)
{
	struct level *l = &w->levels[w->depth - 1];
	const char *name;
	size_t n;

	w->path[l->path_len] = '\0';
	if (l->at == l->n) {
		pop(w);
		return 0;
	}
	if (open_level(w, e) < 0)
		return -1;
	name = l->names[l->at++];
	n = strlen(name);
	if (n + 2 > TAR_PATH_MAX - l->path_len)
		return err_set(e, ERR_LIMIT, "/%.200s...: file name too long", w->path);
	if (l->path_len > 0)
		w->path[l->path_len] = '/';
	memcpy(w->path + l->path_len + (l->path_len > 0), name, n + 1);
	return visit(w, l, name, e);
}

int
merge_walk(const struct merge *m, struct err *e)
{
	uint16_t all[MERGE_LAYERS_MAX];
	struct walk w = { .m = m, .upper_fd = -1 };
	int r;

	if (m->n_lowers > MERGE_LAYERS_MAX)
		return err_set(e, ERR_LIMIT, "max depth exceeded");
	for (size_t i = 0; i < m->n_lowers; i++)
		all[i] = (uint16_t)i;
	r = push(&w, m->upper >= 0, all, m->n_lowers, e);
	while (r == 0 && w.depth > 0)
		r = step(&w, e);
	while (w.depth > 0)
		pop(&w);
	free(w.levels);
	return r;
}
