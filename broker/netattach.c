/*
 * A container's endpoints. While they are attached its record (network_settings) says all: addresses, interfaces, ports;
 * that is what inspect shows and what netd is told again after a restart.
 */
#include "nets.h"

#include "broker.h"
#include "create.h"
#include "dns.h"
#include "events.h"
#include "lifecycle.h"
#include "links.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>

#define LINK_BLOCK 4096

struct work {
	struct op *op;
	struct ctr *c;
	int netns;
	size_t at;                 /* the endpoint that is being made */
	size_t map, binding;       /* the port that is being picked */
	unsigned attempt;
	void (*done)(struct op *op, const struct err *e);
};

const char *
net_bridge_name(const struct broker *b)
{
	return text_set(b->config->bridge) && !text_same(b->config->bridge, "none") ? b->config->bridge : "docker0";
}

bool
net_is_attached(const struct endpoint *n)
{
	return text_set(n->link);
}

bool
net_has_endpoint(const struct ctr *c)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;

	for (size_t i = 0; i < l->n; i++)
		if (net_is_attached(&l->v[i]))
			return true;
	return false;
}

/* By the greatest priority, then by the network's name; one that leads nowhere only if there is no other. */
const struct endpoint *
net_gateway_endpoint(const struct ctr *c)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;
	const struct endpoint *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct endpoint *n = &l->v[i];
		const struct net *net = net_of(c->b, n);

		if (!net_is_attached(n) || net == NULL || net->rec.internal)
			continue;
		if (best == NULL || n->gw_priority > best->gw_priority ||
		    (n->gw_priority == best->gw_priority && strcmp(text_or_empty(n->network), text_or_empty(best->network)) < 0))
			best = n;
	}
	return best;
}

bool
net_has_names(const struct ctr *c)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;

	for (size_t i = 0; i < l->n; i++) {
		const struct net *net = net_of(c->b, &l->v[i]);

		if (net != NULL && net_is_bridged(net) && !net_is_predefined(net))
			return true;
	}
	return false;
}

/* "bw" and a number in 32 digits. The numbers are reserved in blocks on disk, so none comes twice. */
static char *
new_link(struct ctr *c, struct err *e)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	struct broker *b = c->b;
	char text[16], *p = text + sizeof text - 1;
	int64_t n;

	if (b->next_link == b->last_link) {
		if (db_begin(b->db, true, e) < 0)
			return NULL;
		if (db_counter(b->db, "link", LINK_BLOCK, &b->next_link, e) < 0 || db_commit(b->db, e) < 0) {
			db_rollback(b->db);
			return NULL;
		}
		b->last_link = b->next_link + LINK_BLOCK;
	}
	n = b->next_link++;
	*p = '\0';
	do
		*--p = digits[n & 31];
	while ((n >>= 5) > 0 && p > text + 2);
	*--p = 'w';
	*--p = 'b';
	p = ctr_text(c, p);
	if (p == NULL)
		err_memory(e);
	return p;
}

static struct port_map *
shown_port(struct ctr *c, const char *port, struct err *e)
{
	struct network_settings *s = c->rec.network_settings;
	struct port_map *m;

	for (size_t i = 0; i < s->ports.n; i++)
		if (strcmp(s->ports.v[i].port, port) == 0)
			return &s->ports.v[i];
	m = list_add(&s->ports, &c->arena, sizeof *m);
	if (m == NULL || (m->port = ctr_text(c, port)) == NULL) {
		err_memory(e);
		return NULL;
	}
	return m;
}

static bool
host_port_used(const struct broker *b, const char *port, unsigned host_port)
{
	const char *proto = strchr(port, '/');

	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		const struct ctr *o = b->ctr_by_id.v[i].value;
		const struct network_settings *s = o->rec.network_settings;

		for (size_t k = 0; k < s->ports.n; k++)
			for (size_t j = 0; j < s->ports.v[k].bindings.n; j++)
				if (text_same(strchr(s->ports.v[k].port, '/'), proto) &&
				    (unsigned)atoi(text_or_empty(s->ports.v[k].bindings.v[j].host_port)) == host_port)
					return true;
	}
	return false;
}

