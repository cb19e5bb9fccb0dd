/*
 * Commit: a container's files and configuration become an image. It stands still only while its files are read. What the store has
 * made is an image once its record is written; after a crash the container goes on, and a layer that nobody names is dropped.
 */
#include "files.h"

#include "broker.h"
#include "clients.h"
#include "create.h"
#include "events.h"
#include "images.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "refs.h"
#include "text.h"

/* freeze: it was running and was, or is about to be, frozen by this operation */
#define COMMIT_DATA_FIELDS(F, O, L) \
	F(str,  id,     NULL, ID_MAX) \
	F(flag, freeze, NULL, 1)
REC_DECLARE(commit_data, COMMIT_DATA_FIELDS)
#define REC_SELF struct commit_data
REC_DEFINE(commit_data, COMMIT_DATA_FIELDS)
#undef REC_SELF

struct commit {
	struct image image;              /* what is to be made */
	struct container_config config;
	struct strs tags;
	struct image *made;
	struct err err;
	bool packed, answered, waiting;
};

/* ---- what it becomes ---- */

static char *
command_text(const struct container_config *c, struct arena *a)
{
	own_buf b = BUF_INIT((size_t)REC_STR_MAX);

	for (size_t i = 0; i < c->cmd.n; i++)
		buf_printf(&b, "%s%s", i > 0 ? " " : "", c->cmd.v[i]);
	return arena_str(a, buf_cstr(&b));
}

static int
describe(struct op *op, const struct api_commit *m, const struct image *parent, struct err *e)
{
	struct commit *s = op->state;
	struct image *i = &s->image;
	struct history *h;

	if (m->config != NULL)
		s->config = *m->config;
	if (merge_image(&s->config, op->ctr->rec.config, &op->arena, e) < 0)
		return -1;
	*i = (struct image){ .parent = op->ctr->rec.image, .comment = m->comment, .created = now_real_ns(), .docker_version = m->docker_version,
		.author = m->author, .config = &s->config, .architecture = parent->architecture, .variant = parent->variant, .os = parent->os,
		.layers = parent->layers };
	i->history.v = h = arena_array(&op->arena, parent->history.n + 1, sizeof *h);
	if (h == NULL)
		return err_memory(e);
	if (parent->history.n > 0)
		memcpy(h, parent->history.v, parent->history.n * sizeof *h);
	i->history.n = parent->history.n + 1;
	h[parent->history.n] = (struct history){ .created = i->created, .created_by = command_text(op->ctr->rec.config, &op->arena), .author = m->author,
		.comment = m->comment };
	return h[parent->history.n].created_by != NULL ? 0 : err_memory(e);
}

static void
prepare(struct op *op)
{
	struct commit_data *d = op->data;
	const struct api_commit *m = op->call->msg;
	struct ctr *c = op->ctr;
	struct err e = ERR_INIT;

	if (c->rec.state->dead)
		err_set(&e, ERR_CONFLICT, "You cannot commit container %s which is Dead", c->id);
	else if (index_get(&op->b->img_by_id, text_or_empty(c->rec.image)) == NULL)
		err_set(&e, ERR_NOT_FOUND, "No such image: %s", text_or_empty(c->rec.image));
	if (e.code != ERR_NONE) {
		op_failed(op, &e);
		return;
	}
	d->freeze = m->pause && ctr_running(c) && !c->rec.state->paused;
	op_done(op);
}

/* ---- it stands still ---- */

static void
on_frozen(struct op *op, const struct err *why)
{
	/* (it may have ended by itself) */
	if (why != NULL && ctr_running(op->ctr))
		op_failed(op, why);
	else
		op_done(op);
}

static void
on_thawed(struct op *op, const struct err *why)
{
	if (why != NULL && ctr_running(op->ctr))
		log_err(LOG_ERROR, why, "let container %.12s go on", op->ctr->id);
	op_done(op);
}

static void
set_frozen(struct op *op, bool on)
{
	const struct commit_data *d = op->data;

	if (!d->freeze || !ctr_running(op->ctr))
		op_done(op);
	else
		freeze_container(op, on, PEER_AGAIN, on ? on_frozen : on_thawed);
}

static void
freeze(struct op *op)
{
	set_frozen(op, true);
}

static void
thaw(struct op *op)
{
	set_frozen(op, false);
}

/* ---- the store ---- */

static void
record(struct op *op)
{
	struct commit *s = op->state;
	struct err e = ERR_INIT;

	if (!s->answered) {
		s->waiting = true;
		return;
	}
	if (s->err.code != ERR_NONE) {
		op_failed(op, &s->err);
		return;
	}
	s->made->parent = s->image.parent;
	if (image_record(op->b, s->made, &s->tags, &e) == NULL) {
		image_drop(op->b, s->made->id);
		op_failed(op, &e);
		return;
	}
	op_done(op);
}

