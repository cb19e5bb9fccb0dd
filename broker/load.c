/* load, import, save: the store does the work; an image exists once its record is written here. */
#include "images.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "kinds.h"
#include "log.h"
#include "refs.h"
#include "text.h"

static void
on_dropped(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		log_err(LOG_WARN, a->err, "remove an image that was not recorded");
}

void
image_drop(struct broker *b, const char *id)
{
	char *ids[] = { (char *)(uintptr_t)id };
	struct store_drop drop = { .image_ids = { 1, ids } };

	peer_send(b, PEER_STORE, NO_store_drop, &drop, NULL, 0, PEER_AGAIN, on_dropped, NULL);
}

static int
record(struct broker *b, const struct image *rec, const struct strs *tags, struct img **ret, struct err *e)
{
	struct image fresh = *rec;
	struct img *old = index_get(&b->img_by_id, text_or_empty(rec->id)), *img;

	fresh.repo_tags = old != NULL ? old->rec.repo_tags : (struct strs){ 0 };
	fresh.repo_digests = old != NULL ? old->rec.repo_digests : (struct strs){ 0 };
	img = img_put(b, &fresh, e);
	if (img == NULL)
		return -1;
	for (size_t i = 0; i < tags->n; i++) {
		struct img *owner = img_by_tag(b, tags->v[i]);

		if (img_tag_add(b, img, tags->v[i], e) < 0 || (owner != NULL && owner != img && img_write(b, owner, e) < 0))
			return -1;
	}
	if (tags->n > 0)
		img->rec.last_tag_time = now_real_ns();
	*ret = img;
	return img_write(b, img, e);
}

struct img *
image_record(struct broker *b, const struct image *rec, const struct strs *tags, struct err *e)
{
	struct img *img = NULL;

	if (db_begin(b->db, true, e) < 0)
		return NULL;
	if (record(b, rec, tags, &img, e) < 0 || db_commit(b->db, e) < 0) {
		db_rollback(b->db);
		return NULL;
	}
	return img;
}

/* ---- load ---- */
struct load { char name[1024]; bool import; struct strs tags; const char *id; };

static void
say(struct op *op, const char *stream)
{
	struct api_progress p = { .stream = (char *)(uintptr_t)stream };

	if (op->call != NULL)
		(void)call_reply_more(op->call, &p, NULL, 0);
}

/* A tag as the archive has it may be of the long form, or none at all. */
static int
normal_tags(const struct strs *from, struct arena *a, struct strs *ret, struct err *e)
{
	for (size_t i = 0; i < from->n; i++) {
		struct image_ref r;

		if (ref_parse(from->v[i], &r, e) < 0)
			return err_wrap(e, "tag \"%.200s\"", from->v[i]);
		if (r.digest[0] != '\0')
			return err_set(e, ERR_INVALID, "refusing to create a tag with a digest reference");
		if (strcmp(r.repo, "sha256") == 0)
			return err_set(e, ERR_INVALID, "refusing to create an ambiguous tag using digest algorithm as name");
		if (!strs_add(ret, a, r.full))
			return err_memory(e);
	}
	return 0;
}

static int
take_image(struct op *op, const struct image *rec, struct err *e)
{
	struct load *s = op->state;
	struct strs tags = { 0 };
	struct img *img;
	char line[1200];

	if (normal_tags(s->import ? &s->tags : &rec->repo_tags, &op->arena, &tags, e) < 0)
		return -1;
	for (size_t i = 0; !s->import && i < tags.n; i++) {
		struct img *owner = img_by_tag(op->b, tags.v[i]);

		if (owner == NULL || text_same(owner->rec.id, rec->id))
			continue;
		snprintf(line, sizeof line, "The image %.800s already exists, renaming the old one with ID %.80s to empty string\n", tags.v[i],
		    owner->rec.id);
		say(op, line);
	}
	img = image_record(op->b, rec, &tags, e);
	if (img == NULL)
		return -1;
	if (s->import) {
		struct api_progress p = { .status = img->rec.id };

		event_img(op->b, "import", &img->rec, tags.n > 0 ? tags.v[0] : img->rec.id);
		if (op->call != NULL)
			(void)call_reply_more(op->call, &p, NULL, 0);
		return 0;
	}
	for (size_t i = 0; i < tags.n; i++) {
		snprintf(line, sizeof line, "Loaded image: %s\n", tags.v[i]);
		say(op, line);
	}
	if (tags.n == 0) {
		snprintf(line, sizeof line, "Loaded image ID: %s\n", img->rec.id);
		say(op, line);
	}
	event_img(op->b, "load", &img->rec, tags.n > 0 ? tags.v[0] : img->rec.id);
	return 0;
}

