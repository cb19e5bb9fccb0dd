/*
 * Reads tar streams: V7, ustar, star, GNU (long names, sparse, base-256 numbers) and pax. Our own parser rather than
 * libarchive's, because a saved layer must be the same bytes as the loaded one (its digest is its name), so each byte
 * that is not a file's content has to be kept; and because what is accepted is what Go's archive/tar accepts, which decides
 * what an image is. Errors are in its words.
 */
#pragma once
#include "buf.h"
#include "source.h"

#define TAR_BLOCK    512
#define TAR_META_MAX ((size_t)1 << 20)   /* a pax header or a long name */
#define TAR_SPARSE_MAX 65536
#define TAR_PATH_MAX 4095

enum tar_type { TAR_FILE = '0', TAR_HARD_LINK = '1', TAR_SYMLINK = '2', TAR_CHAR = '3', TAR_BLOCK_DEV = '4', TAR_DIR = '5', TAR_FIFO = '6',
	TAR_OTHER = '?' };

struct tar_xattr { const char *name; const unsigned char *value; size_t n; };
struct tar_piece { uint64_t offset, n; };

struct tar_entry {
	const char *name, *link;       /* as written, at most TAR_PATH_MAX bytes */
	enum tar_type type;
	char flag;                     /* the byte in the header */
	uint32_t mode;
	uint64_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size;                 /* of the file */
	uint32_t dev_major, dev_minor; /* of a device node */
	size_t n_pieces;               /* sparse: where its content goes; 0: all of it from 0 on (see sparse) */
	const struct tar_piece *pieces;
	bool sparse;
	size_t n_xattrs;
	const struct tar_xattr *xattrs;
};

struct tar {
	struct source *in;
	struct arena arena;            /* of the current entry */
	uint64_t data_left;            /* content not yet read */
	unsigned pad_left;
	uint64_t entries;
	bool ended;
	/* each byte that is not content, in order; may be NULL */
	int (*on_meta)(void *ctx, const unsigned char *p, size_t n, struct err *e);
	void *ctx;
};

void tar_init(struct tar *t, struct source *in);
void tar_done(struct tar *t);
/* 1: an entry (valid until the next call; what was not read of its content is an error of the caller), 0: the end, -1. */
int tar_next(struct tar *t, struct tar_entry *ret, struct err *e) must_check;
/* The next up to SOURCE_SIZE bytes of content, at *ret until the next call; 0 when all was read, -1. */
int64_t tar_data(struct tar *t, const unsigned char **ret, struct err *e) must_check;
/* Passes what is left of the content without looking at it. */
int tar_skip(struct tar *t, struct err *e) must_check;
/* Passes all that follows the end mark, as meta. */
int tar_tail(struct tar *t, struct err *e) must_check;
/* Resolves "." and ".." in the text of a name: what remains has neither, nor a slash in front. An absolute name is meant from
   the top, where ".." stays. -1: a relative one leads outside. */
int tar_clean_path(const char *name, char out[TAR_PATH_MAX + 1]);
