/*
 * GET /containers/{id}/logs: the broker gives the log files; this reads them in big blocks (logsource.h) and writes frames
 * as fast as the client takes them. With follow a socket tells when there is more, or a new file. A file is never held whole.
 */
#include "logsource.h"
#include "routes.h"
#include "text.h"
#include "times.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FILES_MAX  40

struct logs {
	struct client *c;
	bool out, err, timestamps, details, mux, follow, ended, finished;
	int64_t since, until, tail;
	int files[FILES_MAX];          /* that of at_file is the source's once it was begun */
	size_t n_files, at_file;
	struct log_source source;
	bool open_line[3];             /* the stream's last record was partial: no second time stamp */
	struct loop_io socket;
	struct loop_timer timer;
};

static void
logs_close(struct client *c)
{
	struct logs *g = c->stream;

	if (g == NULL)
		return;
	for (size_t i = 0; i < g->n_files; i++)
		fd_close(&g->files[i]);
	loop_remove(&g->socket);
	loop_timer_clear(&g->timer);
	fd_close(&g->socket.fd);
	log_source_done(&g->source);
	free(g);
}

/* ---- where to begin ---- */

static void
begin_file(struct logs *g)
{
	if (g->source.fd < 0 && g->at_file < g->n_files)
		log_source_open(&g->source, fd_take(&g->files[g->at_file]));
}

static int
seek_tail(struct logs *g, struct err *e)
{
	int64_t missing = g->tail;

	if (g->tail < 0)
		return 0;
	for (size_t i = g->n_files; i-- > 0;) {
		/* a file of which all is wanted is begun again when its turn comes */
		if (g->source.fd >= 0) {
			g->files[g->at_file] = fd_take(&g->source.fd);
			log_source_close(&g->source);
		}
		g->at_file = i;
		begin_file(g);
		if (log_source_tail(&g->source, &missing, e) < 0)
			return -1;
		if (missing <= 0)
			break;
	}
	return 0;
}

/* ---- lines ---- */

static void
put_record(struct logs *g, const struct log_line *l)
{
	struct buf *out = &g->c->out;
	size_t frame = out->used, n;
	bool goes_on = g->open_line[l->stream];

	if (g->mux)
		buf_put(out, "\0\0\0\0\0\0\0\0", 8);
	if (g->timestamps && !goes_on) {
		log_line_put_time(l, out);
		buf_putc(out, ' ');
	}
	if (g->details && !goes_on) {
		log_line_put_attrs(l, out);
		buf_putc(out, ' ');
	}
	log_line_text(l, out);
	g->open_line[l->stream] = l->partial;
	if (!g->mux || out->failed)
		return;
	n = out->used - frame - 8;
	out->data[frame] = (unsigned char)l->stream;
	out->data[frame + 4] = (unsigned char)(n >> 24);
	out->data[frame + 5] = (unsigned char)(n >> 16);
	out->data[frame + 6] = (unsigned char)(n >> 8);
	out->data[frame + 7] = (unsigned char)n;
}

/* False: the time to stop was reached. */
static bool
take_line(struct logs *g, const struct log_line *l)
{
	if (g->since != 0 || g->until != 0) {
		int64_t ns = log_line_ns(l);

		if (g->since != 0 && ns < g->since)
			return true;
		if (g->until != 0 && ns > g->until)
			return false;
	}
	if ((l->stream == LOG_STDOUT && g->out) || (l->stream == LOG_STDERR && g->err))
		put_record(g, l);
	return true;
}

/* Takes the whole records of the block. False: stop. */
static bool
take_block(struct logs *g)
{
	struct log_line l;

	while (log_source_next(&g->source, &l))
		if (!take_line(g, &l))
			return false;
	log_source_taken(&g->source);
	return true;
}

static void
logs_finish(struct logs *g)
{
	g->finished = true;
	loop_remove(&g->socket);
	loop_timer_clear(&g->timer);
	stream_end(g->c);
}

static void
next_file(struct logs *g)
{
	log_source_close(&g->source);
	g->at_file++;
	begin_file(g);
}

static void
logs_pump(struct client *c)
{
	struct logs *g = c->stream;

	if (g->finished)
		return;
	begin_file(g);
	/* a bounded piece a round: other clients wait */
	while (c->out.used < OUT_HIGH) {
		int r = g->at_file < g->n_files ? log_source_read(&g->source) : 0;
		bool go_on;

		if (r < 0) {
			stream_abort(c);
			return;
		}
		if (r == 0) {
			if (g->at_file + 1 < g->n_files) {
				next_file(g);
				continue;
			}
			if (g->follow && !g->ended)
				client_flush(c);
			else
				logs_finish(g);
			return;
		}
		stream_open_chunk(c);
		go_on = take_block(g);
		stream_close_chunk(c);
		if (!go_on) {
			logs_finish(g);
			return;
		}
	}
	client_flush(c);
	if (!c->dead)
		client_want_drain(c);
}

