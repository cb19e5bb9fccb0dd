#include "index.h"

#include <stdlib.h>
#include <string.h>

void
index_done(struct index *x)
{
	free(x->v);
	*x = (struct index){ 0 };
}

/* The first place whose key is not less than key. */
static size_t
lower_bound(const struct index *x, const char *key)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(x->v[mid].key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void *
index_get(const struct index *x, const char *key)
{
	size_t at = lower_bound(x, key);

	return at < x->n && strcmp(x->v[at].key, key) == 0 ? x->v[at].value : NULL;
}

int
index_put(struct index *x, const char *key, void *value, struct err *e)
{
	size_t at = lower_bound(x, key);

	if (at < x->n && strcmp(x->v[at].key, key) == 0)
		return err_set(e, ERR_CONFLICT, "%s exists already", key);
	if (x->n == x->size) {
		size_t size = x->size == 0 ? 16 : 2 * x->size;
		struct index_item *v = reallocarray(x->v, size, sizeof *v);

		if (v == NULL)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		x->v = v;
		x->size = size;
	}
	memmove(&x->v[at + 1], &x->v[at], (x->n - at) * sizeof *x->v);
	x->v[at] = (struct index_item){ key, value };
	x->n++;
	return 0;
}

void
index_del(struct index *x, const char *key)
{
	size_t at = lower_bound(x, key);

	if (at == x->n || strcmp(x->v[at].key, key) != 0)
		return;
	memmove(&x->v[at], &x->v[at + 1], (x->n - at - 1) * sizeof *x->v);
	x->n--;
}

size_t
index_prefix(const struct index *x, const char *prefix, size_t *ret_first)
{
	size_t first = lower_bound(x, prefix), n = 0, len = strlen(prefix);

	while (first + n < x->n && strncmp(x->v[first + n].key, prefix, len) == 0)
		n++;
	*ret_first = first;
	return n;
}
