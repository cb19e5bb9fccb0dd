/* The smaller requests about containers that run, and about what is left of them. */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "logfiles.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

static struct box *
running(struct runtime *rt, const char *id, struct err *e)
{
	struct box *b = box_find(rt, id);

	if (b == NULL || b->state != BOX_RUNNING) {
		err_set(e, ERR_CONFLICT, "container %s is not running", id != NULL ? id : "");
		return NULL;
	}
	return b;
}

static struct mon *
mon_find(struct box *b, const char *exec)
{
	if (exec == NULL || *exec == '\0')
		return b->init;
	for (struct mon *m = b->execs; m != NULL; m = m->next)
		if (strcmp(m->exec, exec) == 0)
			return m;
	return NULL;
}

int
on_run_cancel(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_id *m = msg;
	struct box *b = box_find(rt, m->id);

	if (b == NULL || b->state == BOX_EXITED) {
		call_ok(c);
		return 0;
	}
	if (b->state == BOX_RUNNING) {
		/* the start is undone: its end is nobody's news */
		if (b->cancel != NULL)
			return err_set(e, ERR_CONFLICT, "container %s is being taken back already", m->id);
		b->cancelled = true;
		b->cancel = c;
		if (b->paused)
			cg_thaw(rt, b->cg_parent, b->cg_name);
		mon_kill(b->init);
		return 0;
	}
	if (b->init != NULL && b->init->start != NULL) {
		struct err why = ERR_INIT;
		struct call *start = b->init->start;

		b->init->start = NULL;
		err_set(&why, ERR_CONFLICT, "the start of container %s was taken back", m->id);
		call_fail(start, &why);
	}
	box_free(b);
	call_ok(c);
	return 0;
}

int
on_run_signal(struct call *c, const void *msg, struct err *e)
{
	const struct run_signal *m = msg;
	struct box *b = running(c->ctx, m->id, e);
	struct mon *mon;

	if (b == NULL)
		return -1;
	if (m->signal < 1 || m->signal > 64)
		return err_set(e, ERR_INVALID, "Invalid signal: %lld", (long long)m->signal);
	/* what is frozen would not die before somebody thaws it */
	if (m->signal == SIGKILL && b->paused) {
		cg_thaw(b->rt, b->cg_parent, b->cg_name);
		b->paused = false;
	}
	if (m->all) {
		(void)cg_kill(b->rt, b->cg_parent, b->cg_name, (int)m->signal);
		call_ok(c);
		return 0;
	}
	mon = mon_find(b, m->exec);
	if (mon == NULL || mon->pidfd < 0)
		return err_set(e, ERR_NOT_FOUND, "No such exec instance: %s", m->exec != NULL ? m->exec : "");
	if (pidfd_send_signal(mon->pidfd, (int)m->signal, NULL, 0) < 0)
		return errno == ESRCH ? err_set(e, ERR_CONFLICT, "container %s is not running", m->id) : err_sys(e, errno, "send a signal");
	call_ok(c);
	return 0;
}

int
on_run_freeze(struct call *c, const void *msg, struct err *e)
{
	const struct run_freeze *m = msg;
	struct box *b = running(c->ctx, m->id, e);

	if (b == NULL)
		return -1;
	if (b->paused == m->freeze)
		return err_set(e, ERR_CONFLICT, m->freeze ? "Container %s is already paused" : "Container %s is not paused", m->id);
	if (cg_freeze(b->rt, b, m->freeze, e) < 0)
		return -1;
	b->paused = m->freeze;
	call_ok(c);
	return 0;
}

