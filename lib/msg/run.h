/*
 * Edge run: A = broker, B = runtime. The runtime makes, enters, signals, freezes and measures containers.
 *
 *   broker                 runtime
 *   run_prepare  ------->            a sandbox: namespaces made, ids mapped, cgroups joined (from the pool if it fits)
 *                <-------  netns     (the broker gives it to netd, which puts a link into it)
 *   run_start    ------->            mounts, limits, capabilities, seccomp; answered once the program was executed
 *                <-------  run_exited (one way; also in run_list until run_delete or the next run_prepare)
 */
#pragma once
#include "edge.h"
#include "msg/types.h"
#include "msg/api.h"

#define RUN_ID_FIELDS(F, O, L) \
	F(str, id, NULL, ID_MAX)
REC_DECLARE(run_id, RUN_ID_FIELDS)

/* net: "new" (a namespace of its own), "host", or "container:<id>"; pid, ipc, uts the same ("none" for ipc: private
   without /dev/shm). userns_host and privileged go to the host-runtime. cgroup_parent "" = the delegated subtree. */
#define RUN_PREPARE_FIELDS(F, O, L) \
	F(str,  id,            NULL, ID_MAX) \
	F(str,  net,           NULL, 128) \
	F(str,  pid,           NULL, 128) \
	F(str,  ipc,           NULL, 128) \
	F(str,  uts,           NULL, 128) \
	F(str,  cgroupns,      NULL, 32) \
	F(flag, userns_host,   NULL, 1) \
	F(str,  cgroup_parent, NULL, PATH_MAX_) \
	/* SELinux: of the file systems that are made for it */ \
	F(str,  mount_label,   NULL, 1024)
REC_DECLARE(run_prepare, RUN_PREPARE_FIELDS)
/* descriptors: [0] the network namespace, if net is "new" */
#define RUN_PREPARED_FIELDS(F, O, L) \
	F(num, pid,     NULL, INT32_MAX) \
	F(num, id_base, NULL, UINT32_MAX)
REC_DECLARE(run_prepared, RUN_PREPARED_FIELDS)

/* cgroup limits; 0 or unset = leave alone, -1 = none. A rate or weight of 0 takes that of a device away. */
#define LIMITS_AS_PARENT "parent"   /* of cpuset_cpus, cpuset_mems */
#define RUN_LIMITS_FIELDS(F, O, L) \
	F(num, memory,             NULL, REC_NUM_ANY) \
	F(num, memory_swap,        NULL, REC_NUM_ANY) \
	F(num, memory_reservation, NULL, REC_NUM_ANY) \
	F(opt, memory_swappiness,  NULL, REC_NUM_ANY) \
	F(tri, oom_kill_disable,   NULL, 1) \
	F(num, cpu_shares,         NULL, REC_NUM_ANY) \
	F(num, cpu_period,         NULL, REC_NUM_ANY) \
	F(num, cpu_quota,          NULL, REC_NUM_ANY) \
	F(str, cpuset_cpus,        NULL, 1024) \
	F(str, cpuset_mems,        NULL, 1024) \
	F(num, pids,               NULL, REC_NUM_ANY) \
	F(num, blkio_weight,       NULL, 65535) \
	F(num, cpu_rt_period,      NULL, REC_NUM_ANY) \
	F(num, cpu_rt_runtime,     NULL, REC_NUM_ANY) \
	F(num, kernel_memory_tcp,  NULL, REC_NUM_ANY) \
	L(weight_device,   blkio_weight_device, NULL, 256) \
	L(throttle_device, blkio_read_bps,      NULL, 256) \
	L(throttle_device, blkio_write_bps,     NULL, 256) \
	L(throttle_device, blkio_read_iops,     NULL, 256) \
	L(throttle_device, blkio_write_iops,    NULL, 256)
REC_DECLARE(run_limits, RUN_LIMITS_FIELDS)

