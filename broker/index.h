/* Sorted arrays of (key, value): exact and prefix look-up in one structure, no hash that a client could flood. Keys are
   borrowed: the value's owner keeps them alive and unchanged while they are in the index. */
#pragma once
#include "err.h"

#include <stddef.h>

struct index_item { const char *key; void *value; };
struct index { size_t n, size; struct index_item *v; };

void index_done(struct index *x);
void *index_get(const struct index *x, const char *key);
/* Fails if the key is there already (ERR_CONFLICT) or memory is gone. */
int index_put(struct index *x, const char *key, void *value, struct err *e) must_check;
void index_del(struct index *x, const char *key);
/* How many keys start with prefix; *ret_first is the place of the first one. */
size_t index_prefix(const struct index *x, const char *prefix, size_t *ret_first);
