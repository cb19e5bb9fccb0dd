/*
 * Edge net: A = broker, B = netd. The host side of the containers' networks, all of it in interfaces and one nftables
 * table of the engine's own. Addresses are plain text forms, checked again by netd.
 */
#pragma once
#include "edge.h"
#include "msg/limits.h"

/* address: the bridge's own with prefix, "172.17.0.1/16". existing: a bridge that somebody else made is used as it is */
#define NET_BRIDGE_FIELDS(F, O, L) \
	F(str,  name,       NULL, 15) \
	F(str,  address,    NULL, 64) \
	F(num,  mtu,        NULL, 65535) \
	F(flag, icc,        NULL, 1) \
	F(flag, masquerade, NULL, 1) \
	F(flag, internal,   NULL, 1) \
	F(flag, existing,   NULL, 1) \
	/* the network was chosen by the engine: a conflict with a route of the host is an error */ \
	F(flag, chosen,     NULL, 1)
REC_DECLARE(net_bridge, NET_BRIDGE_FIELDS)
#define NET_NAME_FIELDS(F, O, L) \
	F(str, name, NULL, 15)
REC_DECLARE(net_name, NET_NAME_FIELDS)

#define NET_PORT_FIELDS(F, O, L) \
	F(str, proto,          NULL, 8) \
	F(str, host_ip,        NULL, 64) \
	F(num, host_port,      NULL, 65535) \
	F(num, container_port, NULL, 65535)
REC_DECLARE(net_port, NET_PORT_FIELDS)
/* What an endpoint may reach on its own bridge although containers are kept apart there (a link). */
#define NET_REACH_FIELDS(F, O, L) \
	F(str, address, NULL, 64) \
	F(str, proto,   NULL, 8) \
	F(num, port,    NULL, 65535)
REC_DECLARE(net_reach, NET_REACH_FIELDS)
/* link: the host's interface name, never reused; inside the namespace it is called ifname ("eth0"), with mac. */
#define NET_ENDPOINT_FIELDS(F, O, L) \
	F(str, link,    NULL, 15) \
	F(str, ifname,  NULL, 15) \
	F(str, bridge,  NULL, 15) \
	F(str, address, NULL, 64) \
	F(str, mac,     NULL, 20) \
	F(num, mtu,     NULL, 65535) \
	L(net_port, ports, NULL, 4096) \
	/* net_endpoint_remove: its namespace lives on, so the link is deleted now */ \
	F(flag, now,    NULL, 1) \
	L(net_reach, reaches, NULL, 1024)
REC_DECLARE(net_endpoint, NET_ENDPOINT_FIELDS)
#define NET_INVENTORY_FIELDS(F, O, L) \
	F(strs, links, NULL, REC_LIST_MAX)
REC_DECLARE(net_inventory, NET_INVENTORY_FIELDS)
/* What must exist, told again after a restart of either side; everything else of the engine's own is removed. */
#define NET_STATE_FIELDS(F, O, L) \
	L(net_bridge, bridges, NULL, 4096) \
	L(net_endpoint, endpoints, NULL, REC_LIST_MAX)
REC_DECLARE(net_state, NET_STATE_FIELDS)

#define NET_MESSAGES(ROW) \
	/*  name                no  from request       fds reply  fds */ \
	/* exists already with the same settings: fine */ \
	ROW(net_bridge_create,   1, A,   net_bridge,    0, none,    0) \
	ROW(net_bridge_remove,   2, A,   net_name,      0, none,    0) \
	/* descriptor: the network namespace. Link into it, host ports reserved (net_endpoint_open opens them). All or nothing. A
	   host port that is taken is ERR_CONFLICT. An endpoint with no link ("") publishes nothing and is refused. */ \
	ROW(net_endpoint_create, 3, A,   net_endpoint,  1, none,    0) \
	/* ports are closed at once; the link goes with its namespace or is deleted without waiting. Unknown is fine. */ \
	ROW(net_endpoint_remove, 4, A,   net_endpoint,  0, none,    0) \
	/* opens the ports of its endpoints, too */ \
	ROW(net_sync,            5, A,   net_state,     0, none,    0) \
	/* removes all that the engine made: table, links, its own bridges */ \
	ROW(net_clear,           6, A,   none,          0, none,    0) \
	/* host side of a port picked by the engine: a free one from the local range, or ERR_LIMIT */ \
	ROW(net_port_pick,       7, A,   net_port,      0, net_port, 0) \
	/* the link's reserved ports are opened: what comes in before its container has an interface that is up would be lost.
	   Open already or unknown is fine. */ \
	ROW(net_endpoint_open,   8, A,   net_name,      0, none,    0)
EDGE_DECLARE(net_edge, NET_MESSAGES)
