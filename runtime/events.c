/* What monitors say, and what their silence means. */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
send_exited(struct runtime *rt, const char *id, const char *exec, int code, bool oom, int64_t at)
{
	struct run_exit x = { .id = (char *)(uintptr_t)id, .exec = (char *)(uintptr_t)exec, .code = code, .oom_killed = oom, .finished_at = at };
	struct err e = ERR_INIT;
	struct unheard *u;

	if (rt->run != NULL && edge_send(rt->run, NO_run_exited, &x, NULL, 0, NULL, NULL, &e) >= 0)
		return;
	/* a container's end is in run_list; an exec's is only here */
	if (*exec == '\0' || (u = calloc(1, sizeof *u)) == NULL)
		return;
	*u = (struct unheard){ .next = rt->unheard, .code = code, .oom_killed = oom, .finished_at = at };
	snprintf(u->id, sizeof u->id, "%s", id);
	snprintf(u->exec, sizeof u->exec, "%s", exec);
	rt->unheard = u;
}

void
send_unheard(struct runtime *rt)
{
	struct unheard *u = rt->unheard, *next;

	rt->unheard = NULL;
	for (; u != NULL; u = next) {
		next = u->next;
		send_exited(rt, u->id, u->exec, u->code, u->oom_killed, u->finished_at);
		free(u);
	}
}

static void
fail_start(struct mon *m, const struct err *why)
{
	struct call *c = m->start;

	m->start = NULL;
	if (c != NULL)
		call_fail(c, why);
}

static void
forget_exec(struct mon *m)
{
	struct box *b = m->box;

	for (struct mon **slot = &b->execs; *slot != NULL; slot = &(*slot)->next)
		if (*slot == m) {
			*slot = m->next;
			break;
		}
	socket_remove(b->rt, m->exec);
	mon_free(m);
}

/* A start that did not succeed leaves nothing but the log of earlier runs. */
static void
start_failed(struct mon *m, const struct err *why)
{
	struct box *b = m->box;
	own_fd dir = -1;

	dir = fd_open_beneath(b->rt->containers, b->id, O_RDONLY | O_DIRECTORY, 0);
	if (*m->exec != '\0') {
		char name[96];

		snprintf(name, sizeof name, "%s.state", m->exec);
		if (dir >= 0)
			(void)unlinkat(dir, name, 0);
		fail_start(m, why);
		mon_kill(m);
		forget_exec(m);
		return;
	}
	if (dir >= 0)
		(void)unlinkat(dir, "state", 0);
	box_forget_dir(b);
	if (b->prepare != NULL) {
		call_fail(b->prepare, why);
		b->prepare = NULL;
	}
	if (*b->id == '\0') {
		log_err(LOG_WARN, why, "no warm sandboxes");
		b->rt->pool_broken = true;
	}
	fail_start(m, why);
	box_free(b);
}

void
wire_error(const struct wire *w, struct err *ret)
{
	const struct w_error *x = w->msg;

	err_set(ret, x->code > ERR_NONE && x->code < ERR_CODE_COUNT ? (enum err_code)x->code : ERR_SYSTEM, "%s", x->text != NULL ? x->text : "");
	ret->sys = (int)x->sys;
}

static void
started(struct mon *m, const struct w_started *s)
{
	struct run_started r = { .started_at = s->started_at };
	struct call *c = m->start;

	if (*m->exec == '\0' && m->box->foreign)
		foreign_find(m);
	r.pid = m->pid;

	m->state = MON_RUNNING;
	m->started_at = s->started_at;
	m->start = NULL;
	fd_close(&m->rs);
	if (*m->exec == '\0') {
		m->box->state = BOX_RUNNING;
		m->box->started_at = s->started_at;
	}
	if (c != NULL)
		call_reply(c, &r, NULL, 0);
}

static void
exec_ended(struct mon *m)
{
	struct box *b = m->box;
	struct exit_status x = { .code = 137, .finished_at = 0 };
	char name[96], exec[65];
	own_fd dir = fd_open_beneath(b->rt->containers, b->id, O_RDONLY | O_DIRECTORY, 0);

	strcpy(exec, m->exec);
	snprintf(name, sizeof name, "%s.exit", exec);
	if (dir < 0 || exit_read(dir, name, &x) <= 0) {
		mon_kill(m);
		x.finished_at = now_real_ns();
	}
	send_exited(b->rt, b->id, exec, x.code, x.oom_killed, x.finished_at);
	if (dir >= 0) {
		(void)unlinkat(dir, name, 0);
		snprintf(name, sizeof name, "%s.state", exec);
		(void)unlinkat(dir, name, 0);
	}
	forget_exec(m);
}

