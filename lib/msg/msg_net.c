/* The descriptors and tables that msg/net.h declares. A file of its own, so that a binary links only what it speaks. */
#include "msg/net.h"

#define REC_SELF struct net_bridge
REC_DEFINE(net_bridge, NET_BRIDGE_FIELDS)
#undef REC_SELF
#define REC_SELF struct net_name
REC_DEFINE(net_name, NET_NAME_FIELDS)
#undef REC_SELF
#define REC_SELF struct net_port
REC_DEFINE(net_port, NET_PORT_FIELDS)
#undef REC_SELF
#define REC_SELF struct net_reach
REC_DEFINE(net_reach, NET_REACH_FIELDS)
#undef REC_SELF
#define REC_SELF struct net_endpoint
REC_DEFINE(net_endpoint, NET_ENDPOINT_FIELDS)
#undef REC_SELF
#define REC_SELF struct net_inventory
REC_DEFINE(net_inventory, NET_INVENTORY_FIELDS)
#undef REC_SELF
#define REC_SELF struct net_state
REC_DEFINE(net_state, NET_STATE_FIELDS)
#undef REC_SELF
EDGE_DEFINE(net_edge, "net", NET_MESSAGES)
