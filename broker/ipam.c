#include "ipam.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_taken(const struct address_pool *p, uint32_t addr)
{
	uint32_t i = addr - p->base;

	return (p->taken[i / 64] >> (i % 64) & 1) != 0;
}

static void
mark(struct address_pool *p, uint32_t addr, bool taken)
{
	uint32_t i = addr - p->base;

	if (taken)
		p->taken[i / 64] |= UINT64_C(1) << (i % 64);
	else
		p->taken[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static bool
inside(const struct address_pool *p, uint32_t addr)
{
	return addr >= p->base && addr <= p->end;
}

int
ipam_init(struct address_pool *p, const char *bip, const char *fixed, const char *gateway, struct err *e)
{
	uint32_t mask, net, end, part;
	unsigned part_prefix;

	*p = (struct address_pool){ 0 };
	if (!text_to_cidr4(bip, &p->own, &p->prefix) || p->prefix < 8 || p->prefix > 30)
		return err_set(e, ERR_INVALID, "invalid bridge address %s", bip);
	mask = UINT32_MAX << (32 - p->prefix);
	net = p->own & mask;
	end = net | ~mask;
	p->gateway = p->own;
	if (gateway != NULL && gateway[0] != '\0' && (!text_to_ip4(gateway, &p->gateway) || (p->gateway & mask) != net))
		return err_set(e, ERR_INVALID, "the default gateway %s is not in the network of %s", gateway, bip);
	p->base = p->first = net + 1;
	p->end = p->last = end - 1;
	if (fixed != NULL && fixed[0] != '\0') {
		uint32_t part_mask;

		if (!text_to_cidr4(fixed, &part, &part_prefix) || part_prefix < p->prefix || part_prefix > 32 || (part & mask) != net)
			return err_set(e, ERR_INVALID, "the fixed range %s is not in the network of %s", fixed, bip);
		part_mask = part_prefix == 0 ? 0 : UINT32_MAX << (32 - part_prefix);
		part &= part_mask;
		p->first = part > p->first ? part : p->first;
		p->last = (part | ~part_mask) < p->last ? part | ~part_mask : p->last;
	}
	p->taken = calloc((p->end - p->base) / 64 + 1, sizeof *p->taken);
	if (p->taken == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (inside(p, p->own))
		mark(p, p->own, true);
	if (inside(p, p->gateway))
		mark(p, p->gateway, true);
	return 0;
}

void
ipam_done(struct address_pool *p)
{
	free(p->taken);
	p->taken = NULL;
}

static bool
is_cooling(const struct address_pool *p, uint32_t addr)
{
	for (unsigned i = 0; i < p->n_cooling; i++)
		if (p->cooling[i] == addr)
			return true;
	return false;
}

int
ipam_take(struct address_pool *p, uint32_t *ret, struct err *e)
{
	uint32_t cool = 0;

	for (uint32_t a = p->first; a <= p->last; a++) {
		if ((a - p->base) % 64 == 0 && p->taken[(a - p->base) / 64] == UINT64_MAX) {
			if (p->last - a < 64)
				break;
			a += 63;
			continue;
		}
		if (is_taken(p, a))
			continue;
		if (!is_cooling(p, a)) {
			mark(p, a, true);
			*ret = a;
			return 0;
		}
		if (cool == 0)
			cool = a;
	}
	/* nothing else is free: the one that cools longest */
	for (unsigned i = 0; i < p->n_cooling && cool != 0; i++)
		if (p->cooling[i] >= p->first && p->cooling[i] <= p->last && !is_taken(p, p->cooling[i])) {
			cool = p->cooling[i];
			break;
		}
	if (cool == 0)
		return err_set(e, ERR_SYSTEM, "no available IPv4 addresses on this network's address pools: bridge");
	mark(p, cool, true);
	*ret = cool;
	return 0;
}

bool
ipam_take_this(struct address_pool *p, uint32_t addr)
{
	if (!inside(p, addr) || is_taken(p, addr))
		return false;
	mark(p, addr, true);
	return true;
}

void
ipam_give_back(struct address_pool *p, uint32_t addr)
{
	if (addr == 0 || !inside(p, addr) || addr == p->own || addr == p->gateway)
		return;
	mark(p, addr, false);
	if (p->n_cooling == IPAM_COOLING)
		memmove(&p->cooling[0], &p->cooling[1], --p->n_cooling * sizeof p->cooling[0]);
	p->cooling[p->n_cooling++] = addr;
}

void
ipam_mac(char out[18], uint32_t addr)
{
	snprintf(out, 18, "02:42:%02x:%02x:%02x:%02x", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
}
