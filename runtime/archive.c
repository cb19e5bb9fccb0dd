/*
 * run_archive: an archiver for each copy (docker cp). It joins the container's namespaces through the container's first process or,
 * for a container that does not run, through the first process of a sandbox that was made for it: that one builds the root and then
 * executes nothing.
 */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "msg/archive.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define COPIES_MAX 128u
#define FDS_MAX    900

struct copy {
	struct copy *next;
	struct box *box;
	struct call *call;
	struct edge *edge;       /* NULL: the sandbox is not complete */
	int pidfd;
};

static void
copy_free(struct copy *k)
{
	struct edge *edge = k->edge;

	for (struct copy **slot = &k->box->copies; *slot != NULL; slot = &(*slot)->next)
		if (*slot == k) {
			*slot = k->next;
			break;
		}
	k->box->rt->n_copies--;
	if (k->call != NULL)
		k->call->on_cancel = NULL;
	/* whoever it is by now, it is not trusted to go by itself */
	if (k->pidfd >= 0)
		(void)pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0);
	fd_close(&k->pidfd);
	k->edge = NULL;
	edge_free(edge);
	free(k);
}

static void
copy_fail(struct copy *k, const struct err *why)
{
	struct call *c = k->call;

	copy_free(k);
	call_fail(c, why);
}

/* The client went away. */
static void
on_cancel(struct call *c)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE, "nobody waits for the copy");
	copy_fail(c->cancel_ctx, &e);
}

static void
on_answer(void *ctx, struct answer *a)
{
	struct copy *k = ctx;
	struct err e = ERR_INIT;
	struct call *c = k->call;

	if (k->edge == NULL)
		return;   /* it is being freed */
	if (a->err != NULL) {
		e = *a->err;
		if (e.code == ERR_UNAVAILABLE)
			err_set(&e, ERR_SYSTEM, "the copy broke off");
		copy_fail(k, &e);
		return;
	}
	if (a->more) {
		if (call_reply_more(c, a->msg, NULL, 0) < 0) {
			err_set(&e, ERR_UNAVAILABLE, "nobody waits for the copy");
			copy_fail(k, &e);
		}
		return;
	}
	copy_free(k);
	call_reply(c, a->msg, NULL, 0);
}

/* All pending answers were called: nothing is left to be done. */
static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
}

/* What leads to the namespaces that are entered. */
static int
spawn(struct copy *k, int user, int mount, struct err *e)
{
	struct runtime *rt = k->box->rt;
	const struct run_archive *m = k->call->msg;
	struct run_archive job = *m;
	struct edge_conf conf = { .table = &archive_edge, .side = EDGE_A, .ctx = rt, .peer = "archiver", .on_closed = on_closed };
	int pair[2] = { -1, -1 }, fds[3] = { user, mount, k->call->nfds > 0 ? k->call->fds[0] : -1 };
	pid_t pid;

	job.spec = NULL;
	job.host = rt->host;
	if (edge_pair(pair, e) < 0)
		return -1;
	pid = exec_sealed(rt->archiver_bin, "bulwark-archiver", pair[1]);
	k->pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	fd_close(&pair[1]);
	if (k->pidfd < 0 || (k->edge = edge_new(rt->loop, pair[0], &conf, e)) == NULL) {
		if (k->pidfd < 0)
			err_sys(e, errno, "start an archiver");
		fd_close(&pair[0]);
		return -1;
	}
	if (edge_send(k->edge, NO_archive_do, &job, fds, fds[2] >= 0 ? 3 : 2, on_answer, k, e) < 0)
		return -1;
	/* the pipe's end is the archiver's alone, so that its end is seen */
	if (k->call->nfds > 0)
		fd_close(&k->call->fds[0]);
	return 0;
}

/* ---- a container that does not run ---- */

/* What the first process of the sandbox said about its end, if it did. */
static void
read_failure(struct mon *m, struct err *e)
{
	own_wire w = WIRE_INIT;
	struct err why = ERR_INIT;
	bool again = false;

	if (m->rs >= 0 && wire_recv(m->rs, true, &w, &again, &why) == 1 && w.kind == W_FAILED)
		wire_error(&w, e);
	else
		err_set(e, ERR_SYSTEM, "the container's files could not be mounted");
}

