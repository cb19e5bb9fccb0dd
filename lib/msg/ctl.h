/*
 * Edge ctl: A = supervisor, B = any role. Each role starts with this channel as descriptor CTL_FD and nothing else, is
 * told its part of the configuration with ctl_start (descriptors: see below), then gets its edges with ctl_edge. When a
 * peer was restarted a new ctl_edge of the same name replaces the old edge.
 */
#pragma once
#include "edge.h"
#include "msg/profile.h"

#define CTL_FD 3

/* The configuration after flags and daemon.json were merged and checked. Made by the config parser, frozen; each role is
   sent a copy in which only what it needs is filled. */
#define ENGINE_CONFIG_FIELDS(F, O, L) \
	F(str,  log_level,       NULL, 16) \
	F(flag, log_json,        NULL, 1) \
	F(flag, debug,           NULL, 1) \
	F(str,  data_root,       NULL, PATH_MAX_) \
	F(str,  exec_root,       NULL, PATH_MAX_) \
	F(str,  pidfile,         NULL, PATH_MAX_) \
	F(strs, hosts,           NULL, 64) \
	F(str,  group,           NULL, 64) \
	F(str,  bridge,          NULL, 15) \
	F(str,  bip,             NULL, 64) \
	F(str,  fixed_cidr,      NULL, 64) \
	F(str,  default_gateway, NULL, 64) \
	F(num,  mtu,             NULL, 65535) \
	F(flag, icc,             NULL, 1) \
	F(flag, ip_masq,         NULL, 1) \
	F(flag, ip_forward,      NULL, 1) \
	F(flag, iptables,        NULL, 1) \
	F(str,  ip,              NULL, 64) \
	F(strs, dns,             NULL, 64) \
	F(strs, dns_opts,        NULL, 64) \
	F(strs, dns_search,      NULL, 64) \
	F(str,  cgroup_parent,   NULL, PATH_MAX_) \
	F(str,  default_cgroupns_mode, NULL, 32) \
	F(str,  default_ipc_mode, NULL, 32) \
	F(num,  default_shm_size, NULL, REC_NUM_ANY) \
	L(ulimit_rec, default_ulimits, NULL, 64) \
	F(str,  userns_remap,    NULL, 256) \
	F(flag, no_new_privileges, NULL, 1) \
	O(seccomp_profile, seccomp, NULL) \
	F(str,  log_driver,      NULL, 64) \
	F(kvs,  log_opts,        NULL, 64) \
	F(flag, live_restore,    NULL, 1) \
	F(num,  shutdown_timeout, NULL, REC_NUM_ANY) \
	F(strs, labels,          NULL, 256) \
	F(flag, experimental,    NULL, 1) \
	F(flag, init,            NULL, 1) \
	F(flag, validate,        NULL, 1) \
	F(strs, allowed_roots,   NULL, 256) \
	F(strs, forbidden_roots, NULL, 256) \
	F(flag, allow_host_userns, NULL, 1) \
	F(strs, id_ranges_used,  NULL, 1024) \
	F(strs, warnings,        NULL, 256) \
	F(kvs,  features,        NULL, 64) \
	F(str,  hostname,        NULL, 255) \
	F(str,  resolv_conf,     NULL, 65536) \
	F(num,  default_pids_limit, NULL, REC_NUM_ANY) \
	F(num,  cpu_rt_period,   NULL, INT32_MAX) \
	F(num,  cpu_rt_runtime,  NULL, INT32_MAX) \
	/* the host has AppArmor, SELinux; with that, the labels of a container's processes and files, without level */ \
	F(flag, apparmor,        NULL, 1) \
	F(flag, selinux,         NULL, 1) \
	F(str,  selinux_process, NULL, 1024) \
	F(str,  selinux_file,    NULL, 1024) \
	L(runtime_entry, runtimes, NULL, 64) \
	F(str,  default_runtime, NULL, 128)
REC_DECLARE(engine_config, ENGINE_CONFIG_FIELDS)

/*
 * Descriptors with ctl_start, in this order:
 *   broker    [0] its state directory, [1..] listening sockets
 *   runtime, host-runtime
 *             [0] the containers' directory, [1] exec root's run directory,
 *             [2] delegated cgroup directory of cgroup v2 (or of the first v1 hierarchy), [3..] one for each v1 hierarchy
 *             (names in cgroups, "v2" = unified)
 *   stored    [0] store directory, [1] volumes directory
 *   mounter   [0] store directory, [1] volumes directory, [2] the host's root directory
 *   worker    [0] an empty directory for its root
 *   logger    [0] its state directory
 *   idmapper, netd: none
 */
#define CTL_START_FIELDS(F, O, L) \
	O(engine_config, config, NULL) \
	F(strs, cgroups, NULL, 32) \
	F(str,  principal, NULL, 256) \
	/* the uid of the runtime, for the givers that check whose namespace they are handed */ \
	F(num,  run_uid, NULL, UINT32_MAX) \
	/* the runtimes only: what a container has that names no limit; they themselves may be above it */ \
	L(ulimit_rec, limits, NULL, 32)
REC_DECLARE(ctl_start, CTL_START_FIELDS)
#define CTL_EDGE_FIELDS(F, O, L) \
	F(str, name, NULL, 16)
REC_DECLARE(ctl_edge, CTL_EDGE_FIELDS)
#define CTL_WORKER_FIELDS(F, O, L) \
	F(str, principal, NULL, 256)
REC_DECLARE(ctl_worker, CTL_WORKER_FIELDS)

#define CTL_MESSAGES(ROW) \
	/*  name      no  from request     fds  reply  fds */ \
	ROW(ctl_start, 1, A,   ctl_start,  40,  none,   0) \
	/* name: api, run, store, net, idmap, mount, log */ \
	ROW(ctl_edge,  2, A,   ctl_edge,    1,  none,   0) \
	/* stop in order: answered when the role has nothing left to do; then its channel is closed */ \
	ROW(ctl_stop,  3, A,   none,        0,  none,   0) \
	/* broker only: a worker for a principal; the answer is its api channel */ \
	ROW(ctl_worker, 4, B,  ctl_worker,  0,  none,   1) \
	ROW(ctl_reload, 5, A,  ctl_start,   0,  none,   0) \
	/* runtime only: a host-runtime is wanted (floor permitting); the answer is its channel, an edge "run" */ \
	ROW(ctl_host_runtime, 6, B, none,   0,  none,   1) \
	/* broker only: the logger is wanted; its edge "log" comes as every other one */ \
	ROW(ctl_logger, 10, B, none,        0,  none,   0)
EDGE_DECLARE(ctl_edge_table, CTL_MESSAGES)
