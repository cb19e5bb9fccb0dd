/*
 * Records that several edges share: what the API shows of containers, images, volumes and networks. The third column is
 * the name in Engine API v1.50 (see rec.h for its prefixes).
 */
#pragma once
#include "msg/profile.h"

/* ---- Config ---- */
#define HEALTH_CONFIG_FIELDS(F, O, L) \
	F(strs, test,           "?Test",          MANY) \
	F(num,  interval,       "?Interval",      REC_NUM_ANY) \
	F(num,  timeout,        "?Timeout",       REC_NUM_ANY) \
	F(num,  start_period,   "?StartPeriod",   REC_NUM_ANY) \
	F(num,  start_interval, "?StartInterval", REC_NUM_ANY) \
	F(num,  retries,        "?Retries",       REC_NUM_ANY)
REC_DECLARE(health_config, HEALTH_CONFIG_FIELDS)

#define CONTAINER_CONFIG_FIELDS(F, O, L) \
	F(str,  hostname,      "Hostname",      255) \
	F(str,  domainname,    "Domainname",    255) \
	F(str,  user,          "User",          1024) \
	F(flag, attach_stdin,  "AttachStdin",   1) \
	F(flag, attach_stdout, "AttachStdout",  1) \
	F(flag, attach_stderr, "AttachStderr",  1) \
	F(set,  exposed_ports, "?ExposedPorts", MANY) \
	F(flag, tty,           "Tty",           1) \
	F(flag, open_stdin,    "OpenStdin",     1) \
	F(flag, stdin_once,    "StdinOnce",     1) \
	F(strs, env,           "Env",           MANY) \
	F(strs, cmd,           "Cmd",           MANY) \
	O(health_config, healthcheck, "?Healthcheck") \
	F(flag, args_escaped,  "?ArgsEscaped",  1) \
	F(str,  image,         "Image",         1024) \
	F(set,  volumes,       "Volumes",       MANY) \
	F(str,  working_dir,   "WorkingDir",    PATH_MAX_) \
	F(strs, entrypoint,    "Entrypoint",    MANY) \
	F(flag, network_disabled, "?NetworkDisabled", 1) \
	F(str,  mac_address,   "?MacAddress",   64) \
	F(strs, on_build,      "OnBuild",       MANY) \
	F(kvs,  labels,        "[Labels",       MANY) \
	F(str,  stop_signal,   "?StopSignal",   64) \
	F(opt,  stop_timeout,  "?StopTimeout",  REC_NUM_ANY) \
	F(strs, shell,         "?Shell",        MANY)
REC_DECLARE(container_config, CONTAINER_CONFIG_FIELDS)

/* ---- HostConfig ---- */
#define LOG_CONFIG_FIELDS(F, O, L) \
	F(str, type,   "Type",    64) \
	F(kvs, config, "[Config", 64)
REC_DECLARE(log_config, LOG_CONFIG_FIELDS)

#define PORT_BINDING_FIELDS(F, O, L) \
	F(str, host_ip,   "HostIp",   64) \
	F(str, host_port, "HostPort", 16)
REC_DECLARE(port_binding, PORT_BINDING_FIELDS)

/* key "80/tcp" */
#define PORT_MAP_FIELDS(F, O, L) \
	F(str, port, "", 32) \
	L(port_binding, bindings, "", 256)
REC_DECLARE(port_map, PORT_MAP_FIELDS)

#define RESTART_POLICY_FIELDS(F, O, L) \
	F(str, name,          "Name",              32) \
	F(num, maximum_retry, "MaximumRetryCount", INT32_MAX)
REC_DECLARE(restart_policy, RESTART_POLICY_FIELDS)

#define DEVICE_MAPPING_FIELDS(F, O, L) \
	F(str, path_on_host,       "PathOnHost",        PATH_MAX_) \
	F(str, path_in_container,  "PathInContainer",   PATH_MAX_) \
	F(str, cgroup_permissions, "CgroupPermissions", 8)
REC_DECLARE(device_mapping, DEVICE_MAPPING_FIELDS)

#define DEVICE_REQUEST_FIELDS(F, O, L) \
	F(str,  driver,     "Driver",    64) \
	F(num,  count,      "Count",     INT32_MAX) \
	F(strs, device_ids, "DeviceIDs", MANY) \
	F(kvs,  options,    "Options",   MANY)
REC_DECLARE(device_request, DEVICE_REQUEST_FIELDS)

