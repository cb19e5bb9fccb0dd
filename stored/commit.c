/*
 * Committing: a container's own layer becomes an image with its parent's layers below. A child packs the layer into a file (then the
 * broker is told: the container may go on), and from there on it is a load of one layer: hashed here, unpacked by another child,
 * described, synced, put in place.
 */
#include "load.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The digest of an archive without entries: such a layer is none. */
#define EMPTY_LAYER "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

static struct layer_job *
new_layer(struct load *l)
{
	return &l->jobs[l->n_jobs - 1];
}

/* ---- the configuration ---- */

static int
add_diff_id(struct load *l, struct rootfs_rec *r, const char *id, struct err *e)
{
	return strs_add(&r->diff_ids, &l->config_arena, id) ? 0 : err_set(e, ERR_NO_MEMORY, "image");
}

static int
commit_config(struct load *l, bool empty, struct err *e)
{
	const struct image *i = l->commit->image;
	struct oci_config *c = &l->config;
	struct history *h;

	*c = (struct oci_config){ .architecture = i->architecture, .author = i->author, .comment = i->comment, .config = i->config,
		.created = i->created, .docker_version = i->docker_version, .os = i->os, .variant = i->variant };
	c->rootfs = arena_alloc(&l->config_arena, sizeof *c->rootfs);
	h = arena_array(&l->config_arena, i->history.n, sizeof *h);
	if (c->rootfs == NULL || h == NULL)
		return err_set(e, ERR_NO_MEMORY, "image");
	memcpy(h, i->history.v, i->history.n * sizeof *h);
	h[i->history.n - 1].empty_layer = empty;
	c->history.n = i->history.n;
	c->history.v = h;
	c->rootfs->type = (char *)(uintptr_t)"layers";
	for (size_t k = 0; k < l->n_jobs; k++)
		if (add_diff_id(l, c->rootfs, l->jobs[k].diff_id, e) < 0)
			return -1;
	return 0;
}

static int
describe(struct load *l, struct err *e)
{
	struct layer_job *j = new_layer(l);
	bool empty = strcmp(j->diff_id, EMPTY_LAYER) == 0;

	if (empty)
		l->n_jobs--;   /* its directory goes with the load's */
	else if (load_chain(j, e) < 0 || load_look_up(j, e) < 0)
		return -1;
	return commit_config(l, empty, e) < 0 ? -1 : load_describe(l, e);
}

static void
on_layer(struct load *l)
{
	struct err e = ERR_INIT;

	if (describe(l, &e) < 0)
		load_fail(l, &e);
}

/* ---- the layer ---- */

static void
on_packed(void *ctx, const unsigned char *said, size_t n)
{
	struct load *l = ctx;
	struct unpack_result r;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	own_fd tar = -1;

	l->child = NULL;
	if (load_result(said, n, &a, &r, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	if (call_reply_more(l->call, &(struct store_committed){ 0 }, NULL, 0) < 0)
		err_set(&e, ERR_UNAVAILABLE, "canceled");
	else if ((tar = load_open(l, "packed")) < 0)
		err_sys(&e, errno, "open a layer");
	if (tar < 0 || load_unpack(new_layer(l), tar, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	/* who still reads it has it open; what is gone before the sync is never written to disk */
	(void)unlinkat(l->dir, "packed", 0);
}

static int
pack(struct load *l, struct err *e)
{
	own_fd request = stored_request(&store_tree_type, l->commit->tree, e), out = -1;

	if (request < 0)
		return -1;
	out = openat(l->dir, "packed", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return err_sys(e, errno, "create a file");
	l->child = child_unpack(&l->s->child, "pack", load_room(l), request, out, l->s->store, on_packed, l, e);
	return l->child == NULL ? -1 : 0;
}

/* The parent's layers are in the store and stay there until this is over. */
static int
take_parents(struct load *l, const struct image *image, struct err *e)
{
	l->jobs = calloc(image->layers.n + 1, sizeof *l->jobs);
	if (l->jobs == NULL)
		return err_set(e, ERR_NO_MEMORY, "commit");
	for (; l->n_jobs < image->layers.n; l->n_jobs++) {
		const struct image_layer *from = &image->layers.v[l->n_jobs];
		struct layer_job *j = &l->jobs[l->n_jobs];

		j->load = l;
		j->no = (unsigned)l->n_jobs;
		if (from->dir == NULL || !text_is_id(from->dir) || !text_copy(j->chain, sizeof j->chain, from->dir) || from->diff_id == NULL ||
		    !text_starts(from->diff_id, "sha256:") || !text_is_id(from->diff_id + 7) || !text_copy(j->diff_id, sizeof j->diff_id, from->diff_id))
			return err_set(e, ERR_PROTOCOL, "not a layer");
		if (load_look_up(j, e) < 0)
			return -1;
		if (!j->there)
			return err_set(e, ERR_SYSTEM, "layer %s of the container's image is missing", j->chain);
	}
	l->jobs[l->n_jobs].load = l;
	l->jobs[l->n_jobs].no = (unsigned)l->n_jobs;
	l->n_jobs++;
	l->running = 1;
	return 0;
}

int
on_store_commit(struct call *c, const void *msg, struct err *e)
{
	const struct store_commit *m = msg;
	struct load *l;

	if (m->image == NULL || m->tree == NULL || m->image->history.n == 0)
		return err_set(e, ERR_PROTOCOL, "nothing to commit");
	if (m->image->layers.n + 1 > LOAD_LAYERS_MAX)
		return err_set(e, ERR_LIMIT, "max depth exceeded");
	l = load_new(c, e);
	if (l == NULL)
		return -1;
	l->commit = m;
	l->on_layer = on_layer;
	if (stored_pin_tree(l->s, m->tree, l, e) < 0 || take_parents(l, m->image, e) < 0 || pack(l, e) < 0) {
		load_free(l);
		return -1;
	}
	return 0;
}
