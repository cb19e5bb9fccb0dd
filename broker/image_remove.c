/* Untagging and deleting images: rules and words of the Docker engine. */
#include "images.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "filters.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "refs.h"
#include "text.h"

enum { CONFLICT_RUNNING = 1, CONFLICT_STOPPED = 2 };

static const char *
short_id(const char *id)
{
	return text_starts(id, IMAGE_PREFIX) ? id + strlen(IMAGE_PREFIX) : id;
}

static const struct ctr *
user_of(const struct broker *b, const struct img *i, bool running)
{
	for (size_t k = 0; k < b->ctr_by_id.n; k++) {
		const struct ctr *c = b->ctr_by_id.v[k].value;

		bool uses = text_same(c->rec.image, i->rec.id);

		for (size_t m = 0; m < c->rec.mounts.n; m++)
			uses = uses || (text_same(c->rec.mounts.v[m].type, "image") && text_same(c->rec.mounts.v[m].name, i->rec.id));
		if (uses && c->rec.state->running == running)
			return c;
	}
	return NULL;
}

static int
check_conflict(const struct broker *b, const struct img *i, unsigned mask, struct err *e)
{
	const struct ctr *c = (mask & CONFLICT_RUNNING) != 0 ? user_of(b, i, true) : NULL;

	if (image_has_children(b, &i->rec))
		return err_set(e, ERR_CONFLICT, "conflict: unable to delete %.12s (cannot be forced) - image has dependent child images", short_id(i->rec.id));
	if (c != NULL)
		return err_set(e, ERR_CONFLICT, "conflict: unable to delete %.12s (cannot be forced) - image is being used by running container %.12s",
		    short_id(i->rec.id), c->id);
	c = (mask & CONFLICT_STOPPED) != 0 ? user_of(b, i, false) : NULL;
	if (c != NULL)
		return err_set(e, ERR_CONFLICT, "conflict: unable to delete %.12s (must be forced) - image is being used by stopped container %.12s",
		    short_id(i->rec.id), c->id);
	return 0;
}

/* All tags of one repository? */
static bool
single_repository(const struct img *i)
{
	const struct strs *s = &i->rec.repo_tags;

	for (size_t k = 1; k < s->n; k++) {
		const char *a = strrchr(s->v[0], ':'), *c = strrchr(s->v[k], ':');

		if (a == NULL || c == NULL || a - s->v[0] != c - s->v[k] || strncmp(s->v[0], s->v[k], (size_t)(a - s->v[0])) != 0)
			return false;
	}
	return true;
}

static int
untag(struct broker *b, struct img *i, const char *tag, struct arena *a, struct api_image_removed *out, struct err *e)
{
	char *copy = arena_str(a, tag);
	char **slot = copy != NULL ? list_add(&out->untagged, a, sizeof *slot) : NULL;

	if (slot == NULL)
		return err_memory(e);
	*slot = copy;
	img_tag_del(b, i, copy);
	event_img(b, "untag", &i->rec, i->rec.id);
	return 0;
}

/* Takes record and memory away; the files follow when the transaction is through (drop_files). */
static int
delete_image(struct broker *b, struct img *i, struct arena *a, struct store_drop *drop, struct api_image_removed *out, struct err *e)
{
	struct image_layer_list layers;
	int64_t *size;

	if (!strs_add(&drop->image_ids, a, i->rec.id) || !strs_add(&out->deleted, a, i->rec.id))
		return err_memory(e);
	layers = i->rec.layers;
	for (size_t k = 0; k < layers.n; k++)
		if (!strs_add(&drop->layers, a, layers.v[k].dir))
			return err_memory(e);
	event_img(b, "delete", &i->rec, i->rec.id);
	size = arena_array(a, layers.n, sizeof *size);
	if (size == NULL)
		return err_memory(e);
	for (size_t k = 0; k < layers.n; k++)
		size[k] = layers.v[k].size;
	if (img_forget(b, i, e) < 0)
		return -1;
	/* what nobody else has is given back; the names are the last ones of the list */
	for (size_t k = 0; k < layers.n; k++)
		out->reclaimed += layer_is_used(b, drop->layers.v[drop->layers.n - layers.n + k], NULL) ? 0 : size[k];
	return 0;
}

