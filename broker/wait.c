/* Waiting for a container's end: for clients (wait) and for operations (stop, kill, remove). */
#include "broker.h"
#include "clients.h"
#include "lifecycle.h"

#include <stdlib.h>

#define WAITERS_MAX 4096

int
ctr_wait(struct ctr *c, enum wait_for what, void (*fn)(void *ctx, struct ctr *c, int64_t status, const char *error), void *ctx, struct err *e)
{
	struct waiter *w, **p = &c->waiters;
	size_t n = 0;

	for (; *p != NULL; p = &(*p)->next)
		n++;
	if (n >= WAITERS_MAX)
		return err_set(e, ERR_LIMIT, "too many wait for container %.12s", c->id);
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return err_memory(e);
	*w = (struct waiter){ .what = what, .fn = fn, .ctx = ctx };
	*p = w;
	return 0;
}

void
ctr_unwait(struct ctr *c, void *ctx)
{
	for (struct waiter **p = &c->waiters; *p != NULL; p = &(*p)->next)
		if ((*p)->ctx == ctx) {
			struct waiter *w = *p;

			*p = w->next;
			free(w);
			return;
		}
}

void
ctr_woke(struct ctr *c, bool exited, bool removed)
{
	struct waiter *due = NULL, **tail = &due;

	for (struct waiter **p = &c->waiters; *p != NULL;) {
		struct waiter *w = *p;

		if (removed || (exited && w->what != WAIT_REMOVED)) {
			*p = w->next;
			w->next = NULL;
			*tail = w;
			tail = &w->next;
		} else {
			p = &w->next;
		}
	}
	while (due != NULL) {
		struct waiter w = *due;

		free(due);
		due = w.next;
		w.fn(w.ctx, c, c->rec.state->exit_code, NULL);
	}
}

/* ---- POST /containers/{id}/wait ---- */
struct watch { struct call *call; struct broker *b; char id[65]; };

static void
on_end(void *ctx, struct ctr *c, int64_t status, const char *error)
{
	struct watch *w = ctx;
	struct api_waited answer = { .status = status, .error = (char *)(uintptr_t)error };

	call_reply(w->call, &answer, NULL, 0);
	free(w);
}

static void
on_cancel(struct call *call)
{
	struct watch *w = call->cancel_ctx;
	struct ctr *c = index_get(&w->b->ctr_by_id, w->id);
	struct err e = ERR_INIT;

	if (c != NULL)
		ctr_unwait(c, w);
	free(w);
	err_set(&e, ERR_UNAVAILABLE, "the client is gone");
	call_fail(call, &e);
}

void
waits_sweep(struct broker *b)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct waiter *next;

		for (struct waiter *w = ((struct ctr *)b->ctr_by_id.v[i].value)->waiters; w != NULL; w = next) {
			next = w->next;
			if (w->fn == on_end && ((struct watch *)w->ctx)->call->edge == NULL)
				on_cancel(((struct watch *)w->ctx)->call);
		}
	}
}

int
handle_container_wait(struct call *call, const void *msg, struct err *e)
{
	static const struct api_waited registered;
	const struct api_wait *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	enum wait_for what = WAIT_NOT_RUNNING;
	struct watch *w;

	if (c == NULL)
		return -1;
	if (text_same(m->condition, "next-exit"))
		what = WAIT_NEXT_EXIT;
	else if (text_same(m->condition, "removed"))
		what = WAIT_REMOVED;
	else if (text_set(m->condition) && !text_same(m->condition, "not-running"))
		return err_set(e, ERR_INVALID, "invalid condition: \"%.100s\"", m->condition);
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return err_memory(e);
	w->call = call;
	w->b = b;
	memcpy(w->id, c->id, sizeof w->id);
	if (what == WAIT_NOT_RUNNING && !c->rec.state->running) {
		(void)call_reply_more(call, &registered, NULL, 0);
		on_end(w, c, c->rec.state->exit_code, NULL);
		return 0;
	}
	if (ctr_wait(c, what, on_end, w, e) < 0) {
		free(w);
		return -1;
	}
	call->on_cancel = on_cancel;
	call->cancel_ctx = w;
	(void)call_reply_more(call, &registered, NULL, 0);
	return 0;
}
