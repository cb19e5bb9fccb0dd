/*
 * A client that wants the log first gets it from the log's own files, oldest first, as fast as it reads, and joins the live
 * output where the log ends. Nothing is kept in memory but what the client has not taken yet.
 */
#include "monitor.h"

#include "fd.h"
#include "logframe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define FILES_MAX 64
#define READ_SIZE ((size_t)64 << 10)
#define AHEAD     ((size_t)128 << 10)

struct replay {
	int fds[FILES_MAX];
	size_t n, at;
	struct buf in;              /* read, not yet decoded: less than a line remains in it */
	bool live;                  /* goes on with the output after the log */
	bool known, gz;             /* the present file was looked at; is compressed */
	z_stream z;
};

int
replay_new(struct client *c, bool live, struct err *e)
{
	struct replay *r = calloc(1, sizeof *r);

	if (r == NULL)
		return err_set(e, ERR_NO_MEMORY, "attach with the log");
	r->n = log_files(&c->m->log, r->fds, FILES_MAX / 2);
	r->in.max = (size_t)1 << 20;
	r->live = live;
	c->replay = r;
	return 0;
}

void
replay_free(struct client *c)
{
	struct replay *r = c->replay;

	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++)
		fd_close(&r->fds[i]);
	if (r->gz)
		(void)inflateEnd(&r->z);
	buf_done(&r->in);
	free(r);
	c->replay = NULL;
}

void
replay_rotated(struct monitor *m)
{
	for (struct client *c = m->clients; c != NULL; c = c->next) {
		struct replay *r = c->replay;
		int fds[1];

		if (r == NULL)
			continue;
		/* the present file only; one that falls that far behind loses the oldest, as a reader of the files would */
		if (r->n < FILES_MAX && log_current(&m->log, &fds[0]) == 0)
			r->fds[r->n++] = fds[0];
	}
}

static unsigned
hex4(const unsigned char *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (p[i] <= '9' ? (unsigned)p[i] - 48u : ((unsigned)p[i] | 32u) - 87u);
	return v & 0xffff;
}

/* Undoes what mon_log.c did; the log is our own, so anything else in it is only skipped. Returns the length. */
static size_t
unescape(unsigned char *out, const unsigned char *p, const unsigned char *end)
{
	unsigned char *o = out;

	while (p < end) {
		unsigned v;

		if (*p != '\\' || end - p < 2) {
			*o++ = *p++;
			continue;
		}
		if (p[1] != 'u') {
			*o++ = p[1] == 'n' ? '\n' : p[1] == 'r' ? '\r' : p[1] == 't' ? '\t' : p[1];
			p += 2;
			continue;
		}
		if (end - p < 6)
			break;
		v = hex4(p + 2);
		p += 6;
		if (v < 0x80) {
			*o++ = (unsigned char)v;
		} else if (v < 0x800) {
			*o++ = (unsigned char)(0xc0 | v >> 6);
			*o++ = (unsigned char)(0x80 | (v & 63));
		} else {
			*o++ = (unsigned char)(0xe0 | v >> 12);
			*o++ = (unsigned char)(0x80 | (v >> 6 & 63));
			*o++ = (unsigned char)(0x80 | (v & 63));
		}
	}
	return (size_t)(o - out);
}

/* {"log":"...","stream":"stdout","time":"..."} */
static void
replay_line(struct client *c, unsigned char *line, size_t n)
{
	unsigned char *text = line + 8, *end = line + n, *p = text;
	int stream;

	if (n < 40 || memcmp(line, "{\"log\":\"", 8) != 0)
		return;
	while (p < end && *p != '"')
		p += *p == '\\' ? 2 : 1;
	if (end - p < 20 || memcmp(p, "\",\"stream\":\"std", 15) != 0)
		return;
	stream = p[15] == 'e' ? STREAM_ERR : STREAM_OUT;
	if (stream == STREAM_ERR ? c->err : c->out)
		client_send(c, stream, text, unescape(text, text, p));
}

