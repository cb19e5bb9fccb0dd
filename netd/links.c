#include "links.h"

#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

struct search { const char *name; struct link_info *ret; void (*fn)(void *, const struct link_info *); void *ctx; };

static void
on_link(void *ctx, uint16_t type, const unsigned char *data, size_t n)
{
	struct search *s = ctx;
	struct ifinfomsg i;
	struct link_info l = { 0 };
	const void *name, *group, *info, *kind = NULL;
	size_t name_n, group_n, info_n, kind_n = 0;

	if (type != RTM_NEWLINK || n < NLMSG_ALIGN(sizeof i))
		return;
	memcpy(&i, data, sizeof i);
	name = nl_find(data + NLMSG_ALIGN(sizeof i), n - NLMSG_ALIGN(sizeof i), IFLA_IFNAME, &name_n);
	group = nl_find(data + NLMSG_ALIGN(sizeof i), n - NLMSG_ALIGN(sizeof i), IFLA_GROUP, &group_n);
	if (name == NULL || name_n == 0 || name_n > sizeof l.name)
		return;
	memcpy(l.name, name, name_n - 1);
	if (group != NULL && group_n == sizeof l.group)
		memcpy(&l.group, group, sizeof l.group);
	info = nl_find(data + NLMSG_ALIGN(sizeof i), n - NLMSG_ALIGN(sizeof i), IFLA_LINKINFO, &info_n);
	if (info != NULL)
		kind = nl_find(info, info_n, IFLA_INFO_KIND, &kind_n);
	l.is_bridge = kind != NULL && kind_n == sizeof "bridge" && memcmp(kind, "bridge", kind_n) == 0;
	l.index = i.ifi_index;
	l.found = true;
	if (s->fn != NULL && l.group == LINK_GROUP)
		s->fn(s->ctx, &l);
	if (s->name != NULL && strcmp(s->name, l.name) == 0)
		*s->ret = l;
}

int
link_find(struct nl *nl, const char *name, struct link_info *ret, struct err *e)
{
	struct search s = { .name = name, .ret = ret };
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };

	*ret = (struct link_info){ 0 };
	nl_begin(nl);
	nl_message(nl, RTM_GETLINK, NLM_F_DUMP, &i, sizeof i, false);
	return nl_dump(nl, "list interfaces", on_link, &s, e);
}

int
link_each_own(struct nl *nl, void (*fn)(void *, const struct link_info *), void *ctx, struct err *e)
{
	struct search s = { .fn = fn, .ctx = ctx };
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };

	nl_begin(nl);
	nl_message(nl, RTM_GETLINK, NLM_F_DUMP, &i, sizeof i, false);
	return nl_dump(nl, "list interfaces", on_link, &s, e);
}

int
link_delete(struct nl *nl, int index, struct err *e)
{
	struct ifinfomsg i = { .ifi_index = index };

	nl_begin(nl);
	nl_message(nl, RTM_DELLINK, 0, &i, sizeof i, true);
	return nl_talk(nl, "delete an interface", e);
}

int
bridge_make(struct nl *nl, const char *name, uint32_t address, uint32_t mtu, struct err *e)
{
	struct ifinfomsg i = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	/* an address of its own: else a bridge takes that of one of its ports, and changes it when the port leaves */
	unsigned char mac[6] = { 0x02, 0x42, (unsigned char)(address >> 24), (unsigned char)(address >> 16), (unsigned char)(address >> 8),
		(unsigned char)address };
	size_t info;

	nl_begin(nl);
	nl_message(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i, true);
	nl_str(nl, IFLA_IFNAME, name);
	nl_attr(nl, IFLA_ADDRESS, mac, sizeof mac);
	nl_u32(nl, IFLA_GROUP, LINK_GROUP);
	if (mtu > 0)
		nl_u32(nl, IFLA_MTU, mtu);
	info = nl_nest(nl, IFLA_LINKINFO);
	nl_str(nl, IFLA_INFO_KIND, "bridge");
	nl_end(nl, info);
	return nl_talk(nl, "create the bridge", e);
}

