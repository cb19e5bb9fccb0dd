/*
 * The streams: from the process to the log and to the attached clients, from the clients to the process. Reading goes
 * through one buffer in pages that exist only while there is traffic.
 */
#include "monitor.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define IO_SIZE     ((size_t)1 << 20)
#define FRAME_MAX   ((size_t)256 << 10)
#define BLOCK_AT    ((size_t)256 << 10)
#define PENDING_MAX ((size_t)16 << 20)
#define INPUT_MAX   ((size_t)1 << 20)
#define HEAD_POLL   (INT64_C(100) * 1000)
#define HEAD_WAIT   (INT64_C(100) * 1000000)

static unsigned char iobuf[IO_SIZE] __attribute__((aligned(4096)));
static size_t io_touched;

static void
watch(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct err e = ERR_INIT;

	if (io->fd < 0)
		return;
	if (io->loop == NULL && loop_add(l, io, events, &e) < 0)
		log_err(LOG_ERROR, &e, "monitor");
	else
		loop_change(io, events);
}

/* Frees what only traffic needs. */
static void
relax(struct monitor *m)
{
	if (io_touched > 4096)
		(void)madvise(iobuf, io_touched, MADV_DONTNEED);
	io_touched = 0;
	log_relax(&m->log);
}

static void
pause_streams(struct monitor *m, bool paused)
{
	watch(m->loop, &m->out.io, paused ? 0 : EPOLLIN);
	watch(m->loop, &m->err.io, paused ? 0 : EPOLLIN);
}

static void
client_events(struct client *c)
{
	bool wait = c->in && !c->input_done && c->m->input_data.used > 0;
	uint32_t events = 0;

	if (!c->input_done && !wait)
		events |= EPOLLIN;
	if (c->pending.used > 0 && !c->held && !c->reading_head)
		events |= EPOLLOUT;
	/* a hangup shows whether wanted or not: while its input must wait a client that left is not looked at */
	if (wait && events == 0)
		loop_remove(&c->io);
	else
		watch(c->m->loop, &c->io, events);
}

static void
count_blocked(struct monitor *m)
{
	int n = 0;

	for (struct client *c = m->clients; c != NULL; c = c->next)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a client that was dropped has left the list */
		if (c->pending.used > BLOCK_AT)
			n++;
	if ((n > 0) != (m->blocked > 0))
		pause_streams(m, n > 0);
	m->blocked = n;
}

static void
close_input_when_written(struct monitor *m)
{
	m->input_close = true;
	if (m->input_data.used == 0 && m->input.fd >= 0) {
		loop_remove(&m->input);
		fd_close(&m->input.fd);
	}
}

static void
client_drop(struct client *c)
{
	struct monitor *m = c->m;

	for (struct client **slot = &m->clients; *slot != NULL; slot = &(*slot)->next)
		if (*slot == c) {
			*slot = c->next;
			break;
		}
	loop_timer_clear(&c->head_timer);
	loop_remove(&c->io);
	fd_close(&c->io.fd);
	if (c->in && !c->input_done && m->start.stdin_once && !m->start.tty)
		close_input_when_written(m);
	buf_done(&c->pending);
	replay_free(c);
	free(c);
	count_blocked(m);
}

static ssize_t
send_some(int fd, const struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
	ssize_t r;

	do {
		r = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno == ENOTSOCK)
			r = writev(fd, iov, n);
	} while (r < 0 && errno == EINTR);
	return r;
}

/* Marks a dead client; it is dropped by the caller's sweep, never in the middle of a walk. */
void
client_send(struct client *c, int stream, const unsigned char *data, size_t n)
{
	while (n > 0 && !c->dead) {
		size_t len = n < FRAME_MAX ? n : FRAME_MAX, head_n = c->mux ? 8 : 0;
		unsigned char head[8] = { (unsigned char)stream, 0, 0, 0, (unsigned char)(len >> 24), (unsigned char)(len >> 16),
			(unsigned char)(len >> 8), (unsigned char)len };
		ssize_t sent = 0;

		if (c->pending.used == 0 && !c->held && !c->reading_head) {
			sent = send_some(c->io.fd, (struct iovec[]){ { head, head_n }, { (void *)(uintptr_t)data, len } }, 2);
			if (sent < 0 && errno != EAGAIN) {
				c->dead = true;
				return;
			}
			if (sent < 0)
				sent = 0;
		}
		if ((size_t)sent < head_n) {
			buf_put(&c->pending, head + sent, head_n - (size_t)sent);
			sent = (ssize_t)head_n;
		}
		sent -= (ssize_t)head_n;
		buf_put(&c->pending, data + sent, len - (size_t)sent);
		if (c->pending.failed)
			c->dead = true;
		data += len;
		n -= len;
	}
}

