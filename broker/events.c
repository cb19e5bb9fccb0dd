#include "events.h"

#include "broker.h"
#include "filters.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>

#define RING 256
#define LISTENERS_MAX 1024

struct kept { struct arena arena; struct event event; };
struct listener {
	struct events *v;
	struct call *call;
	struct loop_timer until;
	const struct api_events *wish;     /* lives in the call */
	struct listener *next;
};
struct events {
	struct broker *b;
	struct kept ring[RING];
	size_t n;                          /* ever emitted; the last is ring[(n - 1) % RING] */
	struct listener *listeners;
	size_t n_listeners;
};

struct events *
events_new(struct broker *b, struct err *e)
{
	struct events *v = calloc(1, sizeof *v);

	if (v == NULL)
		err_memory(e);
	else
		v->b = b;
	return v;
}

static void
unlink_listener(struct listener *l)
{
	for (struct listener **p = &l->v->listeners; *p != NULL; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	l->v->n_listeners--;
	loop_timer_clear(&l->until);
	free(l);
}

void
events_free(struct events *v)
{
	if (v == NULL)
		return;
	while (v->listeners != NULL)
		unlink_listener(v->listeners);
	for (size_t i = 0; i < RING; i++)
		arena_done(&v->ring[i].arena);
	free(v);
}

size_t
events_listeners(const struct events *v)
{
	return v->n_listeners;
}

static bool
one_matches(const struct filter_list *f, const char *key, const struct event *e, const char *type, const char *attribute)
{
	const struct filter *x = filter_get(f, key);
	const char *name = kvs_get(&e->attributes, attribute);

	if (x == NULL)
		return true;
	if (!text_same(e->type, type))
		return false;
	return filter_prefix(f, key, text_or_empty(e->id)) || strs_has(&x->values, text_or_empty(name));
}

static bool
action_matches(const struct filter_list *f, const struct event *e)
{
	const struct filter *x = filter_get(f, "event");

	for (size_t i = 0; x != NULL && i < x->values.n; i++) {
		size_t n = strlen(x->values.v[i]);

		/* "health_status: healthy" and "exec_create: ls" are found by their first word, too */
		if (strncmp(e->action, x->values.v[i], n) == 0 && (e->action[n] == '\0' || e->action[n] == ':'))
			return true;
	}
	return x == NULL;
}

static bool
matches(const struct api_events *w, const struct event *e)
{
	const struct filter_list *f = &w->filters;

	return filter_exact(f, "type", text_or_empty(e->type)) && action_matches(f, e) && filter_labels(f, &e->attributes) &&
	    one_matches(f, "container", e, "container", "name") && one_matches(f, "volume", e, "volume", "name") &&
	    one_matches(f, "network", e, "network", "name") && filter_exact(f, "scope", "local") &&
	    (filter_get(f, "image") == NULL || (text_same(e->type, "image") ? one_matches(f, "image", e, "image", "name") :
	    filter_exact(f, "image", text_or_empty(kvs_get(&e->attributes, "image"))))) && filter_exact(f, "daemon", "");
}

static void
tell(struct events *v, const struct event *event)
{
	struct listener *next;

	for (struct listener *l = v->listeners; l != NULL; l = next) {
		next = l->next;
		if (!matches(l->wish, event))
			continue;
		if (call_reply_more(l->call, event, NULL, 0) < 0) {
			struct err gone = ERR_INIT;

			err_set(&gone, ERR_UNAVAILABLE, "the listener is gone");
			call_fail(l->call, &gone);
			unlink_listener(l);
		}
	}
}

static void
emit_with(struct broker *b, const char *type, const char *action, const char *id, const struct kvs *labels, const char *const *extra)
{
	struct events *v = b->events;
	struct kept *k;
	bool ok = true;

	if (v == NULL)
		return;
	k = &v->ring[v->n % RING];
	arena_done(&k->arena);
	k->event = (struct event){ .type = arena_str(&k->arena, type), .action = arena_str(&k->arena, action), .id = arena_str(&k->arena, id),
		.time = now_real_ns() };
	for (size_t i = 0; labels != NULL && i < labels->n && i < 900; i++)
		ok = ok && kvs_set(&k->event.attributes, &k->arena, labels->v[i].key, labels->v[i].value);
	for (; extra != NULL && extra[0] != NULL; extra += 2)
		if (extra[1] != NULL)
			ok = ok && kvs_set(&k->event.attributes, &k->arena, extra[0], extra[1]);
	if (!ok || k->event.type == NULL || k->event.action == NULL || k->event.id == NULL) {
		log_msg(LOG_WARN, "no memory for event %s %s", type, action);
		return;
	}
	v->n++;
	tell(v, &k->event);
}

void
event_emit(struct broker *b, const char *type, const char *action, const char *id, const char *const *extra)
{
	emit_with(b, type, action, id, NULL, extra);
}

void
event_ctr(struct ctr *c, const char *action, const char *const *extra)
{
	const char *all[16] = { "image", text_or_empty(c->rec.config->image), "name", ctr_name(c) };
	size_t n = 4;
	char shown[4096];

	for (; extra != NULL && extra[0] != NULL && n < 14; extra += 2) {
		all[n++] = extra[0];
		all[n++] = extra[1] != NULL ? extra[1] : "";
	}
	all[n] = NULL;
	snprintf(shown, sizeof shown, "%s", action);
	emit_with(c->b, "container", shown, c->id, &c->rec.config->labels, all);
}

void
event_img(struct broker *b, const char *action, const struct image *i, const char *name)
{
	const char *extra[] = { "name", name, NULL };

	emit_with(b, "image", action, i->id, i->config != NULL ? &i->config->labels : NULL, extra);
}

void
event_vol(struct broker *b, const char *action, const struct volume *v)
{
	const char *extra[] = { "driver", "local", NULL };

	emit_with(b, "volume", action, v->name, NULL, extra);
}

void
event_net(struct broker *b, const char *action, const struct net *n)
{
	const char *extra[] = { "name", n->rec.name, "type", n->rec.driver, NULL };

	emit_with(b, "network", action, n->rec.id, NULL, extra);
}

static void
end(struct listener *l)
{
	static const struct event nothing;
	struct call *call = l->call;

	unlink_listener(l);
	call_reply(call, &nothing, NULL, 0);
}

static void
on_until(struct loop_timer *t)
{
	end((struct listener *)(void *)((char *)t - offsetof(struct listener, until)));
}

static void
on_cancel(struct call *c)
{
	end(c->cancel_ctx);
}

void
events_sweep(struct broker *b)
{
	struct listener *next;

	for (struct listener *l = b->events->listeners; l != NULL; l = next) {
		next = l->next;
		if (l->call->edge == NULL)
			end(l);
	}
}

/* The last answer is an empty event: that was all. */
int
events_listen(struct broker *b, struct call *call, const struct api_events *m, struct err *e)
{
	static const char *const known[] = { "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope",
		"secret", "service", "type", "volume", NULL };
	struct events *v = b->events;
	struct listener *l;
	size_t from = v->n > RING ? v->n - RING : 0;
	int64_t now = now_real_ns();

	if (filters_check(&m->filters, known, e) < 0)
		return -1;
	if (m->has_until && m->since > m->until)
		return err_set(e, ERR_INVALID, "`since` time (%lld) cannot be after `until` time (%lld)", (long long)(m->since / 1000000000),
		    (long long)(m->until / 1000000000));
	if (v->n_listeners >= LISTENERS_MAX)
		return err_set(e, ERR_LIMIT, "too many listeners for events");
	l = calloc(1, sizeof *l);
	if (l == NULL)
		return err_memory(e);
	*l = (struct listener){ .v = v, .call = call, .wish = m, .until = { .on_time = on_until }, .next = v->listeners };
	v->listeners = l;
	v->n_listeners++;
	call->on_cancel = on_cancel;
	call->cancel_ctx = l;
	for (; (m->since != 0 || m->has_until) && from < v->n; from++) {
		const struct event *event = &v->ring[from % RING].event;

		if (event->time < m->since || (m->has_until && event->time > m->until) || !matches(m, event))
			continue;
		if (call_reply_more(call, event, NULL, 0) < 0)
			break;
	}
	if (m->has_until && m->until <= now)
		end(l);
	else if (m->has_until)
		loop_timer_set(b->loop, &l->until, m->until - now);
	return 0;
}
