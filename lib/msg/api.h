/*
 * Edge api: A = worker (one per principal), B = broker. Who is asking follows from the channel.
 *
 * Streams: attach, exec start and the like carry the client's connection as a descriptor, "head" = the bytes to write to
 * it before anything else (the HTTP answer's head) and "input" = bytes that the worker had read beyond the request. If
 * the call fails nothing was written and the worker answers with an error; after success the worker drops its copy.
 */
#pragma once
#include "edge.h"
#include "msg/types.h"

#define API_REF_FIELDS(F, O, L) \
	F(str, ref, NULL, 1024)
REC_DECLARE(api_ref, API_REF_FIELDS)

#define API_CREATE_FIELDS(F, O, L) \
	F(str, name,     NULL, NAME_MAX_) \
	F(str, platform, NULL, 64) \
	F(num, api_version, NULL, 1000) \
	O(container_config, config, NULL) \
	O(host_config, host_config, NULL) \
	L(endpoint, networks, NULL, 64)
REC_DECLARE(api_create, API_CREATE_FIELDS)
#define API_CREATED_FIELDS(F, O, L) \
	F(str,  id,       "Id",        ID_MAX) \
	F(strs, warnings, "[Warnings", 64)
REC_DECLARE(api_created, API_CREATED_FIELDS)

/* version 1.41 is 141 */
#define API_LIST_FIELDS(F, O, L) \
	F(flag, all,   NULL, 1) \
	F(num,  limit, NULL, REC_NUM_ANY) \
	F(flag, size,  NULL, 1) \
	L(filter, filters, NULL, 64)
REC_DECLARE(api_list, API_LIST_FIELDS)

/* What GET /containers/json shows; the worker makes Status ("Up 3 minutes") from state and its clock. */
#define SUMMARY_PORT_FIELDS(F, O, L) \
	F(str, ip,           "?IP",          64) \
	F(num, private_port, "PrivatePort",  65535) \
	F(num, public_port,  "?PublicPort",  65535) \
	F(str, type,         "Type",         8)
REC_DECLARE(summary_port, SUMMARY_PORT_FIELDS)
#define CONTAINER_SUMMARY_FIELDS(F, O, L) \
	F(str,  id,       "Id",      ID_MAX) \
	F(strs, names,    "[Names",  64) \
	F(str,  image,    "Image",   1024) \
	F(str,  image_id, "ImageID", 80) \
	F(str,  command,  "Command", REC_STR_MAX) \
	F(time, created,  NULL,      0) \
	L(summary_port, ports, "[Ports", MANY) \
	F(kvs,  labels,   "[Labels", MANY) \
	O(container_state, state, NULL) \
	F(str,  health,   NULL,      32) \
	F(str,  network_mode, NULL,  512) \
	F(kvs,  annotations, NULL,   MANY) \
	L(endpoint, networks, NULL,  256) \
	L(mount_point, mounts, "[Mounts", MANY) \
	F(num,  size_rw,  "?SizeRw", REC_NUM_ANY) \
	F(num,  size_root_fs, "?SizeRootFs", REC_NUM_ANY)
REC_DECLARE(container_summary, CONTAINER_SUMMARY_FIELDS)
#define API_SUMMARIES_FIELDS(F, O, L) \
	L(container_summary, items, NULL, REC_LIST_MAX)
REC_DECLARE(api_summaries, API_SUMMARIES_FIELDS)

/* signal "" = the container's; timeout unset = the container's, < 0 = for ever */
#define API_STOP_FIELDS(F, O, L) \
	F(str, ref,     NULL, 1024) \
	F(str, signal,  NULL, 64) \
	F(opt, timeout, NULL, REC_NUM_ANY)
REC_DECLARE(api_stop, API_STOP_FIELDS)
#define API_KILL_FIELDS(F, O, L) \
	F(str, ref,    NULL, 1024) \
	F(str, signal, NULL, 64)
