/* The binary codec: fields in table order, integers little endian in 8 bytes, strings and lists with a 32-bit count,
   NO_VALUE standing for absent. There is no field tag: both ends are built from the same table. */
#include "rec.h"

#include <string.h>

#define NO_VALUE UINT32_MAX

static int
encode_str(const struct rec_field *f, const char *s, int64_t max, struct buf *out, struct err *e)
{
	size_t n;

	if (s == NULL) {
		buf_put_u32(out, NO_VALUE);
		return 0;
	}
	n = strlen(s);
	if (n > (size_t)max)
		return err_set(e, ERR_INVALID, "%s is longer than %lld bytes", f->json != NULL ? f->json : f->name, (long long)max);
	buf_put_u32(out, (uint32_t)n);
	buf_put(out, s, n);
	return 0;
}

static int
encode_count(const struct rec_field *f, const void *v, size_t n, struct buf *out, struct err *e)
{
	if (v == NULL) {
		buf_put_u32(out, NO_VALUE);
		return 0;
	}
	if (n > (size_t)f->max)
		return err_set(e, ERR_INVALID, "%s has more than %lld entries", f->json != NULL ? f->json : f->name, (long long)f->max);
	buf_put_u32(out, (uint32_t)n);
	return 0;
}

static int
encode_field(const struct rec_field *f, const unsigned char *p, struct buf *out, struct err *e)
{
	switch (f->kind) {
	case REC_flag:
		buf_put_u8(out, *(const bool *)(const void *)p ? 1 : 0);
		return 0;
	case REC_tri:
		buf_put_u8(out, (uint8_t)(*(const int8_t *)p + 1));
		return 0;
	case REC_num:
	case REC_time: {
		int64_t v = *(const int64_t *)(const void *)p;

		if (f->kind == REC_num && (v > f->max || (f->max != REC_NUM_ANY && v < -f->max)))
			return err_set(e, ERR_INVALID, "%s is out of range: %lld", f->json != NULL ? f->json : f->name, (long long)v);
		buf_put_u64(out, (uint64_t)v);
		return 0;
	}
	case REC_opt: {
		const struct opt *o = (const void *)p;

		buf_put_u8(out, o->set ? 1 : 0);
		if (o->set)
			buf_put_u64(out, (uint64_t)o->v);
		return 0;
	}
	case REC_pair: {
		const struct pair *q = (const void *)p;

		buf_put_u64(out, (uint64_t)q->a);
		buf_put_u64(out, (uint64_t)q->b);
		return 0;
	}
	case REC_str:
		return encode_str(f, *(char *const *)(const void *)p, f->max, out, e);
	case REC_blob: {
		const struct blob *b = (const void *)p;

		if (encode_count(f, b->p, b->n, out, e) < 0)
			return -1;
		if (b->p != NULL)
			buf_put(out, b->p, b->n);
		return 0;
	}
	case REC_strs:
	case REC_set: {
		const struct strs *s = (const void *)p;

		if (encode_count(f, s->v, s->n, out, e) < 0)
			return -1;
		for (size_t i = 0; s->v != NULL && i < s->n; i++)
			if (encode_str(f, s->v[i], REC_STR_MAX, out, e) < 0)
				return -1;
		return 0;
	}
	case REC_kvs: {
		const struct kvs *s = (const void *)p;

		if (encode_count(f, s->v, s->n, out, e) < 0)
			return -1;
		for (size_t i = 0; s->v != NULL && i < s->n; i++)
			if (encode_str(f, s->v[i].key, REC_STR_MAX, out, e) < 0 || encode_str(f, s->v[i].value, REC_STR_MAX, out, e) < 0)
				return -1;
		return 0;
	}
	case REC_object: {
		const void *obj = *(void *const *)(const void *)p;

		buf_put_u8(out, obj != NULL ? 1 : 0);
		return obj != NULL ? rec_encode(f->type, obj, out, e) : 0;
	}
	case REC_list: {
		const struct rec_any_list *l = (const void *)p;

		if (encode_count(f, l->v, l->n, out, e) < 0)
			return -1;
		for (size_t i = 0; l->v != NULL && i < l->n; i++)
			if (rec_encode(f->type, (const unsigned char *)l->v + i * f->type->size, out, e) < 0)
				return -1;
		return 0;
	}
	}
	return err_set(e, ERR_INVALID, "field %s has no kind", f->name);
}

