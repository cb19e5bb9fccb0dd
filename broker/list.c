/* GET /containers/json and /containers/{id}/json, from memory. */
#include "list.h"

#include "broker.h"
#include "clients.h"
#include "create.h"
#include "files.h"
#include "filters.h"
#include "health.h"
#include "images.h"
#include "refs.h"
#include "logopts.h"
#include "text.h"

#include <stdlib.h>

struct query {
	struct broker *b;
	const struct api_list *m;
	const struct ctr *before, *since;
	/* the last image that was looked up: most containers of a list have the same */
	const char *image_name;
	const struct img *image;
};

static bool
mounts_match(const struct query *q, const struct ctr *c)
{
	const struct filter *f = filter_get(&q->m->filters, "volume");

	for (size_t i = 0; f != NULL && i < c->rec.mounts.n; i++)
		if (strs_has(&f->values, text_or_empty(c->rec.mounts.v[i].name)) || strs_has(&f->values, c->rec.mounts.v[i].destination) ||
		    strs_has(&f->values, text_or_empty(c->rec.mounts.v[i].source)))
			return true;
	return f == NULL;
}

static bool
networks_match(const struct query *q, const struct ctr *c)
{
	const struct filter *f = filter_get(&q->m->filters, "network");
	const struct endpoint_list *n = &c->rec.network_settings->networks;

	for (size_t i = 0; f != NULL && i < n->n; i++)
		for (size_t k = 0; k < f->values.n; k++)
			if (text_same(f->values.v[k], n->v[i].network) || (text_set(n->v[i].network_id) && text_starts(n->v[i].network_id, f->values.v[k])))
				return true;
	return f == NULL;
}

static bool
image_matches(const struct query *q, const struct ctr *c)
{
	const struct filter *f = filter_get(&q->m->filters, "ancestor");

	for (size_t i = 0; f != NULL && i < f->values.n; i++) {
		struct err ignored = ERR_INIT;
		struct img *img = img_find(q->b, f->values.v[i], &ignored);

		if (img != NULL ? image_is_ancestor(q->b, img, c) : text_same(f->values.v[i], c->rec.image_name))
			return true;
	}
	return f == NULL;
}

static bool
ports_match(const struct query *q, const char *key, const struct ctr *c)
{
	const struct filter *f = filter_get(&q->m->filters, key);
	const struct port_map_list *p = &c->rec.network_settings->ports;

	for (size_t i = 0; f != NULL && i < f->values.n; i++) {
		struct port_range r;

		if (!parse_port(f->values.v[i], &r))
			continue;
		for (size_t k = 0; k < p->n; k++) {
			struct port_range own;

			if (!parse_port(p->v[k].port, &own) || strcmp(own.proto, r.proto) != 0)
				continue;
			if (key[0] == 'e' && own.first >= r.first && own.first <= r.last)
				return true;
			for (size_t j = 0; key[0] == 'p' && j < p->v[k].bindings.n; j++) {
				unsigned host = (unsigned)atoi(text_or_empty(p->v[k].bindings.v[j].host_port));

				if ((host >= r.first && host <= r.last) || (own.first >= r.first && own.first <= r.last))
					return true;
			}
		}
	}
	return f == NULL;
}

static bool
exited_matches(const struct query *q, const struct ctr *c)
{
	const struct filter *f = filter_get(&q->m->filters, "exited");
	char code[16];

	if (f == NULL)
		return true;
	snprintf(code, sizeof code, "%lld", (long long)c->rec.state->exit_code);
	return strs_has(&f->values, code) && !c->rec.state->running && c->rec.state->started_at != 0;
}

static bool
name_matches(const struct query *q, const struct ctr *c)
{
	/* both forms are meant: "^/web" and "^web" */
	return filter_get(&q->m->filters, "name") == NULL || filter_pattern(&q->m->filters, "name", c->name) ||
	    filter_pattern(&q->m->filters, "name", ctr_name(c));
}

static bool
matches(const struct query *q, const struct ctr *c)
{
	const struct filter_list *f = &q->m->filters;

	if (c->making || (q->before != NULL && c->rec.created >= q->before->rec.created) ||
	    (q->since != NULL && c->rec.created <= q->since->rec.created))
		return false;
	return filter_exact(f, "status", text_or_empty(c->rec.state->status)) && filter_prefix(f, "id", c->id) && name_matches(q, c) &&
	    filter_labels(f, &c->rec.config->labels) && exited_matches(q, c) && mounts_match(q, c) && networks_match(q, c) && image_matches(q, c) &&
	    ports_match(q, "publish", c) && ports_match(q, "expose", c) && filter_exact(f, "health", health_of(c)) && filter_exact(f, "isolation", "default");
}

