#include "links.h"

#include "broker.h"
#include "lifecycle.h"
#include "text.h"

#include <ctype.h>
#include <stdlib.h>

/* "name", "name:alias" */
struct link { char name[NAME_MAX_ + 1], alias[NAME_MAX_ + 1]; };

static bool
parse(const char *text, struct link *l)
{
	const char *colon = strchr(text, ':'), *alias = colon != NULL ? colon + 1 : text;
	size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);

	if (text[0] == '/') {
		alias += colon == NULL ? 1 : 0;
		text++;
		n--;
	}
	/* as inspect shows it: "/name:/self/alias" */
	if (colon != NULL && strrchr(alias, '/') != NULL)
		alias = strrchr(alias, '/') + 1;
	if (n == 0 || n >= sizeof l->name || alias[0] == '\0' || strchr(alias, ':') != NULL)
		return false;
	memcpy(l->name, text, n);
	l->name[n] = '\0';
	return text_copy(l->alias, sizeof l->alias, alias);
}

int
links_check(struct creation *c, struct err *e)
{
	struct strs *links = &c->host.links;
	const char *mode = text_or_empty(c->host.network_mode);
	const struct net *net = net_named(c->b, mode);

	if (links->n > 0 && mode_container(mode) != NULL)
		return err_set(e, ERR_INVALID, "conflicting options: container type network can't be used with links. This would result in undefined behavior");
	if (links->n > 0 && strcmp(mode, "host") == 0)
		return err_set(e, ERR_INVALID, "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
	for (size_t i = 0; i < links->n; i++) {
		struct link l;
		const struct ctr *other;

		if (!parse(links->v[i], &l))
			return err_set(e, ERR_INVALID, "bad format for links: %.300s", links->v[i]);
		other = ctr_find(c->b, l.name, e);
		/* (not "not found", by which clients understand that the image is) */
		if (other == NULL)
			return err_set(e, ERR_INVALID, "could not get container for %s: No such container: %s", l.name, l.name);
		if (text_same(other->rec.host_config->network_mode, "host"))
			return err_set(e, ERR_INVALID, "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
		/* a rename of the other does not break it */
		links->v[i] = arena_printf(c->a, "/%s:%s/%s", ctr_name(other), c->rec.name, l.alias);
		if (links->v[i] == NULL)
			return err_memory(e);
	}
	if (links->n > 0 && net != NULL && net_is_bridged(net) && !net_is_predefined(net)) {
		if (c->net.networks.n > 0 && c->net.networks.v[0].links.n == 0)
			c->net.networks.v[0].links = *links;
		*links = (struct strs){ 0 };
	}
	return 0;
}

static struct ctr *
other_of(const struct ctr *c, const char *text, struct link *l)
{
	struct err ignored = ERR_INIT;

	return parse(text, l) ? ctr_find(c->b, l->name, &ignored) : NULL;
}

int
links_ready(const struct ctr *c, struct err *e)
{
	const struct strs *links = &c->rec.host_config->links;

	for (size_t i = 0; i < links->n; i++) {
		struct link l;
		const struct ctr *other = other_of(c, links->v[i], &l);

		if (other == NULL)
			return err_set(e, ERR_NOT_FOUND, "could not get container for %s: No such container: %s", l.name, l.name);
		if (!ctr_running(other))
			return err_set(e, ERR_CONFLICT, "Cannot link to a non running container: /%s AS %s/%s", ctr_name(other), c->rec.name, l.alias);
	}
	return 0;
}

static const char *
address_of(const struct ctr *other)
{
	return text_or_empty(other->rec.network_settings->ip_address);
}

void
links_hosts(const struct ctr *c, struct buf *b)
{
	const struct strs *links = &c->rec.host_config->links;

	for (size_t i = 0; i < links->n; i++) {
		struct link l;
		const struct ctr *other = other_of(c, links->v[i], &l);

		if (other == NULL || *address_of(other) == '\0')
			continue;
		buf_printf(b, "%s\t%s", address_of(other), l.alias);
		if (!text_same(other->rec.config->hostname, l.alias))
			buf_printf(b, " %s", text_or_empty(other->rec.config->hostname));
		if (!text_same(ctr_name(other), l.alias) && !text_same(ctr_name(other), other->rec.config->hostname))
			buf_printf(b, " %s", ctr_name(other));
		buf_putc(b, '\n');
	}
}

static int
by_port(const void *a, const void *b)
{
	const struct port_range *x = a, *y = b;

	/* TCP first, as in the Docker engine */
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return strcmp(x->proto, y->proto);
}

/* The other's exposed and published ports, sorted, each alone. */
static size_t
ports_of(const struct ctr *other, struct port_range *out, size_t max)
{
	const struct port_map_list *p = &other->rec.network_settings->ports;
	size_t n = 0;

	for (size_t i = 0; i < p->n && n < max; i++)
		if (parse_port(p->v[i].port, &out[n]))
			n++;
	if (n > 1)
		qsort(out, n, sizeof *out, by_port);
	return n;
}

static int
add(struct strs *env, struct arena *a, char *text, struct err *e)
{
	return text != NULL && strs_add(env, a, text) ? 0 : err_memory(e);
}

static void
upper(const char *from, char *out, size_t size)
{
	size_t n = 0;

	for (; *from != '\0' && n + 1 < size; from++)
		out[n++] = *from == '-' ? '_' : (char)toupper((unsigned char)*from);
	out[n] = '\0';
}

static int
port_env(const char *name, const char *address, const struct port_range *p, struct arena *a, struct strs *env, struct err *e)
{
	char proto[8], head[NAME_MAX_ + 40];

	upper(p->proto, proto, sizeof proto);
	snprintf(head, sizeof head, "%s_PORT_%u_%s", name, p->first, proto);
	return add(env, a, arena_printf(a, "%s=%s://%s:%u", head, p->proto, address, p->first), e) < 0 ||
	    add(env, a, arena_printf(a, "%s_ADDR=%s", head, address), e) < 0 || add(env, a, arena_printf(a, "%s_PORT=%u", head, p->first), e) < 0 ||
	    add(env, a, arena_printf(a, "%s_PROTO=%s", head, p->proto), e) < 0 ? -1 : 0;
}

static int
env_of(const struct ctr *c, const struct link *l, const struct ctr *other, struct arena *a, struct strs *env, struct err *e)
{
	struct port_range ports[256] = { 0 };
	size_t n = ports_of(other, ports, 256);
	const struct strs *theirs = &other->rec.config->env;
	char name[NAME_MAX_ + 1];

	upper(l->alias, name, sizeof name);
	if (n > 0 && add(env, a, arena_printf(a, "%s_PORT=%s://%s:%u", name, ports[0].proto, address_of(other), ports[0].first), e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (port_env(name, address_of(other), &ports[i], a, env, e) < 0)
			return -1;
	if (add(env, a, arena_printf(a, "%s_NAME=%s/%s", name, c->rec.name, l->alias), e) < 0)
		return -1;
	for (size_t i = 0; i < theirs->n; i++)
		if (!text_starts(theirs->v[i], "HOME=") && !text_starts(theirs->v[i], "PATH=") &&
		    add(env, a, arena_printf(a, "%s_ENV_%s", name, theirs->v[i]), e) < 0)
			return -1;
	return 0;
}

int
links_env(const struct ctr *c, struct arena *a, struct strs *env, struct err *e)
{
	const struct strs *links = &c->rec.host_config->links;

	for (size_t i = 0; i < links->n; i++) {
		struct link l;
		const struct ctr *other = other_of(c, links->v[i], &l);

		if (other != NULL && env_of(c, &l, other, a, env, e) < 0)
			return -1;
	}
	return 0;
}

int
links_reach(const struct ctr *c, struct arena *a, struct net_endpoint *m, struct err *e)
{
	const struct strs *links = &c->rec.host_config->links;

	for (size_t i = 0; i < links->n; i++) {
		struct link l;
		const struct ctr *other = other_of(c, links->v[i], &l);
		struct port_range ports[256] = { 0 };
		size_t n = other != NULL && *address_of(other) != '\0' ? ports_of(other, ports, 256) : 0;

		for (size_t k = 0; k < n; k++) {
			struct net_reach *r = strcmp(ports[k].proto, "sctp") != 0 ? list_add(&m->reaches, a, sizeof *r) : NULL;

			if (r == NULL)
				return err_memory(e);
			*r = (struct net_reach){ .address = arena_str(a, address_of(other)), .proto = arena_str(a, ports[k].proto), .port = ports[k].first };
			if (r->address == NULL || r->proto == NULL)
				return err_memory(e);
		}
	}
	return 0;
}

bool
links_remove(struct ctr *c, const char *alias)
{
	struct strs *links = &c->rec.host_config->links;

	for (size_t i = 0; i < links->n; i++) {
		struct link l;

		if (!parse(links->v[i], &l) || strcmp(l.alias, alias) != 0)
			continue;
		memmove(&links->v[i], &links->v[i + 1], (links->n - i - 1) * sizeof *links->v);
		links->n--;
		ctr_touch(c);
		return true;
	}
	return false;
}