REC_DECLARE(api_kill, API_KILL_FIELDS)
#define API_RENAME_FIELDS(F, O, L) \
	F(str, ref,  NULL, 1024) \
	F(str, name, NULL, 1024)
REC_DECLARE(api_rename, API_RENAME_FIELDS)
#define API_REMOVE_FIELDS(F, O, L) \
	F(str,  ref,     NULL, 1024) \
	F(flag, force,   NULL, 1) \
	F(flag, volumes, NULL, 1) \
	F(flag, link,    NULL, 1)
REC_DECLARE(api_remove, API_REMOVE_FIELDS)
/* condition: not-running, next-exit, removed. The first answer ("more") means registered, the last one has the result. */
#define API_WAIT_FIELDS(F, O, L) \
	F(str, ref,       NULL, 1024) \
	F(str, condition, NULL, 32)
REC_DECLARE(api_wait, API_WAIT_FIELDS)
#define API_WAITED_FIELDS(F, O, L) \
	F(num, status, NULL, INT32_MAX) \
	F(str, error,  NULL, 4096)
REC_DECLARE(api_waited, API_WAITED_FIELDS)
/* exec: ref is an exec id */
#define API_RESIZE_FIELDS(F, O, L) \
	F(str,  ref,  NULL, 1024) \
	F(flag, exec, NULL, 1) \
	F(num,  h,    NULL, UINT32_MAX) \
	F(num,  w,    NULL, UINT32_MAX)
REC_DECLARE(api_resize, API_RESIZE_FIELDS)
/* Two heads: the worker does not know yet whether the container has a terminal (content type). */
#define API_ATTACH_FIELDS(F, O, L) \
	F(str,  ref,         NULL, 1024) \
	F(flag, stream,      NULL, 1) \
	F(flag, logs,        NULL, 1) \
	F(flag, in,          NULL, 1) \
	F(flag, out,         NULL, 1) \
	F(flag, err,         NULL, 1) \
	F(str,  detach_keys, NULL, 256) \
	F(blob, head_tty,    NULL, 1024) \
	F(blob, head_mux,    NULL, 1024) \
	F(blob, input,       NULL, 65536)
REC_DECLARE(api_attach, API_ATTACH_FIELDS)

/* Answer: the log files, oldest first, the last one being written to; with follow a SOCK_SEQPACKET socket is the last
   descriptor: one byte 'd' = new data, 'r' with a descriptor = rotated to this new file, 'e' = that was
   all, end = the container ended or the reader was too slow. */
#define API_LOGS_FIELDS(F, O, L) \
	F(str,  ref,    NULL, 1024) \
	F(flag, follow, NULL, 1)
REC_DECLARE(api_logs, API_LOGS_FIELDS)
#define API_LOG_FILES_FIELDS(F, O, L) \
	F(flag, tty,    NULL, 1) \
	F(flag, follow, NULL, 1) \
	F(str,  driver, NULL, 32)
REC_DECLARE(api_log_files, API_LOG_FILES_FIELDS)

#define EXEC_CONFIG_FIELDS(F, O, L) \
	F(str,  ref,           NULL,            1024) \
	F(str,  user,          "User",          1024) \
	F(flag, privileged,    "Privileged",    1) \
	F(flag, tty,           "Tty",           1) \
	F(pair, console_size,  "ConsoleSize",   65535) \
	F(flag, attach_stdin,  "AttachStdin",   1) \
	F(flag, attach_stderr, "AttachStderr",  1) \
	F(flag, attach_stdout, "AttachStdout",  1) \
	F(str,  detach_keys,   "DetachKeys",    256) \
	F(strs, env,           "Env",           MANY) \
	F(str,  working_dir,   "WorkingDir",    PATH_MAX_) \
	F(strs, cmd,           "Cmd",           MANY)
REC_DECLARE(exec_config, EXEC_CONFIG_FIELDS)
#define API_EXEC_START_FIELDS(F, O, L) \
	F(str,  id,     NULL, ID_MAX) \
	F(flag, detach, NULL, 1) \
	F(flag, tty,    NULL, 1) \
	F(pair, console_size, NULL, 65535) \
	F(blob, head_tty, NULL, 1024) \
	F(blob, head_mux, NULL, 1024) \
	F(blob, input,  NULL, 65536)