/* ---- following ---- */

static void
on_socket(struct loop_io *io, uint32_t events)
{
	struct logs *g = (struct logs *)(void *)((char *)io - offsetof(struct logs, socket));
	char word;

	for (int i = 0; i < 64; i++) {
		own_fd fd = -1;
		size_t n_fds = 1;
		ssize_t n = fd_receive(io->fd, &word, 1, &fd, &n_fds, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			g->ended = true;
			loop_remove(io);
			break;
		}
		if (word != 'r' || fd < 0)
			continue;
		/* files that were read to their end make room */
		if (g->n_files == FILES_MAX && g->at_file > 0) {
			memmove(g->files, g->files + g->at_file, (g->n_files - g->at_file) * sizeof g->files[0]);
			g->n_files -= g->at_file;
			g->at_file = 0;
		}
		if (g->n_files == FILES_MAX) {
			/* the reader is so far behind that files are gone anyway */
			g->ended = true;
			loop_remove(io);
			break;
		}
		g->files[g->n_files++] = fd_take(&fd);
	}
	/* with the client's socket full the pump goes on when it drains */
	if (!g->c->want_drain)
		logs_pump(g->c);
}

static void
on_until(struct loop_timer *t)
{
	struct logs *g = (struct logs *)(void *)((char *)t - offsetof(struct logs, timer));

	g->ended = true;
	loop_remove(&g->socket);
	if (!g->c->want_drain)
		logs_pump(g->c);
}

static void
on_log_files(struct client *c, struct answer *a)
{
	struct logs *g = c->stream;
	const struct api_log_files *m = a->msg;
	size_t n = a->nfds;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	g->follow = m->follow && g->follow;
	if (m->follow && n > 0) {
		g->socket.fd = fd_take(&a->fds[--n]);
		if (!g->follow)
			fd_close(&g->socket.fd);
		else if (loop_add(c->w->loop, &g->socket, EPOLLIN, &e) < 0) {
			reply_error(c, &e);
			return;
		}
	} else {
		g->follow = false;
	}
	for (size_t i = 0; i < n && g->n_files < FILES_MAX - 4; i++)
		g->files[g->n_files++] = fd_take(&a->fds[i]);
	g->mux = !m->tty;
	if (seek_tail(g, &e) < 0) {
		reply_error(c, &e);
		return;
	}
	if (g->follow && g->until != 0) {
		int64_t left = g->until - now_real_ns();

		loop_timer_set(c->w->loop, &g->timer, left > 0 ? left : 0);
	}
	stream_begin(c, 200, !m->tty && c->version >= 142 ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream");
	if (!c->dead)
		logs_pump(c);
}

static int
logs_query(struct client *c, struct logs *g, struct err *e)
{
	const char *tail = query_str(c, "tail");
	uint64_t n;

	g->out = query_bool(c, "stdout", false);
	g->err = query_bool(c, "stderr", false);
	g->follow = query_bool(c, "follow", false);
	g->timestamps = query_bool(c, "timestamps", false);
	g->details = query_bool(c, "details", false);
	if (!g->out && !g->err)
		return err_set(e, ERR_INVALID, "Bad parameters: you must choose at least one stream");
	/* what is no number means all, as in the Docker engine */
	g->tail = text_to_u64(tail, INT64_MAX, &n) ? (int64_t)n : -1;
	if (!time_parse(query_str(c, "since"), now_real_ns(), &g->since) || !time_parse(query_str(c, "until"), now_real_ns(), &g->until))
		return err_set(e, ERR_INVALID, "invalid value for \"since\" or \"until\"");
	return 0;
}

int
handle_container_logs(struct client *c, struct err *e)
{
	static const struct stream_ops ops = { .on_drain = logs_pump, .on_close = logs_close };
	struct api_logs m = { .ref = c->name };
	struct logs *g = calloc(1, sizeof *g);

	if (g == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	g->c = c;
	g->socket = (struct loop_io){ .fd = -1, .on_ready = on_socket };
	g->timer.on_time = on_until;
	g->source = (struct log_source)LOG_SOURCE_INIT;
	c->stream = g;
	c->ops = &ops;
	if (logs_query(c, g, e) < 0)
		return -1;
	m.follow = g->follow;
	return client_call(c, NO_container_logs, &m, NULL, 0, on_log_files, e);
}
