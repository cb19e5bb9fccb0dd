/* Splunk's HTTP Event Collector. */
#include "logger.h"

#include "text.h"

#include <stdlib.h>

#define REFUSED 400        /* what is wrong with the data will not be right the next time */

struct conf {
	char url[600], channel[40];
	char *around;              /* the fields of each message, with a comma in front */
	char *extra;               /* inline, json: tag and attrs; raw: the prefix */
	bool raw, json, gzip, verify, ack;
	int level;
	struct buf packed;
};

static int
open_splunk(struct ship *s, struct err *e)
{
	static const char *const keys[][2] = { { "splunk-source", "source" }, { "splunk-sourcetype", "sourcetype" }, { "splunk-index", "index" } };
	const char *url = kvs_get(&s->target.options, "splunk-url"), *format = ship_opt(s, "splunk-format"), *level = ship_opt(s, "splunk-gzip-level");
	struct conf *c = arena_alloc(&s->arena, sizeof *c);
	own_buf b = BUF_INIT((size_t)1 << 20);
	char id[33];
	unsigned char random[16];

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->conf = c;
	if ((size_t)snprintf(c->url, sizeof c->url, "%.*s/services/collector/event/1.0", (int)(strlen(url) - (url[strlen(url) - 1] == '/' ? 1 : 0)), url) >= sizeof c->url)
		return err_set(e, ERR_INVALID, "splunk: splunk-url is too long");
	c->raw = format != NULL && strcmp(format, "raw") == 0;
	c->json = format != NULL && strcmp(format, "json") == 0;
	c->gzip = ship_opt_bool(s, "splunk-gzip", false);
	c->level = level != NULL ? (int)strtol(level, NULL, 10) : -1;
	c->verify = ship_opt_bool(s, "splunk-verify-connection", true);
	c->ack = ship_opt_bool(s, "splunk-index-acknowledgment", false);
	c->packed.max = (size_t)8 << 20;
	if (!text_random(random, sizeof random))
		return err_set(e, ERR_SYSTEM, "no randomness");
	text_hex(id, random, sizeof random);
	snprintf(c->channel, sizeof c->channel, "%.8s-%.4s-4%.3s-a%.3s-%.12s", id, id + 8, id + 13, id + 17, id + 20);
	buf_puts(&b, ",\"host\":");
	put_json_str(&b, s->target.hostname);
	for (size_t i = 0; i < 3; i++)
		if (ship_opt(s, keys[i][0]) != NULL) {
			buf_printf(&b, ",\"%s\":", keys[i][1]);
			put_json_str(&b, ship_opt(s, keys[i][0]));
		}
	c->around = b.failed ? NULL : arena_str(&s->arena, buf_cstr(&b));
	buf_reset(&b);
	if (c->raw) {
		if (*s->target.tag != '\0')
			buf_printf(&b, "%s ", s->target.tag);
		for (size_t i = 0; i < s->target.attrs.n; i++)
			buf_printf(&b, "%s=%s ", s->target.attrs.v[i].key, s->target.attrs.v[i].value);
	} else {
		if (*s->target.tag != '\0') {
			buf_puts(&b, ",\"tag\":");
			put_json_str(&b, s->target.tag);
		}
		for (size_t i = 0; i < s->target.attrs.n; i++) {
			buf_puts(&b, i == 0 ? ",\"attrs\":{" : ",");
			put_json_str(&b, s->target.attrs.v[i].key);
			buf_putc(&b, ':');
			put_json_str(&b, s->target.attrs.v[i].value);
		}
		if (s->target.attrs.n > 0)
			buf_putc(&b, '}');
	}
	c->extra = b.failed ? NULL : arena_str(&s->arena, buf_cstr(&b));
	return c->extra != NULL && c->around != NULL ? 0 : err_set(e, ERR_LIMIT, "the attributes of the log are too long");
}

