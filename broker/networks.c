/* The networks that there are, and the predefined ones: bridge, host, none. */
#include "nets.h"

#include "broker.h"
#include "clients.h"
#include "filters.h"
#include "lifecycle.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>

static int
add(struct broker *b, const char *name, const char *driver, struct err *e)
{
	struct net *n = calloc(1, sizeof *n);
	char id[65];

	if (n == NULL)
		return err_memory(e);
	text_random_id(id);
	n->rec = (struct network){ .name = arena_str(&n->arena, name), .id = arena_str(&n->arena, id), .created = now_real_ns(),
		.scope = arena_str(&n->arena, "local"), .driver = arena_str(&n->arena, driver), .enable_ipv4 = true };
	n->rec.ipam = arena_alloc(&n->arena, sizeof *n->rec.ipam);
	if (n->rec.name == NULL || n->rec.id == NULL || n->rec.scope == NULL || n->rec.driver == NULL || n->rec.ipam == NULL)
		goto no_memory;
	n->rec.ipam->driver = arena_str(&n->arena, "default");
	if (db_put(b->db, DB_NETWORKS, id, &network_type, &n->rec, e) < 0 || index_put(&b->net_by_id, n->rec.id, n, e) < 0)
		goto bad;
	return 0;
no_memory:
	err_memory(e);
bad:
	arena_done(&n->arena);
	free(n);
	return -1;
}

bool
net_is_predefined(const struct net *n)
{
	return text_same(n->rec.name, "bridge") || text_same(n->rec.name, "host") || text_same(n->rec.name, "none");
}

bool
net_is_bridged(const struct net *n)
{
	return text_same(n->rec.driver, "bridge");
}

/* The addresses of each bridge: the default one's from the configuration, the others' from their records. */
static int
open_pools(struct broker *b, struct err *e)
{
	for (size_t i = 0; i < b->net_by_id.n; i++) {
		struct net *n = b->net_by_id.v[i].value;
		struct err bad = ERR_INIT;

		if (!net_is_bridged(n))
			continue;
		n->pool = net_is_predefined(n) ? &b->ipam : &n->own_pool;
		if (n->pool == &n->own_pool && net_pool(&n->rec, n->pool, &bad) < 0) {
			if (bad.code == ERR_NO_MEMORY)
				return err_memory(e);
			log_err(LOG_ERROR, &bad, "network %s cannot be used", n->rec.name);
			n->pool = NULL;
		}
	}
	return 0;
}

int
networks_init(struct broker *b, struct err *e)
{
	static const struct { const char *name, *driver; } predefined[] = { { "bridge", "bridge" }, { "host", "host" }, { "none", "null" } };
	bool with_bridge = !text_same(b->config->bridge, "none");

	if (db_begin(b->db, true, e) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++)
		if ((i > 0 || with_bridge) && net_named(b, predefined[i].name) == NULL && add(b, predefined[i].name, predefined[i].driver, e) < 0) {
			db_rollback(b->db);
			return -1;
		}
	return db_commit(b->db, e) < 0 ? -1 : open_pools(b, e);
}

struct net *
net_of(const struct broker *b, const struct endpoint *n)
{
	struct net *by_id = text_set(n->network_id) ? index_get(&b->net_by_id, n->network_id) : NULL;

	return by_id != NULL ? by_id : net_named(b, n->network);
}

size_t
net_users(const struct broker *b, const struct net *n, const struct ctr **first)
{
	size_t count = 0;

	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		const struct ctr *c = b->ctr_by_id.v[i].value;
		const struct endpoint_list *l = &c->rec.network_settings->networks;

		for (size_t k = 0; k < l->n; k++)
			if (net_is_attached(&l->v[k]) && net_of(b, &l->v[k]) == n) {
				if (count++ == 0 && first != NULL)
					*first = c;
			}
	}
	return count;
}

