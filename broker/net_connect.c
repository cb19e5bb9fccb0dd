/* A container joins or leaves a network: in its record only, or also in its running namespace. */
#include "nets.h"

#include "broker.h"
#include "clients.h"
#include "create.h"
#include "dns.h"
#include "events.h"
#include "fd.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "text.h"

struct joining { const struct api_network_connect *m; char network[65]; bool running, added, opened; int netns; };

int
check_endpoint(const struct net *n, const struct endpoint *p, struct err *e)
{
	bool custom = net_is_bridged(n) && !net_is_predefined(n);
	const char *address = p->ipam_config != NULL ? p->ipam_config->ipv4_address : NULL;
	uint32_t ip;

	if (text_set(p->mac_address) && !is_mac(p->mac_address))
		return err_set(e, ERR_INVALID, "invalid MAC address: %.64s", p->mac_address);
	if (p->ipam_config != NULL && (text_set(p->ipam_config->ipv6_address) || p->ipam_config->link_local_ips.n > 0))
		return err_set(e, ERR_UNSUPPORTED, "IPv6 on networks is not implemented by Bulwark yet");
	if (text_set(address) && !custom)
		return err_set(e, ERR_INVALID, "invalid config for network %s: invalid endpoint settings:\nuser specified IP address is supported on "
		    "user defined networks only", n->rec.name);
	if (text_set(address) && !text_to_ip4(address, &ip))
		return err_set(e, ERR_INVALID, "invalid config for network %s: invalid endpoint settings:\ninvalid IPv4 address: %.64s", n->rec.name, address);
	if (text_set(address) && (n->pool == NULL || ((ip ^ n->pool->own) & (n->pool->prefix == 0 ? 0 : UINT32_MAX << (32 - n->pool->prefix))) != 0))
		return err_set(e, ERR_INVALID, "invalid config for network %s: invalid endpoint settings:\nno configured subnet contains IP address %.64s",
		    n->rec.name, address);
	if (p->aliases.n > 0 && !custom)
		return err_set(e, ERR_INVALID, "invalid config for network %s: invalid endpoint settings:\nnetwork-scoped alias is supported only for "
		    "containers in user defined networks", n->rec.name);
	return 0;
}

struct endpoint
endpoint_wish(const struct endpoint *from)
{
	return (struct endpoint){ .ipam_config = from->ipam_config, .links = from->links, .aliases = from->aliases, .mac_address = from->mac_address,
		.wanted_mac = from->mac_address, .driver_opts = from->driver_opts, .gw_priority = from->gw_priority };
}

static struct endpoint *
endpoint_on(struct ctr *c, const struct net *n)
{
	struct endpoint_list *l = &c->rec.network_settings->networks;

	for (size_t i = 0; i < l->n; i++)
		if (net_of(c->b, &l->v[i]) == n)
			return &l->v[i];
	return NULL;
}

static struct endpoint *
endpoint_of_op(const struct op *op)
{
	const struct joining *j = op->state;
	const struct net *n = index_get(&op->b->net_by_id, j->network);

	return n != NULL ? endpoint_on(op->ctr, n) : NULL;
}

static size_t
place_of(const struct ctr *c, const struct endpoint *n)
{
	return (size_t)(n - c->rec.network_settings->networks.v);
}

static void
take_out(struct ctr *c, struct endpoint *n)
{
	struct endpoint_list *l = &c->rec.network_settings->networks;
	size_t at = place_of(c, n);

	memmove(&l->v[at], &l->v[at + 1], (l->n - at - 1) * sizeof *l->v);
	l->n--;
	ctr_touch(c);
}

static void
emit(struct ctr *c, const struct net *n, const char *what)
{
	const char *extra[] = { "container", c->id, "name", n->rec.name, "type", n->rec.driver, NULL };

	event_emit(c->b, "network", what, n->rec.id, extra);
}

/* ---- connect ---- */
/* The endpoint as asked for goes into the record (copied into its arena). */
static int
add_endpoint(struct ctr *c, const struct net *n, const struct endpoint *wish, struct err *e)
{
	struct endpoint_list *l = &c->rec.network_settings->networks;
	struct endpoint own = wish != NULL ? endpoint_wish(wish) : (struct endpoint){ 0 }, copy, *p;

	if (rec_copy(&endpoint_type, &own, &c->arena, &copy, e) < 0)
		return -1;
	p = list_add(l, &c->arena, sizeof *p);
	if (p == NULL)
		return err_memory(e);
	*p = copy;
	p->network = ctr_text(c, n->rec.name);
	p->network_id = ctr_text(c, n->rec.id);
	if (p->network == NULL || p->network_id == NULL)
		return err_memory(e);
	return net_is_predefined(n) ? 0 : dns_names_fill(c, p, e);
}

