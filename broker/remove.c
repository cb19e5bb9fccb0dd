/* Removing a container, and all those that have ended. It only goes forward: every step may act twice. */
#include "broker.h"
#include "clients.h"
#include "events.h"
#include "filters.h"
#include "images.h"
#include "kinds.h"
#include "lifecycle.h"
#include "links.h"
#include "log.h"
#include "logship.h"
#include "text.h"
#include "volumes.h"

#include <signal.h>
#include <stdlib.h>

#define KILL_WAIT (INT64_C(10) * 1000000000)

#define REMOVE_DATA_FIELDS(F, O, L) \
	F(flag, force,   NULL, 1) \
	F(strs, volumes, NULL, MANY)
REC_DECLARE(remove_data, REMOVE_DATA_FIELDS)
#define REC_SELF struct remove_data
REC_DEFINE(remove_data, REMOVE_DATA_FIELDS)
#undef REC_SELF

struct remove_state { struct op *op; struct loop_timer timer; bool waiting; size_t volume; };

static void
on_ignored(void *ctx, struct answer *a)
{
}

static void
on_ended(void *ctx, struct ctr *c, int64_t status, const char *error)
{
	struct remove_state *s = ctx;

	s->waiting = false;
	loop_timer_clear(&s->timer);
	op_done(s->op);
}

static void
on_time(struct loop_timer *t)
{
	struct remove_state *s = (struct remove_state *)(void *)((char *)t - offsetof(struct remove_state, timer));
	struct err e = ERR_INIT;

	ctr_unwait(s->op->ctr, s);
	s->waiting = false;
	err_set(&e, ERR_SYSTEM, "cannot remove container \"%s\": could not kill container: tried to kill container, but did not receive an exit event",
	    ctr_name(s->op->ctr));
	op_failed(s->op, &e);
}

static void
kill_now(struct ctr *c)
{
	struct run_signal m = { .id = c->id, .signal = SIGKILL };
	struct run_freeze thaw = { .id = c->id };
	const char *extra[] = { "signal", "9", NULL };

	c->no_restart = true;
	if (c->rec.state->paused)
		peer_send(c->b, PEER_RUN, NO_run_freeze, &thaw, NULL, 0, PEER_AGAIN, on_ignored, NULL);
	peer_send(c->b, PEER_RUN, NO_run_signal, &m, NULL, 0, PEER_AGAIN, on_ignored, NULL);
	event_ctr(c, "kill", extra);
}

static int
check_state(const struct ctr *c, struct err *e)
{
	const struct container_state *s = c->rec.state;
	const char *why = s->restarting ? "container is restarting: stop the container before removing or force remove" :
	    s->paused ? "container is paused and must be unpaused first" :
	    s->running ? "container is running: stop the container before removing or force remove" : NULL;

	return why == NULL ? 0 : err_set(e, ERR_CONFLICT, "cannot remove container \"%s\": %s", ctr_name(c), why);
}

