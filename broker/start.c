/* Starting a container: a sandbox from the runtime, its link from netd, then the program, then its published ports. */
#include "broker.h"
#include "clients.h"
#include "create.h"
#include "events.h"
#include "fd.h"
#include "health.h"
#include "kinds.h"
#include "lifecycle.h"
#include "links.h"
#include "log.h"
#include "logship.h"
#include "text.h"

#include <errno.h>

#define START_DATA_FIELDS(F, O, L) \
	F(flag, restart, NULL, 1) \
	F(flag, again,   NULL, 1)
REC_DECLARE(start_data, START_DATA_FIELDS)
#define REC_SELF struct start_data
REC_DEFINE(start_data, START_DATA_FIELDS)
#undef REC_SELF

struct start_state { int netns; bool prepared, over; };

/* ---- prepare ---- */
static const char *
join_mode(const char *mode, struct arena *a)
{
	if (text_same(mode, "host"))
		return "host";
	if (mode_container(mode) != NULL)
		return arena_str(a, mode);
	return "new";
}

static void
on_prepared(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct start_state *s = op->state;
	const struct run_prepared *m = a->msg;

	if (a->err != NULL) {
		op_failed(op, a->err);
		return;
	}
	op->ctr->rec.id_base = m->id_base;
	if (a->nfds > 0)
		s->netns = fd_take(&a->fds[0]);
	op_done(op);
}

/* Joining needs a running donor that allows it. */
static int
check_donor(const struct ctr *c, const char *mode, bool ipc, struct err *e)
{
	const char *id = mode_container(mode);
	const struct ctr *other = id != NULL ? index_get(&c->b->ctr_by_id, id) : NULL;

	if (id == NULL)
		return 0;
	if (other == NULL)
		return err_set(e, ERR_NOT_FOUND, "No such container: %s", id);
	if (!ctr_running(other))
		return err_set(e, ERR_CONFLICT, "cannot join %s namespace of a non running container: container %s is %s", ipc ? "the IPC" : "the",
		    ctr_name(other), text_or_empty(other->rec.state->status));
	if (ipc && text_same(other->rec.host_config->ipc_mode, "private"))
		return err_set(e, ERR_INVALID, "can't join IPC of container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
		    other->id);
	return 0;
}

