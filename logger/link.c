/*
 * One connection that takes bytes or datagrams. A batch on a stream counts as delivered when the peer's side has taken all of it (nothing
 * of it is left in our socket's queue), or when the driver read the peer's own answer; datagrams when they were taken and no error came back.
 */
#include "logger.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define DEAF (30 * 1000 * MS)          /* a peer that takes nothing for so long is dead */

/* A name that is looked up in a thread of its own; who asked may be gone by then. */
struct resolve {
	struct loop_io io;             /* the read end of a pipe */
	int write_end;
	struct link *link;
	char host[256], port[8];
	struct addrinfo *found;
	int error;
};

static void
fail(struct link *l, const struct err *e)
{
	link_close(l);
	ship_failed(l->ship, e);
}

static void
fail_dial(struct link *l, int no)
{
	struct err e = ERR_INIT;
	char why[128];

	snprintf(why, sizeof why, "%s", strerror(no));
	why[0] = (char)tolower((unsigned char)why[0]);
	if (l->address.has_path)
		(void)err_set(&e, ERR_UNAVAILABLE, "dial %s %s: connect: %s", l->address.proto, l->address.path, why);
	else
		(void)err_set(&e, ERR_UNAVAILABLE, "dial %s %s:%d: connect: %s", l->dgram ? "udp" : "tcp", l->address.host, l->address.port, why);
	fail(l, &e);
}

static void
done(struct link *l)
{
	loop_timer_clear(&l->timer);
	l->sent = 0;
	if (l->only_check)
		link_close(l);
	ship_sent(l->ship);
}

/* ---- sending ---- */
static ssize_t
send_bytes(struct link *l, const unsigned char *p, size_t n)
{
	size_t sent = 0;
	CURLcode code;

	if (l->transfer == NULL) {
		ssize_t r;

		do
			r = send(l->io.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (r < 0 && errno == EINTR);
		return r;
	}
	code = curl_easy_send(l->transfer->easy, p, n, &sent);
	if (code == CURLE_OK)
		return (ssize_t)sent;
	errno = code == CURLE_AGAIN ? EAGAIN : EPIPE;
	return -1;
}

/* A datagram that is larger than the socket takes goes as a sealed memory file (journald's native protocol). */
static ssize_t
send_as_file(struct link *l, const unsigned char *p, size_t n)
{
	own_fd fd = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, p, n) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -1;
	return fd_send(l->io.fd, NULL, 0, &fd, 1, MSG_DONTWAIT) < 0 ? -1 : (ssize_t)n;
}

static void
events(struct link *l, uint32_t wanted)
{
	struct err e = ERR_INIT;

	if (l->io.loop != NULL)
		loop_change(&l->io, wanted);
	else if (loop_add(l->ship->g->loop, &l->io, wanted, &e) < 0)
		log_err(LOG_ERROR, &e, "watch a connection");
}

/* The peer takes nothing now: it has as long as for an answer. */
static void
await_room(struct link *l, uint32_t wanted)
{
	events(l, wanted);
	loop_timer_set(l->ship->g->loop, &l->timer, 1000 * MS);
}

/* Datagrams stand in the batch with their lengths (u32) in front. */
static bool
send_datagrams(struct link *l)
{
	const struct buf *b = &l->ship->batch;

	while (l->sent < b->used) {
		struct head { unsigned char p[4]; } head;
		size_t n;
		ssize_t r;

		memcpy(&head, b->data + l->sent, 4);
		n = (size_t)head.p[0] | (size_t)head.p[1] << 8 | (size_t)head.p[2] << 16 | (size_t)head.p[3] << 24;
		r = send_bytes(l, b->data + l->sent + 4, n);
		if (r < 0 && errno == EMSGSIZE && l->address.has_path)
			r = send_as_file(l, b->data + l->sent + 4, n);
		if (r < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			await_room(l, EPOLLOUT);
			return false;
		}
		if (r < 0 && errno == EMSGSIZE) {
			ship_left_out(l->ship, "it is too large for a datagram");
		} else if (r < 0) {
			fail_dial(l, errno);
			return false;
		}
		l->sent += 4 + n;
		l->quiet_since = now_mono_ns();
	}
	events(l, 0);
	return true;
}

static bool
send_stream(struct link *l)
{
	const struct buf *b = &l->ship->batch;

	while (l->sent < b->used) {
		ssize_t r = send_bytes(l, b->data + l->sent, b->used - l->sent);

		if (r < 0 && errno == EAGAIN) {
			await_room(l, EPOLLIN | EPOLLOUT);
			return false;
		}
		if (r < 0) {
			fail_dial(l, errno);
			return false;
		}
		l->sent += (size_t)r;
		l->quiet_since = now_mono_ns();
	}
	events(l, EPOLLIN);
	return true;
}

