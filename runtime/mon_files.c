/*
 * The files of the log: what was collected is written in large pieces, whole records only, and never a byte more into a file than it may
 * hold; then the files are renamed and a new one begins. Who follows the log is told.
 */
#include "monitor.h"

#include "fd.h"
#include "log.h"
#include "logfiles.h"
#include "logframe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER_FILE "log-number"

static void
tell(struct log *l, const char *what, int fd)
{
	for (struct follower **slot = &l->followers; *slot != NULL;) {
		struct follower *f = *slot;
		struct iovec iov = { (void *)(uintptr_t)what, 1 };

		/* "new data" need not be said twice: a full queue holds it already. A rotation must arrive. */
		if (fd_send(f->fd, &iov, 1, &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT) < 0 && (errno != EAGAIN || fd >= 0)) {
			*slot = f->next;
			close(f->fd);
			free(f);
			continue;
		}
		slot = &f->next;
	}
}

static int
open_file(struct log *l, int flags)
{
	return openat(l->dir, l->name, flags | O_NOFOLLOW | O_CLOEXEC, 0640);
}

/* NAME.i-1 becomes NAME.i in the form that it has. */
static void
move_up(struct log *l, int i)
{
	char from[LOGFILE_NAME], to[LOGFILE_NAME];

	for (int gz = 0; gz < 2; gz++) {
		logfiles_name(to, l->name, i, gz != 0);
		if (i == l->max_files - 1)
			(void)unlinkat(l->dir, to, 0);
		if (i == 1 && gz != 0)
			continue;
		logfiles_name(from, l->name, i - 1, gz != 0);
		(void)renameat(l->dir, from, l->dir, to);
	}
}

/* The number of the last record before a file begins, for a monitor that finds no whole record in it: the files before may be
   compressed, or gone. Written over what is there, without a new block on a full disk. */