int
rec_encode(const struct rec_type *t, const void *obj, struct buf *out, struct err *e)
{
	if (t->n > 0)
		buf_put_u8(out, (uint8_t)t->n);
	for (size_t i = 0; i < t->n; i++)
		if (encode_field(&t->fields[i], (const unsigned char *)obj + t->fields[i].offset, out, e) < 0)
			return -1;
	if (out->failed)
		return err_set(e, ERR_LIMIT, "%s does not fit in %zu bytes", t->name, out->max);
	return 0;
}

static int
bad(const struct rec_field *f, struct err *e)
{
	return err_set(e, ERR_PROTOCOL, "malformed field %s", f->name);
}

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "out of memory for a message");
}

static int
decode_str(const struct rec_field *f, int64_t max, struct reader *r, struct arena *a, char **ret, struct err *e)
{
	uint32_t n = read_u32(r);
	const unsigned char *p;

	if (!r->failed && n == NO_VALUE) {
		*ret = NULL;
		return 0;
	}
	if (r->failed || n > (uint64_t)max)
		return bad(f, e);
	p = read_bytes(r, n);
	if (p == NULL || (n > 0 && memchr(p, 0, n) != NULL))
		return bad(f, e);
	*ret = arena_strn(a, (const char *)p, n);
	return *ret != NULL ? 0 : no_memory(e);
}

/* Each element takes at least one byte on the wire, so a count beyond what is left is refused before allocating. */
static int
decode_count(const struct rec_field *f, struct reader *r, size_t elem, struct arena *a, size_t *ret_n, void **ret_v, struct err *e)
{
	uint32_t n = read_u32(r);
	size_t room = 1;

	*ret_v = NULL;
	*ret_n = 0;
	if (r->failed)
		return bad(f, e);
	if (n == NO_VALUE)
		return 0;
	if (n > (uint64_t)f->max || n > (size_t)(r->end - r->p))
		return bad(f, e);
	/* with the room that list_add counts on: up to the next power of two */
	while (room < n)
		room *= 2;
	*ret_v = arena_array(a, room, elem);
	if (*ret_v == NULL)
		return no_memory(e);
	*ret_n = n;
	return 0;
}

static int
decode_field(const struct rec_field *f, struct reader *r, struct arena *a, unsigned char *p, struct err *e)
{
	switch (f->kind) {
	case REC_flag: {
		uint8_t v = read_u8(r);

		if (r->failed || v > 1)
			return bad(f, e);
		*(bool *)(void *)p = v == 1;
		return 0;
	}
	case REC_tri: {
		uint8_t v = read_u8(r);

		if (r->failed || v > 2)
			return bad(f, e);
		*(int8_t *)p = (int8_t)(v - 1);
		return 0;
	}
	case REC_num:
	case REC_time: {
		int64_t v = (int64_t)read_u64(r);

		if (r->failed || (f->kind == REC_num && (v > f->max || (f->max != REC_NUM_ANY && v < -f->max))))
			return bad(f, e);
		*(int64_t *)(void *)p = v;
		return 0;
	}
	case REC_opt: {
		struct opt *o = (void *)p;
		uint8_t there = read_u8(r);

		if (there > 1)
			return bad(f, e);
		o->set = there == 1;
		o->v = o->set ? (int64_t)read_u64(r) : 0;
		return r->failed ? bad(f, e) : 0;
	}
	case REC_pair: {
		struct pair *q = (void *)p;

		q->a = (int64_t)read_u64(r);
		q->b = (int64_t)read_u64(r);
		return r->failed ? bad(f, e) : 0;
	}
	case REC_str:
		return decode_str(f, f->max, r, a, (char **)(void *)p, e);
	case REC_blob: {
		struct blob *b = (void *)p;
		void *v;
		const unsigned char *src;

		if (decode_count(f, r, 1, a, &b->n, &v, e) < 0)
			return -1;
		b->p = v;
		if (b->n == 0)
			return 0;
		src = read_bytes(r, b->n);
		if (src == NULL)
			return bad(f, e);
		memcpy(b->p, src, b->n);
		return 0;
	}
	case REC_strs:
	case REC_set: {
		struct strs *s = (void *)p;
		void *v;

		if (decode_count(f, r, sizeof *s->v, a, &s->n, &v, e) < 0)
			return -1;
		s->v = v;
		for (size_t i = 0; i < s->n; i++) {
			if (decode_str(f, REC_STR_MAX, r, a, &s->v[i], e) < 0)
				return -1;
			if (s->v[i] == NULL)
				return bad(f, e);
		}
		return 0;
	}
	case REC_kvs: {
		struct kvs *s = (void *)p;
		void *v;

		if (decode_count(f, r, sizeof *s->v, a, &s->n, &v, e) < 0)
			return -1;
		s->v = v;
		for (size_t i = 0; i < s->n; i++) {
			if (decode_str(f, REC_STR_MAX, r, a, &s->v[i].key, e) < 0 || decode_str(f, REC_STR_MAX, r, a, &s->v[i].value, e) < 0)
				return -1;
			if (s->v[i].key == NULL || s->v[i].value == NULL)
				return bad(f, e);
		}
		return 0;
	}
	case REC_object: {
		uint8_t there = read_u8(r);
		void **slot = (void *)p;

		if (r->failed || there > 1)
			return bad(f, e);
		if (there == 0)
			return 0;
		*slot = arena_alloc(a, f->type->size);
		return *slot != NULL ? rec_decode(f->type, r, a, *slot, e) : no_memory(e);
	}
	case REC_list: {
		struct rec_any_list *l = (void *)p;

		if (decode_count(f, r, f->type->size, a, &l->n, &l->v, e) < 0)
			return -1;
		for (size_t i = 0; i < l->n; i++)
			if (rec_decode(f->type, r, a, (unsigned char *)l->v + i * f->type->size, e) < 0)
				return -1;
		return 0;
	}
	}
	return bad(f, e);
}

