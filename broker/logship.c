#include "logship.h"

#include "broker.h"
#include "fd.h"
#include "log.h"
#include "logplan.h"
#include "msg/logs.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

#define WAIT (INT64_C(15) * 1000000000)   /* for a logger that starts, and for its answer */

/* Waits for the logger: to try an endpoint, or to be handed a log. */
struct errand {
	struct errand *next;
	struct logship *l;
	char id[65];
	bool part;
	struct loop_timer timer;
	int64_t call;                  /* under way, by this number */
	void (*checked)(void *ctx, const struct err *why);
	void (*given)(void *ctx);
	void *ctx;
};
struct logship {
	struct broker *b;
	struct edge *edge;
	struct errand *errands;
	bool asked;                    /* the supervisor was asked for it */
};

static const struct log_config *
config_of(const struct ctr *c)
{
	const struct log_config *l = c->rec.host_config->log_config;
	const struct log_driver *d = l != NULL ? log_driver_find(l->type) : NULL;

	return d != NULL && d->remote ? l : NULL;
}

static void
on_ctl(void *ctx, struct answer *a)
{
	struct logship *l = ctx;

	l->asked = a->err == NULL;
	if (a->err != NULL)
		log_err(LOG_ERROR, a->err, "the logger");
}

static struct logship *
logship_of(struct broker *b)
{
	struct err e = ERR_INIT;

	if (b->logship == NULL) {
		b->logship = calloc(1, sizeof *b->logship);
		if (b->logship == NULL)
			return NULL;
		b->logship->b = b;
	}
	if (b->logship->edge == NULL && !b->logship->asked && b->comp != NULL && b->comp->ctl != NULL) {
		b->logship->asked = true;
		if (edge_send(b->comp->ctl, NO_ctl_logger, NULL, NULL, 0, on_ctl, b->logship, &e) < 0)
			log_err(LOG_ERROR, &e, "the logger");
	}
	return b->logship;
}

static int
build_target(struct ctr *c, struct arena *a, struct log_target *t, struct err *e)
{
	const struct log_config *l = c->rec.host_config->log_config;
	const char *tag = kvs_get(&l->config, "tag");
	bool no_tag = tag != NULL && *tag == '\0' && text_same(l->type, "splunk");
	own_buf command = BUF_INIT(65536);

	*t = (struct log_target){ .id = c->id, .name = (char *)(uintptr_t)ctr_name(c), .driver = l->type, .options = l->config, .image_id = c->rec.image,
		.image_name = c->rec.config->image, .hostname = c->b->facts.hostname, .created = c->rec.created };
	if (log_attributes(&l->config, &c->rec.config->labels, &c->rec.config->env, a, &t->attrs, e) < 0)
		return -1;
	if (no_tag)
		t->tag = (char *)(uintptr_t)"";
	else if (log_tag(c, &t->attrs, text_same(l->type, "awslogs") ? "{{.FullID}}" : "{{.ID}}", a, &t->tag, e) < 0)
		return -1;
	buf_puts(&command, text_or_empty(c->rec.path));
	for (size_t i = 0; i < c->rec.args.n; i++)
		buf_printf(&command, " %s", c->rec.args.v[i]);
	if (command.failed)
		return err_set(e, ERR_LIMIT, "the command is too long for the log's attributes");
	t->command = arena_str(a, buf_cstr(&command));
	return t->command != NULL ? 0 : err_memory(e);
}

/* ---- errands ---- */
static void
finish(struct errand *n, const struct err *why)
{
	struct logship *l = n->l;

	for (struct errand **p = &l->errands; *p != NULL; p = &(*p)->next)
		if (*p == n) {
			*p = n->next;
			break;
		}
	loop_timer_clear(&n->timer);
	if (n->call > 0 && l->edge != NULL)
		edge_forget(l->edge, n->call);
	if (n->checked != NULL)
		n->checked(n->ctx, why);
	else if (why != NULL)
		log_err(LOG_WARN, why, "the log of container %.12s", n->id);
	if (n->given != NULL)
		n->given(n->ctx);
	free(n);
}

