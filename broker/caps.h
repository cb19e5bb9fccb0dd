/* Capabilities: names, the default set, and what --cap-add and --cap-drop make of it. */
#pragma once
#include "err.h"
#include "rec.h"

#include <stdint.h>

#define CAPS_ALL (((uint64_t)1 << 41) - 1)
extern const uint64_t caps_default;
/* Bit of a name with or without CAP_, in any case; -1 if unknown. */
int cap_number(const char *name);
int caps_apply(const struct strs *add, const struct strs *drop, uint64_t *ret, struct err *e) must_check;
/* Rewrites names to the form that inspect shows: "CAP_NET_ADMIN", "ALL". */
int caps_normalize(struct strs *list, struct arena *a, const char *what, struct err *e) must_check;