/* kind: bind (source = host path), volume (source = name), tmpfs, image (layers), each mounted at target in this order */
#define RUN_MOUNT_FIELDS(F, O, L) \
	F(str,  kind,          NULL, 16) \
	F(str,  source,        NULL, PATH_MAX_) \
	F(str,  target,        NULL, PATH_MAX_) \
	F(str,  subpath,       NULL, PATH_MAX_) \
	F(flag, read_only,     NULL, 1) \
	F(flag, non_recursive, NULL, 1) \
	F(flag, create,        NULL, 1) \
	F(flag, copy_up,       NULL, 1) \
	F(str,  propagation,   NULL, 32) \
	F(str,  options,       NULL, 1024) \
	/* read-only, but not what is mounted beneath it */ \
	F(flag, read_only_top, NULL, 1) \
	/* of kind image: as in run_spec */ \
	F(strs, layers,        NULL, 256) \
	/* SELinux: its files get this label */ \
	F(str,  relabel,       NULL, 1024)
REC_DECLARE(run_mount, RUN_MOUNT_FIELDS)

/* An interface that netd put into the network namespace, to be configured from within. addresses with "/prefix". */
#define RUN_LINK_FIELDS(F, O, L) \
	F(str,  name,      NULL, 16) \
	F(strs, addresses, NULL, 16) \
	F(str,  gateway,   NULL, 64) \
	F(num,  mtu,       NULL, 65535)
REC_DECLARE(run_link, RUN_LINK_FIELDS)

/* What makes a process: shared by containers and execs. caps: bit mask of the bounding set (CAP_CHOWN = bit 0).
   user: "", uid, name, uid:gid, ...: looked up in the container's own files. seccomp_mode: default, unconfined, custom. */
#define RUN_PROCESS_FIELDS(F, O, L) \
	F(strs, args,             NULL, MANY) \
	F(strs, env,              NULL, MANY) \
	F(str,  cwd,              NULL, PATH_MAX_) \
	F(str,  user,             NULL, 1024) \
	F(strs, group_add,        NULL, MANY) \
	F(num,  caps,             NULL, REC_NUM_ANY) \
	F(flag, no_new_privileges, NULL, 1) \
	F(str,  seccomp_mode,     NULL, 16) \
	O(seccomp_profile, seccomp, NULL) \
	F(flag, tty,              NULL, 1) \
	F(flag, open_stdin,       NULL, 1) \
	F(flag, stdin_once,       NULL, 1) \
	F(pair, console_size,     NULL, 65535) \
	F(num,  oom_score_adj,    NULL, 1000) \
	L(ulimit_rec, rlimits,    NULL, 64) \
	/* profile ("" or "unconfined": none) and label that count from the execution on */ \
	F(str,  apparmor,         NULL, 256) \
	F(str,  selinux,          NULL, 1024)
REC_DECLARE(run_process, RUN_PROCESS_FIELDS)

/* What the monitor writes. format: none, json-file, local. size: bytes in a file, 0 without bound. attrs: the JSON object that stands in
   each line of a json-file, or NULL. */
#define RUN_LOG_FIELDS(F, O, L) \
	F(str,  format,   NULL, 16) \
	F(num,  size,     NULL, REC_NUM_ANY) \
	F(num,  files,    NULL, 1000) \
	F(flag, compress, NULL, 1) \
	F(str,  attrs,    NULL, 65536)
REC_DECLARE(run_log, RUN_LOG_FIELDS)

/* layers: directory names in the store, highest first. hosts, resolv_conf, hostname_file: contents of /etc files, NULL =
   none (they live in the container's writable directory and are only written if missing or rewrite_etc). */
#define RUN_SPEC_FIELDS(F, O, L) \
	F(str,  id,            NULL, ID_MAX) \
	O(run_process, process, NULL) \
	O(run_limits, limits,  NULL) \
	F(strs, layers,        NULL, 256) \
	L(run_mount, mounts,   NULL, MANY) \
	L(run_link, links,     NULL, 64) \
	F(str,  hostname,      NULL, 255) \
	F(str,  domainname,    NULL, 255) \
	F(str,  hosts,         NULL, 65536) \
	F(str,  resolv_conf,   NULL, 65536) \
	F(str,  hostname_file, NULL, 1024) \
	F(flag, readonly_rootfs, NULL, 1) \
	F(strs, masked_paths,  NULL, 256) \
	F(strs, readonly_paths, NULL, 256) \
	F(kvs,  sysctls,       NULL, MANY) \
	F(num,  shm_size,      NULL, REC_NUM_ANY) \
	F(flag, privileged,    NULL, 1) \
	F(flag, init,          NULL, 1) \
	L(device_mapping, devices, NULL, 256) \
	O(run_log, log,        NULL) \
	/* only without a user namespace: "c 1:3 rw" */ \
	F(strs, device_cgroup_rules, NULL, 256) \
	F(str,  mount_label,   NULL, 1024) \
	/* another runtime's program on the host, and its arguments: it makes the container, inside the sandbox */ \
	F(str,  runtime,       NULL, PATH_MAX_) \
	F(strs, runtime_args,  NULL, 64)
