/*
 * A container's endpoint on the default bridge. While it is attached its record (network_settings) says all: address,
 * interface, ports; that is what inspect shows and what netd is told again after a restart.
 */
#include "broker.h"
#include "create.h"
#include "events.h"
#include "lifecycle.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>

#define LINK_BLOCK 4096

struct work {
	struct op *op;
	struct ctr *c;
	int netns;
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
net_has_endpoint(const struct ctr *c)
{
	const struct network_settings *s = c->rec.network_settings;

	return s->networks.n > 0 && text_set(s->networks.v[0].link);
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
	p->host_ip = ctr_text(c, text_set(ip) ? ip : text_set(c->b->config->ip) ? c->b->config->ip : "0.0.0.0");
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

static int
new_endpoint(struct ctr *c, struct endpoint *n, struct err *e)
{
	struct broker *b = c->b;
	const struct net *net = net_named(b, "bridge");
	char id[65], text[24];

	if (ipam_take(&b->ipam, &c->address, e) < 0)
		return -1;
	text_random_id(id);
	n->endpoint_id = ctr_text(c, id);
	n->network_id = ctr_text(c, net != NULL ? net->rec.id : "");
	text_ip4(text, c->address);
	n->ip_address = ctr_text(c, text);
	n->ip_prefix_len = b->ipam.prefix;
	text_ip4(text, b->ipam.gateway);
	n->gateway = ctr_text(c, text);
	ipam_mac(text, c->address);
	n->mac_address = ctr_text(c, text_set(c->rec.config->mac_address) ? c->rec.config->mac_address : text);
	n->link = new_link(c, e);
	if (n->link == NULL)
		return -1;
	return n->endpoint_id != NULL && n->network_id != NULL && n->ip_address != NULL && n->gateway != NULL && n->mac_address != NULL ? 0 :
	    err_memory(e);
}

/* What inspect shows at the top, for old clients. */
static void
mirror(struct ctr *c)
{
	struct network_settings *s = c->rec.network_settings;
	const struct endpoint *n = &s->networks.v[0];

	s->endpoint_id = n->endpoint_id;
	s->gateway = n->gateway;
	s->ip_address = n->ip_address;
	s->ip_prefix_len = n->ip_prefix_len;
	s->mac_address = n->mac_address;
}

int
net_prepare(struct ctr *c, struct err *e)
{
	struct network_settings *s = c->rec.network_settings;
	char id[65];

	text_random_id(id);
	s->sandbox_id = ctr_text(c, id);
	if (s->networks.n == 0)
		return 0;
	if (!text_same(s->networks.v[0].network, "bridge")) {
		const struct net *net = net_named(c->b, s->networks.v[0].network);

		s->networks.v[0].network_id = ctr_text(c, net != NULL ? net->rec.id : "");
		return 0;
	}
	if (new_endpoint(c, &s->networks.v[0], e) < 0 || choose_ports(c, 0, e) < 0) {
		net_forget(c);
		return -1;
	}
	mirror(c);
	return 0;
}

int
net_endpoint_of(const struct ctr *c, struct arena *a, struct net_endpoint *ret)
{
	const struct endpoint *n = &c->rec.network_settings->networks.v[0];
	const struct port_map_list *ports = &c->rec.network_settings->ports;

	*ret = (struct net_endpoint){ .link = n->link, .ifname = (char *)(uintptr_t)"eth0", .bridge = (char *)(uintptr_t)net_bridge_name(c->b),
		.mac = n->mac_address, .mtu = c->b->config->mtu > 0 ? c->b->config->mtu : 1500 };
	ret->address = arena_printf(a, "%s/%lld", text_or_empty(n->ip_address), (long long)n->ip_prefix_len);
	if (ret->address == NULL)
		return -1;
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

static void
on_created(void *ctx, struct answer *a)
{
	struct work *w = ctx;
	const struct endpoint *n = &w->c->rec.network_settings->networks.v[0];
	struct err e = ERR_INIT;
	const char *extra[] = { "container", w->c->id, "name", "bridge", "type", "bridge", NULL };

	if (a->err == NULL) {
		w->c->endpoint = true;
		event_emit(w->c->b, "network", "connect", text_or_empty(n->network_id), extra);
		w->done(w->op, NULL);
		return;
	}
	if (a->err->code == ERR_CONFLICT && has_range(w->c) && w->attempt < 64) {
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
	struct net_endpoint m;
	struct err e = ERR_INIT;
	struct port_range r;

	for (; w->map < ports->n; w->map++, w->binding = 0)
		for (; w->binding < ports->v[w->map].bindings.n; w->binding++)
			if (!text_set(ports->v[w->map].bindings.v[w->binding].host_port) && parse_port(ports->v[w->map].port, &r)) {
				struct net_port wish = { .proto = r.proto, .host_ip = ports->v[w->map].bindings.v[w->binding].host_ip,
					.container_port = r.first };

				peer_send(w->c->b, PEER_NET, NO_net_port_pick, &wish, NULL, 0, PEER_AGAIN, on_picked, w);
				return;
			}
	if (net_endpoint_of(w->c, &w->op->arena, &m) < 0) {
		err_memory(&e);
		w->done(w->op, &e);
		return;
	}
	peer_send(w->c->b, PEER_NET, NO_net_endpoint_create, &m, &w->netns, 1, 0, on_created, w);
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
net_forget(struct ctr *c)
{
	struct network_settings *s = c->rec.network_settings;
	struct endpoint *n = s->networks.n > 0 ? &s->networks.v[0] : NULL;

	ipam_give_back(&c->b->ipam, c->address);
	c->address = 0;
	c->endpoint = false;
	s->ports = (struct port_map_list){ 0 };
	s->sandbox_id = s->endpoint_id = s->gateway = s->ip_address = s->mac_address = NULL;
	s->ip_prefix_len = 0;
	if (n != NULL) {
		n->endpoint_id = n->gateway = n->ip_address = n->link = NULL;
		n->mac_address = c->rec.config->mac_address;
		n->ip_prefix_len = 0;
	}
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
	own_arena a = ARENA_INIT;
	struct net_endpoint m;
	const char *extra[] = { "container", c->id, "name", "bridge", "type", "bridge", NULL };

	if (net_has_endpoint(c)) {
		const char *network = text_or_empty(c->rec.network_settings->networks.v[0].network_id);

		if (net_endpoint_of(c, &a, &m) == 0)
			peer_send(c->b, PEER_NET, NO_net_endpoint_remove, &m, NULL, 0, 0, on_removed, NULL);
		if (c->endpoint)
			event_emit(c->b, "network", "disconnect", network, extra);
	}
	net_forget(c);
}

void
net_adopt(struct ctr *c)
{
	uint32_t address;

	if (!net_has_endpoint(c) || c->address != 0 || !text_to_ip4(text_or_empty(c->rec.network_settings->networks.v[0].ip_address), &address))
		return;
	(void)ipam_take_this(&c->b->ipam, address);
	c->address = address;
	c->endpoint = true;
}
