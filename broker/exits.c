/* The end of a container's process, and what its restart policy makes of it. */
#include "broker.h"
#include "events.h"
#include "exec.h"
#include "health.h"
#include "lifecycle.h"
#include "log.h"
#include "logship.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define BACKOFF_FIRST (100 * MILLISECOND)
#define BACKOFF_MAX (60000 * MILLISECOND)
#define RAN_WELL (10000 * MILLISECOND)

bool
restart_wanted(const struct ctr *c, int64_t code, bool engine_start)
{
	const struct restart_policy *p = c->rec.host_config->restart_policy;

	if (c->no_restart || c->removing || c->b->stop_call != NULL)
		return false;
	if (strcmp(p->name, "always") == 0)
		return engine_start || !c->rec.stopped_by_user;
	if (strcmp(p->name, "unless-stopped") == 0)
		return !c->rec.stopped_by_user;
	if (strcmp(p->name, "on-failure") == 0)
		return code != 0 && !c->rec.stopped_by_user && (p->maximum_retry == 0 || c->rec.restart_count < p->maximum_retry);
	return false;
}

static void
on_restart(struct loop_timer *t)
{
	struct ctr *c = (struct ctr *)(void *)((char *)t - offsetof(struct ctr, restart));
	struct err e = ERR_INIT;

	if (start_container(c, NULL, NULL, NULL, &e) < 0) {
		log_err(LOG_ERROR, &e, "restart container %.12s", c->id);
		restart_later(c);
	}
}

void
restart_later(struct ctr *c)
{
	c->backoff_ns = c->backoff_ns == 0 ? BACKOFF_FIRST : c->backoff_ns * 2 < BACKOFF_MAX ? c->backoff_ns * 2 : BACKOFF_MAX;
	c->rec.restart_count++;
	ctr_status(c, "restarting");
	ctr_save_soft(c);
	c->restart.on_time = on_restart;
	loop_timer_set(c->b->loop, &c->restart, c->backoff_ns);
}

void
restart_forget(struct ctr *c)
{
	loop_timer_clear(&c->restart);
}

static void
emit_end(struct ctr *c, int64_t code, bool oom)
{
	char number[16], seconds[24];
	const struct container_state *s = c->rec.state;
	const char *extra[] = { "execDuration", seconds, "exitCode", number, NULL };

	snprintf(number, sizeof number, "%lld", (long long)code);
	snprintf(seconds, sizeof seconds, "%lld", (long long)(s->started_at > 0 && s->finished_at > s->started_at ?
	    (s->finished_at - s->started_at) / 1000000000 : 0));
	if (oom)
		event_ctr(c, "oom", NULL);
	event_ctr(c, "die", extra);
	for (size_t i = 0; i < c->rec.mounts.n; i++) {
		const char *volume[] = { "container", c->id, "driver", "local", NULL };

		if (text_same(c->rec.mounts.v[i].type, "volume"))
			event_emit(c->b, "volume", "unmount", c->rec.mounts.v[i].name, volume);
	}
}

void
ctr_exited(struct ctr *c, int64_t code, bool oom, int64_t finished_at, const char *error)
{
	struct container_state *s = c->rec.state;
	struct err e = ERR_INIT;
	bool hard = !text_same(c->rec.host_config->restart_policy->name, "no");

	if (!ctr_running(c))
		return;
	ctr_status(c, "exited");
	s->pid = 0;
	s->exit_code = code;
	s->oom_killed = oom;
	s->finished_at = finished_at > 0 ? finished_at : now_real_ns();
	s->error = ctr_text(c, error);
	if (s->finished_at - s->started_at >= RAN_WELL)
		c->backoff_ns = 0;
	health_stop(c);
	logship_hand_over(c, NULL, NULL);
	execs_end(c);
	net_release(c);
	emit_end(c, code, oom);
	if (restart_wanted(c, code, false)) {
		restart_later(c);
	} else if (ctr_save(c, hard, &e) < 0) {
		log_err(LOG_ERROR, &e, "record of container %.12s", c->id);
	}
	ctr_woke(c, true, false);
	if (c->rec.host_config->auto_remove && !c->removing && remove_container(c, NULL, true, true, NULL, NULL, &e) < 0)
		log_err(LOG_ERROR, &e, "remove container %.12s", c->id);
}

int
lifecycle_exited(struct broker *b, const struct run_exit *m, struct err *e)
{
	struct ctr *c = index_get(&b->ctr_by_id, text_or_empty(m->id));

	if (c == NULL)
		return 0;   /* it was removed in the meantime */
	if (text_set(m->exec))
		exec_exited(c, m->exec, m->code);
	else
		ctr_exited(c, m->code, m->oom_killed, m->finished_at, NULL);
	return 0;
}

void
lifecycle_detached(struct broker *b, const struct run_id *m)
{
	struct ctr *c = index_get(&b->ctr_by_id, text_or_empty(m->id));

	if (c != NULL)
		event_ctr(c, "detach", NULL);
}