#define WEIGHT_DEVICE_FIELDS(F, O, L) \
	F(str, path,   "Path",   PATH_MAX_) \
	F(num, weight, "Weight", 65535)
REC_DECLARE(weight_device, WEIGHT_DEVICE_FIELDS)

#define THROTTLE_DEVICE_FIELDS(F, O, L) \
	F(str, path, "Path", PATH_MAX_) \
	F(num, rate, "Rate", REC_NUM_ANY)
REC_DECLARE(throttle_device, THROTTLE_DEVICE_FIELDS)

#define BIND_OPTIONS_FIELDS(F, O, L) \
	F(str,  propagation,               "?Propagation",            32) \
	F(flag, non_recursive,             "?NonRecursive",           1) \
	F(flag, create_mountpoint,         "?CreateMountpoint",       1) \
	F(flag, read_only_non_recursive,   "?ReadOnlyNonRecursive",   1) \
	F(flag, read_only_force_recursive, "?ReadOnlyForceRecursive", 1)
REC_DECLARE(bind_options, BIND_OPTIONS_FIELDS)

#define DRIVER_CONFIG_FIELDS(F, O, L) \
	F(str, name,    "?Name",    NAME_MAX_) \
	F(kvs, options, "?Options", MANY)
REC_DECLARE(driver_config, DRIVER_CONFIG_FIELDS)

#define VOLUME_OPTIONS_FIELDS(F, O, L) \
	F(flag, no_copy, "?NoCopy",  1) \
	F(kvs,  labels,  "?Labels",  MANY) \
	O(driver_config, driver_config, "?DriverConfig") \
	F(str,  subpath, "?Subpath", PATH_MAX_)
REC_DECLARE(volume_options, VOLUME_OPTIONS_FIELDS)

#define TMPFS_OPTIONS_FIELDS(F, O, L) \
	F(num, size_bytes, "?SizeBytes", REC_NUM_ANY) \
	F(num, mode,       "?Mode",      07777) \
	/* "noexec", "size=1g": in the API pairs of words, which the worker joins */ \
	F(strs, options,   NULL,         64)
REC_DECLARE(tmpfs_options, TMPFS_OPTIONS_FIELDS)

#define IMAGE_OPTIONS_FIELDS(F, O, L) \
	F(str, subpath, "?Subpath", PATH_MAX_)
REC_DECLARE(image_options, IMAGE_OPTIONS_FIELDS)

#define MOUNT_SPEC_FIELDS(F, O, L) \
	F(str,  type,      "?Type",     32) \
	F(str,  source,    "?Source",   PATH_MAX_) \
	F(str,  target,    "?Target",   PATH_MAX_) \
	F(flag, read_only, "?ReadOnly", 1) \
	F(str,  consistency, "?Consistency", 32) \
	O(bind_options,   bind_options,   "?BindOptions") \
	O(volume_options, volume_options, "?VolumeOptions") \
	O(tmpfs_options,  tmpfs_options,  "?TmpfsOptions") \
	O(image_options,  image_options,  "?ImageOptions")
REC_DECLARE(mount_spec, MOUNT_SPEC_FIELDS)

