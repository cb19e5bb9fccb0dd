/*
 * After a start of the runtime: every container's directory is looked at. One whose monitor listens goes on as if nothing
 * had been; one that ended meanwhile left its exit status; one whose monitor is gone as well is ended now.
 */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "state.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HELLO_MS 10000

/* A container must not be taken for dead because something else woke us: only its silence until the end of HELLO_MS counts. */
static int
hear_hello(int fd, struct wire *w, struct err *e)
{
	int64_t until = now_mono_ns() + INT64_C(1000000) * HELLO_MS;

	for (int64_t left = until - now_mono_ns(); left > 0; left = until - now_mono_ns()) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		bool again = false;
		int n = poll(&p, 1, (int)(left / 1000000) + 1), r;

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for it");
		if (n <= 0)
			continue;
		r = wire_recv(fd, true, w, &again, e);
		if (r == 1)
			return 0;
		if (!again)
			return r < 0 ? -1 : err_set(e, ERR_SYSTEM, "it closed the connection");
	}
	return err_set(e, ERR_SYSTEM, "nothing came within %d ms", HELLO_MS);
}

/* 1: found, 0: nobody there. */
static int
meet(struct runtime *rt, const char *name, struct box *b, struct mon **ret)
{
	own_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	own_wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	struct sockaddr_un a;
	struct mon *m;

	if (fd < 0 || socket_path(rt, name, &a, &e) < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		log_msg(LOG_WARN, "the monitor %.12s of container %.12s cannot be reached: %s", name, b->id, strerror(errno));
		return 0;
	}
	if (hear_hello(fd, &w, &e) < 0 || w.kind != W_HELLO || w.nfds < 1) {
		log_err(LOG_WARN, &e, "the monitor %.12s of container %.12s does not answer", name, b->id);
		return 0;
	}
	const struct w_start *s = w.msg;

	m = calloc(1, sizeof *m);
	if (m == NULL || s->id == NULL || strcmp(s->id, b->id) != 0) {
		free(m);
		return 0;
	}
	*m = (struct mon){ .rt = rt, .box = b, .io = { .fd = -1, .on_ready = mon_ready }, .rs = -1, .pid = (pid_t)s->pid,
		.state = MON_RUNNING, .tty = s->tty, .started_at = s->started_at };
	if (s->exec != NULL && !text_copy(m->exec, sizeof m->exec, s->exec)) {
		free(m);
		return 0;
	}
	m->pidfd = fd_take(&w.fds[0]);
	if (*m->exec == '\0' && w.nfds == 2) {
		fd_close(&b->userns[0]);
		b->userns[0] = fd_take(&w.fds[1]);
	}
	m->io.fd = fd_take(&fd);
	if (loop_add(rt->loop, &m->io, EPOLLIN, &e) < 0) {
		mon_free(m);
		return 0;
	}
	*ret = m;
	return 1;
}

static void
from_state(struct box *b, const struct w_start *s)
{
	char copy[400], *split;

	snprintf(copy, sizeof copy, "%s", s->cgroup != NULL ? s->cgroup : "");
	split = strchr(copy, '\n');
	if (split != NULL) {
		*split = '\0';
		if (!text_copy(b->cg_parent, sizeof b->cg_parent, copy) || !text_copy(b->cg_name, sizeof b->cg_name, split + 1))
			log_msg(LOG_WARN, "the control group of container %s is not known", b->id);
	}
	b->own = b->create = (unsigned)s->spaces;
	b->host_cgroupns = (s->spaces & 0x02000000) == 0;   /* CLONE_NEWCGROUP */
	b->id_base = (uint32_t)s->id_base;
	b->tty = s->tty;
	b->foreign = s->foreign;
	b->oom_before = s->oom_before;
	snprintf(b->log_driver, sizeof b->log_driver, "%s", s->log_driver != NULL ? s->log_driver : "");
}

