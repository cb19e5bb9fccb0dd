/* Paths of the API in a container. */
#include "copy.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINKS_MAX 255

int
copy_open(int dir, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

void
copy_moved(void)
{
	/* its signal ends the process, also one that waits in a file system of the container's making */
	(void)alarm(COPY_IDLE);
}

static bool
is_dot(const char *path)
{
	size_t n = strlen(path);

	return n > 0 && path[n - 1] == '.' && (n == 1 || path[n - 2] == '/');
}

int
copy_clean(struct copy_place *p, const char *path, struct err *e)
{
	char clean[TAR_PATH_MAX + 1], rooted[COPY_PATH_MAX];
	size_t n = path != NULL ? strlen(path) : 0;
	const char *slash;

	/* text only: ".." is taken away before any link is looked at, as the Docker engine does */
	if (n == 0 || (size_t)snprintf(rooted, sizeof rooted, "/%s", path) >= sizeof rooted || tar_clean_path(rooted, clean) < 0)
		return n == 0 ? err_set(e, ERR_INVALID, "no path") : err_sys(e, ENAMETOOLONG, "lstat %.100s", path);
	snprintf(p->abs, sizeof p->abs, "/%s", clean);
	slash = strrchr(p->abs, '/');
	snprintf(p->name, sizeof p->name, "%s", slash[1] != '\0' ? slash + 1 : "/");
	if (is_dot(path)) {
		strcat(p->abs, strcmp(p->abs, "/") == 0 ? "." : "/.");
		snprintf(p->name, sizeof p->name, ".");
	} else if (path[n - 1] == '/' && strcmp(p->abs, "/") != 0) {
		strcat(p->abs, "/");
	}
	p->base = strrchr(p->abs, '/') + 1;
	return 0;
}

int
copy_find(struct copy_place *p, const char *path, struct err *e)
{
	char dir[COPY_PATH_MAX];
	int r;

	if (copy_clean(p, path, e) < 0)
		return -1;
	if (is_dot(p->base))
		p->base = "";
	memcpy(dir, p->abs, strlen(p->abs) + 1);
	strrchr(dir, '/')[1] = '\0';
	p->dir = copy_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY);
	if (p->dir < 0)
		return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "%s", p->abs) : err_sys(e, errno, "lstat %.400s", p->abs);
	r = *p->base == '\0' ? fstat(p->dir, &p->st) : fstatat(p->dir, p->base, &p->st, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "%s", p->abs) : err_sys(e, errno, "lstat %.400s", p->abs);
	return 0;
}

/* Where a link leads in the end, as text: what is missing on the way stays as it is written. Told to the client, and trusted by nobody. */
static int
follow(const char *path, char out[COPY_PATH_MAX], struct err *e)
{
	char rest[2 * COPY_PATH_MAX], next[2 * COPY_PATH_MAX], link[COPY_PATH_MAX];
	size_t used = 0;
	unsigned links = 0;

	snprintf(rest, sizeof rest, "%s", path);
	out[0] = '\0';
	for (char *at = rest; *at != '\0';) {
		size_t n = strcspn(at, "/"), before = used;
		ssize_t len;

		if (n == 0 || (n == 1 && *at == '.')) {
			at += n + (at[n] == '/');
			continue;
		}
		if (n == 2 && at[0] == '.' && at[1] == '.') {
			while (used > 0 && out[--used] != '/')
				;
			out[used] = '\0';
			at += n + (at[n] == '/');
			continue;
		}
		if (used + n + 2 > COPY_PATH_MAX)
			return err_sys(e, ENAMETOOLONG, "readlink");
		out[used++] = '/';
		memcpy(out + used, at, n);
		used += n;
		out[used] = '\0';
		at += n + (at[n] == '/');
		len = readlinkat(AT_FDCWD, out, link, sizeof link - 1);
		if (len < 0)
			continue;
		link[len] = '\0';
		if (++links > LINKS_MAX || (size_t)snprintf(next, sizeof next, "%s/%s", link, at) >= sizeof next)
			return err_sys(e, ELOOP, "readlink %.300s", path);
		used = link[0] == '/' ? 0 : before;
		out[used] = '\0';
		memcpy(rest, next, strlen(next) + 1);
		at = rest;
	}
	if (used == 0)
		strcpy(out, "/");
	return 0;
}

/* os.FileMode */
static int64_t
go_mode(mode_t m)
{
	int64_t r = m & 0777;

	switch (m & S_IFMT) {
	case S_IFDIR: r |= INT64_C(1) << 31; break;
	case S_IFLNK: r |= 1 << 27; break;
	case S_IFBLK: r |= 1 << 26; break;
	case S_IFCHR: r |= 1 << 26 | 1 << 21; break;
	case S_IFIFO: r |= 1 << 25; break;
	case S_IFSOCK: r |= 1 << 24; break;
	default: break;
	}
	return r | ((m & S_ISUID) != 0 ? 1 << 23 : 0) | ((m & S_ISGID) != 0 ? 1 << 22 : 0) | ((m & S_ISVTX) != 0 ? 1 << 20 : 0);
}

int
copy_describe(const struct copy_place *p, struct arena *a, struct api_archived *ret, struct err *e)
{
	char target[COPY_PATH_MAX] = "";

	if (S_ISLNK(p->st.st_mode) && follow(p->abs, target, e) < 0)
		return -1;
	*ret = (struct api_archived){ .size = p->st.st_size, .mode = go_mode(p->st.st_mode),
		.mtime = (int64_t)p->st.st_mtim.tv_sec > INT64_MAX / 1000000000 - 1 || (int64_t)p->st.st_mtim.tv_sec < INT64_MIN / 1000000000 + 1 ? 0 :
		    (int64_t)p->st.st_mtim.tv_sec * 1000000000 + p->st.st_mtim.tv_nsec };
	ret->name = arena_str(a, p->name);
	ret->link_target = arena_str(a, target);
	return ret->name != NULL && ret->link_target != NULL ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}
