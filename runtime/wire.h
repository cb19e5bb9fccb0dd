/*
 * The channels between the runtime, a monitor and the process that the monitor made ("stage": the container's first
 * process, or an exec's process, until it executes the user's program).
 *
 *   runtime                      monitor                     stage
 *   W_PREPARE  ------------------> clones ------------------>  joins cgroups
 *              <------- W_CLONED
 *   (the idmapper maps it)
 *   W_MAPPED   --------------------------------------------->  becomes root of its namespace, makes /dev, /proc, /sys
 *   W_START    ------------------> opens the log
 *   W_FDS, W_SPEC ------------------------------------------>  builds the root
 *                                           <------- W_STDIO   descriptors' other ends (made inside, so that they
 *                                                              belong to the container's user)
 *                                              <------- W_GO   executes; W_FAILED if that fails; else the end of the
 *              <------- W_STARTED or W_FAILED                  channel tells that it did
 *
 * After that the monitor needs nobody: it listens on a socket where a restarted runtime finds it (W_HELLO), and what it
 * has to tell about the end is in a file.
 *
 * A packet is an 8-byte head (kind u8, flags u8, zero u16, length u32) and a record; a long record is in a sealed memfd,
 * the last descriptor.
 */
#pragma once
#include "msg/run.h"

#define WIRE_FDS    128
#define WIRE_INLINE 8192u
#define WIRE_MAX    ((size_t)8 << 20)

#define W_JOIN_FIELDS(F, O, L) \
	F(num, flags, NULL, UINT32_MAX)
REC_DECLARE(w_join, W_JOIN_FIELDS)

/* fds: [0] stage's end of its channel to the runtime, [1] the monitor's system call filter, a pidfd for each of joins, then
   what a process writes itself into to join its cgroups, or (into_cgroup) the cgroup v2 directory.
   host: no user namespace; the monitor becomes monitor_uid once it has its process. create: CLONE_NEW* flags. exec: enter a container instead of making one. cgroups: names of the hierarchies to show inside. */
#define W_PREPARE_FIELDS(F, O, L) \
	F(num,  create,      NULL, UINT32_MAX) \
	L(w_join, joins,     NULL, 8) \
	F(flag, into_cgroup, NULL, 1) \
	F(flag, exec,        NULL, 1) \
	F(flag, host_cgroupns, NULL, 1) \
	F(num,  oom_score_adj, NULL, 1000) \
	F(strs, cgroups,     NULL, 32) \
	F(flag, host,        NULL, 1) \
	F(num,  monitor_uid, NULL, UINT32_MAX) \
	F(num,  monitor_gid, NULL, UINT32_MAX) \
	F(str,  mount_label, NULL, 1024)
REC_DECLARE(w_prepare, W_PREPARE_FIELDS)

/* fds: [0] pidfd, [1] network namespace if one was made */
#define W_CLONED_FIELDS(F, O, L) \
	F(num, pid, NULL, INT32_MAX)
REC_DECLARE(w_cloned, W_CLONED_FIELDS)

/* What the monitor must know to look after a process; it also gives it back with W_HELLO, for a runtime that was
   restarted. fds of W_START: [0] the container's directory, [1] listening socket, [2] image mapping's user namespace (none for an
   exec), [3] the cgroup file that counts OOM kills, if there is one, [4] cgroup.procs of the container if its pid namespace does not
   end with its first process. fds of W_HELLO: [0] pidfd, [1] image mapping's namespace */
#define W_START_FIELDS(F, O, L) \
	F(str,  id,         NULL, ID_MAX) \
	F(str,  exec,       NULL, ID_MAX) \
	F(flag, tty,        NULL, 1) \
	F(flag, open_stdin, NULL, 1) \
	F(flag, stdin_once, NULL, 1) \
	F(num,  height,     NULL, 65535) \
	F(num,  width,      NULL, 65535) \
	F(str,  log_driver, NULL, 64) \
	F(num,  log_size,   NULL, REC_NUM_ANY) \
	F(num,  log_files,  NULL, 1000) \
	F(flag, has_oom,    NULL, 1) \
	F(flag, has_procs,  NULL, 1) \
	F(num,  id_base,    NULL, UINT32_MAX) \
	F(num,  spaces,     NULL, UINT32_MAX) \
	F(str,  cgroup,     NULL, 512) \
	F(num,  pid,        NULL, INT32_MAX) \
	F(time, started_at, NULL, 0) \
	F(num,  oom_before, NULL, REC_NUM_ANY) \
	F(flag, host,       NULL, 1) \
	F(flag, log_compress, NULL, 1) \
	F(str,  log_attrs,  NULL, 65536) \
	/* pid is not the container's, but of whom another runtime's container is a child */ \
	F(flag, foreign,    NULL, 1)
