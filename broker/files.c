#include "files.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "volumes.h"

struct store_tree
files_tree(const struct ctr *c)
{
	return (struct store_tree){ .id = (char *)(uintptr_t)c->id, .layers = c->rec.layers };
}

/* ---- changes, export ---- */

static int
read_files(struct ctr *c, struct call *call, unsigned no, struct err *e)
{
	struct store_tree wish = files_tree(c);

	if (call->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "the pipe is missing");
	peer_send(c->b, PEER_STORE, no, &wish, call->fds, 1, 0, call_on_answer, call);
	return 0;
}

int
handle_container_changes(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);

	return c == NULL ? -1 : read_files(c, call, NO_store_changes, e);
}

int
handle_container_export(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct ctr *c = ctr_find(client_broker(call), m->ref, e);

	if (c == NULL)
		return -1;
	if (c->rec.state->dead)
		return err_set(e, ERR_CONFLICT, "You cannot export container %s which is Dead", c->id);
	if (c->removing)
		return err_set(e, ERR_CONFLICT, "You cannot export container %s which is being removed", c->id);
	if (read_files(c, call, NO_store_export, e) < 0)
		return -1;
	event_ctr(c, "export", NULL);
	return 0;
}

/* ---- sizes ---- */

int64_t
files_layers_size(const struct broker *b, const struct ctr *c)
{
	const struct img *own = text_set(c->rec.image) ? index_get(&b->img_by_id, c->rec.image) : NULL;
	int64_t sum = 0;

	if (own != NULL)
		return own->rec.size;
	/* the image was removed by force: others may have its layers */
	for (size_t k = 0; k < c->rec.layers.n; k++) {
		const struct image_layer *found = NULL;

		for (size_t i = 0; found == NULL && i < b->img_by_id.n; i++) {
			const struct img *img = b->img_by_id.v[i].value;

			for (size_t j = 0; found == NULL && j < img->rec.layers.n; j++)
				if (text_same(img->rec.layers.v[j].dir, c->rec.layers.v[k]))
					found = &img->rec.layers.v[j];
		}
		sum += found != NULL ? found->size : 0;
	}
	return sum;
}

struct sized { struct broker *b; struct call *call; struct api_summaries answer; };

static void
on_sizes(void *ctx, struct answer *a)
{
	struct sized *s = ctx;
	const struct store_sizes *m = a->msg;

	if (a->err != NULL) {
		call_fail(s->call, a->err);
		return;
	}
	for (size_t i = 0; i < s->answer.items.n; i++) {
		struct container_summary *item = &s->answer.items.v[i];
		struct ctr *c = index_get(&s->b->ctr_by_id, item->id);

		item->size_rw = i < m->rws.n ? m->rws.v[i].size : -1;
		item->size_root_fs = (c != NULL ? files_layers_size(s->b, c) : 0) + (item->size_rw > 0 ? item->size_rw : 0);
	}
	call_reply(s->call, &s->answer, NULL, 0);
}

int
files_list_with_sizes(struct broker *b, struct call *call, struct api_summaries *answer, struct err *e)
{
	struct sized *s = arena_alloc(&call->arena, sizeof *s);
	struct api_summaries copy;
	struct store_measure wish = { 0 };

	/* records change while the store measures */
	if (s == NULL || rec_copy(&api_summaries_type, answer, &call->arena, &copy, e) < 0)
		return s == NULL ? err_memory(e) : -1;
	for (size_t i = 0; i < copy.items.n; i++)
		if (!strs_add(&wish.rws, &call->arena, copy.items.v[i].id))
			return err_memory(e);
	*s = (struct sized){ .b = b, .call = call, .answer = copy };
	peer_send(b, PEER_STORE, NO_store_measure, &wish, NULL, 0, PEER_AGAIN, on_sizes, s);
	return 0;
}

/* ---- volumes ---- */

struct measured { struct broker *b; struct call *call; };

static void
on_volume_sizes(void *ctx, struct answer *a)
{
	const struct measured *measured = ctx;
	struct call *call = measured->call;
	const struct store_sizes *m = a->msg;
	struct api_volume_uses answer = { 0 };

	if (a->err != NULL) {
		call_fail(call, a->err);
		return;
	}
	answer.items.v = arena_array(&call->arena, m->volumes.n, sizeof *answer.items.v);
	for (size_t i = 0; answer.items.v != NULL && i < m->volumes.n; i++)
		answer.items.v[answer.items.n++] = (struct volume_use){ .name = m->volumes.v[i].name, .size = m->volumes.v[i].size,
			.refs = (int64_t)volume_users(measured->b, m->volumes.v[i].name, NULL, NULL) };
	call_reply(call, &answer, NULL, 0);
}

int
handle_volume_usage(struct call *call, const void *msg, struct err *e)
{
	struct broker *b = client_broker(call);
	struct measured *measured = arena_alloc(&call->arena, sizeof *measured);
	struct store_measure wish = { 0 };

	if (measured == NULL)
		return err_memory(e);
	*measured = (struct measured){ .b = b, .call = call };
	for (size_t i = 0; i < b->vol_by_name.n; i++) {
		const struct vol *v = b->vol_by_name.v[i].value;

		if (!v->busy && !strs_add(&wish.volumes, &call->arena, v->rec.name))
			return err_memory(e);
	}
	peer_send(b, PEER_STORE, NO_store_measure, &wish, NULL, 0, PEER_AGAIN, on_volume_sizes, measured);
	return 0;
}
