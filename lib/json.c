#include "json.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* jansson calls what it cannot keep a syntax error; this tells the two apart */
static bool memory_gone;

static void *
allocate(size_t n)
{
	void *p = malloc(n);

	if (p == NULL)
		memory_gone = true;
	return p;
}

void
json_init(void)
{
	size_t seed = 0;

	json_set_alloc_funcs(allocate, free);
	(void)text_random(&seed, sizeof seed);
	json_object_seed(seed | 1);
}

/* ---- UTF-8 ---- */

/* Length of the valid sequence at p, 0 if there is none. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	unsigned c = p[0];

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return n >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		if (n < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (n < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80 ||
		    (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

/* ---- input ---- */

/* One pass before jansson sees the text: it recurses for each level and builds a node for each value, so both are bounded
   here. *end is where the first value ends (only known for objects and arrays, else n). */
static int
measure(const char *text, size_t n, size_t *end, bool *clean, struct err *e)
{
	size_t depth = 0, values = 0;
	bool in_string = false;

	*end = n;
	*clean = true;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80) {
			size_t len = utf8_len((const unsigned char *)text + i, n - i);

			if (len == 0)
				*clean = false;
			else
				i += len - 1;
		} else if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return err_set(e, ERR_INVALID, "invalid JSON: exceeded max depth");
		} else if (c == '}' || c == ']') {
			if (depth > 0 && --depth == 0) {
				*end = i + 1;
				return 0;
			}
		} else if (c == ',' && ++values > JSON_VALUES_MAX) {
			return err_set(e, ERR_INVALID, "invalid JSON: too many values");
		}
	}
	return 0;
}

static void
put_repaired(struct buf *b, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_len(p + i, n - i);

		if (len == 0) {
			buf_put(b, "\xef\xbf\xbd", 3);
			i++;
		} else {
			buf_put(b, p + i, len);
			i += len;
		}
	}
}

static bool
is_blank(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\n' && text[i] != '\r')
			return false;
	return true;
}

int
json_parse(const char *text, size_t n, json_t **ret, struct err *e)
{
	own_buf repaired = BUF_INIT((size_t)64 << 20);
	json_error_t why;
	size_t end;
	bool clean;

	if (is_blank(text, n))
		return err_set(e, ERR_INVALID, "invalid JSON: got EOF while reading request body");
	if (measure(text, n, &end, &clean, e) < 0)
		return -1;
	if (!is_blank(text + end, n - end))
		return err_set(e, ERR_INVALID, "unexpected content after JSON");
	if (!clean) {
		put_repaired(&repaired, text, end);
		if (repaired.failed)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		text = (const char *)repaired.data;
		end = repaired.used;
	}
	memory_gone = false;
	*ret = json_loadb(text, end, JSON_DECODE_ANY, &why);
	if (*ret == NULL && memory_gone)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (*ret == NULL)
		return err_set(e, ERR_INVALID, "invalid JSON: %s", why.text);
	return 0;
}

const char *
json_type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT: return "object";
	case JSON_ARRAY: return "array";
	case JSON_STRING: return "string";
	case JSON_INTEGER:
	case JSON_REAL: return "number";
	case JSON_TRUE:
	case JSON_FALSE: return "bool";
	case JSON_NULL: return "null";
	}
	return "value";
}

json_t *
json_member(const json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);
	const char *k;
	json_t *each;

	if (v == NULL) {
		json_object_foreach((json_t *)(uintptr_t)object, k, each)
			if (strcasecmp(k, key) == 0)
				v = each;
	}
	return v == NULL || json_is_null(v) ? NULL : v;
}

struct reading {
	struct arena *a;
	struct strs *unknown;
	struct err *e;
};

static int read_object(struct reading *r, const struct rec_type *t, const json_t *v, const char *path, size_t first, void *obj);

static int
no_memory(struct reading *r)
{
	return err_set(r->e, ERR_NO_MEMORY, "out of memory for a request");
}

static int
mismatch(struct reading *r, const char *path, const json_t *v, const char *want)
{
	return err_set(r->e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into Go struct field %s of type %s",
	    json_type_name(v), path, want);
}

static const char *
plain_name(const char *json)
{
	while (*json == '?' || *json == '[' || *json == '{')
		json++;
	return json;
}

static int
read_text(struct reading *r, const json_t *v, const char *path, int64_t max, char **ret)
{
	if (json_is_null(v)) {
		*ret = arena_str(r->a, "");
		return *ret != NULL ? 0 : no_memory(r);
	}
	if (!json_is_string(v))
		return mismatch(r, path, v, "string");
	if (json_string_length(v) > (size_t)max)
		return err_set(r->e, ERR_INVALID, "%s is longer than %lld bytes", path, (long long)max);
	*ret = arena_strn(r->a, json_string_value(v), json_string_length(v));
	return *ret != NULL ? 0 : no_memory(r);
}

