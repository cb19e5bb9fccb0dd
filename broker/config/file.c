/* daemon.json: its keys are the options' rows; inner objects are flattened as in the Docker engine, but their names count. */
#include "options.h"

#include "json.h"

#include <string.h>

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "out of memory");
}

/* UTF-16 with a mark becomes UTF-8, a UTF-8 mark is dropped. */
static int
decode_text(const char *text, size_t n, struct buf *out, struct err *e)
{
	const unsigned char *p = (const unsigned char *)text;
	bool little = n >= 2 && p[0] == 0xff && p[1] == 0xfe, big = n >= 2 && p[0] == 0xfe && p[1] == 0xff;

	if (!little && !big) {
		bool mark = n >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;

		buf_put(out, p + (mark ? 3 : 0), n - (mark ? 3 : 0));
		return 0;
	}
	for (size_t i = 2; i + 1 < n; i += 2) {
		unsigned c = little ? (unsigned)p[i] | (unsigned)p[i + 1] << 8 : (unsigned)p[i] << 8 | (unsigned)p[i + 1];

		if (c >= 0xd800 && c < 0xe000)
			return err_set(e, ERR_INVALID, "characters beyond the basic plane are not accepted in a UTF-16 file");
		if (c < 0x80) {
			buf_putc(out, (char)c);
		} else if (c < 0x800) {
			buf_putc(out, (char)(0xc0 | c >> 6));
			buf_putc(out, (char)(0x80 | (c & 63)));
		} else {
			buf_putc(out, (char)(0xe0 | c >> 12));
			buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
			buf_putc(out, (char)(0x80 | (c & 63)));
		}
	}
	return 0;
}

static int
wrong_type(const char *key, const json_t *v, const char *want, struct err *e)
{
	return err_set(e, ERR_INVALID, "json: cannot unmarshal %s into Go struct field Config.%.64s of type %s", json_type_name(v), key, want);
}

static int
add(struct strs *to, struct arena *a, const char *text, struct err *e)
{
	if (to->n >= 1024)
		return err_set(e, ERR_LIMIT, "too many values");
	return strs_add(to, a, text) ? 0 : no_memory(e);
}

static int
read_list(const char *key, const json_t *v, struct arena *a, struct strs *to, struct err *e)
{
	json_t *each;
	size_t i;

	if (!json_is_array(v))
		return wrong_type(key, v, "[]string", e);
	json_array_foreach(v, i, each) {
		if (!json_is_string(each))
			return wrong_type(key, each, "string", e);
		if (add(to, a, json_string_value(each), e) < 0)
			return -1;
	}
	return 0;
}

static int
read_pairs(enum option_kind kind, const char *key, const json_t *v, struct arena *a, struct strs *to, struct err *e)
{
	const char *name;
	json_t *each;

	if (!json_is_object(v))
		return wrong_type(key, v, kind == KIND_BOOLS ? "map[string]bool" : "map[string]string", e);
	json_object_foreach((json_t *)(uintptr_t)v, name, each) {
		const char *value = NULL;
		char *text;

		if (kind == KIND_BOOLS)
			value = json_is_boolean(each) ? json_is_true(each) ? "true" : "false" : NULL;
		else if (json_is_string(each))
			value = json_string_value(each);
		if (value == NULL)
			return wrong_type(key, each, kind == KIND_BOOLS ? "bool" : "string", e);
		text = arena_printf(a, "%s=%s", name, value);
		if (text == NULL || add(to, a, text, e) < 0)
			return no_memory(e);
	}
	return 0;
}

static int
read_ulimits(const char *key, const json_t *v, struct arena *a, struct strs *to, struct err *e)
{
	const char *name;
	json_t *each;

	if (!json_is_object(v))
		return wrong_type(key, v, "map[string]*units.Ulimit", e);
	json_object_foreach((json_t *)(uintptr_t)v, name, each) {
		json_t *hard = json_member(each, "Hard"), *soft = json_member(each, "Soft");
		char *text;

		if (!json_is_object(each) || (hard != NULL && !json_is_integer(hard)) || (soft != NULL && !json_is_integer(soft)))
			return wrong_type(key, each, "units.Ulimit", e);
		text = arena_printf(a, "%s=%lld:%lld", name, (long long)json_integer_value(soft), (long long)json_integer_value(hard));
		if (text == NULL || add(to, a, text, e) < 0)
			return no_memory(e);
	}
	return 0;
}

