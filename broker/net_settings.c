/* What a request for a network says: checked, in the Docker engine's words, and what is left open filled in. */
#include "nets.h"

#include "broker.h"
#include "lifecycle.h"
#include "text.h"

#include <stdlib.h>

#define OPTION(name) "com.docker.network.bridge." name
#define OPTION_MTU "com.docker.network.driver.mtu"

/* The subnets that the engine chooses from, as the Docker engine's. */
static const struct { const char *base; unsigned prefix, size; } pools[] = {
	{ "172.17.0.0", 16, 16 }, { "172.18.0.0", 16, 16 }, { "172.19.0.0", 16, 16 }, { "172.20.0.0", 14, 16 }, { "172.24.0.0", 14, 16 },
	{ "172.28.0.0", 14, 16 }, { "192.168.0.0", 16, 20 },
};

static uint32_t
mask_of(unsigned prefix)
{
	return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

static bool
subnet_of(const struct network *n, uint32_t *ret_net, unsigned *ret_prefix)
{
	return n->ipam != NULL && n->ipam->config.n > 0 && n->ipam->config.v[0].subnet != NULL &&
	    text_to_cidr4(n->ipam->config.v[0].subnet, ret_net, ret_prefix);
}

static const struct net *
overlapping(const struct broker *b, uint32_t net, unsigned prefix)
{
	for (size_t i = 0; i < b->net_by_id.n; i++) {
		const struct net *n = b->net_by_id.v[i].value;
		uint32_t other = b->ipam.own;
		unsigned other_prefix = b->ipam.prefix;

		if (!net_is_bridged(n) || (!net_is_predefined(n) && !subnet_of(&n->rec, &other, &other_prefix)))
			continue;
		if (((net ^ other) & mask_of(prefix < other_prefix ? prefix : other_prefix)) == 0)
			return n;
	}
	return NULL;
}

/* The at-th subnet of all pools; false beyond the last. */
static bool
candidate(size_t at, uint32_t *ret_net, unsigned *ret_prefix)
{
	for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
		size_t n = (size_t)1 << (pools[i].size - pools[i].prefix);
		uint32_t base;

		if (at >= n) {
			at -= n;
			continue;
		}
		if (!text_to_ip4(pools[i].base, &base))
			return false;
		*ret_net = base + (uint32_t)(at << (32 - pools[i].size));
		*ret_prefix = pools[i].size;
		return true;
	}
	return false;
}

int
net_next_subnet(const struct broker *b, size_t *at, struct arena *a, struct network *n, struct err *e)
{
	uint32_t net;
	unsigned prefix;

	for (; candidate(*at, &net, &prefix); ++*at) {
		char text[16], gateway[16];
		struct ipam_pool *p;

		if (overlapping(b, net, prefix) != NULL)
			continue;
		++*at;
		text_ip4(text, net);
		text_ip4(gateway, net + 1);
		n->ipam->config = (struct ipam_pool_list){ 0 };
		p = list_add(&n->ipam->config, a, sizeof *p);
		if (p == NULL || (p->subnet = arena_printf(a, "%s/%u", text, prefix)) == NULL || (p->gateway = arena_str(a, gateway)) == NULL)
			return err_memory(e);
		return 0;
	}
	return err_set(e, ERR_SYSTEM, "all predefined address pools have been fully subnetted");
}

static int
not_yet(struct err *e, const char *what)
{
	return err_set(e, ERR_UNSUPPORTED, "%s is not implemented by Bulwark yet", what);
}