int
on_run_resize(struct call *c, const void *msg, struct err *e)
{
	const struct run_resize *m = msg;
	struct box *b = running(c->ctx, m->id, e);
	struct w_size size = { .h = m->h, .w = m->w };
	struct mon *mon;

	if (b == NULL)
		return -1;
	mon = mon_find(b, m->exec);
	if (mon == NULL)
		return err_set(e, ERR_NOT_FOUND, "No such exec instance: %s", m->exec);
	if (wire_send(mon->io.fd, W_RESIZE, &size, NULL, 0, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

/* The head goes out at once, so that the client knows that it is attached before the container starts. */
static int
keep_waiter(struct box *b, const struct run_stream *s, struct call *c, struct err *e)
{
	struct waiter *w = calloc(1, sizeof *w), **slot = &b->waiters;

	if (w == NULL || (w->stream = arena_alloc(&w->arena, sizeof *w->stream)) == NULL ||
	    rec_copy(&run_stream_type, s, &w->arena, w->stream, e) < 0) {
		if (w != NULL)
			arena_done(&w->arena);
		free(w);
		return err_set(e, ERR_NO_MEMORY, "attach");
	}
	if (s->head.n > 0 && send(c->fds[0], s->head.p, s->head.n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)s->head.n) {
		arena_done(&w->arena);
		free(w);
		return err_set(e, ERR_UNAVAILABLE, "the client went away");
	}
	w->stream->head = (struct blob){ .n = 0 };
	w->fd = fd_take(&c->fds[0]);
	while (*slot != NULL)
		slot = &(*slot)->next;
	*slot = w;
	return 0;
}

int
on_run_attach(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_stream *m = msg;
	struct box *b = box_find(rt, m->id);

	if (c->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "attach without a client");
	if (m->logs && b != NULL && b->state == BOX_EXITED && b->finished_at != 0)
		return err_set(e, ERR_UNSUPPORTED, "the log of a container that ended is read with logs, not with attach");
	if (b == NULL || b->state == BOX_EXITED) {
		/* before the sandbox is there: it will be prepared under the same id */
		if (!text_is_id(m->id))
			return err_set(e, ERR_PROTOCOL, "malformed container id");
		if (b == NULL && (b = box_new(rt, m->id, e)) == NULL)
			return -1;
		b->state = BOX_EXITED;
		if (keep_waiter(b, m, c, e) < 0)
			return -1;
	} else if (b->state != BOX_RUNNING) {
		if (keep_waiter(b, m, c, e) < 0)
			return -1;
	} else if (wire_send(b->init->io.fd, W_ATTACH, m, c->fds, 1, e) < 0) {
		return -1;
	}
	call_ok(c);
	return 0;
}

int
logs_from_disk(struct runtime *rt, const char *id, struct call *c, struct err *e)
{
	own_fd dir = fd_open_beneath(rt->containers, id, O_RDONLY | O_DIRECTORY, 0);
	struct api_log_files r = { .driver = (char *)(uintptr_t)"json-file" };
	own_arena a = ARENA_INIT;
	struct w_start s;
	static const char *const formats[] = { "json-file", "local" };
	char name[LOGFILE_NAME];
	int fds[32];
	size_t n = 0;

	if (dir >= 0 && state_read(dir, "state", &a, &s) == 1)
		r.tty = s.tty;
	for (size_t i = 0; i < 2 && n == 0 && dir >= 0; i++) {
		logfiles_base(name, formats[i], id);
		n = logfiles_open(dir, name, 1000, fds, 32);
		if (n > 0)
			r.driver = (char *)(uintptr_t)formats[i];
	}
	call_reply(c, &r, fds, n);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	return 0;
}

int
on_run_logs(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct api_logs *m = msg;
	struct box *b = box_find(rt, m->ref);
	struct w_logs ask = { .follow = m->follow };
	struct asked *a, **slot;
	int pair[2] = { -1, -1 };

	if (!text_is_id(m->ref))
		return err_set(e, ERR_PROTOCOL, "malformed container id");
	if (b == NULL || b->state != BOX_RUNNING)
		return logs_from_disk(rt, m->ref, c, e);
	a = calloc(1, sizeof *a);
	if (a == NULL || (m->follow && edge_pair(pair, e) < 0)) {
		free(a);
		return a == NULL ? err_set(e, ERR_NO_MEMORY, "logs") : -1;
	}
	if (wire_send(b->init->io.fd, W_LOGS, &ask, &pair[1], m->follow ? 1 : 0, e) < 0) {
		fd_close(&pair[0]);
		fd_close(&pair[1]);
		free(a);
		/* it has ended, and we have not heard of it yet */
		return e->sys == EPIPE || e->sys == ECONNRESET ? logs_from_disk(rt, m->ref, c, e) : -1;
	}
	fd_close(&pair[1]);
	a->call = c;
	a->follow = pair[0];
	for (slot = &b->init->asked; *slot != NULL; slot = &(*slot)->next)
		;
	*slot = a;
	return 0;
}

int
on_run_delete(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_id *m = msg;
	struct box *b = box_find(rt, m->id);

	if (!text_is_id(m->id))
		return err_set(e, ERR_PROTOCOL, "malformed container id");
	if (b != NULL && (b->state == BOX_RUNNING || (b->state == BOX_STARTING && !b->held)))
		return err_set(e, ERR_CONFLICT, "container %s is running", m->id);
	if (b != NULL)
		box_free(b);
	if (fd_remove_tree(rt->containers, m->id) < 0)
		return err_sys(e, errno, "remove the directory of container %s", m->id);
	socket_remove(rt, m->id);
	call_ok(c);
	return 0;
}

static int
fill_state(struct box *b, struct run_state *s, struct arena *a, struct err *e)
{
	static const char *const names[] = {
		[BOX_MAKING] = "prepared", [BOX_PREPARED] = "prepared", [BOX_STARTING] = "prepared", [BOX_RUNNING] = "running", [BOX_EXITED] = "exited",
	};

	s->id = b->id;
	s->state = (char *)(uintptr_t)(b->state == BOX_RUNNING && b->paused ? "paused" : names[b->state]);
	s->pid = b->init != NULL ? b->init->pid : 0;
	s->id_base = b->id_base;
	s->started_at = b->started_at;
	s->code = b->code;
	s->oom_killed = b->oom_killed;
	s->finished_at = b->finished_at;
	for (struct mon *m = b->execs; m != NULL; m = m->next)
		if (!strs_add(&s->execs, a, m->exec))
			return err_set(e, ERR_NO_MEMORY, "list of containers");
	return 0;
}

int
list_states(struct runtime *rt, struct run_states *r, struct arena *a, struct err *e)
{
	for (struct box *b = rt->boxes; b != NULL; b = b->next) {
		struct run_state *s;

		/* only clients wait there: no container yet */
		if (b->state == BOX_EXITED && b->finished_at == 0)
			continue;
		s = list_add(&r->items, a, sizeof *s);
		if (s == NULL || fill_state(b, s, a, e) < 0)
			return s == NULL ? err_set(e, ERR_NO_MEMORY, "list of containers") : -1;
	}
	return 0;
}

int
on_run_list(struct call *c, const void *msg, struct err *e)
{
	own_arena a = ARENA_INIT;
	struct run_states r = { .items = { .n = 0 } };

	if (list_states(c->ctx, &r, &a, e) < 0)
		return -1;
	call_reply(c, &r, NULL, 0);
	return 0;
}

int
on_run_update(struct call *c, const void *msg, struct err *e)
{
	const struct run_update *m = msg;
	struct box *b = running(c->ctx, m->id, e);

	if (b == NULL || m->limits == NULL)
		return b == NULL ? -1 : err_set(e, ERR_PROTOCOL, "no limits");
	if (cg_limits(b->rt, b, m->limits, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}
