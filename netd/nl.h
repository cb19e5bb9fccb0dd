/* Netlink messages (netlink(7)): a builder over one fixed buffer, and the exchange with the kernel. */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NL_MAX ((size_t)128 << 10)

struct nl {
	int fd;
	uint32_t seq, first_seq;
	size_t used, message;    /* message: where the open message begins */
	unsigned wanted;         /* acknowledgements to come */
	bool overflow;
	unsigned char out[NL_MAX];
};

int nl_open(struct nl *nl, int protocol, struct err *e) must_check;
void nl_close(struct nl *nl);
void nl_begin(struct nl *nl);                          /* forgets what was built */
/* Opens a message; head is what follows the netlink header (ifinfomsg, nfgenmsg, ...). ack: its answer is waited for. */
void nl_message(struct nl *nl, uint16_t type, uint16_t flags, const void *head, size_t n, bool ack);
void nl_attr(struct nl *nl, uint16_t type, const void *data, size_t n);
void nl_str(struct nl *nl, uint16_t type, const char *text);
void nl_u32(struct nl *nl, uint16_t type, uint32_t v);         /* host order (rtnetlink) */
void nl_be32(struct nl *nl, uint16_t type, uint32_t v);        /* network order (nfnetlink) */
size_t nl_nest(struct nl *nl, uint16_t type);                  /* returns what nl_end takes */
void nl_end(struct nl *nl, size_t nest);
void nl_raw(struct nl *nl, const void *data, size_t n);        /* aligned bytes inside a nest */
/* Sends all messages and reads their acknowledgements: 0, or -1 with the first error in e->sys. */
int nl_talk(struct nl *nl, const char *what, struct err *e) must_check;
/* Sends a dump request and calls fn for each message of type; fn gets what follows the netlink header. */
int nl_dump(struct nl *nl, const char *what, void (*fn)(void *ctx, uint16_t type, const unsigned char *data, size_t n), void *ctx, struct err *e)
    must_check;
/* The attribute type among n bytes of attributes; NULL if there is none. */
const void *nl_find(const unsigned char *attrs, size_t n, uint16_t type, size_t *ret_n);
