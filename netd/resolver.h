/*
 * The resolver: answers the DNS questions of containers on users' networks. Their sockets come from inside their network
 * namespaces; what no container is called goes to the host's name servers. It knows what the broker told it and keeps nothing.
 */
#pragma once
#include "comp.h"
#include "dns_message.h"
#include "msg/dns.h"

#include <netinet/in.h>

#define SERVERS_MAX 16
#define ASKED_MAX   4096       /* questions on their way to other servers, in all */
#define ASKED_OF_CLIENT_MAX 256
#define CONNS_OF_CLIENT_MAX 32

struct resolver;
struct asked;

/* One container's address on one network. */
struct named {
	struct named *next;
	struct arena arena;
	struct dns_names rec;
	uint32_t address;
};

struct client {
	struct client *next;
	struct resolver *r;
	struct arena arena;
	struct dns_client rec;
	struct arena links_arena;
	struct dns_links links;
	struct sockaddr_in servers[SERVERS_MAX];
	size_t n_servers;
	struct loop_io udp, tcp;
	struct asked *asked;
	struct conn *conns;
	size_t n_asked, n_conns;
};

struct resolver {
	struct comp *comp;
	struct loop *loop;
	struct edge *edge;
	struct client *clients;
	struct named *named;
	size_t n_asked;
	unsigned turn;             /* which of several addresses comes first */
};

/* Where an answer goes: by UDP to an address, or down a connection. */
struct asker { struct client *client; struct conn *conn; struct sockaddr_in from; };

/* resolver.c: a question that came in. */
void resolver_ask(const struct asker *who, const unsigned char *query, size_t n);
void resolver_answer(const struct asker *who, const unsigned char *answer, size_t n);
/* forward.c: to the other servers. The answer (or that there is none) goes to who. */
void forward(const struct asker *who, const unsigned char *query, size_t n, const struct dns_question *q);
/* Forgets what the client, or (not NULL) the connection, asked. */
void forward_forget(struct client *c, const struct conn *conn);
/* stream.c: DNS over TCP, from clients */
void stream_accept(struct client *c);
void stream_answer(struct conn *conn, const unsigned char *answer, size_t n);
void stream_close_all(struct client *c);
