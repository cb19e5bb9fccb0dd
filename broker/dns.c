#include "dns.h"

#include "broker.h"
#include "fd.h"
#include "lifecycle.h"
#include "log.h"
#include "msg/dns.h"
#include "nets.h"
#include "text.h"

#include <stdlib.h>

#define SERVERS_MAX 16

static bool
is_named(const struct ctr *c, const struct endpoint *n)
{
	const struct net *net = net_of(c->b, n);

	return net_is_attached(n) && net != NULL && net_is_bridged(net) && !net_is_predefined(net);
}

int
dns_names_fill(struct ctr *c, struct endpoint *n, struct err *e)
{
	const char *host = text_or_empty(c->rec.config->hostname);
	struct strs names = { 0 };
	char short_id[13];

	snprintf(short_id, sizeof short_id, "%.12s", c->id);
	if (!strs_add(&names, &c->arena, ctr_name(c)))
		return err_memory(e);
	for (size_t i = 0; i < n->aliases.n; i++)
		if (!strs_has(&names, n->aliases.v[i]) && !strs_add(&names, &c->arena, n->aliases.v[i]))
			return err_memory(e);
	if (!strs_has(&names, short_id) && !strs_add(&names, &c->arena, short_id))
		return err_memory(e);
	if (host[0] != '\0' && !strs_has(&names, host) && !strs_add(&names, &c->arena, host))
		return err_memory(e);
	n->dns_names = names;
	ctr_touch(c);
	return 0;
}

/* The host's name servers, or the container's own. The engine's resolver asks from the host, so its loopback counts, too. */
static int
fill_servers(const struct ctr *c, struct arena *a, struct strs *ret, struct err *e)
{
	const struct engine_config *g = c->b->config;
	const struct strs *wish = c->rec.host_config->dns.n > 0 ? &c->rec.host_config->dns : &g->dns;

	for (size_t i = 0; i < wish->n && ret->n < SERVERS_MAX; i++)
		if (!strs_add(ret, a, wish->v[i]))
			return err_memory(e);
	for (const char *p = text_or_empty(g->resolv_conf); wish->n == 0 && *p != '\0' && ret->n < SERVERS_MAX;) {
		size_t n = strcspn(p, "\n"), word = strcspn(p, " \t\n");

		if (word == 10 && strncmp(p, "nameserver", 10) == 0) {
			const char *at = p + word + strspn(p + word, " \t");
			char *copy = arena_strn(a, at, strcspn(at, " \t\r\n"));

			if (copy == NULL || !strs_add(ret, a, copy))
				return err_memory(e);
		}
		p += n + (p[n] == '\n' ? 1 : 0);
	}
	return 0;
}

static int
fill_client(const struct ctr *c, struct arena *a, struct dns_client *m, struct err *e)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;

	*m = (struct dns_client){ .id = (char *)(uintptr_t)c->id, .closed = true };
	for (size_t i = 0; i < l->n; i++) {
		const struct net *net = net_of(c->b, &l->v[i]);

		if (!net_is_attached(&l->v[i]) || net == NULL)
			continue;
		m->closed = m->closed && net->rec.internal;
		if (is_named(c, &l->v[i]) && !strs_add(&m->networks, a, net->rec.id))
			return err_memory(e);
	}
	return fill_servers(c, a, &m->servers, e);
}

static void
on_told(void *ctx, struct answer *a)
{
	/* a resolver that died is told everything when it is back */
	if (a->err != NULL && a->err->code != ERR_UNAVAILABLE)
		log_err(LOG_WARN, a->err, "%s", (const char *)ctx);
}

static void
tell(struct broker *b, unsigned no, const void *m, unsigned flags)
{
	peer_send(b, PEER_DNS, no, m, NULL, 0, flags, on_told, (void *)(uintptr_t)"tell the resolver");
}

static void
tell_names(struct ctr *c, unsigned flags)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;

	for (size_t i = 0; i < l->n; i++) {
		const struct endpoint *n = &l->v[i];
		struct dns_names m = { .id = c->id, .address = n->ip_address, .names = n->dns_names };

		if (!is_named(c, n))
			continue;
		m.network = n->network_id;
		m.name = net_of(c->b, n)->rec.name;
		tell(c->b, NO_dns_set, &m, flags);
	}
}

/* "other:alias" and "other" of the endpoints: names that this container alone has for others. */
static void
tell_links(struct ctr *c, unsigned flags)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;
	own_arena a = ARENA_INIT;
	struct dns_links m = { .id = c->id };

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->v[i].links.n; k++) {
			const char *text = l->v[i].links.v[k], *colon = strchr(text, ':');
			char *name = arena_strn(&a, text, colon != NULL ? (size_t)(colon - text) : strlen(text));
			struct err ignored = ERR_INIT;
			const struct ctr *other = name != NULL ? ctr_find(c->b, name, &ignored) : NULL;
			const struct endpoint_list *o = other != NULL ? &other->rec.network_settings->networks : NULL;

			for (size_t j = 0; o != NULL && j < o->n; j++)
				if (net_of(c->b, &o->v[j]) == net_of(c->b, &l->v[i]) && net_is_attached(&o->v[j]) &&
				    !kvs_set(&m.links, &a, colon != NULL ? colon + 1 : name, o->v[j].ip_address))
					return;
		}
	if (m.links.n > 0)
		tell(c->b, NO_dns_link, &m, flags);
}