REC_DECLARE(api_exec_start, API_EXEC_START_FIELDS)
/* GET /exec/{id}/json, flattened */
#define EXEC_STATE_FIELDS(F, O, L) \
	F(str,  id,           NULL, ID_MAX) \
	F(str,  container_id, NULL, ID_MAX) \
	F(flag, running,      NULL, 1) \
	F(opt,  exit_code,    NULL, REC_NUM_ANY) \
	F(num,  pid,          NULL, INT32_MAX) \
	O(exec_config, config, NULL) \
	/* a health check of the engine's own */ \
	F(flag, health,       NULL, 1)
REC_DECLARE(exec_state, EXEC_STATE_FIELDS)

/* One process as the container's owner sees it; ids are the container's. */
#define PROC_FIELDS(F, O, L) \
	F(num,  pid,      NULL, INT32_MAX) \
	F(num,  ppid,     NULL, INT32_MAX) \
	F(num,  uid,      NULL, UINT32_MAX) \
	F(num,  gid,      NULL, UINT32_MAX) \
	F(str,  state,    NULL, 8) \
	F(time, started,  NULL, 0) \
	F(num,  cpu_ticks, NULL, REC_NUM_ANY) \
	F(num,  rss_kib,  NULL, REC_NUM_ANY) \
	F(num,  vsz_kib,  NULL, REC_NUM_ANY) \
	F(num,  threads,  NULL, REC_NUM_ANY) \
	F(num,  nice,     NULL, 100) \
	F(num,  tty,      NULL, REC_NUM_ANY) \
	F(str,  comm,     NULL, 64) \
	F(str,  args,     NULL, 4096)
REC_DECLARE(proc, PROC_FIELDS)
#define API_PROCS_FIELDS(F, O, L) \
	L(proc, procs, NULL, REC_LIST_MAX)
REC_DECLARE(api_procs, API_PROCS_FIELDS)

/* Resources and restart policy of host are what counts; 0, "" and unset leave alone. */
#define API_UPDATE_FIELDS(F, O, L) \
	F(str, ref, NULL, 1024) \
	O(host_config, host, NULL)
REC_DECLARE(api_update, API_UPDATE_FIELDS)
#define API_UPDATED_FIELDS(F, O, L) \
	F(strs, warnings, "[Warnings", 64)
REC_DECLARE(api_updated, API_UPDATED_FIELDS)

/* What a container uses at one moment: the kernel's files as they are, for the worker to read. two: of cgroup v2. Numbers that are
   not known or not limited are -1. v1: cpu = cpuacct.usage, cpu_each = cpuacct.usage_percpu, cpu_modes = cpuacct.stat, throttle = cpu.stat,
   io_bytes and io_ops = blkio.throttle.io_service_bytes and io_serviced (_recursive); v2: cpu = cpu.stat, io_bytes = io.stat. */
#define API_SAMPLE_FIELDS(F, O, L) \
	F(str,  id,           NULL, ID_MAX) \
	F(str,  name,         NULL, NAME_MAX_ + 1) \
	F(time, read,         NULL, 0) \
	F(flag, two,          NULL, 1) \
	F(num,  system_ns,    NULL, REC_NUM_ANY) \
	F(num,  ncpu,         NULL, 65535) \
	F(str,  cpu,          NULL, 16384) \
	F(str,  cpu_each,     NULL, 16384) \
	F(str,  cpu_modes,    NULL, 16384) \
	F(str,  throttle,     NULL, 16384) \
	F(num,  memory,       NULL, REC_NUM_ANY) \
	F(num,  memory_max,   NULL, REC_NUM_ANY) \
	F(num,  memory_failures, NULL, REC_NUM_ANY) \
	F(num,  memory_limit, NULL, REC_NUM_ANY) \
	F(str,  memory_stat,  NULL, 16384) \
	F(num,  pids,         NULL, REC_NUM_ANY) \
	F(num,  pids_limit,   NULL, REC_NUM_ANY) \
	F(str,  io_bytes,     NULL, 16384) \
	F(str,  io_ops,       NULL, 16384) \
	F(str,  net,          NULL, 16384)
