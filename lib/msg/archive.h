/*
 * Edge archive: A = runtime (or host-runtime), B = archiver, a process that serves one copy and ends. Descriptors: [0], [1]
 * what leads to the user and mount namespaces that are entered (a pidfd, twice, or both as such), [2] the pipe of a get or put. spec is
 * not set here; host: there is no user namespace to enter. Answers as those of run_archive.
 */
#pragma once
#include "edge.h"
#include "msg/run.h"

#define ARCHIVE_MESSAGES(ROW) \
	ROW(archive_do, 1, A, run_archive, 3, api_archived, 0)
EDGE_DECLARE(archive_edge, ARCHIVE_MESSAGES)
