#include "logframe.h"

#include <string.h>

static const unsigned char mark[3] = { 0xb0, 'L', 'F' };

static void
put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static void
put64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t
get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t
get64(const unsigned char *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- crc32c (Castagnoli, RFC 3720 B.4): by the processor where it can, else by tables of eight bytes at once ---- */
static uint32_t table[8][256];

static void
make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ ((c & 1) != 0 ? 0x82f63b78u : 0);
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

static uint32_t
crc_soft(uint32_t c, const unsigned char *p, size_t n)
{
	if (table[0][1] == 0)
		make_table();
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t low = c ^ get32(p), high = get32(p + 4);

		c = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
		    table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
	}
	for (; n > 0; n--, p++)
		c = c >> 8 ^ table[0][(c ^ *p) & 255];
	return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_hard(uint32_t c, const unsigned char *p, size_t n)
{
	uint64_t wide = c;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		wide = __builtin_ia32_crc32di(wide, v);
	}
	c = (uint32_t)wide;
	for (; n > 0; n--, p++)
		c = __builtin_ia32_crc32qi(c, *p);
	return c;
}
#endif

static uint32_t
crc(uint32_t c, const unsigned char *p, size_t n)
{
#if defined(__x86_64__)
	static int can;

	if (can == 0) {
		__builtin_cpu_init();
		can = __builtin_cpu_supports("sse4.2") ? 1 : -1;
	}
	if (can > 0)
		return crc_hard(c, p, n);
#endif
	return crc_soft(c, p, n);
}

static uint32_t
frame_crc(const unsigned char *p, size_t text)
{
	return ~crc(crc(~0u, p, FRAME_HEAD - 4), p + FRAME_HEAD, text);
}

void
log_frame_put(unsigned char *to, const struct log_frame *f)
{
	memcpy(to, mark, sizeof mark);
	to[3] = (unsigned char)((f->err ? 1 : 0) | (f->partial ? 2 : 0));
	put32(to + 4, (uint32_t)f->n);
	put64(to + 8, f->seq);
	put64(to + 16, (uint64_t)f->time);
	if (f->n > 0)
		memcpy(to + FRAME_HEAD, f->text, f->n);
	put32(to + 24, frame_crc(to, f->n));
	put32(to + FRAME_HEAD + f->n, (uint32_t)f->n);
}

ssize_t
log_frame_scan(const unsigned char *p, size_t n, struct log_frame *ret)
{
	size_t text;

	if (memcmp(p, mark, n < sizeof mark ? n : sizeof mark) != 0)
		return -1;
	if (n < FRAME_HEAD)
		return 0;
	text = get32(p + 4);
	if (text > FRAME_TEXT_MAX || p[3] > 3)
		return -1;
	if (n < FRAME_SIZE(text))
		return 0;
	if (get32(p + FRAME_HEAD + text) != text || get32(p + 24) != frame_crc(p, text))
		return -1;
	*ret = (struct log_frame){ .err = (p[3] & 1) != 0, .partial = (p[3] & 2) != 0, .seq = get64(p + 8), .time = (int64_t)get64(p + 16),
		.text = p + FRAME_HEAD, .n = text };
	return (ssize_t)FRAME_SIZE(text);
}

size_t
log_frame_len(const unsigned char *p)
{
	return FRAME_SIZE(get32(p + 4));
}

size_t
log_frame_next(const unsigned char *p, size_t n)
{
	for (size_t at = 1; at < n; at++) {
		const unsigned char *hit = memchr(p + at, mark[0], n - at);

		if (hit == NULL)
			return n;
		at = (size_t)(hit - p);
		if (memcmp(hit, mark, n - at < sizeof mark ? n - at : sizeof mark) == 0)
			return at;
	}
	return n;
}
