/*
 * How to make a layer's tar again, byte for byte: its diff id is its name. A recipe holds what is not content (headers,
 * padding) and says for the rest which file of the layer it is. So a layer is on disk once, not a second time as a tar.
 */
#pragma once
#include "buf.h"

/* A literal holds at most this much. */
#define RECIPE_CHUNK ((size_t)64 << 10)

enum recipe_op {
	RECIPE_LITERAL = 'L',   /* u32 n, bytes */
	RECIPE_ZERO = 'Z',      /* u64 n */
	RECIPE_COPY = 'C',      /* u64 offset, u64 n, u32 length, path beneath fs */
	RECIPE_MOVED = 'M',     /* u32 number, u32 length, path: what was copied from there before is now kept/<number> */
};

struct recipe_writer { int fd; struct buf out; uint64_t zeros; };
void recipe_open(struct recipe_writer *w, int fd);
int recipe_meta(struct recipe_writer *w, const unsigned char *p, size_t n, struct err *e) must_check;
int recipe_copy(struct recipe_writer *w, uint64_t offset, uint64_t n, const char *path, struct err *e) must_check;
int recipe_moved(struct recipe_writer *w, uint32_t number, const char *path, struct err *e) must_check;
int recipe_flush(struct recipe_writer *w, struct err *e) must_check;
void recipe_done(struct recipe_writer *w);

/* Writes the tar of the layer in dir (an entry of the store's layers directory) to sink. */
struct recipe_sink { int (*put)(void *ctx, const void *p, size_t n, struct err *e); void *ctx; };
int recipe_replay(int dir, const struct recipe_sink *sink, struct err *e) must_check;
