#include "shutdown.h"

#include "broker.h"
#include "clients.h"
#include "lifecycle.h"
#include "log.h"
#include "msg/net.h"

#include <signal.h>

#define TICK (INT64_C(10) * 1000000)
#define SECOND INT64_C(1000000000)

static int64_t deadline;

static void
end(struct broker *b)
{
	struct call *call = b->stop_call;

	b->stop_call = NULL;
	if (call != NULL)
		call_ok(call);
}

static void
on_cleared(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "clear the networks");
	end(ctx);
}

static size_t
running(const struct broker *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->ctr_by_id.n; i++)
		n += ctr_running(b->ctr_by_id.v[i].value) ? 1 : 0;
	return n;
}

static void
finish(struct broker *b)
{
	loop_timer_clear(&b->stop_timer);
	if (running(b) == 0 && b->peers[PEER_NET].ready)
		peer_send(b, PEER_NET, NO_net_clear, NULL, NULL, 0, 0, on_cleared, b);
	else
		end(b);
}

/* Looks until nothing runs and no operation is under way. */
static void
on_tick(struct loop_timer *t)
{
	struct broker *b = (struct broker *)(void *)((char *)t - offsetof(struct broker, stop_timer));
	bool late = deadline != 0 && now_mono_ns() > deadline;

	if ((running(b) == 0 && b->ops == NULL) || late) {
		if (late)
			log_msg(LOG_WARN, "%zu containers did not stop in time", running(b));
		finish(b);
		return;
	}
	loop_timer_set(b->loop, t, TICK);
}

void
shutdown_begin(struct broker *b, struct call *call)
{
	int64_t longest = 0;

	if (b->stop_call != NULL) {
		struct err e = ERR_INIT;

		err_set(&e, ERR_CONFLICT, "stopping already");
		call_fail(call, &e);
		return;
	}
	b->stop_call = call;
	clients_stop_listening(b->clients);
	for (size_t i = 0; i < b->ctr_by_id.n; i++)
		restart_forget(b->ctr_by_id.v[i].value);
	if (b->config->live_restore) {
		finish(b);
		return;
	}
	for (size_t i = b->ctr_by_id.n; i > 0; i--) {
		struct ctr *c = b->ctr_by_id.v[i - 1].value;
		struct opt timeout = { true, stop_timeout_of(c, NULL) };
		struct err e = ERR_INIT;

		if (!ctr_running(c))
			continue;
		if (b->config->shutdown_timeout >= 0 && (timeout.v < 0 || timeout.v > b->config->shutdown_timeout))
			timeout.v = c->rec.config->stop_timeout.set ? timeout.v : b->config->shutdown_timeout;
		if (timeout.v > longest)
			longest = timeout.v;
		if (stop_container(c, NULL, NULL, &timeout, NULL, NULL, &e) < 0)
			log_err(LOG_WARN, &e, "stop container %.12s", c->id);
	}
	if (b->config->shutdown_timeout >= 0)
		deadline = now_mono_ns() + ((longest > b->config->shutdown_timeout ? longest : b->config->shutdown_timeout) + 5) * SECOND;
	b->stop_timer.on_time = on_tick;
	loop_timer_set(b->loop, &b->stop_timer, 0);
}
