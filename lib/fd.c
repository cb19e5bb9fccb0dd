#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

int
fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int
fd_open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

int
fd_make_dir(int dir, const char *name, mode_t mode)
{
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return -1;
	return fd_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
}

ssize_t
fd_read_text(int dir, const char *path, char *text, size_t size)
{
	own_fd fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	if (fd < 0)
		return -1;
	for (;;) {
		ssize_t n;

		if (used == size) {
			errno = EFBIG;
			return -1;
		}
		n = read(fd, text + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	return (ssize_t)used;
}

int
fd_write_text(int dir, const char *path, const char *text)
{
	own_fd fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0)
		return -1;
	return write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

int
fd_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int
fd_replace_file(int dir, const char *name, const void *data, size_t n, mode_t mode)
{
	char tmp[256];
	own_fd fd = -1;

	if ((size_t)snprintf(tmp, sizeof tmp, ".%s.new", name) >= sizeof tmp) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -1;
	if (fd_write_all(fd, data, n) < 0 || fdatasync(fd) < 0 || renameat(dir, tmp, dir, name) < 0) {
		int saved = errno;

		(void)unlinkat(dir, tmp, 0);
		errno = saved;
		return -1;
	}
	return 0;
}

/* Depth is bounded by the path length that the kernel lets anybody create step by step; an explicit stack of
   directory streams keeps outside data from choosing our recursion depth. */
#define REMOVE_DEPTH 512

static int
remove_dir_content(int top, dev_t dev)
{
	DIR **stack = calloc(REMOVE_DEPTH, sizeof *stack);
	char (*names)[NAME_MAX + 1] = calloc(REMOVE_DEPTH, sizeof *names);
	int depth = -1, result = 0, first = dup(top);

	if (stack == NULL || names == NULL || first < 0) {
		free(stack);
		free(names);
		if (first >= 0)
			close(first);
		return -1;
	}
	stack[++depth] = fdopendir(first);
	while (depth >= 0 && result == 0) {
		DIR *d = stack[depth];
		struct dirent *entry = d != NULL ? readdir(d) : NULL;

		if (entry == NULL) {
			if (d != NULL)
				closedir(d);
			depth--;
			if (depth >= 0 && unlinkat(dirfd(stack[depth]), names[depth + 1], AT_REMOVEDIR) < 0)
				result = -1;
			continue;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			result = -1;
			break;
		}
		if (depth + 1 == REMOVE_DEPTH) {
			errno = ELOOP;
			result = -1;
			break;
		}
		int sub = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (sub < 0) {
			/* a directory without permission bits, as the overlay's work directory is */
			if (errno == EACCES && fchmodat(dirfd(d), entry->d_name, 0700, 0) == 0)
				sub = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (sub < 0 || fstat(sub, &st) < 0 || st.st_dev != dev) {
			if (sub >= 0) {
				close(sub);
				errno = EXDEV;
			}
			result = -1;
			break;
		}
		strcpy(names[depth + 1], entry->d_name);
		stack[++depth] = fdopendir(sub);
		if (stack[depth] == NULL) {
			close(sub);
			result = -1;
		}
	}
	int saved = errno;

	while (depth >= 0) {
		if (stack[depth] != NULL)
			closedir(stack[depth]);
		depth--;
	}
	free(stack);
	free(names);
	errno = saved;
	return result;
}

int
fd_remove_tree(int dir, const char *name)
{
	own_fd fd = -1;
	struct stat st;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (remove_dir_content(fd, st.st_dev) < 0)
		return -1;
	return unlinkat(dir, name, AT_REMOVEDIR);
}

int
fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags);
}

int
fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

pid_t
fd_pid_of_pidfd(int pidfd)
{
	char path[64], text[1024];
	const char *line;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	if (fd_read_text(AT_FDCWD, path, text, sizeof text) < 0)
		return -1;
	line = strstr(text, "\nPid:");
	if (line == NULL) {
		errno = EINVAL;
		return -1;
	}
	pid_t pid = (pid_t)strtol(line + 5, NULL, 10);

	if (pid <= 0) {
		errno = ESRCH;
		return -1;
	}
	return pid;
}

union fd_control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
};

ssize_t
fd_send(int sock, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds, int flags)
{
	union fd_control control;
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n_iov };
	ssize_t r;

	if (n_fds > FD_PASS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (n_fds > 0) {
		struct cmsghdr *h;

		memset(&control, 0, CMSG_SPACE(sizeof(int) * n_fds));
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
	}
	do
		r = sendmsg(sock, &m, flags | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r;
}

ssize_t
fd_receive(int sock, void *data, size_t size, int *fds, size_t *n_fds, int flags)
{
	union fd_control control;
	struct iovec iov = { data, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space };
	size_t room = *n_fds;
	ssize_t r;

	*n_fds = 0;
	do
		r = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -1;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN(sizeof(int) * (i + 1)) <= h->cmsg_len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (*n_fds < room)
				fds[(*n_fds)++] = fd;
			else
				fd_close(&fd);
		}
	}
	return r;
}
