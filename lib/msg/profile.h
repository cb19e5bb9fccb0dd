/* What the configuration shares with containers: resource limits and seccomp profiles. */
#pragma once
#include "msg/limits.h"

#define ULIMIT_FIELDS(F, O, L) \
	F(str, name, "Name", 32) \
	F(num, hard, "Hard", REC_NUM_ANY) \
	F(num, soft, "Soft", REC_NUM_ANY)
REC_DECLARE(ulimit_rec, ULIMIT_FIELDS)

/* A runtime beside the engine's own. path "io.containerd.runc.v2": the engine's own by another name */
#define RUNTIME_ENTRY_FIELDS(F, O, L) \
	F(str,  name, "",             128) \
	F(str,  path, "path",         PATH_MAX_) \
	F(strs, args, "?runtimeArgs", 64)
REC_DECLARE(runtime_entry, RUNTIME_ENTRY_FIELDS)

/* A seccomp profile in the Docker engine's JSON format, parsed by the worker and compiled by the runtime. */
#define SECCOMP_ARG_FIELDS(F, O, L) \
	F(num, index,     "index",    5) \
	F(num, value,     "value",    REC_NUM_ANY) \
	F(num, value_two, "valueTwo", REC_NUM_ANY) \
	F(str, op,        "op",       32)
REC_DECLARE(seccomp_arg, SECCOMP_ARG_FIELDS)

#define SECCOMP_FILTER_FIELDS(F, O, L) \
	F(strs, caps,       "caps",      64) \
	F(strs, arches,     "arches",    64) \
	F(str,  min_kernel, "minKernel", 32)
REC_DECLARE(seccomp_filter, SECCOMP_FILTER_FIELDS)

#define SECCOMP_RULE_FIELDS(F, O, L) \
	F(str,  name,      "name",     64) \
	F(strs, names,     "names",    1024) \
	F(str,  action,    "action",   32) \
	F(opt,  errno_ret, "errnoRet", REC_NUM_ANY) \
	L(seccomp_arg, args, "args", 16) \
	O(seccomp_filter, includes, "includes") \
	O(seccomp_filter, excludes, "excludes")
REC_DECLARE(seccomp_rule, SECCOMP_RULE_FIELDS)

#define SECCOMP_ARCH_MAP_FIELDS(F, O, L) \
	F(str,  architecture,      "architecture",     64) \
	F(strs, sub_architectures, "subArchitectures", 64)
REC_DECLARE(seccomp_arch_map, SECCOMP_ARCH_MAP_FIELDS)

#define SECCOMP_PROFILE_FIELDS(F, O, L) \
	F(str,  default_action,    "defaultAction",   32) \
	F(opt,  default_errno_ret, "defaultErrnoRet", REC_NUM_ANY) \
	F(strs, architectures,     "architectures",   64) \
	L(seccomp_arch_map, arch_map, "archMap", 64) \
	F(strs, flags,             "flags",           16) \
	L(seccomp_rule, syscalls,  "syscalls",        1024)
REC_DECLARE(seccomp_profile, SECCOMP_PROFILE_FIELDS)
