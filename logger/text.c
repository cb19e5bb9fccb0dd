/* JSON strings and compression, for all drivers. */
#include "logger.h"

#include <stdlib.h>

/* Length of the valid UTF-8 sequence at p, or 0. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : p[0] >= 0xe0 && p[0] <= 0xef ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

void
put_json(struct buf *b, const void *text, size_t n)
{
	const unsigned char *p = text, *end = p + n;

	buf_putc(b, '"');
	while (p < end) {
		const unsigned char *run = p;
		size_t len;

		while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
			p++;
		buf_put(b, run, (size_t)(p - run));
		if (p == end)
			break;
		if (*p == '"' || *p == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, (char)*p++);
		} else if (*p < 0x20) {
			buf_printf(b, "\\u%04x", *p++);
		} else if ((len = utf8_len(p, (size_t)(end - p))) > 0) {
			buf_put(b, p, len);
			p += len;
		} else {
			buf_puts(b, "\\ufffd");
			p++;
		}
	}
	buf_putc(b, '"');
}

void
put_json_str(struct buf *b, const char *text)
{
	put_json(b, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

bool
put_gzip(struct buf *b, const void *data, size_t n, int level, int bits)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (uInt)n };
	bool ok;

	if (deflateInit2(&z, level, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	ok = buf_room(b, deflateBound(&z, (uLong)n) + 64);
	if (ok) {
		z.next_out = b->data + b->used;
		z.avail_out = (uInt)(b->size - b->used);
		ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
		b->used = (size_t)(z.next_out - b->data);
	}
	(void)deflateEnd(&z);
	return ok;
}

/* ---- just enough of reading JSON: is it valid, and what is the text behind a key ---- */
static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Behind the string that begins at p (a quote); NULL if it is none. */
static const char *
skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		if (++p == end || strchr("\"\\/bfnrtu", *p) == NULL || *p == '\0')
			return NULL;
		for (int i = 0; *p == 'u' && i < 4; i++)
			if (p + 1 + i >= end || strchr("0123456789abcdefABCDEF", p[1 + i]) == NULL)
				return NULL;
	}
	return p < end ? p + 1 : NULL;
}

static const char *
skip_number(const char *p, const char *end)
{
	const char *digits;

	if (p < end && *p == '-')
		p++;
	digits = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	if (p == digits || (*digits == '0' && p > digits + 1))
		return NULL;
	if (p < end && *p == '.') {
		for (digits = ++p; p < end && *p >= '0' && *p <= '9'; p++)
			;
		if (p == digits)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		for (digits = p; p < end && *p >= '0' && *p <= '9'; p++)
			;
		if (p == digits)
			return NULL;
	}
	return p;
}

static const char *
skip_value(const char *p, const char *end, int depth)
{
	static const char *const words[] = { "true", "false", "null" };
	char close;

	p = skip_space(p, end);
	if (p == end || depth > 64)
		return NULL;
	if (*p == '"')
		return skip_string(p, end);
	for (size_t i = 0; i < 3; i++)
		if ((size_t)(end - p) >= strlen(words[i]) && memcmp(p, words[i], strlen(words[i])) == 0)
			return p + strlen(words[i]);
	if (*p != '{' && *p != '[')
		return skip_number(p, end);
	close = *p == '{' ? '}' : ']';
	p = skip_space(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		if (close == '}') {
			p = skip_space(p, end);
			if (p == end || *p != '"' || (p = skip_string(p, end)) == NULL)
				return NULL;
			p = skip_space(p, end);
			if (p == end || *p++ != ':')
				return NULL;
		}
		p = skip_value(p, end, depth + 1);
		if (p == NULL)
			return NULL;
		p = skip_space(p, end);
		if (p == end || (*p != ',' && *p != close))
			return NULL;
		if (*p++ == close)
			return p;
	}
}

bool
is_json(const void *text, size_t n)
{
	const char *p = text, *end = p + n, *after = skip_value(p, end, 0);

	return after != NULL && skip_space(after, end) == end;
}

/* What stands after the first "key": of the text, wherever it is; NULL: nothing does. */
static const char *
value_of(const char *body, const char *key)
{
	char quoted[80];
	const char *p = body;

	snprintf(quoted, sizeof quoted, "\"%.64s\"", key);
	while ((p = strstr(p, quoted)) != NULL) {
		p += strlen(quoted);
		p += strspn(p, " \t\r\n");
		if (*p == ':')
			return p + 1 + strspn(p + 1, " \t\r\n");
	}
	return NULL;
}

bool
json_num(const char *body, const char *key, uint64_t *ret)
{
	const char *p = value_of(body, key);

	if (p == NULL || *p < '0' || *p > '9')
		return false;
	*ret = strtoull(p, NULL, 10);
	return true;
}

bool
json_text(const char *body, const char *key, char *out, size_t size)
{
	const char *p = value_of(body, key);
	size_t n = 0;

	*out = '\0';
	if (p == NULL || *p++ != '"')
		return false;
	for (; *p != '"' && *p != '\0' && n + 1 < size; p++) {
		if (*p != '\\') {
			out[n++] = *p;
			continue;
		}
		p++;
		if (*p == '\0')
			break;
		/* (what stands as \u is not text that we use) */
		out[n++] = *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p == 't' ? '\t' : *p == 'u' ? '?' : *p;
	}
	out[n] = '\0';
	return *p == '"';
}
