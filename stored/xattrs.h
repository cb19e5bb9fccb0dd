/* Extended attributes of files: which of them archives have, and those of a file. */
#pragma once
#include "tar.h"

#include <stdbool.h>

#define XATTRS_MAX       64u
#define XATTR_NAMES_MAX  ((size_t)64 << 10)
#define XATTR_VALUES_MAX ((size_t)64 << 10)   /* of all together; one may be as long as that */

struct xattrs {
	size_t n;
	struct tar_xattr v[XATTRS_MAX];
	char names[XATTR_NAMES_MAX];
	unsigned char values[XATTR_VALUES_MAX];
};

/* The overlay's own attributes would change what lies below; trusted ones cannot be set here; the rest is the host's business. */
bool xattr_is_wanted(const char *name);
/* Those of the file that are wanted. What does not fit is left out, as all are on a file system that has none. */
void xattrs_read(struct xattrs *x, int fd);