static void
recover_exec(struct runtime *rt, struct box *b, int dir, const char *exec)
{
	struct exit_status x;
	struct mon *m;
	char name[96];

	snprintf(name, sizeof name, "%s.exit", exec);
	if (b->state == BOX_RUNNING && exit_read(dir, name, &x) == 0 && meet(rt, exec, b, &m) == 1) {
		m->next = b->execs;
		b->execs = m;
		return;
	}
	if (exit_read(dir, name, &x) <= 0)
		x = (struct exit_status){ .code = 137, .finished_at = now_real_ns() };
	send_exited(rt, b->id, exec, x.code, x.oom_killed, x.finished_at);
	(void)unlinkat(dir, name, 0);
	snprintf(name, sizeof name, "%s.state", exec);
	(void)unlinkat(dir, name, 0);
	socket_remove(rt, exec);
}

static void
recover_execs(struct runtime *rt, struct box *b, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		char exec[65];

		if (strlen(entry->d_name) != 70 || strcmp(entry->d_name + 64, ".state") != 0)
			continue;
		memcpy(exec, entry->d_name, 64);
		exec[64] = '\0';
		if (text_is_id(exec))
			recover_exec(rt, b, dir, exec);
	}
	closedir(d);
}

static int
recover_box(struct runtime *rt, const char *id, struct err *e)
{
	own_fd dir = fd_open_beneath(rt->containers, id, O_RDONLY | O_DIRECTORY, 0);
	own_arena a = ARENA_INIT;
	struct exit_status x = { .code = 137 };
	struct w_start s;
	struct box *b;

	/* no state: only the log of earlier runs is there */
	if (dir < 0 || state_read(dir, "state", &a, &s) != 1)
		return 0;
	if (s.host != rt->host)   /* the other one's */
		return rt->host ? 0 : remote_add(rt, id, e);
	b = box_new(rt, id, e);
	if (b == NULL)
		return -1;
	from_state(b, &s);
	b->has_cgroup = true;
	b->state = BOX_EXITED;
	if (exit_read(dir, "exit", &x) != 1 && meet(rt, id, b, &b->init) == 1) {
		b->state = BOX_RUNNING;
		if (b->foreign)
			foreign_find(b->init);
		b->started_at = b->init->started_at;
		b->paused = cg_is_frozen(rt, b);
	} else if (exit_read(dir, "exit", &x) != 1) {
		x.finished_at = now_real_ns();
		x.oom_killed = cg_oom_count(rt, b) > b->oom_before;
		if (exit_write(dir, "exit", &x, e) < 0)
			log_err(LOG_ERROR, e, "exit status of %.12s", id);
	}
	recover_execs(rt, b, dir);
	if (b->state == BOX_RUNNING)
		return 0;
	b->code = x.code;
	b->oom_killed = x.oom_killed;
	b->finished_at = x.finished_at;
	(void)cg_kill(rt, b->cg_parent, b->cg_name, SIGKILL);
	box_release(b);
	return 0;
}

/* Sockets of monitors that are not there any more. */
static void
sweep_sockets(struct runtime *rt)
{
	int fd = openat(rt->sockets, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		const char *name = entry->d_name;
		bool used = false;

		if (rt->host && !text_starts(name, SOCKET_OF_HOST))
			continue;
		name += rt->host ? strlen(SOCKET_OF_HOST) : 0;
		for (struct box *b = rt->boxes; b != NULL && !used; b = b->next) {
			used = b->state == BOX_RUNNING && strcmp(b->id, name) == 0;
			for (struct mon *m = b->execs; m != NULL; m = m->next)
				used = used || strcmp(m->exec, name) == 0;
		}
		if (!used && text_is_id(name))
			socket_remove(rt, name);
	}
	closedir(d);
}

int
recover(struct runtime *rt, struct err *e)
{
	int fd = openat(rt->containers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int r = 0;

	if (d == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "read the containers' directory");
	}
	while (r == 0 && (entry = readdir(d)) != NULL)
		if (text_is_id(entry->d_name))
			r = recover_box(rt, entry->d_name, e);
	closedir(d);
	if (r == 0) {
		sweep_sockets(rt);
		cg_sweep(rt);
		route_want(rt);
	}
	return r;
}
