#include "client.h"

#include "log.h"
#include "routes.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define HEAD_TIME   (30 * SECOND)
#define IDLE_TIME   (600 * SECOND)
#define BODY_TIME   (60 * SECOND)
#define LINGER_TIME (5 * SECOND)
#define LINGER_BYTES ((size_t)1 << 30)
#define CLIENTS_MAX 4096
#define IN_MAX      ((size_t)192 << 10)
#define READ_SIZE   ((size_t)32 << 10)
#define OUT_MAX     ((size_t)256 << 20)
#define SPLICE_MIN  ((uint64_t)4 << 10)

static void serve_input(struct client *c);
static void keep_input(struct client *c);

/* ---- life ---- */

/* Which events matter now. */
static void
watch(struct client *c)
{
	uint32_t events = 0;

	if (c->dead)
		return;
	if (c->state == CLIENT_HEAD || c->state == CLIENT_BODY || c->state == CLIENT_LINGER || (c->state == CLIENT_BUSY && c->want_body))
		events |= EPOLLIN;
	else if (c->state == CLIENT_BUSY || c->state == CLIENT_FLUSH)
		/* switched off only when something comes that nobody wants yet (on_ready): most clients wait for their answer */
		events |= c->io.events & EPOLLIN;
	if (c->state == CLIENT_BUSY && c->eof_cancels)
		events |= EPOLLRDHUP;
	/* input that was read already is served from the loop as well, not from within an answer */
	if (c->out.used > 0 || c->want_drain || (c->state == CLIENT_HEAD && c->in.used > 0 && c->scanned == 0))
		events |= EPOLLOUT;
	loop_change(&c->io, events);
}

static void
end_request(struct client *c)
{
	const struct stream_ops *ops = c->ops;

	if (c->call_id != 0) {
		edge_cancel(c->call_edge, c->call_id);
		c->call_id = 0;
	}
	c->ops = NULL;
	if (ops != NULL && ops->on_close != NULL)
		ops->on_close(c);
	c->stream = NULL;
	arena_done(&c->arena);
	buf_done(&c->body);
	free(c->head_text);
	c->head_text = NULL;
}

void
client_kill(struct client *c)
{
	if (c->dead)
		return;
	c->dead = true;
	loop_remove(&c->io);
	loop_timer_clear(&c->timer);
	end_request(c);
	fd_close(&c->io.fd);
	if (c->next != NULL)
		c->next->prev = c->prev;
	*c->prev = c->next;
	c->w->n_clients--;
	c->next_dead = c->w->dead;
	c->w->dead = c;
}

void
client_hand_over(struct client *c)
{
	/* the answer to the call came: nothing to cancel */
	c->call_id = 0;
	client_kill(c);
}

static void
on_trim(struct loop_timer *t)
{
	buf_done(&((struct worker *)(void *)((char *)t - offsetof(struct worker, trim)))->spare);
	(void)malloc_trim(0);
}

void
clients_reap(void *worker)
{
	struct worker *w = worker;

	/* after a burst the memory goes back, at most once a second */
	if (w->dead != NULL && w->trim.loop == NULL) {
		w->trim.on_time = on_trim;
		loop_timer_set(w->loop, &w->trim, SECOND);
	}
	while (w->dead != NULL) {
		struct client *c = w->dead;

		w->dead = c->next_dead;
		buf_done(&c->in);
		buf_done(&c->out);
		free(c);
	}
}

/* Ready for the next request of the connection. */
static void
reset(struct client *c)
{
	end_request(c);
	c->state = CLIENT_HEAD;
	c->scanned = 0;
	c->route = NULL;
	c->version = API_VERSION_MAX;
	c->path = c->name = c->name2 = NULL;
	c->extra = NULL;
	c->chunk_digits = 0;
	c->query = (struct kvs){ 0 };
	c->chunks = (struct http_chunks){ 0 };
	c->eof_cancels = c->want_body = c->want_drain = c->body_done = c->discard = false;
	c->started = c->chunked = c->no_body = c->in_chunk = false;
	c->arena = (struct arena){ .max = (size_t)64 << 20 };
	c->body = (struct buf)BUF_INIT((size_t)8 << 20);
	/* an idle connection costs little */
	if (c->in.used == 0)
		keep_input(c);
	if (c->out.used == 0)
		buf_done(&c->out);
	loop_timer_set(c->w->loop, &c->timer, c->in.used > 0 ? HEAD_TIME : IDLE_TIME);
}

