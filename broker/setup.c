/* Opens what the broker needs, before its sandbox closes. */
#include "broker.h"
#include "clients.h"
#include "events.h"
#include "exec.h"
#include "info.h"
#include "lifecycle.h"
#include "logship.h"
#include "nets.h"
#include "setup.h"
#include "steps.h"
#include "text.h"

#include <errno.h>
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
int
broker_configure(struct broker *b, const struct engine_config *config, struct err *e)
{
	struct engine_config *copy = arena_alloc(&b->config_arena, sizeof *copy);

	if (copy == NULL)
		return err_memory(e);
	if (rec_copy(&engine_config_type, config, &b->config_arena, copy, e) < 0)
		return -1;
	/* what the supervisor did not say is as it is on the host */
	if (copy->resolv_conf == NULL)
		copy->resolv_conf = b->facts.resolv_conf;
	if (!text_set(copy->hostname))
		copy->hostname = b->facts.hostname;
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
	events_sweep(b);
	waits_sweep(b);
	loop_timer_set(b->loop, t, SWEEP);
}

static void
on_idle(void *ctx)
{
	state_pack_dirty(ctx);
}

int
broker_open(struct broker *b, struct loop *l, const struct engine_config *config, int dir, int *sockets, size_t n_sockets, struct err *e)
{
	b->loop = l;
	cgroup_facts_read(&b->facts, config->cgroup_parent);
	facts_read(&b->facts);
	peers_init(b);
	if (fchdir(dir) < 0)
		return err_sys(e, errno, "enter the state directory");
	if (broker_configure(b, config, e) < 0 || (b->db = db_open(e)) == NULL || state_load(b, e) < 0 || engine_id(b, e) < 0 ||
	    start_network(b, e) < 0 || ops_load(b, e) < 0 || (b->events = events_new(b, e)) == NULL ||
	    (b->clients = clients_new(b, sockets, n_sockets, e)) == NULL)
		return -1;
	b->sweep.on_time = on_sweep;
	loop_timer_set(l, &b->sweep, SWEEP);
	loop_on_idle(l, on_idle, b);
	return 0;
}

void
broker_close(struct broker *b)
{
	clients_free(b->clients);
	peers_done(b);
	ops_done(b);
	logship_done(b);
	loop_timer_clear(&b->sweep);
	loop_timer_clear(&b->stop_timer);
	events_free(b->events);
	state_done(b);
	ipam_done(&b->ipam);
	db_close(b->db);
	arena_done(&b->config_arena);
	*b = (struct broker){ 0 };
}
