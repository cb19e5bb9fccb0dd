/* What is mounted, as texts: the first line is a -v, the second a host path, each further one key=value of the local volume driver. */
#include "broker.h"
#include "create.h"
#include "volumes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	own_arena a = ARENA_INIT;
	struct kvs opts = { 0 };
	struct err e = ERR_INIT;
	struct bind_spec b;
	char *text = n < 65536 ? arena_strn(&a, (const char *)data, n) : NULL, *line, *save = NULL, *path;

	if (text == NULL || memchr(data, 0, n) != NULL || (line = strtok_r(text, "\n", &save)) == NULL)
		return 0;
	if (parse_bind(line, &a, &b, &e) == 0 && (b.target == NULL || b.target[0] != '/' || strstr(b.target, "/../") != NULL || (!b.volume && b.source[0] != '/')))
		abort();
	line = strtok_r(NULL, "\n", &save);
	path = line != NULL ? path_clean(&a, line) : NULL;
	if (path != NULL && (path[0] != '/' || strstr(path, "//") != NULL || strstr(path, "/./") != NULL || strstr(path, "/../") != NULL))
		abort();
	while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
		char *eq = strchr(line, '=');

		if (eq != NULL) {
			*eq = '\0';
			if (!kvs_set(&opts, &a, line, eq + 1))
				return 0;
		}
	}
	if (volume_options_check(&opts, &a, &e) == 0) {
		struct volume v = { .name = (char *)(uintptr_t)"v", .options = opts };
		struct run_mount m = { .kind = (char *)(uintptr_t)"volume", .source = v.name };
		struct broker none = { 0 };
		struct ctr c = { .b = &none };

		if (volume_options_mount(&c, &v, &m, &a, &e) < 0 || (strcmp(m.kind, "bind") == 0 && m.source[0] != '/'))
			abort();
	}
	return 0;
}
