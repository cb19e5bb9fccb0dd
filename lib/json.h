/*
 * JSON of the API and of configuration files: records to and from text by their tables (rec.h says what the json column
 * means). Input goes through jansson within limits; output is written straight from the record. Only processes without
 * any privilege link this: parsing and privilege never meet.
 */
#pragma once
#include "buf.h"
#include "rec.h"

#include <jansson.h>

#define JSON_DEPTH_MAX  64
#define JSON_VALUES_MAX 400000   /* bounds the memory of a parsed document beside its size */

/* Gives jansson its hash seed, which it would else read from /dev/urandom: call before the sandbox is closed. */
void json_init(void);

static inline void
json_done(json_t **v)
{
	json_decref(*v);
	*v = NULL;
}
#define own_json __attribute__((cleanup(json_done))) json_t

/* One JSON value over n bytes; white space may surround it, nothing else may follow. Invalid UTF-8 becomes U+FFFD. As
   with the Docker engine the last one of duplicate keys counts. Errors are ERR_INVALID in Go's words. */
int json_parse(const char *text, size_t n, json_t **ret, struct err *e) must_check;
/* Fills a zeroed record from an object. Keys match exactly or else ignoring case; null counts as absent; unknown keys are
   ignored, or collected in unknown if it is not NULL. path names the object in errors. */
int json_to_rec(const struct rec_type *t, const json_t *v, const char *path, struct arena *a, void *obj, struct strs *unknown,
    struct err *e) must_check;
/* json_parse and json_to_rec. */
int json_read(const struct rec_type *t, const char *text, size_t n, struct arena *a, void *obj, struct err *e) must_check;
/* The value of a key, exact or else ignoring case; NULL if missing or null. */
json_t *json_member(const json_t *object, const char *key);
const char *json_type_name(const json_t *v);   /* as in Go's messages: string, number, bool, array, object */

/* The record as an object. HTML characters are not escaped; invalid UTF-8 becomes U+FFFD. */
void json_put_rec(struct buf *out, const struct rec_type *t, const void *obj);
/* Its members only, without braces, each after the first preceded by a comma; *first says whether a comma is due. */
void json_put_members(struct buf *out, const struct rec_type *t, const void *obj, bool *first);
void json_put_str(struct buf *out, const char *s);              /* NULL is "" */
void json_put_strn(struct buf *out, const char *s, size_t n);
void json_put_num(struct buf *out, int64_t v);
void json_put_time(struct buf *out, int64_t ns);
void json_put_strs(struct buf *out, const struct strs *s, bool empty_is_null);
void json_put_kvs(struct buf *out, const struct kvs *s, bool empty_is_null);
/* A list as JSON array, or as object if map (first field = key). */
void json_put_list(struct buf *out, const struct rec_type *t, const void *list, bool map, bool null_is_empty);
/* ,"key": */
void json_put_key(struct buf *out, const char *key, bool *first);
