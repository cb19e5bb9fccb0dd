/* Volumes of the driver "local". */
#include "volumes.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "filters.h"
#include "kinds.h"
#include "log.h"
#include "names.h"
#include "text.h"

#define VOLUME_DATA_FIELDS(F, O, L) \
	O(volume, volume, NULL)
REC_DECLARE(volume_data, VOLUME_DATA_FIELDS)
#define REC_SELF struct volume_data
REC_DEFINE(volume_data, VOLUME_DATA_FIELDS)
#undef REC_SELF

char *
volume_mountpoint(const struct broker *b, struct arena *a, const char *name)
{
	return arena_printf(a, "%s/volumes/%s/_data", text_or_empty(b->config->data_root), name);
}

int
volume_fill(const struct broker *b, struct arena *a, struct volume *v, const char *name, bool anonymous, const struct kvs *labels,
    const struct kvs *options)
{
	static const struct kvs none;

	*v = (struct volume){ .created_at = now_real_ns(), .driver = arena_str(a, "local"), .name = arena_str(a, name), .scope = arena_str(a, "local"),
		.mountpoint = volume_mountpoint(b, a, name), .anonymous = anonymous };
	v->labels = labels != NULL ? *labels : none;
	v->options = options != NULL ? *options : none;
	if (anonymous && !kvs_set(&v->labels, a, "com.docker.volume.anonymous", ""))
		return -1;
	return v->driver != NULL && v->name != NULL && v->scope != NULL && v->mountpoint != NULL ? 0 : -1;
}

size_t
volume_users(const struct broker *b, const char *name, struct strs *ids, struct arena *a)
{
	size_t n = 0;

	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		const struct ctr *c = b->ctr_by_id.v[i].value;

		for (size_t k = 0; k < c->rec.mounts.n; k++)
			if (text_same(c->rec.mounts.v[k].type, "volume") && text_same(c->rec.mounts.v[k].name, name)) {
				n++;
				if (ids != NULL && !strs_add(ids, a, c->id))
					return n;
				break;
			}
	}
	return n;
}

