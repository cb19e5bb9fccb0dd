/* journald, by its native protocol: one datagram of fields for each record. */
#include "logger.h"

#include "text.h"

#include <unistd.h>

#define SOCKET "/run/systemd/journal/socket"

static void
put_field(struct buf *b, const char *key, const void *value, size_t n)
{
	buf_puts(b, key);
	if (memchr(value, '\n', n) == NULL) {
		buf_putc(b, '=');
	} else {
		buf_putc(b, '\n');
		buf_put_u64(b, n);
	}
	buf_put(b, value, n);
	buf_putc(b, '\n');
}

static void
put_text(struct buf *b, const char *key, const char *value)
{
	put_field(b, key, value != NULL ? value : "", value != NULL ? strlen(value) : 0);
}

/* Field names: upper-case letters, digits and underscores, not an underscore in front. */
static void
put_attribute(struct buf *b, const char *key, const char *value)
{
	char name[65];
	size_t n = 0;

	for (; *key != '\0' && n + 1 < sizeof name; key++) {
		char c = *key;

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		else if ((c < 'A' || c > 'Z') && (c < '0' || c > '9'))
			c = '_';
		if (n > 0 || c != '_')
			name[n++] = c;
	}
	name[n] = '\0';
	if (n > 0 && (name[0] < '0' || name[0] > '9'))
		put_text(b, name, value);
}

static int
open_journald(struct ship *s, struct err *e)
{
	struct buf *b = arena_alloc(&s->arena, sizeof *b);
	char id[13];

	if (b == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->link.address = (struct log_address){ .proto = "unixgram", .path = SOCKET, .has_path = true };
	s->link.dgram = true;
	/* the fields that are the same in each record */
	b->max = (size_t)1 << 20;
	snprintf(id, sizeof id, "%.12s", s->target.id);
	put_text(b, "CONTAINER_ID", id);
	put_text(b, "CONTAINER_ID_FULL", s->target.id);
	put_text(b, "CONTAINER_NAME", s->target.name);
	put_text(b, "CONTAINER_TAG", s->target.tag);
	put_text(b, "IMAGE_NAME", s->target.image_name);
	put_text(b, "SYSLOG_IDENTIFIER", s->target.tag);
	for (size_t i = 0; i < s->target.attrs.n; i++)
		put_attribute(b, s->target.attrs.v[i].key, s->target.attrs.v[i].value);
	if (b->failed) {
		buf_done(b);
		return err_set(e, ERR_LIMIT, "the attributes of the log are too long");
	}
	s->conf = arena_strn(&s->arena, (const char *)b->data, b->used);
	s->conf_n = b->used;
	buf_done(b);
	return s->conf != NULL ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

static void
add_journald(struct ship *s, const struct record *r)
{
	struct buf *b = &s->batch;
	size_t head = b->used, n;
	char number[24], when[40];

	buf_put_u32(b, 0);
	put_field(b, "MESSAGE", r->text, r->n);
	put_text(b, "PRIORITY", r->err ? "3" : "6");
	buf_put(b, s->conf, s->conf_n);
	text_time(when, r->time);
	put_text(b, "SYSLOG_TIMESTAMP", when);
	snprintf(number, sizeof number, "%llu", (unsigned long long)r->seq);
	put_text(b, "CONTAINER_LOG_ORDINAL", number);
	if (r->part.is) {
		if (!r->part.last)
			put_text(b, "CONTAINER_PARTIAL_MESSAGE", "true");
		put_text(b, "CONTAINER_PARTIAL_ID", r->part.id);
		snprintf(number, sizeof number, "%u", r->part.ordinal);
		put_text(b, "CONTAINER_PARTIAL_ORDINAL", number);
		put_text(b, "CONTAINER_PARTIAL_LAST", r->part.last ? "true" : "false");
	}
	if (b->failed)
		return;
	n = b->used - head - 4;
	for (int i = 0; i < 4; i++)
		b->data[head + (size_t)i] = (unsigned char)(n >> 8 * i);
}

static void
send_journald(struct ship *s)
{
	link_send(&s->link);
}

static void
check_journald(struct ship *s)
{
	struct err e = ERR_INIT;

	if (access(SOCKET, F_OK) < 0) {
		(void)err_set(&e, ERR_UNAVAILABLE, "journald is not enabled on this host");
		ship_failed(s, &e);
		return;
	}
	link_check(&s->link);
}

const struct driver driver_journald = { .name = "journald", .open = open_journald, .add = add_journald, .send = send_journald, .check = check_journald,
	.records = 256, .bytes = (size_t)256 << 10 };
