#include "make_tar.h"

#include <stdio.h>
#include <string.h>

static void
octal(char *p, size_t width, uint64_t v)
{
	if (v >> (3 * (width - 1)) == 0) {
		snprintf(p, width, "%0*llo", (int)width - 1, (unsigned long long)v);
		return;
	}
	p[0] = (char)0x80;
	for (size_t i = 1; i < width; i++)
		p[width - i] = (char)(8 * (i - 1) < 64 ? v >> 8 * (i - 1) : 0);
}

static void
zeros(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_putc(b, '\0');
}

static void
header(struct buf *b, const char *name, char type, unsigned mode, const struct tar_spec *s, uint64_t size)
{
	char h[512] = { 0 };
	unsigned sum = 0;

	memcpy(h, name, strnlen(name, 100));
	octal(h + 100, 8, mode);
	octal(h + 108, 8, s->uid);
	octal(h + 116, 8, s->gid);
	octal(h + 124, 12, size);
	octal(h + 136, 12, (uint64_t)s->mtime);
	h[156] = type;
	if (s->link != NULL)
		memcpy(h + 157, s->link, strnlen(s->link, 100));
	memcpy(h + 257, "ustar\0" "00", 8);
	octal(h + 329, 8, s->major);
	octal(h + 337, 8, s->minor);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof h; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_put(b, h, sizeof h);
}

static void
long_text(struct buf *b, char type, const char *text)
{
	struct tar_spec s = { 0 };
	size_t n = strlen(text) + 1;

	header(b, "././@LongLink", type, 0, &s, n);
	buf_put(b, text, n);
	zeros(b, (512 - n % 512) % 512);
}

void
put_tar(struct buf *b, struct tar_spec s)
{
	size_t n = s.data == NULL ? 0 : s.n != 0 ? s.n : strlen(s.data);

	if (strlen(s.name) > 100)
		long_text(b, 'L', s.name);
	if (s.link != NULL && strlen(s.link) > 100)
		long_text(b, 'K', s.link);
	header(b, s.name, s.type != 0 ? s.type : '0', s.mode != 0 ? s.mode : 0644, &s, s.size != 0 ? s.size : n);
	buf_put(b, s.data, n);
	zeros(b, (512 - n % 512) % 512);
}

void
put_pax(struct buf *b, const char *key, const char *value, size_t n)
{
	struct tar_spec s = { 0 };
	size_t len = strlen(key) + n + 3, total = len;
	char digits[24];

	do {
		len = total;
		total = strlen(key) + n + 3 + (size_t)snprintf(digits, sizeof digits, "%zu", len);
	} while (total != len);
	header(b, "PaxHeaders/x", 'x', 0644, &s, total);
	buf_printf(b, "%zu %s=", total, key);
	buf_put(b, value, n);
	buf_putc(b, '\n');
	zeros(b, (512 - total % 512) % 512);
}

void
put_tar_end(struct buf *b)
{
	zeros(b, 1024);
}
