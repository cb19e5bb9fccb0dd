/* Addresses of one network: the lowest free one, but not one that was given back a moment ago (neighbours and connection
   tracking still know its last owner). Addresses in host byte order. */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

#define IPAM_COOLING 16

struct address_pool {
	uint32_t gateway;        /* also the bridge's own address unless another gateway is configured */
	uint32_t own;            /* the bridge's */
	unsigned prefix;         /* of the network */
	uint32_t base, end;      /* of the network, without its own and the broadcast address */
	uint32_t first, last;    /* that are given to who asks for none, ends included */
	uint64_t *taken;         /* a bit for each of base..end */
	uint32_t cooling[IPAM_COOLING];
	unsigned n_cooling;
};

/* bip "172.17.0.1/16"; fixed: a part of it to give from, or NULL; gateway: another default gateway, or NULL. */
int ipam_init(struct address_pool *p, const char *bip, const char *fixed, const char *gateway, struct err *e) must_check;
void ipam_done(struct address_pool *p);
int ipam_take(struct address_pool *p, uint32_t *ret, struct err *e) must_check;
bool ipam_take_this(struct address_pool *p, uint32_t addr);   /* false: outside or taken */
void ipam_give_back(struct address_pool *p, uint32_t addr);
void ipam_mac(char out[18], uint32_t addr);           /* 02:42:ac:11:00:02 */