static void
container_ended(struct mon *m)
{
	struct box *b = m->box;
	struct runtime *rt = b->rt;
	struct exit_status x = { .code = 137, .finished_at = 0 };
	own_fd dir = fd_open_beneath(rt->containers, b->id, O_RDONLY | O_DIRECTORY, 0);

	if (dir < 0 || exit_read(dir, "exit", &x) <= 0) {
		struct err e = ERR_INIT;

		/* the monitor was killed: its container goes with it, also if the container asked not to */
		x.oom_killed = cg_oom_count(rt, b) > b->oom_before;
		mon_kill(m);
		(void)cg_kill(rt, b->cg_parent, b->cg_name, SIGKILL);
		x.finished_at = now_real_ns();
		if (dir >= 0 && exit_write(dir, "exit", &x, &e) < 0)
			log_err(LOG_ERROR, &e, "exit status of %.12s", b->id);
	}
	while (b->execs != NULL) {
		struct err e = ERR_INIT;

		if (b->execs->state == MON_RUNNING) {
			exec_ended(b->execs);
			continue;
		}
		/* it was about to enter, and somebody waits for it */
		err_set(&e, ERR_CONFLICT, "container %s is not running", b->id);
		start_failed(b->execs, &e);
	}
	b->state = BOX_EXITED;
	b->code = x.code;
	b->oom_killed = x.oom_killed;
	b->finished_at = x.finished_at;
	if (!b->cancelled)
		send_exited(rt, b->id, "", x.code, x.oom_killed, x.finished_at);
	box_release(b);
	if (b->cancelled) {
		if (dir >= 0) {
			(void)unlinkat(dir, "state", 0);
			(void)unlinkat(dir, "exit", 0);
		}
		box_free(b);
	}
}

static void
mon_gone(struct mon *m)
{
	struct err e = ERR_INIT;

	if (m->state == MON_RUNNING) {
		if (*m->exec != '\0')
			exec_ended(m);
		else
			container_ended(m);
		return;
	}
	err_set(&e, ERR_SYSTEM, "the container's monitor ended unexpectedly");
	start_failed(m, &e);
}

static void
give_logs(struct mon *m, struct wire *w)
{
	const struct w_logs *got = w->msg;
	struct api_log_files r = { .tty = m->tty, .follow = got->follow, .driver = m->box->log_driver };
	struct asked *a = m->asked;
	int fds[33];
	size_t n = 0;

	if (a == NULL)
		return;
	m->asked = a->next;
	/* the follower's end is the last of at most 32 */
	for (size_t i = w->nfds > 31 ? w->nfds - 31 : 0; i < w->nfds; i++)
		fds[n++] = w->fds[i];
	if (r.follow)
		fds[n++] = a->follow;
	call_reply(a->call, &r, fds, n);
	fd_close(&a->follow);
	free(a);
}

/* Returns false when m is gone. */
static bool
mon_says(struct mon *m, struct wire *w)
{
	struct err e = ERR_INIT;

	switch (w->kind) {
	case W_CLONED:
		if (m->pidfd >= 0)
			break;
		if (box_cloned(m, w, &e) < 0) {
			start_failed(m, &e);
			return false;
		}
		return true;
	case W_STARTED:
		if (m->state == MON_STARTING)
			started(m, w->msg);
		return true;
	case W_FAILED:
		if (m->state == MON_RUNNING)
			return true;
		wire_error(w, &e);
		start_failed(m, &e);
		return false;
	case W_LOG_FILES:
		give_logs(m, w);
		return true;
	case W_DETACHED: {
		struct run_id id = { .id = m->box->id };

		if (m->rt->run != NULL && edge_send(m->rt->run, NO_run_detached, &id, NULL, 0, NULL, NULL, &e) < 0)
			log_err(LOG_WARN, &e, "detach of %.12s", m->box->id);
		return true;
	}
	default:
		break;
	}
	err_set(&e, ERR_PROTOCOL, "message %d", (int)w->kind);
	log_err(LOG_ATTACK, &e, "the monitor of %.12s broke the rules", m->box->id);
	mon_gone(m);
	return false;
}

void
mon_ready(struct loop_io *io, uint32_t events)
{
	struct mon *m = (struct mon *)(void *)((char *)io - offsetof(struct mon, io));

	for (;;) {
		own_wire w = WIRE_INIT;
		struct err e = ERR_INIT;
		bool again;
		int r = wire_recv(io->fd, true, &w, &again, &e);

		if (r == 1) {
			if (!mon_says(m, &w))
				return;
			continue;
		}
		if (again)
			return;
		if (r < 0)
			log_err(LOG_ATTACK, &e, "the monitor of %.12s broke the rules", m->box->id);
		mon_gone(m);
		return;
	}
}