/* host_port NULL: to be picked by netd. Of a range the first one is taken that no container of ours has. */
static int
add_binding(struct ctr *c, struct port_map *m, const char *ip, const char *wish, unsigned skip, struct err *e)
{
	const struct endpoint *gateway = net_gateway_endpoint(c);
	struct port_binding *p;
	unsigned first, last, chosen = 0;
	char text[8];

	if (!parse_host_port(wish, &first, &last))
		return err_set(e, ERR_INVALID, "invalid port specification: \"%.100s\"", wish);
	for (unsigned k = first; k != 0 && k <= last && chosen == 0; k++)
		if (first == last || !host_port_used(c->b, m->port, k))
			if (skip == 0 || skip-- == 0 || first == last)
				chosen = k;
	if (first != 0 && chosen == 0)
		return err_set(e, ERR_CONFLICT, "all ports are allocated");
	p = list_add(&m->bindings, &c->arena, sizeof *p);
	if (p == NULL)
		return err_memory(e);
	snprintf(text, sizeof text, "%u", chosen);
	p->host_ip = ctr_text(c, text_set(ip) ? ip : net_binding_of(c->b, gateway != NULL ? net_of(c->b, gateway) : NULL));
	p->host_port = chosen != 0 ? ctr_text(c, text) : NULL;
	return p->host_ip != NULL && (chosen == 0 || p->host_port != NULL) ? 0 : err_memory(e);
}

static int
expose(struct ctr *c, const char *spec, struct err *e)
{
	struct port_range r;

	if (!parse_port(spec, &r))
		return 0;
	for (unsigned n = r.first; n <= r.last; n++) {
		struct port_map *m;
		char port[32];

		snprintf(port, sizeof port, "%u/%s", n, r.proto);
		m = shown_port(c, port, e);
		if (m == NULL)
			return -1;
		if (c->rec.host_config->publish_all_ports && m->bindings.n == 0 && strcmp(r.proto, "sctp") != 0 &&
		    add_binding(c, m, NULL, NULL, 0, e) < 0)
			return -1;
	}
	return 0;
}

static int
choose_ports(struct ctr *c, unsigned attempt, struct err *e)
{
	const struct host_config *h = c->rec.host_config;

	c->rec.network_settings->ports = (struct port_map_list){ 0 };
	for (size_t i = 0; i < h->port_bindings.n; i++) {
		const struct port_map *from = &h->port_bindings.v[i];
		struct port_range r;
		struct port_map *m;
		char port[32];

		if (!parse_port(from->port, &r))
			continue;
		snprintf(port, sizeof port, "%u/%s", r.first, r.proto);
		m = shown_port(c, port, e);
		if (m == NULL)
			return -1;
		if (from->bindings.n == 0 && add_binding(c, m, NULL, NULL, 0, e) < 0)
			return -1;
		for (size_t k = 0; k < from->bindings.n; k++)
			if (add_binding(c, m, from->bindings.v[k].host_ip, from->bindings.v[k].host_port, attempt, e) < 0)
				return -1;
	}
	for (size_t i = 0; i < c->rec.config->exposed_ports.n; i++)
		if (expose(c, c->rec.config->exposed_ports.v[i], e) < 0)
			return -1;
	return 0;
}

/* The address that was asked for, or the next free one. */
static int
take_address(struct ctr *c, struct endpoint *n, struct net *net, uint32_t *ret, struct err *e)
{
	const char *wish = n->ipam_config != NULL ? n->ipam_config->ipv4_address : NULL;

	/* the same as last time if it is free: others may have been told of it (links) */
	if (!text_set(wish) && net_is_predefined(net) && c->last_address != 0 && ipam_take_this(net->pool, c->last_address)) {
		*ret = c->last_address;
		return 0;
	}
	if (!text_set(wish))
		return ipam_take(net->pool, ret, e);
	if (!text_to_ip4(wish, ret) || !ipam_take_this(net->pool, *ret))
		return err_set(e, ERR_DENIED, "failed to set up container networking: Address already in use");
	return 0;
}

