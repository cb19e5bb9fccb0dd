#include "xattrs.h"

#include "text.h"

#include <string.h>
#include <sys/xattr.h>

bool
xattr_is_wanted(const char *name)
{
	return (text_starts(name, "user.") && !text_starts(name, "user.overlay.")) || strcmp(name, "security.capability") == 0;
}

void
xattrs_read(struct xattrs *x, int fd)
{
	ssize_t all = flistxattr(fd, x->names, sizeof x->names - 1);
	size_t used = 0;

	x->n = 0;
	if (all <= 0 || (size_t)all >= sizeof x->names)
		return;
	x->names[all] = '\0';
	/* with no room left the kernel is not asked: it would take the size of 0 for the question how long the value is */
	for (const char *p = x->names; p < x->names + all && x->n < XATTRS_MAX && used < sizeof x->values; p += strlen(p) + 1) {
		size_t room = sizeof x->values - used;
		ssize_t n = xattr_is_wanted(p) ? fgetxattr(fd, p, x->values + used, room) : -1;

		if (n < 0 || (size_t)n > room)
			continue;
		x->v[x->n++] = (struct tar_xattr){ p, x->values + used, (size_t)n };
		used += (size_t)n;
	}
}
