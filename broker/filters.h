/* Filters of the list calls. A key may have several values: one must match; all keys must. (label: all values must.) */
#pragma once
#include "msg/types.h"
#include "pattern.h"

/* ERR_INVALID "invalid filter 'zzz'" for a key that is not in the NULL-terminated list. */
int filters_check(const struct filter_list *f, const char *const *known, struct err *e) must_check;
const struct filter *filter_get(const struct filter_list *f, const char *key);
/* No filter of this key, or one of its values equals text. */
bool filter_exact(const struct filter_list *f, const char *key, const char *text);
/* The same, values being prefixes of text. */
bool filter_prefix(const struct filter_list *f, const char *key, const char *text);
/* The same, values being patterns that are searched in text. */
bool filter_pattern(const struct filter_list *f, const char *key, const char *text);
/* "label": key or key=value, all must be there. "label!": none may be. */
bool filter_labels(const struct filter_list *f, const struct kvs *labels);
/* A boolean filter: 1 true, 0 false, -1 not given; ERR_INVALID for other texts. */
int filter_bool(const struct filter_list *f, const char *key, int *ret, struct err *e) must_check;
/* "until": a time stamp, or a duration back from now ("24h"); 0 if not given. */
int filter_until(const struct filter_list *f, int64_t *ret_ns, struct err *e) must_check;
