/*
 * Records: structures that are described by one list of fields. From the list come the struct, its descriptor, the
 * binary codec of messages and database rows (rec.c), the JSON mapping of the API (api-frontend/json.c) and the fuzz
 * targets, so they cannot drift apart.
 *
 *	#define PORT_BINDING_FIELDS(F, O, L) \
 *		F(str, host_ip,   "HostIp",   64) \
 *		F(str, host_port, "HostPort", 16)
 *	REC_DECLARE(port_binding, PORT_BINDING_FIELDS)      in the header
 *	REC_DEFINE(port_binding, PORT_BINDING_FIELDS)       in one .c file
 *
 * F(kind, name, json, max): a plain field. O(type, name, json): an optional nested record, struct type *, NULL = absent.
 * L(type, name, json, max): a list of records, struct type_list { n, v }; v == NULL is JSON null, n == 0 with v != NULL
 * is []. M is written L with a json name that starts with '{': a JSON object whose keys are the first field (a str); if the second field's
 * json name is "" its value alone is the object's value, else the remaining fields are an object.
 *
 * json: NULL = the field is not in the API. A first character '?' leaves the field out of JSON when it is empty, '['
 * writes an empty list as [] (an empty kvs, set or M as {}) instead of null. Else empty str is "", empty list null.
 *
 * Kinds: flag bool; tri int8_t 0 unset, 1 true, -1 false; num int64_t within +-max; opt a num
 * that may be null; pair two nums (JSON array of two); str char * (NULL = absent, at most
 * max bytes, no NUL byte); blob bytes; strs list of strings (max strings, each at most REC_STR_MAX); kvs ordered string
 * pairs (JSON object); set strings that are the keys of a JSON object of {} values; time int64_t nanoseconds since the
 * epoch (JSON: RFC 3339 with nanoseconds, 0 = 0001-01-01T00:00:00Z).
 *
 * On the wire and on disk a record begins with the number of its fields (one byte). Fields are only ever appended, so a row that an
 * older engine wrote is read by a newer one, with its new fields empty; more fields than are known is an error.
 */
#pragma once
#include "buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REC_STR_MAX   ((int64_t)128 << 10)
#define REC_LIST_MAX  65536
#define REC_NUM_ANY   INT64_MAX

enum rec_kind {
	REC_flag, REC_tri, REC_num, REC_opt, REC_pair, REC_str, REC_blob, REC_strs, REC_kvs, REC_set, REC_time,
	REC_object, REC_list,
};

struct opt { bool set; int64_t v; };
struct pair { int64_t a, b; };
struct blob { size_t n; unsigned char *p; };
struct strs { size_t n; char **v; };
struct kv { char *key, *value; };
struct kvs { size_t n; struct kv *v; };

typedef bool rec_flag_t;
typedef int8_t rec_tri_t;
typedef int64_t rec_num_t;
typedef struct opt rec_opt_t;
typedef struct pair rec_pair_t;
typedef char *rec_str_t;
typedef struct blob rec_blob_t;
typedef struct strs rec_strs_t;
typedef struct kvs rec_kvs_t;
typedef struct strs rec_set_t;
typedef int64_t rec_time_t;

struct rec_type;
struct rec_field {
	const char *name, *json;
	enum rec_kind kind;
	size_t offset;
	int64_t max;
	const struct rec_type *type;   /* object and list */
};

struct rec_type {
	const char *name;
	size_t size, n;
	const struct rec_field *fields;
};

/* Any list of records looks like this in memory. */
struct rec_any_list { size_t n; void *v; };

#define REC_F_(kind, name, json, max) rec_##kind##_t name;
#define REC_O_(type, name, json) struct type *name;
#define REC_L_(type, name, json, max) struct type##_list name;
#define REC_DECLARE(tag, FIELDS) \
	struct tag { FIELDS(REC_F_, REC_O_, REC_L_) }; \
	struct tag##_list { size_t n; struct tag *v; }; \
	extern const struct rec_type tag##_type;

#define REC_DF_(k, name_, json_, max_) \
	{ .name = #name_, .json = (json_), .kind = REC_##k, .offset = offsetof(REC_SELF, name_), .max = (max_) },
#define REC_DO_(t, name_, json_) \
	{ .name = #name_, .json = (json_), .kind = REC_object, .offset = offsetof(REC_SELF, name_), .type = &t##_type },
#define REC_DL_(t, name_, json_, max_) \
	{ .name = #name_, .json = (json_), .kind = REC_list, .offset = offsetof(REC_SELF, name_), .max = (max_), .type = &t##_type },
/* REC_SELF must be defined as "struct tag" around each use. */
#define REC_DEFINE(tag, FIELDS) \
	static const struct rec_field tag##_fields[] = { FIELDS(REC_DF_, REC_DO_, REC_DL_) }; \
	const struct rec_type tag##_type = { .name = #tag, .size = sizeof(struct tag), \
		.n = sizeof tag##_fields / sizeof tag##_fields[0], .fields = tag##_fields };

/* Appends the encoding of obj. Fails with ERR_INVALID naming the field that is out of its bound. */
int rec_encode(const struct rec_type *t, const void *obj, struct buf *out, struct err *e) must_check;
/* Decodes one record; strings and lists live in the arena. Every bound is checked. ERR_PROTOCOL on any mismatch. */
int rec_decode(const struct rec_type *t, struct reader *r, struct arena *a, void *obj, struct err *e) must_check;
/* As rec_decode, over exactly the n bytes at data: stray bytes are an error. */
int rec_decode_all(const struct rec_type *t, const void *data, size_t n, struct arena *a, void *obj, struct err *e) must_check;
/* A deep copy into the arena, by encode and decode. */
int rec_copy(const struct rec_type *t, const void *from, struct arena *a, void *to, struct err *e) must_check;

/* List helpers for arenas; NULL/false when memory is gone. */
bool strs_add(struct strs *s, struct arena *a, const char *text) must_check;   /* copies the text */
bool kvs_set(struct kvs *s, struct arena *a, const char *key, const char *value) must_check;  /* replaces or adds */
const char *kvs_get(const struct kvs *s, const char *key);   /* NULL if missing */
bool strs_has(const struct strs *s, const char *text);
/* Grows a record list by one zeroed element and returns it. size = sizeof the element. */
void *list_add(void *list, struct arena *a, size_t size) must_check;
