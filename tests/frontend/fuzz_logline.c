/* One line of a log. */
#include "fuzz.h"

#include "json.h"
#include "logline.h"

#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	own_buf scratch = BUF_INIT((size_t)1 << 22), out = BUF_INIT((size_t)1 << 22);
	struct log_line l;

	json_init();
	if (!log_line_scan((const char *)data, n, &l, &scratch))
		return 0;
	log_line_text(&l, &out);
	log_line_put_time(&l, &out);
	log_line_put_attrs(&l, &out);
	(void)log_line_ns(&l);
	return 0;
}
