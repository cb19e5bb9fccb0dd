/* Graylog Extended Log Format 1.1: over udp (gzip, zlib or plain; large ones in chunks) or tcp (plain, each with a NUL at its end). */
#include "logger.h"

#include "text.h"

#include <stdlib.h>

#define CHUNK      1420u
#define CHUNK_HEAD 12u
#define CHUNKS_MAX 128u

struct conf {
	char *extra;                   /* fields that are the same in each message, with a comma in front */
	int bits, level;               /* of zlib; bits 0: plain */
};

static void
put_extra(struct buf *b, const char *key, const char *value)
{
	buf_putc(b, ',');
	put_json_str(b, key);
	buf_putc(b, ':');
	put_json_str(b, value);
}

static int
open_gelf(struct ship *s, struct err *e)
{
	const char *type = ship_opt(s, "gelf-compression-type"), *level = ship_opt(s, "gelf-compression-level"), *text;
	struct conf *c = arena_alloc(&s->arena, sizeof *c);
	own_buf b = BUF_INIT((size_t)1 << 20);
	char when[40];
	uint64_t n;

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (!log_address_parse(kvs_get(&s->target.options, "gelf-address"), &s->link.address))
		return err_set(e, ERR_INVALID, "gelf: endpoint needs to be TCP or UDP");
	s->conf = c;
	s->link.dgram = strcmp(s->link.address.proto, "udp") == 0;
	c->bits = !s->link.dgram || (type != NULL && strcmp(type, "none") == 0) ? 0 : type != NULL && strcmp(type, "zlib") == 0 ? 15 : 31;
	c->level = level != NULL ? (int)strtol(level, NULL, 10) : 1;
	if ((text = ship_opt(s, "gelf-tcp-max-reconnect")) != NULL && text_to_u64(text, INT32_MAX, &n))
		s->most_failures = (int64_t)n;
	if ((text = ship_opt(s, "gelf-tcp-reconnect-delay")) != NULL && text_to_u64(text, 3600, &n))
		s->retry_ns = (int64_t)n * 1000000000;
	put_extra(&b, "_container_id", s->target.id);
	put_extra(&b, "_container_name", s->target.name);
	put_extra(&b, "_image_id", s->target.image_id);
	put_extra(&b, "_image_name", s->target.image_name);
	put_extra(&b, "_command", s->target.command);
	put_extra(&b, "_tag", s->target.tag);
	text_time(when, s->target.created);
	put_extra(&b, "_created", when);
	for (size_t i = 0; i < s->target.attrs.n; i++) {
		char key[300];

		snprintf(key, sizeof key, "%s%s", s->target.attrs.v[i].key[0] == '_' ? "" : "_", s->target.attrs.v[i].key);
		put_extra(&b, key, s->target.attrs.v[i].value);
	}
	c->extra = b.failed ? NULL : arena_str(&s->arena, buf_cstr(&b));
	return c->extra != NULL ? 0 : err_set(e, ERR_LIMIT, "the attributes of the log are too long");
}

static void
put_chunks(struct ship *s, const unsigned char *p, size_t n)
{
	size_t room = CHUNK - CHUNK_HEAD, count = (n + room - 1) / room;
	unsigned char head[CHUNK_HEAD] = { 0x1e, 0x0f };

	if (count > CHUNKS_MAX || !text_random(head + 2, 8)) {
		ship_left_out(s, "it is larger than all chunks that GELF has room for");
		return;
	}
	head[11] = (unsigned char)count;
	for (size_t i = 0; i < count; i++) {
		size_t len = n - i * room < room ? n - i * room : room;

		head[10] = (unsigned char)i;
		buf_put_u32(&s->batch, (uint32_t)(CHUNK_HEAD + len));
		buf_put(&s->batch, head, CHUNK_HEAD);
		buf_put(&s->batch, p + i * room, len);
	}
}

static void
add_gelf(struct ship *s, const struct record *r)
{
	const struct conf *c = s->conf;
	own_buf m = BUF_INIT((size_t)2 << 20), packed = BUF_INIT((size_t)2 << 20);
	const struct buf *out = &m;

	buf_puts(&m, "{\"version\":\"1.1\",\"host\":");
	put_json_str(&m, s->target.hostname);
	buf_puts(&m, ",\"short_message\":");
	put_json(&m, r->text, r->n);
	buf_printf(&m, ",\"timestamp\":%lld.%03lld,\"level\":%d%s}", (long long)(r->time / 1000000000), (long long)(r->time / 1000000 % 1000), r->err ? 3 : 6, c->extra);
	if (m.failed) {
		ship_left_out(s, "it is larger than a GELF message may be");
		return;
	}
	if (!s->link.dgram) {
		buf_put(&s->batch, m.data, m.used);
		buf_putc(&s->batch, '\0');
		return;
	}
	if (c->bits != 0 && put_gzip(&packed, m.data, m.used, c->level, c->bits))
		out = &packed;
	if (out->used > CHUNK) {
		put_chunks(s, out->data, out->used);
	} else {
		buf_put_u32(&s->batch, (uint32_t)out->used);
		buf_put(&s->batch, out->data, out->used);
	}
}

static void
send_gelf(struct ship *s)
{
	link_send(&s->link);
}

static void
check_gelf(struct ship *s)
{
	link_check(&s->link);
}

const struct driver driver_gelf = { .name = "gelf", .open = open_gelf, .add = add_gelf, .send = send_gelf, .check = check_gelf,
	.records = 1024, .bytes = (size_t)512 << 10 };
