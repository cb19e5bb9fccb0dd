#include "filters.h"

#include "loop.h"
#include "text.h"

#include <string.h>

/* Each pattern is compiled for each object that is looked at. */
#define PATTERNS_MAX 32

int
filters_check(const struct filter_list *f, const char *const *known, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		size_t k = 0;

		while (known[k] != NULL && (f->v[i].key == NULL || strcmp(known[k], f->v[i].key) != 0))
			k++;
		if (known[k] == NULL)
			return err_set(e, ERR_INVALID, "invalid filter '%.200s'", f->v[i].key != NULL ? f->v[i].key : "");
		if (strcmp(f->v[i].key, "name") == 0 && f->v[i].values.n > PATTERNS_MAX)
			return err_set(e, ERR_INVALID, "more than %d values for filter 'name'", PATTERNS_MAX);
	}
	return 0;
}

const struct filter *
filter_get(const struct filter_list *f, const char *key)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].key, key) == 0 && f->v[i].values.n > 0)
			return &f->v[i];
	return NULL;
}

bool
filter_exact(const struct filter_list *f, const char *key, const char *text)
{
	const struct filter *x = filter_get(f, key);

	return x == NULL || strs_has(&x->values, text);
}

bool
filter_prefix(const struct filter_list *f, const char *key, const char *text)
{
	const struct filter *x = filter_get(f, key);

	for (size_t i = 0; x != NULL && i < x->values.n; i++)
		if (text_starts(text, x->values.v[i]))
			return true;
	return x == NULL;
}

bool
filter_pattern(const struct filter_list *f, const char *key, const char *text)
{
	const struct filter *x = filter_get(f, key);

	for (size_t i = 0; x != NULL && i < x->values.n; i++) {
		struct err e = ERR_INIT;
		bool found = false;

		/* a text without anything special, or that is no pattern, is still a text */
		if (strpbrk(x->values.v[i], ".[]()|*+?^$\\") == NULL)
			found = strstr(text, x->values.v[i]) != NULL;
		else if (pattern_search(x->values.v[i], text, &found, &e) < 0)
			found = strstr(text, x->values.v[i]) != NULL;
		if (found)
			return true;
	}
	return x == NULL;
}

static bool
has_label(const char *wish, const struct kvs *labels)
{
	const char *equals = strchr(wish, '=');
	size_t n = equals != NULL ? (size_t)(equals - wish) : strlen(wish);

	for (size_t i = 0; i < labels->n; i++)
		if (strncmp(labels->v[i].key, wish, n) == 0 && labels->v[i].key[n] == '\0')
			return equals == NULL || strcmp(labels->v[i].value, equals + 1) == 0;
	return false;
}

bool
filter_labels(const struct filter_list *f, const struct kvs *labels)
{
	const struct filter *want = filter_get(f, "label"), *refuse = filter_get(f, "label!");

	for (size_t i = 0; want != NULL && i < want->values.n; i++)
		if (!has_label(want->values.v[i], labels))
			return false;
	for (size_t i = 0; refuse != NULL && i < refuse->values.n; i++)
		if (has_label(refuse->values.v[i], labels))
			return false;
	return true;
}

int
filter_bool(const struct filter_list *f, const char *key, int *ret, struct err *e)
{
	static const char *const yes[] = { "1", "true" }, *const no[] = { "0", "false" };
	const struct filter *x = filter_get(f, key);
	bool is_yes = false, is_no = false;

	*ret = -1;
	if (x == NULL)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		is_yes = is_yes || strs_has(&x->values, yes[i]);
		is_no = is_no || strs_has(&x->values, no[i]);
	}
	if (is_yes == is_no)
		return err_set(e, ERR_INVALID, "invalid filter '%s=%.100s'", key, x->values.v[0]);
	*ret = is_yes ? 1 : 0;
	return 0;
}

static bool
parse_duration(const char *s, int64_t *ret)
{
	static const struct { const char *unit; int64_t ns; } units[] = { { "ms", 1000000 }, { "h", INT64_C(3600000000000) },
		{ "m", INT64_C(60000000000) }, { "s", 1000000000 } };
	int64_t total = 0;

	if (*s == '\0')
		return false;
	while (*s != '\0') {
		int64_t n = 0;
		size_t digits = 0, u = 0;

		while (s[digits] >= '0' && s[digits] <= '9' && digits < 9)
			n = n * 10 + (s[digits++] - '0');
		s += digits;
		while (u < 4 && !text_starts(s, units[u].unit))
			u++;
		if (digits == 0 || u == 4 || n > INT64_C(4000000000000000000) / units[u].ns)
			return false;
		total += n * units[u].ns;
		s += strlen(units[u].unit);
	}
	*ret = total;
	return true;
}

int
filter_until(const struct filter_list *f, int64_t *ret_ns, struct err *e)
{
	const struct filter *x = filter_get(f, "until");
	int64_t back;
	uint64_t seconds;

	*ret_ns = 0;
	if (x == NULL)
		return 0;
	if (x->values.n > 1)
		return err_set(e, ERR_INVALID, "more than one until filter specified");
	if (parse_duration(x->values.v[0], &back))
		*ret_ns = now_real_ns() - back;
	else if (text_to_u64(x->values.v[0], 9000000000, &seconds))
		*ret_ns = (int64_t)seconds * 1000000000;
	else if (!text_to_time(x->values.v[0], ret_ns))
		return err_set(e, ERR_INVALID, "invalid filter 'until=%.100s'", x->values.v[0]);
	return 0;
}