static int
by_age(const void *a, const void *b)
{
	const struct ctr *x = *(const struct ctr *const *)a, *y = *(const struct ctr *const *)b;

	return x->rec.created < y->rec.created ? 1 : x->rec.created > y->rec.created ? -1 : 0;
}

static char *
command_of(const struct ctr *c, struct arena *a)
{
	size_t n = strlen(text_or_empty(c->rec.path)) + 1;
	char *out, *p;

	for (size_t i = 0; i < c->rec.args.n; i++)
		n += strlen(c->rec.args.v[i]) + 3;
	out = p = arena_alloc(a, n);
	if (out == NULL)
		return NULL;
	p = stpcpy(p, text_or_empty(c->rec.path));
	for (size_t i = 0; i < c->rec.args.n; i++) {
		bool quote = strchr(c->rec.args.v[i], ' ') != NULL;

		*p++ = ' ';
		if (quote)
			*p++ = '\'';
		p = stpcpy(p, c->rec.args.v[i]);
		if (quote)
			*p++ = '\'';
	}
	*p = '\0';
	return out;
}

static int
fill_ports(const struct ctr *c, struct arena *a, struct container_summary *s)
{
	const struct port_map_list *p = &c->rec.network_settings->ports;

	for (size_t i = 0; i < p->n; i++) {
		const char *proto = strchr(p->v[i].port, '/');

		for (size_t k = 0; k < p->v[i].bindings.n || (k == 0 && p->v[i].bindings.n == 0); k++) {
			struct summary_port *out = list_add(&s->ports, a, sizeof *out);

			if (out == NULL)
				return -1;
			out->private_port = atoi(p->v[i].port);
			out->type = (char *)(uintptr_t)(proto != NULL ? proto + 1 : "tcp");
			if (p->v[i].bindings.n > 0) {
				out->ip = p->v[i].bindings.v[k].host_ip;
				out->public_port = atoi(text_or_empty(p->v[i].bindings.v[k].host_port));
			}
		}
	}
	return 0;
}

/* The name that the user gave, as long as it still means this image. */
static char *
image_name_of(struct query *q, const struct ctr *c)
{
	struct err ignored = ERR_INIT;

	if (q->image_name == NULL || !text_same(q->image_name, c->rec.image_name)) {
		q->image = img_find(q->b, c->rec.image_name, &ignored);
		q->image_name = c->rec.image_name;
	}
	return q->image != NULL && text_same(q->image->rec.id, c->rec.image) ? c->rec.image_name : c->rec.image;
}

static int
fill(struct query *q, struct ctr *c, struct arena *a, struct container_summary *s)
{
	s->id = c->id;
	s->image = image_name_of(q, c);
	s->image_id = c->rec.image;
	s->command = command_of(c, a);
	s->health = (char *)(uintptr_t)health_of(c);
	s->created = c->rec.created;
	s->labels = c->rec.config->labels;
	s->state = c->rec.state;
	s->network_mode = c->rec.host_config->network_mode;
	s->annotations = c->rec.host_config->annotations;
	s->networks = c->rec.network_settings->networks;
	s->mounts = c->rec.mounts;
	return s->command != NULL && strs_add(&s->names, a, c->name) && fill_ports(c, a, s) == 0 ? 0 : -1;
}

static int
check_status(const struct filter_list *f, struct err *e)
{
	static const char *const states[] = { "created", "restarting", "running", "removing", "paused", "exited", "dead" };
	const struct filter *x = filter_get(f, "status");

	for (size_t i = 0; x != NULL && i < x->values.n; i++) {
		bool known = false;

		for (size_t k = 0; k < sizeof states / sizeof *states; k++)
			known = known || strcmp(x->values.v[i], states[k]) == 0;
		if (!known)
			return err_set(e, ERR_INVALID, "invalid filter 'status=%.100s'", x->values.v[i]);
	}
	return 0;
}

static int
check_ports(const struct filter_list *f, const char *key, struct err *e)
{
	const struct filter *x = filter_get(f, key);
	struct port_range r;

	for (size_t i = 0; x != NULL && i < x->values.n; i++)
		if (!parse_port(x->values.v[i], &r))
			return err_set(e, ERR_INVALID, "invalid filter '%s=%.100s'", key, x->values.v[i]);
	return 0;
}

