/* The part of runtime-spec's config.json that is read as records; json names as there. */
#pragma once
#include "msg/profile.h"
#include "msg/types.h"
#include "rec.h"

#define OCI_CAPS_FIELDS(F, O, L) \
	F(strs, bounding,    "bounding",    64) \
	F(strs, effective,   "effective",   64) \
	F(strs, permitted,   "permitted",   64) \
	F(strs, inheritable, "inheritable", 64) \
	F(strs, ambient,     "ambient",     64)
REC_DECLARE(oci_caps, OCI_CAPS_FIELDS)
#define OCI_RLIMIT_FIELDS(F, O, L) \
	F(str, type, "type", 32) \
	F(num, hard, "hard", REC_NUM_ANY) \
	F(num, soft, "soft", REC_NUM_ANY)
REC_DECLARE(oci_rlimit, OCI_RLIMIT_FIELDS)
#define OCI_USER_FIELDS(F, O, L) \
	F(num, uid, "uid", UINT32_MAX) \
	F(num, gid, "gid", UINT32_MAX)
REC_DECLARE(oci_user, OCI_USER_FIELDS)
#define OCI_PROCESS_FIELDS(F, O, L) \
	F(flag, terminal, "terminal", 1) \
	O(oci_user, user, "user") \
	F(strs, args, "args", MANY) \
	F(strs, env,  "env",  MANY) \
	F(str,  cwd,  "cwd",  PATH_MAX_) \
	O(oci_caps, capabilities, "capabilities") \
	L(oci_rlimit, rlimits, "rlimits", 64) \
	F(flag, no_new_privileges, "noNewPrivileges", 1) \
	F(str,  apparmor, "apparmorProfile", 256) \
	F(str,  selinux,  "selinuxLabel", 1024) \
	F(num,  oom_score_adj, "oomScoreAdj", 1000) \
	/* numbers, which records do not have lists of */ \
	F(strs, groups, NULL, 1024)
REC_DECLARE(oci_process, OCI_PROCESS_FIELDS)
#define OCI_ROOT_FIELDS(F, O, L) \
	F(str,  path,     "path", PATH_MAX_) \
	F(flag, readonly, "readonly", 1)
REC_DECLARE(oci_root, OCI_ROOT_FIELDS)
#define OCI_MOUNT_FIELDS(F, O, L) \
	F(str,  destination, "destination", PATH_MAX_) \
	F(str,  type,        "type", 64) \
	F(str,  source,      "source", PATH_MAX_) \
	F(strs, options,     "options", 64)
REC_DECLARE(oci_mount, OCI_MOUNT_FIELDS)
#define OCI_SPACE_FIELDS(F, O, L) \
	F(str, type, "type", 32) \
	F(str, path, "path", PATH_MAX_)
REC_DECLARE(oci_space, OCI_SPACE_FIELDS)
#define OCI_IDMAP_FIELDS(F, O, L) \
	F(num, inside,  "containerID", UINT32_MAX) \
	F(num, outside, "hostID", UINT32_MAX) \
	F(num, size,    "size", UINT32_MAX)
REC_DECLARE(oci_idmap, OCI_IDMAP_FIELDS)
#define OCI_LINUX_FIELDS(F, O, L) \
	L(oci_space, namespaces, "namespaces", 16) \
	L(oci_idmap, uids, "uidMappings", 340) \
	L(oci_idmap, gids, "gidMappings", 340) \
	F(kvs,  sysctl, "sysctl", 1024) \
	F(strs, masked_paths, "maskedPaths", 256) \
	F(strs, readonly_paths, "readonlyPaths", 256) \
	F(str,  propagation, "rootfsPropagation", 32) \
	F(str,  mount_label, "mountLabel", 1024) \
	O(seccomp_profile, seccomp, "seccomp") \
	/* there are rules for devices */ \
	F(flag, device_rules, NULL, 1)
REC_DECLARE(oci_linux, OCI_LINUX_FIELDS)
#define OCI_CONFIG_FIELDS(F, O, L) \
	F(str, version,    "ociVersion", 64) \
	O(oci_process, process, "process") \
	O(oci_root, root, "root") \
	F(str, hostname,   "hostname", 64) \
	F(str, domainname, "domainname", 64) \
	L(oci_mount, mounts, "mounts", MANY) \
	O(oci_linux, linux_, "linux") \
	F(kvs, annotations, "annotations", MANY)
REC_DECLARE(oci_config, OCI_CONFIG_FIELDS)