REC_DECLARE(run_spec, RUN_SPEC_FIELDS)
#define RUN_STARTED_FIELDS(F, O, L) \
	F(num,  pid,        NULL, INT32_MAX) \
	F(time, started_at, NULL, 0)
REC_DECLARE(run_started, RUN_STARTED_FIELDS)

/* exec "" = the container's first process. all: every process of the container */
#define RUN_SIGNAL_FIELDS(F, O, L) \
	F(str,  id,     NULL, ID_MAX) \
	F(str,  exec,   NULL, ID_MAX) \
	F(num,  signal, NULL, 64) \
	F(flag, all,    NULL, 1)
REC_DECLARE(run_signal, RUN_SIGNAL_FIELDS)
#define RUN_FREEZE_FIELDS(F, O, L) \
	F(str,  id,     NULL, ID_MAX) \
	F(flag, freeze, NULL, 1)
REC_DECLARE(run_freeze, RUN_FREEZE_FIELDS)
#define RUN_RESIZE_FIELDS(F, O, L) \
	F(str, id,   NULL, ID_MAX) \
	F(str, exec, NULL, ID_MAX) \
	F(num, h,    NULL, 65535) \
	F(num, w,    NULL, 65535)
REC_DECLARE(run_resize, RUN_RESIZE_FIELDS)
/* The client's connection comes along. Before the container was started the runtime keeps it (and writes head at once)
   until run_start or run_cancel/run_delete. mux: frame the output (no terminal). logs: first replay the log. */
#define RUN_STREAM_FIELDS(F, O, L) \
	F(str,  id,          NULL, ID_MAX) \
	F(flag, in,          NULL, 1) \
	F(flag, out,         NULL, 1) \
	F(flag, err,         NULL, 1) \
	F(flag, logs,        NULL, 1) \
	F(flag, stream,      NULL, 1) \
	F(flag, mux,         NULL, 1) \
	F(flag, tty,         NULL, 1) \
	F(str,  detach_keys, NULL, 256) \
	F(blob, head,        NULL, 1024) \
	F(blob, input,       NULL, 65536)
REC_DECLARE(run_stream, RUN_STREAM_FIELDS)
/* stream NULL (and no descriptor): detached */
#define RUN_EXEC_FIELDS(F, O, L) \
	F(str,  id,      NULL, ID_MAX) \
	F(str,  exec,    NULL, ID_MAX) \
	F(flag, privileged, NULL, 1) \
	O(run_process, process, NULL) \
	O(run_stream, stream, NULL)
REC_DECLARE(run_exec, RUN_EXEC_FIELDS)
/* code: 0..255, signals as 128 + n. seq: higher is later, per container. */
#define RUN_EXIT_FIELDS(F, O, L) \
	F(str,  id,          NULL, ID_MAX) \
	F(str,  exec,        NULL, ID_MAX) \
	F(num,  code,        NULL, 255) \
	F(flag, oom_killed,  NULL, 1) \
	F(time, finished_at, NULL, 0)
REC_DECLARE(run_exit, RUN_EXIT_FIELDS)
/* state: prepared, running, paused, exited */
#define RUN_STATE_FIELDS(F, O, L) \
	F(str,  id,          NULL, ID_MAX) \
	F(str,  state,       NULL, 16) \
	F(num,  pid,         NULL, INT32_MAX) \
	F(num,  id_base,     NULL, UINT32_MAX) \
	F(time, started_at,  NULL, 0) \
	F(num,  code,        NULL, 255) \
	F(flag, oom_killed,  NULL, 1) \
	F(time, finished_at, NULL, 0) \
	F(strs, execs,       NULL, MANY)
