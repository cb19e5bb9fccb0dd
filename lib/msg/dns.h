/*
 * Edge dns: A = broker, B = resolver. Each container on a network of a user's asks the engine's DNS on 127.0.0.11, whose
 * sockets were opened within its network namespace and come along here. The resolver knows nothing that it was not told:
 * a new one is told everything again.
 */
#pragma once
#include "edge.h"
#include "msg/limits.h"

/* descriptors: [0] a bound UDP socket, [1] a listening TCP socket. networks: whose names it may ask for, in this order. servers:
   where its other questions go ("address" or "address:port"); closed: nowhere (all its networks are internal). Replaces what was
   told of the container before; without descriptors its sockets stay (ERR_NOT_FOUND if it has none). */
#define DNS_CLIENT_FIELDS(F, O, L) \
	F(str,  id,       NULL, ID_MAX) \
	F(strs, networks, NULL, 256) \
	F(strs, servers,  NULL, 16) \
	F(flag, closed,   NULL, 1)
REC_DECLARE(dns_client, DNS_CLIENT_FIELDS)
#define DNS_ID_FIELDS(F, O, L) \
	F(str, id, NULL, ID_MAX)
REC_DECLARE(dns_id, DNS_ID_FIELDS)
/* The names of one container's address on one network; name: of the network, for reverse look-ups. Replaces an earlier one. */
#define DNS_NAMES_FIELDS(F, O, L) \
	F(str,  network, NULL, ID_MAX) \
	F(str,  name,    NULL, NAME_MAX_) \
	F(str,  id,      NULL, ID_MAX) \
	F(str,  address, NULL, 64) \
	F(strs, names,   NULL, 256)
REC_DECLARE(dns_names, DNS_NAMES_FIELDS)
/* links: names that only this container knows, "alias" = address */
#define DNS_LINKS_FIELDS(F, O, L) \
	F(str, id,    NULL, ID_MAX) \
	F(kvs, links, NULL, 256)
REC_DECLARE(dns_links, DNS_LINKS_FIELDS)

#define DNS_MESSAGES(ROW) \
	/*  name         no  from request     fds reply  fds */ \
	ROW(dns_serve,    1, A,   dns_client,  2, none,   0) \
	/* its sockets are closed; unknown is fine */ \
	ROW(dns_close,    2, A,   dns_id,      0, none,   0) \
	ROW(dns_set,      3, A,   dns_names,   0, none,   0) \
	/* network and id count; unknown is fine */ \
	ROW(dns_unset,    4, A,   dns_names,   0, none,   0) \
	ROW(dns_link,     5, A,   dns_links,   0, none,   0)
EDGE_DECLARE(dns_edge, DNS_MESSAGES)