static void
end(struct op *op)
{
	struct remove_data *d = op->data;
	struct remove_state *s = op->state;
	struct ctr *c = op->ctr;
	struct err e = ERR_INIT;

	restart_forget(c);
	if (!d->force && check_state(c, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	c->removing = true;
	if (!ctr_running(c)) {
		if (c->rec.state->restarting)
			ctr_status(c, "exited");
		op_done(op);
		return;
	}
	*s = (struct remove_state){ .op = op, .timer = { .on_time = on_time } };
	if (ctr_wait(c, WAIT_NEXT_EXIT, on_ended, s, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	s->waiting = true;
	loop_timer_set(op->b->loop, &s->timer, KILL_WAIT);
	kill_now(c);
}

static void
on_log_given(void *ctx)
{
	op_done(ctx);
}

/* What was not delivered yet still can be: the logger holds the files. */
static void
give_log(struct op *op)
{
	logship_part(op->ctr, on_log_given, op);
}

static void
delete_runtime(struct op *op)
{
	struct run_id m = { .id = op->object };

	ctr_status(op->ctr, "removing");
	peer_send(op->b, PEER_RUN, NO_run_delete, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void
delete_files(struct op *op)
{
	struct store_name m = { .name = op->object };

	peer_send(op->b, PEER_STORE, NO_store_rw_remove, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void next_volume(struct op *op);

static void
on_volume(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct remove_data *d = op->data;
	struct remove_state *s = op->state;

	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "remove volume %s", d->volumes.v[s->volume]);
	s->volume++;
	next_volume(op);
}

/* Those that are anonymous and used by nobody else. */
static void
next_volume(struct op *op)
{
	struct remove_data *d = op->data;
	struct remove_state *s = op->state;
	struct store_name m;

	for (; s->volume < d->volumes.n; s->volume++) {
		struct vol *v = vol_find(op->b, d->volumes.v[s->volume]);

		if (v == NULL || volume_users(op->b, d->volumes.v[s->volume], NULL, NULL) > 1)
			continue;
		v->busy = true;
		m = (struct store_name){ .name = d->volumes.v[s->volume] };
		peer_send(op->b, PEER_STORE, NO_store_volume_remove, &m, NULL, 0, PEER_AGAIN, on_volume, op);
		return;
	}
	op_done(op);
}

static void
delete_volumes(struct op *op)
{
	((struct remove_state *)op->state)->volume = 0;
	next_volume(op);
}

static int
erase(struct op *op, struct err *e)
{
	struct remove_data *d = op->data;

	for (size_t i = 0; i < d->volumes.n; i++) {
		struct vol *v = vol_find(op->b, d->volumes.v[i]);

		if (v != NULL && v->busy && db_del(op->b->db, DB_VOLUMES, v->rec.name, e) < 0)
			return -1;
	}
	for (struct exec *x = op->ctr->execs; x != NULL; x = x->next)
		if (db_del(op->b->db, DB_EXECS, x->rec.id, e) < 0)
			return -1;
	return db_del(op->b->db, DB_CONTAINERS, op->ctr->id, e) < 0 || op_end_journal(op, e) < 0 ? -1 : 0;
}

static void
delete_record(struct op *op)
{
	struct err e = ERR_INIT;

	if (db_begin(op->b->db, true, &e) == 0) {
		if (erase(op, &e) == 0 && db_commit(op->b->db, &e) == 0) {
			op_done(op);
			return;
		}
		db_rollback(op->b->db);
		op->journaled_end = false;
	}
	op_failed(op, &e);
}

static void
finish(struct op *op)
{
	struct remove_data *d = op->data;
	struct ctr *c = op->ctr;
	struct broker *b = op->b;

	if (c == NULL)
		return;
	if (op->err.code != ERR_NONE) {
		c->removing = false;
		if (text_same(c->rec.state->status, "removing")) {
			ctr_status(c, "dead");
			ctr_save_soft(c);
		}
		return;
	}
	for (size_t i = 0; i < d->volumes.n; i++) {
		struct vol *v = vol_find(b, d->volumes.v[i]);

		if (v == NULL || !v->busy)
			continue;
		event_vol(b, "destroy", &v->rec);
		vol_forget(b, v);
	}
	net_forget(c);
	event_ctr(c, "destroy", NULL);
	ctr_woke(c, true, true);
	ops_cancel_waiting(c);
	op->ctr = NULL;
	layers_drop_unused(b, &c->rec.layers, c);
	for (size_t i = 0; i < c->rec.mounts.n; i++)
		layers_drop_unused(b, &c->rec.mounts.v[i].layers, c);
	ctr_forget(c);
}

static bool
resume(struct op *op)
{
	op->ctr = index_get(&op->b->ctr_by_id, op->object);
	op->state = arena_alloc(&op->arena, sizeof(struct remove_state));
	if (op->ctr == NULL || op->state == NULL || op->data == NULL)
		return false;
	op->ctr->removing = true;
	((struct remove_data *)op->data)->force = true;
	return true;
}

static void
release(struct op *op)
{
	struct remove_state *s = op->state;

	if (s == NULL || s->op == NULL)
		return;
	loop_timer_clear(&s->timer);
	if (s->waiting && op->ctr != NULL)
		ctr_unwait(op->ctr, s);
}

static const struct op_step steps[] = {
	{ "end", end, NULL }, { "log", give_log, NULL }, { "runtime", delete_runtime, NULL }, { "files", delete_files, NULL }, { "volumes", delete_volumes, NULL },
	{ "record", delete_record, NULL },
};
const struct op_kind op_remove = { .name = "remove", .steps = steps, .n = sizeof steps / sizeof *steps,
	.flags = STEPS_JOURNAL | STEPS_ONCE | STEPS_FORWARD | STEPS_LIFE, .data_type = &remove_data_type, .finish = finish, .resume = resume, .release = release };

int
remove_container(struct ctr *c, struct call *call, bool force, bool volumes, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	struct op *op;
	struct remove_data *d;

	if (c->removing)
		return err_set(e, ERR_CONFLICT, "removal of container %s is already in progress", ctr_name(c));
	if (!force && c->ops == NULL && check_state(c, e) < 0)
		return -1;
	op = op_new(c->b, &op_remove, c, c->id, call, e);
	if (op == NULL)
		return -1;
	op->data = d = arena_alloc(&op->arena, sizeof *d);
	op->state = arena_alloc(&op->arena, sizeof(struct remove_state));
	if (d == NULL || op->state == NULL)
		err_memory(&op->err);
	for (size_t i = 0; d != NULL && volumes && i < c->rec.mounts.n; i++)
		if (text_same(c->rec.mounts.v[i].type, "volume") && c->rec.mounts.v[i].anonymous &&
		    !strs_add(&d->volumes, &op->arena, c->rec.mounts.v[i].name))
			err_memory(&op->err);
	if (d != NULL)
		d->force = force;
	op->then = then;
	op->then_ctx = ctx;
	/* what runs now may wait for a patient stop: force does not */
	if (force && c->ops != NULL && ctr_running(c))
		kill_now(c);
	op_submit(op);
	return 0;
}

/* "/self/alias": the link goes, both containers stay. It counts from the next start on. */
static int
remove_link(struct call *call, const char *ref, struct err *e)
{
	const char *slash = strrchr(text_or_empty(ref), '/');
	char *self = slash != NULL && slash != ref ? arena_strn(&call->arena, ref, (size_t)(slash - ref)) : NULL;
	struct ctr *c;

	if (self == NULL)
		return err_set(e, ERR_INVALID, "Conflict, cannot remove the default link name of the container");
	c = ctr_find(client_broker(call), self, e);
	if (c == NULL)
		return -1;
	if (!links_remove(c, slash + 1))
		return err_set(e, ERR_NOT_FOUND, "Cannot get parent %s for link %s", self, ref);
	if (ctr_save(c, true, e) < 0)
		return -1;
	call_ok(call);
	return 0;
}

int
handle_container_remove(struct call *call, const void *msg, struct err *e)
{
	const struct api_remove *m = msg;
	struct ctr *c;

	if (m->link)
		return remove_link(call, m->ref, e);
	c = ctr_find(client_broker(call), m->ref, e);
	if (c == NULL)
		return -1;
	return remove_container(c, call, m->force, m->volumes, NULL, NULL, e);
}

/* ---- prune: what is due is measured, then removed ---- */
struct prune { struct broker *b; struct call *call; size_t left; struct api_pruned answer; struct strs due; int64_t *sizes; };

static void
prune_end(struct prune *p)
{
	char number[24];

	snprintf(number, sizeof number, "%lld", (long long)p->answer.reclaimed);
	p->b->pruning[0] = false;
	event_emit(p->b, "container", "prune", "", (const char *const[]){ "reclaimed", number, NULL });
	call_reply(p->call, &p->answer, NULL, 0);
}

static void
on_pruned(struct op *op, void *ctx)
{
	struct prune *p = ctx;

	if (op->err.code == ERR_NONE && !strs_add(&p->answer.deleted, &p->call->arena, op->object))
		log_msg(LOG_WARN, "no memory for the list of pruned containers");
	for (size_t i = 0; op->err.code == ERR_NONE && i < p->due.n; i++)
		if (strcmp(p->due.v[i], op->object) == 0)
			p->answer.reclaimed += p->sizes[i];
	if (--p->left == 0)
		prune_end(p);
}

static bool
is_due(const struct ctr *c)
{
	return !c->rec.state->running && !c->making && !c->removing && c->ops == NULL;
}

static void
on_due_measured(void *ctx, struct answer *a)
{
	struct prune *p = ctx;
	const struct store_sizes *m = a->msg;

	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "sizes of the containers to be pruned");
	for (size_t i = 0; a->err == NULL && i < m->rws.n && i < p->due.n; i++)
		p->sizes[i] = m->rws.v[i].size > 0 ? m->rws.v[i].size : 0;
	p->left = 1;
	for (size_t i = 0; i < p->due.n; i++) {
		struct ctr *c = index_get(&p->b->ctr_by_id, p->due.v[i]);
		struct err one = ERR_INIT;

		/* it may have been started meanwhile */
		if (c == NULL || !is_due(c))
			continue;
		p->left++;
		if (remove_container(c, NULL, false, false, on_pruned, p, &one) < 0)
			p->left--;
	}
	if (--p->left == 0)
		prune_end(p);
}

int
handle_container_prune(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	const struct api_filters *m = msg;
	struct broker *b = client_broker(call);
	struct store_measure wish = { 0 };
	struct prune *p;
	int64_t until;

	if (filters_check(&m->filters, known, e) < 0 || filter_until(&m->filters, &until, e) < 0)
		return -1;
	if (b->pruning[0])
		return err_set(e, ERR_CONFLICT, "a prune operation is already running");
	p = arena_alloc(&call->arena, sizeof *p);
	if (p == NULL)
		return err_memory(e);
	*p = (struct prune){ .b = b, .call = call };
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;

		if (is_due(c) && filter_labels(&m->filters, &c->rec.config->labels) && (until == 0 || c->rec.created < until) &&
		    !strs_add(&p->due, &call->arena, c->id))
			return err_memory(e);
	}
	p->sizes = arena_array(&call->arena, p->due.n, sizeof *p->sizes);
	if (p->sizes == NULL)
		return err_memory(e);
	b->pruning[0] = true;
	wish.rws = p->due;
	if (p->due.n == 0)
		prune_end(p);
	else
		peer_send(b, PEER_STORE, NO_store_measure, &wish, NULL, 0, PEER_AGAIN, on_due_measured, p);
	return 0;
}
