/*
 * Locks the flags of detached mounts. A mount is given to a process that is root of some user namespace, and whoever is that may
 * clear "read-only", "no devices" and so on again: unless the flag is locked, which the kernel does only when a mount
 * namespace is copied into another user namespace. So a small process lives in a user and a mount namespace of its own, in
 * which there is nothing but an empty tmpfs; for each request a child attaches the trees there, copies that namespace into one
 * more user namespace and hands out clones of the copies. It needs no capability of the host, has none, and sees no file
 * but what it is handed.
 */
#pragma once
#include "err.h"

#include <stddef.h>

/* Before the caller's sandbox, since nobody in a Landlock domain may mount. Returns the channel. The process ends with it. */
int locker_start(int *ret_fd, struct err *e) must_check;
void locker_end(int *locker);   /* and waits for its end */
/* Replaces each tree (n <= EDGE_FDS_MAX) by one with locked flags. On error they are as they were. */
int locker_lock(int locker, int *trees, size_t n, struct err *e) must_check;
