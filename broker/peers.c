#include "peers.h"

#include "broker.h"
#include "fd.h"
#include "lifecycle.h"
#include "log.h"
#include "msg/dns.h"
#include "msg/net.h"
#include "msg/run.h"
#include "msg/store.h"
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define WAITING_MAX 4096

struct peer_request {
	struct peer *peer;
	unsigned no, flags;
	struct arena arena;
	void *msg;
	int fds[EDGE_FDS_MAX];
	size_t nfds;
	answer_fn fn;
	void *ctx;
	int64_t until_ns, id;
	struct peer_request *next, *next_sent;
};

static const struct edge_table *const tables[PEER_COUNT] = { &run_edge, &store_edge, &net_edge, &dns_edge };
static const char *const names[PEER_COUNT] = { "run", "store", "net", "dns" };
static const char *const processes[PEER_COUNT] = { "runtime", "store", "network", "resolver" };

static void attempt(struct peer_request *q);

static void
on_nobody(void *ctx, struct answer *a)
{
}

static void
answer_error(struct peer_request *q, const struct err *e)
{
	struct arena none = ARENA_INIT;
	struct answer a = { .err = e, .arena = &none };

	q->fn(q->ctx, &a);
}

static void
unlink_sent(struct peer_request *q)
{
	for (struct peer_request **p = &q->peer->sent; *p != NULL; p = &(*p)->next_sent)
		if (*p == q) {
			*p = q->next_sent;
			return;
		}
}

static void
release(struct peer_request *q)
{
	unlink_sent(q);
	for (size_t i = 0; i < q->nfds; i++)
		fd_close(&q->fds[i]);
	arena_done(&q->arena);
	free(q);
}

static void
fail_unavailable(struct peer_request *q)
{
	struct err e = ERR_INIT;

	/* it was never sent: that is what the error number says */
	err_set(&e, ERR_UNAVAILABLE, "the engine's %s process is not available", processes[q->peer->no]);
	e.sys = ETIMEDOUT;
	answer_error(q, &e);
	release(q);
}

static void
arm(struct peer *p)
{
	int64_t now = now_mono_ns();

	if (p->waiting == NULL)
		loop_timer_clear(&p->expire);
	else
		loop_timer_set(p->b->loop, &p->expire, p->waiting->until_ns > now ? p->waiting->until_ns - now : 0);
}

static void
on_expire(struct loop_timer *t)
{
	struct peer *p = (struct peer *)(void *)((char *)t - offsetof(struct peer, expire));
	int64_t now = now_mono_ns();

	while (p->waiting != NULL && p->waiting->until_ns <= now) {
		struct peer_request *q = p->waiting;

		p->waiting = q->next;
		if (p->waiting == NULL)
			p->tail = &p->waiting;
		p->n_waiting--;
		fail_unavailable(q);
	}
	arm(p);
}

static void
wait_for_peer(struct peer_request *q)
{
	struct peer *p = q->peer;

	if (p->n_waiting >= WAITING_MAX) {
		fail_unavailable(q);
		return;
	}
	q->next = NULL;
	*p->tail = q;
	p->tail = &q->next;
	p->n_waiting++;
	if (p->expire.loop == NULL)
		arm(p);
}

static void
on_answer(void *ctx, struct answer *a)
{
	struct peer_request *q = ctx;

	if (a->err != NULL && a->err->code == ERR_UNAVAILABLE && (q->flags & PEER_AGAIN) != 0 && now_mono_ns() < q->until_ns &&
	    (q->flags & PEER_FIRST) == 0 && q->fn != on_nobody) {
		unlink_sent(q);
		wait_for_peer(q);
		return;
	}
	q->fn(q->ctx, a);
	if (!a->more)
		release(q);
}

static void
attempt(struct peer_request *q)
{
	struct err e = ERR_INIT;

	q->id = edge_send(q->peer->edge, q->no, q->msg, q->fds, q->nfds, on_answer, q, &e);
	if (q->id >= 0) {
		q->next_sent = q->peer->sent;
		q->peer->sent = q;
		return;
	}
	if (e.code == ERR_UNAVAILABLE || e.code == ERR_SYSTEM) {
		wait_for_peer(q);
		return;
	}
	answer_error(q, &e);
	release(q);
}

