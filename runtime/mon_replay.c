/*
 * A client that wants the log first gets it from the log's own files, oldest first, as fast as it reads, and joins the live
 * output where the log ends. Nothing is kept in memory but what the client has not taken yet.
 */
#include "monitor.h"

#include "fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 64
#define READ_SIZE ((size_t)64 << 10)
#define AHEAD     ((size_t)128 << 10)

struct replay {
	int fds[FILES_MAX];
	size_t n, at;
	struct buf in;              /* read, not yet decoded: less than a line remains in it */
	bool live;                  /* goes on with the output after the log */
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

static bool
next_piece(struct replay *r)
{
	while (r->at < r->n) {
		ssize_t n;

		if (!buf_room(&r->in, READ_SIZE))
			return false;
		n = read(r->fds[r->at], r->in.data + r->in.used, READ_SIZE);
		if (n > 0) {
			r->in.used += (size_t)n;
			return true;
		}
		/* the last one stays open: it may be written to until the client has caught up */
		if (r->at + 1 == r->n)
			return false;
		fd_close(&r->fds[r->at++]);
	}
	return false;
}

void
replay_pump(struct client *c)
{
	struct replay *r = c->replay;
	unsigned char *line, *nl, *end;

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
		line = r->in.data;
		end = r->in.data + r->in.used;
		while ((nl = memchr(line, '\n', (size_t)(end - line))) != NULL) {
			replay_line(c, line, (size_t)(nl - line));
			line = nl + 1;
		}
		buf_drop(&r->in, (size_t)(line - r->in.data));
	}
}
