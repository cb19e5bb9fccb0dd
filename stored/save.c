/* Saving: a child writes the archive to the client's descriptor; stored only waits for its word. */
#include "stored.h"

#include "fd.h"
#include "log.h"
#include "unpack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct save {
	struct stored *s;
	struct call *call;
};

static void
on_saved(void *ctx, const unsigned char *said, size_t n)
{
	struct save *save = ctx;
	struct unpack_result result = { 0 };
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	if (n == 0 || rec_decode_all(&unpack_result_type, said, n, &a, &result, &e) < 0)
		err_set(&e, ERR_SYSTEM, "the archive could not be written");
	else if (result.code != ERR_NONE)
		err_set(&e, (enum err_code)result.code, "%s", result.text != NULL ? result.text : "the archive could not be written");
	if (e.code != ERR_NONE) {
		log_err(LOG_WARN, &e, "save");
		call_fail(save->call, &e);
	} else {
		call_ok(save->call);
	}
	pin_remove_all(save->s, save);
	free(save);
}

static int
pin_images(struct stored *s, const struct store_save *m, const void *owner, struct err *e)
{
	for (size_t i = 0; i < m->images.n; i++) {
		const struct image *image = &m->images.v[i];

		if (image->id == NULL || strlen(image->id) != 71 || pin_add(s, image->id + 7, owner, e) < 0)
			return err_set(e, ERR_PROTOCOL, "not an image");
		for (size_t k = 0; k < image->layers.n; k++)
			if (image->layers.v[k].dir == NULL || pin_add(s, image->layers.v[k].dir, owner, e) < 0)
				return err_set(e, ERR_PROTOCOL, "not a layer");
	}
	return 0;
}

int
on_store_save(struct call *c, const void *msg, struct err *e)
{
	const struct store_save *m = msg;
	struct stored *s = c->ctx;
	struct save *save;
	own_fd request = -1;

	if (c->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "store_save needs a descriptor");
	request = stored_request(&store_save_type, m, e);
	if (request < 0)
		return -1;
	save = calloc(1, sizeof *save);
	if (save == NULL)
		return err_set(e, ERR_NO_MEMORY, "save");
	save->s = s;
	save->call = c;
	/* no use of a pipe is fine */
	(void)fcntl(c->fds[0], F_SETPIPE_SZ, 1 << 20);
	if (pin_images(s, m, save, e) < 0 ||
	    child_unpack(&s->child, "save", INT64_MAX, request, c->fds[0], s->store, on_saved, save, e) == NULL) {
		pin_remove_all(s, save);
		free(save);
		return -1;
	}
	/* only the child holds it now: the reader sees its end */
	fd_close(&c->fds[0]);
	return 0;
}