void
peer_send(struct broker *b, enum peer_no no, unsigned message, const void *msg, const int *fds, size_t nfds, unsigned flags,
    answer_fn fn, void *ctx)
{
	struct peer *p = &b->peers[no];
	struct peer_request *q = calloc(1, sizeof *q);
	const struct rec_type *t = edge_table_row(tables[no], message)->req;
	struct err e = ERR_INIT;

	if (q == NULL) {
		struct arena none = ARENA_INIT;
		struct answer a = { .err = &e, .arena = &none };

		err_set(&e, ERR_NO_MEMORY, "out of memory");
		fn(ctx, &a);
		return;
	}
	*q = (struct peer_request){ .peer = p, .no = message, .flags = flags, .fn = fn, .ctx = ctx,
		.until_ns = now_mono_ns() + PEER_WAIT_NS };
	for (; q->nfds < nfds && q->nfds < EDGE_FDS_MAX; q->nfds++)
		if ((q->fds[q->nfds] = fcntl(fds[q->nfds], F_DUPFD_CLOEXEC, 3)) < 0) {
			err_sys(&e, errno, "keep a descriptor");
			answer_error(q, &e);
			release(q);
			return;
		}
	/* a copy, because it may have to wait or be sent again */
	q->msg = msg != NULL ? arena_alloc(&q->arena, t->size) : NULL;
	if (msg != NULL && (q->msg == NULL || rec_copy(t, msg, &q->arena, q->msg, &e) < 0)) {
		if (q->msg == NULL)
			err_set(&e, ERR_NO_MEMORY, "out of memory");
		answer_error(q, &e);
		release(q);
		return;
	}
	if (edge_is_open(p->edge) && (p->ready || (flags & PEER_FIRST) != 0))
		attempt(q);
	else
		wait_for_peer(q);
}

bool
peer_cancel(struct broker *b, enum peer_no no, answer_fn fn, void *ctx)
{
	struct peer *p = &b->peers[no];

	for (struct peer_request *q = p->sent; q != NULL; q = q->next_sent)
		if (q->fn == fn && q->ctx == ctx) {
			edge_cancel(p->edge, q->id);
			release(q);
			return true;
		}
	for (struct peer_request **slot = &p->waiting; *slot != NULL; slot = &(*slot)->next) {
		struct peer_request *q = *slot;

		if (q->fn != fn || q->ctx != ctx)
			continue;
		*slot = q->next;
		if (p->tail == &q->next)
			p->tail = slot;
		p->n_waiting--;
		arm(p);
		release(q);
		return true;
	}
	return false;
}

void
peer_set_ready(struct peer *p)
{
	struct peer_request *q = p->waiting;

	if (p->ready)
		return;
	p->ready = true;
	p->waiting = NULL;
	p->tail = &p->waiting;
	p->n_waiting = 0;
	arm(p);
	while (q != NULL) {
		struct peer_request *next = q->next;

		attempt(q);
		q = next;
	}
}

bool
peer_all_ready(const struct broker *b)
{
	for (int i = 0; i < PEER_COUNT; i++)
		if (!b->peers[i].ready)
			return false;
	return true;
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct peer *p = ctx;

	if (p->edge == edge) {
		p->edge = NULL;
		p->ready = false;
		log_err(LOG_WARN, why, "edge %s is gone", p->name);
	}
	edge_free(edge);
}

static int
on_run_exited(struct call *c, const void *msg, struct err *e)
{
	struct peer *p = c->ctx;

	return lifecycle_exited(p->b, msg, e);
}

static int
on_run_detached(struct call *c, const void *msg, struct err *e)
{
	struct peer *p = c->ctx;

	lifecycle_detached(p->b, msg);
	return 0;
}

int
peer_connect(struct broker *b, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[run_edge_end] = { [NO_run_exited] = on_run_exited, [NO_run_detached] = on_run_detached };
	own_fd held = fd;
	struct edge_conf conf = { .side = EDGE_A, .on_closed = on_closed };
	struct peer *p = NULL;
	struct edge *edge;

	for (int i = 0; i < PEER_COUNT; i++)
		if (name != NULL && strcmp(name, names[i]) == 0)
			p = &b->peers[i];
	if (p == NULL)
		return err_set(e, ERR_PROTOCOL, "there is no edge %s", name != NULL ? name : "");
	conf.table = tables[p->no];
	conf.peer = processes[p->no];
	conf.ctx = p;
	if (p->no == PEER_RUN) {
		conf.handlers = handlers;
		conf.n_handlers = run_edge_end;
	}
	edge = edge_new(b->loop, held, &conf, e);
	if (edge == NULL)
		return -1;
	(void)fd_take(&held);
	if (p->edge != NULL) {
		struct edge *old = p->edge;

		p->edge = NULL;
		p->ready = false;
		edge_free(old);
	}
	p->edge = edge;
	p->ready = false;
	recover_peer(p);
	return 0;
}

void
peers_init(struct broker *b)
{
	for (int i = 0; i < PEER_COUNT; i++) {
		struct peer *p = &b->peers[i];

		*p = (struct peer){ .b = b, .name = names[i], .no = (enum peer_no)i, .expire = { .on_time = on_expire } };
		p->tail = &p->waiting;
	}
}

void
peers_done(struct broker *b)
{
	for (int i = 0; i < PEER_COUNT; i++) {
		struct peer *p = &b->peers[i];

		loop_timer_clear(&p->expire);
		loop_timer_clear(&p->retry);
		for (struct peer_request *q = p->sent; q != NULL; q = q->next_sent)
			q->fn = on_nobody;
		edge_free(p->edge);
		p->edge = NULL;
		while (p->waiting != NULL) {
			struct peer_request *q = p->waiting;

			p->waiting = q->next;
			release(q);
		}
	}
}
