/* SELinux labels and AppArmor profiles of containers. */
#pragma once
#include "create.h"
#include "msg/run.h"
#include "state.h"

/* "label=..." of --security-opt: "user:X", "role:X", "type:X", "level:X", "disable". */
int labels_option(const char *value, struct security *s, const struct engine_config *engine, struct err *e) must_check;
int apparmor_option(const char *value, struct security *s, const struct engine_config *engine, struct err *e) must_check;
/* Process and mount label, and the profile, for the record of a container that is being made. */
int labels_assign(struct creation *c, const struct security *s, struct err *e) must_check;
/* What a bind mount or volume of this mode ("z", "Z" among others) is to be labelled with; NULL: left alone. In the arena. */
char *labels_of_mount(const struct ctr *c, const struct mount_point *p, struct arena *a);
