/* What a request says about networks and ports. */
#include "create.h"

#include "broker.h"
#include "links.h"
#include "nets.h"
#include "text.h"

#include <stdlib.h>

#define EXPOSED_MAX 2048u

const char *
mode_container(const char *mode)
{
	return mode != NULL && text_starts(mode, "container:") && mode[10] != '\0' ? mode + 10 : NULL;
}

static bool
parse_range(const char *text, size_t n, unsigned *first, unsigned *last)
{
	char copy[16];
	char *dash;
	uint64_t a, b;

	if (n == 0 || n >= sizeof copy)
		return false;
	memcpy(copy, text, n);
	copy[n] = '\0';
	dash = strchr(copy, '-');
	if (dash != NULL)
		*dash++ = '\0';
	if (!text_to_u64(copy, 65535, &a) || (dash != NULL && !text_to_u64(dash, 65535, &b)))
		return false;
	*first = (unsigned)a;
	*last = dash != NULL ? (unsigned)b : (unsigned)a;
	return *first <= *last;
}

bool
parse_port(const char *text, struct port_range *ret)
{
	size_t n = strcspn(text, "/");
	const char *proto = text[n] == '/' ? text + n + 1 : "tcp";

	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0)
		return false;
	if (!parse_range(text, n, &ret->first, &ret->last) || ret->first == 0)
		return false;
	return text_copy(ret->proto, sizeof ret->proto, proto);
}

bool
parse_host_port(const char *text, unsigned *first, unsigned *last)
{
	if (!text_set(text)) {
		*first = *last = 0;
		return true;
	}
	return parse_range(text, strlen(text), first, last);
}

static int
check_bindings(struct creation *c, struct err *e)
{
	unsigned exposed = 0;

	for (size_t i = 0; i < c->host.port_bindings.n; i++) {
		const struct port_map *m = &c->host.port_bindings.v[i];
		struct port_range r;

		if (!parse_port(text_or_empty(m->port), &r) || r.first != r.last)
			return err_set(e, ERR_INVALID, "invalid port specification: \"%.100s\"", text_or_empty(m->port));
		if (strcmp(r.proto, "sctp") == 0)
			return err_set(e, ERR_UNSUPPORTED, "publishing SCTP ports is not implemented by Bulwark yet");
		for (size_t k = 0; k < m->bindings.n; k++) {
			const struct port_binding *p = &m->bindings.v[k];
			unsigned first, last;
			uint32_t addr;

			if (!parse_host_port(p->host_port, &first, &last))
				return err_set(e, ERR_INVALID, "invalid port specification: \"%.100s\"", p->host_port);
			if (text_set(p->host_ip) && strchr(p->host_ip, ':') != NULL)
				return err_set(e, ERR_UNSUPPORTED, "publishing on IPv6 addresses is not implemented by Bulwark yet");
			if (text_set(p->host_ip) && !text_to_ip4(p->host_ip, &addr))
				return err_set(e, ERR_INVALID, "invalid IP address in port mapping: %.64s", p->host_ip);
		}
	}
	for (size_t i = 0; i < c->config.exposed_ports.n; i++) {
		struct port_range r;

		if (!parse_port(c->config.exposed_ports.v[i], &r))
			return err_set(e, ERR_INVALID, "invalid port specification: \"%.100s\"", c->config.exposed_ports.v[i]);
		exposed += r.last - r.first + 1;
		if (exposed > EXPOSED_MAX)
			return err_set(e, ERR_INVALID, "more than %u exposed ports", EXPOSED_MAX);
	}
	return 0;
}

bool
is_mac(const char *s)
{
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : strchr("0123456789abcdefABCDEF", s[i]) == NULL || s[i] == '\0')
			return false;
	return s[17] == '\0';
}

static int
conflict(struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "conflicting options: %s", what);
}

static int
check_mode(struct creation *c, struct err *e)
{
	const struct host_config *h = &c->host;
	const struct container_config *k = &c->config;
	bool other = mode_container(h->network_mode) != NULL;

	if (text_same(h->uts_mode, "host") && text_set(k->hostname))
		return conflict(e, "hostname and the UTS mode");
	if (!other)
		return 0;
	if (text_set(k->hostname))
		return conflict(e, "hostname and the network mode");
	if (h->dns.n > 0)
		return conflict(e, "dns and the network mode");
	if (h->extra_hosts.n > 0)
		return conflict(e, "custom host-to-IP mapping and the network mode");
	if (text_set(k->mac_address))
		return conflict(e, "mac-address and the network mode");
	if (h->port_bindings.n > 0 || h->publish_all_ports)
		return conflict(e, "port publishing and the container type network mode");
	/* the image's own EXPOSE is no wish of the user's */
	if (c->m->config != NULL && c->m->config->exposed_ports.n > 0)
		return conflict(e, "port exposing and the container type network mode");
	return 0;
}

