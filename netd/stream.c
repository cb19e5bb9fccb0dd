/* DNS over TCP (RFC 7766): questions and answers with their length before them. */
#include "resolver.h"

#include "fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define IDLE_NS (INT64_C(10) * 1000000000)
#define OUT_MAX ((size_t)256 << 10)

struct conn {
	struct conn *next;
	struct client *client;
	struct loop_io io;
	struct loop_timer idle;
	struct buf out;
	size_t sent, got;
	bool dead;                   /* freed when nobody is in the middle of it */
	bool busy;
	unsigned char in[DNS_MAX + 2];
};

static void
conn_free(struct conn *k)
{
	struct client *c = k->client;

	for (struct conn **p = &c->conns; *p != NULL; p = &(*p)->next)
		if (*p == k) {
			*p = k->next;
			break;
		}
	c->n_conns--;
	forward_forget(c, k);
	loop_timer_clear(&k->idle);
	loop_remove(&k->io);
	fd_close(&k->io.fd);
	buf_done(&k->out);
	free(k);
}

void
stream_close_all(struct client *c)
{
	while (c->conns != NULL)
		conn_free(c->conns);
}

static void
on_idle(struct loop_timer *t)
{
	conn_free((struct conn *)(void *)((char *)t - offsetof(struct conn, idle)));
}

static void
flush(struct conn *k)
{
	while (k->sent < k->out.used) {
		ssize_t n = send(k->io.fd, k->out.data + k->sent, k->out.used - k->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			k->dead = true;
			return;
		}
		k->sent += (size_t)n;
	}
	if (k->sent == k->out.used) {
		buf_reset(&k->out);
		k->sent = 0;
	}
	loop_change(&k->io, k->out.used > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
stream_answer(struct conn *k, const unsigned char *answer, size_t n)
{
	unsigned char head[2] = { (unsigned char)(n >> 8), (unsigned char)n };

	if (k->dead || n > DNS_MAX)
		return;
	buf_put(&k->out, head, sizeof head);
	buf_put(&k->out, answer, n);
	if (k->out.failed)
		k->dead = true;
	else
		flush(k);
	loop_timer_set(k->client->r->loop, &k->idle, IDLE_NS);
	if (k->dead && !k->busy)
		loop_timer_set(k->client->r->loop, &k->idle, 0);
}

/* Takes the whole questions out of what has come. */
static void
take_questions(struct conn *k)
{
	struct asker who = { .client = k->client, .conn = k };
	size_t at = 0;

	while (!k->dead && k->got - at >= 2) {
		size_t n = (size_t)k->in[at] << 8 | k->in[at + 1];

		if (k->got - at - 2 < n)
			break;
		resolver_ask(&who, k->in + at + 2, n);
		at += 2 + n;
	}
	memmove(k->in, k->in + at, k->got - at);
	k->got -= at;
}

static void
on_ready(struct loop_io *io, uint32_t events)
{
	struct conn *k = (struct conn *)(void *)((char *)io - offsetof(struct conn, io));
	ssize_t n;

	k->busy = true;
	if ((events & EPOLLOUT) != 0)
		flush(k);
	if (!k->dead && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		n = recv(io->fd, k->in + k->got, sizeof k->in - k->got, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			k->dead = true;
		} else if (n > 0) {
			k->got += (size_t)n;
			loop_timer_set(k->client->r->loop, &k->idle, IDLE_NS);
			take_questions(k);
		}
	}
	k->busy = false;
	if (k->dead)
		conn_free(k);
}

void
stream_accept(struct client *c)
{
	own_fd fd = accept4(c->tcp.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err ignored = ERR_INIT;
	struct conn *k;

	if (fd < 0 || c->n_conns >= CONNS_OF_CLIENT_MAX)
		return;
	k = calloc(1, sizeof *k);
	if (k == NULL)
		return;
	k->client = c;
	k->out = (struct buf)BUF_INIT(OUT_MAX);
	k->io = (struct loop_io){ .fd = fd_take(&fd), .on_ready = on_ready };
	k->idle.on_time = on_idle;
	k->next = c->conns;
	c->conns = k;
	c->n_conns++;
	if (loop_add(c->r->loop, &k->io, EPOLLIN, &ignored) < 0) {
		conn_free(k);
		return;
	}
	loop_timer_set(c->r->loop, &k->idle, IDLE_NS);
}