static int
keep_number(struct log *l)
{
	own_fd fd = openat(l->dir, NUMBER_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	char text[24];

	snprintf(text, sizeof text, "%020llu\n", (unsigned long long)l->seq);
	return fd < 0 ? -1 : fd_write_all(fd, text, strlen(text));
}

static void
find_number(struct log *l)
{
	char text[64];

	if (fd_read_text(l->dir, NUMBER_FILE, text, sizeof text) > 0)
		l->seq = strtoull(text, NULL, 10);
}

/* The next file, not yet under its name. */
static int
make_next(struct log *l, const char *name)
{
	if (l->format == LOG_LOCAL && keep_number(l) < 0)
		return -1;
	return openat(l->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
}

static void
rotate(struct log *l)
{
	char next[LOGFILE_NAME];
	own_fd fd = -1, reader = -1;

	snprintf(next, sizeof next, "%.96s.next", l->name);
	fd = make_next(l, next);
	if (fd < 0)
		return;   /* go on in the old file: better too large than lost */
	for (int i = l->max_files - 1; i > 0; i--)
		move_up(l, i);
	if (l->squeeze.index > 0)
		l->squeeze.index = l->squeeze.index + 1 < l->max_files ? l->squeeze.index + 1 : 0;
	if (renameat(l->dir, next, l->dir, l->name) < 0)
		return;
	fd_close(&l->fd);
	l->fd = fd_take(&fd);
	l->size = 0;
	squeeze_start(l);
	replay_rotated(l->m);
	if (l->followers != NULL && (reader = open_file(l, O_RDONLY)) >= 0)
		tell(l, "r", reader);
}

/* The length of the whole records in the first room bytes of n. */
static size_t
whole(const struct log *l, const unsigned char *data, size_t n, size_t room)
{
	size_t at = 0;

	if (l->format == LOG_JSON) {
		const unsigned char *cut = memrchr(data, '\n', room < n ? room : n);

		return cut != NULL ? (size_t)(cut - data) + 1 : 0;
	}
	while (at < n) {
		size_t len = log_frame_len(data + at);

		if (at + len > room)
			break;
		at += len;
	}
	return at;
}

static size_t
first(const struct log *l, const unsigned char *data, size_t n)
{
	const unsigned char *cut;

	if (l->format == LOG_LOCAL)
		return log_frame_len(data);
	cut = memchr(data, '\n', n);
	return cut != NULL ? (size_t)(cut - data) + 1 : n;
}

/* How much goes into the present file: whole records, at least one, however long. Rotates before one that would not fit. */
static size_t
piece(struct log *l, const unsigned char *data, size_t n)
{
	int64_t room = l->max_size - l->size;
	size_t cut = 0;

	if (l->max_size <= 0 || (int64_t)n <= room)
		return n;
	if (room > 0)
		cut = whole(l, data, n, (size_t)room);
	if (cut == 0 && l->size > 0) {
		rotate(l);
		room = l->max_size;
		if ((int64_t)n <= room)
			return n;
		cut = whole(l, data, n, (size_t)room);
	}
	return cut > 0 ? cut : first(l, data, n);
}

/* All of it or nothing: half a record would make the next one unreadable. A full disk costs log lines, as with the Docker
   engine; the container goes on. */
static bool
write_piece(struct log *l, const unsigned char *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = write(l->fd, data + done, n - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			done = whole(l, data, n, done);
			if (ftruncate(l->fd, l->size + (int64_t)done) < 0)
				log_msg(LOG_DEBUG, "the log of %.12s is torn", l->m->start.id);
			l->size += (int64_t)done;
			return false;
		}
		done += (size_t)w;
	}
	l->size += (int64_t)n;
	return true;
}

void
log_flush(struct log *l)
{
	const unsigned char *data = l->out.data, *end;

	if (data == NULL || l->out.used == 0)
		return;
	for (end = data + l->out.used; data < end;) {
		size_t n = piece(l, data, (size_t)(end - data));

		if (!write_piece(l, data, n))
			break;
		data += n;
	}
	if (l->followers != NULL)
		tell(l, "d", -1);
	l->out.used = 0;
	l->out.failed = false;
}

/* Reads the present file through once: cuts off what a killed writer left torn at its end, and finds the last record's number. */
static int
find_end(struct log *l, struct err *e)
{
	own_buf b = BUF_INIT(4u << 20);
	own_fd fd = open_file(l, O_RDONLY);
	int64_t good = 0;

	if (fd < 0)
		return err_sys(e, errno, "read the log");
	for (;;) {
		struct log_frame f;
		size_t at = 0;
		ssize_t n;

		/* only what was read to its end may be cut */
		if (!buf_room(&b, (size_t)1 << 20))
			return err_set(e, ERR_NO_MEMORY, "read the log");
		n = read(fd, b.data + b.used, (size_t)1 << 20);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read the log");
		if (n == 0)
			break;
		b.used += (size_t)n;
		for (ssize_t len; at < b.used; at += (size_t)len) {
			len = log_frame_scan(b.data + at, b.used - at, &f);
			if (len == 0)
				break;
			if (len < 0) {
				len = (ssize_t)log_frame_next(b.data + at, b.used - at);
				continue;
			}
			l->seq = f.seq;
			good = l->size + (int64_t)(at + (size_t)len);
		}
		l->size += (int64_t)at;
		buf_drop(&b, at);
	}
	l->size = good;
	return ftruncate(l->fd, good) < 0 ? err_sys(e, errno, "mend the log") : 0;
}

int
log_open(struct monitor *m, struct err *e)
{
	struct log *l = &m->log;
	const char *format = m->start.log_driver != NULL ? m->start.log_driver : "none";
	struct stat st;

	l->fd = -1;
	l->m = m;
	l->dir = m->dir;
	l->format = *m->start.exec != '\0' ? LOG_NONE : strcmp(format, "json-file") == 0 ? LOG_JSON : strcmp(format, "local") == 0 ? LOG_LOCAL : LOG_NONE;
	l->on = l->format != LOG_NONE;
	if (!l->on)
		return 0;
	if (log_lines_init(l, e) < 0)
		return -1;
	l->max_size = m->start.log_size;
	l->max_files = (int)(m->start.log_files > 0 ? m->start.log_files : 1);
	l->compress = m->start.log_compress && l->max_files > 1;
	logfiles_base(l->name, format, m->start.id);
	l->fd = open_file(l, O_WRONLY | O_CREAT | O_APPEND);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return err_sys(e, errno, "open the log");
	l->size = l->format == LOG_LOCAL ? 0 : st.st_size;
	if (l->format == LOG_LOCAL && st.st_size > 0 && find_end(l, e) < 0)
		return -1;
	if (l->format == LOG_LOCAL && l->seq == 0)
		find_number(l);
	return 0;
}

void
log_tell_end(struct log *l)
{
	if (l->followers != NULL)
		tell(l, "e", -1);
}

int
log_follow(struct log *l, int fd)
{
	struct follower *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	f->fd = fd;
	f->next = l->followers;
	l->followers = f;
	return 0;
}

size_t
log_files(struct log *l, int *fds, size_t max)
{
	return l->on ? logfiles_open(l->dir, l->name, l->max_files, fds, max) : 0;
}

int
log_current(struct log *l, int *ret_fd)
{
	int fd = l->on ? open_file(l, O_RDONLY) : -1;

	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}
