#include "state.h"

#include "broker.h"
#include "health.h"
#include "images.h"
#include "log.h"
#include "refs.h"
#include "text.h"

#include <stdlib.h>

int
err_memory(struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "out of memory");
}

/* ---- containers ---- */
struct ctr *
ctr_find(const struct broker *b, const char *ref, struct err *e)
{
	struct ctr *c;
	size_t first, n;
	char name[300];

	if (!text_set(ref)) {
		err_set(e, ERR_INVALID, "invalid name or ID supplied: \"\"");
		return NULL;
	}
	c = index_get(&b->ctr_by_id, ref);
	if (c == NULL && strlen(ref) < sizeof name - 1) {
		name[0] = '/';
		memcpy(name + 1, ref[0] == '/' ? ref + 1 : ref, strlen(ref) + (ref[0] == '/' ? 0 : 1));
		c = index_get(&b->ctr_by_name, name);
	}
	if (c != NULL && !c->making)
		return c;
	n = c == NULL ? index_prefix(&b->ctr_by_id, ref, &first) : 0;
	if (n == 1 && !((struct ctr *)b->ctr_by_id.v[first].value)->making)
		return b->ctr_by_id.v[first].value;
	if (n > 1)
		err_set(e, ERR_INVALID, "multiple IDs found with provided prefix: %s", ref);
	else
		err_set(e, ERR_NOT_FOUND, "No such container: %s", ref);
	return NULL;
}

static void
ctr_free(struct ctr *c)
{
	loop_timer_clear(&c->restart);
	arena_done(&c->arena);
	free(c->name);
	free(c);
}

struct ctr *
ctr_add(struct broker *b, const struct container *rec, struct err *e)
{
	struct ctr *c = calloc(1, sizeof *c);

	if (c == NULL || rec->name == NULL || (c->name = strdup(rec->name)) == NULL) {
		free(c);
		err_memory(e);
		return NULL;
	}
	c->b = b;
	if (!text_copy(c->id, sizeof c->id, text_or_empty(rec->id)) || rec_copy(&container_type, rec, &c->arena, &c->rec, e) < 0)
		goto bad;
	if (c->rec.state == NULL || c->rec.config == NULL || c->rec.host_config == NULL || c->rec.network_settings == NULL) {
		err_set(e, ERR_INVALID, "the container's record is incomplete");
		goto bad;
	}
	if (index_put(&b->ctr_by_id, c->id, c, e) < 0)
		goto bad;
	if (index_put(&b->ctr_by_name, c->name, c, e) < 0) {
		index_del(&b->ctr_by_id, c->id);
		goto bad;
	}
	return c;
bad:
	ctr_free(c);
	return NULL;
}

void
ctr_forget(struct ctr *c)
{
	struct broker *b = c->b;

	health_stop(c);
	for (struct exec *x = c->execs, *next; x != NULL; x = next) {
		next = x->next;
		exec_forget(x);
	}
	for (struct ctr **p = &b->dirty; *p != NULL; p = &(*p)->next_dirty)
		if (*p == c) {
			*p = c->next_dirty;
			break;
		}
	index_del(&b->ctr_by_id, c->id);
	index_del(&b->ctr_by_name, c->name);
	ctr_free(c);
}

int
ctr_write(struct ctr *c, struct err *e)
{
	ctr_touch(c);
	return db_put(c->b->db, DB_CONTAINERS, c->id, &container_type, &c->rec, e);
}

int
ctr_save(struct ctr *c, bool hard, struct err *e)
{
	if (db_begin(c->b->db, hard, e) < 0)
		return -1;
	if (ctr_write(c, e) < 0) {
		db_rollback(c->b->db);
		return -1;
	}
	return db_commit(c->b->db, e);
}

void
ctr_save_soft(struct ctr *c)
{
	struct err e = ERR_INIT;

	if (ctr_save(c, false, &e) < 0)
		log_err(LOG_ERROR, &e, "record of container %.12s", c->id);
}

