#include "child.h"

#include "buf.h"
#include "fd.h"
#include "log.h"
#include "role.h"
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	pid_t pid;
	struct loop_io io;
	struct buf said;
	child_fn done;
	void *ctx;
};

/* Its end: whoever it is by now, it is not trusted to go by itself. */
static void
reap(struct child *c)
{
	int status = 0;

	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_msg(LOG_ATTACK, "an unpacker used a system call that it may not use");
	loop_remove(&c->io);
	fd_close(&c->io.fd);
}

static void
on_said(struct loop_io *io, uint32_t events)
{
	struct child *c = (struct child *)(void *)((char *)io - offsetof(struct child, io));
	ssize_t n = 0;

	if (buf_room(&c->said, 65536)) {
		n = read(io->fd, c->said.data + c->said.used, 65536);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
	} else {
		c->said.used = 0;   /* it says more than it may */
	}
	if (n > 0) {
		c->said.used += (size_t)n;
		return;
	}
	reap(c);
	c->done(c->ctx, c->said.data, c->said.used);
	buf_done(&c->said);
	free(c);
}

void
child_kill(struct child *c)
{
	if (c == NULL)
		return;
	reap(c);
	buf_done(&c->said);
	free(c);
}

/* In the child: fds become descriptors at[0], at[1], ...; all others are closed (or will be at exec: keep). */
static void
arrange(const int *fds, const int *at, size_t n, int keep)
{
	int high[8], top = 0;

	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 16);
		if (high[i] < 0)
			_exit(120);
		if (at[i] > top)
			top = at[i];
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(high[i], at[i]) < 0)
			_exit(121);
	if (syscall(SYS_close_range, (unsigned)top + 1, ~0u, keep >= 0 ? CLOSE_RANGE_CLOEXEC : 0) < 0)
		_exit(122);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static struct child *
new_child(const struct child_conf *conf, child_fn done, void *ctx, int *ret_write, struct err *e)
{
	struct child *c = calloc(1, sizeof *c);
	int pair[2];

	if (c == NULL) {
		err_set(e, ERR_NO_MEMORY, "child");
		return NULL;
	}
	if (pipe2(pair, O_CLOEXEC) < 0) {
		err_sys(e, errno, "pipe");
		free(c);
		return NULL;
	}
	c->io.fd = pair[0];
	c->io.on_ready = on_said;
	c->said.max = UNPACK_RESULT_MAX + 65536;
	c->done = done;
	c->ctx = ctx;
	*ret_write = pair[1];
	if (fd_set_nonblock(pair[0], true) < 0 || loop_add(conf->loop, &c->io, EPOLLIN, e) < 0) {
		if (e->code == ERR_NONE)
			err_sys(e, errno, "pipe");
		fd_close(&pair[0]);
		fd_close(&pair[1]);
		free(c);
		return NULL;
	}
	return c;
}

static struct child *
started(struct child *c, pid_t pid, int *result, struct err *e)
{
	int sys = errno;

	fd_close(result);
	if (pid > 0) {
		c->pid = pid;
		return c;
	}
	err_sys(e, sys, "start a child");
	loop_remove(&c->io);
	fd_close(&c->io.fd);
	free(c);
	return NULL;
}

static _Noreturn void
exec_unpacker(int bin, const char *job, uint64_t limit)
{
	char number[24];
	char *argv[] = { (char *)(uintptr_t)"bulwark-unpacker", (char *)(uintptr_t)job, number, NULL };
#ifdef BULWARK_SANITIZED
	char *envp[] = { (char *)(uintptr_t)"ASAN_OPTIONS=detect_leaks=0", NULL };
#else
	char *envp[] = { NULL };
#endif
	struct err e = ERR_INIT;

	snprintf(number, sizeof number, "%llu", (unsigned long long)limit);
	if (role_drop(ROLE_UNPACKER, 0, 0, &e) < 0)
		_exit(123);
	fexecve(bin, argv, envp);
	_exit(124);
}

struct child *
child_unpack(const struct child_conf *conf, const char *job, uint64_t limit, int in, int out, int dir, child_fn done, void *ctx,
    struct err *e)
{
	static const int at[] = { UNPACK_IN, UNPACK_OUT, UNPACK_RESULT, UNPACK_DIR };
	int result = -1;
	struct child *c = new_child(conf, done, ctx, &result, e);
	pid_t pid;

	if (c == NULL)
		return NULL;
	/* namespaces of its own, so that there is nobody to signal, talk to or be seen by */
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		int bin = fcntl(conf->unpacker, F_DUPFD_CLOEXEC, 32);
		int fds[] = { in >= 0 ? in : conf->null, out >= 0 ? out : conf->null, result, dir };

		arrange(fds, at, 4, bin);
		exec_unpacker(bin, job, limit);
	}
	return started(c, pid, &result, e);
}

struct child *
child_fork(const struct child_conf *conf, void (*work)(const int *fds, int result), const int *fds, size_t nfds, child_fn done, void *ctx,
    struct err *e)
{
	static const int at[] = { 3, 4, 5, 6, 7 };
	int result = -1;
	struct child *c = new_child(conf, done, ctx, &result, e);
	pid_t pid;

	if (c == NULL)
		return NULL;
	pid = fork();
	if (pid == 0) {
		int all[5] = { result };

		for (size_t i = 0; i < nfds && i < 4; i++)
			all[i + 1] = fds[i];
		arrange(all, at, nfds + 1, -1);
		work(at + 1, at[0]);
		_exit(0);
	}
	return started(c, pid, &result, e);
}

void
work_sha256(const int *fds, int result)
{
	static unsigned char block[1 << 20];
	unsigned char digest[32];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	off_t at = 0;
	ssize_t n;

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return;
	while ((n = pread(fds[0], block, sizeof block, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || EVP_DigestUpdate(ctx, block, (size_t)n) != 1)
			return;
		at += n;
	}
	if (EVP_DigestFinal_ex(ctx, digest, NULL) == 1)
		(void)!write(result, digest, sizeof digest);
}

void
work_sync(const int *fds, int result)
{
	if (syncfs(fds[0]) == 0)
		(void)!write(result, "s", 1);
}
