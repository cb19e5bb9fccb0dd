/* Records filled by their tables: each field has something in it, nested ones too. */
#pragma once
#include "rec.h"

/* False when memory is gone. Nesting is bounded by depth; what is deeper stays empty. */
bool fill_record(const struct rec_type *t, void *obj, struct arena *a, unsigned depth);
