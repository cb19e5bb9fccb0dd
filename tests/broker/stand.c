#include "stand.h"

#include "clients.h"
#include "fd.h"
#include "log.h"
#include "msg/dns.h"
#include "msg/net.h"
#include "msg/run.h"
#include "msg/store.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define LAYER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Not answered: the peer dies first. */
static void
mute(struct stand *s, struct call *c)
{
	assert_true(s->n_muted < 16);
	s->muted[s->n_muted++] = c;
}

void
stand_put(struct index *x, const char *name)
{
	struct err e = ERR_INIT;
	char *copy = strdup(name);

	if (index_put(x, copy, copy, &e) < 0)
		free(copy);
}

static void
drop(struct index *x, const char *name)
{
	char *copy = index_get(x, name);

	index_del(x, name);
	free(copy);
}

static void
drop_all(struct index *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->v[i].value);
	index_done(x);
}

struct stand_ctr *
stand_ctr_of(struct stand *s, const char *id)
{
	for (size_t i = 0; i < STAND_CONTAINERS; i++)
		if (strcmp(s->ctrs[i].id, id) == 0)
			return &s->ctrs[i];
	return NULL;
}

/* ---- runtime ---- */
static int
on_prepare(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_prepare *m = msg;
	struct stand_ctr *k = stand_ctr_of(s, m->id);
	struct run_prepared r = { .pid = 100, .id_base = 536870912 };
	own_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (k == NULL)
		k = stand_ctr_of(s, "");
	if (k == NULL)
		abort();
	*k = (struct stand_ctr){ .state = "prepared" };
	snprintf(k->id, sizeof k->id, "%s", m->id);
	if (s->mute_prepare)
		mute(s, c);
	else
		call_reply(c, &r, &fd, strcmp(m->net, "new") == 0 ? 1 : 0);
	return 0;
}

static int
on_start(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_spec *m = msg;
	struct stand_ctr *k = stand_ctr_of(s, m->id);
	struct run_started r = { .pid = 100, .started_at = now_real_ns() };

	if (k == NULL || strcmp(k->state, "prepared") != 0)
		return err_set(e, ERR_CONFLICT, "not prepared");
	if (s->run_error[0] != '\0')
		return err_set(e, ERR_INVALID, "%s", s->run_error);
	snprintf(k->state, sizeof k->state, "running");
	k->started_at = r.started_at;
	if (s->mute_start)
		mute(s, c);
	else
		call_reply(c, &r, NULL, 0);
	return 0;
}

static int
on_cancel(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_id *m = msg;
	struct stand_ctr *k = stand_ctr_of(s, m->id);

	s->cancels++;
	if (k != NULL && strcmp(k->state, "exited") != 0)
		*k = (struct stand_ctr){ 0 };
	call_ok(c);
	return 0;
}

void
stand_exit(struct stand *s, const char *id, int64_t code)
{
	struct stand_ctr *k = stand_ctr_of(s, id);
	struct run_exit m = { .id = (char *)(uintptr_t)id, .code = code, .finished_at = now_real_ns() };
	struct err e = ERR_INIT;

	if (k == NULL)
		abort();
	snprintf(k->state, sizeof k->state, "exited");
	k->code = code;
	k->finished_at = m.finished_at;
	if (s->run != NULL && edge_send(s->run, NO_run_exited, &m, NULL, 0, NULL, NULL, &e) < 0)
		fail_msg("%s", e.text);
}

static int
on_signal(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_signal *m = msg;
	struct stand_ctr *k = stand_ctr_of(s, m->id);

	if (k == NULL || strcmp(k->state, "running") != 0)
		return err_set(e, ERR_NOT_FOUND, "no such process");
	if (s->mute_signal) {
		mute(s, c);
		return 0;
	}
	if (m->signal == SIGKILL || !s->signal_ignored)
		stand_exit(s, m->id, 128 + m->signal);
	call_ok(c);
	return 0;
}

static int
on_freeze(struct call *c, const void *msg, struct err *e)
{
	const struct run_freeze *m = msg;
	struct stand_ctr *k = stand_ctr_of(c->ctx, m->id);

	if (k == NULL || strcmp(k->state, m->freeze ? "running" : "paused") != 0)
		return err_set(e, ERR_CONFLICT, m->freeze ? "Container %s is already paused" : "Container %s is not paused", m->id);
	snprintf(k->state, sizeof k->state, m->freeze ? "paused" : "running");
	call_ok(c);
	return 0;
}

