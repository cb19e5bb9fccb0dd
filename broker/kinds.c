#include "kinds.h"

#include <stddef.h>

const struct op_kind *const op_kinds[] = { &op_create, &op_start, &op_stop, &op_restart, &op_remove, &op_exec, &op_volume_create,
	&op_volume_remove, &op_image_load, &op_image_remove, &op_health, &op_update, &op_commit, &op_archive, NULL };