static void
fail_all(struct box *b, const struct err *why)
{
	while (b->copies != NULL)
		copy_fail(b->copies, why);
}

void
copies_end(struct box *b)
{
	struct err e = ERR_INIT;

	if (b->copies == NULL)
		return;
	if (b->copies->edge == NULL && b->init != NULL)
		read_failure(b->init, &e);
	else
		err_set(&e, ERR_CONFLICT, "container %s ended while its files were copied", b->id);
	fail_all(b, &e);
}

/* The sandbox is complete, or never will be. */
static void
on_hold(struct loop_io *io, uint32_t events)
{
	struct mon *m = (struct mon *)(void *)((char *)io - offsetof(struct mon, hold));
	struct box *b = m->box;
	own_wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	bool again = false;
	int r = wire_recv(io->fd, true, &w, &again, &e);

	if (r == 0 && again)
		return;
	loop_remove(io);
	if (r == 1 && w.kind == W_HELD && w.nfds == 2) {
		if (b->copies != NULL && spawn(b->copies, w.fds[0], w.fds[1], &e) < 0)
			fail_all(b, &e);
		return;
	}
	if (r == 1 && w.kind == W_FAILED)
		wire_error(&w, &e);
	else
		err_set(&e, ERR_SYSTEM, "the container's files could not be mounted");
	fail_all(b, &e);
}

static int
hold(struct box *b, const struct run_spec *spec, struct err *e)
{
	struct w_spec w = { .spec = (struct run_spec *)(uintptr_t)spec, .own = b->own, .no_shm = b->no_shm, .hold = true };
	struct mon *m = b->init;
	int fds[FDS_MAX], r;
	size_t n = 0;

	r = give_mounts(b, spec, fds, FDS_MAX, &n, e);
	w.nfds = (int64_t)n;
	if (r == 0 && (r = send_fds(m->rs, fds, n, e)) == 0)
		r = wire_send(m->rs, W_SPEC, &w, NULL, 0, e);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	m->hold = (struct loop_io){ .fd = m->rs, .on_ready = on_hold };
	return r < 0 ? -1 : loop_add(b->rt->loop, &m->hold, EPOLLIN, e);
}

static int
check(const struct runtime *rt, const struct run_archive *m, const struct call *c, struct err *e)
{
	bool stat = m->op != NULL && strcmp(m->op, "stat") == 0;

	if (!text_is_id(m->id) || m->op == NULL || m->path == NULL || (!stat && strcmp(m->op, "get") != 0 && strcmp(m->op, "put") != 0) ||
	    c->nfds != (stat ? 0u : 1u))
		return err_set(e, ERR_PROTOCOL, "malformed copy");
	return rt->n_copies < COPIES_MAX ? 0 : err_set(e, ERR_LIMIT, "too many copies at once");
}

int
on_run_archive(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_archive *m = msg;
	struct box *b = box_find(rt, m->id);
	struct copy *k;
	int r;

	rt->last_request = now_mono_ns();
	if (check(rt, m, c, e) < 0)
		return -1;
	if (b == NULL || b->state != (m->spec != NULL ? BOX_PREPARED : BOX_RUNNING))
		return err_set(e, ERR_CONFLICT, m->spec != NULL ? "container %s was not prepared" : "container %s is not running", m->id);
	if (m->spec != NULL && (m->spec->process == NULL || m->spec->devices.n > 0 || m->spec->init))
		return err_set(e, ERR_PROTOCOL, "malformed copy");
	k = calloc(1, sizeof *k);
	if (k == NULL)
		return err_set(e, ERR_NO_MEMORY, "copy");
	*k = (struct copy){ .next = b->copies, .box = b, .call = c, .pidfd = -1 };
	b->copies = k;
	rt->n_copies++;
	if (m->spec != NULL) {
		/* nothing else is done with this sandbox */
		b->state = BOX_STARTING;
		b->held = true;
		r = hold(b, m->spec, e);
	} else {
		r = spawn(k, b->init->pidfd, b->init->pidfd, e);
	}
	if (r < 0) {
		copy_free(k);
		return -1;
	}
	c->cancel_ctx = k;
	c->on_cancel = on_cancel;
	return 0;
}
