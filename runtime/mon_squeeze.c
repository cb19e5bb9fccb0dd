/*
 * Compresses full log files, one at a time and beside the monitor's work: a process of the monitor's own kind (the same filter, the
 * same Landlock domain) that holds two descriptors, compresses one into the other, and ends. The monitor renames the
 * result into place. While one is being compressed others may become full: they wait as they are, and the log never waits for them.
 */
#include "monitor.h"

#include "fd.h"
#include "log.h"
#include "logfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

static void
temporary(const struct log *l, char name[LOGFILE_NAME])
{
	snprintf(name, LOGFILE_NAME, "%.96s.squeeze", l->name);
}

static int
squeeze(int in, int out)
{
	static unsigned char from[65536], to[65536];
	z_stream z = { .next_in = from };
	int r = Z_OK, flush = Z_NO_FLUSH;

	/* 31: with the header of gzip */
	if (deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	while (r != Z_STREAM_END) {
		if (z.avail_in == 0 && flush == Z_NO_FLUSH) {
			ssize_t n = read(in, from, sizeof from);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -1;
			z.next_in = from;
			z.avail_in = (uInt)n;
			flush = n == 0 ? Z_FINISH : Z_NO_FLUSH;
		}
		z.next_out = to;
		z.avail_out = sizeof to;
		r = deflate(&z, flush);
		if ((r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) || fd_write_all(out, to, sizeof to - z.avail_out) < 0)
			return -1;
	}
	return 0;
}

static void
forget(struct log *l)
{
	struct squeeze *q = &l->squeeze;
	int status;

	loop_remove(&q->io);
	fd_close(&q->io.fd);
	while (waitpid(q->pid, &status, __WALL) < 0 && errno == EINTR)
		;
	q->ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	q->pid = 0;
}

static void
on_done(struct loop_io *io, uint32_t events)
{
	struct squeeze *q = (struct squeeze *)(void *)((char *)io - offsetof(struct squeeze, io));
	struct log *l = (struct log *)(void *)((char *)q - offsetof(struct log, squeeze));
	char plain[LOGFILE_NAME], gz[LOGFILE_NAME], tmp[LOGFILE_NAME];

	forget(l);
	temporary(l, tmp);
	logfiles_name(plain, l->name, q->index, false);
	logfiles_name(gz, l->name, q->index, true);
	if (!q->ok || q->index == 0 || renameat(l->dir, tmp, l->dir, gz) < 0)
		(void)unlinkat(l->dir, tmp, 0);
	else
		(void)unlinkat(l->dir, plain, 0);
	/* what failed once fails again: not before the next rotation */
	if (q->ok)
		squeeze_start(l);
}

static int
open_plain(const struct log *l, int *ret_index)
{
	char name[LOGFILE_NAME];

	for (int i = 1; i < l->max_files; i++) {
		int fd;

		logfiles_name(name, l->name, i, false);
		fd = openat(l->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			*ret_index = i;
			return fd;
		}
	}
	return -1;
}

void
squeeze_start(struct log *l)
{
	struct squeeze *q = &l->squeeze;
	own_fd in = -1, out = -1;
	char tmp[LOGFILE_NAME];
	struct err e = ERR_INIT;
	int pidfd = -1;

	if (!l->compress || q->pid != 0 || (in = open_plain(l, &q->index)) < 0)
		return;
	temporary(l, tmp);
	(void)unlinkat(l->dir, tmp, 0);
	out = openat(l->dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (out < 0)
		return;
	/* without an exit signal: the monitor's only child that reports is its process */
	q->pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD, NULL, &pidfd, NULL, NULL);
	if (q->pid == 0) {
		int low = in < out ? in : out, high = in < out ? out : in;

		(void)close_range(high + 1u, ~0u, 0);
		if (high > low + 1)
			(void)close_range(low + 1u, high - 1u, 0);
		if (low > 0)
			(void)close_range(0, low - 1u, 0);
		_exit(squeeze(in, out) < 0 ? 1 : 0);
	}
	if (q->pid < 0) {
		q->pid = 0;
		(void)unlinkat(l->dir, tmp, 0);
		return;
	}
	q->io = (struct loop_io){ .fd = pidfd, .on_ready = on_done };
	if (loop_add(l->m->loop, &q->io, EPOLLIN, &e) < 0) {
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		forget(l);
		(void)unlinkat(l->dir, tmp, 0);
	}
}

void
squeeze_stop(struct log *l)
{
	char tmp[LOGFILE_NAME];

	if (l->squeeze.pid == 0)
		return;
	(void)pidfd_send_signal(l->squeeze.io.fd, SIGKILL, NULL, 0);
	forget(l);
	temporary(l, tmp);
	(void)unlinkat(l->dir, tmp, 0);
}
