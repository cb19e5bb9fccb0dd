/*
 * Questions that no container answers go to the host's name servers, over the transport by which they came. Each has a socket
 * of its own, so its port is as hard to guess as its id.
 */
#include "resolver.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRY_NS (INT64_C(2500) * 1000000)
#define TRIES  3

struct asked {
	struct asked *next;
	struct asker who;
	struct loop_io io;
	struct loop_timer timer;
	struct dns_question q;
	uint16_t id;                 /* as sent */
	unsigned tries;
	size_t n, sent, got;         /* of the query; TCP: of query and answer with their lengths before them */
	unsigned char *answer;       /* TCP */
	unsigned char query[];       /* room for the length before it */
};

static void try_next(struct asked *a);

static void
drop(struct asked *a)
{
	struct client *c = a->who.client;

	for (struct asked **p = &c->asked; *p != NULL; p = &(*p)->next)
		if (*p == a) {
			*p = a->next;
			break;
		}
	c->n_asked--;
	c->r->n_asked--;
	loop_timer_clear(&a->timer);
	loop_remove(&a->io);
	fd_close(&a->io.fd);
	free(a->answer);
	free(a);
}

void
forward_forget(struct client *c, const struct conn *conn)
{
	struct asked *next;

	for (struct asked *a = c->asked; a != NULL; a = next) {
		next = a->next;
		if (conn == NULL || a->who.conn == conn)
			drop(a);
	}
}

static void
fail(const struct asker *who, const unsigned char *query, const struct dns_question *q)
{
	unsigned char out[DNS_UDP_MAX];

	resolver_answer(who, out, dns_reply(out, sizeof out, query, q, DNS_SERVFAIL, NULL, 0, NULL));
}

static void
give_up(struct asked *a)
{
	struct asker who = a->who;

	/* the client's own id again */
	a->query[2] = (unsigned char)(a->q.id >> 8);
	a->query[3] = (unsigned char)a->q.id;
	fail(&who, a->query + 2, &a->q);
	drop(a);
}

static void
pass_on(struct asked *a, unsigned char *answer, size_t n)
{
	struct asker who = a->who;

	answer[0] = (unsigned char)(a->q.id >> 8);
	answer[1] = (unsigned char)a->q.id;
	resolver_answer(&who, answer, n);
	drop(a);
}

static void
on_udp(struct loop_io *io, uint32_t events)
{
	struct asked *a = (struct asked *)(void *)((char *)io - offsetof(struct asked, io));
	static unsigned char packet[DNS_MAX];
	ssize_t n = recv(io->fd, packet, sizeof packet, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		try_next(a);
	else if (dns_answers(packet, (size_t)n, a->id, a->query + 2, &a->q))
		pass_on(a, packet, (size_t)n);
}

static void
read_stream(struct asked *a)
{
	size_t want = 2;
	ssize_t n;

	if (a->answer == NULL && (a->answer = calloc(1, DNS_MAX + 2)) == NULL) {
		give_up(a);
		return;
	}
	if (a->got >= 2)
		want = 2 + ((size_t)a->answer[0] << 8 | a->answer[1]);
	n = recv(a->io.fd, a->answer + a->got, want - a->got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		try_next(a);
		return;
	}
	a->got += (size_t)n;
	if (a->got < 2 || a->got < 2 + ((size_t)a->answer[0] << 8 | a->answer[1]))
		return;
	if (dns_answers(a->answer + 2, a->got - 2, a->id, a->query + 2, &a->q))
		pass_on(a, a->answer + 2, a->got - 2);
	else
		try_next(a);
}

static void
on_tcp(struct loop_io *io, uint32_t events)
{
	struct asked *a = (struct asked *)(void *)((char *)io - offsetof(struct asked, io));
	ssize_t n;

	if (a->sent == a->n + 2) {
		read_stream(a);
		return;
	}
	if ((events & EPOLLOUT) == 0) {
		try_next(a);
		return;
	}
	n = send(io->fd, a->query + a->sent, a->n + 2 - a->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		try_next(a);
		return;
	}
	a->sent += n > 0 ? (size_t)n : 0;
	if (a->sent == a->n + 2)
		loop_change(io, EPOLLIN);
}

static void
on_time(struct loop_timer *t)
{
	try_next((struct asked *)(void *)((char *)t - offsetof(struct asked, timer)));
}

static int
ask_server(struct asked *a, const struct sockaddr_in *server)
{
	bool tcp = a->who.conn != NULL;
	struct err ignored = ERR_INIT;

	a->sent = a->got = 0;
	if (!text_random(&a->id, sizeof a->id))
		return -1;
	a->query[0] = (unsigned char)(a->n >> 8);
	a->query[1] = (unsigned char)a->n;
	a->query[2] = (unsigned char)(a->id >> 8);
	a->query[3] = (unsigned char)a->id;
	a->io.on_ready = tcp ? on_tcp : on_udp;
	a->io.fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->io.fd < 0 || (connect(a->io.fd, (const struct sockaddr *)server, sizeof *server) < 0 && errno != EINPROGRESS))
		return -1;
	if (!tcp && send(a->io.fd, a->query + 2, a->n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -1;
	return loop_add(a->who.client->r->loop, &a->io, tcp ? EPOLLOUT : EPOLLIN, &ignored);
}

/* Each server in turn, each once at least if there are no more than TRIES. */
static void
try_next(struct asked *a)
{
	struct client *c = a->who.client;

	for (;;) {
		loop_remove(&a->io);
		fd_close(&a->io.fd);
		if (a->tries == TRIES || c->n_servers == 0) {
			give_up(a);
			return;
		}
		if (ask_server(a, &c->servers[a->tries++ % c->n_servers]) == 0)
			break;
	}
	loop_timer_set(c->r->loop, &a->timer, TRY_NS);
}

void
forward(const struct asker *who, const unsigned char *query, size_t n, const struct dns_question *q)
{
	struct client *c = who->client;
	struct asked *a = NULL;

	/* a container that nothing may leave cannot send bytes out with its questions either */
	if (!c->rec.closed && c->n_servers > 0 && c->n_asked < ASKED_OF_CLIENT_MAX && c->r->n_asked < ASKED_MAX)
		a = calloc(1, sizeof *a + n + 2);
	if (a == NULL) {
		fail(who, query, q);
		return;
	}
	*a = (struct asked){ .who = *who, .q = *q, .n = n, .io.fd = -1, .timer.on_time = on_time, .next = c->asked };
	memcpy(a->query + 2, query, n);
	c->asked = a;
	c->n_asked++;
	c->r->n_asked++;
	try_next(a);
}
