/* An image's configuration. */
#include "json.h"
#include "outer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct unpack_result result = { 0 };
	struct oci_config config = { 0 };
	struct err e = ERR_INIT;
	own_arena a = ARENA_INIT;

	if (image_config_read((const char *)data, n, &a, &config, &e) == 0) {
		own_buf out = BUF_INIT(UNPACK_RESULT_MAX);

		result.config = &config;
		/* a field beyond its bound is an error of the image, found here */
		if (rec_encode(&unpack_result_type, &result, &out, &e) < 0)
			return 0;
	}
	return 0;
}