REC_DECLARE(api_sample, API_SAMPLE_FIELDS)

#define API_IMAGES_FIELDS(F, O, L) \
	L(image, items, NULL, REC_LIST_MAX)
REC_DECLARE(api_images, API_IMAGES_FIELDS)
#define API_TAG_FIELDS(F, O, L) \
	F(str, ref,  NULL, 1024) \
	F(str, repo, NULL, 1024) \
	F(str, tag,  NULL, 256)
REC_DECLARE(api_tag, API_TAG_FIELDS)
#define API_IMAGE_REMOVE_FIELDS(F, O, L) \
	F(str,  ref,      NULL, 1024) \
	F(flag, force,    NULL, 1) \
	F(flag, no_prune, NULL, 1)
REC_DECLARE(api_image_remove, API_IMAGE_REMOVE_FIELDS)
#define API_IMAGE_REMOVED_FIELDS(F, O, L) \
	F(strs, untagged, NULL, MANY) \
	F(strs, deleted,  NULL, MANY) \
	F(num,  reclaimed, NULL, REC_NUM_ANY)
REC_DECLARE(api_image_removed, API_IMAGE_REMOVED_FIELDS)
/* load: the read end of a pipe comes along, the worker writes the body into the other end. "more" answers carry lines. */
#define API_LOAD_FIELDS(F, O, L) \
	F(flag, quiet, NULL, 1)
REC_DECLARE(api_load, API_LOAD_FIELDS)
#define API_PROGRESS_FIELDS(F, O, L) \
	F(str, id,     NULL, 256) \
	F(str, status, NULL, 1024) \
	F(str, stream, NULL, 1024)
REC_DECLARE(api_progress, API_PROGRESS_FIELDS)
#define API_IMPORT_FIELDS(F, O, L) \
	F(str,  repo,     NULL, 1024) \
	F(str,  tag,      NULL, 256) \
	F(str,  message,  NULL, 4096) \
	F(str,  platform, NULL, 64) \
	O(container_config, config, NULL)
REC_DECLARE(api_import, API_IMPORT_FIELDS)
/* save: the write end of a pipe comes along; the answer comes when all was written (or failed). */
#define API_SAVE_FIELDS(F, O, L) \
	F(strs, refs, NULL, 1024)
REC_DECLARE(api_save, API_SAVE_FIELDS)
#define API_FILTERS_FIELDS(F, O, L) \
	F(num, api_version, NULL, 1000) \
	L(filter, filters, NULL, 64)
REC_DECLARE(api_filters, API_FILTERS_FIELDS)
#define API_PRUNED_FIELDS(F, O, L) \
	F(strs, deleted, NULL, REC_LIST_MAX) \
	F(strs, untagged, NULL, REC_LIST_MAX) \
	F(num,  reclaimed, NULL, REC_NUM_ANY)
REC_DECLARE(api_pruned, API_PRUNED_FIELDS)

#define API_VOLUME_CREATE_FIELDS(F, O, L) \
	F(str, name,        "Name",       NAME_MAX_) \
	F(str, driver,      "Driver",     NAME_MAX_) \
	F(kvs, driver_opts, "DriverOpts", MANY) \
	F(kvs, labels,      "Labels",     MANY)
REC_DECLARE(api_volume_create, API_VOLUME_CREATE_FIELDS)
#define API_VOLUMES_FIELDS(F, O, L) \
	L(volume, items, "[Volumes", REC_LIST_MAX) \
	F(strs, warnings, "Warnings", 64)
REC_DECLARE(api_volumes, API_VOLUMES_FIELDS)
#define API_VOLUME_REMOVE_FIELDS(F, O, L) \
	F(str,  name,  NULL, 1024) \
	F(flag, force, NULL, 1)
