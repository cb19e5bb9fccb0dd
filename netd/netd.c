/*
 * netd gives links and opens ports: the host side of the containers' networks. It keeps no truth: the broker tells it with
 * net_sync what must exist, and what else carries the engine's mark is removed.
 */
#include "comp.h"
#include "fd.h"
#include "firewall.h"
#include "links.h"
#include "log.h"
#include "msg/net.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_BRIDGES 256
#define PICK_FIRST 49153u      /* ports that the engine picks: the upper end of the dynamic range (RFC 6335) */
#define PICK_COUNT 16383u

/* A published port: reserved, then opened. The socket holds it against the host's own programs. */
struct port {
	struct fw_port fw;
	int sock;
	bool open;
	char link[16];
	struct port *next;
};

/* Links: what one endpoint reaches. */
struct reaches {
	struct reaches *next;
	char link[16];
	size_t n;
	struct fw_reach fw[];
};

struct netd {
	struct edge *edge;
	struct nl route, filter;
	int sysctl;            /* /proc/sys/net */
	bool forward, firewall;
	struct fw_bridge bridges[MAX_BRIDGES];
	size_t n_bridges;
	struct port *ports;
	struct reaches *reaches;
	unsigned next_pick;
};

static bool
is_ifname(const char *s)
{
	return s != NULL && text_is_name(s, 15);
}

static int
set_sysctl(struct netd *n, const char *path, const char *value, struct err *e)
{
	return fd_write_text(n->sysctl, path, value) < 0 ? err_sys(e, errno, "set net/%s", path) : 0;
}

static int
bridge_sysctls(struct netd *n, const char *name, bool apart, struct err *e)
{
	char path[64];

	/* published ports must be reachable at 127.0.0.1; the raw chain keeps bridges from reaching 127/8 */
	snprintf(path, sizeof path, "ipv4/conf/%s/route_localnet", name);
	if (set_sysctl(n, path, "1", e) < 0)
		return -1;
	snprintf(path, sizeof path, "ipv6/conf/%s/disable_ipv6", name);
	if (set_sysctl(n, path, "1", e) < 0 && e->sys != ENOENT)
		return -1;
	err_clear(e);
	if (n->forward && set_sysctl(n, "ipv4/ip_forward", "1", e) < 0)
		return -1;
	/* containers that the bridge keeps apart find each other through the host, where the forward chain lets links pass and nothing else */
	snprintf(path, sizeof path, "ipv4/conf/%s/proxy_arp_pvlan", name);
	return set_sysctl(n, path, apart && n->firewall ? "1" : "0", e);
}

static struct fw_bridge *
bridge_of(struct netd *n, const char *name)
{
	for (size_t i = 0; i < n->n_bridges; i++)
		if (strcmp(n->bridges[i].name, name) == 0)
			return &n->bridges[i];
	return NULL;
}

static int
build_firewall(struct netd *n, bool fresh, struct err *e)
{
	return n->firewall ? fw_build(&n->filter, n->bridges, n->n_bridges, fresh, e) : 0;
}

static int
make_bridge(struct netd *n, const struct net_bridge *m, struct err *e)
{
	struct link_info l;
	uint32_t address;
	unsigned prefix;
	struct fw_bridge *b;

	if (!is_ifname(m->name) || m->address == NULL || !text_to_cidr4(m->address, &address, &prefix) || prefix > 30)
		return err_set(e, ERR_INVALID, "invalid bridge %s with address %s", m->name != NULL ? m->name : "", m->address != NULL ? m->address : "");
	if (link_find(&n->route, m->name, &l, e) < 0)
		return -1;
	if (!l.found && m->existing)
		return err_set(e, ERR_NOT_FOUND, "bridge device %s does not exist", m->name);
	/* or the settings that follow would change any interface of the host, or a container's link */
	if (l.found && !l.is_bridge)
		return err_set(e, ERR_DENIED, "an interface named %s exists already and is no bridge", m->name);
	if (l.found && !m->existing && l.group != LINK_GROUP)
		return err_set(e, ERR_DENIED, "an interface named %s exists already and was not made by this engine", m->name);
	if (!l.found && m->chosen) {
		bool taken = false;

		if (route_overlaps(&n->route, address, prefix, &taken, e) < 0)
			return -1;
		if (taken)
			return err_set(e, ERR_CONFLICT, "the host has a route to %s", m->address);
	}
	if (!l.found && (bridge_make(&n->route, m->name, address, (uint32_t)m->mtu, e) < 0 || link_find(&n->route, m->name, &l, e) < 0))
		return -1;
	if ((!m->existing && address_set(&n->route, l.index, address, prefix, e) < 0) || bridge_sysctls(n, m->name, !m->icc, e) < 0)
		return -1;
	b = bridge_of(n, m->name);
	if (b == NULL && n->n_bridges == MAX_BRIDGES)
		return err_set(e, ERR_LIMIT, "too many bridges");
	if (b == NULL)
		b = &n->bridges[n->n_bridges++];
	*b = (struct fw_bridge){ .prefix = prefix, .network = prefix == 0 ? 0 : address & (UINT32_MAX << (32 - prefix)), .icc = m->icc,
		.masquerade = m->masquerade, .internal = m->internal };
	(void)text_copy(b->name, sizeof b->name, m->name);
	return 0;
}

