/*
 * From output to the log's records: json-file lines, byte for byte as the Docker engine writes them, or the frames of the local
 * driver (logframe.h). They are collected and written in large pieces (mon_files.c); one reading of the clock serves all lines that came in with one read.
 */
#include "monitor.h"

#include "logframe.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_ 16384u
#define OUT_MAX   ((size_t)4 << 20)

static const char hex[] = "0123456789abcdef";

/* 0: as it is; 1: \u00xx; 2: begins a multi-byte character; else the letter after the backslash */
static unsigned char class_of[256];

static void
make_classes(void)
{
	for (int c = 0; c < 0x20; c++)
		class_of[c] = 1;
	class_of['\n'] = 'n';
	class_of['\r'] = 'r';
	class_of['\t'] = 't';
	class_of['"'] = '"';
	class_of['\\'] = '\\';
	class_of['<'] = class_of['>'] = class_of['&'] = 1;
	for (int c = 0x80; c < 0x100; c++)
		class_of[c] = 2;
}

/* Length of the valid UTF-8 sequence at p (as Go decodes it), or 0. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	unsigned c = p[0], low = 0x80, high = 0xbf;
	size_t len;

	if (c >= 0xc2 && c <= 0xdf)
		len = 2;
	else if (c >= 0xe0 && c <= 0xef)
		len = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		len = 4;
	else
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

/* out has room for 6 bytes for each of n. */
static unsigned char *
escape(unsigned char *out, const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;

	while (p < end) {
		const unsigned char *run = p;
		unsigned char c;
		size_t len;

		while (p < end && class_of[*p] == 0)
			p++;
		memcpy(out, run, (size_t)(p - run));
		out += p - run;
		if (p == end)
			break;
		c = *p;
		if (class_of[c] == 1) {
			memcpy(out, "\\u00", 4);
			out[4] = (unsigned char)hex[c >> 4];
			out[5] = (unsigned char)hex[c & 15];
			out += 6;
			p++;
		} else if (class_of[c] != 2) {
			*out++ = '\\';
			*out++ = class_of[c];
			p++;
		} else if ((len = utf8_len(p, (size_t)(end - p))) == 0) {
			memcpy(out, "\\ufffd", 6);
			out += 6;
			p++;
		} else if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
			memcpy(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
			out += 6;
			p += 3;
		} else {
			memcpy(out, p, len);
			out += len;
			p += len;
		}
	}
	return out;
}

/* One clock reading for a batch of lines is right: they came in with one read. */
static void
stamp(struct log *l)
{
	l->now = now_real_ns();
	if (l->format == LOG_JSON) {
		text_time(l->stamp + l->stamp_head, l->now);
		l->stamp_n = l->stamp_head + strlen(l->stamp + l->stamp_head);
		memcpy(l->stamp + l->stamp_n, "\"}\n", 3);
		l->stamp_n += 3;
	}
}

static void
put_json(struct log *l, const struct stream *s, const unsigned char *text, size_t n, bool newline)
{
	unsigned char *p;

	if (!buf_room(&l->out, 6 * n + 64 + l->stamp_n))
		return;
	p = l->out.data + l->out.used;
	memcpy(p, "{\"log\":\"", 8);
	p += 8;
	p = escape(p, text, n);
	if (newline) {
		*p++ = '\\';
		*p++ = 'n';
	}
	memcpy(p, "\",\"stream\":\"std", 15);
	p += 15;
	memcpy(p, s->number == STREAM_OUT ? "out" : "err", 3);
	p += 3;
	memcpy(p, l->stamp, l->stamp_n);
	p += l->stamp_n;
	l->out.used = (size_t)(p - l->out.data);
}

static void
put_line(struct log *l, const struct stream *s, const unsigned char *text, size_t n, bool newline)
{
	const struct log_frame f = { .err = s->number == STREAM_ERR, .partial = !newline, .seq = ++l->seq, .time = l->now, .text = text, .n = n };

	if (l->format == LOG_JSON) {
		put_json(l, s, text, n, newline);
	} else if (buf_room(&l->out, FRAME_SIZE(n))) {
		log_frame_put(l->out.data + l->out.used, &f);
		l->out.used += FRAME_SIZE(n);
	}
}

/* What stands between a json-file line's stream and its time, made once. */
int
log_lines_init(struct log *l, struct err *e)
{
	const char *attrs = l->m->start.log_attrs;
	size_t room = (attrs != NULL ? strlen(attrs) : 0) + 96;

	make_classes();
	l->out.max = 8 * OUT_MAX;
	l->stamp = malloc(room);
	if (l->stamp == NULL)
		return err_set(e, ERR_NO_MEMORY, "log");
	l->stamp_head = (size_t)snprintf(l->stamp, room, attrs != NULL ? "\",\"attrs\":%s,\"time\":\"" : "\",%s\"time\":\"", attrs != NULL ? attrs : "");
	return 0;
}

static bool
keep_part(struct stream *s, const unsigned char *p, size_t n)
{
	if (s->part == NULL && (s->part = malloc(LINE_MAX_)) == NULL)
		return false;
	memcpy(s->part + s->part_n, p, n);
	s->part_n += n;
	return true;
}

/* Lines go out when their newline came; 16 KiB without one go out as a partial line. */
void
log_output(struct log *l, struct stream *s, const unsigned char *data, size_t n)
{
	const unsigned char *end = data + n;

	if (!l->on)
		return;
	stamp(l);
	while (data < end) {
		size_t left = (size_t)(end - data), room = LINE_MAX_ - s->part_n;
		const unsigned char *nl = memchr(data, '\n', left < room ? left : room);

		if (nl != NULL) {
			/* joined first, so that a character cut between two reads is whole */
			if (s->part_n > 0 && keep_part(s, data, (size_t)(nl - data)))
				put_line(l, s, s->part, s->part_n, true);
			else
				put_line(l, s, data, (size_t)(nl - data), true);
			s->part_n = 0;
			data = nl + 1;
			if (l->out.used > (OUT_MAX >> 2))
				log_flush(l);
			continue;
		}
		if (left < room) {
			if (!keep_part(s, data, left))
				l->failed = true;
			return;
		}
		if (s->part_n > 0 && keep_part(s, data, room))
			put_line(l, s, s->part, s->part_n, false);
		else
			put_line(l, s, data, room, false);
		s->part_n = 0;
		data += room;
		if (l->out.used > (OUT_MAX >> 2))
			log_flush(l);
	}
}

void
log_end(struct log *l, struct stream *s)
{
	if (!l->on || s->part_n == 0)
		return;
	stamp(l);
	put_line(l, s, s->part, s->part_n, false);
	s->part_n = 0;
}

void
log_relax(struct log *l)
{
	buf_done(&l->out);
}
