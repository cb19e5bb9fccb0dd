/* Writes a tar stream to a descriptor: ustar headers, with a pax header in front where one cannot say it. */
#pragma once
#include "err.h"
#include "tar.h"

#include <sys/stat.h>

#define TAR_OUT_PATH_MAX ((size_t)64 << 10)

struct tar_out {
	int fd;
	struct buf buf;                  /* what is not written yet */
	void (*moved)(void);             /* called whenever the reader took something; may be NULL */
	uint64_t passed, limit;          /* more than limit bytes are ENOSPC; 0: no limit */
};

void tar_out_init(struct tar_out *t, int fd);
void tar_out_done(struct tar_out *t);
/* Content of st->st_size bytes must follow for a file ('0') that is not a link to an earlier one. Attributes are those of the caller's choice. */
int tar_out_entry(struct tar_out *t, const char *name, char type, const struct stat *st, const char *link, const struct tar_xattr *xattrs,
    size_t n_xattrs, struct err *e) must_check;
/* Content from memory. */
int tar_out_put(struct tar_out *t, const void *p, size_t n, struct err *e) must_check;
/* A whole small file of root's. */
int tar_out_file(struct tar_out *t, const char *name, const void *data, size_t n, struct err *e) must_check;
/* The next n bytes of content from the descriptor's position; what it does not have is written as zeros. */
int tar_out_from(struct tar_out *t, int fd, uint64_t n, struct err *e) must_check;
int tar_out_zeros(struct tar_out *t, uint64_t n, struct err *e) must_check;
/* To the next block. */
int tar_out_pad(struct tar_out *t, uint64_t size, struct err *e) must_check;
/* The end mark, and all that is left to be written. */
int tar_out_end(struct tar_out *t, struct err *e) must_check;
