/* POST /containers/create: check, merge, then three steps: writable directory, volumes, record. */
#include "create.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "kinds.h"
#include "labels.h"
#include "log.h"
#include "names.h"
#include "text.h"
#include "volumes.h"

#define CREATE_DATA_FIELDS(F, O, L) \
	F(strs, volumes, NULL, MANY)
REC_DECLARE(create_data, CREATE_DATA_FIELDS)
#define REC_SELF struct create_data
REC_DEFINE(create_data, CREATE_DATA_FIELDS)
#undef REC_SELF

struct create_state { size_t volume; struct strs warnings; };

/* ---- steps ---- */
static void
make_files(struct op *op)
{
	struct store_name m = { .name = op->object };

	peer_send(op->b, PEER_STORE, NO_store_rw_create, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void
remove_files(struct op *op)
{
	struct store_name m = { .name = op->object };

	peer_send(op->b, PEER_STORE, NO_store_rw_remove, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void next_volume(struct op *op);

static void
on_volume(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct create_state *s = op->state;

	if (a->err != NULL && !op->undoing) {
		op_failed(op, a->err);
		return;
	}
	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "undo of %s", op->object);
	s->volume++;
	next_volume(op);
}

static void
next_volume(struct op *op)
{
	struct create_data *d = op->data;
	struct create_state *s = op->state;
	struct store_name m;

	/* undo: only those that nobody else uses by now */
	while (op->undoing && s->volume < d->volumes.n && volume_users(op->b, d->volumes.v[s->volume], NULL, NULL) > (op->ctr != NULL ? 1 : 0))
		s->volume++;
	if (s->volume == d->volumes.n) {
		op_done(op);
		return;
	}
	m = (struct store_name){ .name = d->volumes.v[s->volume] };
	peer_send(op->b, PEER_STORE, op->undoing ? NO_store_volume_remove : NO_store_volume_create, &m, NULL, 0, PEER_AGAIN, on_volume, op);
}

static void
make_volumes(struct op *op)
{
	struct create_state *s = op->state;

	s->volume = 0;
	next_volume(op);
}

static int
write_record(struct op *op, struct err *e)
{
	struct create_data *d = op->data;

	for (size_t i = 0; i < d->volumes.n; i++) {
		struct vol *v = vol_find(op->b, d->volumes.v[i]);

		if (v != NULL && vol_write(op->b, v, e) < 0)
			return -1;
	}
	return ctr_write(op->ctr, e) < 0 || op_end_journal(op, e) < 0 ? -1 : 0;
}

static void
record(struct op *op)
{
	struct err e = ERR_INIT;

	if (db_begin(op->b->db, true, &e) == 0) {
		if (write_record(op, &e) == 0 && db_commit(op->b->db, &e) == 0) {
			op_done(op);
			return;
		}
		db_rollback(op->b->db);
		op->journaled_end = false;
	}
	op_failed(op, &e);
}

/* Another container came to use it in the meantime. */
static void
keep_volume(struct broker *b, struct vol *v)
{
	struct err e = ERR_INIT;

	v->busy = false;
	if (db_begin(b->db, true, &e) < 0 || vol_write(b, v, &e) < 0 || db_commit(b->db, &e) < 0) {
		db_rollback(b->db);
		log_err(LOG_ERROR, &e, "record of volume %s", v->rec.name);
	}
}

static void
finish(struct op *op)
{
	struct create_data *d = op->data;
	struct create_state *s = op->state;
	struct ctr *c = op->ctr;

	if (op->err.code == ERR_NONE && c != NULL) {
		struct api_created answer = { .id = c->id, .warnings = s->warnings };

		c->making = false;
		for (size_t i = 0; i < d->volumes.n; i++) {
			struct vol *v = vol_find(op->b, d->volumes.v[i]);

			if (v == NULL || !v->busy)
				continue;
			v->busy = false;
			event_vol(op->b, "create", &v->rec);
		}
		event_ctr(c, "create", NULL);
		if (op->call != NULL)
			call_reply(op->call, &answer, NULL, 0);
		op->call = NULL;
		return;
	}
	for (size_t i = 0; d != NULL && i < d->volumes.n; i++) {
		struct vol *v = vol_find(op->b, d->volumes.v[i]);

		if (v != NULL && v->busy && volume_users(op->b, d->volumes.v[i], NULL, NULL) <= (c != NULL ? 1 : 0))
			vol_forget(op->b, v);
		else if (v != NULL && v->busy)
			keep_volume(op->b, v);
	}
	if (c != NULL) {
		ops_cancel_waiting(c);
		op->ctr = NULL;
		ctr_forget(c);
	}
}

/* After a crash: the record was never written, so all goes. */
static bool
resume(struct op *op)
{
	op->state = arena_alloc(&op->arena, sizeof(struct create_state));
	return op->state != NULL && op->data != NULL && index_get(&op->b->ctr_by_id, op->object) == NULL;
}

static const struct op_step steps[] = {
	{ "files", make_files, remove_files },
	{ "volumes", make_volumes, make_volumes },
	{ "record", record, NULL },
};
const struct op_kind op_create = { .name = "create", .steps = steps, .n = sizeof steps / sizeof *steps, .flags = STEPS_JOURNAL | STEPS_ONCE | STEPS_LIFE,
	.data_type = &create_data_type, .finish = finish, .resume = resume };

bool
op_known_volume(const struct broker *b, const char *name)
{
	for (const struct op *op = b->ops; op != NULL; op = op->next)
		if (op->kind == &op_create && op->data != NULL && strs_has(&((const struct create_data *)op->data)->volumes, name))
			return true;
	return false;
}

/* ---- the record ---- */
static int
take_request(struct creation *c, struct err *e)
{
	static const struct host_config no_host;

	if (c->m->config == NULL)
		return err_set(e, ERR_INVALID, "config cannot be empty in order to create a container");
	c->config = *c->m->config;
	c->host = c->m->host_config != NULL ? *c->m->host_config : no_host;
	return 0;
}

static int
check_platform(const struct creation *c, struct err *e)
{
	const char *want = c->m->platform, *slash;
	const struct image *i = c->image;

	if (!text_set(want) || !text_set(i->architecture))
		return 0;
	slash = strchr(want, '/');
	if (strncmp(want, "linux", slash != NULL ? (size_t)(slash - want) : strlen(want)) == 0 &&
	    (slash == NULL || strncmp(slash + 1, i->architecture, strcspn(slash + 1, "/")) == 0))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "image with reference %.200s was found but does not provide the specified platform (%.60s)",
	    c->config.image, want);
}

static int
fill_command(struct creation *c, struct err *e)
{
	const struct container_config *k = &c->config;
	const struct strs *first = k->entrypoint.n > 0 ? &k->entrypoint : &k->cmd;

	c->rec.path = first->v[0];
	for (size_t i = 1; i < first->n; i++)
		if (!strs_add(&c->rec.args, c->a, first->v[i]))
			return err_memory(e);
	for (size_t i = 0; first == &k->entrypoint && i < k->cmd.n; i++)
		if (!strs_add(&c->rec.args, c->a, k->cmd.v[i]))
			return err_memory(e);
	return 0;
}

static int
fill_layers(struct creation *c, struct err *e)
{
	for (size_t i = c->image->layers.n; i > 0; i--)
		if (!strs_add(&c->rec.layers, c->a, c->image->layers.v[i - 1].dir))
			return err_memory(e);
	return 0;
}

static int
fill_paths(struct creation *c, struct err *e)
{
	const char *root = text_or_empty(c->engine->data_root), *id = c->rec.id;
	struct graph_driver *g = arena_alloc(c->a, sizeof *g);
	char *upper = arena_printf(c->a, "%s/store/rw/%s/upper", root, id), *work = arena_printf(c->a, "%s/store/rw/%s/work", root, id);

	c->rec.resolv_conf_path = arena_printf(c->a, "%s/store/rw/%s/files/resolv.conf", root, id);
	c->rec.hostname_path = arena_printf(c->a, "%s/store/rw/%s/files/hostname", root, id);
	c->rec.hosts_path = arena_printf(c->a, "%s/store/rw/%s/files/hosts", root, id);
	if (text_same(c->host.log_config->type, "json-file"))
		c->rec.log_path = arena_printf(c->a, "%s/containers/%s/%s-json.log", root, id, id);
	c->rec.driver = arena_str(c->a, "overlay2");
	c->rec.platform = arena_str(c->a, "linux");
	if (g == NULL || upper == NULL || work == NULL || !kvs_set(&g->data, c->a, "UpperDir", upper) || !kvs_set(&g->data, c->a, "WorkDir", work) ||
	    (g->name = arena_str(c->a, "overlay2")) == NULL || c->rec.hosts_path == NULL)
		return err_memory(e);
	c->rec.graph_driver = g;
	return 0;
}

static int
fill_name(struct creation *c, struct err *e)
{
	const char *name = c->m->name;
	char text[258] = "/";

	if (text_set(name)) {
		const char *bare = name[0] == '/' ? name + 1 : name;
		struct ctr *owner;

		if (!name_is_valid(bare))
			return err_set(e, ERR_INVALID, "Invalid container name (%.255s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
		snprintf(text + 1, sizeof text - 1, "%s", bare);
		owner = index_get(&c->b->ctr_by_name, text);
		if (owner != NULL)
			return err_set(e, ERR_CONFLICT, "Conflict. The container name \"%s\" is already in use by container \"%s\". You have to remove (or "
			    "rename) that container to be able to reuse that name.", text, owner->id);
	} else {
		unsigned attempt = 0;

		for (; attempt < 6; attempt++) {
			name_random(text + 1, sizeof text - 1, attempt);
			if (index_get(&c->b->ctr_by_name, text) == NULL)
				break;
		}
		if (attempt == 6)
			snprintf(text + 1, sizeof text - 1, "%.12s", c->rec.id);
	}
	c->rec.name = arena_str(c->a, text);
	return c->rec.name != NULL ? 0 : err_memory(e);
}

static int
fill_hostname(struct creation *c, struct err *e)
{
	if (text_set(c->config.hostname))
		return 0;
	if (text_same(c->host.network_mode, "host") || text_same(c->host.uts_mode, "host"))
		c->config.hostname = arena_str(c->a, text_or_empty(c->engine->hostname));
	else if (mode_container(c->host.network_mode) == NULL)
		c->config.hostname = arena_printf(c->a, "%.12s", c->rec.id);
	else
		return 0;
	return c->config.hostname != NULL ? 0 : err_memory(e);
}

static int
build_record(struct creation *c, struct err *e)
{
	struct security security;
	char id[65];

	do
		text_random_id(id);
	while (index_get(&c->b->ctr_by_id, id) != NULL);
	c->rec.id = arena_str(c->a, id);
	c->rec.created = now_real_ns();
	if (c->rec.id == NULL || fill_name(c, e) < 0)
		return c->rec.id == NULL ? err_memory(e) : -1;
	if (c->image->config != NULL && merge_image(&c->config, c->image->config, c->a, e) < 0)
		return -1;
	if (check_config(c, e) < 0 || check_host_config(c, e) < 0 || create_networks(c, e) < 0 || create_mounts(c, e) < 0 || fill_hostname(c, e) < 0 ||
	    fill_command(c, e) < 0 || fill_layers(c, e) < 0 || fill_paths(c, e) < 0)
		return -1;
	if (check_security(&c->host, c->engine, &security, e) < 0 || labels_assign(c, &security, e) < 0)
		return -1;
	c->rec.image = c->image->id;
	c->rec.image_name = c->config.image;
	c->state.status = arena_str(c->a, "created");
	c->rec.state = &c->state;
	c->rec.host_config = &c->host;
	c->rec.config = &c->config;
	c->rec.network_settings = &c->net;
	return c->state.status != NULL ? 0 : err_memory(e);
}

static int
add_volumes(struct creation *c, struct err *e)
{
	for (size_t i = 0; i < c->volumes.n; i++) {
		struct vol *v = vol_put(c->b, &c->volumes.v[i], e);

		if (v == NULL) {
			while (i-- > 0)
				vol_forget(c->b, vol_find(c->b, c->volumes.v[i].name));
			return -1;
		}
		v->busy = true;
	}
	return 0;
}

static int
submit(struct creation *c, struct call *call, struct err *e)
{
	struct op *op;
	struct create_data *d;
	struct create_state *s;
	struct ctr *ctr;

	if (add_volumes(c, e) < 0)
		return -1;
	ctr = ctr_add(c->b, &c->rec, e);
	if (ctr == NULL)
		goto bad;
	ctr->making = true;
	op = op_new(c->b, &op_create, ctr, ctr->id, call, e);
	if (op == NULL)
		goto bad;
	op->data = d = arena_alloc(&op->arena, sizeof *d);
	op->state = s = arena_alloc(&op->arena, sizeof *s);
	if (d == NULL || s == NULL) {
		err_memory(&op->err);
	} else {
		/* these live in the call, which is answered last */
		d->volumes = c->new_volumes;
		s->warnings = c->warnings;
	}
	op_submit(op);
	return 0;
bad:
	if (ctr != NULL)
		ctr_forget(ctr);
	for (size_t i = 0; i < c->volumes.n; i++)
		vol_forget(c->b, vol_find(c->b, c->volumes.v[i].name));
	return -1;
}

int
handle_container_create(struct call *call, const void *msg, struct err *e)
{
	struct broker *b = client_broker(call);
	struct creation c = { .b = b, .a = &call->arena, .engine = b->config, .m = msg };
	struct img *img;

	if (take_request(&c, e) < 0)
		return -1;
	if (!text_set(c.config.image))
		return err_set(e, ERR_INVALID, "no image specified");
	img = img_find(b, c.config.image, e);
	if (img == NULL)
		return -1;
	c.image = &img->rec;
	if (check_platform(&c, e) < 0 || build_record(&c, e) < 0)
		return -1;
	return submit(&c, call, e);
}
