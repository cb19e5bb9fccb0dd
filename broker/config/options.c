#include "options.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_ROW_(id, flag_, short_, key_, kind_, status_, text_) \
	[OPT_##id] = { .flag = (flag_), .short_name = (short_), .key = (key_), .kind = KIND_##kind_, .status = status_, .text = (text_) },
const struct option_row option_table[OPT_COUNT] = { OPTIONS(OPTION_ROW_) };

const struct strs *
setting_values(const struct settings *s, enum option_id id)
{
	const struct setting *one = &s->of[id];

	return one->from_flag ? &one->values : one->from_file ? &one->file_values : NULL;
}

const char *
setting_str(const struct settings *s, enum option_id id)
{
	const struct strs *v = setting_values(s, id);

	return v != NULL && v->n > 0 ? v->v[v->n - 1] : "";
}

bool
setting_bool(const struct settings *s, enum option_id id, bool otherwise)
{
	bool v = otherwise;

	(void)parse_bool(setting_str(s, id), &v);
	return v;
}

bool
parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" }, *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < 6; i++) {
		if (strcmp(text, yes[i]) == 0) {
			*ret = true;
			return true;
		}
		if (strcmp(text, no[i]) == 0) {
			*ret = false;
			return true;
		}
	}
	return false;
}

bool
parse_size(const char *text, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	char *end;
	double v;
	const char *unit;

	if (*text < '0' || *text > '9' || strlen(text) > 32 || text[1] == 'x' || text[1] == 'X')
		return false;
	errno = 0;
	v = strtod(text, &end);
	while (*end == ' ')
		end++;
	if (*end != '\0') {
		char c = (char)(*end >= 'A' && *end <= 'Z' ? *end - 'A' + 'a' : *end);

		unit = strchr(units, c);
		if (unit == NULL)
			return false;
		for (; unit > units; unit--)
			v *= 1024;
		end++;
		if (*end == 'i' || *end == 'I')
			end++;
		if (*end == 'b' || *end == 'B')
			end++;
	}
	if (*end != '\0' || v < 0 || v > 9e18)
		return false;
	*ret = (int64_t)v;
	return true;
}

static bool
is_int(const char *s)
{
	uint64_t v;

	return text_to_u64(*s == '-' ? s + 1 : s, INT64_MAX, &v);
}

int
option_check(enum option_id id, const char *value, struct err *e)
{
	const struct option_row *row = &option_table[id];
	const char *eq = strchr(value, '=');
	int64_t size;
	bool flag;

	switch (row->kind) {
	case KIND_BOOL:
		if (!parse_bool(value, &flag))
			return err_set(e, ERR_INVALID, "strconv.ParseBool: parsing \"%.64s\": invalid syntax", value);
		return 0;
	case KIND_INT:
		if (!is_int(value))
			return err_set(e, ERR_INVALID, "strconv.ParseInt: parsing \"%.64s\": invalid syntax", value);
		return 0;
	case KIND_SIZE:
		if (!parse_size(value, &size))
			return err_set(e, ERR_INVALID, "invalid size: '%.64s'", value);
		return 0;
	case KIND_BOOLS:
		if (eq != NULL && !parse_bool(eq + 1, &flag))
			return err_set(e, ERR_INVALID, "strconv.ParseBool: parsing \"%.64s\": invalid syntax", eq + 1);
		return 0;
	case KIND_RUNTIMES:
		if (eq == NULL || eq == value || eq[1] == '\0')
			return err_set(e, ERR_INVALID, "invalid runtime: %.128s: it is name=path", value);
		return 0;
	case KIND_MAP:
	case KIND_ULIMITS:
		if (eq == NULL || eq == value)
			return err_set(e, ERR_INVALID, "invalid %s: %.128s", row->kind == KIND_MAP ? "key=value" : "ulimit argument", value);
		return 0;
	case KIND_STR:
	case KIND_LIST:
	case KIND_OBJECT:
		return 0;
	}
	return 0;
}
