#include "edges.h"

#include "msg/api.h"
#include "msg/archive.h"
#include "msg/ctl.h"
#include "msg/dns.h"
#include "msg/give.h"
#include "msg/logs.h"
#include "msg/net.h"
#include "msg/run.h"
#include "msg/store.h"
#include "wire.h"

const struct edge_table *const edges[EDGES] = { &api_edge, &run_edge, &idmap_edge, &mount_edge, &store_edge, &net_edge, &ctl_edge_table, &archive_edge, &dns_edge, &log_edge };

#define ROW_(name_, no_, rec_, fds_) { #name_, (no_), &rec_##_type },
const struct wire_row wire_rows[] = { WIRE_MESSAGES(ROW_) };
const size_t wire_rows_n = sizeof wire_rows / sizeof wire_rows[0];
