/* The descriptors and tables that msg/give.h declares. A file of its own, so that a binary links only what it speaks. */
#include "msg/give.h"

#define REC_SELF struct idmap_given
REC_DEFINE(idmap_given, IDMAP_GIVEN_FIELDS)
#undef REC_SELF
EDGE_DEFINE(idmap_edge, "idmap", IDMAP_MESSAGES)
#define REC_SELF struct mount_wish
REC_DEFINE(mount_wish, MOUNT_WISH_FIELDS)
#undef REC_SELF
#define REC_SELF struct mount_wishes
REC_DEFINE(mount_wishes, MOUNT_WISHES_FIELDS)
#undef REC_SELF
#define REC_SELF struct mount_denial
REC_DEFINE(mount_denial, MOUNT_DENIAL_FIELDS)
#undef REC_SELF
#define REC_SELF struct mount_denials
REC_DEFINE(mount_denials, MOUNT_DENIALS_FIELDS)
#undef REC_SELF
EDGE_DEFINE(mount_edge, "mount", MOUNT_MESSAGES)
