/* Tars for tests, well-formed and not. */
#pragma once
#include "buf.h"

struct tar_spec {
	const char *name, *link;
	char type;                     /* 0: '0' */
	unsigned mode;                 /* 0: 0644 */
	uint64_t uid, gid;
	int64_t mtime;
	const char *data;
	size_t n;                      /* 0 with data: strlen */
	uint64_t size;                 /* lies about the size if not 0 */
	unsigned major, minor;
};

void put_tar(struct buf *b, struct tar_spec s);
/* A pax header for the next entry: key, value (n bytes). */
void put_pax(struct buf *b, const char *key, const char *value, size_t n);
void put_tar_end(struct buf *b);
