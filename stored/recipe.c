#include "recipe.h"

#include "fd.h"
#include "rec.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_AT ((size_t)256 << 10)
#define RUN_MIN  16     /* shorter runs of zeros are not worth an operation */
#define PATH_LIMIT 4096

void
recipe_open(struct recipe_writer *w, int fd)
{
	*w = (struct recipe_writer){ .fd = fd, .out = BUF_INIT((size_t)1 << 20) };
}

void
recipe_done(struct recipe_writer *w)
{
	buf_done(&w->out);
}

static int
flush(struct recipe_writer *w, size_t at_least, struct err *e)
{
	if (w->out.failed)
		return err_set(e, ERR_NO_MEMORY, "recipe of a layer");
	if (w->out.used < at_least || w->out.used == 0)
		return 0;
	if (fd_write_all(w->fd, w->out.data, w->out.used) < 0)
		return err_sys(e, errno, "write the recipe of a layer");
	buf_reset(&w->out);
	return 0;
}

static void
put_zeros(struct recipe_writer *w)
{
	if (w->zeros == 0)
		return;
	buf_put_u8(&w->out, RECIPE_ZERO);
	buf_put_u64(&w->out, w->zeros);
	w->zeros = 0;
}

int
recipe_flush(struct recipe_writer *w, struct err *e)
{
	put_zeros(w);
	return flush(w, 0, e);
}

static size_t
zero_run(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] == 0)
		i++;
	return i;
}

/* How much comes before the next run of zeros that is worth an operation (or reaches the end). */
static size_t
literal_run(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t z = zero_run(p + i, n - i);

		if (z >= RUN_MIN || (z > 0 && i + z == n))
			return i;
		i += z + 1;
	}
	return n;
}

int
recipe_meta(struct recipe_writer *w, const unsigned char *p, size_t n, struct err *e)
{
	while (n > 0) {
		size_t z = zero_run(p, n), l;

		w->zeros += z;
		p += z;
		n -= z;
		l = literal_run(p, n < RECIPE_CHUNK ? n : RECIPE_CHUNK);
		if (l > 0) {
			put_zeros(w);
			buf_put_u8(&w->out, RECIPE_LITERAL);
			buf_put_u32(&w->out, (uint32_t)l);
			buf_put(&w->out, p, l);
			p += l;
			n -= l;
		}
		if (flush(w, FLUSH_AT, e) < 0)
			return -1;
	}
	return 0;
}

static void
put_path(struct recipe_writer *w, const char *path)
{
	buf_put_u32(&w->out, (uint32_t)strlen(path));
	buf_puts(&w->out, path);
}

int
recipe_copy(struct recipe_writer *w, uint64_t offset, uint64_t n, const char *path, struct err *e)
{
	put_zeros(w);
	buf_put_u8(&w->out, RECIPE_COPY);
	buf_put_u64(&w->out, offset);
	buf_put_u64(&w->out, n);
	put_path(w, path);
	return flush(w, FLUSH_AT, e);
}

int
recipe_moved(struct recipe_writer *w, uint32_t number, const char *path, struct err *e)
{
	put_zeros(w);
	buf_put_u8(&w->out, RECIPE_MOVED);
	buf_put_u32(&w->out, number);
	put_path(w, path);
	return flush(w, FLUSH_AT, e);
}

/* ---- making the tar again ---- */

struct move { uint64_t before; uint32_t number; char *path; };   /* before: number of operations that stood before it */

struct replay {
	int dir, fs;
	const struct recipe_sink *sink;
	struct source in;
	uint64_t ops;
	struct arena arena;
	struct { size_t n; struct move *v; } moves;
	unsigned char *buf;
};

static int
damaged(struct err *e)
{
	return err_set(e, ERR_SYSTEM, "the recipe of a layer is damaged");
}

static int
take(struct replay *r, size_t n, struct reader *ret, struct err *e)
{
	int64_t have = source_want(&r->in, n, e);

	if (have < 0)
		return -1;
	if ((uint64_t)have < n)
		return damaged(e);
	*ret = (struct reader){ r->in.buf + r->in.at, r->in.buf + r->in.at + n, false };
	source_pass(&r->in, n);
	return 0;
}

static int
take_path(struct replay *r, uint32_t n, char path[PATH_LIMIT + 1], struct err *e)
{
	struct reader text;

	if (n > PATH_LIMIT)
		return damaged(e);
	if (take(r, n, &text, e) < 0)
		return -1;
	memcpy(path, text.p, n);
	path[n] = '\0';
	return 0;
}

static int
zeros(struct replay *r, uint64_t n, struct err *e)
{
	static const unsigned char none[4096];

	while (n > 0) {
		size_t part = n < sizeof none ? (size_t)n : sizeof none;

		if (r->sink->put(r->sink->ctx, none, part, e) < 0)
			return -1;
		n -= part;
	}
	return 0;
}