static void
on_time(struct loop_timer *t)
{
	struct client *c = (struct client *)(void *)((char *)t - offsetof(struct client, timer));

	client_kill(c);
}

/* All was written. */
static void
answered(struct client *c)
{
	if (!c->closing) {
		reset(c);
		watch(c);
		return;
	}
	/* closing at once would reset the connection under an answer that the client has not read, if it still sends */
	(void)shutdown(c->io.fd, SHUT_WR);
	end_request(c);
	c->state = CLIENT_LINGER;
	c->in.used = 0;
	loop_timer_set(c->w->loop, &c->timer, LINGER_TIME);
	watch(c);
}

void
client_flush(struct client *c)
{
	size_t at = 0;

	if (c->dead || c->in_chunk)
		return;
	if (c->out.failed) {
		log_msg(LOG_ERROR, "an answer is too large or memory is gone");
		client_kill(c);
		return;
	}
	while (at < c->out.used) {
		ssize_t n = send(c->io.fd, c->out.data + at, c->out.used - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			client_kill(c);
			return;
		}
		if (n < 0)
			break;
		at += (size_t)n;
	}
	buf_drop(&c->out, at);
	if (at > 0 && c->state == CLIENT_FLUSH)
		loop_timer_set(c->w->loop, &c->timer, IDLE_TIME);
	if (c->state == CLIENT_FLUSH && c->out.used == 0)
		answered(c);
	else
		watch(c);
}

