/* stop, restart, kill, pause, unpause, rename. */
#include "broker.h"
#include "clients.h"
#include "events.h"
#include "health.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "names.h"
#include "text.h"

#include <signal.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000000)
#define KILL_WAIT (10 * SECOND)

#define STOP_DATA_FIELDS(F, O, L) \
	F(num, signal,  NULL, 64) \
	F(num, timeout, NULL, REC_NUM_ANY)
REC_DECLARE(stop_data, STOP_DATA_FIELDS)
#define REC_SELF struct stop_data
REC_DEFINE(stop_data, STOP_DATA_FIELDS)
#undef REC_SELF

struct stop_state { struct op *op; struct loop_timer timer; int64_t until_ns; bool waiting, killed, over; };

int
signal_of(const char *text, struct err *e)
{
	int n = text_to_signal(text);

	return n > 0 ? n : err_set(e, ERR_INVALID, "invalid signal: %.100s", text);
}

int64_t
stop_timeout_of(const struct ctr *c, const struct opt *wish)
{
	if (wish != NULL && wish->set)
		return wish->v;
	return c->rec.config->stop_timeout.set ? c->rec.config->stop_timeout.v : 10;
}

static void
emit_signal(struct ctr *c, int signal)
{
	char number[16];
	const char *extra[] = { "signal", number, NULL };

	snprintf(number, sizeof number, "%d", signal);
	event_ctr(c, "kill", extra);
}

static void
on_ignored(void *ctx, struct answer *a)
{
}

static void
thaw(struct ctr *c)
{
	struct run_freeze m = { .id = c->id };

	if (!c->rec.state->paused)
		return;
	/* frozen processes do not see their signals */
	peer_send(c->b, PEER_RUN, NO_run_freeze, &m, NULL, 0, PEER_AGAIN, on_ignored, NULL);
	ctr_status(c, "running");
}

/* ---- stop ---- */
static void
end_wait(struct stop_state *s)
{
	loop_timer_clear(&s->timer);
	if (s->waiting && s->op->ctr != NULL)
		ctr_unwait(s->op->ctr, s);
	s->waiting = false;
}

static void
on_stopped(void *ctx, struct ctr *c, int64_t status, const char *error)
{
	struct stop_state *s = ctx;

	s->waiting = false;
	loop_timer_clear(&s->timer);
	op_done(s->op);
}

static void
on_signalled(void *ctx, struct answer *a)
{
	/* the end comes by itself; a process that is gone already is no error */
	if (a->err != NULL && a->err->code != ERR_NOT_FOUND && a->err->code != ERR_CONFLICT)
		log_err(LOG_WARN, a->err, "signal");
}

static void
send_signal(struct ctr *c, int signal)
{
	struct run_signal m = { .id = c->id, .signal = signal };

	peer_send(c->b, PEER_RUN, NO_run_signal, &m, NULL, 0, PEER_AGAIN, on_signalled, NULL);
	emit_signal(c, signal);
}

static void
on_time(struct loop_timer *t)
{
	struct stop_state *s = (struct stop_state *)(void *)((char *)t - offsetof(struct stop_state, timer));
	struct err e = ERR_INIT;

	if (!s->killed) {
		s->killed = true;
		send_signal(s->op->ctr, SIGKILL);
		loop_timer_set(s->op->b->loop, &s->timer, KILL_WAIT);
		return;
	}
	end_wait(s);
	err_set(&e, ERR_SYSTEM, "cannot stop container: %s: tried to kill container, but did not receive an exit event", ctr_name(s->op->ctr));
	op_failed(s->op, &e);
}

static void
set_deadline(struct stop_state *s, int64_t timeout)
{
	int64_t now = now_mono_ns();

	if (timeout < 0)
		return;
	if (timeout > 1000000)
		timeout = 1000000;
	if (s->until_ns != 0 && s->until_ns < now + timeout * SECOND)
		return;
	s->until_ns = now + timeout * SECOND;
	loop_timer_set(s->op->b->loop, &s->timer, timeout * SECOND);
}

