#include "recover.h"

#include "broker.h"
#include "dns.h"
#include "events.h"
#include "exec.h"
#include "health.h"
#include "images.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "logship.h"
#include "msg/net.h"
#include "text.h"
#include "volumes.h"

#define AGAIN (INT64_C(1000) * 1000000)

static void ask(struct peer *p);

static void
on_ignored(void *ctx, struct answer *a)
{
	if (a->err != NULL && a->err->code != ERR_UNAVAILABLE)
		log_err(LOG_WARN, a->err, "%s", (const char *)ctx);
}

/* ---- runtime ---- */
static const struct run_state *
state_of(const struct run_states *m, const char *id)
{
	for (size_t i = 0; i < m->items.n; i++)
		if (text_same(m->items.v[i].id, id))
			return &m->items.v[i];
	return NULL;
}

static void
adopt(struct ctr *c, const struct run_state *s)
{
	bool was_up = ctr_running(c), paused = text_same(s->state, "paused");

	if (!was_up || paused != c->rec.state->paused || c->rec.state->pid != s->pid) {
		ctr_status(c, paused ? "paused" : "running");
		c->rec.state->pid = s->pid;
		if (s->started_at != 0)
			c->rec.state->started_at = s->started_at;
		c->rec.id_base = s->id_base;
		ctr_save_soft(c);
		if (!was_up)
			event_ctr(c, "start", NULL);
	}
	net_adopt(c);
	execs_compare(c, &s->execs);
	health_start(c, !was_up);
}

static bool
starting(const struct ctr *c)
{
	return c->ops != NULL && c->ops->kind == &op_start && c->ops->recovered;
}

static void
compare_container(struct ctr *c, const struct run_state *s)
{
	if (c->in_doubt) {
		start_resolved(c, s);
	} else if (s == NULL || text_same(s->state, "prepared")) {
		/* after a reboot, or the runtime's memory of it was lost: it is not running, and nobody knows how it ended. An operation
		   that was to end it finds that it has */
		if (ctr_running(c))
			ctr_exited(c, 255, false, 0, NULL);
		return;
	}
	if (s == NULL)
		return;
	if (text_same(s->state, "running") || text_same(s->state, "paused")) {
		adopt(c, s);
		return;
	}
	if (!text_same(s->state, "exited"))
		return;
	/* a start that was interrupted had succeeded, and the program has ended since: not the end that is recorded already */
	if (!ctr_running(c) && starting(c) && s->finished_at > c->rec.state->finished_at && s->started_at > 0) {
		ctr_status(c, "running");
		c->rec.state->started_at = s->started_at;
	}
	if (ctr_running(c))
		ctr_exited(c, s->code, s->oom_killed, s->finished_at, NULL);
}

static void
on_run_list(void *ctx, struct answer *a)
{
	struct peer *p = ctx;
	struct broker *b = p->b;
	const struct run_states *m = a->msg;

	if (a->err != NULL) {
		log_err(LOG_WARN, a->err, "list of running containers");
		if (a->err->code != ERR_UNAVAILABLE)
			ask(p);
		return;
	}
	for (size_t i = b->ctr_by_id.n; i > 0; i--) {
		struct ctr *c = b->ctr_by_id.v[i - 1].value;

		if (!c->making)
			compare_container(c, state_of(m, c->id));
	}
	for (size_t i = 0; i < m->items.n; i++) {
		struct run_id gone = { .id = m->items.v[i].id };
		struct ctr *c = index_get(&b->ctr_by_id, text_or_empty(gone.id));

		if (c == NULL && b->damaged == 0) {
			log_msg(LOG_WARN, "the runtime has a container %.12s that is not recorded: it is removed", text_or_empty(gone.id));
			peer_send(b, PEER_RUN, NO_run_delete, &gone, NULL, 0, PEER_FIRST, on_ignored, (void *)(uintptr_t)"remove an unknown container");
		} else if (c != NULL && text_same(m->items.v[i].state, "prepared") && !op_decides(c)) {
			peer_send(b, PEER_RUN, NO_run_cancel, &gone, NULL, 0, PEER_FIRST, on_ignored, (void *)(uintptr_t)"take back a sandbox");
		}
	}
	peer_set_ready(p);
	recover_all(b);
}