struct serving {
	struct op *op;
	struct broker *b;
	char id[65];
	unsigned flags;
	void (*done)(struct op *op, void *ctx, const struct err *e);
	void *ctx;
};

static void
on_served(void *ctx, struct answer *a)
{
	struct serving *s = ctx;
	struct ctr *c = index_get(&s->b->ctr_by_id, s->id);

	if (a->err == NULL && c != NULL) {
		tell_names(c, s->flags);
		tell_links(c, s->flags);
	} else if (a->err != NULL && s->done == NULL) {
		log_err(LOG_WARN, a->err, "names for container %.12s", s->id);
	}
	if (s->done != NULL)
		s->done(s->op, s->ctx, a->err);
	else
		free(s);
}

static void
on_sockets(void *ctx, struct answer *a)
{
	struct serving *s = ctx;
	struct ctr *c = index_get(&s->b->ctr_by_id, s->id);
	own_arena arena = ARENA_INIT;
	struct dns_client m;
	struct err e = ERR_INIT;
	struct answer failed = { .err = &e, .arena = &arena };

	if (a->err != NULL) {
		on_served(s, a);
		return;
	}
	if (c == NULL || a->nfds != 2)
		err_set(&e, ERR_SYSTEM, "the container's name server could not be set up");
	else if (fill_client(c, &arena, &m, &e) == 0) {
		peer_send(s->b, PEER_DNS, NO_dns_serve, &m, a->fds, 2, s->flags, on_served, s);
		return;
	}
	on_served(s, &failed);
}

void
dns_serve(struct op *op, struct ctr *c, void (*done)(struct op *op, void *ctx, const struct err *e), void *ctx)
{
	struct serving *s = arena_alloc(&op->arena, sizeof *s);
	struct run_id m = { .id = c->id };
	struct err e = ERR_INIT;

	if (s == NULL) {
		err_memory(&e);
		done(op, ctx, &e);
		return;
	}
	*s = (struct serving){ .op = op, .b = c->b, .done = done, .ctx = ctx };
	(void)text_copy(s->id, sizeof s->id, c->id);
	peer_send(c->b, PEER_RUN, NO_run_dns, &m, NULL, 0, 0, on_sockets, s);
}

/* Without an operation: for a new resolver, and after a change. */
static void
serve_again(struct ctr *c, unsigned flags)
{
	struct serving *s = calloc(1, sizeof *s);
	struct run_id m = { .id = c->id };

	if (s == NULL) {
		log_msg(LOG_ERROR, "no memory for the names of container %.12s", c->id);
		return;
	}
	s->b = c->b;
	s->flags = flags;
	(void)text_copy(s->id, sizeof s->id, c->id);
	peer_send(c->b, PEER_RUN, NO_run_dns, &m, NULL, 0, 0, on_sockets, s);
}

static void
on_changed(void *ctx, struct answer *a)
{
	struct serving *s = ctx;
	struct ctr *c = index_get(&s->b->ctr_by_id, s->id);

	if (a->err == NULL || a->err->code != ERR_NOT_FOUND) {
		on_served(s, a);
		return;
	}
	/* on its first network with names it has no sockets yet */
	if (c != NULL)
		serve_again(c, 0);
	free(s);
}

static void
change(struct ctr *c)
{
	struct serving *s = calloc(1, sizeof *s);
	own_arena a = ARENA_INIT;
	struct dns_client m;
	struct err e = ERR_INIT;

	if (s == NULL || fill_client(c, &a, &m, &e) < 0) {
		log_msg(LOG_ERROR, "no memory for the names of container %.12s", c->id);
		free(s);
		return;
	}
	s->b = c->b;
	(void)text_copy(s->id, sizeof s->id, c->id);
	peer_send(c->b, PEER_DNS, NO_dns_serve, &m, NULL, 0, 0, on_changed, s);
}

void
dns_update(struct ctr *c)
{
	struct dns_id m = { .id = c->id };

	if (!ctr_running(c))
		return;
	if (net_has_names(c))
		change(c);
	else
		tell(c->b, NO_dns_close, &m, 0);
}

void
dns_unset(struct ctr *c, const struct endpoint *n)
{
	struct dns_names m = { .id = c->id, .network = n->network_id };

	if (is_named(c, n))
		tell(c->b, NO_dns_unset, &m, 0);
}

void
dns_forget(struct ctr *c)
{
	const struct endpoint_list *l = &c->rec.network_settings->networks;
	struct dns_id m = { .id = c->id };

	for (size_t i = 0; i < l->n; i++)
		dns_unset(c, &l->v[i]);
	tell(c->b, NO_dns_close, &m, 0);
}

void
dns_sync(struct broker *b)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;

		if (ctr_running(c) && net_has_names(c))
			serve_again(c, PEER_FIRST);
	}
}