static void
give_back(struct ctr *c, struct net *net, const struct endpoint *n)
{
	uint32_t address;

	if (net == NULL || net->pool == NULL || !text_to_ip4(text_or_empty(n->ip_address), &address))
		return;
	ipam_give_back(net->pool, address);
	if (net_is_predefined(net))
		c->last_address = address;
}

int
net_endpoint_open(struct ctr *c, struct endpoint *n, struct net *net, struct err *e)
{
	char id[65], text[24];
	uint32_t address;

	if (net->pool == NULL)
		return err_set(e, ERR_SYSTEM, "network %s cannot be used: its record is damaged", net->rec.name);
	if (take_address(c, n, net, &address, e) < 0)
		return -1;
	text_random_id(id);
	n->endpoint_id = ctr_text(c, id);
	n->network_id = ctr_text(c, net->rec.id);
	text_ip4(text, address);
	n->ip_address = ctr_text(c, text);
	n->ip_prefix_len = net->pool->prefix;
	text_ip4(text, net->pool->gateway);
	n->gateway = ctr_text(c, net->rec.internal ? "" : text);
	ipam_mac(text, address);
	n->mac_address = ctr_text(c, text_set(n->wanted_mac) ? n->wanted_mac : text);
	n->link = new_link(c, e);
	if (n->link == NULL)
		return -1;
	return n->endpoint_id != NULL && n->network_id != NULL && n->ip_address != NULL && n->gateway != NULL && n->mac_address != NULL ? 0 :
	    err_memory(e);
}

/* What inspect shows at the top, for old clients: the default bridge's. */
static void
mirror(struct ctr *c)
{
	struct network_settings *s = c->rec.network_settings;

	for (size_t i = 0; i < s->networks.n; i++) {
		const struct endpoint *n = &s->networks.v[i];

		if (!text_same(n->network, "bridge"))
			continue;
		s->endpoint_id = n->endpoint_id;
		s->gateway = n->gateway;
		s->ip_address = n->ip_address;
		s->ip_prefix_len = n->ip_prefix_len;
		s->mac_address = n->mac_address;
	}
}

int
net_prepare(struct ctr *c, struct err *e)
{
	struct network_settings *s = c->rec.network_settings;
	bool any = false;
	char id[65], ifname[32];

	text_random_id(id);
	s->sandbox_id = ctr_text(c, id);
	for (size_t i = 0; i < s->networks.n; i++) {
		struct endpoint *n = &s->networks.v[i];
		struct net *net = net_of(c->b, n);

		if (net == NULL || net->busy) {
			err_set(e, ERR_NOT_FOUND, "failed to set up container networking: network %s not found", text_set(n->network_id) ? n->network_id :
			    text_or_empty(n->network));
			net_forget(c);
			return -1;
		}
		n->network_id = ctr_text(c, net->rec.id);
		if (!net_is_bridged(net))
			continue;
		any = true;
		snprintf(ifname, sizeof ifname, "eth%zu", i);
		n->ifname = ctr_text(c, ifname);
		if ((!net_is_predefined(net) && dns_names_fill(c, n, e) < 0) || net_endpoint_open(c, n, net, e) < 0) {
			net_forget(c);
			return -1;
		}
	}
	if (any && choose_ports(c, 0, e) < 0) {
		net_forget(c);
		return -1;
	}
	mirror(c);
	return 0;
}

/* The published ports, for the endpoint that leads to the world. */
static int
fill_ports(const struct ctr *c, struct arena *a, struct net_endpoint *ret)
{
	const struct port_map_list *ports = &c->rec.network_settings->ports;

	for (size_t i = 0; i < ports->n; i++) {
		struct port_range r;

		if (!parse_port(ports->v[i].port, &r))
			continue;
		for (size_t k = 0; k < ports->v[i].bindings.n; k++) {
			const struct port_binding *b = &ports->v[i].bindings.v[k];
			struct net_port *p = list_add(&ret->ports, a, sizeof *p);

			if (p == NULL || (p->proto = arena_str(a, r.proto)) == NULL)
				return -1;
			p->host_ip = b->host_ip;
			p->host_port = atoi(text_or_empty(b->host_port));
			p->container_port = r.first;
		}
	}
	return 0;
}