static void
on_committed(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	struct commit *s = op->state;
	const struct store_committed *m = a->msg;

	if (a->err == NULL && a->more) {
		if (!s->packed) {
			s->packed = true;
			op_done(op);
		}
		return;
	}
	s->answered = true;
	if (a->err != NULL) {
		s->err = *a->err;
	} else if (m->image == NULL || (s->made = arena_alloc(&op->arena, sizeof *s->made)) == NULL) {
		err_set(&s->err, ERR_SYSTEM, "the store's answer is incomplete");
	} else if (rec_copy(&image_type, m->image, &op->arena, s->made, &s->err) < 0) {
		log_err(LOG_WARN, &s->err, "commit");
	}
	if (!s->packed) {
		if (s->err.code == ERR_NONE)
			err_set(&s->err, ERR_SYSTEM, "the store's answer is incomplete");
		op_failed(op, &s->err);
	} else if (s->waiting) {
		record(op);
	}
}

static void
pack(struct op *op)
{
	struct commit *s = op->state;
	struct store_tree tree = files_tree(op->ctr);
	const struct img *parent = index_get(&op->b->img_by_id, text_or_empty(op->ctr->rec.image));
	struct store_commit wish = { .tree = &tree, .image = &s->image };
	struct err e = ERR_INIT;

	/* the records' texts may have moved since the first step: what is taken from them is taken now */
	if (parent == NULL)
		err_set(&e, ERR_NOT_FOUND, "No such image: %s", text_or_empty(op->ctr->rec.image));
	if (parent == NULL || describe(op, op->call->msg, &parent->rec, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	s->image.parent = arena_str(&op->arena, parent->rec.id);
	peer_send(op->b, PEER_STORE, NO_store_commit, &wish, NULL, 0, 0, on_committed, op);
}

static void
finish(struct op *op)
{
	struct commit *s = op->state;
	const struct api_commit *m;
	struct api_committed answer;
	const char *extra[8];

	if (op->call == NULL || op->err.code != ERR_NONE)
		return;
	m = op->call->msg;
	for (size_t i = 0; i < s->tags.n; i++)
		event_img(op->b, "tag", s->made, s->tags.v[i]);
	memcpy(extra, (const char *const[]){ "comment", text_or_empty(m->comment), "imageID", s->made->id, "imageRef",
		s->tags.n > 0 ? s->tags.v[0] : "", NULL, NULL }, sizeof extra);
	event_ctr(op->ctr, "commit", extra);
	answer = (struct api_committed){ .id = s->made->id };
	call_reply(op->call, &answer, NULL, 0);
	op->call = NULL;
}

/* After a crash there is only one thing to do: it goes on. */
static bool
resume(struct op *op)
{
	const struct commit_data *d = op->data;

	op->ctr = d != NULL && text_set(d->id) ? index_get(&op->b->ctr_by_id, d->id) : NULL;
	return op->ctr != NULL;
}

static const struct op_step steps[] = { { "prepare", prepare, NULL }, { "freeze", freeze, thaw }, { "pack", pack, NULL }, { "thaw", thaw, NULL },
	{ "record", record, NULL } };
const struct op_kind op_commit = { .name = "commit", .steps = steps, .n = 5, .flags = STEPS_JOURNAL, .data_type = &commit_data_type,
	.finish = finish, .resume = resume };

int
handle_container_commit(struct call *call, const void *msg, struct err *e)
{
	const struct api_commit *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c;
	struct image_ref r;
	struct commit *s;
	struct commit_data *d;
	struct op *op;
	char text[1300], object[80];

	if (text_set(m->repo)) {
		snprintf(text, sizeof text, "%s%s%s", m->repo, text_set(m->tag) ? ":" : "", text_or_empty(m->tag));
		if (ref_parse(text, &r, e) < 0)
			return -1;
		if (r.digest[0] != '\0')
			return err_set(e, ERR_INVALID, "cannot commit to digest reference");
	}
	c = ctr_find(b, m->ref, e);
	if (c == NULL)
		return -1;
	if (c->removing)
		return err_set(e, ERR_CONFLICT, "You cannot commit container %s which is being removed", c->id);
	/* (not the container's id: whether it runs is not this operation's to say after a restart) */
	snprintf(object, sizeof object, "commit-%s", c->id);
	op = op_new(b, &op_commit, c, object, call, e);
	if (op == NULL)
		return -1;
	op->state = s = arena_alloc(&op->arena, sizeof *s);
	op->data = d = arena_alloc(&op->arena, sizeof *d);
	if (s == NULL || d == NULL || (d->id = arena_str(&op->arena, c->id)) == NULL || (text_set(m->repo) && !strs_add(&s->tags, &op->arena, r.full)))
		err_memory(&op->err);
	op_submit(op);
	return 0;
}
