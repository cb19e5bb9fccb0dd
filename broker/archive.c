/*
 * Files in and out of containers (docker cp). In one that runs, an archiver of the runtime works beside it: the container's other
 * operations wait only until it is in, and the end of the container is the copy's end. For one that does not run the runtime makes
 * a sandbox in which nothing is executed; the container is not started, changed or removed until the copy is over and the sandbox gone.
 */
#include "broker.h"
#include "clients.h"
#include "events.h"
#include "kinds.h"
#include "lifecycle.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define ARCHIVE_DATA_FIELDS(F, O, L) \
	F(str, sandbox, NULL, ID_MAX)
REC_DECLARE(archive_data, ARCHIVE_DATA_FIELDS)
#define REC_SELF struct archive_data
REC_DEFINE(archive_data, ARCHIVE_DATA_FIELDS)
#undef REC_SELF

/* One request. It lives until its call is answered and no operation knows it. */
struct copy {
	struct broker *b;
	struct call *call;       /* NULL: answered, or nobody waits any more */
	struct op *op;           /* NULL: the container's queue is behind it */
	answer_fn waits;         /* what the runtime's answer goes to, while it is asked to copy */
	char id[65];
};

static const struct api_archive *
wish_of(const struct copy *k)
{
	return k->call->msg;
}

static bool
is_op(const struct copy *k, const char *op)
{
	return text_same(wish_of(k)->op, op);
}

static void
emit(const struct copy *k, const char *what)
{
	struct ctr *c = index_get(&k->b->ctr_by_id, k->id);

	if (c != NULL)
		event_ctr(c, what, NULL);
}

static void
let_go(struct copy *k)
{
	if (k->call == NULL && k->op == NULL)
		free(k);
}

/* why NULL: it succeeded */
static void
answer(struct copy *k, const struct err *why)
{
	static const struct api_archived end;
	struct call *call = k->call;
	struct err e = ERR_INIT;

	if (call == NULL)
		return;
	if (why == NULL && is_op(k, "put"))
		emit(k, "extract-to-dir");
	call->on_cancel = NULL;
	k->call = NULL;
	if (k->op != NULL)
		k->op->call = NULL;
	if (why == NULL) {
		call_reply(call, &end, NULL, 0);
		return;
	}
	e = *why;
	if (e.code == ERR_NOT_FOUND && !text_starts(e.text, "No such container")) {
		const struct api_archive *m = call->msg;

		err_set(&e, ERR_NOT_FOUND, "Could not find the file %.300s in container %.128s", text_or_empty(m->path), text_or_empty(m->ref));
	}
	call_fail(call, &e);
}

static void
pass_on(struct copy *k, const struct answer *a)
{
	if (k->call == NULL)
		return;
	if (is_op(k, "get"))
		emit(k, "archive-path");
	(void)call_reply_more(k->call, a->msg, NULL, 0);
}

/* The client went away: nobody wants the rest, but what was begun is taken back. */
static void
on_cancel(struct call *call)
{
	struct copy *k = call->cancel_ctx;
	struct op *op = k->op;
	struct err e = ERR_INIT;

	k->call = NULL;
	if (op != NULL)
		op->call = NULL;
	if (k->waits != NULL && peer_cancel(k->b, PEER_RUN, k->waits, k) && op != NULL) {
		k->waits = NULL;
		err_set(&e, ERR_UNAVAILABLE, "the client went away");
		op_failed(op, &e);
	} else {
		let_go(k);
	}
	err_set(&e, ERR_UNAVAILABLE, "the client went away");
	call_fail(call, &e);
}

/* What the engine mounts in every container is not shown, as in the Docker engine; but for what the user mounted there. */
static int
hide(const struct ctr *c, struct run_archive *m, struct arena *a, struct err *e)
{
	static const char *const own[] = { "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		size_t n = strlen(own[i]);
		bool used = false;

		for (size_t k = 0; k < c->rec.mounts.n; k++) {
			const char *to = text_or_empty(c->rec.mounts.v[k].destination);

			used = used || (strncmp(to, own[i], n) == 0 && to[n] == '/');
		}
		if (!(used && strcmp(own[i], "/dev") == 0) && !strs_add(&m->hidden, a, own[i]))
			return err_memory(e);
	}
	return 0;
}

