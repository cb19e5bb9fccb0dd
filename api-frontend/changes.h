/* Instructions of a Dockerfile that change an image's configuration, as import and commit take them. */
#pragma once
#include "msg/types.h"

/* One instruction, as "ENV a=b". */
int change_apply(struct container_config *c, struct arena *a, const char *line, struct err *e) must_check;
/* Is the line an instruction of this (upper case) name? */
bool change_is(const char *line, const char *name);