int
address_set(struct nl *nl, int index, uint32_t address, unsigned prefix, struct err *e)
{
	struct ifaddrmsg a = { .ifa_family = AF_INET, .ifa_prefixlen = (unsigned char)prefix, .ifa_index = (unsigned)index };
	uint32_t be = htonl(address), broadcast = htonl(prefix >= 31 ? address : address | (uint32_t)((UINT64_C(1) << (32 - prefix)) - 1));
	int r;

	nl_begin(nl);
	nl_message(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &a, sizeof a, true);
	nl_attr(nl, IFA_LOCAL, &be, sizeof be);
	nl_attr(nl, IFA_ADDRESS, &be, sizeof be);
	nl_attr(nl, IFA_BROADCAST, &broadcast, sizeof broadcast);
	r = nl_talk(nl, "set the bridge's address", e);
	if (r < 0 && e->sys == EEXIST) {
		err_clear(e);
		r = 0;
	}
	return r;
}

int
veth_make(struct nl *nl, const char *name, int bridge, const char *ifname, int netns, const unsigned char mac[6], uint32_t mtu, struct err *e)
{
	struct ifinfomsg i = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct ifinfomsg peer = { 0 };   /* a peer cannot be created up: ENOTCONN */
	size_t info, data, other;

	nl_begin(nl);
	nl_message(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i, true);
	nl_str(nl, IFLA_IFNAME, name);
	nl_u32(nl, IFLA_MASTER, (uint32_t)bridge);
	nl_u32(nl, IFLA_GROUP, LINK_GROUP);
	if (mtu > 0)
		nl_u32(nl, IFLA_MTU, mtu);
	info = nl_nest(nl, IFLA_LINKINFO);
	nl_str(nl, IFLA_INFO_KIND, "veth");
	data = nl_nest(nl, IFLA_INFO_DATA);
	other = nl_nest(nl, VETH_INFO_PEER);
	nl_raw(nl, &peer, sizeof peer);
	nl_str(nl, IFLA_IFNAME, ifname);
	nl_attr(nl, IFLA_ADDRESS, mac, 6);
	if (mtu > 0)
		nl_u32(nl, IFLA_MTU, mtu);
	nl_u32(nl, IFLA_NET_NS_FD, (uint32_t)netns);
	nl_end(nl, other);
	nl_end(nl, data);
	nl_end(nl, info);
	return nl_talk(nl, "create the container's link", e);
}

int
port_isolate(struct nl *nl, const char *name, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_BRIDGE, .ifi_index = (int)if_nametoindex(name) };
	unsigned char on = 1;
	size_t info;

	nl_begin(nl);
	nl_message(nl, RTM_SETLINK, 0, &i, sizeof i, true);
	info = nl_nest(nl, IFLA_PROTINFO);
	nl_attr(nl, IFLA_BRPORT_ISOLATED, &on, 1);
	nl_end(nl, info);
	return nl_talk(nl, "isolate the container's link", e);
}

struct route_search { uint32_t network; unsigned prefix; bool found; };

static void
on_route(void *ctx, uint16_t type, const unsigned char *data, size_t n)
{
	struct route_search *s = ctx;
	struct rtmsg r;
	const void *dst;
	size_t dst_n;
	uint32_t to;
	unsigned shorter;

	if (type != RTM_NEWROUTE || n < NLMSG_ALIGN(sizeof r))
		return;
	memcpy(&r, data, sizeof r);
	dst = nl_find(data + NLMSG_ALIGN(sizeof r), n - NLMSG_ALIGN(sizeof r), RTA_DST, &dst_n);
	if (r.rtm_family != AF_INET || r.rtm_dst_len == 0 || dst == NULL || dst_n != sizeof to)
		return;
	memcpy(&to, dst, sizeof to);
	shorter = r.rtm_dst_len < s->prefix ? r.rtm_dst_len : s->prefix;
	if (((ntohl(to) ^ s->network) & (UINT32_MAX << (32 - shorter))) == 0)
		s->found = true;
}

int
route_overlaps(struct nl *nl, uint32_t network, unsigned prefix, bool *ret, struct err *e)
{
	struct route_search s = { .network = network, .prefix = prefix };
	struct rtmsg r = { .rtm_family = AF_INET };

	nl_begin(nl);
	nl_message(nl, RTM_GETROUTE, NLM_F_DUMP, &r, sizeof r, false);
	if (prefix == 0 || prefix > 32 || nl_dump(nl, "list routes", on_route, &s, e) < 0)
		return -1;
	*ret = s.found;
	return 0;
}
