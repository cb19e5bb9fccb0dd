/* Answers: whole ones with a length, streams in chunks. */
#include "client.h"

#include "log.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const char *
http_date(struct worker *w)
{
	int64_t now = now_real_ns() / 1000000000;
	time_t t = (time_t)now;
	struct tm tm;

	if (w->date_second != now) {
		gmtime_r(&t, &tm);
		(void)strftime(w->date, sizeof w->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		w->date_second = now;
	}
	return w->date;
}

void
put_common_headers(struct client *c, struct buf *b)
{
	buf_puts(b, "Api-Version: " API_VERSION_TEXT "\r\nDocker-Experimental: ");
	buf_puts(b, c->w->experimental ? "true" : "false");
	buf_puts(b, "\r\nOstype: linux\r\nServer: Bulwark/" BULWARK_VERSION " (linux)\r\n");
}

static void
put_head(struct client *c, int status, const char *type)
{
	struct buf *b = &c->out;

	buf_printf(b, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
	/* unknown paths are answered before the version is known, without these */
	if (c->route != NULL)
		put_common_headers(c, b);
	if (type != NULL) {
		buf_puts(b, "Content-Type: ");
		buf_puts(b, type);
		buf_puts(b, "\r\n");
	}
	if (c->extra != NULL)
		buf_puts(b, c->extra);
	buf_puts(b, "Date: ");
	buf_puts(b, http_date(c->w));
	buf_puts(b, "\r\n");
}

static void
finish(struct client *c)
{
	c->state = CLIENT_FLUSH;
	c->want_body = c->want_drain = false;
	loop_timer_set(c->w->loop, &c->timer, INT64_C(600) * 1000000000);
	client_flush(c);
}

/* The rest of an unread body would be taken for the next request. */
static void
check_unread(struct client *c)
{
	if (c->route != NULL && c->route->body == BODY_STREAM && !c->body_done)
		c->closing = true;
}

void
reply(struct client *c, int status, const char *type, const void *body, size_t n)
{
	if (c->dead)
		return;
	if (c->started) {
		stream_abort(c);
		return;
	}
	check_unread(c);
	c->started = true;
	put_head(c, status, type);
	if (status != 204 && status != 304)
		buf_printf(&c->out, "Content-Length: %zu\r\n", n);
	if (c->closing)
		buf_puts(&c->out, "Connection: close\r\n");
	buf_put(&c->out, "\r\n", 2);
	if (!c->no_body)
		buf_put(&c->out, body, n);
	finish(c);
}

void
reply_empty(struct client *c, int status)
{
	reply(c, status, NULL, "", 0);
}

void
reply_buf(struct client *c, int status, const struct buf *json)
{
	if (json->failed) {
		reply_message(c, 500, "the answer is too large");
		return;
	}
	if (c->dead)
		return;
	if (c->started) {
		stream_abort(c);
		return;
	}
	check_unread(c);
	c->started = true;
	put_head(c, status, "application/json");
	buf_printf(&c->out, "Content-Length: %zu\r\n%s\r\n", json->used + 1, c->closing ? "Connection: close\r\n" : "");
	if (!c->no_body) {
		buf_put(&c->out, json->data, json->used);
		buf_putc(&c->out, '\n');
	}
	finish(c);
}

void
reply_rec(struct client *c, int status, const struct rec_type *t, const void *obj)
{
	own_buf b = BUF_INIT((size_t)64 << 20);

	json_put_rec(&b, t, obj);
	reply_buf(c, status, &b);
}

void
reply_message(struct client *c, int status, const char *message)
{
	own_buf b = BUF_INIT(65536);

	if (c->dead)
		return;
	if (c->started) {
		stream_abort(c);
		return;
	}
	buf_puts(&b, "{\"message\":");
	json_put_str(&b, message);
	buf_putc(&b, '}');
	reply_buf(c, status, &b);
}

void
reply_error(struct client *c, const struct err *e)
{
	int status = http_status_of(e->code);

	if (status == 304)
		reply_empty(c, 304);
	else
		reply_message(c, status, e->text);
}

void
stream_begin(struct client *c, int status, const char *type)
{
	if (c->dead || c->started)
		return;
	check_unread(c);
	c->started = true;
	put_head(c, status, type);
	c->chunked = c->head.minor >= 1;
	if (c->chunked)
		buf_puts(&c->out, "Transfer-Encoding: chunked\r\n");
	else
		c->closing = true;
	if (c->closing)
		buf_puts(&c->out, "Connection: close\r\n");
	buf_put(&c->out, "\r\n", 2);
	c->eof_cancels = c->body_done;
	client_flush(c);
}

void
stream_open_chunk(struct client *c)
{
	if (c->dead || c->in_chunk)
		return;
	c->in_chunk = true;
	c->chunk_at = c->out.used;
	if (c->chunked)
		buf_put(&c->out, "00000000\r\n", 10);
}

void
stream_close_chunk(struct client *c)
{
	static const char hex[] = "0123456789abcdef";
	size_t n;

	if (c->dead || !c->in_chunk)
		return;
	c->in_chunk = false;
	if (!c->chunked || c->out.failed)
		return;
	n = c->out.used - c->chunk_at - 10;
	if (n == 0) {
		/* an empty chunk would end the body */
		c->out.used = c->chunk_at;
		return;
	}
	for (size_t i = 0; i < 8; i++)
		c->out.data[c->chunk_at + i] = (unsigned char)hex[n >> (28 - 4 * i) & 15];
	buf_put(&c->out, "\r\n", 2);
}

void
stream_put(struct client *c, const void *p, size_t n)
{
	if (c->dead || c->no_body)
		return;
	stream_open_chunk(c);
	buf_put(&c->out, p, n);
	stream_close_chunk(c);
	client_flush(c);
}

void
stream_end(struct client *c)
{
	if (c->dead)
		return;
	check_unread(c);
	stream_close_chunk(c);
	if (c->chunked)
		buf_put(&c->out, "0\r\n\r\n", 5);
	finish(c);
}

void
stream_abort(struct client *c)
{
	if (c->dead)
		return;
	/* without the last chunk the client sees that something is missing */
	c->in_chunk = false;
	c->closing = true;
	finish(c);
}
