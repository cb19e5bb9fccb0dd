/* Interfaces: the engine's own carry the group LINK_GROUP, so that they are known again after a restart. */
#pragma once
#include "nl.h"

#define LINK_GROUP 0x62776b   /* "bwk" */

struct link_info { int index; uint32_t group; char name[16]; bool found, is_bridge; };

int link_find(struct nl *nl, const char *name, struct link_info *ret, struct err *e) must_check;   /* found tells */
/* All of the engine's own; fn must not talk to nl. */
int link_each_own(struct nl *nl, void (*fn)(void *ctx, const struct link_info *l), void *ctx, struct err *e) must_check;
int link_delete(struct nl *nl, int index, struct err *e) must_check;
int bridge_make(struct nl *nl, const char *name, uint32_t address, uint32_t mtu, struct err *e) must_check;
int address_set(struct nl *nl, int index, uint32_t address, unsigned prefix, struct err *e) must_check;
/* One message: host end up and in the bridge, the other end in the namespace netns under the name ifname. */
int veth_make(struct nl *nl, const char *name, int bridge, const char *ifname, int netns, const unsigned char mac[6], uint32_t mtu, struct err *e)
    must_check;
/* Is there a route of the host, but the default one, to a part of this network? */
int route_overlaps(struct nl *nl, uint32_t network, unsigned prefix, bool *ret, struct err *e) must_check;
int port_isolate(struct nl *nl, const char *name, struct err *e) must_check;