static void
stop(struct op *op)
{
	struct stop_data *d = op->data;
	struct stop_state *s = op->state;
	struct ctr *c = op->ctr;
	struct err e = ERR_INIT;

	if (c->rec.state->restarting) {
		restart_forget(c);
		c->rec.stopped_by_user = true;
		ctr_status(c, "exited");
		ctr_save_soft(c);
		op_done(op);
		return;
	}
	if (!ctr_running(c)) {
		if (op->kind == &op_stop && !op->recovered) {
			err_set(&e, ERR_NOT_MODIFIED, "container is already stopped");
			op_failed(op, &e);
		} else {
			op_done(op);
		}
		return;
	}
	c->no_restart = true;
	c->rec.stopped_by_user = op->kind == &op_stop && op->b->stop_call == NULL;
	*s = (struct stop_state){ .op = op, .timer = { .on_time = on_time } };
	if (ctr_wait(c, WAIT_NEXT_EXIT, on_stopped, s, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	s->waiting = true;
	thaw(c);
	s->killed = d->signal == SIGKILL;
	set_deadline(s, s->killed ? KILL_WAIT / SECOND : d->timeout);
	send_signal(c, (int)d->signal);
}

static void
finish_stop(struct op *op)
{
	if (op->ctr != NULL && op->err.code == ERR_NONE)
		event_ctr(op->ctr, "stop", NULL);
}

static void
on_restarted(struct op *op, void *ctx)
{
	if (op->err.code == ERR_NONE && op->ctr != NULL)
		event_ctr(op->ctr, "restart", NULL);
}

static void
finish_restart(struct op *op)
{
	struct call *call = op->call;
	struct err e = ERR_INIT;

	if (op->ctr == NULL || op->err.code != ERR_NONE)
		return;
	op->call = NULL;
	if (start_stopped(op->ctr, call, on_restarted, NULL, &e) < 0 && call != NULL)
		call_fail(call, &e);
}

static bool
resume(struct op *op)
{
	op->ctr = index_get(&op->b->ctr_by_id, op->object);
	op->state = arena_alloc(&op->arena, sizeof(struct stop_state));
	return op->ctr != NULL && op->state != NULL && op->data != NULL;
}

static void
release(struct op *op)
{
	if (op->state != NULL && ((struct stop_state *)op->state)->op != NULL)
		end_wait(op->state);
}

static const struct op_step steps[] = { { "stop", stop, NULL } };
const struct op_kind op_stop = { .name = "stop", .steps = steps, .n = 1, .flags = STEPS_JOURNAL | STEPS_ONCE | STEPS_FORWARD | STEPS_LIFE,
	.data_type = &stop_data_type, .finish = finish_stop, .resume = resume, .release = release };
const struct op_kind op_restart = { .name = "restart", .steps = steps, .n = 1, .flags = STEPS_JOURNAL | STEPS_ONCE | STEPS_FORWARD | STEPS_LIFE,
	.data_type = &stop_data_type, .finish = finish_restart, .resume = resume, .release = release };

static int
submit_stop(const struct op_kind *kind, struct ctr *c, struct call *call, const char *signal, const struct opt *timeout,
    void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	const char *name = text_set(signal) ? signal : text_set(c->rec.config->stop_signal) ? c->rec.config->stop_signal : "TERM";
	int number = signal_of(name, e);
	struct op *op = number > 0 ? op_new(c->b, kind, c, c->id, call, e) : NULL, *now = op_running(c, &op_stop);
	struct stop_data *d;

	if (op == NULL)
		return -1;
	op->data = d = arena_alloc(&op->arena, sizeof *d);
	op->state = arena_alloc(&op->arena, sizeof(struct stop_state));
	if (d == NULL || op->state == NULL)
		err_memory(&op->err);
	else
		*d = (struct stop_data){ .signal = number, .timeout = stop_timeout_of(c, timeout) };
	/* one that is in a hurry does not wait for the patience of the one before it */
	if (now == NULL)
		now = op_running(c, &op_restart);
	if (now != NULL && d != NULL && !((struct stop_state *)now->state)->killed)
		set_deadline(now->state, d->timeout);
	op->then = then;
	op->then_ctx = ctx;
	op_submit(op);
	return 0;
}

int
stop_container(struct ctr *c, struct call *call, const char *signal, const struct opt *timeout, void (*then)(struct op *op, void *ctx),
    void *ctx, struct err *e)
{
	return submit_stop(&op_stop, c, call, signal, timeout, then, ctx, e);
}

int
handle_container_stop(struct call *call, const void *msg, struct err *e)
{
	const struct api_stop *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);

	if (c == NULL)
		return -1;
	if (!c->rec.state->running && c->ops == NULL)
		return err_set(e, ERR_NOT_MODIFIED, "container is already stopped");
	return stop_container(c, call, m->signal, &m->timeout, NULL, NULL, e);
}

int
handle_container_restart(struct call *call, const void *msg, struct err *e)
{
	const struct api_stop *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);

	return c == NULL ? -1 : submit_stop(&op_restart, c, call, m->signal, &m->timeout, NULL, NULL, e);
}