static int
read_runtime(const char *name, const json_t *v, struct arena *a, struct strs *to, struct err *e)
{
	json_t *path = json_member(v, "path"), *args = json_member(v, "runtimeArgs"), *type = json_member(v, "runtimeType"), *each;
	bool has_path = json_is_string(path) && *json_string_value(path) != '\0', has_type = json_is_string(type) && *json_string_value(type) != '\0';
	own_buf b = BUF_INIT(65536);
	size_t i;

	if (!json_is_object(v) || (path != NULL && !json_is_string(path)) || (type != NULL && !json_is_string(type)) || (args != NULL && !json_is_array(args)))
		return wrong_type("runtimes", v, "system.Runtime", e);
	if (has_path == has_type)
		return err_set(e, ERR_INVALID, has_path ? "runtime %.64s: cannot configure both path and runtimeType for the same runtime" :
		    "runtime %.64s: either a runtimeType or a path must be configured", name);
	if (json_object_size(json_member(v, "options")) > 0)
		return err_set(e, ERR_UNSUPPORTED, "runtime %.64s: options are for containerd, which this engine does not have; use runtimeArgs", name);
	if (has_type && strcmp(json_string_value(type), "io.containerd.runc.v2") != 0)
		return err_set(e, ERR_UNSUPPORTED, "runtime %.64s: runtimeType %.64s is not supported: there is no containerd behind this engine; set a path", name,
		    json_string_value(type));
	buf_printf(&b, "%s=%s", name, has_path ? json_string_value(path) : "io.containerd.runc.v2");
	json_array_foreach(args, i, each) {
		if (!json_is_string(each) || strchr(json_string_value(each), 0x1f) != NULL)
			return wrong_type("runtimes.runtimeArgs", each, "string", e);
		buf_printf(&b, "\x1f%s", json_string_value(each));
	}
	return b.failed ? err_set(e, ERR_LIMIT, "runtime %.64s: too many arguments", name) : add(to, a, buf_cstr(&b), e);
}

static int
read_runtimes(const json_t *v, struct arena *a, struct strs *to, struct err *e)
{
	const char *name;
	json_t *each;

	if (!json_is_object(v))
		return wrong_type("runtimes", v, "map[string]system.Runtime", e);
	json_object_foreach((json_t *)(uintptr_t)v, name, each)
		if (read_runtime(name, each, a, to, e) < 0)
			return -1;
	return 0;
}

/* Empty values count as absent, but switches are exact. */
static int
read_value(enum option_id id, const json_t *v, struct arena *a, struct strs *to, struct err *e)
{
	const struct option_row *row = &option_table[id];
	char *text;

	if (json_is_null(v))
		return 0;
	switch (row->kind) {
	case KIND_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(row->key, v, "bool", e);
		return add(to, a, json_is_true(v) ? "true" : "false", e);
	case KIND_SIZE:
		if (json_is_string(v))
			return *json_string_value(v) == '\0' ? 0 : add(to, a, json_string_value(v), e);
		__attribute__((fallthrough));
	case KIND_INT:
		if (!json_is_integer(v))
			return wrong_type(row->key, v, "int", e);
		if (json_integer_value(v) == 0)
			return 0;
		text = arena_printf(a, "%lld", (long long)json_integer_value(v));
		return text != NULL ? add(to, a, text, e) : no_memory(e);
	case KIND_STR:
		if (!json_is_string(v))
			return wrong_type(row->key, v, "string", e);
		return *json_string_value(v) == '\0' ? 0 : add(to, a, json_string_value(v), e);
	case KIND_LIST:
		return read_list(row->key, v, a, to, e);
	case KIND_MAP:
	case KIND_BOOLS:
		return read_pairs(row->kind, row->key, v, a, to, e);
	case KIND_ULIMITS:
		return read_ulimits(row->key, v, a, to, e);
	case KIND_RUNTIMES:
		return read_runtimes(v, a, to, e);
	case KIND_OBJECT:
		if (!json_is_object(v) && !json_is_array(v))
			return wrong_type(row->key, v, "map", e);
		return json_object_size(v) + json_array_size(v) > 0 ? add(to, a, "set", e) : 0;
	}
	return 0;
}

static int
find_key(const char *key)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (option_table[i].key != NULL && strcmp(option_table[i].key, key) == 0)
			return i;
	return -1;
}