static void
sweep(struct monitor *m)
{
	for (struct client *c = m->clients, *next; c != NULL; c = next) {
		next = c->next;
		if (c->replay != NULL)
			replay_pump(c);
		if (c->only_log && c->pending.used == 0)
			c->dead = true;
		if (c->dead || (c->ended && c->input_done))
			client_drop(c);
		else
			client_events(c);
	}
	count_blocked(m);
	monitor_clients_changed(m);
}

static void
deliver(struct monitor *m, struct stream *s, const unsigned char *data, size_t n)
{
	log_output(&m->log, s, data, n);
	for (struct client *c = m->clients; c != NULL; c = c->next)
		if (c->replay == NULL && (s->number == STREAM_OUT ? c->out : c->err))
			client_send(c, s->number, data, n);
}

/* Returns false when there is nothing (more) to read. */
static bool
read_stream(struct monitor *m, struct stream *s)
{
	ssize_t n;

	if (!s->open)
		return false;
	do
		n = read(s->io.fd, iobuf, sizeof iobuf);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {   /* EIO: the last process let go of the terminal */
		s->open = false;
		loop_remove(&s->io);
		fd_close(&s->io.fd);
		return false;
	}
	if ((size_t)n > io_touched)
		io_touched = (size_t)n;
	if (n >= 65536 && !s->grown && !m->start.tty) {
		/* a busy writer: fewer, larger reads */
		(void)fcntl(s->io.fd, F_SETPIPE_SZ, (int)IO_SIZE);
		s->grown = true;
	}
	deliver(m, s, iobuf, (size_t)n);
	return true;
}

static void
on_stream(struct loop_io *io, uint32_t events)
{
	struct stream *s = (struct stream *)(void *)io;
	struct monitor *m = s->m;

	(void)read_stream(m, s);
	log_flush(&m->log);
	sweep(m);
}

static void
on_idle(void *ctx)
{
	struct monitor *m = ctx;
	int waiting = 0;

	if (io_touched <= 4096 && m->log.out.size <= 4096)
		return;
	/* nothing waits in the pipes: give the pages back */
	if (m->out.open && ioctl(m->out.io.fd, FIONREAD, &waiting) == 0 && waiting > 0)
		return;
	if (m->err.open && ioctl(m->err.io.fd, FIONREAD, &waiting) == 0 && waiting > 0)
		return;
	relax(m);
}

static void
write_input(struct monitor *m)
{
	while (m->input.fd >= 0 && m->input_data.used > 0) {
		ssize_t n = write(m->input.fd, m->input_data.data, m->input_data.used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			loop_remove(&m->input);
			fd_close(&m->input.fd);
			m->input_data.used = 0;
			break;
		}
		buf_drop(&m->input_data, (size_t)n);
	}
	/* only watched while there is something to write: a closed reader would be reported for ever */
	if (m->input.fd >= 0 && m->input_data.used > 0)
		watch(m->loop, &m->input, EPOLLOUT);
	else
		loop_remove(&m->input);
	if (m->input_data.used == 0) {
		buf_done(&m->input_data);
		if (m->input_close)
			close_input_when_written(m);
	}
	for (struct client *c = m->clients; c != NULL; c = c->next)
		if (c->in)
			client_events(c);
}

static void
on_input(struct loop_io *io, uint32_t events)
{
	write_input((struct monitor *)(void *)((char *)io - offsetof(struct monitor, input)));
}

/* Takes out the detach keys. What was held back because it could have been their beginning is passed on when it was not.
   Returns true if the client wants to leave. */
static bool
scan_keys(struct client *c, const unsigned char *data, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (c->n_keys == 0) {
			buf_put(out, data + i, n - i);
			return false;
		}
		if (data[i] == c->keys[c->matched]) {
			if (++c->matched == c->n_keys)
				return true;
			continue;
		}
		buf_put(out, c->keys, c->matched);
		c->matched = data[i] == c->keys[0] ? 1 : 0;
		if (c->matched == 0)
			buf_putc(out, (char)data[i]);
		else if (c->n_keys == 1)
			return true;
	}
	return false;
}

