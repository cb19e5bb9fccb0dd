#include "resolver.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 256
#define ROUND 64               /* questions taken from one socket before others get their turn */

/* ---- names ---- */
static bool
is_called(const struct named *n, const char *name)
{
	for (size_t i = 0; i < n->rec.names.n; i++) {
		const char *own = n->rec.names.v[i];
		size_t len = strlen(own);

		if (strcasecmp(own, name) == 0)
			return true;
		/* "web.mynet" is the one on that network */
		if (strncasecmp(own, name, len) == 0 && name[len] == '.' && n->rec.name != NULL && strcasecmp(name + len + 1, n->rec.name) == 0)
			return true;
	}
	return false;
}

/* All addresses of a name on the client's networks: those of the first network that knows it. */
static size_t
look_up(const struct client *c, const char *name, uint32_t *out)
{
	const char *link = kvs_get(&c->links.links, name);
	size_t n = 0;

	if (link != NULL && text_to_ip4(link, &out[0]))
		return 1;
	for (size_t i = 0; i < c->rec.networks.n && n == 0; i++)
		for (const struct named *k = c->r->named; k != NULL && n < ADDRESSES_MAX; k = k->next)
			if (strcmp(k->rec.network, c->rec.networks.v[i]) == 0 && is_called(k, name))
				out[n++] = k->address;
	return n;
}

static const struct named *
look_up_address(const struct client *c, uint32_t address)
{
	for (const struct named *k = c->r->named; k != NULL; k = k->next)
		if (k->address == address && k->rec.names.n > 0 && strs_has(&c->rec.networks, k->rec.network))
			return k;
	return NULL;
}

/* Another one first each time. */
static void
rotate(uint32_t *a, size_t n, unsigned turn)
{
	uint32_t copy[ADDRESSES_MAX] = { 0 };

	for (size_t i = 0; i < n; i++)
		copy[i] = a[(i + turn) % n];
	memcpy(a, copy, n * sizeof *a);
}

void
resolver_answer(const struct asker *who, const unsigned char *answer, size_t n)
{
	/* what an answer meets on its way is the container's to decide, so it could fill the log with it */
	if (who->conn != NULL)
		stream_answer(who->conn, answer, n);
	else if (sendto(who->client->udp.fd, answer, n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&who->from, sizeof who->from) < 0)
		log_msg(LOG_DEBUG, "answer to container %.12s: %s", who->client->rec.id, strerror(errno));
}

static bool
answer_name(const struct asker *who, const unsigned char *query, const struct dns_question *q, unsigned char *out, size_t room)
{
	struct client *c = who->client;
	uint32_t addresses[ADDRESSES_MAX];
	size_t n;

	if (q->type != DNS_A && q->type != DNS_AAAA && q->type != DNS_ANY)
		return false;
	n = look_up(c, q->name, addresses);
	if (n == 0)
		return false;
	rotate(addresses, n, c->r->turn++);
	resolver_answer(who, out, dns_reply(out, room, query, q, DNS_OK, addresses, q->type == DNS_AAAA ? 0 : n, NULL));
	return true;
}

static bool
answer_reverse(const struct asker *who, const unsigned char *query, const struct dns_question *q, unsigned char *out, size_t room)
{
	const struct named *k;
	char name[DNS_NAME_MAX];
	uint32_t address;

	if (q->type != DNS_PTR || !dns_reverse(q->name, &address) || (k = look_up_address(who->client, address)) == NULL)
		return false;
	if ((size_t)snprintf(name, sizeof name, "%s.%s", k->rec.names.v[0], text_is_name(k->rec.name, 63) ? k->rec.name : "network") >= sizeof name)
		return false;
	resolver_answer(who, out, dns_reply(out, room, query, q, DNS_OK, NULL, 0, name));
	return true;
}

void
resolver_ask(const struct asker *who, const unsigned char *query, size_t n)
{
	static unsigned char out[DNS_MAX];
	struct dns_question q;
	int code = dns_parse(query, n, &q);
	size_t room = who->conn != NULL ? sizeof out : q.room;

	if (code < 0)
		return;
	if (code != DNS_OK)
		resolver_answer(who, out, dns_reply(out, room, query, &q, code, NULL, 0, NULL));
	else if (!answer_name(who, query, &q, out, room) && !answer_reverse(who, query, &q, out, room))
		forward(who, query, n, &q);
}

