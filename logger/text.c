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
