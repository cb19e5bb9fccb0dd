/*
 * Containers without a user namespace are the host-runtime's. The broker knows one runtime: what it asks about such a
 * container is passed on, and the answer, with its descriptors, passed back. The host-runtime is asked for when the first one is
 * wanted, or when one is found on disk.
 */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELD_MAX 4096
#define TRIES 20                 /* then those who wait are told */

static const edge_fn own[run_edge_end] = {
	[NO_run_prepare] = on_run_prepare, [NO_run_start] = on_run_start, [NO_run_cancel] = on_run_cancel,
	[NO_run_signal] = on_run_signal, [NO_run_freeze] = on_run_freeze, [NO_run_resize] = on_run_resize,
	[NO_run_attach] = on_run_attach, [NO_run_exec] = on_run_exec, [NO_run_top] = on_run_top, [NO_run_logs] = on_run_logs, [NO_run_dns] = on_run_dns,
	[NO_run_netns] = on_run_netns, [NO_run_connect] = on_run_connect,
	[NO_run_delete] = on_run_delete, [NO_run_list] = on_run_list, [NO_run_update] = on_run_update,
	[NO_run_stats] = on_run_stats, [NO_run_archive] = on_run_archive,
};

bool
remote_has(const struct runtime *rt, const char *id)
{
	for (const struct remote *r = rt->remotes; r != NULL; r = r->next)
		if (id != NULL && strcmp(r->id, id) == 0)
			return true;
	return false;
}

int
remote_add(struct runtime *rt, const char *id, struct err *e)
{
	struct remote *r;

	if (remote_has(rt, id))
		return 0;
	r = calloc(1, sizeof *r);
	if (r == NULL || !text_copy(r->id, sizeof r->id, id)) {
		free(r);
		return err_set(e, ERR_NO_MEMORY, "container");
	}
	r->next = rt->remotes;
	rt->remotes = r;
	return 0;
}

static void
remote_drop(struct runtime *rt, const char *id)
{
	for (struct remote **slot = &rt->remotes; *slot != NULL; slot = &(*slot)->next)
		if (strcmp((*slot)->id, id) == 0) {
			struct remote *r = *slot;

			*slot = r->next;
			free(r);
			return;
		}
}

static const char *
id_of(const struct call *c)
{
	switch (c->row->no) {
	case NO_run_prepare: return ((const struct run_prepare *)c->msg)->id;
	case NO_run_start: return ((const struct run_spec *)c->msg)->id;
	case NO_run_signal: return ((const struct run_signal *)c->msg)->id;
	case NO_run_freeze: return ((const struct run_freeze *)c->msg)->id;
	case NO_run_resize: return ((const struct run_resize *)c->msg)->id;
	case NO_run_attach: return ((const struct run_stream *)c->msg)->id;
	case NO_run_exec: return ((const struct run_exec *)c->msg)->id;
	case NO_run_logs: return ((const struct api_logs *)c->msg)->ref;
	case NO_run_archive: return ((const struct run_archive *)c->msg)->id;
	case NO_run_update: return ((const struct run_update *)c->msg)->id;
	case NO_run_stats: return ((const struct run_stats *)c->msg)->id;
	case NO_run_connect: return ((const struct run_connect *)c->msg)->id;
	case NO_run_cancel: case NO_run_top: case NO_run_delete: case NO_run_dns: case NO_run_netns: return ((const struct run_id *)c->msg)->id;
	default: return NULL;
	}
}

/* ---- passing on ---- */

static void
on_answer(void *ctx, struct answer *a)
{
	struct call *c = ctx;

	if (a->err == NULL && a->more) {
		(void)call_reply_more(c, a->msg, a->fds, a->nfds);   /* (if nobody waits, it was cancelled there, too) */
		return;
	}
	c->on_cancel = NULL;
	if (a->err != NULL) {
		call_fail(c, a->err);
		return;
	}
	if (c->row->no == NO_run_delete)
		remote_drop(c->ctx, id_of(c));
	call_reply(c, a->msg, a->fds, a->nfds);
}