REC_DECLARE(w_start, W_START_FIELDS)

#define W_STARTED_FIELDS(F, O, L) \
	F(num,  pid,        NULL, INT32_MAX) \
	F(time, started_at, NULL, 0)
REC_DECLARE(w_started, W_STARTED_FIELDS)
#define W_ERROR_FIELDS(F, O, L) \
	F(num, code, NULL, ERR_CODE_COUNT) \
	F(num, sys,  NULL, 4096) \
	F(str, text, NULL, 512)
REC_DECLARE(w_error, W_ERROR_FIELDS)
#define W_SIZE_FIELDS(F, O, L) \
	F(num, h, NULL, 65535) \
	F(num, w, NULL, 65535)
REC_DECLARE(w_size, W_SIZE_FIELDS)
#define W_LOGS_FIELDS(F, O, L) \
	F(num,  call,   NULL, UINT32_MAX) \
	F(flag, follow, NULL, 1)
REC_DECLARE(w_logs, W_LOGS_FIELDS)

/* For stage. Descriptors that came with W_FDS, in this order: seccomp program (if seccomp), init (if spec->init), the layers,
   the rw directory, one for each mount that is not a tmpfs (of an image: its layers), one for each device.
   For an exec only process (and seccomp) is set. own: CLONE_NEW* flags of the namespaces that are the container's own. */
#define W_SPEC_FIELDS(F, O, L) \
	O(run_spec, spec, NULL) \
	O(run_process, process, NULL) \
	F(flag, seccomp, NULL, 1) \
	F(num,  own, NULL, UINT32_MAX) \
	F(num,  nfds, NULL, 4096) \
	F(flag, no_shm, NULL, 1) \
	F(num,  seccomp_flags, NULL, UINT32_MAX) \
	/* build the root and stay in it: only files are copied. W_HELD (or W_FAILED) then goes to the runtime */ \
	F(flag, hold, NULL, 1)
REC_DECLARE(w_spec, W_SPEC_FIELDS)
/* fds: terminal master; or output, error output and (open_stdin) input */
#define W_STDIO_FIELDS(F, O, L) \
	F(flag, tty,   NULL, 1) \
	F(flag, input, NULL, 1)
REC_DECLARE(w_stdio, W_STDIO_FIELDS)

/* name, number, record, greatest number of descriptors */
#define WIRE_MESSAGES(ROW) \
	ROW(W_PREPARE,   1, w_prepare, 64) \
	ROW(W_CLONED,    2, w_cloned,   2) \
	ROW(W_MAPPED,    3, none,       0) \
	ROW(W_START,     4, w_start,    5) \
	ROW(W_FDS,       5, none,     120) \
	ROW(W_SPEC,      6, w_spec,     0) \
	ROW(W_STDIO,     7, w_stdio,    3) \
	ROW(W_GO,        8, none,       0) \
	ROW(W_STARTED,   9, w_started,  0) \
	ROW(W_FAILED,   10, w_error,    0) \
	ROW(W_HELLO,    11, w_start,    2) \
	ROW(W_ATTACH,   12, run_stream, 1) \
	ROW(W_RESIZE,   13, w_size,     0) \
	/* fds: the follower's socket, if follow; answered with W_LOG_FILES and the files, oldest first */ \
	ROW(W_LOGS,     14, w_logs,     1) \
	ROW(W_LOG_FILES, 15, w_logs,   32) \
	ROW(W_DETACHED, 16, none,       0) \
	/* a sandbox for copies is complete; fds: its user and mount namespaces */ \
	ROW(W_HELD,     17, none,       2) \
	/* netjoin.c: what a child brings back */ \
	ROW(W_JOINED,   24, none,       2)

#define WIRE_NO_(name, no, rec, fds) name = (no),
enum wire_kind { WIRE_MESSAGES(WIRE_NO_) WIRE_END };

struct wire {
	enum wire_kind kind;
	void *msg;
	struct arena arena;
	int fds[WIRE_FDS];
	size_t nfds;
};
void wire_done(struct wire *w);
#define own_wire __attribute__((cleanup(wire_done))) struct wire
#define WIRE_INIT { .nfds = 0 }

/* fds are borrowed. msg NULL: an empty record. Fails with EAGAIN only if the other end does not read. */
int wire_send(int sock, enum wire_kind kind, const void *msg, const int *fds, size_t nfds, struct err *e) must_check;
int wire_send_error(int sock, const struct err *why);
/* 1: a message; 0: the end of the channel, or (dontwait) nothing there (then w->kind is 0 and *w->msg NULL, see ret_again). */
int wire_recv(int sock, bool dontwait, struct wire *w, bool *ret_again, struct err *e) must_check;
