/*
 * Owning descriptors. A descriptor is born close-on-exec, starts at -1, and sits in an own_fd variable until it is
 * handed over with fd_take.
 */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

void fd_close(int *fd);              /* closes if >= 0, sets -1, keeps errno */
int fd_take(int *fd);                /* returns *fd and leaves -1 behind */
#define own_fd __attribute__((cleanup(fd_close))) int

/* Opens a name beneath dir: no absolute path, no "..", no symlink, no magic link, no crossing out (openat2(2)).
   Returns the descriptor or -1 with errno. */
int fd_open_beneath(int dir, const char *path, int flags, mode_t mode) must_check;
/* Creates directory name (one component) in dir if missing and opens it; -1 with errno. */
int fd_make_dir(int dir, const char *name, mode_t mode) must_check;
/* Reads all of a small file into text (NUL-terminated); fails with EFBIG beyond size - 1. Returns length or -1. */
ssize_t fd_read_text(int dir, const char *path, char *text, size_t size) must_check;
/* Writes text to an existing file (as for cgroup and proc files) in one write; -1 with errno. */
int fd_write_text(int dir, const char *path, const char *text) must_check;
/* Writes all n bytes to a blocking descriptor, retrying short writes and EINTR. */
int fd_write_all(int fd, const void *data, size_t n) must_check;
/* Writes a new file beside path, syncs it and renames it over path; -1 with errno. */
int fd_replace_file(int dir, const char *name, const void *data, size_t n, mode_t mode) must_check;
/* Removes the tree name beneath dir without following links or crossing file systems. Missing is success. */
int fd_remove_tree(int dir, const char *name) must_check;
int fd_set_nonblock(int fd, bool on) must_check;
int fd_set_cloexec(int fd, bool on) must_check;
/* One message on a Unix socket: the n_iov parts and up to FD_PASS_MAX descriptors, which stay the caller's. flags as for
   sendmsg(2), MSG_NOSIGNAL is added. Returns what was sent or -1 with errno. (unix(7), SCM_RIGHTS) */
ssize_t fd_send(int sock, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds, int flags) must_check;
/* Receives one message of at most size bytes; fds has room for *n_fds, which becomes how many came; they are the caller's
   and close on exec. Those for which there is no room are closed: a sender cannot fill the receiver's table. Returns the
   bytes, 0 at the end, -1 with errno. */
ssize_t fd_receive(int sock, void *data, size_t size, int *fds, size_t *n_fds, int flags) must_check;
#define FD_PASS_MAX 253   /* SCM_MAX_FD of the kernel */
/* The pid behind a pidfd, or -1 (ESRCH when the process is gone). */
pid_t fd_pid_of_pidfd(int pidfd);
