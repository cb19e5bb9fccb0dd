/*
 * Byte buffers with a maximum set at birth, readers that cannot pass their end, and arenas: all memory of one decoded
 * message or record, freed at once.
 */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	unsigned char *data;
	size_t used, size, max;
	bool failed;         /* an append did not fit or memory was gone: check once, at the end */
};

#define BUF_INIT(limit) { .max = (limit) }
void buf_done(struct buf *b);
#define own_buf __attribute__((cleanup(buf_done))) struct buf
void buf_reset(struct buf *b);                      /* empty, memory kept */
bool buf_grow(struct buf *b, size_t n);
/* Makes room for n more bytes; false if over max or no memory. */
static inline bool
buf_room(struct buf *b, size_t n)
{
	return (!b->failed && n < b->size - b->used && b->used <= b->max && n <= b->max - b->used) || buf_grow(b, n);
}
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
/* A JSON string with its quotes; NULL as "". */
void buf_put_quoted(struct buf *b, const char *s);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u32(struct buf *b, uint32_t v);        /* little endian */
void buf_put_u64(struct buf *b, uint64_t v);
void buf_drop(struct buf *b, size_t n);             /* removes n bytes at the front */
const char *buf_cstr(struct buf *b);                /* NUL-terminates (not counted); "" if failed */

struct reader {
	const unsigned char *p, *end;
	bool failed;
};
uint8_t read_u8(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
const unsigned char *read_bytes(struct reader *r, size_t n);  /* NULL (and failed) if fewer are left */

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t total, max;   /* bytes handed out, bound (0: 64 MiB) */
};
#define ARENA_INIT { .head = NULL }
void arena_done(struct arena *a);
/* What from holds belongs to into from now on; from is empty. */
void arena_merge(struct arena *into, struct arena *from);
#define own_arena __attribute__((cleanup(arena_done))) struct arena
/* Zeroed, aligned memory that lives as long as the arena; NULL when memory or the bound is gone. */
void *arena_alloc(struct arena *a, size_t n) must_check;
void *arena_array(struct arena *a, size_t n, size_t size) must_check;
char *arena_strn(struct arena *a, const char *s, size_t n) must_check;
char *arena_str(struct arena *a, const char *s) must_check;       /* NULL for NULL */
char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3) must_check;
