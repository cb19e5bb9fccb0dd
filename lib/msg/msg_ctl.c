/* The descriptors and tables that msg/profile.h, msg/ctl.h declare. A file of its own, so that a binary links only what it speaks. */
#include "msg/profile.h"
#include "msg/ctl.h"

#define REC_SELF struct ulimit_rec
REC_DEFINE(ulimit_rec, ULIMIT_FIELDS)
#undef REC_SELF
#define REC_SELF struct runtime_entry
REC_DEFINE(runtime_entry, RUNTIME_ENTRY_FIELDS)
#undef REC_SELF
#define REC_SELF struct seccomp_arg
REC_DEFINE(seccomp_arg, SECCOMP_ARG_FIELDS)
#undef REC_SELF
#define REC_SELF struct seccomp_filter
REC_DEFINE(seccomp_filter, SECCOMP_FILTER_FIELDS)
#undef REC_SELF
#define REC_SELF struct seccomp_rule
REC_DEFINE(seccomp_rule, SECCOMP_RULE_FIELDS)
#undef REC_SELF
#define REC_SELF struct seccomp_arch_map
REC_DEFINE(seccomp_arch_map, SECCOMP_ARCH_MAP_FIELDS)
#undef REC_SELF
#define REC_SELF struct seccomp_profile
REC_DEFINE(seccomp_profile, SECCOMP_PROFILE_FIELDS)
#undef REC_SELF
#define REC_SELF struct engine_config
REC_DEFINE(engine_config, ENGINE_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct ctl_start
REC_DEFINE(ctl_start, CTL_START_FIELDS)
#undef REC_SELF
#define REC_SELF struct ctl_edge
REC_DEFINE(ctl_edge, CTL_EDGE_FIELDS)
#undef REC_SELF
#define REC_SELF struct ctl_worker
REC_DEFINE(ctl_worker, CTL_WORKER_FIELDS)
#undef REC_SELF
EDGE_DEFINE(ctl_edge_table, "ctl", CTL_MESSAGES)