static bool
is_proxy(int id)
{
	return id == OPT_http_proxy || id == OPT_https_proxy || id == OPT_no_proxy;
}

static int
read_keys(const json_t *object, bool proxies, struct arena *a, struct settings *s, struct strs *unknown, struct err *e)
{
	const char *key;
	json_t *each;

	json_object_foreach((json_t *)(uintptr_t)object, key, each) {
		int id = find_key(key);

		if (!proxies && strcmp(key, "proxies") == 0) {
			if (!json_is_object(each))
				return wrong_type(key, each, "config.Proxies", e);
			if (read_keys(each, true, a, s, unknown, e) < 0)
				return -1;
			continue;
		}
		if (id < 0 || is_proxy(id) != proxies) {
			if (!strs_add(unknown, a, key))
				return no_memory(e);
			continue;
		}
		struct setting *one = &s->of[id];

		if (read_value((enum option_id)id, each, a, &one->file_values, e) < 0)
			return -1;
		one->from_file = one->file_values.n > 0;
		for (size_t i = 0; i < one->file_values.n; i++)
			if (option_check((enum option_id)id, one->file_values.v[i], e) < 0)
				return err_wrap(e, "invalid value for %s", key);
	}
	return 0;
}

static int
refuse_unknown(const struct strs *unknown, struct err *e)
{
	own_buf b = BUF_INIT(4096);

	if (unknown->n == 0)
		return 0;
	for (size_t i = 0; i < unknown->n; i++)
		buf_printf(&b, "%s%.64s", i > 0 ? ", " : "", unknown->v[i]);
	return err_set(e, ERR_INVALID, "the following directives don't match any configuration option: %.400s", buf_cstr(&b));
}

static void
put_values(struct buf *b, int id, const struct strs *v)
{
	bool list = option_table[id].kind != KIND_BOOL && option_table[id].kind != KIND_INT && option_table[id].kind != KIND_STR &&
	    option_table[id].kind != KIND_SIZE;

	if (is_proxy(id)) {
		buf_puts(b, "xxxxx");
		return;
	}
	if (list)
		buf_putc(b, '[');
	for (size_t i = list ? 0 : v->n - 1; i < v->n; i++)
		buf_printf(b, "%s%.100s", list && i > 0 ? " " : "", v->v[i]);
	if (list)
		buf_putc(b, ']');
}

static int
refuse_twice(const struct settings *s, struct err *e)
{
	own_buf b = BUF_INIT(8192);

	for (int i = 0; i < OPT_COUNT; i++) {
		const struct setting *one = &s->of[i];

		/* runtimes may come from both */
		if (!one->from_flag || !one->from_file || i == OPT_runtimes)
			continue;
		buf_printf(&b, "%s%s: (from flag: ", b.used > 0 ? ", " : "", option_table[i].key);
		put_values(&b, i, &one->values);
		buf_puts(&b, ", from file: ");
		put_values(&b, i, &one->file_values);
		buf_putc(&b, ')');
	}
	if (b.used == 0)
		return 0;
	return err_set(e, ERR_INVALID, "the following directives are specified both as a flag and in the configuration file: %.400s", buf_cstr(&b));
}

int
file_parse(const char *text, size_t n, struct arena *a, struct settings *s, struct err *e)
{
	own_buf plain = BUF_INIT((size_t)4 << 20);
	own_json *v = NULL, *again = NULL;
	json_error_t why;
	struct strs unknown = { 0 };
	size_t blank = 0;

	if (decode_text(text, n, &plain, e) < 0)
		return -1;
	while (blank < plain.used && strchr(" \t\r\n", plain.data[blank]) != NULL && plain.data[blank] != '\0')
		blank++;
	if (blank == plain.used)
		return 0;
	if (json_parse((const char *)plain.data, plain.used, &v, e) < 0)
		return -1;
	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "json: cannot unmarshal %s into Go value of type map[string]interface {}", json_type_name(v));
	/* a key that is there twice is a mistake that nobody would see */
	again = json_loadb((const char *)plain.data, plain.used, JSON_REJECT_DUPLICATES, &why);
	if (again == NULL)
		return err_set(e, ERR_INVALID, "%s", why.text);
	if (read_keys(v, false, a, s, &unknown, e) < 0 || refuse_unknown(&unknown, e) < 0)
		return -1;
	return refuse_twice(s, e);
}
