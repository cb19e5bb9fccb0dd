/* The broker: one struct holds all that it knows. Everything runs on one event loop; nothing here blocks on a peer. */
#pragma once
#include "comp.h"
#include "db.h"
#include "index.h"
#include "ipam.h"
#include "peers.h"
#include "state.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct clients;
struct events;
/* What the kernel's control groups can do here. */
struct cgroup_facts { bool memory, swap, swappiness, oom_kill_disable, kernel_memory_tcp, pids, cpu_shares, cpu_cfs, realtime, cpuset,
	blkio_weight, blkio_weight_device, blkio_read_bps, blkio_write_bps, blkio_read_iops, blkio_write_iops; };
struct host_facts { char kernel[128], os[256], os_version[64], hostname[128], resolv_conf[16384]; int64_t ncpu, memory; bool cgroup_two;
	struct cgroup_facts cgroup; };

struct broker {
	struct comp *comp;
	struct loop *loop;
	struct arena config_arena;
	struct engine_config *config;
	struct db *db;
	struct index ctr_by_id, ctr_by_name;      /* names with their leading slash */
	struct index img_by_id, img_by_tag;       /* ids as "sha256:..." */
	struct index vol_by_name, net_by_id, exec_by_id;
	struct op *ops;                           /* all that run or wait */
	struct peer peers[PEER_COUNT];
	struct clients *clients;
	struct events *events;
	struct address_pool ipam;                         /* of the default bridge */
	struct host_facts facts;
	char engine_id[40];
	int64_t next_link, last_link;             /* interface names: reserved in blocks, never used twice */
	size_t damaged;                           /* rows that could not be read: then nothing on disk is taken for rubbish */
	bool recovered;                           /* the journal was worked off after this start */
	bool compared_run;                        /* the runtime said what runs, so the endpoints are known */
	struct call *stop_call;                   /* the supervisor wants us to end */
	struct loop_timer stop_timer, sweep;
	bool pruning[4];
	struct logship *logship;                  /* edge to the logger, once one is wanted */
	struct ctr *dirty;                        /* records to be packed when idle */
};

/* A short-lived copy of a text in a record's arena; "" for NULL. */
static inline const char *
text_or_empty(const char *s)
{
	return s != NULL ? s : "";
}
static inline bool
text_same(const char *a, const char *b)
{
	return strcmp(text_or_empty(a), text_or_empty(b)) == 0;
}
static inline bool
text_set(const char *s)
{
	return s != NULL && s[0] != '\0';
}
int err_memory(struct err *e);
/* spec.c: a configured runtime by its name; NULL: there is none. */
const struct runtime_entry *runtime_find(const struct engine_config *g, const char *name);