/* ---- kill ---- */
struct kill { struct call *call; struct ctr *c; struct loop_timer timer; };

static void
on_killed(void *ctx, struct ctr *c, int64_t status, const char *error)
{
	struct kill *k = ctx;

	loop_timer_clear(&k->timer);
	call_ok(k->call);
	free(k);
}

static void
on_kill_time(struct loop_timer *t)
{
	struct kill *k = (struct kill *)(void *)((char *)t - offsetof(struct kill, timer));
	struct err e = ERR_INIT;

	ctr_unwait(k->c, k);
	err_set(&e, ERR_SYSTEM, "cannot kill container: %s: tried to kill container, but did not receive an exit event", ctr_name(k->c));
	call_fail(k->call, &e);
	free(k);
}

static int
kill_and_wait(struct ctr *c, struct call *call, struct err *e)
{
	struct kill *k = calloc(1, sizeof *k);

	if (k == NULL)
		return err_memory(e);
	*k = (struct kill){ .call = call, .c = c, .timer = { .on_time = on_kill_time } };
	if (ctr_wait(c, WAIT_NEXT_EXIT, on_killed, k, e) < 0) {
		free(k);
		return -1;
	}
	loop_timer_set(c->b->loop, &k->timer, KILL_WAIT);
	send_signal(c, SIGKILL);
	return 0;
}

int
handle_container_kill(struct call *call, const void *msg, struct err *e)
{
	const struct api_kill *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);
	int signal = c != NULL ? signal_of(text_set(m->signal) ? m->signal : "KILL", e) : -1, own;
	struct run_signal wish;

	if (c == NULL || signal < 0)
		return -1;
	if (c->rec.state->restarting) {
		/* between two lives there is no process to signal; it does not come up again */
		restart_forget(c);
		c->rec.stopped_by_user = true;
		ctr_status(c, "exited");
		ctr_save_soft(c);
		call_ok(call);
		return 0;
	}
	if (!ctr_running(c))
		return err_set(e, ERR_CONFLICT, "cannot kill container: %s: container %s is not running", m->ref, c->id);
	own = text_set(c->rec.config->stop_signal) ? text_to_signal(c->rec.config->stop_signal) : 0;
	c->rec.stopped_by_user = true;
	if (signal == SIGKILL || own == 0 || own == signal) {
		c->no_restart = true;
		thaw(c);
	}
	wish = (struct run_signal){ .id = c->id, .signal = signal };
	if (signal == SIGKILL)
		return kill_and_wait(c, call, e);
	emit_signal(c, signal);
	peer_send(c->b, PEER_RUN, NO_run_signal, &wish, NULL, 0, PEER_AGAIN, call_on_answer, call);
	return 0;
}

/* ---- pause ---- */
struct freezing { struct op *op; bool on; void (*done)(struct op *op, const struct err *why); };

static void
on_frozen(void *ctx, struct answer *a)
{
	const struct freezing *f = ctx;
	struct ctr *c = f->op->ctr;
	const struct err *why = a->err != NULL && !f->on && a->err->code == ERR_CONFLICT ? NULL : a->err;

	if (ctr_running(c) && why == NULL && c->rec.state->paused != f->on) {
		ctr_status(c, f->on ? "paused" : "running");
		ctr_save_soft(c);
		event_ctr(c, f->on ? "pause" : "unpause", NULL);
	}
	if (ctr_running(c) && !c->rec.state->paused)
		health_start(c, false);
	f->done(f->op, why);
}