static void
plan(struct op *op)
{
	struct joining *j = op->state;
	struct ctr *c = op->ctr;
	struct net *n = index_get(&op->b->net_by_id, j->network);
	struct err e = ERR_INIT;

	if (n == NULL || n->busy)
		err_set(&e, ERR_NOT_FOUND, "network %s not found", j->m->ref);
	else if (mode_container(c->rec.host_config->network_mode) != NULL)
		err_set(&e, ERR_INVALID, "container sharing network namespace with another container or host cannot be connected to any other network");
	else if (text_same(c->rec.host_config->network_mode, "host") || text_same(n->rec.driver, "host"))
		err_set(&e, ERR_INVALID, "container cannot be disconnected from host network or connected to host network ");
	else if (text_same(n->rec.driver, "null") || (c->rec.network_settings->networks.n > 0 && text_same(c->rec.host_config->network_mode, "none")))
		err_set(&e, ERR_INVALID, "container cannot be connected to multiple networks with one of the networks in private (none) mode");
	else if (endpoint_on(c, n) != NULL)
		err_set(&e, ERR_DENIED, "endpoint with name %s already exists in network %s", ctr_name(c), n->rec.name);
	else if (c->rec.state->restarting || c->removing)
		err_set(&e, ERR_CONFLICT, "container %s is restarting or being removed", c->id);
	j->running = ctr_running(c);
	if (e.code == ERR_NONE && n != NULL && (j->m->endpoint == NULL || check_endpoint(n, j->m->endpoint, &e) == 0) &&
	    add_endpoint(c, n, j->m->endpoint, &e) == 0) {
		j->added = true;
		if (!j->running || net_endpoint_open(c, endpoint_on(c, n), n, &e) == 0) {
			op_done(op);
			return;
		}
	}
	op_failed(op, &e);
}

static void
unplan(struct op *op)
{
	const struct joining *j = op->state;
	struct endpoint *p = j->added ? endpoint_of_op(op) : NULL;

	if (p != NULL) {
		net_endpoint_close(op->ctr, p);
		take_out(op->ctr, p);
	}
	op_done(op);
}

static void
on_linked(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct joining *j = op->state;

	if (a->err != NULL) {
		op_failed(op, a->err);
		return;
	}
	j->opened = true;
	op_done(op);
}

static void
on_netns(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct ctr *c = op->ctr;
	const struct endpoint *p = endpoint_of_op(op);
	struct net_endpoint m;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		op_failed(op, a->err);
		return;
	}
	if (a->nfds != 1 || p == NULL || net_endpoint_of(c, place_of(c, p), &op->arena, &m) < 0) {
		err_memory(&e);
		op_failed(op, &e);
		return;
	}
	/* published ports stay where they were opened */
	m.ports.n = 0;
	peer_send(op->b, PEER_NET, NO_net_endpoint_create, &m, a->fds, 1, 0, on_linked, op);
}

static bool
ifname_used(const struct ctr *c, const char *name)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;

	for (size_t i = 0; i < l->n; i++)
		if (text_same(l->v[i].ifname, name))
			return true;
	return false;
}

static void
link_up(struct op *op)
{
	struct joining *j = op->state;
	struct ctr *c = op->ctr;
	struct run_id m = { .id = c->id };
	struct endpoint *p = endpoint_of_op(op);
	char name[16];

	if (!j->running || p == NULL) {
		op_done(op);
		return;
	}
	p->ifname = NULL;
	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof name, "eth%u", i);
		if (!ifname_used(c, name))
			break;
	}
	p->ifname = ctr_text(c, name);
	peer_send(op->b, PEER_RUN, NO_run_netns, &m, NULL, 0, 0, on_netns, op);
}

static void
on_ignored(void *ctx, struct answer *a)
{
	(void)a;
	op_done(ctx);
}

static void
unlink_it(struct op *op)
{
	const struct joining *j = op->state;
	struct endpoint *p = j->opened ? endpoint_of_op(op) : NULL;
	struct net_endpoint m;

	if (p == NULL || net_endpoint_of(op->ctr, place_of(op->ctr, p), &op->arena, &m) < 0) {
		op_done(op);
		return;
	}
	m.now = true;
	peer_send(op->b, PEER_NET, NO_net_endpoint_remove, &m, NULL, 0, 0, on_ignored, op);
}

