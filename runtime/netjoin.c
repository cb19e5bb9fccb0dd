/*
 * What has to be done within a container's network namespace while it runs: a child joins it and its user namespace, does
 * that one thing, and hands back descriptors or the error. It executes nothing and is in no other namespace of the
 * container, so nobody inside can see it.
 */
#include "runtime.h"

#include "fd.h"
#include "stage.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DNS_ADDRESS 0x7f00000bu   /* 127.0.0.11 */
#define DNS_PORT    53
#define WAIT_MS     5000

struct job {
	int (*fn)(const struct job *j, int *fds, size_t *n, struct err *e);
	const struct run_connect *connect;
};
#define JOB_FDS 2

static int
open_socket(int type, int *ret, struct err *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT), .sin_addr.s_addr = htonl(DNS_ADDRESS) };
	own_fd fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0))
		return err_sys(e, errno, "bind the container's name server");
	*ret = fd_take(&fd);
	return 0;
}

static int
open_dns(const struct job *j, int *fds, size_t *n, struct err *e)
{
	(void)j;
	/* or the address would be none of this namespace's, and answers would come from another */
	if (net_loopback_up(e) < 0 || open_socket(SOCK_DGRAM, &fds[0], e) < 0 || open_socket(SOCK_STREAM, &fds[1], e) < 0)
		return -1;
	*n = 2;
	return 0;
}

static int
open_netns(const struct job *j, int *fds, size_t *n, struct err *e)
{
	(void)j;
	fds[0] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fds[0] < 0)
		return err_sys(e, errno, "open the network namespace");
	*n = 1;
	return 0;
}

static int
set_up(const struct job *j, int *fds, size_t *n, struct err *e)
{
	own_fd proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)fds;
	(void)n;
	return proc < 0 ? err_sys(e, errno, "open /proc") : net_set_up(proc, &j->connect->links, e);
}

/* A process that runs its program is the way in; before, while nobody may look into it, its network namespace is, which knows
   whose user namespace it belongs to. */
static int
join(const struct box *b)
{
	own_fd user = -1;

	if (b->netns < 0)
		return setns(b->init->pidfd, (b->rt->host ? 0 : CLONE_NEWUSER) | CLONE_NEWNET);
	user = b->rt->host ? -1 : ioctl(b->netns, NS_GET_USERNS);
	if (!b->rt->host && (user < 0 || setns(user, CLONE_NEWUSER) < 0))
		return -1;
	return setns(b->netns, CLONE_NEWNET);
}

static _Noreturn void
child(const struct job *j, const struct box *b, int sock)
{
	int fds[JOB_FDS] = { -1, -1 };
	struct err e = ERR_INIT;
	size_t n = 0;

	if (join(b) < 0)
		err_sys(&e, errno, "join the container's network");
	if (e.code == ERR_NONE && j->fn(j, fds, &n, &e) == 0 && wire_send(sock, W_JOINED, NULL, fds, n, &e) == 0)
		_exit(0);
	_exit(wire_send_error(sock, &e) == 0 ? 0 : 1);
}

/* Waits for the child, which has nothing to wait for itself. */
static int
run_job(struct runtime *rt, const char *id, const struct job *j, int *fds, size_t *n, struct err *e)
{
	struct box *b = box_find(rt, id);
	own_wire w = WIRE_INIT;
	own_fd ours = -1, theirs = -1;
	int pair[2], got = -1, ready;
	bool again;
	pid_t pid;

	if (b == NULL || b->init == NULL || b->init->pidfd < 0 || b->state == BOX_MAKING || b->state == BOX_EXITED)
		return err_set(e, ERR_CONFLICT, "container %s is not running", id != NULL ? id : "");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socket pair");
	ours = pair[0];
	theirs = pair[1];
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		child(j, b, theirs);
	fd_close(&theirs);
	do
		ready = poll(&(struct pollfd){ .fd = ours, .events = POLLIN }, 1, WAIT_MS);
	while (ready < 0 && errno == EINTR);   /* children end all the time */
	if (ready == 1)
		got = wire_recv(ours, true, &w, &again, e);
	else
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (got != 1)
		return err_set(e, ERR_SYSTEM, "the container's network could not be entered");
	if (w.kind == W_FAILED) {
		const struct w_error *m = w.msg;

		return err_set(e, ERR_SYSTEM, "%s", m->text != NULL ? m->text : "");
	}
	for (*n = 0; *n < w.nfds && *n < JOB_FDS; (*n)++)
		fds[*n] = fd_take(&w.fds[*n]);
	return 0;
}

static int
answer(struct call *c, const char *id, const struct job *j, struct err *e)
{
	int fds[JOB_FDS] = { -1, -1 };
	size_t n = 0;

	if (run_job(c->ctx, id, j, fds, &n, e) < 0)
		return -1;
	call_reply(c, &(struct none){ 0 }, fds, n);
	for (size_t i = 0; i < JOB_FDS; i++)
		fd_close(&fds[i]);
	return 0;
}

int
on_run_dns(struct call *c, const void *msg, struct err *e)
{
	return answer(c, ((const struct run_id *)msg)->id, &(struct job){ .fn = open_dns }, e);
}

int
on_run_netns(struct call *c, const void *msg, struct err *e)
{
	return answer(c, ((const struct run_id *)msg)->id, &(struct job){ .fn = open_netns }, e);
}

int
on_run_connect(struct call *c, const void *msg, struct err *e)
{
	const struct run_connect *m = msg;

	return answer(c, m->id, &(struct job){ .fn = set_up, .connect = m }, e);
}
