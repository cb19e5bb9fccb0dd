/* Copies the image's content of a directory into an empty volume: content, ownership, modes, times and attributes. Runs as
   root of the container's namespace on both sides, by descriptors only; the walk keeps its own bounded stack. */
#include "stage.h"

#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 200

struct level {
	DIR *from;
	int to;
};

/* What only the overlay itself understands stays behind; what the volume's file system refuses too. */
static void
copy_xattrs(int from, int to)
{
	char names[4096], value[8192];
	ssize_t n = flistxattr(from, names, sizeof names);

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		const char *name = names + at;
		ssize_t len;

		if (strncmp(name, "user.overlay.", 13) == 0 || strncmp(name, "trusted.", 8) == 0)
			continue;
		len = fgetxattr(from, name, value, sizeof value);
		if (len >= 0 && fsetxattr(to, name, value, (size_t)len, 0) < 0)
			continue;
	}
}

static int
copy_meta(int from, int to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	/* the owner first: a change of owner clears set-id bits and file capabilities */
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -1;
	copy_xattrs(from, to);
	return futimens(to, times);
}

static int
copy_data(int from, int to, off_t size)
{
	char buf[16384];

	while (size > 0) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)size, 0);

		if (n > 0) {
			size -= n;
			continue;
		}
		if (n == 0)
			return 0;
		if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
			return -1;
		while ((n = read(from, buf, sizeof buf)) > 0)
			if (fd_write_all(to, buf, (size_t)n) < 0)
				return -1;
		return n < 0 ? -1 : 0;
	}
	return 0;
}

static int
copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	own_fd from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	own_fd to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (from < 0 || to < 0 || copy_data(from, to, st->st_size) < 0)
		return -1;
	return copy_meta(from, to, st);
}

static int
copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0)
		return -1;
	return fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int
push(struct level *stack, int *depth, int from, int to, struct err *e)
{
	DIR *d = fdopendir(from);

	if (d == NULL || *depth + 1 == DEPTH_MAX) {
		if (d != NULL)
			closedir(d);
		else
			close(from);
		close(to);
		return d == NULL ? err_sys(e, errno, "read a directory") : err_set(e, ERR_LIMIT, "directories are nested too deeply");
	}
	++*depth;
	stack[*depth] = (struct level){ .from = d, .to = to };
	return 0;
}

static int
copy_entry(struct level *stack, int *depth, const char *name, struct err *e)
{
	int from_dir = dirfd(stack[*depth].from), to_dir = stack[*depth].to, r = 0;
	struct stat st;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "look at %s", name);
	if (S_ISDIR(st.st_mode)) {
		int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int to = from >= 0 ? fd_make_dir(to_dir, name, 0700) : -1;

		if (to < 0) {
			int sys = errno;

			fd_close(&from);
			return err_sys(e, sys, "copy directory %s", name);
		}
		return push(stack, depth, from, to, e);
	}
	if (S_ISREG(st.st_mode))
		r = copy_file(from_dir, to_dir, name, &st);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from_dir, to_dir, name, &st);
	else if (S_ISFIFO(st.st_mode))
		r = mknodat(to_dir, name, S_IFIFO | (st.st_mode & 07777), 0) < 0 ? -1 :
		    fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
	/* sockets and devices: nothing that a volume could hold inside a user namespace */
	return r < 0 ? err_sys(e, errno, "copy %s", name) : 0;
}

static int
walk(struct level *stack, int *depth, struct err *e)
{
	while (*depth >= 0) {
		struct level *l = &stack[*depth];
		struct dirent *entry = readdir(l->from);

		if (entry == NULL) {
			struct stat st;

			if (fstat(dirfd(l->from), &st) < 0 || copy_meta(dirfd(l->from), l->to, &st) < 0)
				return err_sys(e, errno, "copy a directory's owner and mode");
			closedir(l->from);
			close(l->to);
			--*depth;
			continue;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && copy_entry(stack, depth, entry->d_name, e) < 0)
			return -1;
	}
	return 0;
}

int
stage_copy_up(int from, int to, struct err *e)
{
	struct level *stack = calloc(DEPTH_MAX, sizeof *stack);
	int depth = -1, r, a = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), b = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (stack == NULL || a < 0 || b < 0) {
		int sys = errno;

		free(stack);
		fd_close(&a);
		fd_close(&b);
		return err_sys(e, sys, "open the directories");
	}
	r = push(stack, &depth, a, b, e);
	if (r == 0)
		r = walk(stack, &depth, e);
	for (; depth >= 0; depth--) {
		closedir(stack[depth].from);
		close(stack[depth].to);
	}
	free(stack);
	return r;
}