static void
add_splunk(struct ship *s, const struct record *r)
{
	const struct conf *c = s->conf;
	struct buf *b = &s->batch;
	size_t i = 0;

	while (c->raw && i < r->n && strchr(" \t\r\n\v\f", r->text[i]) != NULL && r->text[i] != '\0')
		i++;
	if (c->raw && i == r->n)
		return;   /* the collector takes no empty event */
	buf_puts(b, "{\"event\":");
	if (c->raw) {
		own_buf line = BUF_INIT(FRAME_TEXT_MAX + ((size_t)1 << 20));

		buf_puts(&line, c->extra);
		buf_put(&line, r->text, r->n);
		put_json(b, line.data, line.used);
	} else {
		buf_puts(b, "{\"line\":");
		if (c->json && is_json(r->text, r->n))
			buf_put(b, r->text, r->n);
		else
			put_json(b, r->text, r->n);
		buf_printf(b, ",\"source\":\"%s\"%s}", r->err ? "stderr" : "stdout", c->extra);
	}
	buf_printf(b, ",\"time\":\"%lld.%06lld\"%s}", (long long)(r->time / 1000000000), (long long)(r->time / 1000 % 1000000), c->around);
}

static bool
on_reply(struct transfer *t, CURLcode code, long status)
{
	struct ship *s = t->ship;
	struct conf *c = s->conf;
	struct log_address a = { .port = 0 };
	struct err e = ERR_INIT;

	s->request = NULL;
	buf_done(&c->packed);
	if (code == CURLE_OK && status == 200) {
		ship_sent(s);
		return false;
	}
	if (code != CURLE_OK) {
		(void)log_address_parse(c->url, &a);
		transfer_error(t, code, "tcp", a.host, a.port != 0 ? a.port : strcmp(a.proto, "https") == 0 ? 443 : 80, &e);
	} else {
		(void)err_set(&e, ERR_UNAVAILABLE, "splunk: failed to %s - %ld - %.200s", s->check != NULL ? "verify connection" : "send event", status, buf_cstr(&t->reply));
	}
	if (code == CURLE_OK && status == REFUSED && s->check == NULL)
		ship_refused(s, &e);
	else
		ship_failed(s, &e);
	return false;
}

static struct transfer *
request(struct ship *s)
{
	struct conf *c = s->conf;
	struct transfer *t = transfer_new(s, c->url, on_reply);
	const char *name = ship_opt(s, "splunk-caname");

	if (t == NULL || !transfer_header(t, "Authorization: Splunk %s", kvs_get(&s->target.options, "splunk-token")) ||
	    (c->ack && !transfer_header(t, "X-Splunk-Request-Channel: %s", c->channel))) {
		transfer_free(t);
		return NULL;
	}
	/* the name that stands in its certificate, where its address has another */
	if (name != NULL && (!transfer_server_name(t, c->url, name))) {
		transfer_free(t);
		return NULL;
	}
	transfer_tls(t, ship_opt(s, "splunk-capath"), NULL, NULL, ship_opt_bool(s, "splunk-insecureskipverify", false));
	return t;
}

static void
start(struct ship *s, struct transfer *t)
{
	struct err e = ERR_INIT;

	s->request = t;
	if (t != NULL && transfer_start(t))
		return;
	transfer_free(t);
	s->request = NULL;
	(void)err_set(&e, ERR_NO_MEMORY, "splunk: no request can be made");
	ship_failed(s, &e);
}

static void
send_splunk(struct ship *s)
{
	struct conf *c = s->conf;
	struct transfer *t;

	if (s->batch.used == 0) {
		ship_sent(s);
		return;
	}
	t = request(s);
	buf_done(&c->packed);
	if (t != NULL && c->gzip && put_gzip(&c->packed, s->batch.data, s->batch.used, c->level, 31)) {
		(void)transfer_header(t, "Content-Encoding: gzip");
		transfer_post(t, c->packed.data, c->packed.used);
	} else if (t != NULL) {
		transfer_post(t, s->batch.data, s->batch.used);
	}
	start(s, t);
}

static void
check_splunk(struct ship *s)
{
	const struct conf *c = s->conf;
	struct transfer *t;

	if (!c->verify) {
		ship_sent(s);
		return;
	}
	t = request(s);
	if (t != NULL)
		(void)curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "OPTIONS");
	start(s, t);
}

const struct driver driver_splunk = { .name = "splunk", .open = open_splunk, .add = add_splunk, .send = send_splunk, .check = check_splunk,
	.records = 1000, .bytes = (size_t)1 << 20, .linger_ns = INT64_C(200000000) };