int
net_endpoint_of(const struct ctr *c, size_t at, struct arena *a, struct net_endpoint *ret)
{
	const struct endpoint *n = &c->rec.network_settings->networks.v[at];
	const struct net *net = net_of(c->b, n);
	struct err ignored = ERR_INIT;
	struct net_bridge bridge;

	if (net == NULL || net->pool == NULL || net_bridge_fill(c->b, net, a, &bridge, &ignored) < 0)
		return -1;
	*ret = (struct net_endpoint){ .link = n->link, .bridge = bridge.name, .mac = n->mac_address, .mtu = bridge.mtu };
	ret->ifname = n->ifname;
	ret->address = arena_printf(a, "%s/%lld", text_or_empty(n->ip_address), (long long)n->ip_prefix_len);
	if (ret->address == NULL || (text_same(n->network, "bridge") && links_reach(c, a, ret, &ignored) < 0))
		return -1;
	return n == net_gateway_endpoint(c) ? fill_ports(c, a, ret) : 0;
}

static void pick_next(struct work *w);

static bool
has_range(const struct ctr *c)
{
	const struct host_config *h = c->rec.host_config;

	for (size_t i = 0; i < h->port_bindings.n; i++)
		for (size_t k = 0; k < h->port_bindings.v[i].bindings.n; k++)
			if (strchr(text_or_empty(h->port_bindings.v[i].bindings.v[k].host_port), '-') != NULL)
				return true;
	return false;
}

static void next_endpoint(struct work *w);

static void
emit_connect(struct ctr *c, const struct endpoint *n, const char *what)
{
	const struct net *net = net_of(c->b, n);
	const char *extra[] = { "container", c->id, "name", text_or_empty(n->network), "type", net != NULL ? net->rec.driver : "bridge", NULL };

	event_emit(c->b, "network", what, text_or_empty(n->network_id), extra);
}

static void
on_created(void *ctx, struct answer *a)
{
	struct work *w = ctx;
	const struct endpoint *n = &w->c->rec.network_settings->networks.v[w->at];
	struct err e = ERR_INIT;

	if (a->err == NULL) {
		w->c->endpoint = true;
		emit_connect(w->c, n, "connect");
		w->at++;
		next_endpoint(w);
		return;
	}
	if (a->err->code == ERR_CONFLICT && n == net_gateway_endpoint(w->c) && has_range(w->c) && w->attempt < 64) {
		w->attempt++;
		if (choose_ports(w->c, w->attempt, &e) == 0) {
			w->map = w->binding = 0;
			pick_next(w);
			return;
		}
	}
	err_set(&e, a->err->code == ERR_CONFLICT ? ERR_SYSTEM : a->err->code,
	    "failed to set up container networking: driver failed programming external connectivity on endpoint %s (%s): %s", ctr_name(w->c),
	    text_or_empty(n->endpoint_id), a->err->text);
	w->done(w->op, &e);
}

static void
on_served(struct op *op, void *ctx, const struct err *e)
{
	struct work *w = ctx;

	(void)op;
	w->done(w->op, e);
}

static void
next_endpoint(struct work *w)
{
	const struct endpoint_list *l = &w->c->rec.network_settings->networks;
	struct net_endpoint m;
	struct err e = ERR_INIT;

	while (w->at < l->n && !net_is_attached(&l->v[w->at]))
		w->at++;
	if (w->at == l->n) {
		if (net_has_names(w->c))
			dns_serve(w->op, w->c, on_served, w);
		else
			w->done(w->op, NULL);
		return;
	}
	if (net_endpoint_of(w->c, w->at, &w->op->arena, &m) < 0) {
		err_memory(&e);
		w->done(w->op, &e);
		return;
	}
	peer_send(w->c->b, PEER_NET, NO_net_endpoint_create, &m, &w->netns, 1, 0, on_created, w);
}

