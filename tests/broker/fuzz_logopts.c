/* Options of log drivers and tag templates: the first line chooses the driver, each further one is key=value. */
#include "logplan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	own_arena a = ARENA_INIT;
	own_buf tag = BUF_INIT(4096);
	struct kvs opts = { 0 }, attrs;
	struct err e = ERR_INIT;
	struct log_files_plan plan;
	const struct tag_facts facts = { .id = "0123456789abcdef", .name = "n" };
	char *text = n < 65536 ? arena_strn(&a, (const char *)data, n) : NULL, *save = NULL, *driver, *line;
	char *labels_text[] = { (char *)(uintptr_t)"A=1", (char *)(uintptr_t)"bb=2" };
	const struct strs env = { .n = 2, .v = labels_text };
	const struct kvs none = { 0 };

	if (text == NULL || memchr(data, 0, n) != NULL || (driver = strtok_r(text, "\n", &save)) == NULL)
		return 0;
	while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
		char *eq = strchr(line, '=');

		if (eq != NULL) {
			*eq = '\0';
			if (!kvs_set(&opts, &a, line, eq + 1))
				return 0;
		}
	}
	if (tag_expand(kvs_get(&opts, "tag") != NULL ? kvs_get(&opts, "tag") : driver, &facts, &tag, &e) < 0 && e.code == ERR_NONE)
		abort();
	if (log_opts_check(driver, &opts, &e) < 0 || log_check_texts(&opts, &e) < 0)
		return 0;
	log_opts_plan(driver, &opts, &plan);
	if (plan.size < 0 || plan.files < 1 || log_attributes(&opts, &none, &env, &a, &attrs, &e) < 0)
		abort();
	return 0;
}
