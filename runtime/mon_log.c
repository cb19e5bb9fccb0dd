/*
 * The json-file log, byte for byte as the Docker engine writes it. Lines are collected and written in large pieces; one
 * reading of the clock serves all lines that came in with one read.
 */
#include "monitor.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_ 16384u
#define OUT_MAX   ((size_t)4 << 20)

static const char hex[] = "0123456789abcdef";

/* 0: as it is; 1: \u00xx; 2: begins a multi-byte character; else the letter after the backslash */
static unsigned char class_of[256];

static void
make_classes(void)
{
	for (int c = 0; c < 0x20; c++)
		class_of[c] = 1;
	class_of['\n'] = 'n';
	class_of['\r'] = 'r';
	class_of['\t'] = 't';
	class_of['"'] = '"';
	class_of['\\'] = '\\';
	class_of['<'] = class_of['>'] = class_of['&'] = 1;
	for (int c = 0x80; c < 0x100; c++)
		class_of[c] = 2;
}

/* Length of the valid UTF-8 sequence at p (as Go decodes it), or 0. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	unsigned c = p[0], low = 0x80, high = 0xbf;
	size_t len;

	if (c >= 0xc2 && c <= 0xdf)
		len = 2;
	else if (c >= 0xe0 && c <= 0xef)
		len = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		len = 4;
	else
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

/* out has room for 6 bytes for each of n. */
static unsigned char *
escape(unsigned char *out, const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;

	while (p < end) {
		const unsigned char *run = p;
		unsigned char c;
		size_t len;

		while (p < end && class_of[*p] == 0)
			p++;
		memcpy(out, run, (size_t)(p - run));
		out += p - run;
		if (p == end)
			break;
		c = *p;
		if (class_of[c] == 1) {
			memcpy(out, "\\u00", 4);
			out[4] = (unsigned char)hex[c >> 4];
			out[5] = (unsigned char)hex[c & 15];
			out += 6;
			p++;
		} else if (class_of[c] != 2) {
			*out++ = '\\';
			*out++ = class_of[c];
			p++;
		} else if ((len = utf8_len(p, (size_t)(end - p))) == 0) {
			memcpy(out, "\\ufffd", 6);
			out += 6;
			p++;
		} else if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
			memcpy(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
			out += 6;
			p += 3;
		} else {
			memcpy(out, p, len);
			out += len;
			p += len;
		}
	}
	return out;
}

/* One clock reading for a batch of lines is right: they came in with one read. */
struct stamp {
	char text[64];
	size_t n;
};

static void
put_line(struct log *l, const struct stream *s, const struct stamp *stamp, const unsigned char *text, size_t n, bool newline)
{
	unsigned char *p;

	if (!buf_room(&l->out, 6 * n + 160))
		return;
	p = l->out.data + l->out.used;
	memcpy(p, "{\"log\":\"", 8);
	p += 8;
	p = escape(p, text, n);
	if (newline) {
		*p++ = '\\';
		*p++ = 'n';
	}
	memcpy(p, "\",\"stream\":\"std", 15);
	p += 15;
	memcpy(p, s->number == STREAM_OUT ? "out" : "err", 3);
	p += 3;
	memcpy(p, stamp->text, stamp->n);
	p += stamp->n;
	l->out.used = (size_t)(p - l->out.data);
}

static bool
keep_part(struct stream *s, const unsigned char *p, size_t n)
{
	if (s->part == NULL && (s->part = malloc(LINE_MAX_)) == NULL)
		return false;
	memcpy(s->part + s->part_n, p, n);
	s->part_n += n;
	return true;
}

/* Lines go out when their newline came; 16 KiB without one go out as a partial line. */
void
log_output(struct log *l, struct stream *s, const unsigned char *data, size_t n)
{
	struct stamp stamp;
	const unsigned char *end = data + n;
	size_t len;

	if (!l->on)
		return;
	memcpy(stamp.text, "\",\"time\":\"", 10);
	text_time(stamp.text + 10, now_real_ns());
	len = strlen(stamp.text);
	memcpy(stamp.text + len, "\"}\n", 3);
	stamp.n = len + 3;
	while (data < end) {
		size_t left = (size_t)(end - data), room = LINE_MAX_ - s->part_n;
		const unsigned char *nl = memchr(data, '\n', left < room ? left : room);

		if (nl != NULL) {
			/* joined first, so that a character cut between two reads is whole */
			if (s->part_n > 0 && keep_part(s, data, (size_t)(nl - data)))
				put_line(l, s, &stamp, s->part, s->part_n, true);
			else
				put_line(l, s, &stamp, data, (size_t)(nl - data), true);
			s->part_n = 0;
			data = nl + 1;
			if (l->out.used > (OUT_MAX >> 2))
				log_flush(l);
			continue;
		}
		if (left < room) {
			if (!keep_part(s, data, left))
				l->failed = true;
			return;
		}
		if (s->part_n > 0 && keep_part(s, data, room))
			put_line(l, s, &stamp, s->part, s->part_n, false);
		else
			put_line(l, s, &stamp, data, room, false);
		s->part_n = 0;
		data += room;
		if (l->out.used > (OUT_MAX >> 2))
			log_flush(l);
	}
}