/* A pool of a request: subnet, range, gateway and reserved addresses are consistent. */
static int
check_pool(const struct broker *b, struct ipam_pool *p, struct arena *a, struct err *e)
{
	uint32_t net, part;
	unsigned prefix, part_prefix;
	char text[16];

	if (strchr(text_or_empty(p->subnet), ':') != NULL)
		return not_yet(e, "IPv6 on networks");
	if (!text_to_cidr4(text_or_empty(p->subnet), &net, &prefix))
		return err_set(e, ERR_INVALID, "invalid network config:\ninvalid subnet %.64s: invalid CIDR block notation", text_or_empty(p->subnet));
	if (prefix < 8 || prefix > 30)
		return err_set(e, ERR_INVALID, "invalid network config:\ninvalid subnet %.64s: its prefix must be from 8 to 30", p->subnet);
	if ((net & ~mask_of(prefix)) != 0) {
		text_ip4(text, net & mask_of(prefix));
		return err_set(e, ERR_INVALID, "invalid network config:\ninvalid subnet %.64s: it should be %s/%u", p->subnet, text, prefix);
	}
	if (overlapping(b, net, prefix) != NULL)
		return err_set(e, ERR_DENIED, "invalid pool request: Pool overlaps with other one on this address space");
	if (text_set(p->ip_range) && (!text_to_cidr4(p->ip_range, &part, &part_prefix) || part_prefix < prefix || ((part ^ net) & mask_of(prefix)) != 0))
		return err_set(e, ERR_INVALID, "invalid network config:\ninvalid ip-range %.64s: it should be in the subnet %s", p->ip_range, p->subnet);
	if (text_set(p->gateway) && (!text_to_ip4(p->gateway, &part) || ((part ^ net) & mask_of(prefix)) != 0))
		return err_set(e, ERR_INVALID, "invalid network config:\ninvalid gateway %.64s: parent subnet %s doesn't contain this address", p->gateway, p->subnet);
	for (size_t i = 0; i < p->auxiliary.n; i++)
		if (!text_to_ip4(text_or_empty(p->auxiliary.v[i].value), &part) || ((part ^ net) & mask_of(prefix)) != 0)
			return err_set(e, ERR_INVALID, "invalid network config:\ninvalid auxiliary address %.64s: parent subnet %s doesn't contain this address",
			    p->auxiliary.v[i].value, p->subnet);
	if (!text_set(p->gateway)) {
		text_ip4(text, net + 1);
		if ((p->gateway = arena_str(a, text)) == NULL)
			return err_memory(e);
	}
	return 0;
}

static int
check_ipam(const struct broker *b, const struct api_network_create *m, struct arena *a, struct network *n, struct err *e)
{
	if (text_set(m->ipam != NULL ? m->ipam->driver : NULL) && !text_same(m->ipam->driver, "default"))
		return err_set(e, ERR_NOT_FOUND, "could not find plugin %.100s: plugin \"%.100s\" not found", m->ipam->driver, m->ipam->driver);
	n->ipam = arena_alloc(a, sizeof *n->ipam);
	if (n->ipam == NULL)
		return err_memory(e);
	n->ipam->driver = (char *)(uintptr_t)"default";
	if (m->ipam == NULL)
		return 0;
	n->ipam->options = m->ipam->options;
	n->ipam->config = m->ipam->config;
	if (n->ipam->config.n > 1)
		return err_set(e, ERR_DENIED, "bridge driver doesn't support multiple subnets");
	/* (without a subnet its other settings have nothing to refer to) */
	if (n->ipam->config.n == 1 && !text_set(n->ipam->config.v[0].subnet)) {
		if (text_set(n->ipam->config.v[0].gateway) || text_set(n->ipam->config.v[0].ip_range))
			return err_set(e, ERR_INVALID, "invalid network config:\ninvalid subnet : invalid CIDR block notation");
		n->ipam->config.n = 0;
	}
	return n->ipam->config.n == 1 ? check_pool(b, &n->ipam->config.v[0], a, e) : 0;
}