int
ctr_rename(struct ctr *c, const char *name, struct err *e)
{
	char *key = strdup(name), *text = ctr_text(c, name);

	if (key == NULL || text == NULL || index_put(&c->b->ctr_by_name, key, c, e) < 0) {
		if (key == NULL || text == NULL)
			err_memory(e);
		free(key);
		return -1;
	}
	index_del(&c->b->ctr_by_name, c->name);
	free(c->name);
	c->name = key;
	c->rec.name = text;
	return 0;
}

void
ctr_touch(struct ctr *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->next_dirty = c->b->dirty;
	c->b->dirty = c;
}

char *
ctr_text(struct ctr *c, const char *s)
{
	ctr_touch(c);
	return arena_str(&c->arena, s);
}

/* A record that was changed often carries dead texts in its arena; it is decoded afresh once they outweigh it. */
void
state_pack_dirty(struct broker *b)
{
	while (b->dirty != NULL) {
		struct ctr *c = b->dirty;
		struct arena fresh = ARENA_INIT;
		struct container rec;
		struct err e = ERR_INIT;

		b->dirty = c->next_dirty;
		c->is_dirty = false;
		if (c->arena.total < 65536)
			continue;
		if (rec_copy(&container_type, &c->rec, &fresh, &rec, &e) < 0 || fresh.total > c->arena.total / 2) {
			arena_done(&fresh);
			continue;
		}
		arena_done(&c->arena);
		c->arena = fresh;
		c->rec = rec;
	}
}

bool
ctr_running(const struct ctr *c)
{
	return c->rec.state->running && !c->rec.state->restarting;
}

void
ctr_status(struct ctr *c, const char *status)
{
	struct container_state *s = c->rec.state;

	s->paused = strcmp(status, "paused") == 0;
	s->restarting = strcmp(status, "restarting") == 0;
	s->dead = strcmp(status, "dead") == 0;
	s->running = strcmp(status, "running") == 0 || s->paused || s->restarting;
	s->status = (char *)(uintptr_t)status;
	ctr_touch(c);
}

const char *
ctr_name(const struct ctr *c)
{
	return c->name + 1;
}

/* ---- images ---- */
struct img *
img_by_tag(const struct broker *b, const char *tag)
{
	return index_get(&b->img_by_tag, tag);
}

static struct img *
img_by_digest(const struct broker *b, const char *name)
{
	for (size_t i = 0; i < b->img_by_id.n; i++) {
		struct img *img = b->img_by_id.v[i].value;

		if (strs_has(&img->rec.repo_digests, name))
			return img;
	}
	return NULL;
}

struct img *
img_find(const struct broker *b, const char *ref, struct err *e)
{
	struct image_ref r;
	struct err bad = ERR_INIT;
	char id[sizeof IMAGE_PREFIX + 64];
	const char *hex = ref != NULL && text_starts(ref, IMAGE_PREFIX) ? ref + strlen(IMAGE_PREFIX) : text_or_empty(ref);
	struct img *img = NULL;
	size_t first;
	bool valid = ref_parse(ref, &r, &bad) == 0;

	if (text_is_id(hex)) {
		snprintf(id, sizeof id, "%s%s", IMAGE_PREFIX, hex);
		img = index_get(&b->img_by_id, id);
		if (img != NULL)
			return img;
	}
	if (valid && hex == ref)
		img = r.digest[0] != '\0' ? img_by_digest(b, r.full) : img_by_tag(b, r.full);
	if (img != NULL)
		return img;
	if (hex[0] != '\0' && strlen(hex) <= 64 && text_is_hex(hex, strlen(hex))) {
		size_t n;

		snprintf(id, sizeof id, "%s%s", IMAGE_PREFIX, hex);
		n = index_prefix(&b->img_by_id, id, &first);
		if (n == 1)
			return b->img_by_id.v[first].value;
	}
	if (!valid && hex == ref)
		*e = bad;
	else
		err_set(e, ERR_NOT_FOUND, "No such image: %s", valid && hex == ref ? r.full : text_or_empty(ref));
	return NULL;
}

