/*
 * The records of a "local" log. Little endian:
 *
 *	mark "\xb0LF" (3)  flags (1)  length of text (4)  number (8)  time, ns since the epoch (8)  crc32c (4)  text  length of text (4)
 *
 * The checksum covers what stands before it and the text, so a torn or damaged record is noticed and the next one is found
 * by its mark; the length at the end leads a reader backwards. Numbers rise by one for each record of a container, over rotation and restarts:
 * a reader that was too slow knows exactly how many it missed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FRAME_HEAD     28u
#define FRAME_SIZE(n)  (FRAME_HEAD + (size_t)(n) + 4)
#define FRAME_TEXT_MAX ((size_t)64 << 10)

struct log_frame {
	bool err, partial;             /* of stderr; the line goes on in the stream's next record */
	uint64_t seq;
	int64_t time;
	const unsigned char *text;
	size_t n;
};

/* Writes FRAME_SIZE(f->n) bytes. */
void log_frame_put(unsigned char *to, const struct log_frame *f);
/* The size of the whole, checked frame at p; 0: it does not end within n bytes; -1: there is none. */
ssize_t log_frame_scan(const unsigned char *p, size_t n, struct log_frame *ret);
/* Only its length, unchecked, for our own data that is still in memory. */
size_t log_frame_len(const unsigned char *p);
/* The first place after p[0] where a frame could begin; n if there is none. */
size_t log_frame_next(const unsigned char *p, size_t n);
