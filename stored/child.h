/* Children of stored: the unpacker, executed for one job, and forks of stored itself for what only takes long. */
#pragma once
#include "err.h"
#include "loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
/* What the child said before it ended; n 0: nothing. The child is gone and freed after the call. */
typedef void (*child_fn)(void *ctx, const unsigned char *said, size_t n);

struct child_conf {
	struct loop *loop;
	int unpacker;      /* its executable */
	int null;
};

/* Executes the unpacker (unpack.h). in, out: -1 for none; all descriptors are borrowed. */
struct child *child_unpack(const struct child_conf *conf, const char *job, uint64_t limit, int in, int out, int dir, child_fn done,
    void *ctx, struct err *e) must_check;
/* Forks; work's answer is what it writes to result. It may use the descriptors in fds (at most 4) and no other. */
struct child *child_fork(const struct child_conf *conf, void (*work)(const int *fds, int result), const int *fds, size_t nfds,
    child_fn done, void *ctx, struct err *e) must_check;
void child_kill(struct child *c);       /* without a call of done; NULL is fine */

/* Work: the SHA-256 of fds[0] from its start (32 bytes); syncs the file system of fds[0] (one byte). */
void work_sha256(const int *fds, int result);
void work_sync(const int *fds, int result);
