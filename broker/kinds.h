/* All kinds of operations, for recovery. */
#pragma once
#include "steps.h"

extern const struct op_kind op_create, op_start, op_stop, op_restart, op_remove, op_pause, op_unpause, op_exec, op_volume_create,
    op_volume_remove, op_image_load, op_image_remove, op_health, op_update, op_commit, op_archive, op_copy,
    op_network_create, op_network_remove, op_network_connect, op_network_disconnect;
extern const struct op_kind *const op_kinds[];
