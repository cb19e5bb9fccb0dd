/* The engine's one nftables table. Published ports are elements of maps; rules exist only per bridge. */
#pragma once
#include "nl.h"

#define FW_TABLE "bulwark"

struct fw_bridge { char name[16]; uint32_t network; unsigned prefix; bool icc, masquerade, internal; };
struct fw_port { uint8_t proto; uint32_t host_ip; uint16_t host_port; uint32_t to_ip; uint16_t to_port; };   /* host byte order */

/* One address may open connections to a port of another on the same bridge. */
struct fw_reach { uint32_t from, to; uint8_t proto; uint16_t port; };

/* Makes the table new with these bridges, in one transaction: maps are kept if keep_maps (the table exists). */
int fw_build(struct nl *nl, const struct fw_bridge *b, size_t n, bool fresh, struct err *e) must_check;
int fw_remove(struct nl *nl, struct err *e) must_check;
int fw_reaches(struct nl *nl, const struct fw_reach *p, size_t n, bool open, struct err *e) must_check;
/* Opens or closes ports, all or none. */
int fw_ports(struct nl *nl, const struct fw_port *p, size_t n, bool open, struct err *e) must_check;
