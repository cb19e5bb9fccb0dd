/*
 * One file of a log as a stream of records, whatever its form: lines of a json-file, frames of the local driver
 * (lib/logframe.h), either of them compressed with gzip. The form is seen in its first bytes. What is damaged is skipped.
 */
#pragma once
#include "buf.h"
#include "logline.h"

#include <zlib.h>

struct log_source {
	int fd;                        /* owned; -1: none is open */
	bool known, frames, gz, skipping;
	bool ended;                    /* of a compressed one: all of it was read */
	uint64_t offset;               /* in the file */
	int64_t skip;                  /* records to pass over */
	z_stream z;
	struct buf block, scratch;     /* block: what was read */
	size_t taken;                  /* of the block */
};
#define LOG_BLOCK    ((size_t)128 << 10)
#define LOG_LINE_MAX ((size_t)2 << 20)    /* a longer one is skipped */
#define LOG_SOURCE_INIT { .fd = -1, .block = BUF_INIT(LOG_LINE_MAX + 2 * LOG_BLOCK), .scratch = BUF_INIT(4 * LOG_LINE_MAX) }

/* Begins with another file (taken over). */
void log_source_open(struct log_source *s, int fd);
void log_source_close(struct log_source *s);
void log_source_done(struct log_source *s);
/* Reads one more block: 1 something was read, 0 its present end, -1 error (errno). */
int log_source_read(struct log_source *s);
/* The next record that is whole; false: read first. What it points to stays until the next read. */
bool log_source_next(struct log_source *s, struct log_line *ret);
/* Call when all whole records were taken, before the next read. */
void log_source_taken(struct log_source *s);
/* Passes over all but the last *records; *records is what is missing then. */
int log_source_tail(struct log_source *s, int64_t *records, struct err *e) must_check;