/* False if there is nothing to drop; else fn is called when it is done. What fails is found by the next comparison. */
static bool
drop_files(struct broker *b, struct store_drop *drop, struct arena *a, answer_fn fn, void *ctx)
{
	struct strs unused = { 0 };

	if (drop->image_ids.n == 0)
		return false;
	for (size_t i = 0; i < drop->layers.n; i++)
		if (!layer_is_used(b, drop->layers.v[i], NULL) && !strs_has(&unused, drop->layers.v[i]) && !strs_add(&unused, a, drop->layers.v[i]))
			return false;
	drop->layers = unused;
	peer_send(b, PEER_STORE, NO_store_drop, drop, NULL, 0, PEER_AGAIN, fn, ctx);
	return true;
}

/* With prune also those that it was made from, as long as nobody else needs or names them. */
static int
delete_with_parents(struct broker *b, struct img *i, bool prune, struct arena *a, struct store_drop *drop, struct api_image_removed *out,
    struct err *e)
{
	while (i != NULL) {
		char *parent = arena_str(a, text_or_empty(i->rec.parent));

		if (parent == NULL)
			return err_memory(e);
		if (delete_image(b, i, a, drop, out, e) < 0)
			return -1;
		i = prune && *parent != '\0' ? index_get(&b->img_by_id, parent) : NULL;
		if (i != NULL && (i->rec.repo_tags.n > 0 || image_has_children(b, &i->rec) || user_of(b, i, true) != NULL || user_of(b, i, false) != NULL))
			i = NULL;
	}
	return 0;
}

static int
remove_by_name(struct broker *b, struct img *i, const char *tag, bool force, bool prune, struct arena *a, struct store_drop *drop,
    struct api_image_removed *out, struct err *e)
{
	if (!force && i->rec.repo_tags.n == 1) {
		const struct ctr *c = user_of(b, i, true);

		if (c == NULL)
			c = user_of(b, i, false);
		if (c != NULL)
			return err_set(e, ERR_CONFLICT, "conflict: unable to remove repository reference \"%s\" (must force) - container %.12s is using its "
			    "referenced image %.12s", tag, c->id, short_id(i->rec.id));
	}
	if (untag(b, i, tag, a, out, e) < 0)
		return -1;
	/* the last name is gone: the image goes, too, unless it is needed */
	if (i->rec.repo_tags.n > 0 || image_has_children(b, &i->rec) || user_of(b, i, true) != NULL || (!force && user_of(b, i, false) != NULL))
		return img_write(b, i, e);
	return delete_with_parents(b, i, prune, a, drop, out, e);
}

static int
remove_by_id(struct broker *b, struct img *i, bool force, bool prune, struct arena *a, struct store_drop *drop, struct api_image_removed *out, struct err *e)
{
	if (!single_repository(i) && !force)
		return err_set(e, ERR_CONFLICT, "conflict: unable to delete %.12s (must be forced) - image is referenced in multiple repositories",
		    short_id(i->rec.id));
	if (check_conflict(b, i, CONFLICT_RUNNING | (force ? 0 : CONFLICT_STOPPED), e) < 0)
		return -1;
	while (i->rec.repo_tags.n > 0)
		if (untag(b, i, i->rec.repo_tags.v[0], a, out, e) < 0)
			return -1;
	return delete_with_parents(b, i, prune, a, drop, out, e);
}

/* Removal needs no journal of its own: the record goes in one transaction, and files without a record are found again by
   the comparison with the store. The kind is there so that a crash test finds its places. */
struct removal { struct api_image_removed out; struct store_drop drop; };

