#include "buf.h"

#include "checked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_done(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->used = b->size = 0;
}

void
buf_reset(struct buf *b)
{
	b->used = 0;
	b->failed = false;
}

bool
buf_grow(struct buf *b, size_t n)
{
	size_t want;
	unsigned char *grown;

	if (b->failed || b->used > b->max || n > b->max - b->used) {
		b->failed = true;
		return false;
	}
	if (n < b->size - b->used)
		return true;
	want = b->size < 256 ? 256 : b->size;
	while (want - b->used <= n)
		want *= 2;
	grown = realloc(b->data, want);
	if (grown == NULL) {
		b->failed = true;
		return false;
	}
	b->data = grown;
	b->size = want;
	return true;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !buf_room(b, n))
		return;
	memcpy(b->data + b->used, p, n);
	b->used += n;
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_room(b, (size_t)n + 1)) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->used, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->used += (size_t)n;
}

void
buf_put_quoted(struct buf *b, const char *s)
{
	buf_putc(b, '"');
	for (const unsigned char *p = (const unsigned char *)(s != NULL ? s : ""); *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_putc(b, '\\');
		if (*p < 0x20)
			buf_printf(b, "\\u%04x", *p);
		else
			buf_putc(b, (char)*p);
	}
	buf_putc(b, '"');
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
	if (!buf_room(b, sizeof v))
		return;
	for (unsigned i = 0; i < sizeof v; i++)
		b->data[b->used++] = (unsigned char)(v >> (8 * i));
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	if (!buf_room(b, sizeof v))
		return;
	for (unsigned i = 0; i < sizeof v; i++)
		b->data[b->used++] = (unsigned char)(v >> (8 * i));
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	if (n > b->used)
		n = b->used;
	memmove(b->data, b->data + n, b->used - n);
	b->used -= n;
}

const char *
buf_cstr(struct buf *b)
{
	if (b->failed || !buf_room(b, 1))
		return "";
	b->data[b->used] = '\0';
	return (const char *)b->data;
}

const unsigned char *
read_bytes(struct reader *r, size_t n)
{
	const unsigned char *p = r->p;

	if (r->failed || n > (size_t)(r->end - r->p)) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t
read_u8(struct reader *r)
{
	const unsigned char *p = read_bytes(r, 1);

	return p != NULL ? *p : 0;
}

uint32_t
read_u32(struct reader *r)
{
	const unsigned char *p = read_bytes(r, 4);

	if (p == NULL)
		return 0;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t
read_u64(struct reader *r)
{
	const unsigned char *p = read_bytes(r, 8);
	uint64_t v = 0;

	for (unsigned i = 0; p != NULL && i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) unsigned char data[];
};

#define ARENA_DEFAULT_MAX ((size_t)64 << 20)

void
arena_merge(struct arena *into, struct arena *from)
{
	struct arena_block **tail = &from->head;

	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = into->head;
	into->head = from->head;
	into->total += from->total;
	from->head = NULL;
	from->total = 0;
}

void
arena_done(struct arena *a)
{
	struct arena_block *b = a->head;

	while (b != NULL) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	a->head = NULL;
	a->total = 0;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t max = a->max != 0 ? a->max : ARENA_DEFAULT_MAX, size;
	struct arena_block *b = a->head;

	if (n > max || a->total > max - n)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (b == NULL || n > b->size - b->used) {
		size = b == NULL ? 496 : 4064;
		if (n > size)
			size = n;
		b = calloc(1, sizeof *b + size);
		if (b == NULL)
			return NULL;
		b->size = size;
		b->next = a->head;
		a->head = b;
	}
	void *p = b->data + b->used;

	b->used += n;
	a->total += n;
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (ckd_mul(&bytes, n, size))
		return NULL;
	return arena_alloc(a, bytes != 0 ? bytes : 1);
}

char *
arena_strn(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (copy != NULL)
		memcpy(copy, s, n);
	return copy;
}

char *
arena_str(struct arena *a, const char *s)
{
	return s != NULL ? arena_strn(a, s, strlen(s)) : NULL;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	int n;
	char *s;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	s = arena_alloc(a, (size_t)n + 1);
	if (s == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