/* Where the content is now: it may have been moved out of the way after it was written. */
static int
open_content(struct replay *r, const char *path)
{
	for (size_t i = 0; i < r->moves.n; i++) {
		const struct move *m = &r->moves.v[i];
		size_t n = strlen(m->path);
		char kept[PATH_LIMIT + 64];

		if (m->before < r->ops || strncmp(path, m->path, n) != 0 || (path[n] != '\0' && path[n] != '/'))
			continue;
		snprintf(kept, sizeof kept, "kept/%u%s", m->number, path + n);
		return fd_open_beneath(r->dir, kept, O_RDONLY | O_NOFOLLOW, 0);
	}
	return fd_open_beneath(r->fs, path, O_RDONLY | O_NOFOLLOW, 0);
}

static int
copy(struct replay *r, uint64_t offset, uint64_t n, const char *path, struct err *e)
{
	own_fd fd = open_content(r, path);

	if (fd < 0)
		return err_sys(e, errno, "open %s of a layer", path);
	while (n > 0) {
		size_t want = n < SOURCE_SIZE ? (size_t)n : SOURCE_SIZE;
		ssize_t got = pread(fd, r->buf, want, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? err_sys(e, errno, "read %s of a layer", path) : err_set(e, ERR_SYSTEM, "file %s of a layer is too short", path);
		if (r->sink->put(r->sink->ctx, r->buf, (size_t)got, e) < 0)
			return -1;
		offset += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return 0;
}

static int
note_move(struct replay *r, uint32_t number, const char *path, struct err *e)
{
	struct move *m = list_add(&r->moves, &r->arena, sizeof *m);

	if (m == NULL || (m->path = arena_str(&r->arena, path)) == NULL)
		return err_set(e, ERR_NO_MEMORY, "recipe of a layer");
	m->before = r->ops;
	m->number = number;
	return 0;
}

/* looking: only note where things were moved. */
static int
step(struct replay *r, unsigned char op, bool looking, struct err *e)
{
	char path[PATH_LIMIT + 1];
	struct reader in;
	uint64_t a, b;
	uint32_t n;

	switch (op) {
	case RECIPE_LITERAL:
		if (take(r, 4, &in, e) < 0)
			return -1;
		n = read_u32(&in);
		if (n > RECIPE_CHUNK)
			return damaged(e);
		if (take(r, n, &in, e) < 0)
			return -1;
		return looking ? 0 : r->sink->put(r->sink->ctx, in.p, n, e);
	case RECIPE_ZERO:
		if (take(r, 8, &in, e) < 0)
			return -1;
		return looking ? 0 : zeros(r, read_u64(&in), e);
	case RECIPE_COPY:
		if (take(r, 20, &in, e) < 0)
			return -1;
		a = read_u64(&in);
		b = read_u64(&in);
		if (take_path(r, read_u32(&in), path, e) < 0)
			return -1;
		return looking ? 0 : copy(r, a, b, path, e);
	case RECIPE_MOVED:
		if (take(r, 8, &in, e) < 0)
			return -1;
		n = read_u32(&in);
		if (take_path(r, read_u32(&in), path, e) < 0)
			return -1;
		return looking ? note_move(r, n, path, e) : 0;
	default:
		return damaged(e);
	}
}

static int
pass(struct replay *r, bool looking, struct err *e)
{
	own_fd fd = openat(r->dir, "recipe", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int result = 0;

	if (fd < 0)
		return err_sys(e, errno, "open the recipe of a layer");
	if (source_open_plain(&r->in, fd, e) < 0)
		return -1;
	for (r->ops = 0; result == 0; r->ops++) {
		struct reader in;
		int64_t have = source_want(&r->in, 1, e);

		if (have == 0)
			break;
		result = have < 0 || take(r, 1, &in, e) < 0 ? -1 : step(r, read_u8(&in), looking, e);
	}
	source_done(&r->in);
	return result;
}

int
recipe_replay(int dir, const struct recipe_sink *sink, struct err *e)
{
	struct replay r = { .dir = dir, .sink = sink, .fs = fd_open_beneath(dir, "fs", O_PATH | O_DIRECTORY, 0), .buf = malloc(SOURCE_SIZE) };
	int result = -1;

	if (r.fs < 0)
		err_sys(e, errno, "open a layer");
	else if (r.buf == NULL)
		err_set(e, ERR_NO_MEMORY, "copy of a layer");
	else if (faccessat(dir, "kept", F_OK, 0) == 0 && pass(&r, true, e) < 0)
		;
	else
		result = pass(&r, false, e);
	fd_close(&r.fs);
	free(r.buf);
	arena_done(&r.arena);
	return result;
}