static int
read_number(struct reading *r, const json_t *v, const char *path, int64_t max, int64_t *ret)
{
	int64_t n;

	if (!json_is_integer(v))
		return mismatch(r, path, v, "int64");
	n = (int64_t)json_integer_value(v);
	if (n > max || (max != REC_NUM_ANY && n < -max))
		return err_set(r->e, ERR_INVALID, "%s is out of range: %lld", path, (long long)n);
	*ret = n;
	return 0;
}

static int
check_count(struct reading *r, const char *path, size_t n, int64_t max)
{
	if (n > (size_t)max)
		return err_set(r->e, ERR_INVALID, "%s has more than %lld entries", path, (long long)max);
	return 0;
}

static int
read_strs(struct reading *r, const struct rec_field *f, const json_t *v, const char *path, struct strs *s)
{
	/* Go's strslice: a plain string is a list of one */
	bool slice = json_is_string(v) && (strcmp(f->name, "cmd") == 0 || strcmp(f->name, "entrypoint") == 0);
	size_t n = slice ? 1 : json_array_size(v);

	if (!slice && !json_is_array(v))
		return mismatch(r, path, v, "[]string");
	if (check_count(r, path, n, f->max) < 0)
		return -1;
	s->v = arena_array(r->a, n, sizeof *s->v);
	if (s->v == NULL)
		return no_memory(r);
	for (s->n = 0; s->n < n; s->n++)
		if (read_text(r, slice ? v : json_array_get(v, s->n), path, REC_STR_MAX, &s->v[s->n]) < 0)
			return -1;
	return 0;
}

static int
read_keys(struct reading *r, const struct rec_field *f, const json_t *v, const char *path, struct strs *s)
{
	const char *key;
	json_t *each;

	if (!json_is_object(v))
		return mismatch(r, path, v, "map[string]struct {}");
	if (check_count(r, path, json_object_size(v), f->max) < 0)
		return -1;
	s->v = arena_array(r->a, json_object_size(v), sizeof *s->v);
	if (s->v == NULL)
		return no_memory(r);
	s->n = 0;
	json_object_foreach((json_t *)(uintptr_t)v, key, each) {
		if (!json_is_object(each) && !json_is_null(each))
			return mismatch(r, path, each, "struct {}");
		s->v[s->n] = arena_str(r->a, key);
		if (s->v[s->n++] == NULL)
			return no_memory(r);
	}
	return 0;
}

static int
read_kvs(struct reading *r, const struct rec_field *f, const json_t *v, const char *path, struct kvs *s)
{
	const char *key;
	json_t *each;

	if (!json_is_object(v))
		return mismatch(r, path, v, "map[string]string");
	if (check_count(r, path, json_object_size(v), f->max) < 0)
		return -1;
	s->v = arena_array(r->a, json_object_size(v), sizeof *s->v);
	if (s->v == NULL)
		return no_memory(r);
	s->n = 0;
	json_object_foreach((json_t *)(uintptr_t)v, key, each) {
		s->v[s->n].key = arena_str(r->a, key);
		if (s->v[s->n].key == NULL)
			return no_memory(r);
		if (read_text(r, each, path, REC_STR_MAX, &s->v[s->n].value) < 0)
			return -1;
		s->n++;
	}
	return 0;
}

static int read_field(struct reading *r, const struct rec_field *f, const json_t *v, const char *path, unsigned char *obj);

/* { "key": value }: the key is the first field; the value is the second field alone if that has no name of its own, else
   the object of the others. */
static int
read_map_entry(struct reading *r, const struct rec_type *t, const char *key, const json_t *v, const char *path, unsigned char *obj)
{
	const struct rec_field *value = t->n > 1 ? &t->fields[1] : NULL;

	if (strlen(key) > (size_t)t->fields[0].max)
		return err_set(r->e, ERR_INVALID, "%s: a key is longer than %lld bytes", path, (long long)t->fields[0].max);
	*(char **)(void *)(obj + t->fields[0].offset) = arena_str(r->a, key);
	if (*(char **)(void *)(obj + t->fields[0].offset) == NULL)
		return no_memory(r);
	if (json_is_null(v))
		return 0;
	if (value != NULL && value->json != NULL && *plain_name(value->json) == '\0')
		return read_field(r, value, v, path, obj);
	return read_object(r, t, v, path, 1, obj);
}

