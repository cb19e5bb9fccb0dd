/* The kernel's texts of a sample: their parts are split at NUL bytes; what comes out is JSON. */
#include "fuzz.h"

#include "json.h"
#include "stats.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	own_buf cpu = BUF_INIT((size_t)1 << 22), out = BUF_INIT((size_t)1 << 22);
	own_arena a = ARENA_INIT;
	struct api_sample s = { .read = 1, .memory = 5, .two = n > 0 && (data[0] & 1) != 0 };
	char **texts[] = { &s.cpu, &s.cpu_each, &s.cpu_modes, &s.throttle, &s.memory_stat, &s.io_bytes, &s.io_ops, &s.net, &s.name };
	const char *p = (const char *)data + (n > 0 ? 1 : 0), *end = (const char *)data + n;
	struct err e = ERR_INIT;
	own_json *v = NULL;

	for (size_t i = 0; i < sizeof texts / sizeof *texts && p < end; i++) {
		size_t len = strnlen(p, (size_t)(end - p));

		*texts[i] = arena_strn(&a, p, len);
		p += len + 1;
	}
	put_cpu_stats(&cpu, &s);
	put_stats(&out, &s, buf_cstr(&cpu), buf_cstr(&cpu), 0);
	if (json_parse((const char *)out.data, out.used, &v, &e) < 0)
		abort();
	return 0;
}
