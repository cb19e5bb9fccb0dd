/* config.json of a bundle: what is read is checked, and every path ends. */
#include "oci/oci.h"

#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	own_arena a = ARENA_INIT;
	struct oci_config c;
	struct run_process p;
	struct err e = ERR_INIT;

	json_init();
	if (oci_spec_read((const char *)data, n, &a, &c, &e) == 0 && oci_process_plan(&c, c.process, &p, &e) < 0)
		err_clear(&e);
	return 0;
}