static int
on_bridge_create(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;

	if (make_bridge(n, msg, e) < 0 || build_firewall(n, false, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

static int
on_bridge_remove(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;
	const struct net_name *m = msg;
	struct link_info l;
	struct fw_bridge *b;

	if (!is_ifname(m->name))
		return err_set(e, ERR_INVALID, "invalid bridge name");
	b = bridge_of(n, m->name);
	if (b != NULL) {
		*b = n->bridges[--n->n_bridges];
		if (build_firewall(n, false, e) < 0)
			return -1;
	}
	if (link_find(&n->route, m->name, &l, e) < 0 || (l.found && l.is_bridge && l.group == LINK_GROUP && link_delete(&n->route, l.index, e) < 0))
		return -1;
	call_ok(c);
	return 0;
}

static int
try_bind(int fd, const struct sockaddr_in *a)
{
	int on = 1, off = 0, r;

	r = bind(fd, (const struct sockaddr *)a, sizeof *a);
	if (r == 0 || errno != EADDRINUSE)
		return r;
	/* connections of a program that has ended (TIME_WAIT) do not matter; with the option set afterwards others could bind, too */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return -1;
	r = bind(fd, (const struct sockaddr *)a, sizeof *a);
	return r == 0 ? setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off) : -1;
}

/*
 * Holds the port on the host: that somebody else has it shows here, and nobody else can take it later. It does not listen: who comes
 * before the port is open must be refused, not kept waiting.
 */
static int
hold_port(const struct fw_port *p, int *ret, struct err *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(p->host_port), .sin_addr.s_addr = htonl(p->host_ip) };
	own_fd fd = socket(AF_INET, (p->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	const char *name = p->proto == IPPROTO_TCP ? "tcp4" : "udp4";
	char text[16];

	text_ip4(text, p->host_ip);
	if (fd < 0)
		return err_sys(e, errno, "socket");
	if ((p->proto == IPPROTO_TCP ? try_bind(fd, &a) : bind(fd, (struct sockaddr *)&a, sizeof a)) < 0) {
		int sys = errno;

		err_set(e, sys == EADDRINUSE ? ERR_CONFLICT : ERR_SYSTEM, "failed to listen on %s socket: listen %s %s:%u: bind: %s", p->proto == IPPROTO_TCP ? "TCP" : "UDP",
		    name, text, p->host_port, sys == EADDRINUSE ? "address already in use" : sys == EADDRNOTAVAIL ? "cannot assign requested address" : strerror(sys));
		return -1;
	}
	*ret = fd_take(&fd);
	return 0;
}

static bool
overlaps(const struct fw_port *a, const struct fw_port *b)
{
	return a->proto == b->proto && a->host_port == b->host_port && (a->host_ip == b->host_ip || a->host_ip == 0 || b->host_ip == 0);
}

static int
parse_port(const struct net_port *m, uint32_t to_ip, struct fw_port *p, struct err *e)
{
	bool tcp = m->proto != NULL && strcmp(m->proto, "tcp") == 0;

	*p = (struct fw_port){ .proto = tcp ? IPPROTO_TCP : IPPROTO_UDP, .host_port = (uint16_t)m->host_port, .to_ip = to_ip, .to_port = (uint16_t)m->container_port };
	if (m->proto == NULL || (!tcp && strcmp(m->proto, "udp") != 0))
		return err_set(e, ERR_INVALID, "invalid protocol of a published port: %s", m->proto != NULL ? m->proto : "");
	if (m->host_port < 0 || m->host_port > 65535 || m->container_port < 0 || m->container_port > 65535)
		return err_set(e, ERR_INVALID, "invalid published port");
	if (m->host_ip != NULL && m->host_ip[0] != '\0' && !text_to_ip4(m->host_ip, &p->host_ip))
		return err_set(e, ERR_UNSUPPORTED, "publishing on %s is not implemented by Bulwark yet", m->host_ip);
	return 0;
}

/* Ports that change together: as many as one transaction takes, all of them or none. */
struct change { struct netd *n; bool open; struct port *ports[64]; size_t n_ports; };

static int
change_ports(struct change *c, struct err *e)
{
	struct fw_port fw[64] = { 0 };
	size_t k = c->n_ports;

	c->n_ports = 0;
	for (size_t i = 0; i < k; i++)
		fw[i] = c->ports[i]->fw;
	if (c->n->firewall && fw_ports(&c->n->filter, fw, k, c->open, e) < 0)
		return -1;
	for (size_t i = 0; i < k; i++)
		c->ports[i]->open = c->open;
	return 0;
}

/* Opens or closes those of the link that are not so yet. */
static int
switch_ports(struct netd *n, const char *link, bool open, struct err *e)
{
	struct change c = { .n = n, .open = open };

	for (struct port *p = n->ports; p != NULL; p = p->next) {
		if (p->open == open || strcmp(p->link, link) != 0)
			continue;
		c.ports[c.n_ports++] = p;
		if (c.n_ports == 64 && change_ports(&c, e) < 0)
			return -1;
	}
	return change_ports(&c, e);
}

static void
drop_ports(struct netd *n, const char *link)
{
	struct err e = ERR_INIT;

	if (switch_ports(n, link, false, &e) < 0)
		log_err(LOG_WARN, &e, "close ports of %s", link);
	for (struct port **slot = &n->ports; *slot != NULL;) {
		struct port *p = *slot;

		if (strcmp(p->link, link) != 0) {
			slot = &p->next;
			continue;
		}
		*slot = p->next;
		fd_close(&p->sock);
		free(p);
	}
}

static int
add_port(struct netd *n, const char *link, const struct fw_port *fw, struct err *e)
{
	struct port *p;
	char text[16];

	text_ip4(text, fw->host_ip);
	for (p = n->ports; p != NULL; p = p->next)
		if (overlaps(&p->fw, fw))
			return err_set(e, ERR_CONFLICT, "Bind for %s:%u failed: port is already allocated", text, fw->host_port);
	p = calloc(1, sizeof *p);
	if (p == NULL)
		return err_set(e, ERR_NO_MEMORY, "published port");
	p->fw = *fw;
	p->sock = -1;
	(void)text_copy(p->link, sizeof p->link, link);
	if (hold_port(fw, &p->sock, e) < 0) {
		free(p);
		return -1;
	}
	p->next = n->ports;
	n->ports = p;
	return 0;
}

static int
reserve_ports(struct netd *n, const struct net_endpoint *m, uint32_t to_ip, struct err *e)
{
	if (m->ports.n > 0 && !n->firewall)
		return err_set(e, ERR_UNSUPPORTED, "publishing ports needs the firewall (iptables=false)");
	for (size_t i = 0; i < m->ports.n; i++) {
		struct fw_port fw;

		if (parse_port(&m->ports.v[i], to_ip, &fw, e) == 0 && (fw.host_port == 0 || fw.to_port == 0))
			err_set(e, ERR_INVALID, "invalid published port");
		if (e->code != ERR_NONE || add_port(n, m->link, &fw, e) < 0) {
			drop_ports(n, m->link);
			return -1;
		}
	}
	return 0;
}

static void
drop_reaches(struct netd *n, const char *link)
{
	for (struct reaches **slot = &n->reaches; *slot != NULL;) {
		struct reaches *p = *slot;
		struct err e = ERR_INIT;

		if (link != NULL && strcmp(p->link, link) != 0) {
			slot = &p->next;
			continue;
		}
		if (link != NULL && fw_reaches(&n->filter, p->fw, p->n, false, &e) < 0)
			log_err(LOG_WARN, &e, "close the links of %s", link);
		*slot = p->next;
		free(p);
	}
}

static bool
parse_reach(const struct fw_bridge *b, const struct net_reach *r, uint32_t from, struct fw_reach *ret)
{
	bool tcp = r->proto != NULL && strcmp(r->proto, "tcp") == 0;

	*ret = (struct fw_reach){ .from = from, .proto = tcp ? IPPROTO_TCP : IPPROTO_UDP, .port = (uint16_t)r->port };
	/* both ends are on the endpoint's own bridge */
	return b != NULL && r->address != NULL && text_to_ip4(r->address, &ret->to) && r->port >= 1 && r->port <= 65535 &&
	    ((ret->to ^ b->network) & (b->prefix == 0 ? 0 : UINT32_MAX << (32 - b->prefix))) == 0 && (tcp || (r->proto != NULL && strcmp(r->proto, "udp") == 0));
}

/* Two links to one container lead to the same ports. */
static void
add_reach(struct reaches *p, const struct fw_reach *fw)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->fw[i].to == fw->to && p->fw[i].proto == fw->proto && p->fw[i].port == fw->port)
			return;
	p->fw[p->n++] = *fw;
}

/* All of them or none. */
static int
add_reaches(struct netd *n, const struct net_endpoint *m, uint32_t from, struct err *e)
{
	const struct fw_bridge *b = m->bridge != NULL ? bridge_of(n, m->bridge) : NULL;
	struct reaches *p;

	if (!n->firewall || m->reaches.n == 0)
		return 0;
	p = calloc(1, sizeof *p + m->reaches.n * sizeof *p->fw);
	if (p == NULL)
		return err_set(e, ERR_NO_MEMORY, "links");
	(void)text_copy(p->link, sizeof p->link, m->link);
	for (size_t i = 0; i < m->reaches.n; i++) {
		struct fw_reach fw;

		if (!parse_reach(b, &m->reaches.v[i], from, &fw)) {
			free(p);
			return err_set(e, ERR_INVALID, "malformed link of %s", m->link);
		}
		add_reach(p, &fw);
	}
	if (fw_reaches(&n->filter, p->fw, p->n, true, e) < 0) {
		free(p);
		return -1;
	}
	p->next = n->reaches;
	n->reaches = p;
	return 0;
}

static bool
parse_mac(const char *s, unsigned char mac[6])
{
	unsigned v[6];
	char end;

	if (s == NULL || sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &end) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (unsigned char)v[i];
	return (mac[0] & 1) == 0;
}

/*
 * Where bridged frames pass the IP hooks (br_netfilter), the forward chain keeps containers of a bridge apart, and isolating the ports would
 * also cut a container off from the others' published ports: those are then rewritten and bridged, never routed. Where they do not,
 * only the bridge itself can keep its ports apart.
 */
static bool
bridged_frames_are_filtered(struct netd *n)
{
	char text[8];

	return n->firewall && fd_read_text(n->sysctl, "bridge/bridge-nf-call-iptables", text, sizeof text) > 0 && text[0] == '1';
}

/* Is it a network namespace, and not the one that we are in ourselves? */
static int
check_netns(int fd, struct err *e)
{
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(e, ERR_DENIED, "not a network namespace");
	return 0;
}

static int
on_endpoint_create(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;
	const struct net_endpoint *m = msg;
	const struct fw_bridge *b = m->bridge != NULL ? bridge_of(n, m->bridge) : NULL;
	struct link_info l;
	unsigned char mac[6];
	uint32_t address;
	unsigned prefix;
	char text[64];

	if (c->nfds != 1 || !is_ifname(m->link) || !is_ifname(m->ifname) || m->address == NULL)
		return err_set(e, ERR_INVALID, "malformed endpoint");
	snprintf(text, sizeof text, "%s%s", m->address, strchr(m->address, '/') != NULL ? "" : "/32");
	if (!text_to_cidr4(text, &address, &prefix) || !parse_mac(m->mac, mac))
		return err_set(e, ERR_INVALID, "malformed address of endpoint %s", m->link);
	if (b == NULL || (b->prefix > 0 && (address ^ b->network) >> (32 - b->prefix) != 0))
		return err_set(e, ERR_NOT_FOUND, "no bridge %s for address %s", m->bridge != NULL ? m->bridge : "", m->address);
	if (check_netns(c->fds[0], e) < 0 || link_find(&n->route, b->name, &l, e) < 0)
		return -1;
	if (!l.found)
		return err_set(e, ERR_NOT_FOUND, "the bridge %s is gone", b->name);
	if (reserve_ports(n, m, address, e) < 0)
		return -1;
	if (add_reaches(n, m, address, e) < 0 || veth_make(&n->route, m->link, l.index, m->ifname, c->fds[0], mac, (uint32_t)m->mtu, e) < 0 ||
	    (!b->icc && !bridged_frames_are_filtered(n) && port_isolate(&n->route, m->link, e) < 0)) {
		drop_reaches(n, m->link);
		drop_ports(n, m->link);
		return -1;
	}
	call_ok(c);
	return 0;
}

static int
on_endpoint_open(struct call *c, const void *msg, struct err *e)
{
	const struct net_name *m = msg;

	if (!is_ifname(m->name))
		return err_set(e, ERR_INVALID, "malformed endpoint");
	if (switch_ports(c->ctx, m->name, true, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

static int
on_endpoint_remove(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;
	const struct net_endpoint *m = msg;
	struct link_info l;

	if (!is_ifname(m->link))
		return err_set(e, ERR_INVALID, "malformed endpoint");
	drop_ports(n, m->link);
	drop_reaches(n, m->link);
	/* else the link ends with its namespace: deleting it here waits for a grace period */
	if (m->now && (link_find(&n->route, m->link, &l, e) < 0 || (l.found && l.group == LINK_GROUP && link_delete(&n->route, l.index, e) < 0)))
		return -1;
	call_ok(c);
	return 0;
}

struct doomed { const struct net_state *keep; int index[4096]; size_t n; };

static void
on_own_link(void *ctx, const struct link_info *l)
{
	struct doomed *d = ctx;

	for (size_t i = 0; d->keep != NULL && i < d->keep->bridges.n; i++)
		if (d->keep->bridges.v[i].name != NULL && strcmp(d->keep->bridges.v[i].name, l->name) == 0)
			return;
	for (size_t i = 0; d->keep != NULL && i < d->keep->endpoints.n; i++)
		if (d->keep->endpoints.v[i].link != NULL && strcmp(d->keep->endpoints.v[i].link, l->name) == 0)
			return;
	if (d->n < sizeof d->index / sizeof d->index[0])
		d->index[d->n++] = l->index;
}

static int
remove_others(struct netd *n, const struct net_state *keep, struct err *e)
{
	static struct doomed d;

	d = (struct doomed){ .keep = keep };
	if (link_each_own(&n->route, on_own_link, &d, e) < 0)
		return -1;
	for (size_t i = 0; i < d.n; i++)
		if (link_delete(&n->route, d.index[i], e) < 0 && e->sys != ENODEV)
			return -1;
	err_clear(e);
	return 0;
}

static void
forget_ports(struct netd *n)
{
	while (n->ports != NULL) {
		struct port *p = n->ports;

		n->ports = p->next;
		fd_close(&p->sock);
		free(p);
	}
}

static int
on_sync(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;
	const struct net_state *m = msg;

	n->n_bridges = 0;
	if (remove_others(n, m, e) < 0)
		return -1;
	/* what is wrong with one network leaves the others as they are */
	for (size_t i = 0; i < m->bridges.n; i++) {
		struct err one = ERR_INIT;

		if (make_bridge(n, &m->bridges.v[i], &one) < 0)
			log_err(LOG_ERROR, &one, "bridge %s", m->bridges.v[i].name != NULL ? m->bridges.v[i].name : "");
	}
	forget_ports(n);
	drop_reaches(n, NULL);
	if (build_firewall(n, true, e) < 0)
		return -1;
	for (size_t i = 0; i < m->endpoints.n; i++) {
		const struct net_endpoint *p = &m->endpoints.v[i];
		struct err one = ERR_INIT;
		uint32_t address = 0;
		unsigned prefix;
		char text[64];

		snprintf(text, sizeof text, "%s%s", p->address != NULL ? p->address : "", p->address != NULL && strchr(p->address, '/') != NULL ? "" : "/32");
		if (!is_ifname(p->link) || !text_to_cidr4(text, &address, &prefix) || reserve_ports(n, p, address, &one) < 0 ||
		    switch_ports(n, p->link, true, &one) < 0)
			log_err(LOG_ERROR, &one, "ports of %s stay closed", p->link != NULL ? p->link : "?");
		else if (add_reaches(n, p, address, &one) < 0)
			log_err(LOG_ERROR, &one, "links of %s stay closed", p->link);
	}
	call_ok(c);
	return 0;
}

static int
on_clear(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;

	forget_ports(n);
	drop_reaches(n, NULL);
	n->n_bridges = 0;
	if (remove_others(n, NULL, e) < 0 || (n->firewall && fw_remove(&n->filter, e) < 0))
		return -1;
	call_ok(c);
	return 0;
}

static int
on_port_pick(struct call *c, const void *msg, struct err *e)
{
	struct netd *n = c->ctx;
	const struct net_port *m = msg;
	struct fw_port fw;

	if (parse_port(m, 0, &fw, e) < 0)
		return -1;
	for (unsigned tries = 0; tries < PICK_COUNT; tries++) {
		struct err busy = ERR_INIT;
		own_fd sock = -1;
		bool taken = false;

		fw.host_port = (uint16_t)(PICK_FIRST + n->next_pick++ % PICK_COUNT);
		for (const struct port *p = n->ports; p != NULL && !taken; p = p->next)
			taken = overlaps(&p->fw, &fw);
		if (!taken && hold_port(&fw, &sock, &busy) == 0) {
			struct net_port picked = *m;

			picked.host_port = fw.host_port;
			call_reply(c, &picked, NULL, 0);
			return 0;
		}
		if (busy.code == ERR_SYSTEM) {
			*e = busy;
			return -1;
		}
	}
	return err_set(e, ERR_LIMIT, "all ports are allocated");
}

static void
on_edge_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct netd *n = ctx;

	if (n->edge == edge)
		n->edge = NULL;
	edge_free(edge);
}

static int
netd_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[net_edge_end] = {
		[NO_net_bridge_create] = on_bridge_create, [NO_net_bridge_remove] = on_bridge_remove,
		[NO_net_endpoint_create] = on_endpoint_create, [NO_net_endpoint_remove] = on_endpoint_remove, [NO_net_sync] = on_sync,
		[NO_net_clear] = on_clear, [NO_net_port_pick] = on_port_pick,
		[NO_net_endpoint_open] = on_endpoint_open,
	};
	struct netd *n = c->ctx;
	struct edge_conf conf = { .table = &net_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = net_edge_end, .ctx = n,
		.peer = "broker", .on_closed = on_edge_closed };

	if (strcmp(name, "net") != 0) {
		fd_close(&fd);
		return err_set(e, ERR_PROTOCOL, "no edge %s here", name);
	}
	edge_free(n->edge);
	n->edge = edge_new(c->loop, fd, &conf, e);
	if (n->edge == NULL)
		fd_close(&fd);
	return n->edge != NULL ? 0 : -1;
}

static int
netd_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct netd *n = c->ctx;

	n->forward = m->config->ip_forward;
	n->firewall = m->config->iptables;
	n->sysctl = open("/proc/sys/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (n->sysctl < 0)
		return err_sys(e, errno, "open /proc/sys/net");
	c->trees[c->n_trees++] = (struct role_tree){ .fd = n->sysctl, .write = true };
	return nl_open(&n->route, NETLINK_ROUTE, e) < 0 || nl_open(&n->filter, NETLINK_NETFILTER, e) < 0 ? -1 : 0;
}

int
main(void)
{
	static struct netd n;
	struct comp c = { .role = ROLE_NETD, .ctx = &n, .start = netd_start, .edge = netd_edge };

	return comp_main(&c);
}
