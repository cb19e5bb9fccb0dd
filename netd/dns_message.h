/* DNS messages (RFC 1035, 6891) as far as a resolver for containers reads and writes them. Every length comes from a stranger. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEAD     12u
#define DNS_NAME_MAX 254u        /* as text, without the last dot, and NUL */
#define DNS_UDP_MAX  512u        /* of an answer to one who did not say more (EDNS) */
#define DNS_MAX      65535u

enum { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };
enum { DNS_OK = 0, DNS_FORMAT = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

struct dns_question {
	uint16_t id;
	char name[DNS_NAME_MAX];     /* lower case, without the last dot; bytes that are no text are '?' and match nothing */
	uint16_t type;
	size_t end;                  /* head and question: the part that an answer repeats */
	bool edns;
	size_t room;                 /* how long an answer by UDP may be */
};

/* A query with one question of class IN. DNS_OK, or the code that it is to be answered with; -1: not worth an answer. */
int dns_parse(const unsigned char *p, size_t n, struct dns_question *ret);
/* Is p an answer to q (as the question was sent, its id replaced by id)? */
bool dns_answers(const unsigned char *p, size_t n, uint16_t id, const unsigned char *query, const struct dns_question *q);
/* Writes an answer: head and question of the query, then n_addresses records of type A (host byte order) or, if ptr is not
   NULL, one PTR; out holds at least room bytes. What does not fit is left out and the answer marked as cut. Returns its length. */
size_t dns_reply(unsigned char *out, size_t room, const unsigned char *query, const struct dns_question *q, int code,
    const uint32_t *addresses, size_t n_addresses, const char *ptr);
/* "4.3.2.1.in-addr.arpa" */
bool dns_reverse(const char *name, uint32_t *ret);