REC_DECLARE(api_volume_remove, API_VOLUME_REMOVE_FIELDS)

#define API_NETWORKS_FIELDS(F, O, L) \
	L(network, items, NULL, REC_LIST_MAX)
REC_DECLARE(api_networks, API_NETWORKS_FIELDS)

#define CONFIG_REFERENCE_FIELDS(F, O, L) \
	F(str, network, "Network", NAME_MAX_)
REC_DECLARE(config_reference, CONFIG_REFERENCE_FIELDS)
#define API_NETWORK_CREATE_FIELDS(F, O, L) \
	F(str,  name,        "Name",       1024) \
	F(str,  driver,      "Driver",     NAME_MAX_) \
	F(str,  scope,       "Scope",      32) \
	F(flag, internal,    "Internal",   1) \
	F(flag, attachable,  "Attachable", 1) \
	F(flag, ingress,     "Ingress",    1) \
	F(flag, config_only, "ConfigOnly", 1) \
	O(config_reference, config_from, "ConfigFrom") \
	F(tri,  enable_ipv4, "EnableIPv4", 1) \
	F(tri,  enable_ipv6, "EnableIPv6", 1) \
	O(ipam, ipam,        "IPAM") \
	F(kvs,  options,     "Options",    256) \
	F(kvs,  labels,      "Labels",     256)
REC_DECLARE(api_network_create, API_NETWORK_CREATE_FIELDS)
/* ref: the network. endpoint: for connect; force: for disconnect */
#define API_NETWORK_CONNECT_FIELDS(F, O, L) \
	F(str,  ref,       NULL,             1024) \
	F(str,  container, "Container",      1024) \
	O(endpoint, endpoint, "EndpointConfig") \
	F(flag, force,     "Force",          1)
REC_DECLARE(api_network_connect, API_NETWORK_CONNECT_FIELDS)

#define API_EVENTS_FIELDS(F, O, L) \
	F(time, since,  NULL, 0) \
	F(time, until,  NULL, 0) \
	F(flag, has_until, NULL, 1) \
	L(filter, filters, NULL, 64)
REC_DECLARE(api_events, API_EVENTS_FIELDS)

/* What only the engine knows of GET /info and /version; the worker adds what is constant. */
#define API_INFO_FIELDS(F, O, L) \
	F(str,  id,              "ID",                64) \
	F(num,  containers,      "Containers",        REC_NUM_ANY) \
	F(num,  running,         "ContainersRunning", REC_NUM_ANY) \
	F(num,  paused,          "ContainersPaused",  REC_NUM_ANY) \
	F(num,  stopped,         "ContainersStopped", REC_NUM_ANY) \
	F(num,  images,          "Images",            REC_NUM_ANY) \
	F(str,  name,            "Name",              255) \
	F(str,  root_dir,        "DockerRootDir",     PATH_MAX_) \
	F(str,  kernel,          "KernelVersion",     128) \
	F(str,  os,              "OperatingSystem",   256) \
	F(str,  os_version,      "OSVersion",         64) \
	F(num,  ncpu,            "NCPU",              65535) \
	F(num,  mem_total,       "MemTotal",          REC_NUM_ANY) \
	F(str,  cgroup_driver,   "CgroupDriver",      32) \
	F(str,  cgroup_version,  "CgroupVersion",     8) \
	F(str,  log_driver,      "LoggingDriver",     64) \
	F(strs, labels,          "[Labels",           256) \
	F(strs, security_options, "[SecurityOptions", 64) \
	F(strs, warnings,        "Warnings",          64) \
	F(flag, debug,           "Debug",             1) \
	F(flag, experimental,    "ExperimentalBuild", 1) \
	F(flag, live_restore,    "LiveRestoreEnabled", 1) \
	F(flag, memory_limit,    "MemoryLimit",       1) \
	F(flag, swap_limit,      "SwapLimit",         1) \
	F(flag, cpu_cfs_period,  "CpuCfsPeriod",      1) \
	F(flag, cpu_cfs_quota,   "CpuCfsQuota",       1) \
	F(flag, cpu_shares,      "CPUShares",         1) \
	F(flag, cpu_set,         "CPUSet",            1) \
	F(flag, pids_limit,      "PidsLimit",         1) \
	F(flag, oom_kill_disable, "OomKillDisable",   1) \
	F(num,  n_goroutines,    NULL,                REC_NUM_ANY) \
	F(num,  events_listeners, "NEventsListener",  REC_NUM_ANY) \
	F(num,  n_fd,            "NFd",               REC_NUM_ANY) \
	F(flag, ipv4_forwarding, "IPv4Forwarding",    1) \
	L(runtime_entry, runtimes, "{Runtimes",       64) \
	F(str,  default_runtime, "DefaultRuntime",    128)
