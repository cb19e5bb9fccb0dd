/* What every hostile process tries: system calls that its role must not have, and packets that break the rules of an edge. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct attack {
	const char *name;
	/* 0: it had an effect (bad); else the errno that refused it. A process that is killed in it was refused too. */
	int (*run)(void);
};
/* By name; NULL if there is none. */
const struct attack *attack_find(const char *name);
const struct attack *attack_at(size_t i);   /* NULL after the last */

/* One raw packet on an edge: number, kind (0 request, 1 reply, 2 error, 3 more, 4 cancel), flags, id, body; returns 0 or -1. */
int packet_send(int fd, unsigned no, unsigned kind, unsigned flags, uint32_t id, uint32_t len, const void *body, size_t n, const int *fds, size_t nfds);
/* Is the channel closed by the peer within ms? Packets that come in are dropped (their descriptors closed). */
int packet_cut(int fd, int ms);

struct malformed {
	const char *name;
	void (*send)(int fd, unsigned no);   /* no: a request that this side may send, with one string field first */
};
const struct malformed *malformed_at(size_t i);
const struct malformed *malformed_find(const char *name);