static void
on_time(struct loop_timer *t)
{
	struct errand *n = (struct errand *)(void *)((char *)t - offsetof(struct errand, timer));
	struct err e = ERR_INIT;

	(void)err_set(&e, ERR_UNAVAILABLE, "the engine's logger process is not available");
	finish(n, &e);
}

static void
on_answer(void *ctx, struct answer *a)
{
	struct errand *n = ctx;

	n->call = 0;
	finish(n, a->err);
}

static void
forget(struct logship *l, const char *id)
{
	char *ids[] = { (char *)(uintptr_t)id };
	struct log_ids m = { .ids = { .n = 1, .v = ids } };
	struct err e = ERR_INIT;

	if (l->edge != NULL && edge_send(l->edge, NO_log_forget, &m, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_WARN, &e, "forget a log");
}

static void
on_given(void *ctx, struct answer *a)
{
	struct errand *n = ctx;

	n->call = 0;
	if (n->part)
		forget(n->l, n->id);
	finish(n, a->err);
}

static void
on_files(void *ctx, struct answer *a)
{
	struct errand *n = ctx;
	struct logship *l = n->l;
	struct ctr *c = index_get(&l->b->ctr_by_id, n->id);
	const struct api_log_files *files = a->msg;
	struct log_target target;
	struct log_follow m = { .target = &target };
	own_arena arena = ARENA_INIT;
	struct err e = ERR_INIT;

	n->call = 0;
	if (a->err != NULL || c == NULL || l->edge == NULL) {
		/* never started, or the logger went away meanwhile: it asks when it is back */
		finish(n, a->err != NULL && a->err->code != ERR_NOT_FOUND ? a->err : NULL);
		return;
	}
	m.follow = files->follow;
	if (build_target(c, &arena, &target, &e) < 0 ||
	    (n->call = edge_send(l->edge, NO_log_follow, &m, a->fds, a->nfds, on_given, n, &e)) < 0) {
		n->call = 0;
		finish(n, &e);
		return;
	}
	/* a logger that does not answer holds up no removal for long */
	loop_timer_set(l->b->loop, &n->timer, WAIT);
}

static void
run_errand(struct errand *n)
{
	struct logship *l = n->l;
	struct ctr *c = index_get(&l->b->ctr_by_id, n->id);
	own_arena a = ARENA_INIT;
	struct log_target target;
	struct err e = ERR_INIT;
	struct api_logs wish;

	if (c == NULL) {
		finish(n, NULL);
		return;
	}
	if (n->checked == NULL) {
		/* from here the runtime's answer ends it */
		loop_timer_clear(&n->timer);
		wish = (struct api_logs){ .ref = n->id, .follow = c->rec.state->running };
		peer_send(l->b, PEER_RUN, NO_run_logs, &wish, NULL, 0, PEER_AGAIN, on_files, n);
		return;
	}
	if (build_target(c, &a, &target, &e) < 0 || (n->call = edge_send(l->edge, NO_log_check, &target, NULL, 0, on_answer, n, &e)) < 0) {
		n->call = 0;
		finish(n, &e);
	}
}

static struct errand *
errand_new(struct ctr *c)
{
	struct logship *l = logship_of(c->b);
	struct errand *n = l != NULL ? calloc(1, sizeof *n) : NULL;

	if (n == NULL)
		return NULL;
	n->l = l;
	snprintf(n->id, sizeof n->id, "%s", c->id);
	n->timer.on_time = on_time;
	loop_timer_set(c->b->loop, &n->timer, WAIT);
	n->next = l->errands;
	l->errands = n;
	return n;
}

void
logship_check(struct ctr *c, void (*fn)(void *ctx, const struct err *why), void *ctx)
{
	struct errand *n = config_of(c) != NULL ? errand_new(c) : NULL;
	struct err e = ERR_INIT;

	if (config_of(c) == NULL) {
		fn(ctx, NULL);
		return;
	}
	if (n == NULL) {
		(void)err_memory(&e);
		fn(ctx, &e);
		return;
	}
	n->checked = fn;
	n->ctx = ctx;
	if (n->l->edge != NULL)
		run_errand(n);
}

static void
give(struct ctr *c, bool part, void (*fn)(void *ctx), void *ctx)
{
	struct errand *n;

	/* without a logger nothing waits for it at a removal: it comes when the next log is to be delivered */
	if (config_of(c) == NULL || (part && (c->b->logship == NULL || c->b->logship->edge == NULL)) || (n = errand_new(c)) == NULL) {
		if (fn != NULL)
			fn(ctx);
		return;
	}
	n->part = part;
	n->given = fn;
	n->ctx = ctx;
	if (n->l->edge != NULL)
		run_errand(n);
}

void
logship_hand_over(struct ctr *c, void (*fn)(void *ctx), void *ctx)
{
	give(c, false, fn, ctx);
}

void
logship_part(struct ctr *c, void (*fn)(void *ctx), void *ctx)
{
	give(c, true, fn, ctx);
}

void
logship_all(struct broker *b)
{
	bool any = false;

	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;

		if (config_of(c) == NULL || c->making)
			continue;
		any = true;
		if (ctr_running(c))
			give(c, false, NULL, NULL);
	}
	/* what ended ones still have to deliver the logger knows, and asks for */
	if (any)
		(void)logship_of(b);
}