#define HOST_CONFIG_FIELDS(F, O, L) \
	F(strs, binds,             "Binds",            MANY) \
	F(str,  container_id_file, "ContainerIDFile",  PATH_MAX_) \
	O(log_config, log_config,  "LogConfig") \
	F(str,  network_mode,      "NetworkMode",      512) \
	L(port_map, port_bindings, "{PortBindings",    MANY) \
	O(restart_policy, restart_policy, "RestartPolicy") \
	F(flag, auto_remove,       "AutoRemove",       1) \
	F(str,  volume_driver,     "VolumeDriver",     NAME_MAX_) \
	F(strs, volumes_from,      "VolumesFrom",      MANY) \
	F(pair, console_size,      "ConsoleSize",      65535) \
	F(kvs,  annotations,       "?Annotations",     MANY) \
	F(strs, cap_add,           "CapAdd",           64) \
	F(strs, cap_drop,          "CapDrop",          64) \
	F(str,  cgroupns_mode,     "CgroupnsMode",     32) \
	F(strs, dns,               "[Dns",             64) \
	F(strs, dns_options,       "[DnsOptions",      64) \
	F(strs, dns_search,        "[DnsSearch",       64) \
	F(strs, extra_hosts,       "ExtraHosts",       MANY) \
	F(strs, group_add,         "GroupAdd",         MANY) \
	F(str,  ipc_mode,          "IpcMode",          512) \
	F(str,  cgroup,            "Cgroup",           512) \
	F(strs, links,             "Links",            MANY) \
	F(num,  oom_score_adj,     "OomScoreAdj",      REC_NUM_ANY) \
	F(str,  pid_mode,          "PidMode",          512) \
	F(flag, privileged,        "Privileged",       1) \
	F(flag, publish_all_ports, "PublishAllPorts",  1) \
	F(flag, readonly_rootfs,   "ReadonlyRootfs",   1) \
	F(strs, security_opt,      "SecurityOpt",      64) \
	F(kvs,  storage_opt,       "?StorageOpt",      64) \
	F(kvs,  tmpfs,             "?Tmpfs",           MANY) \
	F(str,  uts_mode,          "UTSMode",          512) \
	F(str,  userns_mode,       "UsernsMode",       512) \
	F(num,  shm_size,          "ShmSize",          REC_NUM_ANY) \
	F(kvs,  sysctls,           "?Sysctls",         MANY) \
	F(str,  runtime,           "Runtime",          NAME_MAX_) \
	F(str,  isolation,         "Isolation",        32) \
	F(num,  cpu_shares,        "CpuShares",        REC_NUM_ANY) \
	F(num,  memory,            "Memory",           REC_NUM_ANY) \
	F(num,  nano_cpus,         "NanoCpus",         REC_NUM_ANY) \
	F(str,  cgroup_parent,     "CgroupParent",     PATH_MAX_) \
	F(num,  blkio_weight,      "BlkioWeight",      65535) \
	L(weight_device,   blkio_weight_device, "[BlkioWeightDevice",    256) \
	L(throttle_device, blkio_read_bps,      "[BlkioDeviceReadBps",   256) \
	L(throttle_device, blkio_write_bps,     "[BlkioDeviceWriteBps",  256) \
	L(throttle_device, blkio_read_iops,     "[BlkioDeviceReadIOps",  256) \
	L(throttle_device, blkio_write_iops,    "[BlkioDeviceWriteIOps", 256) \
	F(num,  cpu_period,        "CpuPeriod",        REC_NUM_ANY) \
	F(num,  cpu_quota,         "CpuQuota",         REC_NUM_ANY) \
	F(num,  cpu_rt_period,     "CpuRealtimePeriod",  REC_NUM_ANY) \
	F(num,  cpu_rt_runtime,    "CpuRealtimeRuntime", REC_NUM_ANY) \
	F(str,  cpuset_cpus,       "CpusetCpus",       1024) \
	F(str,  cpuset_mems,       "CpusetMems",       1024) \
	L(device_mapping, devices, "[Devices",         256) \
	F(strs, device_cgroup_rules, "DeviceCgroupRules", 256) \
	L(device_request, device_requests, "DeviceRequests", 64) \
	F(num,  kernel_memory_tcp, "?KernelMemoryTCP", REC_NUM_ANY) \
	F(num,  memory_reservation, "MemoryReservation", REC_NUM_ANY) \
	F(num,  memory_swap,       "MemorySwap",       REC_NUM_ANY) \
	F(opt,  memory_swappiness, "MemorySwappiness", REC_NUM_ANY) \
	F(tri,  oom_kill_disable,  "OomKillDisable",   1) \
	F(opt,  pids_limit,        "PidsLimit",        REC_NUM_ANY) \
	L(ulimit_rec, ulimits,     "[Ulimits",         64) \
	F(num,  cpu_count,         "CpuCount",         REC_NUM_ANY) \
	F(num,  cpu_percent,       "CpuPercent",       REC_NUM_ANY) \
	F(num,  io_maximum_iops,   "IOMaximumIOps",    REC_NUM_ANY) \
	F(num,  io_maximum_bandwidth, "IOMaximumBandwidth", REC_NUM_ANY) \
	L(mount_spec, mounts,      "?Mounts",          MANY) \
	F(strs, masked_paths,      "MaskedPaths",      256) \
	F(strs, readonly_paths,    "ReadonlyPaths",    256) \
	F(tri,  init,              "?Init",            1) \
	O(seccomp_profile, seccomp, NULL)
REC_DECLARE(host_config, HOST_CONFIG_FIELDS)

/* ---- networks of a container ---- */
#define ENDPOINT_IPAM_FIELDS(F, O, L) \
	F(str,  ipv4_address,   "?IPv4Address",  64) \
	F(str,  ipv6_address,   "?IPv6Address",  64) \
	F(strs, link_local_ips, "?LinkLocalIPs", 64)
