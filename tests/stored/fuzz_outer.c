/* The archive that docker load takes: spooling, manifest.json, index.json. */
#include "fd.h"
#include "outer.h"
#include "scratch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct unpack_result result = { 0 };
	struct source in;
	struct err e = ERR_INIT;
	own_arena a = ARENA_INIT;
	own_fd dir = fd_make_dir(scratch_dir(), "in", 0700);

	if (dir < 0)
		abort();
	source_open_memory(&in, data, n);
	/* what it says must be what stored is ready to read */
	if (outer_unpack(dir, &in, (uint64_t)4 << 20, &a, &result, &e) == 0) {
		own_buf out = BUF_INIT(UNPACK_RESULT_MAX);

		if (rec_encode(&unpack_result_type, &result, &out, &e) < 0)
			abort();
	}
	source_done(&in);
	if (fd_remove_tree(scratch_dir(), "in") < 0)
		abort();
	return 0;
}
