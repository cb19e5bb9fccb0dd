#include "logline.h"

#include "json.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The quote that ends a JSON string whose first byte is p[0]; NULL if it does not end. *escaped: there is a backslash in it. */
static const char *
string_end(const char *p, const char *end, bool *escaped)
{
	for (const char *at = p;;) {
		const char *quote = memchr(at, '"', (size_t)(end - at)), *slash = quote;

		if (quote == NULL)
			return NULL;
		while (slash > p && slash[-1] == '\\')
			slash--;
		/* an even number of backslashes escapes itself only */
		if ((quote - slash) % 2 == 0) {
			*escaped = memchr(p, '\\', (size_t)(quote - p)) != NULL;
			return quote;
		}
		at = quote + 1;
	}
}

static bool
take(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
		return false;
	*p += n;
	return true;
}

/* The end of an object that starts at p, strings respected. */
static const char *
object_end(const char *p, const char *end)
{
	int depth = 0;
	bool escaped;

	for (; p < end; p++) {
		if (*p == '"') {
			p = string_end(p + 1, end, &escaped);
			if (p == NULL)
				return NULL;
		} else if (*p == '{') {
			depth++;
		} else if (*p == '}' && --depth == 0) {
			return p + 1;
		}
	}
	return NULL;
}

static bool
scan_own(const char *p, size_t n, struct log_line *l)
{
	const char *end = p + n, *quote;
	bool escaped;

	if (!take(&p, end, "{\"log\":\"") || (quote = string_end(p, end, &escaped)) == NULL)
		return false;
	l->text = p;
	l->n = (size_t)(quote - p);
	l->raw = escaped;
	l->partial = !(l->n >= 2 && quote[-2] == '\\' && quote[-1] == 'n');
	p = quote + 1;
	if (take(&p, end, ",\"stream\":\"stdout\""))
		l->stream = LOG_STDOUT;
	else if (take(&p, end, ",\"stream\":\"stderr\""))
		l->stream = LOG_STDERR;
	else
		return false;
	l->attrs = NULL;
	l->attrs_n = 0;
	l->frame = false;
	if (take(&p, end, ",\"attrs\":")) {
		const char *after = object_end(p, end);

		if (after == NULL)
			return false;
		l->attrs = p;
		l->attrs_n = (size_t)(after - p);
		p = after;
	}
	if (!take(&p, end, ",\"time\":\"") || (quote = memchr(p, '"', (size_t)(end - p))) == NULL || (size_t)(quote - p) >= sizeof l->time ||
	    memchr(p, '\\', (size_t)(quote - p)) != NULL)
		return false;
	memcpy(l->time, p, (size_t)(quote - p));
	l->time[quote - p] = '\0';
	return end - quote == 2 && quote[1] == '}';
}

static bool
scan_foreign(const char *p, size_t n, struct log_line *l, struct buf *scratch)
{
	own_json *v = NULL;
	struct err e = ERR_INIT;
	json_t *text, *stream, *time, *attrs;

	if (json_parse(p, n, &v, &e) < 0 || !json_is_object(v))
		return false;
	text = json_member(v, "log");
	stream = json_member(v, "stream");
	time = json_member(v, "time");
	attrs = json_member(v, "attrs");
	if ((text != NULL && !json_is_string(text)) || (stream != NULL && !json_is_string(stream)) || !json_is_string(time) ||
	    !text_copy(l->time, sizeof l->time, json_string_value(time)))
		return false;
	l->stream = stream != NULL && strcmp(json_string_value(stream), "stderr") == 0 ? LOG_STDERR : LOG_STDOUT;
	buf_reset(scratch);
	if (text != NULL)
		buf_put(scratch, json_string_value(text), json_string_length(text));
	l->n = scratch->used;
	l->attrs = NULL;
	l->attrs_n = 0;
	if (json_is_object(attrs)) {
		char *dump = json_dumps(attrs, JSON_COMPACT);

		if (dump != NULL) {
			buf_puts(scratch, dump);
			l->attrs_n = strlen(dump);
			free(dump);
		}
	}
	if (scratch->failed)
		return false;
	l->text = scratch->data != NULL ? (const char *)scratch->data : "";
	if (l->attrs_n > 0)
		l->attrs = l->text + l->n;
	l->raw = l->frame = false;
	l->partial = l->n == 0 || l->text[l->n - 1] != '\n';
	return true;
}

bool
log_line_scan(const char *p, size_t n, struct log_line *ret, struct buf *scratch)
{
	while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == ' '))
		n--;
	return scan_own(p, n, ret) || scan_foreign(p, n, ret, scratch);
}