static int
check_exited(const struct filter_list *f, struct err *e)
{
	const struct filter *x = filter_get(f, "exited");
	uint64_t code;

	for (size_t i = 0; x != NULL && i < x->values.n; i++) {
		const char *v = x->values.v[i];

		if (!text_to_u64(v[0] == '-' ? v + 1 : v, INT32_MAX, &code))
			return err_set(e, ERR_INVALID, "invalid filter 'exited=%.100s'", v);
	}
	return 0;
}

static int
find_edge(struct query *q, const char *key, const struct ctr **ret, struct err *e)
{
	const struct filter *f = filter_get(&q->m->filters, key);

	if (f == NULL)
		return 0;
	*ret = ctr_find(q->b, f->values.v[0], e);
	return *ret != NULL ? 0 : -1;
}

int
handle_container_list(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name",
		"network", "publish", "since", "status", "volume", NULL };
	struct query q = { .b = client_broker(call), .m = msg };
	struct api_summaries answer = { 0 };
	struct ctr **found;
	size_t n = 0, limit;
	int task;
	bool all;

	if (filters_check(&q.m->filters, known, e) < 0 || check_status(&q.m->filters, e) < 0 || check_exited(&q.m->filters, e) < 0 ||
	    check_ports(&q.m->filters, "publish", e) < 0 || check_ports(&q.m->filters, "expose", e) < 0 ||
	    find_edge(&q, "before", &q.before, e) < 0 || find_edge(&q, "since", &q.since, e) < 0 || filter_bool(&q.m->filters, "is-task", &task, e) < 0)
		return -1;
	all = q.m->all || q.m->limit > 0 || filter_get(&q.m->filters, "status") != NULL || filter_get(&q.m->filters, "exited") != NULL ||
	    q.before != NULL || q.since != NULL;
	found = arena_array(&call->arena, q.b->ctr_by_id.n, sizeof(struct ctr *));
	if (found == NULL)
		return err_memory(e);
	for (size_t i = 0; task != 1 && i < q.b->ctr_by_id.n; i++) {
		struct ctr *c = q.b->ctr_by_id.v[i].value;

		if ((all || c->rec.state->running) && matches(&q, c))
			found[n++] = c;
	}
	if (n > 1)
		qsort(found, n, sizeof(struct ctr *), by_age);
	limit = q.m->limit > 0 && (size_t)q.m->limit < n ? (size_t)q.m->limit : n;
	answer.items.v = arena_array(&call->arena, limit, sizeof *answer.items.v);
	if (answer.items.v == NULL)
		return err_memory(e);
	for (; answer.items.n < limit; answer.items.n++)
		if (fill(&q, found[answer.items.n], &call->arena, &answer.items.v[answer.items.n]) < 0)
			return err_memory(e);
	if (q.m->size && answer.items.n > 0)
		return files_list_with_sizes(q.b, call, &answer, e);
	call_reply(call, &answer, NULL, 0);
	return 0;
}

/* The values of log options that are secrets are shown to nobody. */
static int
hide_secrets(struct container *shown, struct arena *a)
{
	const struct log_config *l = shown->host_config->log_config;
	struct host_config *h;
	struct kvs hidden = { 0 };
	bool any = false;

	for (size_t i = 0; l != NULL && i < l->config.n; i++)
		any = any || log_opt_is_secret(l->config.v[i].key);
	if (!any)
		return 0;
	h = arena_alloc(a, sizeof *h);
	if (h == NULL)
		return -1;
	*h = *shown->host_config;
	h->log_config = arena_alloc(a, sizeof *h->log_config);
	if (h->log_config == NULL)
		return -1;
	for (size_t i = 0; i < l->config.n; i++)
		if (!kvs_set(&hidden, a, l->config.v[i].key, log_opt_is_secret(l->config.v[i].key) ? "********" : l->config.v[i].value))
			return -1;
	*h->log_config = (struct log_config){ .type = l->type, .config = hidden };
	shown->host_config = h;
	return 0;
}

int
handle_container_inspect(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);
	struct container shown;

	if (c == NULL)
		return -1;
	shown = c->rec;
	shown.exec_ids = (struct strs){ 0 };
	if (hide_secrets(&shown, &call->arena) < 0)
		return err_memory(e);
	for (const struct exec *x = c->execs; x != NULL; x = x->next)
		if (x->rec.running && !strs_add(&shown.exec_ids, &call->arena, x->rec.id))
			return err_memory(e);
	call_reply(call, &shown, NULL, 0);
	return 0;
}