static int
on_delete(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	struct stand_ctr *k = stand_ctr_of(s, ((const struct run_id *)msg)->id);

	s->deletes++;
	if (k != NULL)
		*k = (struct stand_ctr){ 0 };
	call_ok(c);
	return 0;
}

static int
on_list(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	struct run_states r = { 0 };

	for (size_t i = 0; i < STAND_CONTAINERS; i++) {
		struct stand_ctr *k = &s->ctrs[i];
		struct run_state *out;

		if (k->id[0] == '\0')
			continue;
		out = list_add(&r.items, &c->arena, sizeof *out);
		*out = (struct run_state){ .id = k->id, .state = k->state, .pid = 100, .code = k->code, .started_at = k->started_at,
			.finished_at = k->finished_at };
	}
	call_reply(c, &r, NULL, 0);
	return 0;
}

static int
on_dns(struct call *c, const void *msg, struct err *e)
{
	int fds[2] = { open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC) };

	call_reply(c, NULL, fds, 2);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static int
on_ok(struct call *c, const void *msg, struct err *e)
{
	call_ok(c);
	return 0;
}

static int
on_exec(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_exec *m = msg;
	struct run_started r = { .pid = 200 };
	struct run_exit end = { .id = m->id, .exec = m->exec, .code = 3 };

	if (s->run_error[0] != '\0')
		return err_set(e, ERR_INVALID, "%s", s->run_error);
	(void)!edge_send(s->run, NO_run_exited, &end, NULL, 0, NULL, NULL, e);
	call_reply(c, &r, NULL, 0);
	return 0;
}

static int
on_refuse(struct call *c, const void *msg, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "the stand-in does not do this");
}

/* ---- store ---- */
static int
on_rw_create(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;

	stand_put(&s->rws, ((const struct store_name *)msg)->name);
	if (s->mute_rw)
		mute(s, c);
	else
		call_ok(c);
	return 0;
}

static int
on_rw_remove(struct call *c, const void *msg, struct err *e)
{
	drop(&((struct stand *)c->ctx)->rws, ((const struct store_name *)msg)->name);
	call_ok(c);
	return 0;
}

static int
on_volume_create(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;

	stand_put(&s->volumes, ((const struct store_name *)msg)->name);
	if (s->mute_volume)
		mute(s, c);
	else
		call_ok(c);
	return 0;
}

static int
on_volume_remove(struct call *c, const void *msg, struct err *e)
{
	drop(&((struct stand *)c->ctx)->volumes, ((const struct store_name *)msg)->name);
	call_ok(c);
	return 0;
}

static int
on_load(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	static const struct store_loaded nothing;
	struct image_layer layer = { .dir = (char *)(uintptr_t)LAYER, .size = 10 };
	char *cmd[] = { (char *)(uintptr_t)"sh" }, *tags[] = { (char *)(uintptr_t)"docker.io/library/busybox:latest" };
	char *env[] = { (char *)(uintptr_t)"PATH=/bin" };
	struct container_config config = { .cmd = { 1, cmd }, .env = { 1, env } };
	char id[80];
	struct image image = { .id = id, .repo_tags = { 1, tags }, .config = &config, .architecture = (char *)(uintptr_t)"amd64",
		.os = (char *)(uintptr_t)"linux", .layers = { 1, &layer }, .created = now_real_ns() };
	struct store_loaded m = { .image = &image };

	(void)snprintf(id, sizeof id, "sha256:%064zu", s->images.n + 1);
	stand_put(&s->layers, LAYER);
	stand_put(&s->images, id);
	(void)!call_reply_more(c, &m, NULL, 0);
	call_reply(c, &nothing, NULL, 0);
	return 0;
}

static int
on_drop(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct store_drop *m = msg;

	s->drops++;
	for (size_t i = 0; i < m->layers.n; i++)
		drop(&s->layers, m->layers.v[i]);
	for (size_t i = 0; i < m->image_ids.n; i++)
		drop(&s->images, m->image_ids.v[i]);
	call_ok(c);
	return 0;
}

static int
on_commit(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;

	if (!s->mute_commit)
		return err_set(e, ERR_UNSUPPORTED, "the stand-in does not do this");
	mute(s, c);
	return 0;
}

static int
on_inventory(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	struct store_inventory r = { 0 };
	struct { struct index *from; struct strs *to; } all[] = { { &s->rws, &r.rws }, { &s->volumes, &r.volumes }, { &s->layers, &r.layers },
		{ &s->images, &r.image_ids } };

	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < all[i].from->n; k++)
			assert_true(strs_add(all[i].to, &c->arena, all[i].from->v[k].key));
	call_reply(c, &r, NULL, 0);
	return 0;
}

