/* Images: list, inspect, tag. */
#include "images.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "filters.h"
#include "log.h"
#include "refs.h"
#include "text.h"

#include <stdlib.h>

bool
layer_is_used(const struct broker *b, const char *dir, const struct ctr *except)
{
	for (size_t i = 0; i < b->img_by_id.n; i++) {
		const struct img *img = b->img_by_id.v[i].value;

		for (size_t k = 0; k < img->rec.layers.n; k++)
			if (text_same(img->rec.layers.v[k].dir, dir))
				return true;
	}
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		const struct ctr *c = b->ctr_by_id.v[i].value;

		if (c != except && strs_has(&c->rec.layers, dir))
			return true;
		for (size_t k = 0; c != except && k < c->rec.mounts.n; k++)
			if (strs_has(&c->rec.mounts.v[k].layers, dir))
				return true;
	}
	return false;
}

static void
on_dropped(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "remove layers");
}

void
layers_drop_unused(struct broker *b, const struct strs *layers, const struct ctr *except)
{
	own_arena a = ARENA_INIT;
	struct store_drop m = { 0 };

	for (size_t i = 0; i < layers->n; i++)
		if (!layer_is_used(b, layers->v[i], except) && !strs_add(&m.layers, &a, layers->v[i]))
			return;   /* found again by the next comparison with the store */
	if (m.layers.n > 0)
		peer_send(b, PEER_STORE, NO_store_drop, &m, NULL, 0, PEER_AGAIN, on_dropped, NULL);
}

bool
image_is_ancestor(const struct broker *b, const struct img *i, const struct ctr *c)
{
	size_t n = i->rec.layers.n;

	if (text_same(i->rec.id, c->rec.image))
		return true;
	/* the container's layers come highest first */
	return n > 0 && n <= c->rec.layers.n && text_same(i->rec.layers.v[n - 1].dir, c->rec.layers.v[c->rec.layers.n - n]);
}

static bool
reference_matches(const struct filter_list *f, const struct image *i)
{
	const struct filter *x = filter_get(f, "reference");

	for (size_t k = 0; x != NULL && k < x->values.n; k++)
		for (size_t t = 0; t < i->repo_tags.n; t++) {
			const char *tag = i->repo_tags.v[t], *colon = strrchr(tag, ':');
			char repo[512];

			snprintf(repo, sizeof repo, "%.*s", colon != NULL ? (int)(colon - tag) : 500, tag);
			if (glob_match(x->values.v[k], tag) || glob_match(x->values.v[k], repo))
				return true;
		}
	return x == NULL;
}

/* Only the tags that a reference filter asks for are shown. */
static int
keep_tags(struct image *i, const struct filter_list *f, struct arena *a)
{
	const struct filter *x = filter_get(f, "reference");
	struct strs kept = { 0 };

	if (x == NULL)
		return 0;
	for (size_t t = 0; t < i->repo_tags.n; t++) {
		struct image one = { .repo_tags = { 1, &i->repo_tags.v[t] } };

		if (reference_matches(f, &one) && !strs_add(&kept, a, i->repo_tags.v[t]))
			return -1;
	}
	i->repo_tags = kept;
	return 0;
}

static int
find_edge(struct broker *b, const struct filter_list *f, const char *key, const struct img **ret, struct err *e)
{
	const struct filter *x = filter_get(f, key);

	*ret = NULL;
	if (x == NULL)
		return 0;
	*ret = img_find(b, x->values.v[0], e);
	return *ret != NULL ? 0 : -1;
}

bool
image_has_children(const struct broker *b, const struct image *i)
{
	for (size_t k = 0; k < b->img_by_id.n; k++) {
		const struct img *child = b->img_by_id.v[k].value;

		if (text_same(child->rec.parent, i->id))
			return true;
	}
	return false;
}

/* How much of it other images have too, and how many containers were made from it. */
static void
count_uses(const struct broker *b, const struct image *i, struct image *ret)
{
	ret->shared_size = ret->containers = 0;
	for (size_t k = 0; k < i->layers.n; k++) {
		bool shared = false;

		for (size_t n = 0; !shared && n < b->img_by_id.n; n++) {
			const struct img *other = b->img_by_id.v[n].value;

			for (size_t j = 0; !shared && other->rec.id != i->id && j < other->rec.layers.n; j++)
				shared = text_same(other->rec.layers.v[j].dir, i->layers.v[k].dir);
		}
		ret->shared_size += shared ? i->layers.v[k].size : 0;
	}
	for (size_t k = 0; k < b->ctr_by_id.n; k++) {
		const struct ctr *c = b->ctr_by_id.v[k].value;

		ret->containers += text_same(c->rec.image, i->id) ? 1 : 0;
	}
}

