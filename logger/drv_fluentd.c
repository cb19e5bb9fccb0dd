/* fluentd and Fluent Bit: the forward protocol (MessagePack) over tcp, TLS or a local socket, with acknowledgements if they are asked for. */
#include "logger.h"

#include "text.h"

#include <stdlib.h>

struct conf {
	bool sub_second, ack, async;
	char chunk[33];
	unsigned char seen[256];       /* what was read of an acknowledgement */
	size_t n_seen;
};

/* ---- MessagePack ---- */
static void
put_head(struct buf *b, unsigned fix, unsigned fix_max, unsigned wide16, size_t n)
{
	if (n <= fix_max) {
		buf_put_u8(b, (uint8_t)(fix | n));
	} else if (n <= 0xffff) {
		buf_put_u8(b, (uint8_t)wide16);
		buf_put_u8(b, (uint8_t)(n >> 8));
		buf_put_u8(b, (uint8_t)n);
	} else {
		buf_put_u8(b, (uint8_t)(wide16 + 1));
		for (int i = 3; i >= 0; i--)
			buf_put_u8(b, (uint8_t)(n >> 8 * i));
	}
}

static void
put_str(struct buf *b, const void *text, size_t n)
{
	/* str 8 stands before str 16 */
	if (n > 31 && n <= 255) {
		buf_put_u8(b, 0xd9);
		buf_put_u8(b, (uint8_t)n);
	} else {
		put_head(b, 0xa0, 31, 0xda, n);
	}
	buf_put(b, text, n);
}

static void
put_text(struct buf *b, const char *text)
{
	put_str(b, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static void
put_pair(struct buf *b, const char *key, const char *value)
{
	put_text(b, key);
	put_text(b, value);
}

static void
put_time(struct buf *b, int64_t ns, bool sub_second)
{
	uint32_t seconds = (uint32_t)(ns / 1000000000), rest = (uint32_t)(ns % 1000000000);

	if (sub_second) {
		buf_put_u8(b, 0xd7);
		buf_put_u8(b, 0);
	} else {
		buf_put_u8(b, 0xce);
	}
	for (int i = 3; i >= 0; i--)
		buf_put_u8(b, (uint8_t)(seconds >> 8 * i));
	for (int i = 3; sub_second && i >= 0; i--)
		buf_put_u8(b, (uint8_t)(rest >> 8 * i));
}

/* {"ack": chunk}: nothing else is sent to us. */
static bool
on_input(struct ship *s, const unsigned char *data, size_t n)
{
	struct conf *c = s->conf;
	size_t len = strlen(c->chunk);

	if (n > sizeof c->seen - c->n_seen)
		c->n_seen = 0;
	if (n > sizeof c->seen)
		return false;
	memcpy(c->seen + c->n_seen, data, n);
	c->n_seen += n;
	if (len == 0 || memmem(c->seen, c->n_seen, c->chunk, len) == NULL)
		return false;
	c->n_seen = 0;
	return true;
}

static int
open_fluentd(struct ship *s, struct err *e)
{
	const char *address = ship_opt(s, "fluentd-address"), *text;
	struct conf *c = arena_alloc(&s->arena, sizeof *c);
	struct link *l = &s->link;
	char with[320];
	uint64_t n;
	int64_t ns;

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->conf = c;
	snprintf(with, sizeof with, "%s%s", address == NULL || strstr(address, "://") == NULL ? "tcp://" : "", address != NULL ? address : "127.0.0.1");
	if (!log_address_parse(with, &l->address))
		return err_set(e, ERR_INVALID, "invalid fluentd-address (%.200s)", address);
	if (l->address.host[0] == '\0' && !l->address.has_path)
		snprintf(l->address.host, sizeof l->address.host, "127.0.0.1");
	if (l->address.port == 0)
		l->address.port = 24224;
	l->tls = strcmp(l->address.proto, "tls") == 0;
	l->on_input = on_input;
	c->sub_second = ship_opt_bool(s, "fluentd-sub-second-precision", false);
	c->async = ship_opt_bool(s, "fluentd-async", false) || ship_opt_bool(s, "fluentd-async-connect", false);
	c->ack = l->waits_for_answer = ship_opt_bool(s, "fluentd-request-ack", false);
	s->retry_ns = INT64_C(1000000000);
	if ((text = ship_opt(s, "fluentd-retry-wait")) != NULL && log_opts_duration(text, &ns))
		s->retry_ns = ns;
	if ((text = ship_opt(s, "fluentd-max-retries")) != NULL && text_to_u64(text, INT32_MAX, &n))
		s->most_failures = (int64_t)n;
	return 0;
}

/* The batch holds the entries; what stands around them comes with finish. */
static void
add_fluentd(struct ship *s, const struct record *r)
{
	const struct conf *c = s->conf;
	struct buf *b = &s->batch;
	char name[NAME_MAX_ + 2], number[16];

	buf_put_u8(b, 0x92);
	put_time(b, r->time, c->sub_second);
	put_head(b, 0x80, 15, 0xde, 4 + s->target.attrs.n + (r->part.is ? 4 : 0));
	put_pair(b, "container_id", s->target.id);
	snprintf(name, sizeof name, "/%s", s->target.name);
	put_pair(b, "container_name", name);
	put_pair(b, "source", r->err ? "stderr" : "stdout");
	put_text(b, "log");
	put_str(b, r->text, r->n);
	for (size_t i = 0; i < s->target.attrs.n; i++)
		put_pair(b, s->target.attrs.v[i].key, s->target.attrs.v[i].value);
	if (r->part.is) {
		snprintf(number, sizeof number, "%u", r->part.ordinal);
		put_pair(b, "partial_message", "true");
		put_pair(b, "partial_id", r->part.id);
		put_pair(b, "partial_ordinal", number);
		put_pair(b, "partial_last", r->part.last ? "true" : "false");
	}
}

/* Forward mode: [tag, [[time, record], ...], {"size": n, "chunk": id}] */
static void
finish_fluentd(struct ship *s)
{
	struct conf *c = s->conf;
	struct buf whole = BUF_INIT(s->batch.max);
	unsigned char id[16];

	buf_put_u8(&whole, 0x93);
	put_text(&whole, s->target.tag);
	put_head(&whole, 0x90, 15, 0xdc, s->n_batch);
	if (s->batch.used > 0)
		buf_put(&whole, s->batch.data, s->batch.used);
	put_head(&whole, 0x80, 15, 0xde, c->ack ? 2 : 1);
	put_text(&whole, "size");
	buf_put_u8(&whole, 0xcd);
	buf_put_u8(&whole, (uint8_t)(s->n_batch >> 8));
	buf_put_u8(&whole, (uint8_t)s->n_batch);
	if (c->ack) {
		if (!text_random(id, sizeof id))
			memset(id, 0, sizeof id);
		text_hex(c->chunk, id, sizeof id);
		put_pair(&whole, "chunk", c->chunk);
		c->n_seen = 0;
	}
	whole.failed = whole.failed || s->batch.failed;
	buf_done(&s->batch);
	s->batch = whole;
}

static void
send_fluentd(struct ship *s)
{
	link_send(&s->link);
}

static void
check_fluentd(struct ship *s)
{
	const struct conf *c = s->conf;

	if (c->async)
		ship_sent(s);
	else
		link_check(&s->link);
}

const struct driver driver_fluentd = { .name = "fluentd", .open = open_fluentd, .add = add_fluentd, .finish = finish_fluentd, .send = send_fluentd,
	.check = check_fluentd, .records = 2048, .bytes = (size_t)512 << 10 };