static void
on_loaded(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	const struct store_loaded *m = a->msg;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		op_failed(op, op->err.code != ERR_NONE ? &op->err : a->err);
		return;
	}
	if (m->progress != NULL && op->call != NULL)
		(void)call_reply_more(op->call, m->progress, NULL, 0);
	/* the first error counts; what the store still sends is not recorded */
	if (m->image != NULL && op->err.code == ERR_NONE && take_image(op, m->image, &e) < 0) {
		op->err = e;
		if (index_get(&op->b->img_by_id, text_or_empty(m->image->id)) == NULL)
			image_drop(op->b, text_or_empty(m->image->id));
	}
	if (a->more)
		return;
	if (op->err.code != ERR_NONE) {
		e = op->err;
		op_failed(op, &e);
	} else {
		op_done(op);
	}
}

static void
load(struct op *op)
{
	struct load *s = op->state;

	peer_send(op->b, PEER_STORE, s->import ? NO_store_import : NO_store_load, op->call->msg, op->call->fds, 1, 0, on_loaded, op);
}

static void
finish(struct op *op)
{
	static const struct api_progress nothing;

	if (op->call == NULL || op->err.code != ERR_NONE)
		return;
	call_reply(op->call, &nothing, NULL, 0);
	op->call = NULL;
}

static const struct op_step steps[] = { { "load", load, NULL } };
/* After a crash what the store has and no record names is dropped by the comparison. */
const struct op_kind op_image_load = { .name = "load", .steps = steps, .n = 1, .flags = STEPS_JOURNAL | STEPS_ONCE, .finish = finish };

static int
submit(struct call *call, bool import, const struct strs *tags, struct err *e)
{
	struct broker *b = client_broker(call);
	struct op *op;
	struct load *s;

	if (call->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "the archive's pipe is missing");
	op = op_new(b, &op_image_load, NULL, import ? "import" : "load", call, e);
	if (op == NULL)
		return -1;
	op->state = s = arena_alloc(&op->arena, sizeof *s);
	if (s == NULL) {
		err_memory(&op->err);
	} else {
		s->import = import;
		if (tags != NULL)
			s->tags = *tags;
	}
	op_submit(op);
	return 0;
}

int
handle_image_load(struct call *call, const void *msg, struct err *e)
{
	return submit(call, false, NULL, e);
}

int
handle_image_import(struct call *call, const void *msg, struct err *e)
{
	const struct api_import *m = msg;
	struct strs tags = { 0 };
	char text[1300];
	struct image_ref r;

	if (text_set(m->repo)) {
		snprintf(text, sizeof text, "%s%s%s", m->repo, text_set(m->tag) ? ":" : "", text_or_empty(m->tag));
		if (ref_parse(text, &r, e) < 0)
			return -1;
		if (r.digest[0] != '\0')
			return err_set(e, ERR_INVALID, "cannot import digest reference");
		if (!strs_add(&tags, &call->arena, r.full))
			return err_memory(e);
	}
	return submit(call, true, &tags, e);
}

/* ---- save ---- */
/* A reference by name is saved with this tag alone, one by id without tags. The same image twice is one with both tags. */
static int
add_saved(struct broker *b, struct store_save *m, const char *ref, struct arena *a, struct err *e)
{
	struct img *img = img_find(b, ref, e);
	struct image_ref r;
	struct err ignored = ERR_INIT;
	struct image *there = NULL;
	bool named;

	if (img == NULL)
		return -1;
	named = ref_parse(ref, &r, &ignored) == 0 && r.digest[0] == '\0' && img_by_tag(b, r.full) == img;
	for (size_t i = 0; i < m->images.n; i++)
		if (strcmp(m->images.v[i].id, img->rec.id) == 0)
			there = &m->images.v[i];
	if (there == NULL) {
		there = list_add(&m->images, a, sizeof *there);
		if (there == NULL)
			return err_memory(e);
		*there = img->rec;
		there->repo_tags = (struct strs){ 0 };
	}
	/* only a repository: all its tags */
	if (named && !r.tagged) {
		for (size_t i = 0; i < img->rec.repo_tags.n; i++)
			if (text_starts(img->rec.repo_tags.v[i], r.repo) && img->rec.repo_tags.v[i][strlen(r.repo)] == ':' &&
			    !strs_has(&there->repo_tags, img->rec.repo_tags.v[i]) && !strs_add(&there->repo_tags, a, img->rec.repo_tags.v[i]))
				return err_memory(e);
	} else if (named && !strs_has(&there->repo_tags, r.full) && !strs_add(&there->repo_tags, a, r.full)) {
		return err_memory(e);
	}
	return 0;
}

int
handle_image_save(struct call *call, const void *msg, struct err *e)
{
	const struct api_save *m = msg;
	struct broker *b = client_broker(call);
	struct store_save wish = { 0 };

	if (call->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "the archive's pipe is missing");
	if (m->refs.n == 0)
		return err_set(e, ERR_INVALID, "no images to save");
	for (size_t i = 0; i < m->refs.n; i++)
		if (add_saved(b, &wish, m->refs.v[i], &call->arena, e) < 0)
			return -1;
	for (size_t i = 0; i < wish.images.n; i++)
		event_img(b, "save", &wish.images.v[i], wish.images.v[i].id);
	peer_send(b, PEER_STORE, NO_store_save, &wish, call->fds, 1, 0, call_on_answer, call);
	return 0;
}