static void
img_unindex(struct broker *b, struct img *i)
{
	for (size_t t = 0; t < i->rec.repo_tags.n; t++)
		index_del(&b->img_by_tag, i->rec.repo_tags.v[t]);
	index_del(&b->img_by_id, i->rec.id);
}

static void
img_free(struct img *i)
{
	arena_done(&i->arena);
	free(i);
}

/* The index keys are the record's own texts, so a record is always replaced as a whole: out, anew, in. */
struct img *
img_put(struct broker *b, const struct image *rec, struct err *e)
{
	struct img *fresh = calloc(1, sizeof *fresh), *old;

	if (fresh == NULL) {
		err_memory(e);
		return NULL;
	}
	if (rec_copy(&image_type, rec, &fresh->arena, &fresh->rec, e) < 0)
		goto bad;
	if (!text_starts(text_or_empty(fresh->rec.id), IMAGE_PREFIX) || !text_is_id(fresh->rec.id + strlen(IMAGE_PREFIX))) {
		err_set(e, ERR_INVALID, "the image's record has no id");
		goto bad;
	}
	old = index_get(&b->img_by_id, fresh->rec.id);
	if (old != NULL)
		img_unindex(b, old);
	if (index_put(&b->img_by_id, fresh->rec.id, fresh, e) < 0)
		goto bad;
	for (size_t t = 0; t < fresh->rec.repo_tags.n; t++)
		if (index_put(&b->img_by_tag, fresh->rec.repo_tags.v[t], fresh, e) < 0)
			log_err(LOG_ERROR, e, "tag of image %s", fresh->rec.id);
	if (old != NULL)
		img_free(old);
	return fresh;
bad:
	img_free(fresh);
	return NULL;
}

int
img_write(struct broker *b, struct img *i, struct err *e)
{
	return db_put(b->db, DB_IMAGES, i->rec.id, &image_type, &i->rec, e);
}

int
img_tag_add(struct broker *b, struct img *i, const char *tag, struct err *e)
{
	struct img *owner = img_by_tag(b, tag);
	char *copy;
	char **slot;

	if (owner == i)
		return 0;
	if (owner != NULL)
		img_tag_del(b, owner, tag);
	copy = arena_str(&i->arena, tag);
	slot = copy != NULL ? list_add(&i->rec.repo_tags, &i->arena, sizeof *slot) : NULL;
	if (slot == NULL)
		return err_memory(e);
	*slot = copy;
	return index_put(&b->img_by_tag, copy, i, e);
}

void
img_tag_del(struct broker *b, struct img *i, const char *tag)
{
	struct strs *s = &i->rec.repo_tags;

	for (size_t t = 0; t < s->n; t++)
		if (strcmp(s->v[t], tag) == 0) {
			index_del(&b->img_by_tag, tag);
			memmove(&s->v[t], &s->v[t + 1], (s->n - t - 1) * sizeof *s->v);
			s->n--;
			return;
		}
}

int
img_forget(struct broker *b, struct img *i, struct err *e)
{
	if (db_del(b->db, DB_IMAGES, i->rec.id, e) < 0)
		return -1;
	img_unindex(b, i);
	img_free(i);
	return 0;
}

/* ---- volumes ---- */
struct vol *
vol_find(const struct broker *b, const char *name)
{
	return index_get(&b->vol_by_name, text_or_empty(name));
}

struct vol *
vol_put(struct broker *b, const struct volume *rec, struct err *e)
{
	struct vol *v = calloc(1, sizeof *v);

	if (v == NULL) {
		err_memory(e);
		return NULL;
	}
	if (rec_copy(&volume_type, rec, &v->arena, &v->rec, e) < 0 || index_put(&b->vol_by_name, text_or_empty(v->rec.name), v, e) < 0) {
		arena_done(&v->arena);
		free(v);
		return NULL;
	}
	return v;
}