static void
on_ready(struct loop_io *io, uint32_t events)
{
	struct client *c = (struct client *)(void *)((char *)io - offsetof(struct client, io));

	if ((events & EPOLLIN) != 0 && (c->state == CLIENT_FLUSH || (c->state == CLIENT_BUSY && !c->want_body)))
		loop_change(io, io->events & ~(uint32_t)EPOLLIN);
	if ((events & EPOLLOUT) != 0 && c->out.used > 0)
		client_flush(c);
	if (!c->dead && (events & EPOLLOUT) != 0 && c->want_drain && c->out.used < OUT_HIGH) {
		c->want_drain = false;
		if (c->ops != NULL && c->ops->on_drain != NULL)
			c->ops->on_drain(c);
	}
	if (!c->dead && (events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0) {
		client_kill(c);
		return;
	}
	if (!c->dead && (events & EPOLLRDHUP) != 0 && c->state == CLIENT_BUSY && c->eof_cancels) {
		client_kill(c);
		return;
	}
	if (!c->dead)
		serve_input(c);
	if (!c->dead)
		watch(c);
}

void
client_new(struct worker *w, int fd)
{
	struct client *c = calloc(1, sizeof *c);
	struct err e = ERR_INIT;

	if (c == NULL || w->n_clients >= CLIENTS_MAX || fd_set_nonblock(fd, true) < 0) {
		log_msg(LOG_WARN, "a connection was refused: too many");
		free(c);
		close(fd);
		return;
	}
	c->w = w;
	c->io.fd = fd;
	c->io.on_ready = on_ready;
	c->timer.on_time = on_time;
	c->in = (struct buf)BUF_INIT(IN_MAX);
	c->out = (struct buf)BUF_INIT(OUT_MAX);
	if (loop_add(w->loop, &c->io, EPOLLIN, &e) < 0) {
		log_err(LOG_ERROR, &e, "new connection");
		free(c);
		close(fd);
		return;
	}
	c->next = w->clients;
	if (c->next != NULL)
		c->next->prev = &c->next;
	c->prev = &w->clients;
	w->clients = c;
	w->n_clients++;
	reset(c);
	loop_timer_set(w->loop, &c->timer, HEAD_TIME);
	watch(c);
}

/* ---- requests ---- */

static void
refuse(struct client *c, const struct http_problem *why)
{
	c->closing = true;
	c->discard = true;
	reply_message(c, why->status, why->text);
}

static void
dispatch(struct client *c)
{
	struct err e = ERR_INIT;

	c->state = CLIENT_BUSY;
	loop_timer_clear(&c->timer);
	if (c->route->handler(c, &e) < 0 && !c->dead)
		reply_error(c, &e);
	if (!c->dead)
		watch(c);
}

static void
body_complete(struct client *c)
{
	c->body_done = true;
	if (c->route->body == BODY_STREAM) {
		c->want_body = false;
		if (c->ops != NULL && c->ops->on_body_end != NULL)
			c->ops->on_body_end(c, true);
		return;
	}
	dispatch(c);
}

static void
begin_body(struct client *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	bool has_body = c->head.chunked || c->head.length > 0;

	c->body_left = c->head.length;
	c->body_max = c->route->body == BODY_CREATE ? (size_t)8 << 20 : (size_t)4 << 20;
	if (has_body && c->route->body != BODY_STREAM && c->head.length > c->body_max) {
		refuse(c, &(struct http_problem){ 413, "http: request body too large" });
		return;
	}
	if (has_body && c->head.expect_continue)
		buf_put(&c->out, go_on, sizeof go_on - 1);
	if (c->route->body == BODY_STREAM) {
		c->want_body = has_body;
		dispatch(c);
		if (!c->dead && c->state == CLIENT_BUSY && !has_body)
			body_complete(c);
	} else if (has_body) {
		c->state = CLIENT_BODY;
		loop_timer_set(c->w->loop, &c->timer, BODY_TIME);
	} else {
		body_complete(c);
	}
	if (!c->dead && c->out.used > 0)
		client_flush(c);
}

/* Takes one head off the input. True: look again. */
static bool
take_head(struct client *c)
{
	struct http_problem why;
	size_t size;
	enum http_result r;

	if (c->in.used == 0)
		return false;
	r = http_find_head((const char *)c->in.data, c->in.used, &c->scanned, &size, &why);
	if (r == HTTP_MORE)
		return false;
	if (r == HTTP_OK) {
		c->head_text = malloc(size);
		if (c->head_text == NULL) {
			client_kill(c);
			return false;
		}
		memcpy(c->head_text, c->in.data, size);
		buf_drop(&c->in, size);
		c->scanned = 0;
		r = http_parse_head(c->head_text, size, &c->head, &why);
	}
	if (r == HTTP_BAD) {
		refuse(c, &why);
		return false;
	}
	c->closing = !c->head.keep_alive;
	c->no_body = c->head.method.n == 4 && memcmp(c->head.method.p, "HEAD", 4) == 0;
	c->state = CLIENT_BUSY;
	if (route_request(c))
		begin_body(c);
	return !c->dead;
}

/* Hands n bytes of body on; returns how many were taken. */
static size_t
give_body(struct client *c, const char *p, size_t n)
{
	if (c->route->body == BODY_STREAM)
		return c->ops != NULL && c->ops->on_body != NULL ? c->ops->on_body(c, p, n) : n;
	if (n > c->body_max - c->body.used) {
		refuse(c, &(struct http_problem){ 413, "http: request body too large" });
		return n;
	}
	if (c->route->body != BODY_NONE || c->body.used < 64)
		buf_put(&c->body, p, n);
	if (c->body.failed)
		refuse(c, &(struct http_problem){ 500, "out of memory" });
	return n;
}

/* Takes body bytes off the input. True: look again. */
static bool
take_body(struct client *c)
{
	struct http_str data = { NULL, 0 };
	struct http_problem why;
	size_t used = 0, taken;

	if (c->head.chunked) {
		enum http_result r = http_next_chunk(&c->chunks, (const char *)c->in.data, c->in.used, &used, &data, &why);

		if (r == HTTP_BAD) {
			if (c->started)
				stream_abort(c);
			else
				refuse(c, &why);
			return false;
		}
		if (r == HTTP_OK) {
			taken = give_body(c, data.p, data.n);
			if (c->dead || c->state == CLIENT_FLUSH || c->state == CLIENT_LINGER)
				return false;
			if (taken < data.n) {
				/* as if the chunk's rest had not come yet */
				c->chunks.state = CHUNK_DATA;
				c->chunks.left += data.n - taken;
				used -= data.n - taken;
				c->want_body = false;
			}
		}
		buf_drop(&c->in, used);
		if (r == HTTP_END)
			body_complete(c);
		return !c->dead && c->in.used > 0 && r == HTTP_OK;
	}
	data.p = (const char *)c->in.data;
	data.n = c->in.used < c->body_left ? c->in.used : (size_t)c->body_left;
	taken = data.n > 0 ? give_body(c, data.p, data.n) : 0;
	if (c->dead || c->state == CLIENT_FLUSH || c->state == CLIENT_LINGER)
		return false;
	buf_drop(&c->in, taken);
	c->body_left -= taken;
	if (c->body_left == 0)
		body_complete(c);
	else if (taken < data.n)
		c->want_body = false;
	return !c->dead && c->body_left > 0 && c->in.used > 0;
}

static bool
reads_body(const struct client *c)
{
	return c->state == CLIENT_BODY || (c->state == CLIENT_BUSY && c->want_body && !c->body_done);
}

/* The peer closed its sending side. */
static void
on_eof(struct client *c)
{
	if (c->state == CLIENT_BUSY && c->ops != NULL && c->ops->on_body_end != NULL) {
		c->want_body = false;
		c->body_done = true;
		c->closing = true;
		c->ops->on_body_end(c, false);
		return;
	}
	client_kill(c);
}

/* Serves what has been read already. */
static void
use_input(struct client *c)
{
	while (!c->dead && c->in.used > 0 && (c->state == CLIENT_HEAD || reads_body(c)))
		if (!(c->state == CLIENT_HEAD ? take_head(c) : take_body(c)))
			break;
}

/* An idle connection holds no memory for input, but one of them leaves its own to the next that needs some. */
static void
keep_input(struct client *c)
{
	if (c->in.data == NULL)
		return;
	buf_done(&c->w->spare);
	c->w->spare = c->in;
	c->in = (struct buf)BUF_INIT(IN_MAX);
}

static bool
can_splice(const struct client *c)
{
	return c->in.used == 0 && reads_body(c) && c->route->body == BODY_STREAM && c->ops != NULL && c->ops->on_splice != NULL;
}

/* Large pieces of a body go from the connection to where they are wanted without being read here. BODY_READ: not this one. */
static ssize_t
splice_body(struct client *c)
{
	bool chunk = c->head.chunked && c->chunks.state == CHUNK_DATA && c->chunks.left > 0;
	uint64_t left = !can_splice(c) ? 0 : chunk ? c->chunks.left : c->head.chunked ? 0 : c->body_left;
	ssize_t n = left >= SPLICE_MIN ? c->ops->on_splice(c, left) : BODY_READ;

	if (n <= 0)
		return n;
	if (chunk) {
		for (unsigned digits = 1; digits <= 16; digits++)
			if (left >> 4 * (digits - 1) != 0 && digits > c->chunk_digits)
				c->chunk_digits = digits;
		c->chunks.left -= (uint64_t)n;
		if (c->chunks.left == 0)
			c->chunks.state = CHUNK_DATA_END;
		return n;
	}
	c->body_left -= (uint64_t)n;
	if (c->body_left == 0)
		body_complete(c);
	return n;
}

static void
serve_input(struct client *c)
{
	/* bounded work for one client, so that it does not starve the others */
	for (int round = 0; round < 16 && !c->dead; round++) {
		size_t size = READ_SIZE;
		ssize_t n;

		use_input(c);
		if (c->dead || !(c->state == CLIENT_HEAD || c->state == CLIENT_LINGER || reads_body(c)))
			return;
		n = splice_body(c);
		if (n > 0)
			continue;
		if (n == 0)
			on_eof(c);
		if (n != BODY_READ)
			return;
		/* of a chunked body only the line between two chunks, if it is as long as the last one: what follows will be moved */
		if (can_splice(c) && c->head.chunked && c->chunks.state == CHUNK_DATA_END && c->chunk_digits > 0)
			size = c->chunk_digits + 4;
		else if (can_splice(c) && c->head.chunked && c->chunks.state == CHUNK_DATA && c->chunks.left < SPLICE_MIN && c->chunk_digits > 0)
			size = (size_t)c->chunks.left;
		if (c->in.data == NULL) {
			c->in = c->w->spare;
			c->in.max = IN_MAX;
			c->w->spare = (struct buf)BUF_INIT(IN_MAX);
		}
		if (!buf_room(&c->in, READ_SIZE)) {
			client_kill(c);
			return;
		}
		n = recv(c->io.fd, c->in.data + c->in.used, size, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (c->in.used == 0 && c->state == CLIENT_HEAD)
				keep_input(c);
			return;
		}
		if (n <= 0) {
			if (n == 0)
				on_eof(c);
			else
				client_kill(c);
			return;
		}
		if (c->state == CLIENT_LINGER) {
			/* a client that still sends a large body must come to read its answer */
			c->lingered += (size_t)n;
			if (c->lingered < LINGER_BYTES)
				loop_timer_set(c->w->loop, &c->timer, LINGER_TIME);
			continue;
		}
		if (c->state == CLIENT_HEAD && c->in.used == 0)
			loop_timer_set(c->w->loop, &c->timer, HEAD_TIME);
		else if (c->state == CLIENT_BODY)
			loop_timer_set(c->w->loop, &c->timer, BODY_TIME);
		c->in.used += (size_t)n;
		/* that was all for now: should there be more, the loop comes back */
		if ((size_t)n < size)
			break;
	}
	/* what the last round read may be all that ever comes: no event would bring us back to it */
	use_input(c);
	if (!c->dead && c->in.used == 0 && c->state == CLIENT_HEAD)
		keep_input(c);
}

void
client_want_body(struct client *c)
{
	if (c->dead || c->body_done)
		return;
	c->want_body = true;
	while (!c->dead && c->in.used > 0 && reads_body(c))
		if (!take_body(c))
			break;
	watch(c);
}

void
client_want_drain(struct client *c)
{
	c->want_drain = true;
	watch(c);
}

/* ---- the broker ---- */

static void
on_call_answer(void *ctx, struct answer *a)
{
	struct client *c = ctx;

	if (!a->more)
		c->call_id = 0;
	c->on_answer(c, a);
}

int
client_call(struct client *c, unsigned no, const void *msg, const int *fds, size_t nfds, void (*fn)(struct client *c, struct answer *a),
    struct err *e)
{
	int64_t id;

	if (!edge_is_open(c->w->api))
		return err_set(e, ERR_UNAVAILABLE, "the engine's broker process is not available");
	c->on_answer = fn;
	id = edge_send(c->w->api, no, msg, fds, nfds, on_call_answer, c, e);
	if (id < 0)
		return -1;
	c->call_edge = c->w->api;
	c->call_id = id;
	return 0;
}

static void
on_status(struct client *c, struct answer *a)
{
	if (a->err != NULL)
		reply_error(c, a->err);
	else
		reply_empty(c, c->ok_status);
}

int
client_call_status(struct client *c, unsigned no, const void *msg, int status, struct err *e)
{
	c->ok_status = status;
	return client_call(c, no, msg, NULL, 0, on_status, e);
}

static const struct rec_type *
reply_type(unsigned no)
{
	return edge_table_row(&api_edge, no)->rep;
}

static void
on_rec(struct client *c, struct answer *a)
{
	if (a->err != NULL)
		reply_error(c, a->err);
	else
		reply_rec(c, c->ok_status & 1023, reply_type((unsigned)c->ok_status >> 10), a->msg);
}

int
client_call_rec(struct client *c, unsigned no, const void *msg, int status, struct err *e)
{
	c->ok_status = status | (int)(no << 10);
	return client_call(c, no, msg, NULL, 0, on_rec, e);
}
