/*
 * Makes the process that the monitor looks after. A new container's first process is cloned straight into its namespaces.
 * One that enters namespaces of a container that runs is made by an intermediate process, which joins them and then
 * clones with CLONE_PARENT, so that it is the monitor's child all the same. Whoever joins holds no descriptor of the host
 * but its channels, cannot be dumped, and its memory belongs to the host's user namespace: nobody inside can look into it.
 */
#include "monitor.h"

#include "fd.h"
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct make {
	const struct w_prepare *p;
	int rs, ms;                    /* the stage's ends */
	int joins[8], cgroups[40];
	size_t n_joins, n_cgroups;
	unsigned made;                 /* of create, what the intermediate process made already */
	int shm;                       /* /dev/shm of the container whose IPC namespace is joined */
};

static pid_t
clone_into(uint64_t flags, int *pidfd, int cgroup)
{
	struct clone_args a = {
		.flags = flags | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
	};

	/* the exit signal of a sibling is its creator's */
	if ((flags & CLONE_PARENT) != 0)
		a.exit_signal = 0;
	return (pid_t)syscall(SYS_clone3, &a, sizeof a);
}

/* Closes every descriptor that is not in keep (sorted by the caller's luck: the list is short). */
static void
keep_only(const int *keep, size_t n)
{
	int low = 3;

	for (;;) {
		int next = -1;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= low && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0) {
			(void)close_range((unsigned)low, ~0u, 0);
			return;
		}
		if (next > low)
			(void)close_range((unsigned)low, (unsigned)next - 1, 0);
		low = next + 1;
	}
}

static _Noreturn void
become_stage(struct make *k)
{
	/* static: its size has no place on a small stack; the copy after the clone is the child's own */
	static struct stage s;
	struct err e = ERR_INIT;
	int keep[64];
	size_t n = 0;

	s.prepare = k->p;
	s.rs = k->rs;
	s.ms = k->ms;
	/* one who entered cannot open it any more */
	s.oom_score = k->n_joins > 0 ? -1 : open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	s.dir = s.proc = s.sys = s.mqueue = s.mask = s.null_node = s.dev = s.root = -1;
	s.shm = k->shm;
	keep[n++] = k->shm;
	keep[n++] = k->rs;
	keep[n++] = k->ms;
	keep[n++] = s.oom_score;
	for (size_t i = 0; i < k->n_cgroups; i++)
		keep[n++] = k->cgroups[i];
	for (size_t i = 0; i < k->n_joins; i++)
		keep[n++] = k->joins[i];
	(void)dup2(0, 2);   /* it was the engine's log */
	keep_only(keep, n);
	/* not before: from within it no process can be cloned into a group that lies inside (cgroup v2, nsdelegate) */
	for (size_t i = 0; i < k->n_joins; i++) {
		if ((k->p->joins.v[i].flags & CLONE_NEWCGROUP) != 0 && setns(k->joins[i], CLONE_NEWCGROUP) < 0)
			goto fail;
		close(k->joins[i]);
	}
	stage_main(&s, k->cgroups, k->n_cgroups);
fail:
	err_sys(&e, errno, "enter the control group namespace");
	stage_fail(&s, &e);
}

/* Inherited by the clone, which could not open its own file. */
static int
set_oom_score(const struct make *k, struct err *e)
{
	char text[16];

	if (k->p->oom_score_adj == 0)
		return 0;
	snprintf(text, sizeof text, "%lld", (long long)k->p->oom_score_adj);
	return fd_write_text(AT_FDCWD, "/proc/self/oom_score_adj", text) < 0 ? err_sys(e, errno, "write oom_score_adj %s", text) : 0;
}

static int
enter(struct make *k, struct err *e)
{
	/* the user namespace first: it gives the right to join the others */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < k->n_joins; i++) {
			int flags = (int)k->p->joins.v[i].flags;

			flags = round == 0 ? flags & CLONE_NEWUSER : flags & ~(CLONE_NEWUSER | CLONE_NEWCGROUP);
			if (flags != 0 && setns(k->joins[i], flags) < 0)
				return err_sys(e, errno, "enter the namespaces of the container");
		}
	return 0;
}

/* From within the other container's mount namespace, which only a process of its own may enter: ours must stay the host's,
   because what is mounted in it becomes the new container's view. */
