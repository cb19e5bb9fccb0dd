/* daemon.json, and the same bytes as arguments divided by newlines. */
#include "fuzz.h"

#include "json.h"
#include "options.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	own_arena a = ARENA_INIT;
	struct settings s = { .file = NULL };
	struct engine_config c;
	struct err e = ERR_INIT;
	char *argv[64], *text = arena_strn(&a, (const char *)data, n);
	int argc = 0;

	json_init();
	if (file_parse((const char *)data, n, &a, &s, &e) == 0)
		(void)!config_build(&s, &a, &c, &e);
	memset(&s, 0, sizeof s);
	for (char *p = text; p != NULL && argc < 64;) {
		argv[argc++] = p;
		p = strchr(p, '\n');
		if (p != NULL)
			*p++ = '\0';
	}
	if (args_parse(argc, argv, &a, &s, &e) == 0)
		(void)!config_build(&s, &a, &c, &e);
	return 0;
}
