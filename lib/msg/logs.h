/*
 * Edge log: A = broker, B = logger. Where the logs of containers with a remote driver go: the logger reads the files that the monitors
 * write and delivers them; what it has delivered it remembers itself, by the records' numbers.
 *
 *   broker                logger
 *   log_check  ------->            can the endpoint be reached? before a start, answered within seconds
 *   log_follow ------->            files (and the monitor's word on new ones) of a container that runs or has ended
 *              <-------  log_wanted  after a restart of the logger, or when it fell behind: these again, please
 *   log_forget ------->            the container is being removed: what is held is still delivered, then its position is forgotten
 */
#pragma once
#include "edge.h"
#include "msg/types.h"

/* attrs: what of labels and environment was chosen. options hold secrets: they are never logged. */
#define LOG_TARGET_FIELDS(F, O, L) \
	F(str,  id,         NULL, ID_MAX) \
	F(str,  name,       NULL, NAME_MAX_) \
	F(str,  driver,     NULL, 64) \
	F(kvs,  options,    NULL, 64) \
	F(str,  tag,        NULL, 4096) \
	F(kvs,  attrs,      NULL, MANY) \
	F(str,  image_id,   NULL, 128) \
	F(str,  image_name, NULL, 1024) \
	F(str,  command,    NULL, 65536) \
	F(str,  hostname,   NULL, 255) \
	F(time, created,    NULL, 0)
REC_DECLARE(log_target, LOG_TARGET_FIELDS)
/* Descriptors: the files, oldest first; with follow the notification socket is the last (lib/msg/api.h: api_logs). */
#define LOG_FOLLOW_FIELDS(F, O, L) \
	O(log_target, target, NULL) \
	F(flag, follow,     NULL, 1)
REC_DECLARE(log_follow, LOG_FOLLOW_FIELDS)
#define LOG_IDS_FIELDS(F, O, L) \
	F(strs, ids, NULL, 4096)
REC_DECLARE(log_ids, LOG_IDS_FIELDS)

#define LOG_MESSAGES(ROW) \
	/*  name       no  from request    fds  reply   fds */ \
	ROW(log_check,  1, A,   log_target,  0, none,    0) \
	ROW(log_follow, 2, A,   log_follow, 32, none,    0) \
	ROW(log_forget, 3, A,   log_ids,     0, none,    0) \
	ROW(log_wanted, 4, B,   log_ids,     0, oneway,  0)
EDGE_DECLARE(log_edge, LOG_MESSAGES)