/* The new interface is set up from within; if the default route is now through another one, that one, too. */
static void
set_up(struct op *op)
{
	struct joining *j = op->state;
	struct ctr *c = op->ctr;
	struct run_connect m = { .id = c->id };
	struct err e = ERR_INIT;
	const struct endpoint *p, *gateway;

	if (!j->running) {
		op_done(op);
		return;
	}
	p = endpoint_of_op(op);
	gateway = net_gateway_endpoint(c);
	if ((p != NULL && spec_link(c, p, &op->arena, &m.links, &e) < 0) ||
	    (gateway != NULL && gateway != p && spec_link(c, gateway, &op->arena, &m.links, &e) < 0)) {
		op_failed(op, &e);
		return;
	}
	if (m.links.n == 0)
		op_done(op);
	else
		peer_send(op->b, PEER_RUN, NO_run_connect, &m, NULL, 0, 0, op_on_answer, op);
}

static void
record_connect(struct op *op)
{
	struct joining *j = op->state;
	struct ctr *c = op->ctr;
	struct net *n = index_get(&op->b->net_by_id, j->network);
	struct err e = ERR_INIT;

	if (ctr_save(c, true, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	if (j->running && n != NULL) {
		c->endpoint = true;
		dns_update(c);
		emit(c, n, "connect");
	}
	op_done(op);
}

static const struct op_step connect_steps[] = { { "plan", plan, unplan }, { "link", link_up, unlink_it }, { "set-up", set_up, NULL },
	{ "record", record_connect, NULL } };
const struct op_kind op_network_connect = { .name = "network-connect", .steps = connect_steps, .n = 4 };

/* ---- disconnect ---- */
static void
check_leave(struct op *op)
{
	struct joining *j = op->state;
	struct ctr *c = op->ctr;
	struct net *n = index_get(&op->b->net_by_id, j->network);
	struct err e = ERR_INIT;

	j->running = ctr_running(c);
	if (n == NULL)
		err_set(&e, ERR_NOT_FOUND, "network %s not found", j->m->ref);
	else if (text_same(n->rec.driver, "host"))
		err_set(&e, ERR_INVALID, "container cannot be disconnected from host network or connected to host network ");
	else if (endpoint_on(c, n) == NULL)
		err_set(&e, ERR_DENIED, "container %s is not connected to network %s", c->id, n->rec.name);
	if (e.code != ERR_NONE)
		op_failed(op, &e);
	else
		op_done(op);
}

/* Forward from here: the record first, then the link, which a crash would leave to net_sync. */
static void
leave(struct op *op)
{
	struct joining *j = op->state;
	struct ctr *c = op->ctr;
	struct net *n = index_get(&op->b->net_by_id, j->network);
	struct endpoint *p = endpoint_of_op(op);
	struct net_endpoint m;
	struct err e = ERR_INIT;
	bool told = p != NULL && net_is_attached(p) && net_endpoint_of(c, place_of(c, p), &op->arena, &m) == 0;
	/* the record's texts may be packed before the answer comes */
	struct net_endpoint copy;

	if (told && rec_copy(&net_endpoint_type, &m, &op->arena, &copy, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	if (p != NULL) {
		dns_unset(c, p);
		net_endpoint_close(c, p);
		take_out(c, p);
	}
	ctr_save_soft(c);
	if (j->running && n != NULL) {
		dns_update(c);
		emit(c, n, "disconnect");
	}
	if (!told) {
		op_done(op);
		return;
	}
	copy.now = true;
	peer_send(op->b, PEER_NET, NO_net_endpoint_remove, &copy, NULL, 0, 0, on_ignored, op);
}

static const struct op_step disconnect_steps[] = { { "check", check_leave, NULL }, { "leave", leave, NULL }, { "route", set_up, NULL } };
const struct op_kind op_network_disconnect = { .name = "network-disconnect", .steps = disconnect_steps, .n = 3 };

static int
submit(const struct op_kind *kind, struct call *call, const struct api_network_connect *m, struct err *e)
{
	struct broker *b = client_broker(call);
	struct net *n = net_find(b, m->ref, e);
	struct ctr *c = n != NULL ? ctr_find(b, m->container, e) : NULL;
	struct op *op = c != NULL ? op_new(b, kind, c, c->id, call, e) : NULL;
	struct joining *j;

	if (op == NULL)
		return -1;
	op->state = j = arena_alloc(&op->arena, sizeof *j);
	if (j == NULL) {
		err_memory(&op->err);
	} else {
		j->m = m;
		(void)text_copy(j->network, sizeof j->network, n->rec.id);
	}
	op_submit(op);
	return 0;
}

int
handle_network_connect(struct call *call, const void *msg, struct err *e)
{
	return submit(&op_network_connect, call, msg, e);
}

int
handle_network_disconnect(struct call *call, const void *msg, struct err *e)
{
	return submit(&op_network_disconnect, call, msg, e);
}