/* ---- network ---- */
static int
on_endpoint(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct net_endpoint *m = msg;

	for (size_t i = 0; i < m->ports.n; i++) {
		char port[16];

		snprintf(port, sizeof port, "%lld", (long long)m->ports.v[i].host_port);
		if (s->port_taken || index_get(&s->published, port) != NULL)
			return err_set(e, ERR_CONFLICT, "Bind for 0.0.0.0:%s failed: port is already allocated", port);
	}
	for (size_t i = 0; i < m->ports.n; i++) {
		char port[16];

		snprintf(port, sizeof port, "%lld", (long long)m->ports.v[i].host_port);
		stand_put(&s->published, port);
	}
	s->endpoints++;
	if (s->mute_endpoint)
		mute(s, c);
	else
		call_ok(c);
	return 0;
}

static int
on_endpoint_remove(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct net_endpoint *m = msg;

	for (size_t i = 0; i < m->ports.n; i++) {
		char port[16];

		snprintf(port, sizeof port, "%lld", (long long)m->ports.v[i].host_port);
		drop(&s->published, port);
	}
	if (s->endpoints > 0)
		s->endpoints--;
	call_ok(c);
	return 0;
}

static int
on_open(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;

	s->opened++;
	if (s->fail_open)
		return err_set(e, ERR_SYSTEM, "no memory for ports");
	call_ok(c);
	return 0;
}

static int
on_sync(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct net_state *m = msg;

	s->endpoints = m->endpoints.n;
	drop_all(&s->published);
	call_ok(c);
	return 0;
}

static int
on_pick(struct call *c, const void *msg, struct err *e)
{
	static int64_t next = 50000;
	struct net_port p = *(const struct net_port *)msg;

	p.host_port = next++;
	call_reply(c, &p, NULL, 0);
	return 0;
}

static int
on_update(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_update *m = msg;
	char error[200];

	if (s->n_updated < sizeof s->updated / sizeof *s->updated)
		s->updated[s->n_updated++] = m->limits->memory;
	if (s->mute_update) {
		mute(s, c);
		return 0;
	}
	memcpy(error, s->update_error, sizeof error);
	s->update_error[0] = '\0';
	if (error[0] != '\0')
		return err_set(e, ERR_SYSTEM, "%s", error);
	call_ok(c);
	return 0;
}

static int
on_stats(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	struct api_sample r = { .read = 5, .memory = 7, .memory_limit = -1 };

	if (s->mute_stats)
		mute(s, c);
	else
		call_reply(c, &r, NULL, 0);
	return 0;
}

static int
on_measure(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;

	if (!s->mute_stats)
		return err_set(e, ERR_UNSUPPORTED, "the stand-in does not do this");
	mute(s, c);
	return 0;
}

static int
on_archive(struct call *c, const void *msg, struct err *e)
{
	struct stand *s = c->ctx;
	const struct run_archive *m = msg;
	struct stand_ctr *k = stand_ctr_of(s, m->id);
	struct api_archived found = { .name = (char *)(uintptr_t)"f", .size = 3 };
	bool made = k != NULL && strcmp(k->state, "prepared") == 0;

	if (k == NULL || made != (m->spec != NULL))
		return err_set(e, ERR_CONFLICT, "container %s is not running", m->id);
	if (strstr(m->path, "missing") != NULL)
		return err_set(e, ERR_NOT_FOUND, "%s", m->path);
	(void)call_reply_more(c, &found, NULL, 0);
	if (s->mute_archive) {
		mute(s, c);
		return 0;
	}
	call_reply(c, &(struct api_archived){ .size = 0 }, NULL, 0);
	return 0;
}

/* ---- wiring ---- */
static const edge_fn run_handlers[run_edge_end] = { [NO_run_prepare] = on_prepare, [NO_run_start] = on_start, [NO_run_cancel] = on_cancel,
	[NO_run_signal] = on_signal, [NO_run_freeze] = on_freeze, [NO_run_resize] = on_ok, [NO_run_attach] = on_ok, [NO_run_exec] = on_exec,
	[NO_run_top] = on_refuse, [NO_run_logs] = on_refuse, [NO_run_delete] = on_delete, [NO_run_list] = on_list, [NO_run_update] = on_update,
	[NO_run_stats] = on_stats, [NO_run_archive] = on_archive,
	[NO_run_dns] = on_dns, [NO_run_netns] = on_refuse, [NO_run_connect] = on_refuse };