/* What the host-runtime cannot tell now, the files tell: whether it ended. */
static int
states_from_disk(struct runtime *rt, struct run_states *r, struct arena *a, struct err *e)
{
	for (const struct remote *k = rt->remotes; k != NULL; k = k->next) {
		own_fd dir = fd_open_beneath(rt->containers, k->id, O_RDONLY | O_DIRECTORY, 0);
		struct exit_status x = { .code = 0 };
		struct run_state *s;
		struct w_start w;
		bool ended;

		if (dir < 0 || state_read(dir, "state", a, &w) != 1)
			continue;
		ended = exit_read(dir, "exit", &x) == 1;
		s = list_add(&r->items, a, sizeof *s);
		if (s == NULL)
			return err_set(e, ERR_NO_MEMORY, "list of containers");
		*s = (struct run_state){ .id = w.id, .state = (char *)(uintptr_t)(ended ? "exited" : "running"), .pid = ended ? 0 : w.pid,
			.started_at = w.started_at, .code = x.code, .oom_killed = x.oom_killed, .finished_at = x.finished_at };
	}
	return 0;
}

/* theirs NULL: the host-runtime does not answer */
static void
answer_list(struct call *c, const struct run_states *theirs)
{
	own_arena a = ARENA_INIT;
	struct run_states r = { .items = { .n = 0 } };
	struct err e = ERR_INIT;
	int bad = list_states(c->ctx, &r, &a, &e);

	if (bad == 0 && theirs == NULL)
		bad = states_from_disk(c->ctx, &r, &a, &e);
	for (size_t i = 0; bad == 0 && theirs != NULL && i < theirs->items.n; i++) {
		struct run_state *s = list_add(&r.items, &a, sizeof *s);

		if (s == NULL)
			bad = err_set(&e, ERR_NO_MEMORY, "list of containers");
		else
			*s = theirs->items.v[i];
	}
	if (bad < 0)
		call_fail(c, &e);
	else
		call_reply(c, &r, NULL, 0);
}

static void
on_list(void *ctx, struct answer *a)
{
	answer_list(ctx, a->err == NULL ? a->msg : NULL);
}

static void
give_up_on(struct call *c, const struct err *why)
{
	if (c->row->no == NO_run_list)
		answer_list(c, NULL);
	else
		call_fail(c, why);
}

static void
on_moved(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "a client of a container is lost");
}

/* Clients that attached before it was known whose container it will be. They have had their head. */
static void
move_waiters(struct runtime *rt, const char *id)
{
	struct box *b = box_find(rt, id);

	while (b != NULL && b->waiters != NULL) {
		struct waiter *w = b->waiters;
		struct err e = ERR_INIT;

		b->waiters = w->next;
		if (edge_send(rt->to_host, NO_run_attach, w->stream, &w->fd, 1, on_moved, rt, &e) < 0)
			log_err(LOG_WARN, &e, "a client of %.12s is lost", id);
		fd_close(&w->fd);
		arena_done(&w->arena);
		free(w);
	}
	if (b != NULL)
		box_free(b);
}

static void
on_cancel(struct call *c)
{
	struct runtime *rt = c->ctx;

	struct err e = ERR_INIT;

	edge_cancel(rt->to_host, (int64_t)(intptr_t)c->cancel_ctx);
	err_set(&e, ERR_UNAVAILABLE, "nobody waits for the answer");
	call_fail(c, &e);
}

static void
pass_on(struct runtime *rt, struct call *c)
{
	struct err e = ERR_INIT;
	int64_t id;

	if (c->row->no == NO_run_prepare)
		move_waiters(rt, id_of(c));
	id = edge_send(rt->to_host, c->row->no, c->msg, c->fds, c->nfds, c->row->no == NO_run_list ? on_list : on_answer, c, &e);
	if (id < 0) {
		give_up_on(c, &e);
	} else if (c->row->no == NO_run_archive) {
		/* the one that may take long; its pipe is theirs alone now */
		c->cancel_ctx = (void *)(intptr_t)id;
		c->on_cancel = on_cancel;
		if (c->nfds > 0)
			fd_close(&c->fds[0]);
	}
}

static int
hold(struct runtime *rt, struct call *c, struct err *e)
{
	struct call **slot = &rt->held;

	if (rt->n_held >= HELD_MAX)
		return err_set(e, ERR_UNAVAILABLE, "the engine's host-runtime process is not available");
	while (*slot != NULL)
		slot = &(*slot)->next;
	c->next = NULL;
	*slot = c;
	rt->n_held++;
	route_want(rt);
	return 0;
}

static void
release_held(struct runtime *rt, const struct err *why)
{
	struct call *c = rt->held, *next;

	rt->held = NULL;
	rt->n_held = 0;
	for (; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		if (why != NULL)
			give_up_on(c, why);
		else
			pass_on(rt, c);
	}
}

/* ---- the edge ---- */