static int
make_wish(struct copy *k, struct ctr *c, struct arena *a, struct run_archive *m, struct err *e)
{
	const struct api_archive *w = wish_of(k);
	static const struct exec_config none;
	struct run_process p;

	*m = (struct run_archive){ .id = c->id, .op = w->op, .path = w->path, .no_overwrite = w->no_overwrite };
	if (w->copy_ids)
		m->user = c->rec.config->user;
	if (hide(c, m, a, e) < 0 || spec_exec(c, &none, false, a, &p, e) < 0)
		return -1;
	m->caps = p.caps;
	return 0;
}

/* ---- a container that does not run ---- */

static void
prepare(struct op *op)
{
	const struct archive_data *d = op->data;
	char *new = (char *)(uintptr_t)"new";
	struct run_prepare m = { .id = d->sandbox, .net = new, .pid = new, .ipc = new, .uts = new, .cgroupns = (char *)(uintptr_t)"private",
		.userns_host = text_same(op->ctr->rec.host_config->userns_mode, "host") };

	peer_send(op->b, PEER_RUN, NO_run_prepare, &m, NULL, 0, 0, op_on_answer, op);
}

static void
take_back(struct op *op)
{
	const struct archive_data *d = op->data;
	struct run_id m = { .id = d->sandbox };

	peer_send(op->b, PEER_RUN, NO_run_delete, &m, NULL, 0, PEER_AGAIN, op_on_answer, op);
}

static void
on_copied(void *ctx, struct answer *a)
{
	struct copy *k = ctx;

	if (a->err == NULL && a->more) {
		pass_on(k, a);
		return;
	}
	k->waits = NULL;
	if (a->err != NULL) {
		op_failed(k->op, a->err);
		return;
	}
	op_done(k->op);
}