REC_DECLARE(api_info, API_INFO_FIELDS)

/* changes: each is checked and part of config already, which is merged over the container's. */
#define API_COMMIT_FIELDS(F, O, L) \
	F(str,  ref,     NULL, 1024) \
	F(str,  repo,    NULL, 1024) \
	F(str,  tag,     NULL, 256) \
	F(str,  comment, NULL, 4096) \
	F(str,  author,  NULL, 4096) \
	F(flag, pause,   NULL, 1) \
	F(str,  docker_version, NULL, 64) \
	O(container_config, config, NULL)
REC_DECLARE(api_commit, API_COMMIT_FIELDS)
#define API_COMMITTED_FIELDS(F, O, L) \
	F(str, id, "Id", 80)
REC_DECLARE(api_committed, API_COMMITTED_FIELDS)
/* size -1: it could not be measured */
#define VOLUME_USE_FIELDS(F, O, L) \
	F(str, name, NULL, NAME_MAX_) \
	F(num, size, NULL, REC_NUM_ANY) \
	F(num, refs, NULL, REC_NUM_ANY)
REC_DECLARE(volume_use, VOLUME_USE_FIELDS)
#define API_VOLUME_USES_FIELDS(F, O, L) \
	L(volume_use, items, NULL, REC_LIST_MAX)
REC_DECLARE(api_volume_uses, API_VOLUME_USES_FIELDS)
/* Files in and out of a container. op: stat, get (a pipe's write end comes along), put (its read end). Answered first with what
   stands at path ("more"), then, when all was written or taken, with an empty record. */
#define API_ARCHIVE_FIELDS(F, O, L) \
	F(str,  ref,          NULL, 1024) \
	F(str,  op,           NULL, 8) \
	F(str,  path,         NULL, PATH_MAX_) \
	F(flag, no_overwrite, NULL, 1) \
	F(flag, copy_ids,     NULL, 1)
REC_DECLARE(api_archive, API_ARCHIVE_FIELDS)
/* mode: in Go's bits (os.FileMode) */
#define API_ARCHIVED_FIELDS(F, O, L) \
	F(str,  name,        "name",       PATH_MAX_) \
	F(num,  size,        "size",       REC_NUM_ANY) \
	F(num,  mode,        "mode",       UINT32_MAX) \
	F(time, mtime,       "mtime",      0) \
	F(str,  link_target, "linkTarget", PATH_MAX_)
REC_DECLARE(api_archived, API_ARCHIVED_FIELDS)