/* Returns false if the client left by its keys. */
static bool
take_input(struct client *c, const unsigned char *data, size_t n)
{
	struct monitor *m = c->m;
	bool leave;

	if (!c->in || m->input_close)
		return true;
	leave = scan_keys(c, data, n, &m->input_data);
	if (m->input.fd >= 0)
		write_input(m);
	else if (m->started)
		m->input_data.used = 0;   /* the process closed its input: the rest is nobody's */
	return !leave;
}

static void
read_client(struct client *c)
{
	struct monitor *m = c->m;
	ssize_t n = read(c->io.fd, iobuf, 65536);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		c->dead = true;
		return;
	}
	if (n == 0) {
		c->input_done = true;
		if (c->in && m->start.stdin_once && !m->start.tty)
			close_input_when_written(m);
		return;
	}
	if ((size_t)n > io_touched)
		io_touched = (size_t)n;
	if (!take_input(c, iobuf, (size_t)n)) {
		monitor_detached(m);
		c->in = false;   /* leaving must not close the process' input */
		c->dead = true;
	}
}

/* How many bytes the client has not taken yet is what unix(7) calls SIOCOUTQ. */
static void
on_head_time(struct loop_timer *t)
{
	struct client *c = (struct client *)(void *)((char *)t - offsetof(struct client, head_timer));
	int left = 0;

	if (ioctl(c->io.fd, SIOCOUTQ, &left) == 0 && left > 0 && now_mono_ns() < c->head_until) {
		loop_timer_set(c->m->loop, t, HEAD_POLL);
		return;
	}
	c->reading_head = false;
	sweep(c->m);
}

static void
write_client(struct client *c)
{
	size_t n = c->head_left > 0 ? c->head_left : c->pending.used;
	ssize_t sent = send_some(c->io.fd, (struct iovec[]){ { c->pending.data, n } }, 1);

	if (sent < 0 && errno != EAGAIN)
		c->dead = true;
	else if (sent > 0)
		buf_drop(&c->pending, (size_t)sent);
	if (sent > 0 && c->head_left > 0 && (c->head_left -= (size_t)sent) == 0) {
		c->reading_head = true;
		c->head_until = now_mono_ns() + HEAD_WAIT;
		loop_timer_set(c->m->loop, &c->head_timer, HEAD_POLL);
	}
	if (c->pending.used == 0)
		buf_done(&c->pending);
}

static void
on_client(struct loop_io *io, uint32_t events)
{
	struct client *c = (struct client *)(void *)((char *)io - offsetof(struct client, io));
	struct monitor *m = c->m;

	if ((events & EPOLLOUT) != 0 && c->pending.used > 0)
		write_client(c);
	if ((events & EPOLLIN) != 0 && !c->dead)
		read_client(c);
	if ((events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && (events & EPOLLIN) == 0))
		c->dead = true;
	sweep(m);
}

/* "ctrl-p,ctrl-q", "a", ...; checked by the worker before. */
static void
parse_keys(struct client *c, const char *text)
{
	if (text == NULL || *text == '\0')
		text = "ctrl-p,ctrl-q";
	while (*text != '\0' && c->n_keys < sizeof c->keys) {
		size_t n = strcspn(text, ",");
		static const char special[] = "@[\\]^_";
		const char *at;

		if (n == 1) {
			c->keys[c->n_keys++] = (unsigned char)text[0];
		} else if (n == 6 && strncmp(text, "ctrl-", 5) == 0) {
			unsigned char k = (unsigned char)text[5];

			if (k >= 'a' && k <= 'z')
				c->keys[c->n_keys++] = (unsigned char)(k - 'a' + 1);
			else if ((at = strchr(special, k)) != NULL)
				c->keys[c->n_keys++] = (unsigned char)(at == special ? 0 : 27 + (at - special - 1));
		}
		text += n + (text[n] == ',');
	}
}