/* Everything is in the socket: has the other side taken it? */
static void
confirm(struct link *l)
{
	int left = 0, no = 0;
	socklen_t size = sizeof no;

	if (getsockopt(l->io.fd, SOL_SOCKET, SO_ERROR, &no, &size) == 0 && no != 0) {
		fail_dial(l, no);
		return;
	}
	if (l->waits_for_answer)
		left = 1;
	else if (!l->dgram && ioctl(l->io.fd, SIOCOUTQ, &left) < 0)
		left = 0;
	if (left == 0) {
		done(l);
		return;
	}
	if (now_mono_ns() - l->quiet_since > DEAF) {
		fail_dial(l, ETIMEDOUT);
		return;
	}
	loop_timer_set(l->ship->g->loop, &l->timer, l->waits_for_answer ? 1000 * MS : MS);
}

static void
go_on(struct link *l)
{
	if (l->only_check) {
		done(l);
		return;
	}
	if (!(l->dgram ? send_datagrams(l) : send_stream(l)))
		return;
	if (l->dgram && l->address.has_path)
		done(l);
	else if (l->dgram)
		/* "nobody listens there" comes back at once, if it comes */
		loop_timer_set(l->ship->g->loop, &l->timer, MS);
	else
		confirm(l);
}

static void
read_answer(struct link *l)
{
	unsigned char data[4096];
	size_t n = 0;
	ssize_t r;

	if (l->transfer != NULL) {
		CURLcode code = curl_easy_recv(l->transfer->easy, data, sizeof data, &n);

		r = code == CURLE_AGAIN ? -1 : code == CURLE_OK ? (ssize_t)n : 0;
		if (code == CURLE_AGAIN)
			errno = EAGAIN;
	} else {
		r = recv(l->io.fd, data, sizeof data, MSG_DONTWAIT);
	}
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		/* with nothing under way it is made again when there is something to send */
		if (l->ship->sending)
			fail_dial(l, r < 0 ? errno : ECONNRESET);
		else
			link_close(l);
		return;
	}
	if (l->on_input != NULL && l->on_input(l->ship, data, (size_t)r) && l->ship->sending && l->waits_for_answer)
		done(l);
}

static void
on_ready(struct loop_io *io, uint32_t got)
{
	struct link *l = (struct link *)(void *)((char *)io - offsetof(struct link, io));

	if (l->state == LINK_CONNECTING) {
		int no = 0;
		socklen_t size = sizeof no;

		if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &no, &size) < 0 || no != 0) {
			fail_dial(l, no != 0 ? no : errno);
			return;
		}
		l->state = LINK_UP;
		loop_timer_clear(&l->timer);
		go_on(l);
		return;
	}
	if ((got & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		read_answer(l);
	if (l->state == LINK_UP && (got & EPOLLOUT) != 0 && l->ship->sending && l->sent < l->ship->batch.used)
		go_on(l);
}

static void
on_timer(struct loop_timer *t)
{
	struct link *l = (struct link *)(void *)((char *)t - offsetof(struct link, timer));

	if (l->state == LINK_UP && l->ship->sending && l->sent < l->ship->batch.used) {
		if (now_mono_ns() - l->quiet_since > DEAF)
			fail_dial(l, ETIMEDOUT);
		else
			loop_timer_set(l->ship->g->loop, &l->timer, 1000 * MS);
	} else if (l->state == LINK_UP && l->ship->sending) {
		confirm(l);
	} else if (l->state == LINK_CONNECTING || l->state == LINK_RESOLVING) {
		fail_dial(l, ETIMEDOUT);
	}
}

/* ---- connecting ---- */
static void
connect_to(struct link *l, const struct sockaddr *a, socklen_t n)
{
	int fd = socket(a->sa_family, (l->dgram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		fail_dial(l, errno);
		return;
	}
	l->io = (struct loop_io){ .fd = fd, .on_ready = on_ready };
	l->state = LINK_UP;
	l->quiet_since = now_mono_ns();
	if (connect(fd, a, n) < 0) {
		if (errno != EINPROGRESS) {
			fail_dial(l, errno);
			return;
		}
		l->state = LINK_CONNECTING;
		loop_timer_set(l->ship->g->loop, &l->timer, 8000 * MS);
		events(l, EPOLLOUT);
		return;
	}
	events(l, l->dgram ? 0 : EPOLLIN);
	go_on(l);
}

static void
connect_unix(struct link *l)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (!text_copy(a.sun_path, sizeof a.sun_path, l->address.path))
		fail_dial(l, ENAMETOOLONG);
	else
		connect_to(l, (struct sockaddr *)&a, sizeof a);
}

static void *
look_up(void *ctx)
{
	struct resolve *r = ctx;
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG };

	r->error = getaddrinfo(r->host, r->port, &hints, &r->found);
	(void)!write(r->write_end, "x", 1);
	return NULL;
}

