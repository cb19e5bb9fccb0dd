/*
 * The broker's edges to the runtime, the store, the network daemon and the resolver. A peer may die at any instant and comes back: until
 * it is there and was compared with the records (recover.c) requests wait, at most PEER_WAIT_NS. PEER_AGAIN marks requests
 * that may be sent twice: they are sent again to the peer that follows one that died with them.
 */
#pragma once
#include "edge.h"

struct broker;
enum peer_no { PEER_RUN, PEER_STORE, PEER_NET, PEER_DNS, PEER_COUNT };
enum { PEER_AGAIN = 1, PEER_FIRST = 2 /* part of the comparison itself: goes before those that wait */ };
#define PEER_WAIT_NS (INT64_C(10) * 1000000000)

struct peer_request;
struct peer {
	struct broker *b;
	const char *name;
	enum peer_no no;
	struct edge *edge;
	bool ready;                    /* compared with the records; requests flow */
	struct peer_request *waiting, **tail, *sent;
	size_t n_waiting;
	struct loop_timer expire, retry;
};

void peers_init(struct broker *b);
void peers_done(struct broker *b);      /* nobody is answered any more */
/* A new edge: fd is taken over, also on failure. */
int peer_connect(struct broker *b, const char *name, int fd, struct err *e) must_check;
void peer_set_ready(struct peer *p);
/* fn is called exactly once for the final answer (with an error if there is none), maybe at once. */
void peer_send(struct broker *b, enum peer_no no, unsigned message, const void *msg, const int *fds, size_t nfds, unsigned flags,
    answer_fn fn, void *ctx);
/* Nobody waits any more for what was sent with this fn and ctx: fn is not called, and the peer gives it up. False: nothing was under way. */
bool peer_cancel(struct broker *b, enum peer_no no, answer_fn fn, void *ctx);
bool peer_all_ready(const struct broker *b);