static void
prepare(struct op *op)
{
	struct ctr *c = op->ctr;
	const struct host_config *h = c->rec.host_config;
	struct run_prepare m = { .id = c->id, .cgroupns = h->cgroupns_mode, .userns_host = text_same(h->userns_mode, "host"),
		.cgroup_parent = h->cgroup_parent, .mount_label = c->rec.mount_label };
	struct err e = ERR_INIT;

	if (check_donor(c, h->network_mode, false, &e) < 0 || check_donor(c, h->pid_mode, false, &e) < 0 ||
	    check_donor(c, h->ipc_mode, true, &e) < 0 || links_ready(c, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	m.net = (char *)(uintptr_t)join_mode(h->network_mode, &op->arena);
	m.pid = (char *)(uintptr_t)join_mode(h->pid_mode, &op->arena);
	m.ipc = (char *)(uintptr_t)(text_same(h->ipc_mode, "none") ? "none" : join_mode(h->ipc_mode, &op->arena));
	m.uts = (char *)(uintptr_t)join_mode(h->uts_mode, &op->arena);
	peer_send(op->b, PEER_RUN, NO_run_prepare, &m, NULL, 0, 0, on_prepared, op);
}

static void
unprepare(struct op *op)
{
	struct run_id m = { .id = op->object };

	peer_send(op->b, PEER_RUN, NO_run_cancel, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

/* ---- network ---- */
static void
on_published(struct op *op, const struct err *e)
{
	if (e != NULL)
		op_failed(op, e);
	else
		op_done(op);
}

static void
attach(struct op *op)
{
	struct ctr *c = op->ctr;
	struct start_state *s = op->state;
	struct err e = ERR_INIT;

	if (net_prepare(c, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	if (!net_has_endpoint(c)) {
		op_done(op);
		return;
	}
	if (s->netns < 0) {
		err_set(&e, ERR_SYSTEM, "the runtime gave no network namespace");
		op_failed(op, &e);
		return;
	}
	net_publish(op, c, s->netns, on_published);
}

static void
detach(struct op *op)
{
	if (op->ctr != NULL)
		net_release(op->ctr);
	op_done(op);
}

/* ---- run ---- */
static void
emit_mounts(struct ctr *c, const char *action)
{
	for (size_t i = 0; i < c->rec.mounts.n; i++) {
		const struct mount_point *p = &c->rec.mounts.v[i];
		const char *extra[] = { "container", c->id, "destination", p->destination, "driver", "local", "propagation",
			text_or_empty(p->propagation), "read/write", p->rw ? "true" : "false", NULL };

		if (text_same(p->type, "volume") && strcmp(action, "mount") != 0)
			extra[4] = NULL;
		if (text_same(p->type, "volume"))
			event_emit(c->b, "volume", action, p->name, extra);
	}
}

/* In memory only; the record is written with the journal's end. */
static void
set_running(struct ctr *c, int64_t pid, int64_t started_at, bool restart)
{
	struct container_state *s = c->rec.state;

	ctr_status(c, "running");
	s->pid = pid;
	s->started_at = started_at;
	s->exit_code = 0;
	s->error = NULL;
	s->oom_killed = false;
	c->rec.stopped_by_user = false;
	c->no_restart = false;
	c->failed_start = false;
	if (!restart)
		c->rec.failures = 0;
}

static int
write_running(struct op *op, struct err *e)
{
	struct broker *b = op->b;
	/* a policy that brings it back after a power loss was promised, so this must be on the disk then */
	bool hard = !text_same(op->ctr->rec.host_config->restart_policy->name, "no");

	if (db_begin(b->db, hard, e) < 0)
		return -1;
	if (ctr_write(op->ctr, e) == 0 && op_end_journal(op, e) == 0 && db_commit(b->db, e) == 0)
		return 0;
	db_rollback(b->db);
	op->journaled_end = false;
	return -1;
}

static void
is_up(struct op *op, int64_t pid, int64_t started_at)
{
	const struct start_data *d = op->data;
	struct ctr *c = op->ctr;
	struct err e = ERR_INIT;

	set_running(c, pid, started_at, d != NULL && d->restart);
	if (write_running(op, &e) < 0)
		log_err(LOG_ERROR, &e, "record of container %.12s", c->id);
	logship_hand_over(c, NULL, NULL);
	emit_mounts(c, "mount");
	event_ctr(c, "start", NULL);
	health_start(c, true);
	op_done(op);
}

static void
on_started(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	const struct run_started *m = a->msg;

	if (a->err == NULL) {
		is_up(op, m->pid, m->started_at);
	} else if (a->err->code == ERR_UNAVAILABLE && a->err->sys != ETIMEDOUT && !edge_is_open(op->b->peers[PEER_RUN].edge)) {
		/* it died with our question: whether the container runs, it says when it is back (start_resolved) */
		op->ctr->in_doubt = true;
	} else {
		op_failed(op, a->err);
	}
}

static void
run(struct op *op)
{
	struct run_spec m;
	struct err e = ERR_INIT;

	if (spec_build(op->ctr, &op->arena, &m, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	peer_send(op->b, PEER_RUN, NO_run_start, &m, NULL, 0, 0, on_started, op);
}

/* ---- open ---- */
/* Published ports come last: what reached one before the program's interface is up would be lost, and a client wait for its retry. */
static void
open_ports(struct op *op)
{
	const struct endpoint *gateway = net_gateway_endpoint(op->ctr);
	struct net_name m;

	/* it may have ended already */
	if (gateway == NULL || op->ctr->rec.network_settings->ports.n == 0) {
		op_done(op);
		return;
	}
	m = (struct net_name){ .name = gateway->link };
	peer_send(op->b, PEER_NET, NO_net_endpoint_open, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

void
start_resolved(struct ctr *c, const struct run_state *state)
{
	struct op *op = c->ops;
	struct err e = ERR_INIT;

	c->in_doubt = false;
	if (op == NULL || op->kind != &op_start)
		return;
	if (state != NULL && !text_same(state->state, "prepared")) {
		is_up(op, state->pid, state->started_at);
		return;
	}
	err_set(&e, ERR_UNAVAILABLE, "the engine's runtime process ended while it started the container");
	op_failed(op, &e);
}

/* ---- end ---- */
/* The exit code that the client makes of a failed start's text. */
static int
failure_code(const char *text)
{
	if (strstr(text, "executable file not found") != NULL || strstr(text, "no such file or directory") != NULL)
		return 127;
	if (strstr(text, "permission denied") != NULL || strstr(text, "is a directory") != NULL || strstr(text, "operation not permitted") != NULL)
		return 126;
	return 128;
}

static void
record_failure(struct ctr *c, const struct err *e)
{
	struct container_state *s = c->rec.state;

	s->exit_code = failure_code(e->text);
	s->error = ctr_text(c, e->text);
	s->pid = 0;
	if (s->started_at == 0)
		ctr_status(c, "created");
	else
		ctr_status(c, "exited");
	c->failed_start = true;
	ctr_save_soft(c);
}

static void
finish(struct op *op)
{
	struct ctr *c = op->ctr;
	struct start_state *s = op->state;
	const struct start_data *d = op->data;
	struct err e = ERR_INIT;

	if (s != NULL)
		fd_close(&s->netns);
	if (c == NULL || op->err.code == ERR_NONE || (s != NULL && !s->prepared))
		return;
	record_failure(c, &op->err);
	if (d != NULL && d->restart && restart_wanted(c, c->rec.state->exit_code, false)) {
		restart_later(c);
		return;
	}
	if (op->recovered && d != NULL && d->again) {
		/* the second half of a restart, which is to be finished */
		if (start_container(c, NULL, NULL, NULL, &e) < 0)
			log_err(LOG_ERROR, &e, "restart container %.12s", c->id);
		return;
	}
	if (op->recovered && op->err.code == ERR_UNAVAILABLE) {
		/* the client that asked is gone, too: the container is as it was before */
		c->rec.state->exit_code = 0;
		c->rec.state->error = NULL;
		ctr_save_soft(c);
	}
	/* as in the Docker engine, who waits for an exit waits on: there was none */
	if (c->rec.host_config->auto_remove && !op->recovered && remove_container(c, NULL, true, true, NULL, NULL, &e) < 0)
		log_err(LOG_ERROR, &e, "remove container %.12s", c->id);
}

/* Queued behind others, it looks at the container's state only when its turn comes. */
static void
check(struct op *op)
{
	struct ctr *c = op->ctr;
	struct start_state *s = op->state;
	const struct start_data *d = op->data;
	struct err e = ERR_INIT;

	if (c->rec.state->paused)
		err_set(&e, ERR_CONFLICT, "cannot start a paused container, try unpause instead");
	else if (ctr_running(c))
		err_set(&e, ERR_NOT_MODIFIED, "container is already running");
	else if (c->removing || c->rec.state->dead)
		err_set(&e, ERR_CONFLICT, "container is marked for removal and cannot be started");
	else if (d->restart && !c->rec.state->restarting)
		err_set(&e, ERR_NOT_MODIFIED, "container was stopped");
	if (e.code != ERR_NONE) {
		op_failed(op, &e);
		return;
	}
	restart_forget(c);
	s->prepared = true;
	op_done(op);
}

static void
on_log_tried(void *ctx, const struct err *why)
{
	struct op *op = ctx;
	struct err e = ERR_INIT;

	if (why == NULL) {
		op_done(op);
		return;
	}
	e = *why;
	(void)err_wrap(&e, "failed to create task for container: failed to initialize logging driver");
	op_failed(op, &e);
}

/* A log that cannot be delivered from the beginning is said before anything runs. */
static void
try_log(struct op *op)
{
	logship_check(op->ctr, on_log_tried, op);
}

/* After a crash: if it runs it was done (exits.c and recover.c see to it), else it is taken back. */
static bool
resume(struct op *op)
{
	struct start_state *s;

	op->ctr = index_get(&op->b->ctr_by_id, op->object);
	op->state = s = arena_alloc(&op->arena, sizeof *s);
	if (op->ctr == NULL || s == NULL || ctr_running(op->ctr))
		return false;
	s->netns = -1;
	s->prepared = true;
	return true;
}

static const struct op_step steps[] = {
	{ "check", check, NULL },
	{ "log", try_log, NULL },
	{ "prepare", prepare, unprepare },
	{ "network", attach, detach },
	{ "run", run, NULL },
	{ "open", open_ports, NULL },
};
const struct op_kind op_start = { .name = "start", .steps = steps, .n = sizeof steps / sizeof *steps, .flags = STEPS_JOURNAL | STEPS_ONCE | STEPS_LIFE,
	.data_type = &start_data_type, .finish = finish, .resume = resume };

static int
submit(struct ctr *c, bool again, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	struct op *op = op_new(c->b, &op_start, c, c->id, call, e);
	struct start_data *d;
	struct start_state *s;

	if (op == NULL)
		return -1;
	op->data = d = arena_alloc(&op->arena, sizeof *d);
	op->state = s = arena_alloc(&op->arena, sizeof *s);
	if (d == NULL || s == NULL)
		err_memory(&op->err);
	if (s != NULL)
		s->netns = -1;
	if (d != NULL) {
		d->restart = call == NULL && c->rec.state->restarting;
		d->again = again;
	}
	op->then = then;
	op->then_ctx = ctx;
	op_submit(op);
	return 0;
}

int
start_container(struct ctr *c, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	return submit(c, false, call, then, ctx, e);
}

int
start_stopped(struct ctr *c, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	return submit(c, true, call, then, ctx, e);
}

int
handle_container_start(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);

	if (c == NULL)
		return -1;
	/* what needs no turn is said at once */
	if (c->rec.state->paused)
		return err_set(e, ERR_CONFLICT, "cannot start a paused container, try unpause instead");
	if (ctr_running(c) && c->ops == NULL)
		return err_set(e, ERR_NOT_MODIFIED, "container is already running");
	return start_container(c, call, NULL, NULL, e);
}