static int
by_age(const void *a, const void *b)
{
	const struct image *x = a, *y = b;

	return x->created < y->created ? 1 : x->created > y->created ? -1 : strcmp(x->id, y->id);
}

int
handle_image_list(struct call *call, const void *msg, struct err *e)
{
	static const char *const known[] = { "dangling", "label", "label!", "before", "since", "reference", "until", NULL };
	const struct api_list *m = msg;
	struct broker *b = client_broker(call);
	struct api_images answer = { 0 };
	const struct img *before, *since;
	int64_t until;
	int dangling;

	if (filters_check(&m->filters, known, e) < 0 || find_edge(b, &m->filters, "before", &before, e) < 0 ||
	    find_edge(b, &m->filters, "since", &since, e) < 0 || filter_bool(&m->filters, "dangling", &dangling, e) < 0 ||
	    filter_until(&m->filters, &until, e) < 0)
		return -1;
	for (size_t i = 0; i < b->img_by_id.n; i++) {
		const struct img *img = b->img_by_id.v[i].value;
		static const struct kvs no_labels;
		struct image *shown;

		if ((before != NULL && img->rec.created >= before->rec.created) || (since != NULL && img->rec.created <= since->rec.created) ||
		    (until != 0 && img->rec.created >= until) || (dangling >= 0 && (img->rec.repo_tags.n == 0) != (dangling == 1)) ||
		    !filter_labels(&m->filters, img->rec.config != NULL ? &img->rec.config->labels : &no_labels) ||
		    !reference_matches(&m->filters, &img->rec))
			continue;
		/* what others were made from is shown by its names only */
		if (!m->all && img->rec.repo_tags.n == 0 && image_has_children(b, &img->rec))
			continue;
		shown = list_add(&answer.items, &call->arena, sizeof *shown);
		if (shown == NULL)
			return err_memory(e);
		*shown = img->rec;
		shown->containers = shown->shared_size = -1;
		if (m->size)
			count_uses(b, &img->rec, shown);
		if (keep_tags(shown, &m->filters, &call->arena) < 0)
			return err_memory(e);
	}
	if (answer.items.n > 1)
		qsort(answer.items.v, answer.items.n, sizeof *answer.items.v, by_age);
	call_reply(call, &answer, NULL, 0);
	return 0;
}

int
handle_image_inspect(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct img *img = img_find(client_broker(call), m->ref, e);

	if (img == NULL)
		return -1;
	call_reply(call, &img->rec, NULL, 0);
	return 0;
}

/* The image that loses the tag is written, too. */
static int
move_tag(struct broker *b, struct img *img, const char *tag, struct err *e)
{
	struct img *owner = img_by_tag(b, tag);

	if (img_tag_add(b, img, tag, e) < 0 || (owner != NULL && owner != img && img_write(b, owner, e) < 0))
		return -1;
	img->rec.last_tag_time = now_real_ns();
	return img_write(b, img, e);
}

int
handle_image_tag(struct call *call, const void *msg, struct err *e)
{
	const struct api_tag *m = msg;
	struct broker *b = client_broker(call);
	struct img *img = img_find(b, m->ref, e);
	struct image_ref r;
	char text[1300];

	if (img == NULL)
		return -1;
	snprintf(text, sizeof text, "%s%s%s", text_or_empty(m->repo), text_set(m->tag) ? ":" : "", text_or_empty(m->tag));
	if (ref_parse(text, &r, e) < 0)
		return -1;
	if (r.digest[0] != '\0')
		return err_set(e, ERR_INVALID, "refusing to create a tag with a digest reference");
	if (strcmp(r.repo, "sha256") == 0)
		return err_set(e, ERR_INVALID, "refusing to create an ambiguous tag using digest algorithm as name");
	if (db_begin(b->db, true, e) < 0)
		return -1;
	if (move_tag(b, img, r.full, e) < 0 || db_commit(b->db, e) < 0) {
		db_rollback(b->db);
		return -1;
	}
	event_img(b, "tag", &img->rec, r.full);
	call_ok(call);
	return 0;
}
