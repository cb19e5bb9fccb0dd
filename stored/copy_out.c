/*
 * Out of a container: walks a tree and writes it as a tar stream. Each directory is opened without following a link, and the way up
 * is checked to lead to where it came down from. Whatever is exchanged meanwhile, only what the container itself can name is read.
 */
#include "copy.h"

#include "fd.h"
#include "tar_out.h"
#include "xattrs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_LEVELS  64u                 /* directories that stay open; the way up from below them is ".." */
#define LEVELS_MAX   (TAR_OUT_PATH_MAX / 2)
#define NAMES_MAX    ((size_t)256 << 20)
#define LINKS_MEMORY ((size_t)64 << 20)
#define BUCKETS      4096u

/* A file with several names, of which one was written. */
struct seen { struct seen *next; dev_t dev; ino_t ino; char *name; };

struct level {
	int fd;                              /* -1: not kept open */
	dev_t dev;
	ino_t ino;
	size_t name_len;                     /* of the path that leads here */
	struct arena arena;
	struct { size_t n; char **v; } names;
	size_t at;
};

struct walk {
	struct tar_out out;
	int dir;                             /* the one that is being read */
	char *name;                          /* of the entry, in the archive */
	size_t name_len;
	struct level *levels;
	size_t n_levels, room;
	struct arena arena;
	struct seen *seen[BUCKETS];
	struct xattrs xattrs;                /* of the entry */
};

/* ---- one entry ---- */

/* The name under which the file was written before; else it is remembered, as long as there is memory. */
static const char *
earlier_name(struct walk *w, const struct stat *st)
{
	struct seen **bucket = &w->seen[(st->st_ino ^ st->st_dev) % BUCKETS], *s;

	if (st->st_nlink < 2)
		return NULL;
	for (s = *bucket; s != NULL; s = s->next)
		if (s->dev == st->st_dev && s->ino == st->st_ino)
			return s->name;
	s = arena_alloc(&w->arena, sizeof *s);
	if (s == NULL || (s->name = arena_str(&w->arena, w->name)) == NULL)
		return NULL;
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->next = *bucket;
	*bucket = s;
	return NULL;
}

/* Holes are not read. */
static int
put_content(struct walk *w, int fd, const struct stat *st, struct err *e)
{
	uint64_t size = (uint64_t)st->st_size, at = 0;

	if ((uint64_t)st->st_blocks * 512 >= size)
		return tar_out_from(&w->out, fd, size, e) < 0 ? -1 : tar_out_pad(&w->out, size, e);
	while (at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

		if (data < 0 || (uint64_t)data >= size) {
			/* no more of it, or a file system that cannot tell */
			if (data < 0 && errno != ENXIO && (lseek(fd, (off_t)at, SEEK_SET) < 0 || tar_out_from(&w->out, fd, size - at, e) < 0))
				return e->code != ERR_NONE ? -1 : err_sys(e, errno, "read a file");
			if (data >= 0 || errno == ENXIO)
				return tar_out_zeros(&w->out, size - at, e) < 0 ? -1 : tar_out_pad(&w->out, size, e);
			break;
		}
		if (data < (off_t)at || tar_out_zeros(&w->out, (uint64_t)data - at, e) < 0)
			return data < (off_t)at ? err_sys(e, EIO, "read a file") : -1;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)hole > size)
			hole = (off_t)size;
		if (lseek(fd, data, SEEK_SET) < 0 || tar_out_from(&w->out, fd, (uint64_t)(hole - data), e) < 0)
			return e->code != ERR_NONE ? -1 : err_sys(e, errno, "read a file");
		at = (uint64_t)hole;
	}
	return tar_out_pad(&w->out, size, e);
}

static int
put_file(struct walk *w, int dir, const char *base, struct err *e)
{
	own_fd fd = openat(dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *earlier;
	struct stat st;

	if (fd < 0)   /* what went, or became something else, is left out */
		return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : err_sys(e, errno, "open %.300s", w->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	earlier = earlier_name(w, &st);
	if (earlier != NULL)
		return tar_out_entry(&w->out, w->name, TAR_HARD_LINK, &st, earlier, NULL, 0, e);
	xattrs_read(&w->xattrs, fd);
	if (tar_out_entry(&w->out, w->name, TAR_FILE, &st, NULL, w->xattrs.v, w->xattrs.n, e) < 0)
		return -1;
	return put_content(w, fd, &st, e);
}

static int
put_link(struct walk *w, int dir, const char *base, const struct stat *st, struct err *e)
{
	char text[COPY_PATH_MAX];
	const char *earlier = earlier_name(w, st);
	ssize_t n;

	if (earlier != NULL)
		return tar_out_entry(&w->out, w->name, TAR_HARD_LINK, st, earlier, NULL, 0, e);
	n = readlinkat(dir, base, text, sizeof text - 1);
	if (n < 0)
		return 0;
	text[n] = '\0';
	return tar_out_entry(&w->out, w->name, TAR_SYMLINK, st, text, NULL, 0, e);
}

/* Anything but a directory. Sockets have no place in an archive. */
static int
put_other(struct walk *w, int dir, const char *base, const struct stat *st, struct err *e)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG: return put_file(w, dir, base, e);
	case S_IFLNK: return put_link(w, dir, base, st, e);
	case S_IFCHR: return tar_out_entry(&w->out, w->name, TAR_CHAR, st, NULL, NULL, 0, e);
	case S_IFBLK: return tar_out_entry(&w->out, w->name, TAR_BLOCK_DEV, st, NULL, NULL, 0, e);
	case S_IFIFO: return tar_out_entry(&w->out, w->name, TAR_FIFO, st, NULL, NULL, 0, e);
	default: return 0;
	}
}