static int
read_list(struct reading *r, const struct rec_field *f, const json_t *v, const char *path, struct rec_any_list *l)
{
	bool map = f->json != NULL && f->json[0] == '{';
	size_t n = map ? json_object_size(v) : json_array_size(v), at = 0;
	const struct rec_type *t = f->type;

	if (map ? !json_is_object(v) : !json_is_array(v))
		return mismatch(r, path, v, map ? "map" : "slice");
	if (check_count(r, path, n, f->max) < 0)
		return -1;
	l->v = arena_array(r->a, n, t->size);
	if (l->v == NULL)
		return no_memory(r);
	l->n = n;
	if (map) {
		const char *key;
		json_t *each;

		json_object_foreach((json_t *)(uintptr_t)v, key, each)
			if (read_map_entry(r, t, key, each, path, (unsigned char *)l->v + at++ * t->size) < 0)
				return -1;
		return 0;
	}
	for (; at < n; at++) {
		const json_t *each = json_array_get(v, at);

		if (!json_is_null(each) && read_object(r, t, each, path, 0, (unsigned char *)l->v + at * t->size) < 0)
			return -1;
	}
	return 0;
}

static int
read_pair(struct reading *r, const json_t *v, const char *path, struct pair *p)
{
	if (!json_is_array(v) || json_array_size(v) != 2)
		return mismatch(r, path, v, "[2]uint");
	if (read_number(r, json_array_get(v, 0), path, UINT32_MAX, &p->a) < 0)
		return -1;
	return read_number(r, json_array_get(v, 1), path, UINT32_MAX, &p->b);
}

static int
read_field(struct reading *r, const struct rec_field *f, const json_t *v, const char *path, unsigned char *obj)
{
	void *p = obj + f->offset;

	if (json_is_null(v))
		return 0;
	switch (f->kind) {
	case REC_flag:
		if (!json_is_boolean(v))
			return mismatch(r, path, v, "bool");
		*(bool *)p = json_is_true(v);
		return 0;
	case REC_tri:
		if (!json_is_boolean(v))
			return mismatch(r, path, v, "bool");
		*(int8_t *)p = json_is_true(v) ? 1 : -1;
		return 0;
	case REC_num:
		return read_number(r, v, path, f->max, p);
	case REC_opt:
		((struct opt *)p)->set = true;
		return read_number(r, v, path, f->max, &((struct opt *)p)->v);
	case REC_pair:
		return read_pair(r, v, path, p);
	case REC_str:
		return read_text(r, v, path, f->max, p);
	case REC_blob:
		return 0;
	case REC_strs:
		return read_strs(r, f, v, path, p);
	case REC_set:
		return read_keys(r, f, v, path, p);
	case REC_kvs:
		return read_kvs(r, f, v, path, p);
	case REC_time:
		if (!json_is_string(v) || !text_to_time(json_string_value(v), p))
			return mismatch(r, path, v, "time.Time");
		return 0;
	case REC_object: {
		void *inner = arena_alloc(r->a, f->type->size);

		if (inner == NULL)
			return no_memory(r);
		*(void **)p = inner;
		return read_object(r, f->type, v, path, 0, inner);
	}
	case REC_list:
		return read_list(r, f, v, path, p);
	}
	return 0;
}

static const struct rec_field *
find_field(const struct rec_type *t, const char *key, size_t first)
{
	const struct rec_field *folded = NULL;

	for (size_t i = first; i < t->n; i++) {
		const char *name = t->fields[i].json;

		if (name == NULL)
			continue;
		name = plain_name(name);
		if (strcmp(name, key) == 0)
			return &t->fields[i];
		if (folded == NULL && *name != '\0' && strcasecmp(name, key) == 0)
			folded = &t->fields[i];
	}
	return folded;
}

static int
read_object(struct reading *r, const struct rec_type *t, const json_t *v, const char *path, size_t first, void *obj)
{
	const char *key;
	json_t *each;

	if (!json_is_object(v))
		return mismatch(r, path, v, t->name);
	json_object_foreach((json_t *)(uintptr_t)v, key, each) {
		const struct rec_field *f = find_field(t, key, first);
		char inner[192];

		if (f == NULL) {
			if (r->unknown != NULL && !strs_add(r->unknown, r->a, key))
				return no_memory(r);
			continue;
		}
		(void)snprintf(inner, sizeof inner, "%s%s%s", path, *path != '\0' ? "." : "", plain_name(f->json));
		if (read_field(r, f, each, inner, obj) < 0)
			return -1;
	}
	return 0;
}

