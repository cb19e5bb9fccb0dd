/* A whole layer: unpacked into a directory, and what was accepted must come out of the recipe as it went in. */
#include "fd.h"
#include "layer.h"
#include "recipe.h"
#include "scratch.h"

#include <stdlib.h>
#include <string.h>

struct want { const uint8_t *p; size_t left; };

static int
compare(void *ctx, const void *p, size_t n, struct err *e)
{
	struct want *w = ctx;

	if (n > w->left || memcmp(w->p, p, n) != 0)
		abort();
	w->p += n;
	w->left -= n;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct layer_limits limits = { (uint64_t)4 << 20, 1000 };
	struct layer_result result;
	struct want want = { data, n };
	struct source in;
	struct err e = ERR_INIT;
	own_fd top = fd_make_dir(scratch_dir(), "layer", 0700);

	if (top < 0)
		abort();
	source_open_memory(&in, data, n);
	if (layer_unpack(top, &in, &limits, &result, &e) == 0 &&
	    (recipe_replay(top, &(struct recipe_sink){ compare, &want }, &e) < 0 || want.left != 0))
		abort();
	source_done(&in);
	if (fd_remove_tree(scratch_dir(), "layer") < 0)
		abort();
	return 0;
}
