/* Writes tar streams as the Docker engine's: ustar headers, a pax header in front where they do not suffice. */
#pragma once
#include "buf.h"
#include "tar.h"

struct tar_out {
	int fd;
	struct buf buf;
	uint64_t written, limit;       /* ENOSPC beyond limit, 0: none */
};

/* What goes into a header; size only of TAR_FILE, link only of links. */
struct tar_header {
	const char *name, *link;
	char type;                     /* enum tar_type */
	unsigned mode, uid, gid, major, minor;
	int64_t mtime;
	uint64_t size;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

/* fd is borrowed. */
void tar_out_open(struct tar_out *t, int fd, uint64_t limit);
void tar_out_done(struct tar_out *t);
int tar_out_put(struct tar_out *t, const void *p, size_t n, struct err *e) must_check;
int tar_out_zeros(struct tar_out *t, uint64_t n, struct err *e) must_check;
int tar_out_header(struct tar_out *t, const struct tar_header *h, struct err *e) must_check;
/* What is missing to a whole block after size bytes of content. */
int tar_out_pad(struct tar_out *t, uint64_t size, struct err *e) must_check;
/* A small file from memory. */
int tar_out_file(struct tar_out *t, const char *name, const void *data, size_t n, struct err *e) must_check;
/* Writes out what is buffered. */
int tar_out_flush(struct tar_out *t, struct err *e) must_check;
/* The end mark, and flush. */
int tar_out_end(struct tar_out *t, struct err *e) must_check;