void
freeze_container(struct op *op, bool on, unsigned flags, void (*done)(struct op *op, const struct err *why))
{
	struct freezing *f = arena_alloc(&op->arena, sizeof *f);
	struct run_freeze m = { .id = op->ctr->id, .freeze = on };
	struct err e = ERR_INIT;

	if (f == NULL) {
		err_memory(&e);
		done(op, &e);
		return;
	}
	*f = (struct freezing){ .op = op, .on = on, .done = done };
	/* before: a probe that were ended in a frozen container would thaw it */
	if (on)
		health_stop(op->ctr);
	peer_send(op->b, PEER_RUN, NO_run_freeze, &m, NULL, 0, flags, on_frozen, f);
}

static void
on_paused(struct op *op, const struct err *why)
{
	if (why != NULL)
		op_failed(op, why);
	else
		op_done(op);
}

static void
freeze(struct op *op)
{
	struct ctr *c = op->ctr;
	bool on = op->kind == &op_pause;
	struct err e = ERR_INIT;

	if (on && c->rec.state->restarting)
		err_set(&e, ERR_CONFLICT, "container %s is restarting, wait until the container is running", c->id);
	else if (on && !ctr_running(c))
		err_set(&e, ERR_CONFLICT, "container %s is not running", c->id);
	else if (on && c->rec.state->paused)
		err_set(&e, ERR_CONFLICT, "container %s is already paused", c->id);
	else if (!on && !c->rec.state->paused)
		err_set(&e, ERR_CONFLICT, "Container %s is not paused", c->id);
	if (e.code != ERR_NONE)
		op_failed(op, &e);
	else
		freeze_container(op, on, 0, on_paused);
}

static const struct op_step freeze_steps[] = { { "freeze", freeze, NULL } };
const struct op_kind op_pause = { .name = "pause", .steps = freeze_steps, .n = 1 };
const struct op_kind op_unpause = { .name = "unpause", .steps = freeze_steps, .n = 1 };

static int
submit_freeze(const struct op_kind *kind, struct call *call, const struct api_ref *m, struct err *e)
{
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);
	struct op *op = c != NULL ? op_new(c->b, kind, c, c->id, call, e) : NULL;

	if (op == NULL)
		return -1;
	op_submit(op);
	return 0;
}

int
handle_container_pause(struct call *call, const void *msg, struct err *e)
{
	return submit_freeze(&op_pause, call, msg, e);
}

int
handle_container_unpause(struct call *call, const void *msg, struct err *e)
{
	return submit_freeze(&op_unpause, call, msg, e);
}

/* ---- rename ---- */
int
handle_container_rename(struct call *call, const void *msg, struct err *e)
{
	const struct api_rename *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e), *owner;
	const char *bare = text_set(m->name) && m->name[0] == '/' ? m->name + 1 : m->name;
	char name[258], old[258];
	const char *extra[] = { "oldName", old, NULL };

	if (c == NULL)
		return -1;
	if (!text_set(bare))
		return err_set(e, ERR_INVALID, "Neither old nor new names may be empty");
	if (!name_is_valid(bare))
		return err_set(e, ERR_INVALID, "Invalid container name (%.255s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", bare);
	snprintf(name, sizeof name, "/%s", bare);
	snprintf(old, sizeof old, "%s", c->name);
	if (strcmp(name, old) == 0)
		return err_set(e, ERR_INVALID, "Renaming a container with the same name as its current name");
	owner = index_get(&c->b->ctr_by_name, name);
	if (owner != NULL)
		return err_set(e, ERR_CONFLICT, "Error when allocating new name: Conflict. The container name \"%s\" is already in use by container \"%s\". You "
		    "have to remove (or rename) that container to be able to reuse that name.", name, owner->id);
	if (ctr_rename(c, name, e) < 0)
		return -1;
	if (ctr_save(c, true, e) < 0) {
		struct err ignored = ERR_INIT;

		(void)(ctr_rename(c, old, &ignored) == 0);
		return -1;
	}
	event_ctr(c, "rename", extra);
	call_ok(call);
	return 0;
}
