/* Takes rights over devices away from a control group of the runtime's. Nothing can be given by it. */
#pragma once
#include "msg/give.h"

#include <sys/types.h>

struct err;
/* group: cgroup v1: devices.deny of the group, open for writing; v2: its directory. It must be owner's. proc: the directory /proc. */
int deny_devices(int proc, int group, uid_t owner, const struct mount_denials *d, struct err *e) must_check;
