#include "fill.h"

static bool
fill_list(const struct rec_field *f, void *at, struct arena *a, unsigned depth)
{
	struct rec_any_list *list = at;

	if (depth == 0)
		return true;
	list->v = arena_alloc(a, f->type->size);
	list->n = list->v != NULL ? 1 : 0;
	return list->v != NULL && fill_record(f->type, list->v, a, depth - 1);
}

static bool
fill_object(const struct rec_field *f, void *at, struct arena *a, unsigned depth)
{
	void *obj;

	if (depth == 0)
		return true;
	obj = arena_alloc(a, f->type->size);
	*(void **)at = obj;
	return obj != NULL && fill_record(f->type, obj, a, depth - 1);
}

static bool
fill_field(const struct rec_field *f, void *at, struct arena *a, unsigned depth)
{
	switch (f->kind) {
	case REC_flag:
		*(rec_flag_t *)at = true;
		return true;
	case REC_tri:
		*(rec_tri_t *)at = -1;
		return true;
	case REC_num:
		*(rec_num_t *)at = f->max > 0 ? 1 : 0;
		return true;
	case REC_time:
		*(rec_time_t *)at = 1;
		return true;
	case REC_opt:
		*(rec_opt_t *)at = (struct opt){ true, 1 };
		return true;
	case REC_pair:
		*(rec_pair_t *)at = (struct pair){ 1, 1 };
		return true;
	case REC_str:
		*(rec_str_t *)at = arena_str(a, "a");
		return *(rec_str_t *)at != NULL;
	case REC_blob:
		*(rec_blob_t *)at = (struct blob){ 1, arena_alloc(a, 1) };
		return ((rec_blob_t *)at)->p != NULL;
	case REC_strs:
	case REC_set:
		return strs_add(at, a, "a");
	case REC_kvs:
		return kvs_set(at, a, "k", "v");
	case REC_object:
		return fill_object(f, at, a, depth);
	case REC_list:
		return fill_list(f, at, a, depth);
	}
	return true;
}

bool
fill_record(const struct rec_type *t, void *obj, struct arena *a, unsigned depth)
{
	for (size_t i = 0; i < t->n; i++)
		if (!fill_field(&t->fields[i], (char *)obj + t->fields[i].offset, a, depth))
			return false;
	return true;
}