REC_DECLARE(run_state, RUN_STATE_FIELDS)
#define RUN_STATES_FIELDS(F, O, L) \
	L(run_state, items, NULL, REC_LIST_MAX)
REC_DECLARE(run_states, RUN_STATES_FIELDS)
#define RUN_UPDATE_FIELDS(F, O, L) \
	F(str, id, NULL, ID_MAX) \
	O(run_limits, limits, NULL)
REC_DECLARE(run_update, RUN_UPDATE_FIELDS)

/* net: also its interfaces (it has a network namespace of its own, or another container's) */
#define RUN_STATS_FIELDS(F, O, L) \
	F(str,  id,  NULL, ID_MAX) \
	F(flag, net, NULL, 1)
REC_DECLARE(run_stats, RUN_STATS_FIELDS)
/* api_archive's op and path. hidden: what the engine itself mounts in every container, which is not shown. user: whose the files
   become, looked up in the container ("": as the archive says). caps: those of the container, for one without a user namespace.
   spec: for a sandbox that was prepared: its root is made from it and nothing is executed in it; taken back with run_cancel. */
#define RUN_ARCHIVE_FIELDS(F, O, L) \
	F(str,  id,           NULL, ID_MAX) \
	F(str,  op,           NULL, 8) \
	F(str,  path,         NULL, PATH_MAX_) \
	F(flag, no_overwrite, NULL, 1) \
	F(str,  user,         NULL, 1024) \
	F(num,  caps,         NULL, REC_NUM_ANY) \
	F(flag, host,         NULL, 1) \
	F(strs, hidden,       NULL, 16) \
	O(run_spec, spec,     NULL)
REC_DECLARE(run_archive, RUN_ARCHIVE_FIELDS)
#define RUN_CONNECT_FIELDS(F, O, L) \
	F(str, id, NULL, ID_MAX) \
	L(run_link, links, NULL, 64)
REC_DECLARE(run_connect, RUN_CONNECT_FIELDS)

#define RUN_MESSAGES(ROW) \
	/*  name        no  from request       fds reply          fds */ \
	ROW(run_prepare, 1, A,   run_prepare,  0,  run_prepared,   1) \
	ROW(run_start,   2, A,   run_spec,     0,  run_started,    0) \
	/* gives back what run_prepare made; unknown ids are fine */ \
	ROW(run_cancel,  3, A,   run_id,       0,  none,           0) \
	ROW(run_signal,  4, A,   run_signal,   0,  none,           0) \
	ROW(run_freeze,  5, A,   run_freeze,   0,  none,           0) \
	ROW(run_resize,  6, A,   run_resize,   0,  none,           0) \
	ROW(run_attach,  7, A,   run_stream,   1,  none,           0) \
	ROW(run_exec,    8, A,   run_exec,     1,  run_started,    0) \
	ROW(run_top,     9, A,   run_id,       0,  api_procs,      0) \
	ROW(run_logs,   10, A,   api_logs,     0,  api_log_files, 32) \
	/* removes the container's directory with its log and exit status, and its cgroups; unknown ids are fine */ \
	ROW(run_delete, 11, A,   run_id,       0,  none,           0) \
	ROW(run_list,   12, A,   none,         0,  run_states,     0) \
	ROW(run_exited, 13, B,   run_exit,     0,  oneway,         0) \
	ROW(run_update, 14, A,   run_update,   0,  none,           0) \
	/* a client left with the detach keys */ \
	ROW(run_detached, 15, B, run_id,       0,  oneway,         0) \
	ROW(run_stats,  16, A,   run_stats,    0,  api_sample,     0) \
	ROW(run_archive, 17, A,  run_archive,  1,  api_archived,   0) \
	/* sockets that were bound to 127.0.0.11, port 53, in the container's network namespace: UDP, and TCP that listens */ \
	ROW(run_dns,     25, A,   run_id,       0,  none,           2) \
	/* the network namespace of a running container */ \
	ROW(run_netns,   26, A,   run_id,       0,  none,           1) \
	/* sets up interfaces that netd put into a running container's network namespace; again is fine */ \
	ROW(run_connect, 27, A,   run_connect,  0,  none,           0)
EDGE_DECLARE(run_edge, RUN_MESSAGES)
