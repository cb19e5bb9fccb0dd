/*
 * Edges to the givers of a container's parts.
 *
 * Edge idmap: A = runtime, B = idmapper. The pidfd of a process that was just cloned into a new user namespace comes in;
 * the idmapper picks a free range, writes both maps and answers with two more user namespaces for id-mapped mounts:
 * [0] maps the image id range (IMAGE_ID_BASE..) to the container's range, [1] maps the host's ids 0.. to it.
 *
 * Edge mount: A = runtime, B = mounter. Descriptors in: those two namespaces. Out: one detached, id-mapped mount for
 * each wish, in order. kind: layer (name = its directory in the store), rw (name = container id: the directory that
 * holds its upper, work and files), volume (name, subpath), host (name = absolute path, within the floor).
 *
 * Edge hostmount: A = host-runtime, B = mounter, the same table for containers without a user namespace. One descriptor in: a
 * namespace that maps the image id range to the host's ids 0..65535; what is of the store is mapped by it, host paths are
 * given as they are.
 */
#pragma once
#include "edge.h"
#include "msg/limits.h"

#define ID_RANGE_SIZE   65536u
#define IMAGE_ID_BASE   268435456u   /* 0x10000000: on-disk owner of the files of images, volumes and containers */
#define RANGE_FIRST     536870912u   /* 0x20000000: first range of a container */
#define RANGE_COUNT     16384u

#define IDMAP_GIVEN_FIELDS(F, O, L) \
	F(num, base, NULL, UINT32_MAX)
REC_DECLARE(idmap_given, IDMAP_GIVEN_FIELDS)
#define IDMAP_MESSAGES(ROW) \
	ROW(idmap_give, 1, A, none, 1, idmap_given, 2)
EDGE_DECLARE(idmap_edge, IDMAP_MESSAGES)

#define MOUNT_WISH_FIELDS(F, O, L) \
	F(str,  kind,          NULL, 16) \
	F(str,  name,          NULL, PATH_MAX_) \
	F(str,  subpath,       NULL, PATH_MAX_) \
	F(flag, read_only,     NULL, 1) \
	F(flag, non_recursive, NULL, 1) \
	F(flag, create,        NULL, 1) \
	F(flag, read_only_top, NULL, 1) \
	/* host paths: what is mounted on the host later appears; shared, on edge hostmount only: and the other way round */ \
	F(flag, slave,         NULL, 1) \
	F(flag, shared,        NULL, 1)
REC_DECLARE(mount_wish, MOUNT_WISH_FIELDS)
#define MOUNT_WISHES_FIELDS(F, O, L) \
	L(mount_wish, wishes, NULL, EDGE_FDS_MAX)
REC_DECLARE(mount_wishes, MOUNT_WISHES_FIELDS)
/* A container with a user namespace has the host's node, mounted: what it may not do with it is taken away from its control group. */
#define MOUNT_DENIALS_MAX 256
#define MOUNT_DENIAL_FIELDS(F, O, L) \
	F(flag, block, NULL, 1) \
	F(num,  major, NULL, 4095) \
	F(num,  minor, NULL, 1048575) \
	F(flag, read,  NULL, 1) \
	F(flag, write, NULL, 1)
REC_DECLARE(mount_denial, MOUNT_DENIAL_FIELDS)
#define MOUNT_DENIALS_FIELDS(F, O, L) \
	L(mount_denial, devices, NULL, MOUNT_DENIALS_MAX)
REC_DECLARE(mount_denials, MOUNT_DENIALS_FIELDS)
#define MOUNT_MESSAGES(ROW) \
	ROW(mount_give, 1, A, mount_wishes,  2, none, EDGE_FDS_MAX) \
	/* descriptor: the group's devices.deny (cgroup v1), its directory (v2) */ \
	ROW(mount_deny, 2, A, mount_denials, 1, none, 0)
EDGE_DECLARE(mount_edge, MOUNT_MESSAGES)