/* ---- the edge ---- */
static int
on_log_wanted(struct call *call, const void *msg, struct err *e)
{
	struct logship *l = call->ctx;
	const struct log_ids *m = msg;

	for (size_t i = 0; i < m->ids.n; i++) {
		struct ctr *c = index_get(&l->b->ctr_by_id, m->ids.v[i]);

		if (c != NULL && config_of(c) != NULL)
			give(c, false, NULL, NULL);
		else if (text_is_id(m->ids.v[i]))
			forget(l, m->ids.v[i]);
	}
	return 0;
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct logship *l = ctx;

	if (l->edge == edge) {
		l->edge = NULL;
		log_err(LOG_WARN, why, "edge log is gone");
	}
	edge_free(edge);
}

int
logship_connect(struct broker *b, int fd, struct err *e)
{
	static const edge_fn handlers[log_edge_end] = { [NO_log_wanted] = on_log_wanted };
	struct logship *l = logship_of(b);
	struct edge_conf conf = { .table = &log_edge, .side = EDGE_A, .handlers = handlers, .n_handlers = log_edge_end, .ctx = l, .peer = "logger",
		.on_closed = on_closed };
	own_fd held = fd;
	struct edge *edge;

	if (l == NULL)
		return err_memory(e);
	edge = edge_new(b->loop, held, &conf, e);
	if (edge == NULL)
		return -1;
	(void)fd_take(&held);
	if (l->edge != NULL) {
		struct edge *old = l->edge;

		l->edge = NULL;
		edge_free(old);
	}
	l->edge = edge;
	/* a logger that was started again has forgotten what runs */
	if (b->recovered)
		logship_all(b);
	for (struct errand *n = l->errands, *next; n != NULL; n = next) {
		next = n->next;
		if (n->timer.loop != NULL && n->call == 0)
			run_errand(n);
	}
	return 0;
}

void
logship_done(struct broker *b)
{
	struct logship *l = b->logship;

	if (l == NULL)
		return;
	edge_free(l->edge);
	while (l->errands != NULL) {
		struct errand *n = l->errands;

		l->errands = n->next;
		loop_timer_clear(&n->timer);
		free(n);
	}
	free(l);
	b->logship = NULL;
}
