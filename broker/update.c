/*
 * POST /containers/{id}/update: first the control group of a container that runs, then the record; the last write takes the journal row away.
 * Whatever fails or dies in between, the group goes back to what the record says, so both say the same.
 */
#include "broker.h"
#include "clients.h"
#include "create.h"
#include "events.h"
#include "kinds.h"
#include "limits.h"
#include "log.h"
#include "text.h"

/* The wish is journaled: what it touched is what an undo puts back. */
static bool
resume(struct op *op)
{
	op->ctr = index_get(&op->b->ctr_by_id, op->object);
	op->state = arena_alloc(&op->arena, sizeof(struct strs));
	return op->ctr != NULL && op->state != NULL && op->data != NULL && ((const struct api_update *)op->data)->host != NULL;
}

/* ---- what it comes to ---- */
static int
check_conflicts(const struct ctr *c, const struct host_config *wish, struct err *e)
{
	const struct host_config *now = c->rec.host_config;

	if (wish->nano_cpus > 0 && now->cpu_period > 0)
		return err_set(e, ERR_CONFLICT, "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
	if (wish->nano_cpus > 0 && now->cpu_quota > 0)
		return err_set(e, ERR_CONFLICT, "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
	if (wish->cpu_period > 0 && now->nano_cpus > 0)
		return err_set(e, ERR_CONFLICT, "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
	if (wish->cpu_quota > 0 && now->nano_cpus > 0)
		return err_set(e, ERR_CONFLICT, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
	if (wish->memory > now->memory_swap && now->memory_swap > 0 && wish->memory_swap == 0)
		return err_set(e, ERR_CONFLICT,
		    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
	if (now->auto_remove && wish->restart_policy != NULL && text_set(wish->restart_policy->name) && strcmp(wish->restart_policy->name, "no") != 0)
		return err_set(e, ERR_CONFLICT, "Restart policy cannot be updated because AutoRemove is enabled for the container");
	return 0;
}

#define TAKE(field) if (wish->field != 0) h->field = wish->field
#define TAKE_TEXT(field) if (text_set(wish->field)) h->field = wish->field
#define TAKE_LIST(field) if (wish->field.n > 0) h->field = wish->field

static void
merge(struct host_config *h, const struct host_config *wish)
{
	TAKE(blkio_weight);
	TAKE(cpu_shares);
	TAKE(nano_cpus);
	TAKE(cpu_period);
	TAKE(cpu_quota);
	TAKE(cpu_rt_period);
	TAKE(cpu_rt_runtime);
	TAKE_TEXT(cpuset_cpus);
	TAKE_TEXT(cpuset_mems);
	TAKE(memory);
	TAKE(memory_swap);
	TAKE(memory_reservation);
	TAKE(kernel_memory_tcp);
	TAKE(oom_kill_disable);
	if (wish->memory_swappiness.set)
		h->memory_swappiness = wish->memory_swappiness;
	if (wish->pids_limit.set)
		h->pids_limit = (struct opt){ true, wish->pids_limit.v > 0 ? wish->pids_limit.v : 0 };
	TAKE_LIST(blkio_weight_device);
	TAKE_LIST(blkio_read_bps);
	TAKE_LIST(blkio_write_bps);
	TAKE_LIST(blkio_read_iops);
	TAKE_LIST(blkio_write_iops);
	if (wish->restart_policy != NULL && text_set(wish->restart_policy->name))
		h->restart_policy = wish->restart_policy;
}

static int64_t
or(int64_t value, int64_t otherwise)
{
	return value != 0 ? value : otherwise;
}

/* First those that go away, then those that are to be. */
static int
throttles(struct throttle_device_list *out, const struct throttle_device_list *from, const struct throttle_device_list *to, struct arena *a, struct err *e)
{
	*out = (struct throttle_device_list){ 0 };
	for (size_t i = 0; i < from->n + to->n; i++) {
		struct throttle_device *d = list_add(out, a, sizeof *d);

		if (d == NULL)
			return err_memory(e);
		*d = (struct throttle_device){ .path = i < from->n ? from->v[i].path : to->v[i - from->n].path,
			.rate = i < from->n ? 0 : to->v[i - from->n].rate };
	}
	return 0;
}

static int
devices(struct run_limits *l, const struct host_config *wish, const struct host_config *from, const struct host_config *to, struct arena *a,
    struct err *e)
{
	if ((wish->blkio_read_bps.n > 0 && throttles(&l->blkio_read_bps, &from->blkio_read_bps, &to->blkio_read_bps, a, e) < 0) ||
	    (wish->blkio_write_bps.n > 0 && throttles(&l->blkio_write_bps, &from->blkio_write_bps, &to->blkio_write_bps, a, e) < 0) ||
	    (wish->blkio_read_iops.n > 0 && throttles(&l->blkio_read_iops, &from->blkio_read_iops, &to->blkio_read_iops, a, e) < 0) ||
	    (wish->blkio_write_iops.n > 0 && throttles(&l->blkio_write_iops, &from->blkio_write_iops, &to->blkio_write_iops, a, e) < 0))
		return -1;
	for (size_t i = 0; wish->blkio_weight_device.n > 0 && i < from->blkio_weight_device.n + to->blkio_weight_device.n; i++) {
		struct weight_device *d = list_add(&l->blkio_weight_device, a, sizeof *d);
		bool old = i < from->blkio_weight_device.n;

		if (d == NULL)
			return err_memory(e);
		if (old)
			d->path = from->blkio_weight_device.v[i].path;
		else
			*d = to->blkio_weight_device.v[i - from->blkio_weight_device.n];
	}
	return 0;
}

/* What the wish touches, with the values of to (the kernel's own where it says nothing). Values that depend on each other go together. */
static int
limits_between(struct run_limits *l, const struct host_config *wish, const struct host_config *from, const struct host_config *to, struct arena *a,
    struct err *e)
{
	struct run_limits all;

	limits_of(to, &all);
	*l = (struct run_limits){ 0 };
	if (wish->memory != 0 || wish->memory_swap != 0) {
		l->memory = or(all.memory, -1);
		l->memory_swap = or(all.memory_swap, -1);
	}
	if (wish->memory_reservation != 0)
		l->memory_reservation = or(all.memory_reservation, -1);
	if (wish->memory_swappiness.set)
		l->memory_swappiness = (struct opt){ true, all.memory_swappiness.set ? all.memory_swappiness.v : 60 };
	if (wish->oom_kill_disable != 0)
		l->oom_kill_disable = all.oom_kill_disable > 0 ? 1 : -1;
	if (wish->kernel_memory_tcp != 0)
		l->kernel_memory_tcp = or(all.kernel_memory_tcp, -1);
	if (wish->cpu_shares != 0)
		l->cpu_shares = or(all.cpu_shares, 1024);
	if (wish->nano_cpus != 0 || wish->cpu_period != 0 || wish->cpu_quota != 0) {
		l->cpu_period = or(all.cpu_period, 100000);
		l->cpu_quota = or(all.cpu_quota, -1);
	}
	if (wish->cpu_rt_period != 0 || wish->cpu_rt_runtime != 0) {
		l->cpu_rt_period = or(all.cpu_rt_period, 1000000);
		l->cpu_rt_runtime = or(all.cpu_rt_runtime, -1);
	}
	if (text_set(wish->cpuset_cpus))
		l->cpuset_cpus = text_set(all.cpuset_cpus) ? all.cpuset_cpus : (char *)(uintptr_t)LIMITS_AS_PARENT;
	if (text_set(wish->cpuset_mems))
		l->cpuset_mems = text_set(all.cpuset_mems) ? all.cpuset_mems : (char *)(uintptr_t)LIMITS_AS_PARENT;
	if (wish->pids_limit.set)
		l->pids = or(all.pids, -1);
	if (wish->blkio_weight != 0)
		l->blkio_weight = or(all.blkio_weight, 100);
	return devices(l, wish, from, to, a, e);
}

/* ---- steps ---- */
static void
on_applied(void *ctx, struct answer *a)
{
	struct op *op = ctx;

	/* what ended meanwhile has no group any more: the record says how it will start */
	if (a->err == NULL || a->err->code == ERR_CONFLICT || a->err->code == ERR_NOT_FOUND) {
		op_done(op);
		return;
	}
	if (op->undoing) {
		log_err(LOG_WARN, a->err, "undo of the update of container %.12s", op->object);
		op_done(op);
		return;
	}
	op_failed(op, a->err);
}

static void
apply(struct op *op)
{
	const struct api_update *m = op->data;
	const struct host_config *now = op->ctr->rec.host_config;
	struct host_config merged = *now;
	struct run_limits limits;
	struct run_update wish = { .id = op->ctr->id, .limits = &limits };
	struct err e = ERR_INIT;
	int bad;

	merge(&merged, m->host);
	bad = op->undoing ? limits_between(&limits, m->host, &merged, now, &op->arena, &e) :
	    op->ctr->rec.state->dead || op->ctr->removing ? err_set(&e, ERR_CONFLICT, "container is marked for removal and cannot be \"update\"") :
	    check_conflicts(op->ctr, m->host, &e) < 0 || check_realtime(&merged, &e) < 0 ? -1 : limits_between(&limits, m->host, now, &merged, &op->arena, &e);
	if (bad < 0 && !op->undoing)
		op_failed(op, &e);
	else if (bad < 0 || !ctr_running(op->ctr))
		op_done(op);
	else
		peer_send(op->b, PEER_RUN, NO_run_update, &wish, NULL, 0, PEER_AGAIN, on_applied, op);
}

/* The record's own memory holds what it says. */
static int
take(struct ctr *c, const struct host_config *wish, struct err *e)
{
	struct host_config merged = *c->rec.host_config;
	struct host_config *copy = arena_alloc(&c->arena, sizeof *copy);

	if (copy == NULL)
		return err_memory(e);
	merge(&merged, wish);
	if (rec_copy(&host_config_type, &merged, &c->arena, copy, e) < 0)
		return -1;
	c->rec.host_config = copy;
	ctr_touch(c);
	return 0;
}

static void
record(struct op *op)
{
	const struct api_update *m = op->data;
	struct host_config *before = op->ctr->rec.host_config;
	struct err e = ERR_INIT;

	if (take(op->ctr, m->host, &e) == 0) {
		if (db_begin(op->b->db, true, &e) == 0) {
			if (ctr_write(op->ctr, &e) == 0 && op_end_journal(op, &e) == 0 && db_commit(op->b->db, &e) == 0) {
				op_done(op);
				return;
			}
			db_rollback(op->b->db);
			op->journaled_end = false;
		}
		op->ctr->rec.host_config = before;
	}
	op_failed(op, &e);
}

static void
finish(struct op *op)
{
	const struct strs *warnings = op->state;
	struct api_updated answer = { .warnings = warnings != NULL ? *warnings : (struct strs){ 0 } };

	if (op->err.code != ERR_NONE) {
		if (op->ctr != NULL)
			err_wrap(&op->err, "Cannot update container %s", op->ctr->id);
		return;
	}
	if (op->ctr != NULL)
		event_ctr(op->ctr, "update", NULL);
	if (op->call != NULL)
		call_reply(op->call, &answer, NULL, 0);
	op->call = NULL;
}

static const struct op_step steps[] = { { "apply", apply, apply }, { "record", record, NULL } };
const struct op_kind op_update = { .name = "update", .steps = steps, .n = sizeof steps / sizeof *steps, .flags = STEPS_JOURNAL | STEPS_ONCE,
	.data_type = &api_update_type, .finish = finish, .resume = resume };

/* Resources that cannot change while a container is there; the Docker engine takes no notice of them. */
static int
check_fixed(const struct host_config *h, struct err *e)
{
	const struct { bool set; const char *what; } rules[] = {
		{ h->devices.n > 0, "Devices" }, { h->device_cgroup_rules.n > 0, "DeviceCgroupRules" }, { h->device_requests.n > 0, "DeviceRequests" },
		{ h->ulimits.n > 0, "Ulimits" }, { text_set(h->cgroup_parent), "CgroupParent" }, { h->cpu_count != 0, "CpuCount" },
	};

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].set)
			return err_set(e, ERR_UNSUPPORTED, "an update of %s is not implemented by Bulwark yet", rules[i].what);
	return 0;
}

int
handle_container_update(struct call *call, const void *msg, struct err *e)
{
	const struct api_update *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	struct api_update *wish = arena_alloc(&call->arena, sizeof *wish);
	struct strs *warnings = arena_alloc(&call->arena, sizeof *warnings);
	struct op *op;

	if (c == NULL)
		return -1;
	if (wish == NULL || warnings == NULL)
		return err_memory(e);
	*wish = *m;
	if (wish->host == NULL && (wish->host = arena_alloc(&call->arena, sizeof *wish->host)) == NULL)
		return err_memory(e);
	if (check_fixed(wish->host, e) < 0 || check_limits(wish->host, &b->facts, true, warnings, &call->arena, e) < 0)
		return -1;
	if (wish->host->restart_policy != NULL && text_set(wish->host->restart_policy->name) && check_restart(wish->host, &call->arena, e) < 0)
		return -1;
	op = op_new(b, &op_update, c, c->id, call, e);
	if (op == NULL)
		return -1;
	/* both live in the call, which is answered last */
	op->data = wish;
	op->state = warnings;
	op_submit(op);
	return 0;
}
