/*
 * Sandboxes: a monitor and a process of its own in new namespaces, mapped, in its cgroups, with what does not depend on the
 * image mounted already. A few are kept warm; each is used once. One that shares namespaces is made when it is asked for.
 */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALL_NEW (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* vfork: the child shares our memory until it executes, and does nothing but system calls. */
pid_t
exec_sealed(int bin, const char *name, int channel)
{
	char *const argv[] = { (char *)(uintptr_t)name, NULL };
	static char *const env[] = { NULL };
	pid_t pid = vfork();

	if (pid != 0)
		return pid;
	if (channel != 3 ? dup2(channel, 3) < 0 : fcntl(3, F_SETFD, 0) < 0)
		_exit(127);
	/* all of ours are close-on-exec; this closes what a library forgot */
	(void)close_range(4, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)syscall(SYS_execveat, bin, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

int
mon_spawn(struct runtime *rt, struct box *box, const struct w_prepare *p, const int *fds, size_t nfds, struct mon **ret, struct err *e)
{
	struct mon *m = calloc(1, sizeof *m);
	int ctl[2] = { -1, -1 }, rs[2] = { -1, -1 }, all[64];

	if (m == NULL)
		return err_set(e, ERR_NO_MEMORY, "monitor");
	*m = (struct mon){ .rt = rt, .box = box, .io = { .fd = -1, .on_ready = mon_ready }, .rs = -1, .pidfd = -1 };
	if (edge_pair(ctl, e) < 0 || edge_pair(rs, e) < 0 || nfds + 2 > 64)
		goto fail;
	if (exec_sealed(rt->monitor_bin, "bulwark-monitor", ctl[1]) < 0) {
		err_sys(e, errno, "start a monitor");
		goto fail;
	}
	fd_close(&ctl[1]);
	all[0] = rs[1];
	all[1] = rt->monitor_filter;
	if (nfds > 0)
		memcpy(all + 2, fds, nfds * sizeof *fds);
	if (wire_send(ctl[0], W_PREPARE, p, all, nfds + 2, e) < 0)
		goto fail;
	fd_close(&rs[1]);
	m->rs = rs[0];
	m->io.fd = ctl[0];
	if (loop_add(rt->loop, &m->io, EPOLLIN, e) < 0) {
		mon_free(m);
		return -1;
	}
	*ret = m;
	return 0;
fail:
	for (int i = 0; i < 2; i++) {
		fd_close(&ctl[i]);
		fd_close(&rs[i]);
	}
	free(m);
	return -1;
}

void
mon_free(struct mon *m)
{
	if (m == NULL)
		return;
	while (m->asked != NULL) {
		struct asked *a = m->asked;
		struct err e = ERR_INIT;

		/* it ended meanwhile: what it wrote is on disk */
		m->asked = a->next;
		if (logs_from_disk(m->rt, m->box->id, a->call, &e) < 0)
			call_fail(a->call, &e);
		fd_close(&a->follow);
		free(a);
	}
	if (m->start != NULL) {
		struct err e = ERR_INIT;

		err_set(&e, ERR_CONFLICT, "container %s is not running", m->box->id);
		call_fail(m->start, &e);
	}
	loop_remove(&m->io);
	loop_remove(&m->hold);
	fd_close(&m->io.fd);
	fd_close(&m->rs);
	fd_close(&m->pidfd);
	free(m);
}

void
mon_kill(struct mon *m)
{
	if (m->pidfd >= 0)
		(void)pidfd_send_signal(m->pidfd, SIGKILL, NULL, 0);
}

struct box *
box_new(struct runtime *rt, const char *id, struct err *e)
{
	struct box *b = calloc(1, sizeof *b);

	if (b == NULL || !text_copy(b->id, sizeof b->id, id)) {
		free(b);
		err_set(e, ERR_NO_MEMORY, "container");
		return NULL;
	}
	b->rt = rt;
	b->netns = b->userns[1] = -1;
	b->userns[0] = rt->host ? fcntl(rt->map_ns, F_DUPFD_CLOEXEC, 3) : -1;
	if (*id != '\0') {
		b->next = rt->boxes;
		rt->boxes = b;
	}
	return b;
}

struct box *
box_find(struct runtime *rt, const char *id)
{
	for (struct box *b = rt->boxes; b != NULL; b = b->next)
		if (id != NULL && strcmp(b->id, id) == 0)
			return b;
	return NULL;
}

static void
drop_waiters(struct waiter **list)
{
	while (*list != NULL) {
		struct waiter *w = *list;

		*list = w->next;
		(void)shutdown(w->fd, SHUT_RDWR);
		fd_close(&w->fd);
		arena_done(&w->arena);
		free(w);
	}
}

void
box_release(struct box *b)
{
	copies_end(b);
	while (b->execs != NULL) {
		struct mon *m = b->execs;

		b->execs = m->next;
		mon_kill(m);
		mon_free(m);
	}
	if (b->init != NULL) {
		mon_kill(b->init);
		mon_free(b->init);
		b->init = NULL;
	}
	fd_close(&b->netns);
	fd_close(&b->userns[0]);
	fd_close(&b->userns[1]);
	drop_waiters(&b->waiters);
	if (b->has_cgroup)
		cg_bury(b->rt, b->cg_parent, b->cg_name);
	b->has_cgroup = false;
	b->paused = false;
	if (*b->id != '\0')
		socket_remove(b->rt, b->id);
}

void
box_free(struct box *b)
{
	struct err e = ERR_INIT;
	struct call *prepare = b->prepare, *cancel = b->cancel;

	b->prepare = b->cancel = NULL;
	if (b->rt->making == b)
		b->rt->making = NULL;
	box_release(b);
	for (struct box **slot = &b->rt->boxes; *slot != NULL; slot = &(*slot)->next)
		if (*slot == b) {
			*slot = b->next;
			break;
		}
	for (struct box **slot = &b->rt->pool; *slot != NULL; slot = &(*slot)->next)
		if (*slot == b) {
			*slot = b->next;
			b->rt->n_pool--;
			break;
		}
	if (prepare != NULL) {
		err_set(&e, ERR_CONFLICT, "the start of container %s was taken back", b->id);
		call_fail(prepare, &e);
	}
	if (cancel != NULL)
		call_ok(cancel);
	free(b);
}

void
box_forget_dir(struct box *b)
{
	if (b->is_new_dir && fd_remove_tree(b->rt->containers, b->id) < 0)
		log_msg(LOG_WARN, "the directory of container %s stays", b->id);
	b->is_new_dir = false;
}

static void
answer_prepare(struct box *b)
{
	struct run_prepared r = { .pid = b->init->pid, .id_base = b->id_base };
	struct call *c = b->prepare;

	b->prepare = NULL;
	call_reply(c, &r, &b->netns, (b->create & CLONE_NEWNET) != 0 ? 1 : 0);
}

static void
to_pool(struct box *b)
{
	struct runtime *rt = b->rt;

	b->next = rt->pool;
	rt->pool = b;
	rt->n_pool++;
	rt->making = NULL;
	pool_schedule(rt);
}

/* The monitor has its process: map it, and let it go on by itself. */
int
box_cloned(struct mon *m, struct wire *w, struct err *e)
{
	struct box *b = m->box;
	const struct w_cloned *c = w->msg;
	own_arena a = ARENA_INIT;
	struct idmap_given given;
	size_t n = 0;

	if (m->pidfd >= 0 || w->nfds < 1)
		return err_set(e, ERR_PROTOCOL, "unexpected answer of a monitor");
	m->pidfd = fd_take(&w->fds[0]);
	m->pid = (pid_t)c->pid;
	if (*m->exec != '\0')
		return 0;
	if ((b->create & CLONE_NEWNET) != 0) {
		if (w->nfds != 2)
			return err_set(e, ERR_PROTOCOL, "a monitor gave no network namespace");
		b->netns = fd_take(&w->fds[1]);
	}
	if ((b->create & CLONE_NEWUSER) != 0) {
		if (edge_call(b->rt->idmap, NO_idmap_give, NULL, &m->pidfd, 1, &a, &given, b->userns, 2, &n, 5000, e) < 0)
			return -1;
		if (n != 2)
			return err_set(e, ERR_PROTOCOL, "the idmapper gave %zu namespaces", n);
		b->id_base = (uint32_t)given.base;
		if (wire_send(m->rs, W_MAPPED, NULL, NULL, 0, e) < 0)
			return -1;
	}
	m->state = MON_READY;
	b->state = BOX_PREPARED;
	if (*b->id == '\0')
		to_pool(b);
	else if (b->prepare != NULL)
		answer_prepare(b);
	return 0;
}

static int
list_cgroups(const struct runtime *rt, struct w_prepare *p, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < rt->n_h; i++)
		if (!strs_add(&p->cgroups, a, rt->h[i].name))
			return err_set(e, ERR_NO_MEMORY, "sandbox");
	return 0;
}

static int
make_sandbox(struct box *b, struct w_prepare *p, const int *join_fds, struct err *e)
{
	struct runtime *rt = b->rt;
	own_arena a = ARENA_INIT;
	int fds[64];
	size_t n = 0, cgroups = 0;
	int r;

	for (; join_fds != NULL && n < p->joins.n; n++)
		fds[n] = join_fds[n];
	if (list_cgroups(rt, p, &a, e) < 0 || cg_make(rt, b->cg_parent, b->cg_name, e) < 0)
		return -1;
	b->has_cgroup = true;
	if (cg_join_fds(rt, b, fds + n, &cgroups, e) < 0)
		return -1;
	p->create = b->create;
	p->host = rt->host;
	p->monitor_uid = rt->run_uid;
	p->monitor_gid = rt->run_gid;
	p->into_cgroup = rt->v2;
	p->host_cgroupns = b->host_cgroupns;
	r = mon_spawn(rt, b, p, fds, n + cgroups, &b->init, e);
	for (size_t i = 0; i < cgroups; i++)
		fd_close(&fds[n + i]);
	return r;
}

static void
on_pool_time(struct loop_timer *t)
{
	struct runtime *rt = (struct runtime *)(void *)((char *)t - offsetof(struct runtime, pool_timer));
	struct w_prepare p = { .create = 0 };
	struct err e = ERR_INIT;
	struct box *b;

	if (rt->n_pool >= POOL_SIZE || rt->making != NULL || rt->pool_broken || rt->idmap == NULL)
		return;
	/* never in the way of somebody who waits */
	if (now_mono_ns() - rt->last_request < INT64_C(15000000) && rt->n_pool > 0) {
		pool_schedule(rt);
		return;
	}
	b = box_new(rt, "", &e);
	if (b != NULL) {
		b->create = b->own = ALL_NEW;
		snprintf(b->cg_name, sizeof b->cg_name, "pool-%d-%u", getpid(), rt->seq++);
		rt->making = b;
		if (make_sandbox(b, &p, NULL, &e) == 0)
			return;
		box_free(b);
	}
	rt->pool_broken = true;   /* until an edge comes (back); a direct sandbox will tell the reason to its user */
	log_err(LOG_WARN, &e, "no warm sandboxes");
}

void
pool_schedule(struct runtime *rt)
{
	rt->pool_timer.on_time = on_pool_time;
	if (!rt->host && rt->pool_timer.loop == NULL && rt->n_pool < POOL_SIZE && rt->making == NULL && !rt->pool_broken)
		loop_timer_set(rt->loop, &rt->pool_timer, rt->n_pool == 0 ? 0 : INT64_C(5000000));
}

void
pool_drop(struct runtime *rt)
{
	while (rt->pool != NULL)
		box_free(rt->pool);
	if (rt->making != NULL)
		box_free(rt->making);
}

/* "new", "host", "none", "container:<id>"; fills create, or the join. */
static int
plan_space(struct box *b, const char *mode, unsigned flag, const char *what, struct box **ret_from, struct err *e)
{
	struct box *other;

	*ret_from = NULL;
	if (mode == NULL || *mode == '\0' || strcmp(mode, "new") == 0 || strcmp(mode, "private") == 0 || strcmp(mode, "none") == 0 ||
	    strcmp(mode, "shareable") == 0) {
		b->create |= flag;
		b->own |= flag;
		return 0;
	}
	if (strcmp(mode, "host") == 0)
		return 0;
	if (!text_starts(mode, "container:"))
		return err_set(e, ERR_INVALID, "invalid %s mode: %s", what, mode);
	other = box_find(b->rt, mode + 10);
	if (other == NULL || other->state != BOX_RUNNING)
		return err_set(e, ERR_CONFLICT, "cannot join %s of a non running container: %s", what, mode + 10);
	*ret_from = other;
	if ((other->own & flag) != 0)
		b->own |= flag;
	return 0;
}

static int
plan(struct box *b, const struct run_prepare *m, struct w_prepare *p, struct w_join *joins, int *fds, struct err *e)
{
	const struct { const char *mode; unsigned flag; const char *what; } spaces[] = {
		{ m->net, CLONE_NEWNET, "network namespace" }, { m->pid, CLONE_NEWPID, "PID namespace" },
		{ m->ipc, CLONE_NEWIPC, "IPC namespace" }, { m->uts, CLONE_NEWUTS, "UTS namespace" },
	};
	struct box *first = NULL;

	p->mount_label = m->mount_label;
	b->create = CLONE_NEWNS;
	b->own = CLONE_NEWNS | (b->rt->host ? 0u : (unsigned)CLONE_NEWUSER);
	b->no_shm = m->ipc != NULL && strcmp(m->ipc, "none") == 0;
	b->host_cgroupns = m->cgroupns != NULL && strcmp(m->cgroupns, "host") == 0;
	if (!b->host_cgroupns)
		b->own |= CLONE_NEWCGROUP;
	p->joins.v = joins;
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
		struct box *from;
		unsigned flags;

		if (plan_space(b, spaces[i].mode, spaces[i].flag, spaces[i].what, &from, e) < 0)
			return -1;
		if (from == NULL)
			continue;
		if (first != NULL && from->id_base != first->id_base)
			return err_set(e, ERR_UNSUPPORTED, "the namespaces of two containers that do not share a user namespace cannot be joined");
		flags = from->own & spaces[i].flag;
		if (first == NULL) {
			first = from;
			flags |= b->own & CLONE_NEWUSER;
			b->id_base = from->id_base;
			for (int k = 0; k < 2; k++)
				b->userns[k] = from->userns[k] >= 0 ? fcntl(from->userns[k], F_DUPFD_CLOEXEC, 3) : -1;
		}
		if (flags == 0)
			continue;
		fds[p->joins.n] = from->init->pidfd;
		joins[p->joins.n++] = (struct w_join){ .flags = flags };
	}
	if (first == NULL)
		b->create |= b->own & CLONE_NEWUSER;
	return 0;
}

static bool
fits_pool(const struct run_prepare *m)
{
	const char *const modes[] = { m->net, m->pid, m->ipc, m->uts };

	/* what is made ahead has no label */
	if (m->mount_label != NULL && *m->mount_label != '\0')
		return false;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (modes[i] != NULL && *modes[i] != '\0' && strcmp(modes[i], "new") != 0 && strcmp(modes[i], "private") != 0 &&
		    strcmp(modes[i], "shareable") != 0 && strcmp(modes[i], "none") != 0)
			return false;
	return (m->cgroupns == NULL || strcmp(m->cgroupns, "host") != 0) && (m->cgroup_parent == NULL || *m->cgroup_parent == '\0');
}

static struct box *
take_from_pool(struct runtime *rt, const struct run_prepare *m)
{
	struct err e = ERR_INIT;

	while (!rt->host && rt->pool != NULL && fits_pool(m)) {
		/* the oldest: it is the most likely to be finished */
		struct box **slot = &rt->pool, *b;

		while ((*slot)->next != NULL)
			slot = &(*slot)->next;
		b = *slot;
		*slot = NULL;
		rt->n_pool--;
		if (cg_rename(rt, b, m->id, &e) < 0) {
			log_err(LOG_WARN, &e, "warm sandbox");
			box_free(b);
			continue;
		}
		strcpy(b->id, m->id);
		b->no_shm = m->ipc != NULL && strcmp(m->ipc, "none") == 0;
		b->next = rt->boxes;
		rt->boxes = b;
		return b;
	}
	return NULL;
}

static int
check_prepare(struct runtime *rt, const struct run_prepare *m, struct waiter **ret_waiters, struct err *e)
{
	struct box *old = box_find(rt, m->id);

	if (!text_is_id(m->id))
		return err_set(e, ERR_PROTOCOL, "malformed container id");
	if (m->userns_host != rt->host)
		return err_set(e, ERR_PROTOCOL, "the sandbox of %s is not for this process to make", m->id);
	if (!rt->host && m->cgroup_parent != NULL && text_starts(m->cgroup_parent + strspn(m->cgroup_parent, "/"), HOST_GROUP))
		return err_set(e, ERR_INVALID, "invalid cgroup parent: %s", m->cgroup_parent);
	if (m->cgroup_parent != NULL && (strlen(m->cgroup_parent) > 200 || strstr(m->cgroup_parent, "..") != NULL))
		return err_set(e, ERR_INVALID, "invalid cgroup parent: %s", m->cgroup_parent);
	if (old != NULL && (old->state == BOX_RUNNING || old->state == BOX_STARTING))
		return err_set(e, ERR_CONFLICT, "container %s is running", m->id);
	if (old != NULL) {
		*ret_waiters = old->waiters;   /* they attached before the start: that is this one */
		old->waiters = NULL;
		box_free(old);
	}
	return 0;
}

int
on_run_prepare(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_prepare *m = msg;
	struct w_prepare p = { .create = 0 };
	struct w_join joins[8];
	int fds[8];
	struct waiter *waiters = NULL;
	struct box *b;

	rt->last_request = now_mono_ns();
	if (check_prepare(rt, m, &waiters, e) < 0)
		return -1;
	b = take_from_pool(rt, m);
	pool_schedule(rt);
	if (b != NULL) {
		b->waiters = waiters;
		b->prepare = c;
		answer_prepare(b);
		return 0;
	}
	b = box_new(rt, m->id, e);
	if (b == NULL) {
		drop_waiters(&waiters);
		return -1;
	}
	b->waiters = waiters;
	snprintf(b->cg_parent, sizeof b->cg_parent, "%s", m->cgroup_parent != NULL ? m->cgroup_parent + strspn(m->cgroup_parent, "/") : "");
	if (rt->v2)   /* a group that is still being removed cannot be moved out of the way there */
		snprintf(b->cg_name, sizeof b->cg_name, "pool-%d-%u", getpid(), rt->seq++);
	else
		snprintf(b->cg_name, sizeof b->cg_name, "%s", m->id);
	if (plan(b, m, &p, joins, fds, e) < 0 || make_sandbox(b, &p, fds, e) < 0) {
		box_free(b);
		return -1;
	}
	b->prepare = c;
	return 0;
}