static void
on_found(struct loop_io *io, uint32_t got)
{
	struct resolve *r = (struct resolve *)(void *)io;
	struct link *l = r->link;
	struct err e = ERR_INIT;

	loop_remove(io);
	fd_close(&io->fd);
	fd_close(&r->write_end);
	if (l != NULL) {
		l->resolve = NULL;
		loop_timer_clear(&l->timer);
		if (r->error == 0) {
			connect_to(l, r->found->ai_addr, r->found->ai_addrlen);
		} else {
			(void)err_set(&e, ERR_UNAVAILABLE, "dial udp: lookup %s: no such host", r->host);
			fail(l, &e);
		}
	}
	if (r->error == 0)
		freeaddrinfo(r->found);
	free(r);
}

static void
resolve(struct link *l)
{
	struct resolve *r = calloc(1, sizeof *r);
	pthread_attr_t attr;
	pthread_t thread;
	struct err e = ERR_INIT;
	int ends[2], no = ENOMEM;

	if (r == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(r);
		fail_dial(l, no);
		return;
	}
	r->link = l;
	r->io = (struct loop_io){ .fd = ends[0], .on_ready = on_found };
	r->write_end = ends[1];
	snprintf(r->host, sizeof r->host, "%s", l->address.host);
	snprintf(r->port, sizeof r->port, "%d", l->address.port);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (loop_add(l->ship->g->loop, &r->io, EPOLLIN, &e) < 0 || (no = pthread_create(&thread, &attr, look_up, r)) != 0) {
		loop_remove(&r->io);
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		free(r);
		fail_dial(l, no);
		return;
	}
	l->resolve = r;
	l->state = LINK_RESOLVING;
	loop_timer_set(l->ship->g->loop, &l->timer, 8000 * MS);
}

static bool
on_connected(struct transfer *t, CURLcode code, long status)
{
	struct link *l = &t->ship->link;
	curl_socket_t fd = -1;
	struct err e = ERR_INIT;

	if (code != CURLE_OK || curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0) {
		transfer_error(t, code, "tcp", l->address.host, l->address.port, &e);
		l->transfer = NULL;
		l->state = LINK_DOWN;
		ship_failed(t->ship, &e);
		return false;
	}
	l->io = (struct loop_io){ .fd = fd, .on_ready = on_ready };
	l->state = LINK_UP;
	l->quiet_since = now_mono_ns();
	events(l, EPOLLIN);
	go_on(l);
	return true;
}

static void
connect_tcp(struct link *l)
{
	char url[600];
	bool v6 = strchr(l->address.host, ':') != NULL;

	snprintf(url, sizeof url, "%s://%s%s%s:%d/", l->tls ? "https" : "http", v6 ? "[" : "", l->address.host, v6 ? "]" : "", l->address.port);
	l->transfer = transfer_new(l->ship, url, on_connected);
	if (l->transfer == NULL) {
		fail_dial(l, ENOMEM);
		return;
	}
	(void)curl_easy_setopt(l->transfer->easy, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(l->transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(l->transfer->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	(void)curl_easy_setopt(l->transfer->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	transfer_tls(l->transfer, l->ca, l->cert, l->key, l->skip_verify);
	l->state = LINK_CONNECTING;
	if (!transfer_start(l->transfer)) {
		transfer_free(l->transfer);
		l->transfer = NULL;
		fail_dial(l, ENOMEM);
	}
}

static void
dial(struct link *l)
{
	l->timer.on_time = on_timer;
	l->io.fd = -1;
	if (l->address.has_path)
		connect_unix(l);
	else if (l->dgram)
		resolve(l);
	else
		connect_tcp(l);
}

void
link_send(struct link *l)
{
	l->only_check = false;
	l->sent = 0;
	l->quiet_since = now_mono_ns();
	if (l->state == LINK_UP)
		go_on(l);
	else if (l->state == LINK_DOWN)
		dial(l);
}

void
link_check(struct link *l)
{
	l->only_check = true;
	dial(l);
}

void
link_close(struct link *l)
{
	loop_timer_clear(&l->timer);
	if (l->resolve != NULL)
		l->resolve->link = NULL;
	l->resolve = NULL;
	loop_remove(&l->io);
	if (l->transfer != NULL) {
		struct transfer *t = l->transfer;

		/* the socket is curl's */
		l->transfer = NULL;
		l->io.fd = -1;
		transfer_free(t);
	} else if (l->state != LINK_DOWN) {
		fd_close(&l->io.fd);
	}
	l->state = LINK_DOWN;
	l->sent = 0;
}