static void
on_udp(struct loop_io *io, uint32_t events)
{
	struct client *c = (struct client *)(void *)((char *)io - offsetof(struct client, udp));
	static unsigned char packet[DNS_MAX];

	(void)events;
	for (int i = 0; i < ROUND; i++) {
		struct asker who = { .client = c };
		socklen_t len = sizeof who.from;
		ssize_t n = recvfrom(io->fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&who.from, &len);

		if (n < 0)
			return;
		/* nobody can be answered at port 0 */
		if (len == sizeof who.from && who.from.sin_family == AF_INET && who.from.sin_port != 0)
			resolver_ask(&who, packet, (size_t)n);
	}
}

static void
on_tcp(struct loop_io *io, uint32_t events)
{
	(void)events;
	stream_accept((struct client *)(void *)((char *)io - offsetof(struct client, tcp)));
}

/* ---- what the broker says ---- */
static void
client_free(struct client *c)
{
	stream_close_all(c);
	forward_forget(c, NULL);
	loop_remove(&c->udp);
	loop_remove(&c->tcp);
	fd_close(&c->udp.fd);
	fd_close(&c->tcp.fd);
	arena_done(&c->arena);
	arena_done(&c->links_arena);
	free(c);
}

static void
close_client(struct resolver *r, const char *id)
{
	for (struct client **p = &r->clients; *p != NULL; p = &(*p)->next)
		if (strcmp((*p)->rec.id, id) == 0) {
			struct client *c = *p;

			*p = c->next;
			client_free(c);
			return;
		}
}

static void
read_servers(struct client *c)
{
	for (size_t i = 0; i < c->rec.servers.n && c->n_servers < SERVERS_MAX; i++) {
		struct sockaddr_in *a = &c->servers[c->n_servers];
		uint32_t address;

		/* (IPv6 servers are for networks that have it) */
		if (!text_to_ip4(c->rec.servers.v[i], &address))
			continue;
		*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(address) };
		c->n_servers++;
	}
}

static int
is_socket(int fd, int type, struct err *e)
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof a, n = sizeof(int);
	int got = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &n) < 0 || got != type || getsockname(fd, (struct sockaddr *)&a, &len) < 0 || a.ss_family != AF_INET)
		return err_set(e, ERR_PROTOCOL, "not a socket of a name server");
	return 0;
}

/* Its sockets stay. */
static int
change_client(struct call *call, const struct dns_client *m, struct err *e)
{
	struct resolver *r = call->ctx;
	struct client *c = r->clients;
	struct dns_client rec = { 0 };
	own_arena fresh = ARENA_INIT;

	while (c != NULL && strcmp(c->rec.id, m->id) != 0)
		c = c->next;
	if (c == NULL)
		return err_set(e, ERR_NOT_FOUND, "container %.12s is not served", m->id);
	if (rec_copy(&dns_client_type, m, &fresh, &rec, e) < 0) {
		/* what it may ask by now is not known */
		close_client(r, m->id);
		return -1;
	}
	arena_done(&c->arena);
	arena_merge(&c->arena, &fresh);
	c->rec = rec;
	c->n_servers = 0;
	read_servers(c);
	call_ok(call);
	return 0;
}

static int
on_serve(struct call *call, const void *msg, struct err *e)
{
	struct resolver *r = call->ctx;
	const struct dns_client *m = msg;
	struct client *c;

	if (!text_is_id(m->id) || (call->nfds != 2 && call->nfds != 0))
		return err_set(e, ERR_PROTOCOL, "malformed request");
	if (call->nfds == 0)
		return change_client(call, m, e);
	if (is_socket(call->fds[0], SOCK_DGRAM, e) < 0 || is_socket(call->fds[1], SOCK_STREAM, e) < 0)
		return -1;
	close_client(r, m->id);
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	c->r = r;
	c->udp.fd = fd_take(&call->fds[0]);
	c->tcp.fd = fd_take(&call->fds[1]);
	c->udp.on_ready = on_udp;
	c->tcp.on_ready = on_tcp;
	if (rec_copy(&dns_client_type, m, &c->arena, &c->rec, e) < 0 || fd_set_nonblock(c->udp.fd, true) < 0 ||
	    fd_set_nonblock(c->tcp.fd, true) < 0 || loop_add(r->loop, &c->udp, EPOLLIN, e) < 0 || loop_add(r->loop, &c->tcp, EPOLLIN, e) < 0) {
		client_free(c);
		return err_wrap(e, "serve container %.12s", m->id);
	}
	read_servers(c);
	c->next = r->clients;
	r->clients = c;
	call_ok(call);
	return 0;
}