static bool
is_bool(const char *s)
{
	static const char *const words[] = { "1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (text_same(s, words[i]))
			return true;
	return false;
}

/* Others' options may be kept as they are; one of the Docker engine's says how the network is to behave. */
static int
check_known(const struct kvs *o, struct err *e)
{
	static const char *const known[] = { OPTION("name"), OPTION("enable_icc"), OPTION("enable_ip_masquerade"), OPTION("host_binding_ipv4"), OPTION_MTU };

	for (size_t i = 0; i < o->n; i++) {
		bool found = !text_starts(o->v[i].key, "com.docker.network.");

		for (size_t k = 0; k < sizeof known / sizeof *known && !found; k++)
			found = strcmp(o->v[i].key, known[k]) == 0;
		if (!found)
			return err_set(e, ERR_UNSUPPORTED, "the network option %.100s is not implemented by Bulwark yet", o->v[i].key);
	}
	return 0;
}

static int
check_options(const struct broker *b, const struct kvs *o, struct err *e)
{
	static const char *const flags[] = { OPTION("enable_icc"), OPTION("enable_ip_masquerade") };
	const char *name = kvs_get(o, OPTION("name")), *mtu = kvs_get(o, OPTION_MTU), *binding = kvs_get(o, OPTION("host_binding_ipv4"));
	uint64_t v;
	uint32_t address;

	if (check_known(o, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (kvs_get(o, flags[i]) != NULL && !is_bool(kvs_get(o, flags[i])))
			return err_set(e, ERR_INVALID, "failed to parse %s value: %.64s", flags[i], kvs_get(o, flags[i]));
	if (name != NULL && !text_is_name(name, 15))
		return err_set(e, ERR_INVALID, "invalid bridge name \"%.64s\"", name);
	for (size_t i = 0; name != NULL && i < b->net_by_id.n; i++) {
		const struct net *n = b->net_by_id.v[i].value;

		if (net_is_bridged(n) && text_same(net_bridge_of(b, n), name))
			return err_set(e, ERR_DENIED, "conflicts with network %s (%s): networks have same bridge name", n->rec.id, n->rec.name);
	}
	if (mtu != NULL && (!text_to_u64(mtu, 65535, &v) || v < 68))
		return err_set(e, ERR_INVALID, "invalid mtu: %.64s", mtu);
	if (binding != NULL && !text_to_ip4(binding, &address))
		return err_set(e, ERR_INVALID, "invalid value for %s: %.64s", OPTION("host_binding_ipv4"), binding);
	return 0;
}

static int
check_kind(const struct api_network_create *m, struct err *e)
{
	static const char *const later[] = { "macvlan", "ipvlan", "overlay", "remote" };
	const char *driver = text_set(m->driver) ? m->driver : "bridge";

	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		if (strcmp(driver, later[i]) == 0)
			return err_set(e, ERR_UNSUPPORTED, "the network driver %s is not implemented by Bulwark yet", driver);
	if (strcmp(driver, "host") == 0 || strcmp(driver, "null") == 0)
		return err_set(e, ERR_DENIED, "only one instance of \"%s\" network is allowed", driver);
	if (strcmp(driver, "bridge") != 0)
		return err_set(e, ERR_NOT_FOUND, "could not find plugin %.100s in v1 plugin registry: plugin \"%.100s\" not found", driver, driver);
	if (text_set(m->scope) && !text_same(m->scope, "local"))
		return err_set(e, ERR_INVALID, "network scope \"%.32s\" is not possible: this node is not a swarm manager", m->scope);
	if (m->ingress)
		return err_set(e, ERR_DENIED, "ingress network can only be created on a swarm manager");
	if (m->config_only || (m->config_from != NULL && text_set(m->config_from->network)))
		return not_yet(e, "a network from or for another's configuration");
	if (m->enable_ipv6 > 0)
		return not_yet(e, "IPv6 on networks");
	return m->enable_ipv4 < 0 ? not_yet(e, "a network without IPv4") : 0;
}

int
net_settings(struct broker *b, const struct api_network_create *m, struct arena *a, struct network *ret, struct err *e)
{
	char id[65], bridge[16];

	if (!text_set(m->name))
		return err_set(e, ERR_INVALID, "invalid name: name cannot be empty");
	if (strlen(m->name) > NAME_MAX_)
		return err_set(e, ERR_INVALID, "invalid name: longer than %d characters", NAME_MAX_);
	if (text_same(m->name, "bridge") || text_same(m->name, "host") || text_same(m->name, "none") || text_same(m->name, "default"))
		return err_set(e, ERR_DENIED, "operation is not permitted on predefined %s network ", m->name);
	if (net_named(b, m->name) != NULL)
		return err_set(e, ERR_CONFLICT, "network with name %s already exists", m->name);
	text_random_id(id);
	*ret = (struct network){ .name = m->name, .id = arena_str(a, id), .created = now_real_ns(), .scope = (char *)(uintptr_t)"local",
		.driver = (char *)(uintptr_t)"bridge", .enable_ipv4 = true, .internal = m->internal, .attachable = m->attachable,
		.options = m->options, .labels = m->labels };
	if (ret->id == NULL)
		return err_memory(e);
	if (check_kind(m, e) < 0 || check_options(b, &m->options, e) < 0 || check_ipam(b, m, a, ret, e) < 0)
		return -1;
	snprintf(bridge, sizeof bridge, "br-%.12s", id);
	ret->bridge = arena_str(a, kvs_get(&m->options, OPTION("name")) != NULL ? kvs_get(&m->options, OPTION("name")) : bridge);
	return ret->bridge != NULL ? 0 : err_memory(e);
}

int
net_pool(const struct network *n, struct address_pool *ret, struct err *e)
{
	const struct ipam_pool *p = n->ipam != NULL && n->ipam->config.n > 0 ? &n->ipam->config.v[0] : NULL;
	const char *slash = p != NULL ? strchr(text_or_empty(p->subnet), '/') : NULL;
	char own[64];

	if (slash == NULL || (size_t)snprintf(own, sizeof own, "%s%s", text_or_empty(p->gateway), slash) >= sizeof own)
		return err_set(e, ERR_INVALID, "network %s has no subnet", text_or_empty(n->name));
	if (ipam_init(ret, own, p->ip_range, NULL, e) < 0)
		return -1;
	for (size_t i = 0; i < p->auxiliary.n; i++) {
		uint32_t address;

		if (text_to_ip4(text_or_empty(p->auxiliary.v[i].value), &address))
			(void)ipam_take_this(ret, address);
	}
	return 0;
}

const char *
net_bridge_of(const struct broker *b, const struct net *n)
{
	return net_is_predefined(n) ? net_bridge_name(b) : text_or_empty(n->rec.bridge);
}

const char *
net_binding_of(const struct broker *b, const struct net *n)
{
	const char *option = n != NULL && !net_is_predefined(n) ? kvs_get(&n->rec.options, OPTION("host_binding_ipv4")) : NULL;

	return text_set(option) ? option : text_set(b->config->ip) ? b->config->ip : "0.0.0.0";
}

static bool
option_is(const struct network *n, const char *name, bool otherwise)
{
	const char *v = kvs_get(&n->options, name);

	return v == NULL || v[0] == '\0' ? otherwise : strchr("1tT", v[0]) != NULL;
}

int
net_bridge_fill(struct broker *b, const struct net *n, struct arena *a, struct net_bridge *ret, struct err *e)
{
	const struct engine_config *g = b->config;
	const char *mtu = kvs_get(&n->rec.options, OPTION_MTU);
	bool own = net_is_predefined(n);
	char text[16];

	text_ip4(text, n->pool->own);
	*ret = (struct net_bridge){ .name = (char *)(uintptr_t)net_bridge_of(b, n),
		.mtu = mtu != NULL ? atoi(mtu) : g->mtu > 0 ? g->mtu : 1500,
		.icc = own ? g->icc : option_is(&n->rec, OPTION("enable_icc"), true),
		.masquerade = own ? g->ip_masq : option_is(&n->rec, OPTION("enable_ip_masquerade"), true),
		.internal = n->rec.internal, .existing = own && text_set(g->bridge) };
	ret->address = arena_printf(a, "%s/%u", text, n->pool->prefix);
	return ret->address != NULL ? 0 : err_memory(e);
}