/* ---- the tree ---- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
read_names(struct level *l, int fd, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	size_t room = 0;

	if (dir == NULL) {
		fd_close(&copy);
		return err_sys(e, errno, "read a directory");
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (l->names.n == room) {
			char **more = arena_array(&l->arena, room = room * 2 + 32, sizeof *more);

			if (more != NULL && l->names.n > 0)
				memcpy(more, l->names.v, l->names.n * sizeof *more);
			l->names.v = more;
		}
		if (l->names.v == NULL || (l->names.v[l->names.n] = arena_str(&l->arena, entry->d_name)) == NULL)
			break;
		l->names.n++;
	}
	closedir(dir);
	if (entry != NULL)
		return err_set(e, ERR_LIMIT, "a directory has too many entries");
	if (l->names.n > 1)
		qsort(l->names.v, l->names.n, sizeof *l->names.v, by_name);
	return 0;
}

/* fd becomes the walk's; its entry is written and its names read. */
static int
enter(struct walk *w, int fd, struct err *e)
{
	own_fd held = fd;
	struct level *l;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "open %.300s", w->name);
	if (w->n_levels >= LEVELS_MAX)
		return err_sys(e, ENAMETOOLONG, "archive \"%.100s...\"", w->name);
	if (w->n_levels == w->room) {
		size_t room = w->room * 2 + 64;
		struct level *more = realloc(w->levels, room * sizeof *more);

		if (more == NULL)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		w->levels = more;
		w->room = room;
	}
	/* the name of a directory ends with a slash */
	if (w->name_len == 0 || w->name[w->name_len - 1] != '/') {
		if (w->name_len + 2 > TAR_OUT_PATH_MAX)
			return err_sys(e, ENAMETOOLONG, "archive \"%.100s...\"", w->name);
		w->name[w->name_len++] = '/';
		w->name[w->name_len] = '\0';
	}
	xattrs_read(&w->xattrs, fd);
	if (tar_out_entry(&w->out, w->name, TAR_DIR, &st, NULL, w->xattrs.v, w->xattrs.n, e) < 0)
		return -1;
	l = &w->levels[w->n_levels++];
	*l = (struct level){ .fd = -1, .dev = st.st_dev, .ino = st.st_ino, .name_len = w->name_len, .arena = { .max = NAMES_MAX } };
	if (w->n_levels <= KEPT_LEVELS)
		l->fd = fd;
	else if (w->n_levels > KEPT_LEVELS + 1)
		fd_close(&w->dir);
	w->dir = fd_take(&held);
	return read_names(l, w->dir, e);
}

static int
leave(struct walk *w, struct err *e)
{
	struct level *l = &w->levels[--w->n_levels], *up = w->n_levels > 0 ? l - 1 : NULL;
	int parent = -1;
	struct stat st;

	arena_done(&l->arena);
	if (up != NULL && up->fd >= 0) {
		parent = up->fd;
	} else if (up != NULL) {
		parent = openat(w->dir, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (parent < 0 || fstat(parent, &st) < 0 || st.st_dev != up->dev || st.st_ino != up->ino) {
			fd_close(&parent);
			return err_set(e, ERR_SYSTEM, "a directory was moved while it was read");
		}
	}
	fd_close(&w->dir);
	w->dir = parent;
	return 0;
}

static int
visit(struct walk *w, const char *base, struct err *e)
{
	const struct level *l = &w->levels[w->n_levels - 1];
	size_t n = strlen(base);
	struct stat st;
	int fd;

	copy_moved();
	if (l->name_len + n + 2 > TAR_OUT_PATH_MAX)
		return err_sys(e, ENAMETOOLONG, "archive \"%.100s...\"", w->name);
	memcpy(w->name + l->name_len, base, n + 1);
	w->name_len = l->name_len + n;
	if (fstatat(w->dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "lstat %.300s", w->name);
	if (!S_ISDIR(st.st_mode))
		return put_other(w, w->dir, base, &st, e);
	fd = openat(w->dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? 0 : err_sys(e, errno, "open %.300s", w->name);
	return enter(w, fd, e);
}

static int
walk_tree(struct walk *w, int top, struct err *e)
{
	if (enter(w, top, e) < 0)
		return -1;
	while (w->n_levels > 0) {
		struct level *l = &w->levels[w->n_levels - 1];

		if (l->at == l->names.n ? leave(w, e) < 0 : visit(w, l->names.v[l->at++], e) < 0)
			return -1;
	}
	return 0;
}

static int
copy_all(struct walk *w, const struct copy_place *p, struct err *e)
{
	int top;

	/* the root has no name of its own: what is below it begins with a slash */
	w->name_len = (size_t)snprintf(w->name, TAR_OUT_PATH_MAX, "%s", p->name);
	if (!S_ISDIR(p->st.st_mode))
		return put_other(w, p->dir, p->base, &p->st, e);
	top = openat(p->dir, *p->base != '\0' ? p->base : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return err_sys(e, errno, "open %.300s", p->abs);
	return walk_tree(w, top, e);
}

int
copy_out(const struct copy_place *p, int pipe, struct err *e)
{
	struct walk *w = calloc(1, sizeof *w);
	int r = -1;

	if (w == NULL || (w->name = malloc(TAR_OUT_PATH_MAX + 2)) == NULL) {
		free(w);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	tar_out_init(&w->out, pipe);
	w->out.moved = copy_moved;
	w->dir = -1;
	w->arena.max = LINKS_MEMORY;
	if (copy_all(w, p, e) == 0)
		r = tar_out_end(&w->out, e);
	tar_out_done(&w->out);
	arena_done(&w->arena);
	for (size_t i = 0; i < w->n_levels; i++)
		arena_done(&w->levels[i].arena);
	free(w->levels);
	free(w->name);
	free(w);
	return r;
}