static int
on_close(struct call *call, const void *msg, struct err *e)
{
	const struct dns_id *m = msg;

	if (!text_is_id(m->id))
		return err_set(e, ERR_PROTOCOL, "malformed request");
	close_client(call->ctx, m->id);
	call_ok(call);
	return 0;
}

static void
unset(struct resolver *r, const struct dns_names *m)
{
	for (struct named **p = &r->named; *p != NULL; p = &(*p)->next)
		if (strcmp((*p)->rec.id, m->id) == 0 && strcmp((*p)->rec.network, m->network) == 0) {
			struct named *n = *p;

			*p = n->next;
			arena_done(&n->arena);
			free(n);
			return;
		}
}

static int
on_set(struct call *call, const void *msg, struct err *e)
{
	struct resolver *r = call->ctx;
	const struct dns_names *m = msg;
	struct named *n;
	uint32_t address;

	if (!text_is_id(m->id) || !text_is_id(m->network) || m->address == NULL || !text_to_ip4(m->address, &address))
		return err_set(e, ERR_PROTOCOL, "malformed request");
	unset(r, m);
	n = calloc(1, sizeof *n);
	if (n == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (rec_copy(&dns_names_type, m, &n->arena, &n->rec, e) < 0) {
		free(n);
		return -1;
	}
	n->address = address;
	n->next = r->named;
	r->named = n;
	call_ok(call);
	return 0;
}

static int
on_unset(struct call *call, const void *msg, struct err *e)
{
	const struct dns_names *m = msg;

	if (!text_is_id(m->id) || !text_is_id(m->network))
		return err_set(e, ERR_PROTOCOL, "malformed request");
	unset(call->ctx, m);
	call_ok(call);
	return 0;
}

static int
on_link(struct call *call, const void *msg, struct err *e)
{
	struct resolver *r = call->ctx;
	const struct dns_links *m = msg;

	if (!text_is_id(m->id))
		return err_set(e, ERR_PROTOCOL, "malformed request");
	for (struct client *c = r->clients; c != NULL; c = c->next)
		if (strcmp(c->rec.id, m->id) == 0) {
			arena_done(&c->links_arena);
			if (rec_copy(&dns_links_type, m, &c->links_arena, &c->links, e) < 0) {
				c->links = (struct dns_links){ 0 };
				return -1;
			}
		}
	call_ok(call);
	return 0;
}

/* ---- beginning ---- */
/* The broker was started again: it tells everything anew. */
static void
forget_all(struct resolver *r)
{
	while (r->clients != NULL) {
		struct client *c = r->clients;

		r->clients = c->next;
		client_free(c);
	}
	while (r->named != NULL) {
		struct named *n = r->named;

		r->named = n->next;
		arena_done(&n->arena);
		free(n);
	}
}

static void
on_edge_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct resolver *r = ctx;

	(void)why;
	/* (until the next broker comes, containers are answered as before) */
	if (r->edge == edge)
		r->edge = NULL;
	edge_free(edge);
}

static int
resolver_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[dns_edge_end] = { [NO_dns_serve] = on_serve, [NO_dns_close] = on_close, [NO_dns_set] = on_set,
		[NO_dns_unset] = on_unset, [NO_dns_link] = on_link };
	struct resolver *r = c->ctx;
	struct edge_conf conf = { .table = &dns_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = dns_edge_end, .ctx = r,
		.peer = "broker", .on_closed = on_edge_closed };

	if (strcmp(name, "dns") != 0) {
		fd_close(&fd);
		return err_set(e, ERR_PROTOCOL, "no edge %s here", name);
	}
	edge_free(r->edge);
	forget_all(r);
	r->edge = edge_new(c->loop, fd, &conf, e);
	if (r->edge == NULL)
		fd_close(&fd);
	return r->edge != NULL ? 0 : -1;
}

static int
resolver_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct resolver *r = c->ctx;

	(void)m;
	(void)fds;
	(void)nfds;
	(void)e;
	r->comp = c;
	r->loop = c->loop;
	return 0;
}

int
main(void)
{
	static struct resolver r;
	struct comp c = { .role = ROLE_RESOLVER, .ctx = &r, .start = resolver_start, .edge = resolver_edge };

	return comp_main(&c);
}