REC_DECLARE(endpoint_ipam, ENDPOINT_IPAM_FIELDS)

/* key: the network's name */
#define ENDPOINT_FIELDS(F, O, L) \
	F(str,  network,      "",             NAME_MAX_) \
	O(endpoint_ipam, ipam_config, "IPAMConfig") \
	F(strs, links,        "Links",        256) \
	F(strs, aliases,      "Aliases",      256) \
	F(str,  mac_address,  "MacAddress",   64) \
	F(kvs,  driver_opts,  "DriverOpts",   256) \
	F(num,  gw_priority,  "GwPriority",   INT32_MAX) \
	F(str,  network_id,   "NetworkID",    ID_MAX) \
	F(str,  endpoint_id,  "EndpointID",   ID_MAX) \
	F(str,  gateway,      "Gateway",      64) \
	F(str,  ip_address,   "IPAddress",    64) \
	F(num,  ip_prefix_len, "IPPrefixLen", 128) \
	F(str,  ipv6_gateway, "IPv6Gateway",  64) \
	F(str,  global_ipv6_address, "GlobalIPv6Address", 64) \
	F(num,  global_ipv6_prefix_len, "GlobalIPv6PrefixLen", 128) \
	F(strs, dns_names,    "DNSNames",     256) \
	/* the host's interface while it is attached */ \
	F(str,  link,         NULL,           15) \
	/* its name inside */ \
	F(str,  ifname,       NULL,           15) \
	F(str,  wanted_mac,   NULL,           64)
REC_DECLARE(endpoint, ENDPOINT_FIELDS)

#define NETWORK_SETTINGS_FIELDS(F, O, L) \
	F(str,  bridge,       "Bridge",       64) \
	F(str,  sandbox_id,   "SandboxID",    ID_MAX) \
	F(str,  sandbox_key,  "SandboxKey",   PATH_MAX_) \
	L(port_map, ports,    "{Ports",       MANY) \
	F(flag, hairpin_mode, "HairpinMode",  1) \
	F(str,  link_local_ipv6_address, "LinkLocalIPv6Address", 64) \
	F(num,  link_local_ipv6_prefix_len, "LinkLocalIPv6PrefixLen", 128) \
	F(strs, secondary_ip_addresses, "SecondaryIPAddresses", 64) \
	F(strs, secondary_ipv6_addresses, "SecondaryIPv6Addresses", 64) \
	F(str,  endpoint_id,  "EndpointID",   ID_MAX) \
	F(str,  gateway,      "Gateway",      64) \
	F(str,  global_ipv6_address, "GlobalIPv6Address", 64) \
	F(num,  global_ipv6_prefix_len, "GlobalIPv6PrefixLen", 128) \
	F(str,  ip_address,   "IPAddress",    64) \
	F(num,  ip_prefix_len, "IPPrefixLen", 128) \
	F(str,  ipv6_gateway, "IPv6Gateway",  64) \
	F(str,  mac_address,  "MacAddress",   64) \
	L(endpoint, networks, "{Networks",    256)
REC_DECLARE(network_settings, NETWORK_SETTINGS_FIELDS)

/* ---- a container ---- */
#define HEALTH_RESULT_FIELDS(F, O, L) \
	F(time, start,     "Start",    0) \
	F(time, end,       "End",      0) \
	F(num,  exit_code, "ExitCode", INT32_MAX) \
	F(str,  output,    "Output",   8192)
REC_DECLARE(health_result, HEALTH_RESULT_FIELDS)
#define HEALTH_FIELDS(F, O, L) \
	F(str, status,         "Status",        16) \
	F(num, failing_streak, "FailingStreak", REC_NUM_ANY) \
	L(health_result, log,  "[Log",          16)
REC_DECLARE(health, HEALTH_FIELDS)

#define CONTAINER_STATE_FIELDS(F, O, L) \
	F(str,  status,      "Status",     16) \
	F(flag, running,     "Running",    1) \
	F(flag, paused,      "Paused",     1) \
	F(flag, restarting,  "Restarting", 1) \
	F(flag, oom_killed,  "OOMKilled",  1) \
	F(flag, dead,        "Dead",       1) \
	F(num,  pid,         "Pid",        INT32_MAX) \
	F(num,  exit_code,   "ExitCode",   INT32_MAX) \
	F(str,  error,       "Error",      4096) \
	F(time, started_at,  "StartedAt",  0) \
	F(time, finished_at, "FinishedAt", 0) \
	O(health, health,    "?Health")
