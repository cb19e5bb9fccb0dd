#include "dns_message.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TTL 600u
#define OPT_SIZE 11u
#define OUR_UDP_SIZE 1232u       /* what we say that we take: fits into one frame everywhere */

static uint16_t
get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(unsigned char *p, size_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* A name without pointers, as questions have it. Returns where it ends, 0 if it is malformed. */
static size_t
read_name(const unsigned char *p, size_t n, size_t at, char *out)
{
	size_t used = 0;

	for (;;) {
		size_t len;

		if (at >= n)
			return 0;
		len = p[at++];
		if (len == 0)
			break;
		if (len > 63 || len > n - at || used + len + 1 >= DNS_NAME_MAX)
			return 0;
		if (used > 0)
			out[used++] = '.';
		for (size_t i = 0; i < len; i++) {
			unsigned char c = p[at + i];

			out[used++] = c > ' ' && c < 127 && c != '.' ? (char)tolower(c) : '?';
		}
		at += len;
	}
	out[used] = '\0';
	return at;
}

/* An OPT record directly behind the question, which is where every client puts it. */
static void
read_opt(const unsigned char *p, size_t n, struct dns_question *q)
{
	size_t at = q->end;

	if (get16(p + 6) != 0 || get16(p + 8) != 0 || get16(p + 10) == 0 || n - at < OPT_SIZE || p[at] != 0 || get16(p + at + 1) != DNS_OPT)
		return;
	q->edns = true;
	q->room = get16(p + at + 3) > DNS_UDP_MAX ? get16(p + at + 3) : DNS_UDP_MAX;
	if (q->room > 4096)
		q->room = 4096;
}

int
dns_parse(const unsigned char *p, size_t n, struct dns_question *q)
{
	size_t at;

	*q = (struct dns_question){ .room = DNS_UDP_MAX };
	/* (an answer is not answered: two resolvers would go on for ever) */
	if (n < DNS_HEAD || (p[2] & 0x80) != 0)
		return -1;
	q->id = get16(p);
	q->end = DNS_HEAD;
	if ((p[2] & 0x78) != 0)
		return DNS_NOTIMP;
	if (get16(p + 4) != 1)
		return DNS_FORMAT;
	at = read_name(p, n, DNS_HEAD, q->name);
	if (at == 0 || n - at < 4)
		return DNS_FORMAT;
	q->type = get16(p + at);
	if (get16(p + at + 2) != 1 && get16(p + at + 2) != 255)
		return DNS_REFUSED;
	q->end = at + 4;
	read_opt(p, n, q);
	return DNS_OK;
}

/* The question comes back as it was sent, but for the case of its letters. */
bool
dns_answers(const unsigned char *p, size_t n, uint16_t id, const unsigned char *query, const struct dns_question *q)
{
	if (n < q->end || get16(p) != id || (p[2] & 0x80) == 0 || get16(p + 4) != 1)
		return false;
	for (size_t i = DNS_HEAD; i < q->end; i++)
		if (tolower(p[i]) != tolower(query[i]))
			return false;
	return true;
}

/* A text as labels; 0 if it does not fit. */
static size_t
write_name(unsigned char *out, size_t room, const char *name)
{
	size_t used = 0;

	while (*name != '\0') {
		size_t len = strcspn(name, ".");

		if (len == 0 || len > 63 || len + 2 > room - used)
			return 0;
		out[used++] = (unsigned char)len;
		memcpy(out + used, name, len);
		used += len;
		name += len + (name[len] == '.' ? 1 : 0);
	}
	out[used++] = 0;
	return used;
}

/* Head of a record for the question's name; returns its length. */
static size_t
record(unsigned char *out, uint16_t type, size_t len)
{
	static const unsigned char to_question[2] = { 0xc0, DNS_HEAD };

	memcpy(out, to_question, 2);
	put16(out + 2, type);
	put16(out + 4, 1);
	put16(out + 6, 0);
	put16(out + 8, TTL);
	put16(out + 10, len);
	return 12;
}

size_t
dns_reply(unsigned char *out, size_t room, const unsigned char *query, const struct dns_question *q, int code, const uint32_t *addresses,
    size_t n_addresses, const char *ptr)
{
	size_t used = q->end, count = 0, end = q->edns ? room - OPT_SIZE : room;
	unsigned char name[DNS_NAME_MAX + 2];
	size_t len;

	memcpy(out, query, used);
	out[2] = (unsigned char)(0x80 | (query[2] & 0x79));
	out[3] = (unsigned char)(0x80 | code);
	put16(out + 4, q->end > DNS_HEAD ? 1 : 0);
	memset(out + 6, 0, 6);
	for (size_t i = 0; i < n_addresses; i++, count++) {
		if (end - used < 16) {
			out[2] |= 2;
			break;
		}
		used += record(out + used, DNS_A, 4);
		put16(out + used, addresses[i] >> 16);
		put16(out + used + 2, addresses[i] & 0xffff);
		used += 4;
	}
	if (ptr != NULL && (len = write_name(name, sizeof name, ptr)) > 0 && end - used >= len + 12) {
		used += record(out + used, DNS_PTR, len);
		memcpy(out + used, name, len);
		used += len;
		count++;
	}
	put16(out + 6, count);
	if (q->edns) {
		memset(out + used, 0, OPT_SIZE);
		put16(out + used + 1, DNS_OPT);
		put16(out + used + 3, OUR_UDP_SIZE);
		used += OPT_SIZE;
		put16(out + 10, 1);
	}
	return used;
}

bool
dns_reverse(const char *name, uint32_t *ret)
{
	unsigned v[4];
	int used = 0;

	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &v[0], &v[1], &v[2], &v[3], &used) != 4 || used == 0 || name[used] != '\0')
		return false;
	if (v[0] > 255 || v[1] > 255 || v[2] > 255 || v[3] > 255)
		return false;
	*ret = v[3] << 24 | v[2] << 16 | v[1] << 8 | v[0];
	return true;
}