/* Only its files: nothing that a program would need. */
static int
files_only(struct ctr *c, struct arena *a, struct run_spec *s, struct err *e)
{
	size_t n = 0;

	if (spec_build(c, a, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->mounts.n; i++)
		if (!text_same(s->mounts.v[i].kind, "tmpfs"))
			s->mounts.v[n++] = s->mounts.v[i];
	s->mounts.n = n;
	s->devices.n = s->links.n = s->sysctls.n = s->device_cgroup_rules.n = 0;
	s->masked_paths.n = s->readonly_paths.n = 0;
	s->limits = NULL;
	s->init = s->privileged = false;
	s->process = arena_alloc(a, sizeof *s->process);
	return s->process != NULL ? 0 : err_memory(e);
}

static void
copy_stopped(struct op *op)
{
	struct copy *k = op->state;
	const struct archive_data *d = op->data;
	struct run_archive m;
	struct run_spec spec;
	struct err e = ERR_INIT;

	if (k->call == NULL) {
		err_set(&e, ERR_UNAVAILABLE, "the client went away");
		op_failed(op, &e);
		return;
	}
	if (make_wish(k, op->ctr, &op->arena, &m, &e) < 0 || files_only(op->ctr, &op->arena, &spec, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	m.id = d->sandbox;
	m.spec = &spec;
	k->waits = on_copied;
	peer_send(op->b, PEER_RUN, NO_run_archive, &m, k->call->fds, k->call->nfds, 0, on_copied, k);
}

static void
finish(struct op *op)
{
	struct copy *k = op->state;

	if (k != NULL)
		answer(k, op->err.code != ERR_NONE ? &op->err : NULL);
}

static void
release(struct op *op)
{
	struct copy *k = op->state;

	if (k == NULL)
		return;
	/* ops_done fails the call by itself */
	if (op->call == k->call)
		k->call = NULL;
	op->state = NULL;
	k->op = NULL;
	let_go(k);
}

static bool
resume(struct op *op)
{
	const struct archive_data *d = op->data;

	op->ctr = index_get(&op->b->ctr_by_id, op->object);
	return d != NULL && text_set(d->sandbox);
}

static const struct op_step archive_steps[] = { { "prepare", prepare, take_back }, { "copy", copy_stopped, NULL }, { "release", take_back, NULL } };
const struct op_kind op_archive = { .name = "archive", .steps = archive_steps, .n = 3, .flags = STEPS_JOURNAL | STEPS_ONCE,
	.data_type = &archive_data_type, .finish = finish, .resume = resume, .release = release };

/* It follows the one that found out that it is needed. */
static int
submit_archive(struct op *before, struct copy *k, struct err *e)
{
	struct op *op = op_new(k->b, &op_archive, before->ctr, before->ctr->id, NULL, e);
	struct archive_data *d;

	if (op == NULL)
		return -1;
	op->state = k;
	op->data = d = arena_alloc(&op->arena, sizeof *d);
	if (d == NULL || (d->sandbox = arena_alloc(&op->arena, 65)) == NULL)
		err_memory(&op->err);
	else
		text_random_id(d->sandbox);
	op->call = before->call;
	before->call = NULL;
	before->state = NULL;
	k->op = op;
	op_submit_after(op, before);
	return 0;
}

/* ---- one that runs ---- */

static void
on_running(void *ctx, struct answer *a)
{
	struct copy *k = ctx;
	struct op *op = k->op;

	if (a->err == NULL && a->more)
		pass_on(k, a);
	else
		k->waits = NULL;
	/* it is in (or will not be): whoever waits for the container may go on */
	k->op = NULL;
	if (op != NULL) {
		op->call = NULL;
		op->state = NULL;
	}
	if (!a->more) {
		answer(k, a->err);
		let_go(k);
	}
	if (op != NULL)
		op_done(op);
}

static void
copy(struct op *op)
{
	struct copy *k = op->state;
	struct run_archive m;
	struct err e = ERR_INIT;

	if (k->call == NULL) {
		op_done(op);
	} else if (!ctr_running(op->ctr)) {
		if (submit_archive(op, k, &e) < 0)
			op_failed(op, &e);
		else
			op_done(op);
	} else if (make_wish(k, op->ctr, &op->arena, &m, &e) < 0) {
		op_failed(op, &e);
	} else {
		k->waits = on_running;
		peer_send(op->b, PEER_RUN, NO_run_archive, &m, k->call->fds, k->call->nfds, 0, on_running, k);
	}
}

static const struct op_step copy_steps[] = { { "copy", copy, NULL } };
/* Not journaled: with the broker its client is gone, and the archiver ends when nobody reads or writes its pipe. */
const struct op_kind op_copy = { .name = "copy", .steps = copy_steps, .n = 1, .finish = finish, .release = release };

int
handle_container_archive(struct call *call, const void *msg, struct err *e)
{
	const struct api_archive *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	bool stat = text_same(m->op, "stat");
	struct copy *k;
	struct op *op;

	if (c == NULL)
		return -1;
	if ((!stat && !text_same(m->op, "get") && !text_same(m->op, "put")) || call->nfds != (stat ? 0u : 1u) || !text_set(m->path))
		return err_set(e, ERR_PROTOCOL, "malformed copy");
	if (c->rec.state->dead)
		return err_set(e, ERR_CONFLICT, "container %s is marked for removal and its files cannot be copied", c->id);
	k = calloc(1, sizeof *k);
	if (k == NULL)
		return err_memory(e);
	op = op_new(b, &op_copy, c, c->id, call, e);
	if (op == NULL) {
		free(k);
		return -1;
	}
	*k = (struct copy){ .b = b, .call = call, .op = op };
	memcpy(k->id, c->id, sizeof k->id);
	op->state = k;
	call->cancel_ctx = k;
	call->on_cancel = on_cancel;
	op_submit(op);
	return 0;
}