static void
on_picked(void *ctx, struct answer *a)
{
	struct work *w = ctx;
	const struct net_port *p = a->msg;
	char text[8];

	if (a->err != NULL) {
		w->done(w->op, a->err);
		return;
	}
	snprintf(text, sizeof text, "%u", (unsigned)p->host_port & 65535);
	w->c->rec.network_settings->ports.v[w->map].bindings.v[w->binding].host_port = ctr_text(w->c, text);
	pick_next(w);
}

static void
pick_next(struct work *w)
{
	const struct port_map_list *ports = &w->c->rec.network_settings->ports;
	struct port_range r;

	for (; w->map < ports->n; w->map++, w->binding = 0)
		for (; w->binding < ports->v[w->map].bindings.n; w->binding++)
			if (!text_set(ports->v[w->map].bindings.v[w->binding].host_port) && parse_port(ports->v[w->map].port, &r)) {
				struct net_port wish = { .proto = r.proto, .host_ip = ports->v[w->map].bindings.v[w->binding].host_ip,
					.container_port = r.first };

				peer_send(w->c->b, PEER_NET, NO_net_port_pick, &wish, NULL, 0, PEER_AGAIN, on_picked, w);
				return;
			}
	next_endpoint(w);
}

void
net_publish(struct op *op, struct ctr *c, int netns, void (*done)(struct op *op, const struct err *e))
{
	struct work *w = arena_alloc(&op->arena, sizeof *w);
	struct err e = ERR_INIT;

	if (w == NULL) {
		err_memory(&e);
		done(op, &e);
		return;
	}
	*w = (struct work){ .op = op, .c = c, .netns = netns, .done = done };
	pick_next(w);
}

void
net_endpoint_close(struct ctr *c, struct endpoint *n)
{
	if (!net_is_attached(n))
		return;
	give_back(c, net_of(c->b, n), n);
	n->endpoint_id = n->gateway = n->ip_address = n->link = n->ifname = NULL;
	n->mac_address = n->wanted_mac;
	n->ip_prefix_len = 0;
	ctr_touch(c);
}

void
net_forget(struct ctr *c)
{
	struct network_settings *s = c->rec.network_settings;

	for (size_t i = 0; i < s->networks.n; i++)
		net_endpoint_close(c, &s->networks.v[i]);
	c->endpoint = false;
	s->ports = (struct port_map_list){ 0 };
	s->sandbox_id = s->endpoint_id = s->gateway = s->ip_address = s->mac_address = NULL;
	s->ip_prefix_len = 0;
	ctr_touch(c);
}

static void
on_removed(void *ctx, struct answer *a)
{
	/* netd is told of all endpoints that are left whenever it comes back, so nothing is lost here */
	if (a->err != NULL && a->err->code != ERR_UNAVAILABLE)
		log_err(LOG_WARN, a->err, "remove an endpoint");
}

void
net_release(struct ctr *c)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;
	own_arena a = ARENA_INIT;
	struct net_endpoint m;

	if (net_has_names(c))
		dns_forget(c);
	for (size_t i = 0; i < l->n; i++) {
		if (!net_is_attached(&l->v[i]))
			continue;
		if (net_endpoint_of(c, i, &a, &m) == 0)
			peer_send(c->b, PEER_NET, NO_net_endpoint_remove, &m, NULL, 0, 0, on_removed, NULL);
		if (c->endpoint)
			emit_connect(c, &l->v[i], "disconnect");
	}
	net_forget(c);
}

void
net_adopt(struct ctr *c)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;

	if (c->endpoint)
		return;
	for (size_t i = 0; i < l->n; i++) {
		const struct net *net = net_of(c->b, &l->v[i]);
		uint32_t address;

		if (!net_is_attached(&l->v[i]) || net == NULL || net->pool == NULL || !text_to_ip4(text_or_empty(l->v[i].ip_address), &address))
			continue;
		(void)ipam_take_this(net->pool, address);
		c->endpoint = true;
	}
}