/* ---- create ---- */
static void
make(struct op *op)
{
	struct store_name m = { .name = op->object };

	peer_send(op->b, PEER_STORE, NO_store_volume_create, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void
unmake(struct op *op)
{
	struct store_name m = { .name = op->object };

	peer_send(op->b, PEER_STORE, NO_store_volume_remove, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void
record(struct op *op)
{
	struct broker *b = op->b;
	struct vol *v = vol_find(b, op->object);
	struct err e = ERR_INIT;

	if (v != NULL && db_begin(b->db, true, &e) == 0) {
		if (vol_write(b, v, &e) == 0 && op_end_journal(op, &e) == 0 && db_commit(b->db, &e) == 0) {
			op_done(op);
			return;
		}
		db_rollback(b->db);
		op->journaled_end = false;
	}
	op_failed(op, &e);
}

static void
finish(struct op *op)
{
	struct vol *v = vol_find(op->b, op->object);

	if (v == NULL || !v->busy)
		return;
	if (op->err.code != ERR_NONE) {
		vol_forget(op->b, v);
		return;
	}
	v->busy = false;
	event_vol(op->b, "create", &v->rec);
	if (op->call != NULL)
		call_reply(op->call, &v->rec, NULL, 0);
	op->call = NULL;
}

static bool
resume(struct op *op)
{
	return vol_find(op->b, op->object) == NULL;
}

static const struct op_step create_steps[] = { { "directory", make, unmake }, { "record", record, NULL } };
const struct op_kind op_volume_create = { .name = "volume-create", .steps = create_steps, .n = 2, .flags = STEPS_JOURNAL | STEPS_ONCE,
	.data_type = &volume_data_type, .finish = finish, .resume = resume };

int
handle_volume_create(struct call *call, const void *msg, struct err *e)
{
	const struct api_volume_create *m = msg;
	struct broker *b = client_broker(call);
	struct volume rec;
	struct vol *v;
	struct op *op;
	char random[65];
	const char *name = m->name;

	if (text_set(m->driver) && strcmp(m->driver, "local") != 0)
		return err_set(e, ERR_NOT_FOUND, "create %s: error looking up volume plugin %s: plugin \"%s\" not found", text_or_empty(name), m->driver,
		    m->driver);
	if (volume_options_check(&m->driver_opts, &call->arena, e) < 0)
		return err_wrap(e, "create %.200s", text_or_empty(name));
	if (!text_set(name)) {
		text_random_id(random);
		name = random;
	} else if (!name_is_valid(name)) {
		return err_set(e, ERR_INVALID, "create %.200s: \"%.200s\" includes invalid characters for a local volume name, only "
		    "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path", name, name);
	}
	v = vol_find(b, name);
	if (v != NULL && v->busy)
		return err_set(e, ERR_CONFLICT, "create %s: another operation on this volume is in progress", name);
	if (v != NULL) {
		call_reply(call, &v->rec, NULL, 0);
		return 0;
	}
	if (volume_fill(b, &call->arena, &rec, name, !text_set(m->name), &m->labels, &m->driver_opts) < 0)
		return err_memory(e);
	v = vol_put(b, &rec, e);
	if (v == NULL)
		return -1;
	v->busy = true;
	op = op_new(b, &op_volume_create, NULL, v->rec.name, call, e);
	if (op == NULL) {
		vol_forget(b, v);
		return -1;
	}
	op_submit(op);
	return 0;
}

/* ---- remove ---- */
static void
remove_directory(struct op *op)
{
	unmake(op);
}

static void
erase(struct op *op)
{
	struct broker *b = op->b;
	struct err e = ERR_INIT;

	if (db_begin(b->db, true, &e) == 0) {
		if (db_del(b->db, DB_VOLUMES, op->object, &e) == 0 && op_end_journal(op, &e) == 0 && db_commit(b->db, &e) == 0) {
			op_done(op);
			return;
		}
		db_rollback(b->db);
		op->journaled_end = false;
	}
	op_failed(op, &e);
}

static void
finish_remove(struct op *op)
{
	struct vol *v = vol_find(op->b, op->object);

	if (v == NULL)
		return;
	v->busy = false;
	if (op->err.code != ERR_NONE)
		return;
	event_vol(op->b, "destroy", &v->rec);
	vol_forget(op->b, v);
}

static bool
resume_remove(struct op *op)
{
	struct vol *v = vol_find(op->b, op->object);

	if (v == NULL || volume_users(op->b, op->object, NULL, NULL) > 0)
		return false;
	v->busy = true;
	return true;
}

static const struct op_step remove_steps[] = { { "directory", remove_directory, NULL }, { "record", erase, NULL } };
const struct op_kind op_volume_remove = { .name = "volume-remove", .steps = remove_steps, .n = 2,
	.flags = STEPS_JOURNAL | STEPS_ONCE | STEPS_FORWARD, .finish = finish_remove, .resume = resume_remove };

static int
submit_remove(struct broker *b, struct vol *v, struct call *call, void (*then)(struct op *op, void *ctx), void *ctx, struct err *e)
{
	struct op *op = op_new(b, &op_volume_remove, NULL, v->rec.name, call, e);

	if (op == NULL)
		return -1;
	v->busy = true;
	op->then = then;
	op->then_ctx = ctx;
	op_submit(op);
	return 0;
}

int
handle_volume_remove(struct call *call, const void *msg, struct err *e)
{
	const struct api_volume_remove *m = msg;
	struct broker *b = client_broker(call);
	struct vol *v = vol_find(b, m->name);
	struct strs ids = { 0 };

	if (v == NULL && m->force) {
		call_ok(call);
		return 0;
	}
	if (v == NULL)
		return err_set(e, ERR_NOT_FOUND, "get %.255s: no such volume", text_or_empty(m->name));
	if (volume_users(b, v->rec.name, &ids, &call->arena) > 0) {
		own_buf list = BUF_INIT(400);

		for (size_t i = 0; i < ids.n && i < 5; i++)
			buf_printf(&list, "%s%s", i > 0 ? ", " : "", ids.v[i]);
		return err_set(e, ERR_CONFLICT, "remove %s: volume is in use - [%s]", v->rec.name, buf_cstr(&list));
	}
	if (v->busy)
		return err_set(e, ERR_CONFLICT, "remove %s: another operation on this volume is in progress", v->rec.name);
	return submit_remove(b, v, call, NULL, NULL, e);
}

/* ---- look ---- */
int
handle_volume_inspect(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct vol *v = vol_find(client_broker(call), m->ref);

	if (v == NULL)
		return err_set(e, ERR_NOT_FOUND, "get %.255s: no such volume", text_or_empty(m->ref));
	call_reply(call, &v->rec, NULL, 0);
	return 0;
}

int
handle_volume_list(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "dangling", "driver", "label", "name", NULL };
	const struct api_filters *m = msg;
	struct broker *b = client_broker(call);
	struct api_volumes answer = { 0 };
	int dangling;

	if (filters_check(&m->filters, known, e) < 0 || filter_bool(&m->filters, "dangling", &dangling, e) < 0)
		return -1;
	for (size_t i = 0; i < b->vol_by_name.n; i++) {
		const struct vol *v = b->vol_by_name.v[i].value;
		struct volume *out;

		if (v->busy || !filter_exact(&m->filters, "driver", v->rec.driver) || !filter_labels(&m->filters, &v->rec.labels) ||
		    !filter_pattern(&m->filters, "name", v->rec.name) ||
		    (dangling >= 0 && (volume_users(b, v->rec.name, NULL, NULL) == 0) != (dangling == 1)))
			continue;
		out = list_add(&answer.items, &call->arena, sizeof *out);
		if (out == NULL)
			return err_memory(e);
		*out = v->rec;
	}
	call_reply(call, &answer, NULL, 0);
	return 0;
}

/* ---- prune: what is due is measured, then removed ---- */
struct prune { struct broker *b; struct call *call; size_t left; struct api_pruned answer; struct strs due; int64_t *sizes; };

static void
prune_end(struct prune *p)
{
	char number[24];

	snprintf(number, sizeof number, "%lld", (long long)p->answer.reclaimed);
	p->b->pruning[1] = false;
	event_emit(p->b, "volume", "prune", "", (const char *const[]){ "reclaimed", number, NULL });
	call_reply(p->call, &p->answer, NULL, 0);
}

static void
on_pruned(struct op *op, void *ctx)
{
	struct prune *p = ctx;

	if (op->err.code == ERR_NONE && !strs_add(&p->answer.deleted, &p->call->arena, op->object))
		log_msg(LOG_WARN, "no memory for the list of pruned volumes");
	for (size_t i = 0; op->err.code == ERR_NONE && i < p->due.n; i++)
		if (strcmp(p->due.v[i], op->object) == 0)
			p->answer.reclaimed += p->sizes[i];
	if (--p->left == 0)
		prune_end(p);
}

static void
on_due_measured(void *ctx, struct answer *a)
{
	struct prune *p = ctx;
	const struct store_sizes *m = a->msg;

	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "sizes of the volumes to be pruned");
	for (size_t i = 0; a->err == NULL && i < m->volumes.n && i < p->due.n; i++)
		p->sizes[i] = m->volumes.v[i].size > 0 ? m->volumes.v[i].size : 0;
	p->left = 1;
	for (size_t i = 0; i < p->due.n; i++) {
		struct vol *v = vol_find(p->b, p->due.v[i]);
		struct err one = ERR_INIT;

		/* somebody may have come meanwhile */
		if (v == NULL || v->busy || volume_users(p->b, p->due.v[i], NULL, NULL) > 0)
			continue;
		p->left++;
		if (submit_remove(p->b, v, NULL, on_pruned, p, &one) < 0)
			p->left--;
	}
	if (--p->left == 0)
		prune_end(p);
}

int
handle_volume_prune(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "label", "label!", "all", NULL };
	const struct api_filters *m = msg;
	struct broker *b = client_broker(call);
	struct store_measure wish = { 0 };
	struct prune *p;
	int all;

	if (filters_check(&m->filters, known, e) < 0 || filter_bool(&m->filters, "all", &all, e) < 0)
		return -1;
	if (b->pruning[1])
		return err_set(e, ERR_CONFLICT, "a prune operation is already running");
	p = arena_alloc(&call->arena, sizeof *p);
	if (p == NULL)
		return err_memory(e);
	*p = (struct prune){ .b = b, .call = call };
	for (size_t i = 0; i < b->vol_by_name.n; i++) {
		struct vol *v = b->vol_by_name.v[i].value;

		/* before 1.42 all that are unused, since then only the anonymous ones unless "all" is said */
		if (!v->busy && volume_users(b, v->rec.name, NULL, NULL) == 0 && (v->rec.anonymous || all == 1 || m->api_version < 142) &&
		    filter_labels(&m->filters, &v->rec.labels) && !strs_add(&p->due, &call->arena, v->rec.name))
			return err_memory(e);
	}
	p->sizes = arena_array(&call->arena, p->due.n, sizeof *p->sizes);
	if (p->sizes == NULL)
		return err_memory(e);
	b->pruning[1] = true;
	wish.volumes = p->due;
	if (p->due.n == 0)
		prune_end(p);
	else
		peer_send(b, PEER_STORE, NO_store_measure, &wish, NULL, 0, PEER_AGAIN, on_due_measured, p);
	return 0;
}