/* Part of the answer to a start or stop that had nothing to do: ERR_NOT_MODIFIED. */
#define API_MESSAGES(ROW) \
	/*  name                   no  from request           fds reply             fds */ \
	ROW(container_create,       1, A,   api_create,        0, api_created,       0) \
	ROW(container_list,         2, A,   api_list,          0, api_summaries,     0) \
	ROW(container_inspect,      3, A,   api_ref,           0, container,         0) \
	ROW(container_start,        4, A,   api_ref,           0, none,              0) \
	ROW(container_stop,         5, A,   api_stop,          0, none,              0) \
	ROW(container_restart,      6, A,   api_stop,          0, none,              0) \
	ROW(container_kill,         7, A,   api_kill,          0, none,              0) \
	ROW(container_pause,        8, A,   api_ref,           0, none,              0) \
	ROW(container_unpause,      9, A,   api_ref,           0, none,              0) \
	ROW(container_rename,      10, A,   api_rename,        0, none,              0) \
	ROW(container_remove,      11, A,   api_remove,        0, none,              0) \
	ROW(container_wait,        12, A,   api_wait,          0, api_waited,        0) \
	ROW(container_resize,      13, A,   api_resize,        0, none,              0) \
	ROW(container_attach,      14, A,   api_attach,        1, none,              0) \
	ROW(container_logs,        15, A,   api_logs,          0, api_log_files,    32) \
	ROW(container_top,         16, A,   api_ref,           0, api_procs,         0) \
	ROW(container_prune,       17, A,   api_filters,       0, api_pruned,        0) \
	ROW(exec_create,           18, A,   exec_config,       0, api_created,       0) \
	ROW(exec_start,            19, A,   api_exec_start,    1, none,              0) \
	ROW(exec_inspect,          20, A,   api_ref,           0, exec_state,        0) \
	ROW(image_list,            21, A,   api_list,          0, api_images,        0) \
	ROW(image_inspect,         22, A,   api_ref,           0, image,             0) \
	ROW(image_tag,             23, A,   api_tag,           0, none,              0) \
	ROW(image_remove,          24, A,   api_image_remove,  0, api_image_removed, 0) \
	ROW(image_load,            25, A,   api_load,          1, api_progress,      0) \
	ROW(image_import,          26, A,   api_import,        1, api_progress,      0) \
	ROW(image_save,            27, A,   api_save,          1, none,              0) \
	ROW(image_prune,           28, A,   api_filters,       0, api_pruned,        0) \
	ROW(volume_create,         29, A,   api_volume_create, 0, volume,            0) \
	ROW(volume_list,           30, A,   api_filters,       0, api_volumes,       0) \
	ROW(volume_inspect,        31, A,   api_ref,           0, volume,            0) \
	ROW(volume_remove,         32, A,   api_volume_remove, 0, none,              0) \
	ROW(volume_prune,          33, A,   api_filters,       0, api_pruned,        0) \
	ROW(network_list,          34, A,   api_filters,       0, api_networks,      0) \
	ROW(network_inspect,       35, A,   api_ref,           0, network,           0) \
	ROW(system_info,           36, A,   none,              0, api_info,          0) \
	ROW(system_events,         37, A,   api_events,        0, event,             0) \
	/* the broker hands the worker a client's connection */ \
	ROW(client_open,           38, B,   none,              1, oneway,            0) \
	ROW(container_update,      39, A,   api_update,        0, api_updated,       0) \
	/* one sample; of a container that does not run only id and name */ \
	ROW(container_stats,       40, A,   api_ref,           0, api_sample,        0) \
	/* changes, export: the write end of a pipe comes along; the answer comes when all was written (or failed) */ \
	ROW(container_changes,     41, A,   api_ref,           1, none,              0) \
	ROW(container_export,      42, A,   api_ref,           1, none,              0) \
	ROW(container_commit,      43, A,   api_commit,        0, api_committed,     0) \
	ROW(volume_usage,          44, A,   none,              0, api_volume_uses,   0) \
	ROW(container_archive,     47, A,   api_archive,       1, api_archived,      0) \
	ROW(network_create,        55, A,   api_network_create, 0, api_created,      0) \
	ROW(network_remove,        56, A,   api_ref,           0, none,              0) \
	ROW(network_prune,         57, A,   api_filters,       0, api_pruned,        0) \
	ROW(network_connect,       58, A,   api_network_connect, 0, none,            0) \
	ROW(network_disconnect,    59, A,   api_network_connect, 0, none,            0)
EDGE_DECLARE(api_edge, API_MESSAGES)
