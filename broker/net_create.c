/*
 * Networks are made and removed. The record and the bridge go in such an order that a crash between them leaves a bridge
 * without a record at most, which netd removes when it is next told what must exist (net_sync).
 */
#include "nets.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "filters.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "text.h"

#include <stdlib.h>

/* ---- create ---- */
struct making { struct network rec; struct net *net; size_t at; bool chosen; };

static void
net_free(struct net *n)
{
	if (n == NULL)
		return;
	ipam_done(&n->own_pool);
	arena_done(&n->arena);
	free(n);
}

static struct net *
net_new(const struct network *rec, struct err *e)
{
	struct net *n = calloc(1, sizeof *n);

	if (n == NULL) {
		err_memory(e);
		return NULL;
	}
	if (rec_copy(&network_type, rec, &n->arena, &n->rec, e) < 0 || net_pool(&n->rec, &n->own_pool, e) < 0) {
		net_free(n);
		return NULL;
	}
	n->pool = &n->own_pool;
	n->busy = true;
	return n;
}

static void ask_bridge(struct op *op);

static void
on_bridge(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct making *m = op->state;

	if (a->err == NULL) {
		op_done(op);
	} else if (a->err->code == ERR_CONFLICT && m->chosen) {
		/* the host has a route there: another one */
		index_del(&op->b->net_by_id, m->net->rec.id);
		net_free(m->net);
		m->net = NULL;
		ask_bridge(op);
	} else {
		op_failed(op, a->err);
	}
}

/* The network is in the index from here on (busy), so that nobody takes its name, subnet or bridge. */
static void
ask_bridge(struct op *op)
{
	struct broker *b = op->b;
	struct making *m = op->state;
	struct net_bridge wish;
	struct err e = ERR_INIT;

	if (m->chosen && net_next_subnet(b, &m->at, &op->arena, &m->rec, &e) < 0)
		goto failed;
	m->net = net_new(&m->rec, &e);
	if (m->net == NULL)
		goto failed;
	if (index_put(&b->net_by_id, m->net->rec.id, m->net, &e) < 0) {
		net_free(m->net);
		m->net = NULL;
		goto failed;
	}
	if (net_bridge_fill(b, m->net, &op->arena, &wish, &e) < 0)
		goto failed;
	wish.chosen = m->chosen;
	peer_send(b, PEER_NET, NO_net_bridge_create, &wish, NULL, 0, 0, on_bridge, op);
	return;
failed:
	op_failed(op, &e);
}

static void
on_unmade(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct making *m = op->state;

	(void)a;
	index_del(&op->b->net_by_id, m->net->rec.id);
	net_free(m->net);
	m->net = NULL;
	op_done(op);
}

static void
unmake_bridge(struct op *op)
{
	struct making *m = op->state;
	struct net_name name;

	if (m->net == NULL) {
		op_done(op);
		return;
	}
	name.name = m->net->rec.bridge;
	peer_send(op->b, PEER_NET, NO_net_bridge_remove, &name, NULL, 0, PEER_AGAIN, on_unmade, op);
}

static void
record(struct op *op)
{
	struct broker *b = op->b;
	struct making *m = op->state;
	struct err e = ERR_INIT;

	if (db_begin(b->db, true, &e) == 0) {
		if (db_put(b->db, DB_NETWORKS, m->net->rec.id, &network_type, &m->net->rec, &e) == 0 && db_commit(b->db, &e) == 0) {
			m->net->busy = false;
			op_done(op);
			return;
		}
		db_rollback(b->db);
	}
	op_failed(op, &e);
}

static void
created(struct op *op)
{
	const struct making *m = op->state;
	struct api_created answer = { 0 };

	if (op->err.code != ERR_NONE)
		return;
	event_net(op->b, "create", m->net);
	answer.id = m->net->rec.id;
	if (op->call != NULL)
		call_reply(op->call, &answer, NULL, 0);
	op->call = NULL;
}

static const struct op_step create_steps[] = { { "bridge", ask_bridge, unmake_bridge }, { "record", record, NULL } };
const struct op_kind op_network_create = { .name = "network-create", .steps = create_steps, .n = 2, .finish = created };

int
handle_network_create(struct call *call, const void *msg, struct err *e)
{
	struct broker *b = client_broker(call);
	struct making *m;
	struct op *op;

	m = arena_alloc(&call->arena, sizeof *m);
	if (m == NULL)
		return err_memory(e);
	if (net_settings(b, msg, &call->arena, &m->rec, e) < 0)
		return -1;
	m->chosen = m->rec.ipam->config.n == 0;
	op = op_new(b, &op_network_create, NULL, m->rec.id, call, e);
	if (op == NULL)
		return -1;
	op->state = arena_alloc(&op->arena, sizeof *m);
	if (op->state == NULL)
		err_memory(&op->err);
	else
		memcpy(op->state, m, sizeof *m);
	op_submit(op);
	return 0;
}