static int
on_exited(struct call *c, const void *msg, struct err *e)
{
	const struct run_exit *x = msg;

	if (x->id == NULL || x->exec == NULL)
		return err_set(e, ERR_PROTOCOL, "an end of nothing");
	send_exited(c->ctx, x->id, x->exec, (int)x->code, x->oom_killed, x->finished_at);
	return 0;
}

static int
on_detached(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;

	return rt->run != NULL && edge_send(rt->run, NO_run_detached, msg, NULL, 0, NULL, NULL, e) < 0 ? -1 : 0;
}

static void
on_ask_time(struct loop_timer *t)
{
	route_want((struct runtime *)(void *)((char *)t - offsetof(struct runtime, ask_timer)));
}

static void
ask_again(struct runtime *rt)
{
	rt->ask_timer.on_time = on_ask_time;
	if (rt->remotes != NULL || rt->held != NULL)
		loop_timer_set(rt->loop, &rt->ask_timer, rt->refused < TRIES ? INT64_C(100000000) : INT64_C(5000000000));
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct runtime *rt = ctx;

	if (rt->to_host == edge)
		rt->to_host = NULL;
	edge_free(edge);
	ask_again(rt);
}

static int
open_to_host(struct runtime *rt, int fd, struct err *e)
{
	static const edge_fn handlers[run_edge_end] = { [NO_run_exited] = on_exited, [NO_run_detached] = on_detached };
	struct edge_conf conf = { .table = &run_edge, .side = EDGE_A, .handlers = handlers, .n_handlers = run_edge_end, .ctx = rt,
		.peer = "host-runtime", .on_closed = on_closed };

	rt->to_host = edge_new(rt->loop, fd, &conf, e);
	if (rt->to_host == NULL)
		fd_close(&fd);
	return rt->to_host != NULL ? 0 : -1;
}

static void
on_asked(void *ctx, struct answer *a)
{
	struct runtime *rt = ctx;
	struct err e = ERR_INIT;

	rt->asking = false;
	if (a->err == NULL && a->nfds == 1 && open_to_host(rt, fd_take(&a->fds[0]), &e) == 0) {
		rt->refused = 0;
		release_held(rt, NULL);
		return;
	}
	if (a->err != NULL)
		e = *a->err;
	else if (e.code == ERR_NONE)
		err_set(&e, ERR_PROTOCOL, "no channel to the host-runtime");
	rt->refused++;
	if (e.code == ERR_DENIED || rt->refused >= TRIES) {
		if (rt->refused == 1 || rt->refused == TRIES)
			log_err(LOG_WARN, &e, "no host-runtime");
		release_held(rt, &e);
	}
	/* what the floor does not allow will not be allowed before the next start */
	if (e.code != ERR_DENIED)
		ask_again(rt);
}

void
route_want(struct runtime *rt)
{
	struct err e = ERR_INIT;

	if (rt->host || rt->asking || rt->to_host != NULL || (rt->remotes == NULL && rt->held == NULL))
		return;
	rt->asking = true;
	if (edge_send(rt->comp->ctl, NO_ctl_host_runtime, NULL, NULL, 0, on_asked, rt, &e) < 0) {
		rt->asking = false;
		release_held(rt, &e);
	}
}

/* ---- the decision ---- */

/* Only containers of one kind share namespaces: nobody without capabilities over it enters what belongs to the host's user namespace, and
   one of the host's user namespace in a container's network would be a way out of that. */
static int
check_joins(struct runtime *rt, const struct run_prepare *m, struct err *e)
{
	const char *const modes[] = { m->net, m->pid, m->ipc, m->uts };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (modes[i] != NULL && text_starts(modes[i], "container:") && remote_has(rt, modes[i] + 10) != m->userns_host)
			return err_set(e, ERR_UNSUPPORTED, "a container with a user namespace of its own and one with the host's (--userns=host) cannot share namespaces");
	return 0;
}

int
route(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	unsigned no = c->row->no;
	const char *id = id_of(c);

	if (rt->host)
		return own[no](c, msg, e);
	if (no == NO_run_prepare) {
		const struct run_prepare *m = msg;

		if (check_joins(rt, m, e) < 0)
			return -1;
		if (m->userns_host && (!text_is_id(id) || remote_add(rt, id, e) < 0))
			return text_is_id(id) ? -1 : err_set(e, ERR_PROTOCOL, "malformed container id");
	}
	if (no == NO_run_list ? rt->remotes == NULL && rt->to_host == NULL : !remote_has(rt, id))
		return own[no](c, msg, e);
	if (rt->to_host == NULL)
		return hold(rt, c, e);
	pass_on(rt, c);
	return 0;
}