int
json_to_rec(const struct rec_type *t, const json_t *v, const char *path, struct arena *a, void *obj, struct strs *unknown, struct err *e)
{
	struct reading r = { .a = a, .unknown = unknown, .e = e };

	return read_object(&r, t, v, path, 0, obj);
}

int
json_read(const struct rec_type *t, const char *text, size_t n, struct arena *a, void *obj, struct err *e)
{
	own_json *v = NULL;

	if (json_parse(text, n, &v, e) < 0)
		return -1;
	return json_to_rec(t, v, "", a, obj, NULL, e);
}

/* ---- output ---- */

/* 0: as it is; 1: needs a look */
static const unsigned char special[256] = {
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	['"'] = 1, ['\\'] = 1,
	[128 ... 255] = 1,
};

static size_t
put_special(struct buf *out, const unsigned char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = p[0];
	size_t len;

	switch (c) {
	case '"': buf_put(out, "\\\"", 2); return 1;
	case '\\': buf_put(out, "\\\\", 2); return 1;
	case '\n': buf_put(out, "\\n", 2); return 1;
	case '\r': buf_put(out, "\\r", 2); return 1;
	case '\t': buf_put(out, "\\t", 2); return 1;
	case '\b': buf_put(out, "\\b", 2); return 1;
	case '\f': buf_put(out, "\\f", 2); return 1;
	default: break;
	}
	if (c < 0x80) {
		char u[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

		buf_put(out, u, 6);
		return 1;
	}
	len = utf8_len(p, n);
	if (len == 0) {
		buf_put(out, "\\ufffd", 6);
		return 1;
	}
	/* line separators break JavaScript, Go escapes them */
	if (len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		buf_put(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
	else
		buf_put(out, p, len);
	return len;
}

void
json_put_strn(struct buf *out, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;

	buf_putc(out, '"');
	while (i < n) {
		size_t run = i;

		while (run < n && special[p[run]] == 0)
			run++;
		buf_put(out, p + i, run - i);
		i = run;
		if (i < n)
			i += put_special(out, p + i, n - i);
	}
	buf_putc(out, '"');
}

void
json_put_str(struct buf *out, const char *s)
{
	json_put_strn(out, s != NULL ? s : "", s != NULL ? strlen(s) : 0);
}

void
json_put_num(struct buf *out, int64_t v)
{
	char digits[24];
	size_t at = sizeof digits;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do
		digits[--at] = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (v < 0)
		digits[--at] = '-';
	buf_put(out, digits + at, sizeof digits - at);
}

void
json_put_time(struct buf *out, int64_t ns)
{
	char text[48];

	text_time(text, ns);
	buf_putc(out, '"');
	buf_puts(out, text);
	buf_putc(out, '"');
}

void
json_put_key(struct buf *out, const char *key, bool *first)
{
	size_t n = strlen(key);

	if (!buf_room(out, n + 4))
		return;
	unsigned char *p = out->data + out->used;

	if (!*first)
		*p++ = ',';
	*first = false;
	*p++ = '"';
	memcpy(p, key, n);
	p += n;
	*p++ = '"';
	*p++ = ':';
	out->used = (size_t)(p - out->data);
}

static bool
put_empty(struct buf *out, const void *v, size_t n, bool null, const char *brackets)
{
	if (n > 0 && v != NULL)
		return false;
	buf_puts(out, v == NULL && null ? "null" : brackets);
	return true;
}

void
json_put_strs(struct buf *out, const struct strs *s, bool empty_is_null)
{
	if (put_empty(out, s->v, s->n, empty_is_null, "[]"))
		return;
	for (size_t i = 0; i < s->n; i++) {
		buf_putc(out, i == 0 ? '[' : ',');
		json_put_str(out, s->v[i]);
	}
	buf_putc(out, ']');
}

static void
put_set(struct buf *out, const struct strs *s, bool empty_is_null)
{
	if (put_empty(out, s->v, s->n, empty_is_null, "{}"))
		return;
	for (size_t i = 0; i < s->n; i++) {
		buf_putc(out, i == 0 ? '{' : ',');
		json_put_str(out, s->v[i]);
		buf_put(out, ":{}", 3);
	}
	buf_putc(out, '}');
}

void
json_put_kvs(struct buf *out, const struct kvs *s, bool empty_is_null)
{
	if (put_empty(out, s->v, s->n, empty_is_null, "{}"))
		return;
	for (size_t i = 0; i < s->n; i++) {
		buf_putc(out, i == 0 ? '{' : ',');
		json_put_str(out, s->v[i].key);
		buf_putc(out, ':');
		json_put_str(out, s->v[i].value);
	}
	buf_putc(out, '}');
}

static void put_value(struct buf *out, const struct rec_field *f, const unsigned char *obj, bool null);
static void put_members(struct buf *out, const struct rec_type *t, const void *obj, size_t from, bool *first);

void
json_put_list(struct buf *out, const struct rec_type *t, const void *list, bool map, bool null_is_empty)
{
	const struct rec_any_list *l = list;

	if (put_empty(out, l->v, l->n, !null_is_empty, map ? "{}" : "[]"))
		return;
	for (size_t i = 0; i < l->n; i++) {
		const unsigned char *obj = (const unsigned char *)l->v + i * t->size;
		bool first = true;

		buf_putc(out, i > 0 ? ',' : map ? '{' : '[');
		if (map) {
			json_put_str(out, *(char *const *)(const void *)(obj + t->fields[0].offset));
			buf_putc(out, ':');
			if (t->n > 1 && t->fields[1].json != NULL && *plain_name(t->fields[1].json) == '\0') {
				put_value(out, &t->fields[1], obj, true);
				continue;
			}
		}
		buf_putc(out, '{');
		put_members(out, t, obj, map ? 1 : 0, &first);
		buf_putc(out, '}');
	}
	buf_putc(out, map ? '}' : ']');
}

static bool
is_empty(const struct rec_field *f, const unsigned char *obj)
{
	const void *p = obj + f->offset;

	switch (f->kind) {
	case REC_flag: return !*(const bool *)p;
	case REC_tri: return *(const int8_t *)p == 0;
	case REC_num:
	case REC_time: return *(const int64_t *)p == 0;
	case REC_opt: return !((const struct opt *)p)->set;
	case REC_pair: return ((const struct pair *)p)->a == 0 && ((const struct pair *)p)->b == 0;
	case REC_str: return *(char *const *)p == NULL || **(char *const *)p == '\0';
	case REC_object: return *(void *const *)p == NULL;
	case REC_blob:
	case REC_strs:
	case REC_kvs:
	case REC_set:
	case REC_list: return *(const size_t *)p == 0;
	}
	return true;
}

static void
put_value(struct buf *out, const struct rec_field *f, const unsigned char *obj, bool null)
{
	const void *p = obj + f->offset;

	switch (f->kind) {
	case REC_flag:
		buf_puts(out, *(const bool *)p ? "true" : "false");
		return;
	case REC_tri:
		buf_puts(out, *(const int8_t *)p > 0 ? "true" : *(const int8_t *)p < 0 ? "false" : "null");
		return;
	case REC_num:
		json_put_num(out, *(const int64_t *)p);
		return;
	case REC_opt:
		if (((const struct opt *)p)->set)
			json_put_num(out, ((const struct opt *)p)->v);
		else
			buf_puts(out, "null");
		return;
	case REC_pair:
		buf_putc(out, '[');
		json_put_num(out, ((const struct pair *)p)->a);
		buf_putc(out, ',');
		json_put_num(out, ((const struct pair *)p)->b);
		buf_putc(out, ']');
		return;
	case REC_str:
		json_put_str(out, *(char *const *)p);
		return;
	case REC_strs:
		json_put_strs(out, p, null);
		return;
	case REC_set:
		put_set(out, p, null);
		return;
	case REC_kvs:
		json_put_kvs(out, p, null);
		return;
	case REC_time:
		json_put_time(out, *(const int64_t *)p);
		return;
	case REC_object:
		if (*(void *const *)p != NULL)
			json_put_rec(out, f->type, *(void *const *)p);
		else
			buf_puts(out, "null");
		return;
	case REC_list:
		json_put_list(out, f->type, p, f->json != NULL && f->json[0] == '{', !null);
		return;
	case REC_blob:
		buf_puts(out, "null");
		return;
	}
}

static void
put_members(struct buf *out, const struct rec_type *t, const void *obj, size_t from, bool *first)
{
	for (size_t i = from; i < t->n; i++) {
		const struct rec_field *f = &t->fields[i];
		const char *name = f->json;
		bool null = true;

		if (name == NULL || (name[0] == '?' && is_empty(f, obj)))
			continue;
		for (; *name == '?' || *name == '[' || *name == '{'; name++)
			if (*name == '[')
				null = false;
		json_put_key(out, name, first);
		put_value(out, f, obj, null);
	}
}

void
json_put_members(struct buf *out, const struct rec_type *t, const void *obj, bool *first)
{
	put_members(out, t, obj, 0, first);
}

void
json_put_rec(struct buf *out, const struct rec_type *t, const void *obj)
{
	bool first = true;

	buf_putc(out, '{');
	put_members(out, t, obj, 0, &first);
	buf_putc(out, '}');
}
