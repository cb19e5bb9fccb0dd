/* A stream of bytes to parse: a descriptor or memory, decompressed on the way if it has to be. Forward only. */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_SIZE ((size_t)1 << 20)

struct archive;
struct source {
	int fd;                      /* -1: memory */
	unsigned char *buf;
	size_t at, end;              /* unread bytes are buf[at..end) */
	uint64_t passed;             /* bytes consumed so far */
	bool eof, borrowed;
	struct archive *filter;
	unsigned char *raw;          /* compressed input, for the filter */
	size_t raw_at, raw_end;
	int sys;                     /* errno of a failed read */
};

/* fd is borrowed. The kind of compression is told by the first bytes; plain data passes as it is. */
int source_open(struct source *s, int fd, struct err *e) must_check;
/* The same without a look at the first bytes. */
int source_open_plain(struct source *s, int fd, struct err *e) must_check;
void source_open_memory(struct source *s, const void *data, size_t n);
void source_done(struct source *s);
#define own_source __attribute__((cleanup(source_done))) struct source
/* Makes at least n (at most SOURCE_SIZE) bytes readable at buf + at if the stream has them; returns how many there are, or -1. */
int64_t source_want(struct source *s, size_t n, struct err *e) must_check;
void source_pass(struct source *s, size_t n);
/* Copies the next up to n bytes; 0 at the end. */
int64_t source_read(struct source *s, void *to, size_t n, struct err *e) must_check;
/* Is this the beginning of gzip, bzip2, xz or zstd data? */
bool source_is_compressed(const void *data, size_t n);
