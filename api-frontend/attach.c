/*
 * Attach and exec start: the client's connection itself is handed on to the container's monitor, with the head of the answer
 * and what was read beyond the request; the worker then forgets the client. It does not know whether there is a terminal, so
 * two heads go along.
 */
#include "routes.h"

#include <stdio.h>
#include <string.h>

#define RAW_TYPE "application/vnd.docker.raw-stream"
#define MUX_TYPE "application/vnd.docker.multiplexed-stream"

static int
make_head(struct client *c, bool mux, bool common, struct blob *ret, struct err *e)
{
	own_buf b = BUF_INIT(1024);
	const char *type = mux && c->version >= 142 ? MUX_TYPE : RAW_TYPE;

	if (c->head.upgrade)
		buf_printf(&b, "HTTP/1.1 101 UPGRADED\r\nContent-Type: %s\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n", type);
	else
		buf_printf(&b, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", common ? RAW_TYPE : type);
	if (common)
		put_common_headers(c, &b);
	buf_puts(&b, "\r\n");
	ret->p = (unsigned char *)arena_strn(&c->arena, (const char *)b.data, b.used);
	ret->n = b.used;
	return ret->p != NULL && !b.failed ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

/* What the client sent after its request belongs to the stream. */
static int
check_input(struct client *c, struct blob *ret, struct err *e)
{
	if (c->in.used > 65536)
		return err_set(e, ERR_INVALID, "too much input before the stream was opened");
	*ret = (struct blob){ c->in.used, c->in.data };
	return 0;
}

static void
write_raw_and_close(struct client *c, const struct buf *b)
{
	buf_put(&c->out, b->data, b->used);
	c->started = true;
	c->closing = true;
	c->state = CLIENT_FLUSH;
	client_flush(c);
}

/* Clients parse an answer of this form on a connection that they already took for a stream. */
static void
on_attached(struct client *c, struct answer *a)
{
	own_buf b = BUF_INIT(4096);
	int status;

	if (a->err == NULL) {
		client_hand_over(c);
		return;
	}
	status = http_status_of(a->err->code);
	buf_printf(&b, "HTTP/1.1 %d %s\r\nContent-Type: " RAW_TYPE "\r\n\r\n", status, http_reason(status));
	buf_puts(&b, a->err->text);
	buf_puts(&b, "\r\n");
	write_raw_and_close(c, &b);
}

/* "ctrl-a,x": letters, or ctrl- with a letter or one of @ [ \ ] ^ _ */
static bool
good_detach_keys(const char *keys)
{
	if (*keys == '\0')
		return true;
	for (const char *p = keys;;) {
		size_t n = strcspn(p, ",");

		if (n == 6 && strncmp(p, "ctrl-", 5) == 0) {
			if (!((p[5] >= 'a' && p[5] <= 'z') || strchr("@[\\]^_", p[5]) != NULL))
				return false;
		} else if (n != 1 && !(n == 3 && strncmp(p, "DEL", 3) == 0)) {
			return false;
		}
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

int
handle_container_attach(struct client *c, struct err *e)
{
	struct api_attach m = {
		.ref = c->name, .stream = query_bool(c, "stream", false), .logs = query_bool(c, "logs", false),
		.in = query_bool(c, "stdin", false), .out = query_bool(c, "stdout", false), .err = query_bool(c, "stderr", false),
		.detach_keys = (char *)(uintptr_t)query_str(c, "detachKeys"),
	};

	if (!good_detach_keys(m.detach_keys))
		return err_set(e, ERR_INVALID, "Invalid detach keys (%.64s) provided", m.detach_keys);
	if (make_head(c, false, false, &m.head_tty, e) < 0 || make_head(c, true, false, &m.head_mux, e) < 0 || check_input(c, &m.input, e) < 0)
		return -1;
	c->closing = true;
	return client_call(c, NO_container_attach, &m, &c->io.fd, 1, on_attached, e);
}

/* ---- exec start ---- */

#define EXEC_START_FIELDS(F, O, L) \
	F(flag, detach, "Detach", 1) \
	F(flag, tty, "Tty", 1) \
	F(pair, console_size, "ConsoleSize", 65535)
REC_DECLARE(exec_start_body, EXEC_START_FIELDS)
#define REC_SELF struct exec_start_body
REC_DEFINE(exec_start_body, EXEC_START_FIELDS)
#undef REC_SELF

static void
on_detached(struct client *c, struct answer *a)
{
	if (a->err != NULL)
		reply_error(c, a->err);
	else
		reply_empty(c, 200);
}

/* Only "no such exec" is an HTTP answer; what goes wrong later is told on the stream, where the Docker engine's clients
   look for it. */
static void
on_exec_started(struct client *c, struct answer *a)
{
	const struct api_exec_start *m = c->stream;
	const struct blob *head = m->tty ? &m->head_tty : &m->head_mux;
	own_buf b = BUF_INIT(8192);
	size_t n;

	if (a->err == NULL) {
		client_hand_over(c);
		return;
	}
	if (a->err->code == ERR_NOT_FOUND || a->err->code == ERR_UNAVAILABLE || a->err->code == ERR_CONFLICT || !c->head.upgrade) {
		c->stream = NULL;
		reply_error(c, a->err);
		return;
	}
	n = strlen(a->err->text) + 2;
	buf_put(&b, head->p, head->n);
	if (!m->tty) {
		const unsigned char frame[8] = { 1, 0, 0, 0, 0, 0, (unsigned char)(n >> 8), (unsigned char)n };

		buf_put(&b, frame, sizeof frame);
	}
	buf_puts(&b, a->err->text);
	buf_puts(&b, "\r\n");
	write_raw_and_close(c, &b);
}

int
handle_exec_start(struct client *c, struct err *e)
{
	struct exec_start_body *body = arena_alloc(&c->arena, sizeof *body);
	struct api_exec_start *m = arena_alloc(&c->arena, sizeof *m);

	if (body == NULL || m == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (c->body.used > 0 && client_record(c, &exec_start_body_type, body, e) < 0)
		return -1;
	if (strlen(c->name) > ID_MAX)
		return err_set(e, ERR_NOT_FOUND, "No such exec instance: %.100s", c->name);
	*m = (struct api_exec_start){ .id = c->name, .detach = body->detach, .tty = body->tty, .console_size = body->console_size };
	if (body->detach)
		return client_call(c, NO_exec_start, m, NULL, 0, on_detached, e);
	if (make_head(c, false, true, &m->head_tty, e) < 0 || make_head(c, true, true, &m->head_mux, e) < 0 || check_input(c, &m->input, e) < 0)
		return -1;
	c->stream = m;
	c->closing = true;
	return client_call(c, NO_exec_start, m, &c->io.fd, 1, on_exec_started, e);
}