static int
hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static size_t
put_utf8(unsigned char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (unsigned char)(0xc0 | c >> 6);
		out[1] = (unsigned char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (unsigned char)(0xe0 | c >> 12);
		out[1] = (unsigned char)(0x80 | (c >> 6 & 63));
		out[2] = (unsigned char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | c >> 18);
	out[1] = (unsigned char)(0x80 | (c >> 12 & 63));
	out[2] = (unsigned char)(0x80 | (c >> 6 & 63));
	out[3] = (unsigned char)(0x80 | (c & 63));
	return 4;
}

/* One escape at p (p[0] is the backslash): appends at *out, returns the bytes consumed. */
static size_t
undo_escape(const char *p, const char *end, unsigned char **out)
{
	int code, low;

	if (end - p < 2)
		return (size_t)(end - p);
	switch (p[1]) {
	case 'n': *(*out)++ = '\n'; return 2;
	case 'r': *(*out)++ = '\r'; return 2;
	case 't': *(*out)++ = '\t'; return 2;
	case 'b': *(*out)++ = '\b'; return 2;
	case 'f': *(*out)++ = '\f'; return 2;
	case 'u':
		break;
	default: *(*out)++ = (unsigned char)p[1]; return 2;
	}
	code = end - p >= 6 ? hex4(p + 2) : -1;
	if (code < 0)
		return 2;
	if (code >= 0xd800 && code < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
		low = hex4(p + 8);
		if (low >= 0xdc00 && low < 0xe000) {
			*out += put_utf8(*out, 0x10000u + ((unsigned)(code - 0xd800) << 10) + (unsigned)(low - 0xdc00));
			return 12;
		}
	}
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	*out += put_utf8(*out, (unsigned)code);
	return 6;
}

void
log_line_text(const struct log_line *l, struct buf *out)
{
	const char *p = l->text, *end = p + l->n;
	unsigned char *to;

	/* what is unescaped is never longer than its escapes */
	if (!buf_room(out, l->n + 1))
		return;
	to = out->data + out->used;
	if (!l->raw) {
		memcpy(to, p, l->n);
		out->used += l->n;
		if (l->frame && !l->partial)
			out->data[out->used++] = '\n';
		return;
	}
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t run = slash != NULL ? (size_t)(slash - p) : (size_t)(end - p);

		memcpy(to, p, run);
		to += run;
		p += run;
		if (p < end)
			p += undo_escape(p, end, &to);
	}
	out->used = (size_t)(to - out->data);
}

void
log_line_put_time(const struct log_line *l, struct buf *out)
{
	const char *t = l->time;
	size_t n = strlen(t), digits = 0;
	char text[40];

	if (l->frame) {
		text_time(text, l->ns);
		t = text;
		n = strlen(t);
	}

	/* 2006-01-02T15:04:05[.fraction]Z */
	if (n < 20 || t[n - 1] != 'Z') {
		buf_puts(out, t);
		return;
	}
	buf_put(out, t, 19);
	buf_putc(out, '.');
	if (t[19] == '.') {
		digits = n - 21 > 9 ? 9 : n - 21;
		buf_put(out, t + 20, digits);
	}
	buf_put(out, "000000000", 9 - digits);
	buf_putc(out, 'Z');
}

int64_t
log_line_ns(const struct log_line *l)
{
	int64_t ns;

	if (l->frame)
		return l->ns;
	return text_to_time(l->time, &ns) ? ns : 0;
}

static void
put_url(struct buf *out, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-_.~", c) != NULL) {
			buf_putc(out, (char)c);
		} else if (c == ' ') {
			buf_putc(out, '+');
		} else {
			buf_putc(out, '%');
			buf_putc(out, hex[c >> 4]);
			buf_putc(out, hex[c & 15]);
		}
	}
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
log_line_put_attrs(const struct log_line *l, struct buf *out)
{
	own_json *v = NULL;
	struct err e = ERR_INIT;
	const char *keys[64] = { NULL }, *key;
	size_t n = 0;
	json_t *each;

	if (l->attrs == NULL || json_parse(l->attrs, l->attrs_n, &v, &e) < 0 || !json_is_object(v))
		return;
	json_object_foreach(v, key, each)
		if (n < 64 && json_is_string(each))
			keys[n++] = key;
	qsort(keys, n, sizeof keys[0], by_key);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		put_url(out, keys[i]);
		buf_putc(out, '=');
		put_url(out, json_string_value(json_object_get(v, keys[i])));
	}
}