/* ---- store ---- */
static void
drop_rubbish(struct broker *b, const struct store_inventory *m, struct arena *a)
{
	struct store_drop drop = { 0 };

	for (size_t i = 0; i < m->rws.n; i++) {
		struct store_name name = { .name = m->rws.v[i] };

		if (index_get(&b->ctr_by_id, m->rws.v[i]) != NULL || op_known_object(b, m->rws.v[i]))
			continue;
		log_msg(LOG_INFO, "files of a container %.12s that is not recorded are removed", m->rws.v[i]);
		peer_send(b, PEER_STORE, NO_store_rw_remove, &name, NULL, 0, PEER_FIRST, on_ignored, (void *)(uintptr_t)"remove files");
	}
	for (size_t i = 0; i < m->layers.n; i++)
		if (!layer_is_used(b, m->layers.v[i], NULL) && !strs_add(&drop.layers, a, m->layers.v[i]))
			return;
	for (size_t i = 0; i < m->image_ids.n; i++)
		if (index_get(&b->img_by_id, m->image_ids.v[i]) == NULL && !strs_add(&drop.image_ids, a, m->image_ids.v[i]))
			return;
	if (drop.layers.n > 0 || drop.image_ids.n > 0)
		peer_send(b, PEER_STORE, NO_store_drop, &drop, NULL, 0, PEER_FIRST, on_ignored, (void *)(uintptr_t)"remove layers");
}

/* A volume may hold what somebody still needs: it is never taken for rubbish, but found again. */
static void
find_volumes(struct broker *b, const struct store_inventory *m)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < m->volumes.n; i++) {
		own_arena a = ARENA_INIT;
		struct volume rec;
		struct vol *v;

		if (vol_find(b, m->volumes.v[i]) != NULL || op_known_object(b, m->volumes.v[i]))
			continue;
		/* a creation that was interrupted knows its volumes */
		if (op_known_volume(b, m->volumes.v[i]))
			continue;
		log_msg(LOG_WARN, "volume %s is on disk without a record: it is recorded again", m->volumes.v[i]);
		if (volume_fill(b, &a, &rec, m->volumes.v[i], text_is_id(m->volumes.v[i]), NULL, NULL) < 0 || (v = vol_put(b, &rec, &e)) == NULL ||
		    db_begin(b->db, true, &e) < 0)
			break;
		if (vol_write(b, v, &e) < 0 || db_commit(b->db, &e) < 0) {
			db_rollback(b->db);
			break;
		}
	}
	if (e.code != ERR_NONE)
		log_err(LOG_ERROR, &e, "record a volume");
}

static void
on_store_list(void *ctx, struct answer *a)
{
	struct peer *p = ctx;
	struct broker *b = p->b;
	const struct store_inventory *m = a->msg;
	own_arena arena = ARENA_INIT;

	if (a->err != NULL) {
		log_err(LOG_WARN, a->err, "inventory of the store");
		if (a->err->code != ERR_UNAVAILABLE)
			ask(p);
		return;
	}
	for (size_t i = 0; i < b->img_by_id.n; i++) {
		const struct img *img = b->img_by_id.v[i].value;

		for (size_t k = 0; k < img->rec.layers.n; k++)
			if (!strs_has(&m->layers, img->rec.layers.v[k].dir))
				log_msg(LOG_ERROR, "layer %s of image %s is missing in the store", img->rec.layers.v[k].dir, img->rec.id);
	}
	if (b->damaged > 0)
		log_msg(LOG_WARN, "%zu records are damaged: nothing on disk is taken for rubbish", b->damaged);
	else
		drop_rubbish(b, m, &arena);
	find_volumes(b, m);
	peer_set_ready(p);
	recover_all(b);
}

/* ---- network ---- */
static void
on_synced(void *ctx, struct answer *a)
{
	struct peer *p = ctx;

	if (a->err != NULL) {
		log_err(LOG_ERROR, a->err, "set up the networks");
		if (a->err->code != ERR_UNAVAILABLE)
			ask(p);
		return;
	}
	peer_set_ready(p);
	recover_all(p->b);
}

