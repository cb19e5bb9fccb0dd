/* Filters of lists, links and labels: each line is key=value of a filter, or (other keys) the text of another small parser. */
#include "broker.h"
#include "filters.h"
#include "labels.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
add(struct filter_list *f, struct arena *a, char *key, const char *value)
{
	struct filter *x = NULL;

	for (size_t i = 0; i < f->n && x == NULL; i++)
		if (strcmp(f->v[i].key, key) == 0)
			x = &f->v[i];
	if (x == NULL && (x = list_add(f, a, sizeof *x)) != NULL)
		x->key = key;
	return x != NULL && strs_add(&x->values, a, value) ? 0 : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const known[] = { "name", "id", "label", "label!", "status", "until", "dangling", NULL };
	own_arena a = ARENA_INIT;
	struct filter_list f = { 0 };
	struct kvs labels = { 0 };
	struct err e = ERR_INIT;
	char *text = n < 8192 ? arena_strn(&a, (const char *)data, n) : NULL, *save = NULL;
	int64_t until;
	int flag;

	if (text == NULL || memchr(data, 0, n) != NULL || !kvs_set(&labels, &a, "a", "b") || !kvs_set(&labels, &a, "key", ""))
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		char *eq = strchr(line, '=');

		if (eq == NULL)
			continue;
		*eq = '\0';
		if (strcmp(line, "selinux") == 0) {
			const struct engine_config config = { .selinux = true };
			struct security s = { 0 };
			struct err ignored = ERR_INIT;

			(void)(labels_option(eq + 1, &s, &config, &ignored) == 0);
		} else if (add(&f, &a, line, eq + 1) < 0) {
			return 0;
		}
	}
	if (filters_check(&f, known, &e) < 0)
		return 0;
	(void)filter_exact(&f, "status", "running");
	(void)filter_prefix(&f, "id", "0123456789abcdef");
	(void)filter_labels(&f, &labels);
	if (filter_pattern(&f, "name", "/some-name_1.x") && filter_get(&f, "nothing") != NULL)
		abort();
	(void)(filter_bool(&f, "dangling", &flag, &e) == 0);
	(void)(filter_until(&f, &until, &e) == 0);
	return 0;
}
