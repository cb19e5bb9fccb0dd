/* Configures, from within the container's network namespace, the interfaces that netd put there. Plain rtnetlink. */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	unsigned char attrs[256];
};

struct address {
	int family;
	unsigned char bytes[16];
	size_t len;
	unsigned prefix;
};

static void
begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
	memset(r, 0, sizeof *r);
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	r->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
}

static void
put(struct request *r, uint16_t type, const void *data, size_t n)
{
	struct rtattr *a = (void *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), data, n);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
}

static int
talk(int sock, const struct request *r, const char *what, const char *name, struct err *e)
{
	struct { struct nlmsghdr h; struct nlmsgerr error; unsigned char rest[1024]; } answer;
	ssize_t n;

	if (send(sock, r, r->h.nlmsg_len, 0) < 0)
		return err_sys(e, errno, "%s %s", what, name);
	n = recv(sock, &answer, sizeof answer, 0);
	if (n < (ssize_t)(sizeof answer.h + sizeof answer.error) || answer.h.nlmsg_type != NLMSG_ERROR)
		return err_set(e, ERR_SYSTEM, "%s %s: malformed answer of the kernel", what, name);
	if (answer.error.error != 0)
		return err_sys(e, -answer.error.error, "%s %s", what, name);
	return 0;
}

static int
parse_address(const char *text, bool with_prefix, struct address *ret, struct err *e)
{
	char copy[64];
	char *slash;
	uint64_t prefix = 0;

	if (!text_copy(copy, sizeof copy, text))
		return err_set(e, ERR_INVALID, "invalid address %s", text);
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash++ = '\0';
	ret->family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
	ret->len = ret->family == AF_INET6 ? 16 : 4;
	if ((slash != NULL) != with_prefix || inet_pton(ret->family, copy, ret->bytes) != 1 ||
	    (with_prefix && !text_to_u64(slash, ret->len * 8, &prefix)))
		return err_set(e, ERR_INVALID, "invalid address %s", text);
	ret->prefix = (unsigned)prefix;
	return 0;
}

static int
link_up(int sock, int index, int64_t mtu, const char *name, struct err *e)
{
	struct request r;
	uint32_t value = (uint32_t)mtu;

	begin(&r, RTM_NEWLINK, 0, sizeof r.link);
	r.link.ifi_index = index;
	r.link.ifi_flags = IFF_UP;
	r.link.ifi_change = IFF_UP;
	if (mtu > 0)
		put(&r, IFLA_MTU, &value, sizeof value);
	return talk(sock, &r, "bring up interface", name, e);
}

static int
add_address(int sock, int index, const char *text, const char *name, struct err *e)
{
	struct request r;
	struct address a;

	if (parse_address(text, true, &a, e) < 0)
		return -1;
	begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof r.addr);
	r.addr.ifa_family = (unsigned char)a.family;
	r.addr.ifa_prefixlen = (unsigned char)a.prefix;
	r.addr.ifa_index = (unsigned)index;
	if (a.family == AF_INET6)
		r.addr.ifa_flags = IFA_F_NODAD;
	put(&r, IFA_LOCAL, a.bytes, a.len);
	put(&r, IFA_ADDRESS, a.bytes, a.len);
	if (a.family == AF_INET && a.prefix < 31) {
		uint32_t host = a.prefix == 0 ? UINT32_MAX : ((UINT32_C(1) << (32 - a.prefix)) - 1), all;

		memcpy(&all, a.bytes, sizeof all);
		all |= htonl(host);
		put(&r, IFA_BROADCAST, &all, sizeof all);
	}
	return talk(sock, &r, "add an address to interface", name, e);
}

static int
add_default(int sock, int index, const char *gateway, const char *name, struct err *e)
{
	struct request r;
	struct address a;
	uint32_t out = (uint32_t)index;

	if (parse_address(gateway, false, &a, e) < 0)
		return -1;
	begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof r.route);
	r.route.rtm_family = (unsigned char)a.family;
	r.route.rtm_table = RT_TABLE_MAIN;
	r.route.rtm_protocol = RTPROT_BOOT;
	r.route.rtm_scope = RT_SCOPE_UNIVERSE;
	r.route.rtm_type = RTN_UNICAST;
	put(&r, RTA_GATEWAY, a.bytes, a.len);
	put(&r, RTA_OIF, &out, sizeof out);
	return talk(sock, &r, "add the default route through", name, e);
}

/* An interface without an IPv6 address has no IPv6 at all: no link-local neighbour, no router advertisement. */
static int
no_ip6(int proc, const char *name, struct err *e)
{
	char path[128];
	own_fd fd = -1;

	snprintf(path, sizeof path, "sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = fd_open_beneath(proc, path, O_WRONLY, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open %s", path);
	return write(fd, "1", 1) == 1 ? 0 : err_sys(e, errno, "switch off IPv6 on %s", name);
}

static int
set_up(int proc, int sock, const struct run_link *l, struct err *e)
{
	bool has6 = false;
	int index;

	if (l->name == NULL || !text_is_name(l->name, IFNAMSIZ - 1))
		return err_set(e, ERR_INVALID, "invalid interface name");
	index = (int)if_nametoindex(l->name);
	if (index == 0)
		return err_sys(e, errno, "find interface %s", l->name);
	for (size_t i = 0; i < l->addresses.n; i++)
		has6 = has6 || strchr(l->addresses.v[i], ':') != NULL;
	if (!has6 && no_ip6(proc, l->name, e) < 0)
		return -1;
	for (size_t i = 0; i < l->addresses.n; i++)
		if (add_address(sock, index, l->addresses.v[i], l->name, e) < 0)
			return -1;
	if (link_up(sock, index, l->mtu, l->name, e) < 0)
		return -1;
	return l->gateway != NULL && *l->gateway != '\0' ? add_default(sock, index, l->gateway, l->name, e) : 0;
}

int
net_loopback_up(struct err *e)
{
	own_fd sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return sock < 0 ? err_sys(e, errno, "netlink socket") : link_up(sock, 1, 0, "lo", e);
}

int
net_set_up(int proc, const struct run_link_list *links, struct err *e)
{
	own_fd sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (sock < 0)
		return err_sys(e, errno, "netlink socket");
	for (size_t i = 0; i < links->n; i++)
		if (set_up(proc, sock, &links->v[i], e) < 0)
			return -1;
	return 0;
}

int
stage_net(struct stage *s, struct err *e)
{
	own_fd sock = -1;

	if ((s->prepare->create & CLONE_NEWNET) == 0)
		return s->spec->links.n == 0 ? 0 : err_set(e, ERR_PROTOCOL, "interfaces for a network namespace of somebody else");
	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (sock < 0)
		return err_sys(e, errno, "netlink socket");
	if (link_up(sock, 1, 0, "lo", e) < 0)
		return -1;
	for (size_t i = 0; i < s->spec->links.n; i++)
		if (set_up(s->proc, sock, &s->spec->links.v[i], e) < 0)
			return -1;
	return 0;
}
