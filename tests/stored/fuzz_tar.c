/* The tar parser alone. */
#include "tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct source in;
	struct tar t;
	struct tar_entry entry;
	const unsigned char *p;
	struct err e = ERR_INIT;

	source_open_memory(&in, data, n);
	tar_init(&t, &in);
	while (tar_next(&t, &entry, &e) > 0)
		while (tar_data(&t, &p, &e) > 0)
			;
	if (e.code == ERR_NONE && tar_tail(&t, &e) < 0)
		err_clear(&e);
	tar_done(&t);
	source_done(&in);
	return 0;
}