int
io_attach(struct monitor *m, const struct run_stream *s, int fd, struct err *e)
{
	struct client *c = calloc(1, sizeof *c);

	if (c == NULL) {
		close(fd);
		return err_set(e, ERR_NO_MEMORY, "client");
	}
	c->m = m;
	c->io.fd = fd;
	c->io.on_ready = on_client;
	c->in = s->in && m->start.open_stdin;
	c->out = s->out;
	c->err = s->err;
	c->mux = s->mux;
	c->pending.max = PENDING_MAX;
	if (m->start.tty)
		parse_keys(c, s->detach_keys);
	if (fd_set_nonblock(fd, true) < 0 || loop_add(m->loop, &c->io, 0, e) < 0) {
		close(fd);
		free(c);
		return -1;
	}
	/* what a client sends before the process is there waits for it */
	m->input_data.max = INPUT_MAX;
	c->next = m->clients;
	m->clients = c;
	c->held = !m->started && *m->start.exec != '\0';
	buf_put(&c->pending, s->head.p, s->head.n);
	c->head_left = s->head.n;
	c->head_timer.on_time = on_head_time;
	if (s->logs && replay_new(c, s->stream, e) < 0) {
		client_drop(c);
		return -1;
	}
	if (s->input.n > 0 && !take_input(c, s->input.p, s->input.n))
		c->dead = true;
	sweep(m);
	return 0;
}

void
io_started(struct monitor *m)
{
	for (struct client *c = m->clients; c != NULL; c = c->next)
		c->held = false;
	sweep(m);
}

void
io_resize(struct monitor *m, const struct w_size *size)
{
	struct winsize w = { .ws_row = (unsigned short)size->h, .ws_col = (unsigned short)size->w };

	if (m->start.tty && m->out.open)
		(void)ioctl(m->out.io.fd, TIOCSWINSZ, &w);
}

static int
open_stream(struct monitor *m, struct stream *s, int number, int fd, struct err *e)
{
	s->m = m;
	s->number = number;
	s->io.fd = fd;
	s->io.on_ready = on_stream;
	s->open = true;
	if (fd_set_nonblock(fd, true) < 0)
		return err_sys(e, errno, "standard streams");
	return loop_add(m->loop, &s->io, m->blocked > 0 ? 0 : EPOLLIN, e);
}

/* Made by the other side, which may be anybody by then: a pipe or a terminal, nothing else. */
static int
check_stdio(const struct wire *w, const struct w_stdio *s, bool tty, struct err *e)
{
	unsigned n;

	if (s->tty != tty || w->nfds != (s->tty ? 1u : s->input ? 3u : 2u))
		return err_set(e, ERR_PROTOCOL, "unexpected standard streams");
	for (size_t i = 0; i < w->nfds; i++) {
		struct stat st;

		if (fstat(w->fds[i], &st) < 0 || (s->tty ? !S_ISCHR(st.st_mode) || ioctl(w->fds[i], TIOCGPTN, &n) < 0 : !S_ISFIFO(st.st_mode)))
			return err_set(e, ERR_PROTOCOL, "a standard stream is neither pipe nor terminal");
	}
	return 0;
}

int
io_take_stdio(struct monitor *m, struct wire *w, struct err *e)
{
	const struct w_stdio *s = w->msg;

	if (m->out.open || check_stdio(w, s, m->start.tty, e) < 0)
		return m->out.open ? err_set(e, ERR_PROTOCOL, "standard streams came twice") : -1;
	if (open_stream(m, &m->out, STREAM_OUT, fd_take(&w->fds[0]), e) < 0)
		return -1;
	if (!s->tty && open_stream(m, &m->err, STREAM_ERR, fd_take(&w->fds[1]), e) < 0)
		return -1;
	if (s->tty && m->start.open_stdin) {
		m->input.fd = fcntl(m->out.io.fd, F_DUPFD_CLOEXEC, 3);
	} else if (!s->tty && s->input) {
		m->input.fd = fd_take(&w->fds[2]);
	}
	if (m->input.fd >= 0) {
		m->input.on_ready = on_input;
		if (fd_set_nonblock(m->input.fd, true) < 0)
			return err_sys(e, errno, "standard input");
	}
	loop_on_idle(m->loop, on_idle, m);
	write_input(m);
	return 0;
}

void
io_drain(struct monitor *m)
{
	/* bounded: what others who still hold the other end write from now on is not the process' output */
	for (int i = 0; i < 64 && (read_stream(m, &m->out) || read_stream(m, &m->err)); i++)
		log_flush(&m->log);
	log_end(&m->log, &m->out);
	log_end(&m->log, &m->err);
	log_flush(&m->log);
	sweep(m);
}

void
io_close(struct monitor *m)
{
	struct stream *const streams[] = { &m->out, &m->err };

	for (size_t i = 0; i < 2; i++)
		if (streams[i]->open) {
			loop_remove(&streams[i]->io);
			fd_close(&streams[i]->io.fd);
			streams[i]->open = false;
		}
	if (m->input.fd >= 0) {
		loop_remove(&m->input);
		fd_close(&m->input.fd);
	}
	m->input_data.used = 0;
}