int
rec_decode(const struct rec_type *t, struct reader *r, struct arena *a, void *obj, struct err *e)
{
	uint8_t n = t->n > 0 ? read_u8(r) : 0;

	memset(obj, 0, t->size);
	if (r->failed || n > t->n)
		return err_set(e, ERR_PROTOCOL, "malformed %s", t->name);
	for (size_t i = 0; i < n; i++)
		if (decode_field(&t->fields[i], r, a, (unsigned char *)obj + t->fields[i].offset, e) < 0)
			return err_wrap(e, "%s", t->name);
	return 0;
}

int
rec_decode_all(const struct rec_type *t, const void *data, size_t n, struct arena *a, void *obj, struct err *e)
{
	/* an empty buffer has no memory */
	struct reader r = { .p = data, .end = n > 0 ? (const unsigned char *)data + n : data };

	if (rec_decode(t, &r, a, obj, e) < 0)
		return -1;
	if (r.p != r.end)
		return err_set(e, ERR_PROTOCOL, "%s: %zu stray bytes", t->name, (size_t)(r.end - r.p));
	return 0;
}

int
rec_copy(const struct rec_type *t, const void *from, struct arena *a, void *to, struct err *e)
{
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (rec_encode(t, from, &b, e) < 0)
		return -1;
	return rec_decode_all(t, b.data, b.used, a, to, e);
}

void *
list_add(void *list, struct arena *a, size_t size)
{
	struct rec_any_list *l = list;

	/* room is grown at each power of two, so n elements cost O(n) arena bytes */
	if (l->v == NULL || (l->n & (l->n - 1)) == 0) {
		void *grown = arena_array(a, l->n == 0 ? 1 : 2 * l->n, size);

		if (grown == NULL)
			return NULL;
		if (l->n > 0 && l->v != NULL)
			memcpy(grown, l->v, l->n * size);
		l->v = grown;
	}
	void *slot = (unsigned char *)l->v + l->n * size;

	memset(slot, 0, size);
	l->n++;
	return slot;
}

bool
strs_add(struct strs *s, struct arena *a, const char *text)
{
	char *copy = arena_str(a, text);
	char **slot = copy != NULL ? list_add(s, a, sizeof *s->v) : NULL;

	if (slot != NULL)
		*slot = copy;
	return slot != NULL;
}

bool
kvs_set(struct kvs *s, struct arena *a, const char *key, const char *value)
{
	char *copy = arena_str(a, value);
	struct kv *slot;

	if (copy == NULL)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].key, key) == 0) {
			s->v[i].value = copy;
			return true;
		}
	slot = list_add(s, a, sizeof *slot);
	if (slot == NULL)
		return false;
	slot->key = arena_str(a, key);
	slot->value = copy;
	return slot->key != NULL;
}

const char *
kvs_get(const struct kvs *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].key, key) == 0)
			return s->v[i].value;
	return NULL;
}

bool
strs_has(const struct strs *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], text) == 0)
			return true;
	return false;
}