static void
sync_networks(struct peer *p)
{
	struct broker *b = p->b;
	own_arena a = ARENA_INIT;
	struct net_state m = { 0 };

	for (size_t i = 0; i < b->net_by_id.n; i++) {
		const struct net *net = b->net_by_id.v[i].value;
		struct net_bridge *br;
		struct err bad = ERR_INIT;

		if (!net_is_bridged(net) || net->pool == NULL || (net_is_predefined(net) && text_same(b->config->bridge, "none")))
			continue;
		br = list_add(&m.bridges, &a, sizeof *br);
		if (br == NULL || net_bridge_fill(b, net, &a, br, &bad) < 0)
			goto no_memory;
	}
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;
		const struct endpoint_list *l = &c->rec.network_settings->networks;

		net_adopt(c);
		for (size_t k = 0; k < l->n; k++) {
			const struct net *net = net_of(b, &l->v[k]);
			struct net_endpoint *n;

			if (!net_is_attached(&l->v[k]))
				continue;
			if (net == NULL || net->pool == NULL) {
				log_msg(LOG_ERROR, "container %.12s is left out of network %s, which is gone or damaged", c->id, text_or_empty(l->v[k].network));
				continue;
			}
			n = list_add(&m.endpoints, &a, sizeof *n);
			if (n == NULL || net_endpoint_of(c, k, &a, n) < 0)
				goto no_memory;
		}
	}
	peer_send(b, PEER_NET, NO_net_sync, &m, NULL, 0, PEER_FIRST, on_synced, p);
	return;
no_memory:
	log_msg(LOG_ERROR, "no memory to tell what networks there are");
	ask(p);
}

/* ---- all ---- */
static void
ask_now(struct peer *p)
{
	if (!edge_is_open(p->edge))
		return;
	if (p->no == PEER_RUN)
		peer_send(p->b, PEER_RUN, NO_run_list, NULL, NULL, 0, PEER_FIRST, on_run_list, p);
	else if (p->no == PEER_STORE)
		peer_send(p->b, PEER_STORE, NO_store_list, NULL, NULL, 0, PEER_FIRST, on_store_list, p);
	else if (p->no == PEER_DNS) {
		dns_sync(p->b);
		peer_set_ready(p);
		recover_all(p->b);
	} else
		sync_networks(p);
}

static void
on_retry(struct loop_timer *t)
{
	ask_now((struct peer *)(void *)((char *)t - offsetof(struct peer, retry)));
}

static void
ask(struct peer *p)
{
	p->retry.on_time = on_retry;
	loop_timer_set(p->b->loop, &p->retry, AGAIN);
}

void
recover_peer(struct peer *p)
{
	loop_timer_clear(&p->retry);
	/* the runtime's word on what runs comes first: only then is known which endpoints there are */
	if ((p->no == PEER_NET || p->no == PEER_DNS) && !p->b->compared_run)
		return;
	ask_now(p);
}

static void
mark_half_removed(struct broker *b)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;

		/* its removal was interrupted before it was journaled as done */
		if (text_same(c->rec.state->status, "removing") && !op_decides(c)) {
			ctr_status(c, "dead");
			ctr_save_soft(c);
		}
	}
}

void
recover_policies(struct broker *b)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;
		const struct container_state *s = c->rec.state;

		if (ctr_running(c) || op_decides(c) || c->making)
			continue;
		if (s->restarting || (s->started_at != 0 && restart_wanted(c, s->exit_code, true))) {
			int64_t count = c->rec.restart_count;

			restart_later(c);
			c->rec.restart_count = s->restarting ? count : 0;
		} else if (c->rec.host_config->auto_remove && s->started_at != 0) {
			struct err e = ERR_INIT;

			if (remove_container(c, NULL, true, true, NULL, NULL, &e) < 0)
				log_err(LOG_ERROR, &e, "remove container %.12s", c->id);
		}
	}
}

void
recover_all(struct broker *b)
{
	if (b->peers[PEER_RUN].ready && !b->compared_run) {
		b->compared_run = true;
		if (edge_is_open(b->peers[PEER_NET].edge) && !b->peers[PEER_NET].ready)
			ask_now(&b->peers[PEER_NET]);
		if (edge_is_open(b->peers[PEER_DNS].edge) && !b->peers[PEER_DNS].ready)
			ask_now(&b->peers[PEER_DNS]);
	}
	if (b->recovered || !peer_all_ready(b))
		return;
	b->recovered = true;
	ops_submit_recovered(b);
	mark_half_removed(b);
	recover_policies(b);
	logship_all(b);
	log_msg(LOG_INFO, "recovered: %zu containers, %zu images, %zu volumes", b->ctr_by_id.n, b->img_by_id.n, b->vol_by_name.n);
}