int
vol_write(struct broker *b, struct vol *v, struct err *e)
{
	return db_put(b->db, DB_VOLUMES, v->rec.name, &volume_type, &v->rec, e);
}

void
vol_forget(struct broker *b, struct vol *v)
{
	index_del(&b->vol_by_name, v->rec.name);
	arena_done(&v->arena);
	free(v);
}

/* ---- networks ---- */
struct net *
net_named(const struct broker *b, const char *name)
{
	for (size_t i = 0; i < b->net_by_id.n; i++) {
		struct net *n = b->net_by_id.v[i].value;

		if (text_same(n->rec.name, name))
			return n;
	}
	return NULL;
}

struct net *
net_find(const struct broker *b, const char *ref, struct err *e)
{
	struct net *n = index_get(&b->net_by_id, text_or_empty(ref));
	size_t first, count;

	if (n == NULL)
		n = net_named(b, ref);
	if (n != NULL)
		return n;
	count = text_set(ref) ? index_prefix(&b->net_by_id, ref, &first) : 0;
	if (count == 1)
		return b->net_by_id.v[first].value;
	if (count > 1)
		err_set(e, ERR_INVALID, "network %s is ambiguous (%zu matches found on ID prefix)", ref, count);
	else
		err_set(e, ERR_NOT_FOUND, "network %s not found", text_or_empty(ref));
	return NULL;
}

/* ---- execs ---- */
struct exec *
exec_find(const struct broker *b, const char *id, struct err *e)
{
	struct exec *x = index_get(&b->exec_by_id, text_or_empty(id));
	size_t first;

	if (x == NULL && text_set(id) && index_prefix(&b->exec_by_id, id, &first) == 1)
		x = b->exec_by_id.v[first].value;
	if (x == NULL)
		err_set(e, ERR_NOT_FOUND, "No such exec instance: %s", text_or_empty(id));
	return x;
}

struct exec *
exec_put(struct ctr *c, const struct exec_state *rec, struct err *e)
{
	struct exec *x = calloc(1, sizeof *x);

	if (x == NULL) {
		err_memory(e);
		return NULL;
	}
	if (rec_copy(&exec_state_type, rec, &x->arena, &x->rec, e) < 0 || index_put(&c->b->exec_by_id, text_or_empty(x->rec.id), x, e) < 0) {
		arena_done(&x->arena);
		free(x);
		return NULL;
	}
	x->ctr = c;
	x->next = c->execs;
	c->execs = x;
	return x;
}

void
exec_save_soft(struct exec *x)
{
	struct db *db = x->ctr->b->db;
	struct err e = ERR_INIT;

	if (db_begin(db, false, &e) == 0) {
		if (db_put(db, DB_EXECS, x->rec.id, &exec_state_type, &x->rec, &e) == 0 && db_commit(db, &e) == 0)
			return;
		db_rollback(db);
	}
	log_err(LOG_ERROR, &e, "record of exec %.12s", x->rec.id);
}

void
exec_forget(struct exec *x)
{
	struct db *db = x->ctr->b->db;
	struct err e = ERR_INIT;

	index_del(&x->ctr->b->exec_by_id, x->rec.id);
	for (struct exec **p = &x->ctr->execs; *p != NULL; p = &(*p)->next)
		if (*p == x) {
			*p = x->next;
			break;
		}
	if (db_begin(db, false, &e) < 0 || db_del(db, DB_EXECS, x->rec.id, &e) < 0 || db_commit(db, &e) < 0)
		log_err(LOG_ERROR, &e, "record of exec %.12s", x->rec.id);
	arena_done(&x->arena);
	free(x);
}