/* What the configuration says now of the default bridge is added when it is shown. */
static int
fill_bridge(struct broker *b, struct arena *a, struct network *n, struct err *e)
{
	const struct engine_config *g = b->config;
	struct ipam_pool *pool;
	char text[24], number[24];
	uint32_t mask = UINT32_MAX << (32 - b->ipam.prefix);

	n->ipam = arena_alloc(a, sizeof *n->ipam);
	if (n->ipam == NULL || (pool = list_add(&n->ipam->config, a, sizeof *pool)) == NULL)
		return err_memory(e);
	n->ipam->driver = arena_str(a, "default");
	text_ip4(text, b->ipam.own & mask);
	pool->subnet = arena_printf(a, "%s/%u", text, b->ipam.prefix);
	text_ip4(text, b->ipam.gateway);
	pool->gateway = arena_str(a, text);
	if (text_set(g->fixed_cidr))
		pool->ip_range = arena_str(a, g->fixed_cidr);
	snprintf(number, sizeof number, "%lld", (long long)(g->mtu > 0 ? g->mtu : 1500));
	return kvs_set(&n->options, a, "com.docker.network.bridge.default_bridge", "true") &&
	    kvs_set(&n->options, a, "com.docker.network.bridge.enable_icc", g->icc ? "true" : "false") &&
	    kvs_set(&n->options, a, "com.docker.network.bridge.enable_ip_masquerade", g->ip_masq ? "true" : "false") &&
	    kvs_set(&n->options, a, "com.docker.network.bridge.host_binding_ipv4", net_binding_of(b, NULL)) &&
	    kvs_set(&n->options, a, "com.docker.network.bridge.name", net_bridge_name(b)) &&
	    kvs_set(&n->options, a, "com.docker.network.driver.mtu", number) ? 0 : err_memory(e);
}

static int
fill_members(struct broker *b, struct arena *a, const struct net *net, struct network *n, struct err *e)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;
		const struct endpoint_list *l = &c->rec.network_settings->networks;

		for (size_t k = 0; ctr_running(c) && k < l->n; k++) {
			struct network_member *m;

			if (net_of(b, &l->v[k]) != net)
				continue;
			m = list_add(&n->containers, a, sizeof *m);
			if (m == NULL)
				return err_memory(e);
			m->id = c->id;
			m->name = (char *)(uintptr_t)ctr_name(c);
			m->endpoint_id = l->v[k].endpoint_id;
			m->mac_address = l->v[k].mac_address;
			m->ipv4_address = text_set(l->v[k].ip_address) ?
			    arena_printf(a, "%s/%lld", l->v[k].ip_address, (long long)l->v[k].ip_prefix_len) : NULL;
		}
	}
	return 0;
}

int
net_show(struct broker *b, const struct net *from, bool members, struct arena *a, struct network *ret, struct err *e)
{
	*ret = from->rec;
	if (net_is_bridged(from) && net_is_predefined(from) && fill_bridge(b, a, ret, e) < 0)
		return -1;
	return members ? fill_members(b, a, from, ret, e) : 0;
}

static bool
type_matches(const struct filter_list *f, const struct net *n)
{
	return filter_exact(f, "type", net_is_predefined(n) ? "builtin" : "custom");
}

int
handle_network_list(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "dangling", "driver", "id", "label", "name", "scope", "type", NULL };
	const struct api_filters *m = msg;
	struct broker *b = client_broker(call);
	struct api_networks answer = { 0 };
	int dangling;

	if (filters_check(&m->filters, known, e) < 0 || filter_bool(&m->filters, "dangling", &dangling, e) < 0)
		return -1;
	for (size_t i = 0; i < b->net_by_id.n; i++) {
		const struct net *n = b->net_by_id.v[i].value;
		struct network *out;

		if (!filter_exact(&m->filters, "driver", n->rec.driver) || !filter_prefix(&m->filters, "id", n->rec.id) ||
		    !filter_labels(&m->filters, &n->rec.labels) || !filter_pattern(&m->filters, "name", n->rec.name) ||
		    !filter_exact(&m->filters, "scope", "local") || !type_matches(&m->filters, n) || n->busy ||
		    (dangling >= 0 && (!net_is_predefined(n) && net_users(b, n, NULL) == 0) != (dangling == 1)))
			continue;
		out = list_add(&answer.items, &call->arena, sizeof *out);
		if (out == NULL)
			return err_memory(e);
		/* since 1.28 the list has no members */
		if (net_show(b, n, m->api_version > 0 && m->api_version < 128, &call->arena, out, e) < 0)
			return -1;
	}
	call_reply(call, &answer, NULL, 0);
	return 0;
}

int
handle_network_inspect(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct broker *b = client_broker(call);
	struct net *n = net_find(b, m->ref, e);
	struct network shown;

	if (n == NULL || net_show(b, n, true, &call->arena, &shown, e) < 0)
		return -1;
	call_reply(call, &shown, NULL, 0);
	return 0;
}
