/* Each JSON body of the API: the first byte selects the record. What was read is written and must read again. */
#include "fuzz.h"

#include "json.h"
#include "msg/api.h"
#include "seccomp_check.h"

#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct rec_type *const types[] = { &container_config_type, &host_config_type, &endpoint_type, &exec_config_type,
		&api_volume_create_type, &seccomp_profile_type, &network_type, &health_config_type };
	own_arena a = ARENA_INIT;
	own_buf b = BUF_INIT((size_t)64 << 20);
	struct err e = ERR_INIT;
	const struct rec_type *t;
	void *obj, *again;

	if (n == 0)
		return 0;
	json_init();
	t = types[data[0] % (sizeof types / sizeof types[0])];
	obj = arena_alloc(&a, t->size);
	again = arena_alloc(&a, t->size);
	if (json_read(t, (const char *)data + 1, n - 1, &a, obj, &e) < 0)
		return 0;
	json_put_rec(&b, t, obj);
	if (b.failed || json_read(t, (const char *)b.data, b.used, &a, again, &e) < 0)
		abort();
	if (t == &seccomp_profile_type)
		(void)!seccomp_check(obj, &e);
	return 0;
}
