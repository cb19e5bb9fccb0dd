/* bulwark-broker: the engine's mind. Accepts connections, keeps the records, runs the operations; holds no privilege. */
#include "broker.h"
#include "clients.h"
#include "events.h"
#include "exec.h"
#include "fd.h"
#include "info.h"
#include "log.h"
#include "networks.h"
#include "recover.h"
#include "shutdown.h"
#include "steps.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SWEEP (INT64_C(30) * 1000000000)

static int
find_id(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	struct broker *b = ctx;

	if (strcmp(key, "engine-id") == 0 && n < sizeof b->engine_id)
		memcpy(b->engine_id, data, n);
	return 0;
}

static int
engine_id(struct broker *b, struct err *e)
{
	char hex[65];

	if (db_each(b->db, DB_META, find_id, b, NULL, e) < 0)
		return -1;
	if (b->engine_id[0] != '\0')
		return 0;
	text_random_id(hex);
	snprintf(b->engine_id, sizeof b->engine_id, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15, hex + 18);
	if (db_begin(b->db, true, e) < 0)
		return -1;
	if (db_put_blob(b->db, DB_META, "engine-id", b->engine_id, strlen(b->engine_id), e) == 0)
		return db_commit(b->db, e);
	db_rollback(b->db);
	return -1;
}

/* An earlier configuration stays in the arena: operations under way may point into it. */
static int
take_config(struct broker *b, const struct engine_config *config, struct err *e)
{
	struct engine_config *copy = arena_alloc(&b->config_arena, sizeof *copy);

	if (copy == NULL)
		return err_memory(e);
	if (rec_copy(&engine_config_type, config, &b->config_arena, copy, e) < 0)
		return -1;
	b->config = copy;
	return 0;
}

static int
start_network(struct broker *b, struct err *e)
{
	const struct engine_config *g = b->config;

	return ipam_init(&b->ipam, text_set(g->bip) ? g->bip : "172.17.0.1/16", g->fixed_cidr, g->default_gateway, e) < 0 ||
	    networks_init(b, e) < 0 ? -1 : 0;
}

static void
on_sweep(struct loop_timer *t)
{
	struct broker *b = (struct broker *)(void *)((char *)t - offsetof(struct broker, sweep));

	execs_sweep(b);
	loop_timer_set(b->loop, t, SWEEP);
}

static void
on_idle(void *ctx)
{
	state_pack_dirty(ctx);
}

static int
broker_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct broker *b = c->ctx;

	if (nfds < 1)
		return err_set(e, ERR_PROTOCOL, "the state directory is missing");
	b->comp = c;
	b->loop = c->loop;
	b->facts.cgroup_two = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
	facts_read(&b->facts);
	peers_init(b);
	if (fchdir(fds[0]) < 0)
		return err_sys(e, errno, "enter the state directory");
	if (take_config(b, m->config, e) < 0 || (b->db = db_open(e)) == NULL || state_load(b, e) < 0 || engine_id(b, e) < 0 ||
	    start_network(b, e) < 0 || ops_load(b, e) < 0 || (b->events = events_new(b, e)) == NULL ||
	    (b->clients = clients_new(b, fds + 1, nfds - 1, e)) == NULL)
		return -1;
	c->trees[c->n_trees++] = (struct role_tree){ .fd = fd_take(&fds[0]), .write = true, .close = true };
	b->sweep.on_time = on_sweep;
	loop_timer_set(b->loop, &b->sweep, SWEEP);
	loop_on_idle(b->loop, on_idle, b);
	return 0;
}

static int
broker_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	return peer_connect(c->ctx, name, fd, e);
}

static void
broker_stop(struct comp *c, struct call *call)
{
	shutdown_begin(c->ctx, call);
}

/* What may change while running: labels, debug, shutdown timeout, live restore, and what new containers get. */
static int
broker_reload(struct comp *c, const struct ctl_start *m, struct err *e)
{
	struct broker *b = c->ctx;
	struct engine_config *now = b->config, *fresh;

	if (take_config(b, m->config, e) < 0)
		return -1;
	fresh = b->config;
	/* the bridge stays as it is until the next start */
	fresh->bridge = now->bridge;
	fresh->bip = now->bip;
	fresh->fixed_cidr = now->fixed_cidr;
	fresh->default_gateway = now->default_gateway;
	fresh->mtu = now->mtu;
	fresh->icc = now->icc;
	fresh->ip_masq = now->ip_masq;
	event_emit(b, "daemon", "reload", b->engine_id, (const char *const[]){ "name", fresh->hostname, NULL });
	return 0;
}

int
main(void)
{
	struct broker b = { 0 };
	struct comp c = { .role = ROLE_BROKER, .ctx = &b, .start = broker_start, .edge = broker_edge, .stop = broker_stop,
		.reload = broker_reload };
	int status = comp_main(&c);

	db_close(b.db);
	return status;
}