void
log_end(struct log *l, struct stream *s)
{
	struct stamp stamp;
	size_t len;

	if (!l->on || s->part_n == 0)
		return;
	memcpy(stamp.text, "\",\"time\":\"", 10);
	text_time(stamp.text + 10, now_real_ns());
	len = strlen(stamp.text);
	memcpy(stamp.text + len, "\"}\n", 3);
	stamp.n = len + 3;
	put_line(l, s, &stamp, s->part, s->part_n, false);
	s->part_n = 0;
}

static void
tell(struct log *l, const char *what, int fd)
{
	for (struct follower **slot = &l->followers; *slot != NULL;) {
		struct follower *f = *slot;
		struct iovec iov = { (void *)(uintptr_t)what, 1 };
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(int))];
		} control;
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (fd >= 0) {
			struct cmsghdr *h;

			memset(&control, 0, sizeof control);
			m.msg_control = control.space;
			m.msg_controllen = sizeof control.space;
			h = CMSG_FIRSTHDR(&m);
			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			h->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(h), &fd, sizeof fd);
		}
		/* "new data" need not be said twice: a full queue holds it already. A rotation must arrive. */
		if (sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno != EAGAIN || fd >= 0)) {
			*slot = f->next;
			close(f->fd);
			free(f);
			continue;
		}
		slot = &f->next;
	}
}

static int
open_file(struct log *l, const char *name, int flags)
{
	return openat(l->dir, name, flags | O_NOFOLLOW | O_CLOEXEC, 0640);
}

static void
rotate(struct log *l)
{
	char from[112], to[112];
	own_fd fd = -1, reader = -1;

	for (int i = l->max_files - 1; i > 0; i--) {
		if (i == 1)
			snprintf(from, sizeof from, "%s", l->name);
		else
			snprintf(from, sizeof from, "%s.%d", l->name, i - 1);
		snprintf(to, sizeof to, "%s.%d", l->name, i);
		(void)renameat(l->dir, from, l->dir, to);
	}
	if (l->max_files <= 1)
		(void)unlinkat(l->dir, l->name, 0);
	fd = open_file(l, l->name, O_WRONLY | O_CREAT | O_APPEND);
	if (fd < 0)
		return;   /* go on in the old file: better too large than lost */
	fd_close(&l->fd);
	l->fd = fd_take(&fd);
	l->size = 0;
	replay_rotated(l->m);
	if (l->followers != NULL && (reader = open_file(l, l->name, O_RDONLY)) >= 0)
		tell(l, "r", reader);
}

/* How much goes into the present file: whole lines, at least one, however long. Rotates before a line that would not fit. */
static size_t
piece(struct log *l, const unsigned char *data, size_t n)
{
	const unsigned char *cut = NULL;
	int64_t room = l->max_size - l->size;

	if (l->max_size <= 0 || (int64_t)n <= room)
		return n;
	if (room > 0)
		cut = memrchr(data, '\n', (size_t)room);
	if (cut == NULL && l->size > 0) {
		rotate(l);
		room = l->max_size;
		if ((int64_t)n <= room)
			return n;
		cut = memrchr(data, '\n', (size_t)room);
	}
	if (cut == NULL)
		cut = memchr(data, '\n', n);
	return cut != NULL ? (size_t)(cut - data) + 1 : n;
}

void
log_flush(struct log *l)
{
	const unsigned char *data = l->out.data, *end;

	if (data == NULL || l->out.used == 0)
		return;
	for (end = data + l->out.used; data < end;) {
		ssize_t w = write(l->fd, data, piece(l, data, (size_t)(end - data)));

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			break;   /* a full disk costs log lines, as with the Docker engine; the container goes on */
		data += w;
		l->size += w;
	}
	if (l->followers != NULL)
		tell(l, "d", -1);
	l->out.used = 0;
	l->out.failed = false;
}

void
log_relax(struct log *l)
{
	buf_done(&l->out);
}

int
log_open(struct monitor *m, struct err *e)
{
	struct log *l = &m->log;
	struct stat st;

	l->fd = -1;
	l->m = m;
	l->dir = m->dir;
	l->out.max = 8 * OUT_MAX;
	l->on = m->start.log_driver != NULL && strcmp(m->start.log_driver, "json-file") == 0 && *m->start.exec == '\0';
	if (!l->on)
		return 0;
	make_classes();
	l->max_size = m->start.log_size;
	l->max_files = (int)(m->start.log_files > 0 ? m->start.log_files : 1);
	snprintf(l->name, sizeof l->name, "%s-json.log", m->start.id);
	l->fd = open_file(l, l->name, O_WRONLY | O_CREAT | O_APPEND);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return err_sys(e, errno, "open the log");
	l->size = st.st_size;
	return 0;
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
	size_t n = 0;

	for (int i = l->max_files - 1; l->on && i >= 0 && n < max; i--) {
		char name[112];
		int fd;

		if (i > 0)
			snprintf(name, sizeof name, "%s.%d", l->name, i);
		else
			snprintf(name, sizeof name, "%s", l->name);
		fd = open_file(l, name, O_RDONLY);
		if (fd >= 0)
			fds[n++] = fd;
	}
	return n;
}

int
log_current(struct log *l, int *ret_fd)
{
	int fd = l->on ? open_file(l, l->name, O_RDONLY) : -1;

	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}