static const edge_fn store_handlers[store_edge_end] = { [NO_store_rw_create] = on_rw_create, [NO_store_rw_remove] = on_rw_remove,
	[NO_store_volume_create] = on_volume_create, [NO_store_volume_remove] = on_volume_remove, [NO_store_load] = on_load,
	[NO_store_import] = on_refuse, [NO_store_save] = on_refuse, [NO_store_drop] = on_drop, [NO_store_list] = on_inventory,
	[NO_store_changes] = on_refuse, [NO_store_export] = on_refuse, [NO_store_commit] = on_commit, [NO_store_measure] = on_measure };
static const edge_fn net_handlers[net_edge_end] = { [NO_net_bridge_create] = on_ok, [NO_net_bridge_remove] = on_ok,
	[NO_net_endpoint_create] = on_endpoint, [NO_net_endpoint_remove] = on_endpoint_remove, [NO_net_sync] = on_sync, [NO_net_clear] = on_ok,
	[NO_net_port_pick] = on_pick, [NO_net_endpoint_open] = on_open };
static const edge_fn dns_handlers[dns_edge_end] = { [NO_dns_serve] = on_ok, [NO_dns_close] = on_ok, [NO_dns_set] = on_ok, [NO_dns_unset] = on_ok,
	[NO_dns_link] = on_ok };
static const edge_fn api_side[api_edge_end] = { [NO_client_open] = on_ok };

static struct edge **
slot(struct stand *s, const char *name)
{
	return strcmp(name, "run") == 0 ? &s->run : strcmp(name, "store") == 0 ? &s->store : strcmp(name, "dns") == 0 ? &s->dns : &s->net;
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct stand *s = ctx;

	for (size_t i = 0; i < 5; i++) {
		struct edge **p = i == 0 ? &s->run : i == 1 ? &s->store : i == 2 ? &s->net : i == 3 ? &s->dns : &s->api;

		if (*p == edge)
			*p = NULL;
	}
	edge_free(edge);
}

void
stand_connect(struct stand *s, const char *name)
{
	bool run = strcmp(name, "run") == 0, store = strcmp(name, "store") == 0, dns = strcmp(name, "dns") == 0;
	struct edge_conf conf = { .table = run ? &run_edge : store ? &store_edge : dns ? &dns_edge : &net_edge, .side = EDGE_B,
		.handlers = run ? run_handlers : store ? store_handlers : dns ? dns_handlers : net_handlers,
		.n_handlers = (size_t)(run ? run_edge_end : store ? store_edge_end : dns ? dns_edge_end : net_edge_end),
		.ctx = s, .peer = "broker", .on_closed = on_closed };
	struct err e = ERR_INIT;
	int fds[2];

	assert_int_equal(edge_pair(fds, &e), 0);
	*slot(s, name) = edge_new(s->loop, fds[0], &conf, &e);
	assert_non_null(*slot(s, name));
	assert_int_equal(peer_connect(&s->b, name, fds[1], &e), 0);
}

void
stand_kill(struct stand *s, const char *name)
{
	struct edge *edge = *slot(s, name);

	*slot(s, name) = NULL;
	edge_free(edge);
}

struct stop { struct loop_timer timer; struct loop *loop; };

static void
on_stop_time(struct loop_timer *t)
{
	loop_stop(((struct stop *)(void *)t)->loop);
}

void
stand_run(struct stand *s, int ms)
{
	struct stop stop = { .timer = { .on_time = on_stop_time }, .loop = s->loop };
	struct err e = ERR_INIT;

	loop_timer_set(s->loop, &stop.timer, (int64_t)ms * 1000000);
	assert_int_equal(loop_run(s->loop, &e), 0);
	loop_timer_clear(&stop.timer);
}

static struct engine_config config = { .data_root = (char *)(uintptr_t)"/data", .hostname = (char *)(uintptr_t)"host", .no_new_privileges = true,
	.allow_host_userns = true, .mtu = 1500, .default_pids_limit = 4096, .shutdown_timeout = 1,
	.resolv_conf = (char *)(uintptr_t)"nameserver 127.0.0.53\nsearch lan\n" };

