/* The descriptors and the table that msg/logs.h declares. */
#include "msg/logs.h"

#define REC_SELF struct log_target
REC_DEFINE(log_target, LOG_TARGET_FIELDS)
#undef REC_SELF
#define REC_SELF struct log_follow
REC_DEFINE(log_follow, LOG_FOLLOW_FIELDS)
#undef REC_SELF
#define REC_SELF struct log_ids
REC_DEFINE(log_ids, LOG_IDS_FIELDS)
#undef REC_SELF
EDGE_DEFINE(log_edge, "log", LOG_MESSAGES)