REC_DECLARE(container_state, CONTAINER_STATE_FIELDS)

/* A mount as inspect shows it. */
#define MOUNT_POINT_FIELDS(F, O, L) \
	F(str,  type,        "?Type",       32) \
	F(str,  name,        "?Name",       NAME_MAX_) \
	F(str,  source,      "Source",      PATH_MAX_) \
	F(str,  destination, "Destination", PATH_MAX_) \
	F(str,  driver,      "?Driver",     NAME_MAX_) \
	F(str,  mode,        "Mode",        256) \
	F(flag, rw,          "RW",          1) \
	F(str,  propagation, "Propagation", 32) \
	F(flag, no_copy,     NULL,          1) \
	F(flag, anonymous,   NULL,          1) \
	F(flag, create,      NULL,          1) \
	F(flag, non_recursive, NULL,        1) \
	F(str,  options,     NULL,          1024) \
	F(str,  subpath,     NULL,          PATH_MAX_) \
	F(flag, copied,      NULL,          1) \
	F(flag, read_only_top, NULL,        1) \
	F(strs, layers,      NULL,          256)
REC_DECLARE(mount_point, MOUNT_POINT_FIELDS)

#define GRAPH_DRIVER_FIELDS(F, O, L) \
	F(kvs, data, "[Data", 16) \
	F(str, name, "Name",  32)
REC_DECLARE(graph_driver, GRAPH_DRIVER_FIELDS)

/* The whole record of a container: stored by the broker, shown by GET /containers/{id}/json. */
#define CONTAINER_FIELDS(F, O, L) \
	F(str,  id,              "Id",              ID_MAX) \
	F(time, created,         "Created",         0) \
	F(str,  path,            "Path",            REC_STR_MAX) \
	F(strs, args,            "[Args",           MANY) \
	O(container_state, state, "State") \
	F(str,  image,           "Image",           80) \
	F(str,  resolv_conf_path, "ResolvConfPath", PATH_MAX_) \
	F(str,  hostname_path,   "HostnamePath",    PATH_MAX_) \
	F(str,  hosts_path,      "HostsPath",       PATH_MAX_) \
	F(str,  log_path,        "LogPath",         PATH_MAX_) \
	F(str,  name,            "Name",            NAME_MAX_) \
	F(num,  restart_count,   "RestartCount",    REC_NUM_ANY) \
	F(str,  driver,          "Driver",          32) \
	F(str,  platform,        "Platform",        32) \
	F(str,  mount_label,     "MountLabel",      1024) \
	F(str,  process_label,   "ProcessLabel",    1024) \
	F(str,  apparmor_profile, "AppArmorProfile", 1024) \
	F(strs, exec_ids,        "ExecIDs",         MANY) \
	O(host_config, host_config, "HostConfig") \
	O(graph_driver, graph_driver, "GraphDriver") \
	L(mount_point, mounts,   "[Mounts",         MANY) \
	O(container_config, config, "Config") \
	O(network_settings, network_settings, "NetworkSettings") \
	F(strs, layers,          NULL,              256) \
	F(num,  id_base,         NULL,              UINT32_MAX) \
	F(flag, stopped_by_user, NULL,              1) \
	F(num,  failures,        NULL,              REC_NUM_ANY) \
	F(str,  image_name,      NULL,              1024)
REC_DECLARE(container, CONTAINER_FIELDS)

#define FILTER_FIELDS(F, O, L) \
	F(str,  key,    NULL, 64) \
	F(strs, values, NULL, 1024)
REC_DECLARE(filter, FILTER_FIELDS)

/* ---- images ---- */
#define HISTORY_FIELDS(F, O, L) \
	F(time, created,     "created",      0) \
	F(str,  created_by,  "created_by",   REC_STR_MAX) \
	F(str,  author,      "author",       4096) \
	F(str,  comment,     "comment",      4096) \
	F(flag, empty_layer, "empty_layer",  1)
REC_DECLARE(history, HISTORY_FIELDS)

#define IMAGE_LAYER_FIELDS(F, O, L) \
	F(str, diff_id, NULL, 80) \
	F(str, dir,     NULL, 80) \
	F(num, size,    NULL, REC_NUM_ANY)
REC_DECLARE(image_layer, IMAGE_LAYER_FIELDS)