/* "container:name" is kept as "container:id", so that a rename does not break it. */
static int
resolve_container(struct creation *c, char **mode, struct err *e)
{
	const char *ref = mode_container(*mode);
	struct ctr *other;

	if (ref == NULL)
		return 0;
	other = ctr_find(c->b, ref, e);
	if (other == NULL)
		return -1;
	*mode = arena_printf(c->a, "container:%s", other->id);
	return *mode != NULL ? 0 : err_memory(e);
}

static int
check_extra_hosts(const struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->extra_hosts.n; i++) {
		const char *s = h->extra_hosts.v[i], *colon = strchr(s, ':');

		if (colon == NULL || colon == s || colon[1] == '\0')
			return err_set(e, ERR_INVALID, "bad format for add-host: \"%.200s\"", s);
	}
	for (size_t i = 0; i < h->dns.n; i++) {
		uint32_t addr;

		if (!text_to_ip4(h->dns.v[i], &addr) && strchr(h->dns.v[i], ':') == NULL)
			return err_set(e, ERR_INVALID, "invalid DNS address: %.100s", h->dns.v[i]);
	}
	return 0;
}

/* One of the request's, or (from NULL) the one that the network mode alone asks for. */
static int
add_endpoint(struct creation *c, const struct net *net, const struct endpoint *from, struct err *e)
{
	struct endpoint *n;

	for (size_t i = 0; i < c->net.networks.n; i++)
		if (text_same(c->net.networks.v[i].network, net->rec.name))
			return from != NULL ? err_set(e, ERR_INVALID, "network %s is named twice", net->rec.name) : 0;
	if (from != NULL && check_endpoint(net, from, e) < 0)
		return -1;
	n = list_add(&c->net.networks, c->a, sizeof *n);
	if (n == NULL)
		return err_memory(e);
	if (from != NULL)
		*n = endpoint_wish(from);
	n->network = net->rec.name;
	if (text_set(n->mac_address) && text_same(net->rec.driver, "host"))
		return conflict(e, "mac-address and the network mode");
	return 0;
}

/* The container-wide address is the main network's. */
static int
main_mac(struct creation *c, struct err *e)
{
	struct endpoint *n = &c->net.networks.v[0];

	if (text_set(c->config.mac_address)) {
		if (text_set(n->mac_address) && !text_same(n->mac_address, c->config.mac_address))
			return err_set(e, ERR_INVALID, "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or "
			    "should be left empty");
		if (text_same(c->host.network_mode, "host"))
			return conflict(e, "mac-address and the network mode");
		n->mac_address = n->wanted_mac = c->config.mac_address;
	}
	c->config.mac_address = n->mac_address;
	if (text_set(n->mac_address) && !is_mac(n->mac_address))
		return err_set(e, ERR_INVALID, "invalid MAC address: %.64s", n->mac_address);
	return 0;
}

/* The network mode's comes first; the others may be named too. */
static int
add_endpoints(struct creation *c, struct err *e)
{
	const struct endpoint_list *l = &c->m->networks;
	const struct net *main_net;

	if (mode_container(c->host.network_mode) != NULL)
		return 0;
	main_net = net_find(c->b, c->host.network_mode, e);
	if (main_net == NULL)
		return -1;
	if (l->n > 1 && c->m->api_version > 0 && c->m->api_version < 144)
		return err_set(e, ERR_INVALID, "Container cannot be created with multiple network endpoints");
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < l->n; i++) {
			const struct endpoint *from = &l->v[i];
			const struct net *net = text_same(from->network, "default") ? main_net : net_find(c->b, from->network, e);

			if (net == NULL)
				return -1;
			if ((net == main_net) == (pass == 0) && add_endpoint(c, net, from, e) < 0)
				return -1;
		}
		if (pass == 0 && add_endpoint(c, main_net, NULL, e) < 0)
			return -1;
	}
	if (c->net.networks.n > 1 && (!net_is_bridged(main_net) || text_same(main_net->rec.driver, "null")))
		return err_set(e, ERR_INVALID, "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
	return main_mac(c, e);
}

int
create_networks(struct creation *c, struct err *e)
{
	struct host_config *h = &c->host;
	bool disabled = c->config.network_disabled;

	if (!text_set(h->network_mode) || text_same(h->network_mode, "default"))
		h->network_mode = arena_str(c->a, disabled ? "none" : text_same(c->engine->bridge, "none") ? "none" : "bridge");
	if (h->network_mode == NULL)
		return err_memory(e);
	if (mode_container(h->network_mode) == NULL) {
		const struct net *net = net_find(c->b, h->network_mode, e);

		if (net == NULL)
			return -1;
		/* an id is kept as it is in the Docker engine; what is compared here is the name */
		h->network_mode = arena_str(c->a, net->rec.name);
		if (h->network_mode == NULL)
			return err_memory(e);
	}
	if (check_mode(c, e) < 0 || check_extra_hosts(h, e) < 0 || check_bindings(c, e) < 0 || resolve_container(c, &h->network_mode, e) < 0 ||
	    resolve_container(c, &h->ipc_mode, e) < 0 || resolve_container(c, &h->pid_mode, e) < 0)
		return -1;
	return add_endpoints(c, e) < 0 || links_check(c, e) < 0 ? -1 : 0;
}