static int
fetch_shm(struct make *k, int target, struct err *e)
{
	own_wire w = WIRE_INIT;
	int pair[2], status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		struct err why = ERR_INIT;
		int fd;

		if (setns(target, CLONE_NEWNS) < 0 || (fd = open_tree(AT_FDCWD, "/dev/shm", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW)) < 0)
			_exit(1);
		_exit(wire_send(pair[1], W_FDS, NULL, &fd, 1, &why) < 0 ? 1 : 0);
	}
	close(pair[1]);
	if (pid > 0 && wire_recv(pair[0], false, &w, NULL, e) == 1 && w.nfds == 1)
		k->shm = fd_take(&w.fds[0]);
	close(pair[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return k->shm < 0 ? err_set(e, ERR_CONFLICT, "the other container has no /dev/shm to share") : 0;
}

static int
share_shm(struct make *k, struct err *e)
{
	for (size_t i = 0; !k->p->exec && i < k->n_joins; i++)
		if ((k->p->joins.v[i].flags & CLONE_NEWIPC) != 0)
			return fetch_shm(k, k->joins[i], e);
	return 0;
}

static int
make_child(struct make *k, int *pidfd, struct err *e)
{
	uint64_t flags = (uint64_t)k->p->create & ~(uint64_t)(CLONE_NEWCGROUP | k->made);
	int cgroup = k->p->into_cgroup && k->n_cgroups > 0 ? k->cgroups[0] : -1;
	int gate[2] = { -1, -1 };
	pid_t pid;

	/* the monitor must hear of its process before it hears from it: one that enters a container waits until we have
	   told it and ended, which closes the gate's other side */
	if (k->n_joins > 0) {
		flags |= CLONE_PARENT;
		if (pipe2(gate, O_CLOEXEC) < 0)
			return err_sys(e, errno, "gate");
	}
	if (cgroup >= 0)
		k->n_cgroups = 0;
	pid = clone_into(flags, pidfd, cgroup);
	if (pid < 0)
		return err_sys(e, errno, "clone the container's process");
	if (pid == 0) {
		char none;

		if (gate[0] >= 0) {
			close(gate[1]);
			while (read(gate[0], &none, 1) < 0 && errno == EINTR)
				;
			close(gate[0]);
		}
		become_stage(k);
	}
	return pid;
}

/* Made here, where it can be opened: the monitor may not look at a process that cannot be dumped. */
static int
make_net(struct make *k, int *ret_fd, struct err *e)
{
	if (unshare(CLONE_NEWNET) < 0 || (*ret_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
		return err_sys(e, errno, "make a network namespace");
	k->made |= CLONE_NEWNET;
	return 0;
}

/* Joins the cgroups itself (the child inherits them) and then the namespaces. Tells the monitor the pid. */
static _Noreturn void
intermediate(struct make *k)
{
	struct err e = ERR_INIT;
	struct w_cloned told = { 0 };
	int keep[64], fds[2] = { -1, -1 };
	size_t n = 0;

	keep[n++] = k->rs;
	keep[n++] = k->ms;
	for (size_t i = 0; i < k->n_joins; i++)
		keep[n++] = k->joins[i];
	for (size_t i = 0; i < k->n_cgroups; i++)
		keep[n++] = k->cgroups[i];
	(void)dup2(0, 2);
	keep_only(keep, n);
	if (set_oom_score(k, &e) < 0)
		goto fail;
	for (size_t i = 0; !k->p->into_cgroup && i < k->n_cgroups; i++)
		if (write(k->cgroups[i], "0", 1) != 1) {
			err_sys(&e, errno, "join a control group");
			goto fail;
		}
	if (!k->p->into_cgroup)
		k->n_cgroups = 0;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
		err_sys(&e, errno, "dumpable");
		goto fail;
	}
	if (enter(k, &e) < 0 || share_shm(k, &e) < 0)
		goto fail;
	if ((k->p->create & CLONE_NEWNET) != 0 && make_net(k, &fds[1], &e) < 0)
		goto fail;
	told.pid = make_child(k, &fds[0], &e);
	if (told.pid < 0 || wire_send(k->ms, W_CLONED, &told, fds, fds[1] >= 0 ? 2 : 1, &e) < 0)
		goto fail;
	_exit(0);
fail:
	(void)wire_send_error(k->ms, &e);
	_exit(1);
}

static int
make_by_intermediate(struct monitor *m, struct make *k, struct err *e)
{
	own_wire w = WIRE_INIT;
	int status, r;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		intermediate(k);
	r = wire_recv(m->ms.fd, false, &w, NULL, e);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (r == 1 && w.kind == W_FAILED) {
		const struct w_error *why = w.msg;

		return err_set(e, why->code > ERR_NONE && why->code < ERR_CODE_COUNT ? (enum err_code)why->code : ERR_SYSTEM, "%s",
		    why->text != NULL ? why->text : "");
	}
	if (r == 0 || w.kind != W_CLONED || w.nfds < 1)
		return err_set(e, ERR_SYSTEM, "the container's process did not come up");
	m->pid = (pid_t)((const struct w_cloned *)w.msg)->pid;
	m->child_fd = fd_take(&w.fds[0]);
	if (w.nfds == 2)
		m->netns = fd_take(&w.fds[1]);
	return 0;
}

static int
take_fds(struct make *k, const struct wire *w, struct err *e)
{
	size_t at = 2;

	if (w->nfds < 2 + k->p->joins.n || k->p->joins.n > 8 || w->nfds - 2 - k->p->joins.n > 40)
		return err_set(e, ERR_PROTOCOL, "W_PREPARE with %zu descriptors", w->nfds);
	for (size_t i = 0; i < k->p->joins.n; i++)
		k->joins[k->n_joins++] = w->fds[at++];
	while (at < w->nfds)
		k->cgroups[k->n_cgroups++] = w->fds[at++];
	return 0;
}

int
monitor_make(struct monitor *m, const struct wire *w, struct err *e)
{
	struct make k = { .p = w->msg, .rs = w->nfds > 0 ? w->fds[0] : -1, .ms = -1, .shm = -1 };
	own_fd stage_end = -1;
	int pair[2], r;

	if (take_fds(&k, w, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	m->ms.fd = pair[0];
	/* NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): closed when this returns */
	stage_end = k.ms = pair[1];
	if (k.n_joins > 0)
		return make_by_intermediate(m, &k, e);
	r = make_child(&k, &m->child_fd, e);
	if (r < 0)
		return -1;
	m->pid = r;
	return 0;
}