/* dir of a layer: its chain id's 64 hex digits. layers[0] is the lowest. */
#define IMAGE_FIELDS(F, O, L) \
	F(str,  id,            "Id",            80) \
	F(strs, repo_tags,     "[RepoTags",     1024) \
	F(strs, repo_digests,  "[RepoDigests",  1024) \
	F(str,  parent,        "Parent",        80) \
	F(str,  comment,       "Comment",       4096) \
	F(time, created,       "Created",       0) \
	F(str,  docker_version, "DockerVersion", 64) \
	F(str,  author,        "Author",        4096) \
	O(container_config, config, "Config") \
	F(str,  architecture,  "Architecture",  64) \
	F(str,  variant,       "?Variant",      64) \
	F(str,  os,            "Os",            64) \
	F(num,  size,          "Size",          REC_NUM_ANY) \
	L(image_layer, layers, NULL,            256) \
	L(history, history,    NULL,            1024) \
	F(time, last_tag_time, NULL,            0) \
	F(num,  containers,    NULL,            REC_NUM_ANY) \
	F(num,  shared_size,   NULL,            REC_NUM_ANY)
REC_DECLARE(image, IMAGE_FIELDS)

/* ---- volumes ---- */
#define VOLUME_FIELDS(F, O, L) \
	F(time, created_at, "CreatedAt",  0) \
	F(str,  driver,     "Driver",     NAME_MAX_) \
	F(kvs,  labels,     "Labels",     MANY) \
	F(str,  mountpoint, "Mountpoint", PATH_MAX_) \
	F(str,  name,       "Name",       NAME_MAX_) \
	F(kvs,  options,    "Options",    MANY) \
	F(str,  scope,      "Scope",      32) \
	F(flag, anonymous,  NULL,         1)
REC_DECLARE(volume, VOLUME_FIELDS)

/* ---- networks ---- */
#define IPAM_POOL_FIELDS(F, O, L) \
	F(str, subnet,   "?Subnet",  64) \
	F(str, ip_range, "?IPRange", 64) \
	F(str, gateway,  "?Gateway", 64) \
	F(kvs, auxiliary, "?AuxiliaryAddresses", 64)
REC_DECLARE(ipam_pool, IPAM_POOL_FIELDS)
#define IPAM_FIELDS(F, O, L) \
	F(str, driver,  "Driver",  64) \
	F(kvs, options, "Options", 64) \
	L(ipam_pool, config, "[Config", 64)
REC_DECLARE(ipam, IPAM_FIELDS)
#define NETWORK_MEMBER_FIELDS(F, O, L) \
	F(str, id,           "",            ID_MAX) \
	F(str, name,         "Name",        NAME_MAX_) \
	F(str, endpoint_id,  "EndpointID",  ID_MAX) \
	F(str, mac_address,  "MacAddress",  64) \
	F(str, ipv4_address, "IPv4Address", 64) \
	F(str, ipv6_address, "IPv6Address", 64)
REC_DECLARE(network_member, NETWORK_MEMBER_FIELDS)
#define NETWORK_FIELDS(F, O, L) \
	F(str,  name,        "Name",       NAME_MAX_) \
	F(str,  id,          "Id",         ID_MAX) \
	F(time, created,     "Created",    0) \
	F(str,  scope,       "Scope",      32) \
	F(str,  driver,      "Driver",     64) \
	F(flag, enable_ipv4, "EnableIPv4", 1) \
	F(flag, enable_ipv6, "EnableIPv6", 1) \
	O(ipam, ipam,        "IPAM") \
	F(flag, internal,    "Internal",   1) \
	F(flag, attachable,  "Attachable", 1) \
	F(flag, ingress,     "Ingress",    1) \
	F(flag, config_only, "ConfigOnly", 1) \
	L(network_member, containers, "{[Containers", MANY) \
	F(kvs,  options,     "[Options",   256) \
	F(kvs,  labels,      "[Labels",    256) \
	/* its interface on the host; of the default network the configuration says it */ \
	F(str,  bridge,      NULL,         15)
REC_DECLARE(network, NETWORK_FIELDS)

/* ---- events ---- */
#define EVENT_FIELDS(F, O, L) \
	F(str,  type,       NULL, 32) \
	F(str,  action,     NULL, 4096) \
	F(str,  id,         NULL, 1024) \
	F(kvs,  attributes, NULL, 1024) \
	F(time, time,       NULL, 0)
REC_DECLARE(event, EVENT_FIELDS)