void
stand_start(struct stand *s)
{
	struct edge_conf conf = { .table = &api_edge, .side = EDGE_A, .handlers = api_side, .n_handlers = api_edge_end, .ctx = s, .peer = "broker",
		.on_closed = on_closed };
	struct err e = ERR_INIT;
	int fds[2];

	if (broker_open(&s->b, s->loop, &config, s->dir_fd, NULL, 0, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(edge_pair(fds, &e), 0);
	s->api = edge_new(s->loop, fds[0], &conf, &e);
	assert_non_null(s->api);
	assert_int_equal(clients_add_channel(s->b.clients, "uid:0", fds[1], &e), 0);
	stand_connect(s, "store");
	stand_connect(s, "net");
	stand_connect(s, "dns");
	stand_connect(s, "run");
	for (int i = 0; i < 100 && !s->b.recovered; i++)
		stand_run(s, 5);
	assert_true(s->b.recovered);
}

void
stand_crash(struct stand *s)
{
	stand_kill(s, "run");
	stand_kill(s, "store");
	stand_kill(s, "net");
	stand_kill(s, "dns");
	edge_free(s->api);
	s->api = NULL;
	broker_close(&s->b);
}

void
stand_open(struct stand *s)
{
	struct err e = ERR_INIT;

	*s = (struct stand){ 0 };
	log_init("test", getenv("VERBOSE") != NULL ? LOG_DEBUG : LOG_FATAL, false);
	snprintf(s->dir, sizeof s->dir, "/tmp/broker-test.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->loop = loop_new(&e);
	assert_non_null(s->loop);
	stand_start(s);
}

void
stand_close(struct stand *s)
{
	struct index *all[] = { &s->rws, &s->volumes, &s->layers, &s->images, &s->published };

	stand_crash(s);
	while (s->n_muted > 0)
		call_ok(s->muted[--s->n_muted]);
	loop_free(s->loop);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		drop_all(all[i]);
	arena_done(&s->arena);
	assert_int_equal(chdir("/"), 0);
	close(s->dir_fd);
	assert_int_equal(fd_remove_tree(AT_FDCWD, s->dir), 0);
}

/* ---- the client ---- */
static void
on_answer(void *ctx, struct answer *a)
{
	struct stand *s = ctx;

	if (a->more) {
		s->n_more++;
		return;
	}
	s->done = true;
	if (a->err != NULL) {
		s->err = *a->err;
		return;
	}
	arena_done(&s->arena);
	s->arena = *a->arena;
	*a->arena = (struct arena)ARENA_INIT;
	s->msg = (void *)(uintptr_t)a->msg;
	if (s->loop != NULL)
		loop_stop(s->loop);
}

static void
post(struct stand *s, unsigned no, const void *msg, const int *fds, size_t nfds)
{
	struct err e = ERR_INIT;

	s->done = false;
	s->n_more = 0;
	err_clear(&s->err);
	if (edge_send(s->api, no, msg, fds, nfds, on_answer, s, &e) < 0)
		fail_msg("%s", e.text);
}

void
stand_send(struct stand *s, unsigned no, const void *msg)
{
	post(s, no, msg, NULL, 0);
}

int
stand_call(struct stand *s, unsigned no, const void *msg, const int *fds, size_t nfds)
{
	post(s, no, msg, fds, nfds);
	for (int i = 0; i < 600 && !s->done; i++)
		stand_run(s, 5);
	if (!s->done)
		fail_msg("no answer to message %u", no);
	return s->err.code == ERR_NONE ? 0 : -1;
}

void
stand_image(struct stand *s, const char *tag)
{
	struct api_load m = { 0 };
	struct api_tag t = { .ref = (char *)(uintptr_t)"busybox", .repo = (char *)(uintptr_t)tag };
	own_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(stand_call(s, NO_image_load, &m, &fd, 1), 0);
	if (tag != NULL)
		assert_int_equal(stand_call(s, NO_image_tag, &t, NULL, 0), 0);
}

char *
stand_create(struct stand *s, const char *name, struct host_config *h, char id[65])
{
	struct container_config k = { .image = (char *)(uintptr_t)"busybox" };
	struct api_create m = { .name = (char *)(uintptr_t)name, .config = &k, .host_config = h };

	if (stand_call(s, NO_container_create, &m, NULL, 0) < 0)
		return NULL;
	snprintf(id, 65, "%s", ((struct api_created *)s->msg)->id);
	return id;
}

static int
count_row(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	(*(size_t *)ctx)++;
	return 0;
}

size_t
stand_rows(struct stand *s, enum db_table t)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	assert_int_equal(db_each(s->b.db, t, count_row, &n, NULL, &e), 0);
	return n;
}
