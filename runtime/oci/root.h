#pragma once
#include "oci.h"

/* Everything up to the change of root. state: the container's directory, over which the parts are put together. */
int oci_root_make(struct stage *s, int state, const struct oci_config *c, struct err *e) must_check;