static void
act(struct op *op)
{
	const struct api_image_remove *m = op->call->msg;
	struct broker *b = op->b;
	struct removal *s = op->state;
	struct img *i;
	struct image_ref r;
	struct err e = ERR_INIT, ignored = ERR_INIT;
	bool named;

	i = img_find(b, m->ref, &e);
	if (i == NULL || db_begin(b->db, true, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	named = ref_parse(m->ref, &r, &ignored) == 0 && img_by_tag(b, r.full) == i;
	if ((named ? remove_by_name(b, i, r.full, m->force, !m->no_prune, &op->arena, &s->drop, &s->out, &e) :
	    remove_by_id(b, i, m->force, !m->no_prune, &op->arena, &s->drop, &s->out, &e)) < 0) {
		db_rollback(b->db);
		op_failed(op, &e);
		return;
	}
	if (op_end_journal(op, &e) < 0 || db_commit(b->db, &e) < 0) {
		db_rollback(b->db);
		op_failed(op, &e);
		return;
	}
	op_done(op);
}

static void
on_dropped(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "remove an image's files");
	op_done(ctx);
}

static void
drop(struct op *op)
{
	struct removal *s = op->state;

	if (!drop_files(op->b, &s->drop, &op->arena, on_dropped, op))
		op_done(op);
}

static void
finish(struct op *op)
{
	struct removal *s = op->state;

	if (op->err.code != ERR_NONE || op->call == NULL || s == NULL)
		return;
	call_reply(op->call, &s->out, NULL, 0);
	op->call = NULL;
}

static const struct op_step steps[] = { { "record", act, NULL }, { "files", drop, NULL } };
const struct op_kind op_image_remove = { .name = "rmi", .steps = steps, .n = 2, .flags = STEPS_JOURNAL | STEPS_ONCE, .finish = finish };

int
handle_image_remove(struct call *call, const void *msg, struct err *e)
{
	const struct api_image_remove *m = msg;
	struct broker *b = client_broker(call);
	struct op *op;

	if (img_find(b, m->ref, e) == NULL)
		return -1;
	op = op_new(b, &op_image_remove, NULL, m->ref, call, e);
	if (op == NULL)
		return -1;
	op->state = arena_alloc(&op->arena, sizeof(struct removal));
	if (op->state == NULL)
		err_memory(&op->err);
	op_submit(op);
	return 0;
}

/* ---- prune ---- */
static int
prune_one(struct broker *b, struct img *i, struct arena *a, struct store_drop *drop, struct api_pruned *out, struct err *e)
{
	struct api_image_removed one = { 0 };

	if (db_begin(b->db, true, e) < 0)
		return -1;
	if (remove_by_id(b, i, true, true, a, drop, &one, e) < 0 || db_commit(b->db, e) < 0) {
		db_rollback(b->db);
		return -1;
	}
	out->reclaimed += one.reclaimed;
	for (size_t k = 0; k < one.untagged.n; k++)
		if (!strs_add(&out->untagged, a, one.untagged.v[k]))
			return err_memory(e);
	for (size_t k = 0; k < one.deleted.n; k++)
		if (!strs_add(&out->deleted, a, one.deleted.v[k]))
			return err_memory(e);
	return 0;
}

struct prune { struct call *call; struct api_pruned out; struct store_drop drop; };

static void
on_pruned(void *ctx, struct answer *a)
{
	struct prune *p = ctx;

	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "remove the files of pruned images");
	call_reply(p->call, &p->out, NULL, 0);
}

int
handle_image_prune(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "dangling", "label", "label!", "until", NULL };
	static const struct kvs no_labels;
	const struct api_filters *m = msg;
	struct broker *b = client_broker(call);
	struct prune *p = arena_alloc(&call->arena, sizeof *p);
	int64_t until;
	int dangling;
	char number[24];

	if (p == NULL)
		return err_memory(e);
	if (filters_check(&m->filters, known, e) < 0 || filter_until(&m->filters, &until, e) < 0 ||
	    filter_bool(&m->filters, "dangling", &dangling, e) < 0)
		return -1;
	p->call = call;
	for (size_t k = b->img_by_id.n; k > 0; k--) {
		struct img *i;

		/* (one removal may take several) */
		k = k < b->img_by_id.n ? k : b->img_by_id.n;
		if (k == 0)
			break;
		i = b->img_by_id.v[k - 1].value;
		if (image_has_children(b, &i->rec) || (dangling != 0 && i->rec.repo_tags.n > 0) || user_of(b, i, true) != NULL || user_of(b, i, false) != NULL ||
		    (until != 0 && i->rec.created >= until) ||
		    !filter_labels(&m->filters, i->rec.config != NULL ? &i->rec.config->labels : &no_labels))
			continue;
		if (prune_one(b, i, &call->arena, &p->drop, &p->out, e) < 0)
			return -1;
	}
	snprintf(number, sizeof number, "%lld", (long long)p->out.reclaimed);
	event_emit(b, "image", "prune", "", (const char *const[]){ "reclaimed", number, NULL });
	if (!drop_files(b, &p->drop, &call->arena, on_pruned, p))
		call_reply(call, &p->out, NULL, 0);
	return 0;
}