/* ---- loading ---- */
static int
load_container(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	struct broker *b = ctx;
	own_arena a = ARENA_INIT;
	struct container rec;

	if (rec_decode_all(&container_type, data, n, &a, &rec, e) < 0)
		return -1;
	if (!text_same(rec.id, key) || !text_is_id(key))
		return err_set(e, ERR_INVALID, "key and id differ");
	return ctr_add(b, &rec, e) != NULL ? 0 : -1;
}

static int
load_image(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	own_arena a = ARENA_INIT;
	struct image rec;

	if (rec_decode_all(&image_type, data, n, &a, &rec, e) < 0)
		return -1;
	return img_put(ctx, &rec, e) != NULL ? 0 : -1;
}

static int
load_volume(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	own_arena a = ARENA_INIT;
	struct volume rec;

	if (rec_decode_all(&volume_type, data, n, &a, &rec, e) < 0)
		return -1;
	return vol_put(ctx, &rec, e) != NULL ? 0 : -1;
}

static int
load_network(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	struct broker *b = ctx;
	struct net *net = calloc(1, sizeof *net);

	if (net == NULL)
		return err_memory(e);
	if (rec_decode_all(&network_type, data, n, &net->arena, &net->rec, e) == 0 &&
	    index_put(&b->net_by_id, text_or_empty(net->rec.id), net, e) == 0)
		return 0;
	arena_done(&net->arena);
	free(net);
	return -1;
}

static int
load_exec(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	struct broker *b = ctx;
	own_arena a = ARENA_INIT;
	struct exec_state rec;
	struct ctr *c;
	struct exec *x;

	if (rec_decode_all(&exec_state_type, data, n, &a, &rec, e) < 0)
		return -1;
	c = index_get(&b->ctr_by_id, text_or_empty(rec.container_id));
	if (c == NULL)
		return err_set(e, ERR_NOT_FOUND, "its container is gone");
	x = exec_put(c, &rec, e);
	if (x == NULL)
		return -1;
	x->started = rec.running || rec.exit_code.set;
	if (rec.exit_code.set)
		x->ended_ns = now_mono_ns();
	return 0;
}

int
state_load(struct broker *b, struct err *e)
{
	size_t lost_execs = 0;

	return db_each(b->db, DB_IMAGES, load_image, b, &b->damaged, e) < 0 ||
	    db_each(b->db, DB_VOLUMES, load_volume, b, &b->damaged, e) < 0 ||
	    db_each(b->db, DB_NETWORKS, load_network, b, &b->damaged, e) < 0 ||
	    db_each(b->db, DB_CONTAINERS, load_container, b, &b->damaged, e) < 0 ||
	    db_each(b->db, DB_EXECS, load_exec, b, &lost_execs, e) < 0 ? -1 : 0;
}

void
state_done(struct broker *b)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		struct ctr *c = b->ctr_by_id.v[i].value;

		health_free(c);
		while (c->execs != NULL) {
			struct exec *x = c->execs;

			c->execs = x->next;
			arena_done(&x->arena);
			free(x);
		}
		while (c->waiters != NULL) {
			struct waiter *w = c->waiters;

			c->waiters = w->next;
			free(w);
		}
		ctr_free(c);
	}
	for (size_t i = 0; i < b->img_by_id.n; i++)
		img_free(b->img_by_id.v[i].value);
	for (size_t i = 0; i < b->vol_by_name.n; i++) {
		struct vol *v = b->vol_by_name.v[i].value;

		arena_done(&v->arena);
		free(v);
	}
	for (size_t i = 0; i < b->net_by_id.n; i++) {
		struct net *n = b->net_by_id.v[i].value;

		ipam_done(&n->own_pool);
		arena_done(&n->arena);
		free(n);
	}
	index_done(&b->ctr_by_id);
	index_done(&b->ctr_by_name);
	index_done(&b->img_by_id);
	index_done(&b->img_by_tag);
	index_done(&b->vol_by_name);
	index_done(&b->net_by_id);
	index_done(&b->exec_by_id);
}