/* ---- remove ---- */
static void
on_bridge_gone(void *ctx, struct answer *a)
{
	struct op *op = ctx;

	if (a->err != NULL && a->err->code != ERR_UNAVAILABLE)
		log_err(LOG_WARN, a->err, "remove the bridge of network %.12s", op->object);
	op_done(op);
}

static void
forget(struct op *op)
{
	struct broker *b = op->b;
	struct net *n = index_get(&b->net_by_id, op->object);
	struct err e = ERR_INIT;
	char *bridge;
	struct net_name name;

	if (n == NULL || (bridge = arena_str(&op->arena, text_or_empty(n->rec.bridge))) == NULL || db_begin(b->db, true, &e) < 0) {
		if (e.code == ERR_NONE)
			err_memory(&e);
		op_failed(op, &e);
		return;
	}
	if (db_del(b->db, DB_NETWORKS, n->rec.id, &e) < 0 || db_commit(b->db, &e) < 0) {
		db_rollback(b->db);
		n->busy = false;
		op_failed(op, &e);
		return;
	}
	event_net(b, "destroy", n);
	index_del(&b->net_by_id, n->rec.id);
	net_free(n);
	name = (struct net_name){ .name = bridge };
	peer_send(b, PEER_NET, NO_net_bridge_remove, &name, NULL, 0, PEER_AGAIN, on_bridge_gone, op);
}

static const struct op_step remove_steps[] = { { "forget", forget, NULL } };
const struct op_kind op_network_remove = { .name = "network-remove", .steps = remove_steps, .n = 1 };

static int
submit_remove(struct broker *b, struct net *n, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	struct op *op = op_new(b, &op_network_remove, NULL, n->rec.id, call, e);

	if (op == NULL)
		return -1;
	n->busy = true;
	op->then = then;
	op->then_ctx = ctx;
	op_submit(op);
	return 0;
}

int
handle_network_remove(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct broker *b = client_broker(call);
	struct net *n = net_find(b, m->ref, e);
	const struct ctr *user = NULL;

	if (n == NULL)
		return -1;
	if (net_is_predefined(n))
		return err_set(e, ERR_DENIED, "%s is a pre-defined network and cannot be removed", n->rec.name);
	if (n->busy)
		return err_set(e, ERR_CONFLICT, "network %s is being made or removed", n->rec.name);
	if (net_users(b, n, &user) > 0)
		return err_set(e, ERR_DENIED, "error while removing network: network %s has active endpoints (name:\"%s\" id:\"%.12s\")", n->rec.name,
		    ctr_name(user), user->id);
	return submit_remove(b, n, call, NULL, NULL, e);
}

/* ---- prune ---- */
struct prune { struct broker *b; struct call *call; size_t left; struct api_pruned answer; };

static void
prune_end(struct prune *p)
{
	p->b->pruning[3] = false;
	event_emit(p->b, "network", "prune", "", (const char *const[]){ "reclaimed", "0", NULL });
	call_reply(p->call, &p->answer, NULL, 0);
}

static void
on_pruned(struct op *op, void *ctx)
{
	(void)op;
	if (--((struct prune *)ctx)->left == 0)
		prune_end(ctx);
}

int
handle_network_prune(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	const struct api_filters *m = msg;
	struct broker *b = client_broker(call);
	struct prune *p;
	struct net **due;
	size_t n = 0;
	int64_t until;

	if (filters_check(&m->filters, known, e) < 0 || filter_until(&m->filters, &until, e) < 0)
		return -1;
	if (b->pruning[3])
		return err_set(e, ERR_CONFLICT, "a prune operation is already running");
	p = arena_alloc(&call->arena, sizeof *p);
	due = arena_array(&call->arena, b->net_by_id.n, sizeof(struct net *));
	if (p == NULL || due == NULL)
		return err_memory(e);
	for (size_t i = 0; i < b->net_by_id.n; i++) {
		struct net *one = b->net_by_id.v[i].value;

		if (!net_is_predefined(one) && !one->busy && net_users(b, one, NULL) == 0 && (until == 0 || one->rec.created <= until) &&
		    filter_labels(&m->filters, &one->rec.labels))
			due[n++] = one;
	}
	*p = (struct prune){ .b = b, .call = call, .left = n + 1 };
	b->pruning[3] = true;
	for (size_t i = 0; i < n; i++) {
		struct err one = ERR_INIT;

		if (!strs_add(&p->answer.deleted, &call->arena, due[i]->rec.name) || submit_remove(b, due[i], NULL, on_pruned, p, &one) < 0)
			p->left--;
	}
	if (--p->left == 0)
		prune_end(p);
	return 0;
}