static void
replay_frames(struct client *c, struct replay *r)
{
	size_t at = 0;

	while (at < r->in.used) {
		struct log_frame f;
		ssize_t n = log_frame_scan(r->in.data + at, r->in.used - at, &f);

		if (n == 0)
			break;
		if (n > 0 && (f.err ? c->err : c->out)) {
			client_send(c, f.err ? STREAM_ERR : STREAM_OUT, f.text, f.n);
			if (!f.partial)
				client_send(c, f.err ? STREAM_ERR : STREAM_OUT, (const unsigned char *)"\n", 1);
		}
		at += n > 0 ? (size_t)n : log_frame_next(r->in.data + at, r->in.used - at);
	}
	buf_drop(&r->in, at);
}

static void
replay_lines(struct client *c, struct replay *r)
{
	unsigned char *line = r->in.data, *end = line + r->in.used, *nl;

	while ((nl = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		replay_line(c, line, (size_t)(nl - line));
		line = nl + 1;
	}
	buf_drop(&r->in, (size_t)(line - r->in.data));
}

/* Bytes of the present file, or 0 at its end. */
static ssize_t
read_plain(struct replay *r, unsigned char *to, size_t n)
{
	unsigned char magic[2];

	if (!r->known) {
		r->gz = pread(r->fds[r->at], magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
		memset(&r->z, 0, sizeof r->z);
		if (r->gz && inflateInit2(&r->z, 31) != Z_OK)
			r->gz = false;
		r->known = true;
	}
	return r->gz ? 0 : read(r->fds[r->at], to, n);
}

static ssize_t
read_gz(struct replay *r, unsigned char *to, size_t n)
{
	static unsigned char from[16384];
	uInt took;
	int z;

	do {
		ssize_t got = read(r->fds[r->at], from, sizeof from);

		if (got <= 0)
			return 0;
		r->z.next_in = from;
		r->z.avail_in = (uInt)got;
		r->z.next_out = to;
		r->z.avail_out = (uInt)n;
		z = inflate(&r->z, Z_NO_FLUSH);
		/* what did not fit is read again */
		took = (uInt)got - r->z.avail_in;
		(void)lseek(r->fds[r->at], -(off_t)(got - took), SEEK_CUR);
		if (z != Z_OK && z != Z_STREAM_END)
			return 0;
	} while (r->z.avail_out == n && z == Z_OK && took > 0);
	return (ssize_t)(n - r->z.avail_out);
}

static bool
next_piece(struct replay *r)
{
	while (r->at < r->n) {
		ssize_t n;

		if (!buf_room(&r->in, READ_SIZE))
			return false;
		n = read_plain(r, r->in.data + r->in.used, READ_SIZE);
		if (r->gz)
			n = read_gz(r, r->in.data + r->in.used, READ_SIZE);
		if (n > 0) {
			r->in.used += (size_t)n;
			return true;
		}
		/* the last one stays open: it may be written to until the client has caught up */
		if (r->at + 1 == r->n)
			return false;
		if (r->gz)
			(void)inflateEnd(&r->z);
		r->known = r->gz = false;
		buf_reset(&r->in);
		fd_close(&r->fds[r->at++]);
	}
	return false;
}

void
replay_pump(struct client *c)
{
	struct replay *r = c->replay;

	while (r != NULL && !c->dead && !c->held && c->pending.used < AHEAD) {
		if (!next_piece(r)) {
			/* the log was flushed before: what it does not have yet is in the unfinished lines */
			struct stream *const streams[] = { &c->m->out, &c->m->err };

			for (size_t i = 0; r->live && i < 2; i++)
				if (streams[i]->part_n > 0 && (i == 0 ? c->out : c->err))
					client_send(c, streams[i]->number, streams[i]->part, streams[i]->part_n);
			c->only_log = !r->live;
			replay_free(c);
			return;
		}
		if (c->m->log.format == LOG_LOCAL)
			replay_frames(c, r);
		else
			replay_lines(c, r);
	}
}
