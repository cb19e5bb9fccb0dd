/* run_start and run_exec: everything that a prepared sandbox (or a running container) needs to execute one program. */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 900

int
socket_path(const struct runtime *rt, const char *name, void *sockaddr, struct err *e)
{
	struct sockaddr_un *a = sockaddr;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* through our descriptor: the exec root's path may be longer than an address holds */
	if ((size_t)snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s%s", rt->sockets, rt->host ? SOCKET_OF_HOST : "", name) >= sizeof a->sun_path)
		return err_set(e, ERR_INVALID, "socket name %s", name);
	return 0;
}

void
socket_remove(const struct runtime *rt, const char *name)
{
	char path[96];

	snprintf(path, sizeof path, "%s%s", rt->host ? SOCKET_OF_HOST : "", name);
	(void)unlinkat(rt->sockets, path, 0);
}

/* Where the monitor is found by a runtime that was started later. */
static int
make_listener(struct runtime *rt, const char *name, int *ret_fd, struct err *e)
{
	struct sockaddr_un a;
	own_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || socket_path(rt, name, &a, e) < 0)
		return fd < 0 ? err_sys(e, errno, "socket") : -1;
	socket_remove(rt, name);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0)
		return err_sys(e, errno, "bind the monitor's socket");
	*ret_fd = fd_take(&fd);
	return 0;
}

static int
plan_log(const struct run_log *log, struct w_start *s, struct err *e)
{
	const char *format = log != NULL && log->format != NULL ? log->format : "none";

	if ((strcmp(format, "json-file") != 0 && strcmp(format, "local") != 0 && strcmp(format, "none") != 0) || (log != NULL && log->size < 0))
		return err_set(e, ERR_PROTOCOL, "malformed log");
	s->log_driver = (char *)(uintptr_t)format;
	if (log == NULL)
		return 0;
	s->log_size = log->size;
	s->log_files = log->files > 0 ? log->files : 1;
	s->log_compress = log->compress;
	s->log_attrs = log->attrs;
	return 0;
}

static void
plan_start(const struct box *b, const struct run_process *p, const char *exec, struct w_start *s)
{
	s->id = (char *)(uintptr_t)b->id;
	s->exec = (char *)(uintptr_t)exec;
	s->tty = p->tty;
	s->open_stdin = p->open_stdin;
	s->stdin_once = p->stdin_once;
	s->height = p->console_size.a;
	s->width = p->console_size.b;
	s->id_base = b->id_base;
	s->spaces = b->own;
	s->pid = b->init->pid;
	s->host = b->rt->host;
}

int
send_fds(int rs, const int *fds, size_t n, struct err *e)
{
	for (size_t at = 0; at < n; at += 100)
		if (wire_send(rs, W_FDS, NULL, fds + at, n - at < 100 ? n - at : 100, e) < 0)
			return -1;
	return 0;
}

static int
send_start(struct mon *m, const struct w_start *s, int dir, int listener, struct err *e)
{
	struct box *b = m->box;
	own_fd oom = -1, procs = -1;
	int fds[5];
	size_t n = 0;
	struct w_start copy = *s;

	fds[n++] = dir;
	fds[n++] = listener;
	if (*m->exec == '\0') {
		if (b->userns[0] < 0)
			return err_set(e, ERR_SYSTEM, "the container's id mapping is not known");
		fds[n++] = b->userns[0];
		oom = cg_open(b->rt, b, "memory", b->rt->v2 ? "memory.events" : "memory.oom_control", O_RDONLY);
		if (oom >= 0)
			fds[n++] = oom;
		if ((b->create & CLONE_NEWPID) == 0 && (procs = cg_open(b->rt, b, NULL, "cgroup.procs", O_RDONLY)) >= 0)
			fds[n++] = procs;
	}
	copy.has_oom = oom >= 0;
	copy.has_procs = procs >= 0;
	return wire_send(m->io.fd, W_START, &copy, fds, n, e);
}

static int
send_attach(struct mon *m, const struct run_stream *stream, int fd, struct err *e)
{
	return wire_send(m->io.fd, W_ATTACH, stream, &fd, 1, e);
}

static int
hand_over_waiters(struct box *b, struct err *e)
{
	while (b->waiters != NULL) {
		struct waiter *w = b->waiters;
		int r = send_attach(b->init, w->stream, w->fd, e);

		b->waiters = w->next;
		fd_close(&w->fd);
		arena_done(&w->arena);
		free(w);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* The directory stays over restarts of the container: the log goes on. */
static int
open_dir(struct box *b, int *ret_fd, struct err *e)
{
	int fd;

	b->is_new_dir = mkdirat(b->rt->containers, b->id, 0700) == 0;
	fd = fd_open_beneath(b->rt->containers, b->id, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(e, errno, "open the container's directory");
	(void)unlinkat(fd, "exit", 0);
	*ret_fd = fd;
	return 0;
}

int
rlimits_complete(const struct runtime *rt, const struct run_process *p, struct arena *a, struct run_process *ret, struct err *e)
{
	*ret = *p;
	ret->rlimits = (struct ulimit_rec_list){ 0 };
	for (size_t i = 0; i < p->rlimits.n + rt->n_rlimits; i++) {
		size_t k = i < p->rlimits.n ? 0 : i - p->rlimits.n;
		bool named = false;
		struct ulimit_rec *u;

		for (size_t j = 0; i >= p->rlimits.n && j < p->rlimits.n; j++)
			named = named || (p->rlimits.v[j].name != NULL && strcmp(p->rlimits.v[j].name, rt->rlimits[k].name) == 0);
		if (named)
			continue;
		u = list_add(&ret->rlimits, a, sizeof *u);
		if (u == NULL)
			return err_set(e, ERR_NO_MEMORY, "resource limits");
		if (i < p->rlimits.n)
			*u = p->rlimits.v[i];
		else
			*u = (struct ulimit_rec){ .name = (char *)(uintptr_t)rt->rlimits[k].name, .soft = rt->rlimits[k].soft, .hard = rt->rlimits[k].hard };
	}
	return 0;
}

static int
collect(struct box *b, const struct run_spec *spec, struct w_spec *w, int *fds, size_t *n, struct err *e)
{
	unsigned flags = 0;
	int filter;

	/* compiled in any case: what is wrong with a profile is said the same way, whoever loads it */
	if (filter_for(b->rt, spec->process, &filter, &flags, e) < 0)
		return -1;
	if (filter >= 0 && spec->runtime != NULL && *spec->runtime != '\0') {
		close(filter);
		if (filter_json(spec->process, &filter, e) < 0)
			return -1;
	}
	if (filter >= 0)
		fds[(*n)++] = filter;
	w->seccomp = filter >= 0;
	w->seccomp_flags = flags;
	if (spec->init && (fds[(*n)++] = fcntl(b->rt->init_bin, F_DUPFD_CLOEXEC, 3)) < 0)
		return err_sys(e, errno, "init");
	if (give_mounts(b, spec, fds, FDS_MAX, n, e) < 0)
		return -1;
	if ((b->rt->host ? cg_devices(b, spec, fds + *n - spec->devices.n, e) : devices_deny(b, spec, fds + *n - spec->devices.n, e)) < 0)
		return -1;
	w->nfds = (int64_t)*n;
	return 0;
}

static int
start(struct box *b, const struct run_spec *spec, struct w_start *s, int *fds, size_t *n, struct err *e)
{
	struct run_spec plain = *spec;
	struct run_process process;
	struct w_spec w = { .spec = &plain, .own = b->own, .no_shm = b->no_shm };
	own_arena a = ARENA_INIT;
	own_fd dir = -1, listener = -1;
	struct w_start kept;

	if (devices_expand(spec, &a, &plain.devices, e) < 0 || rlimits_complete(b->rt, spec->process, &a, &process, e) < 0)
		return -1;
	plain.process = &process;
	spec = &plain;
	if (plan_log(spec->log, s, e) < 0)
		return -1;
	if (spec->limits != NULL && cg_limits(b->rt, b, spec->limits, e) < 0)
		return -1;
	if (collect(b, spec, &w, fds, n, e) < 0 || open_dir(b, &dir, e) < 0 || make_listener(b->rt, b->id, &listener, e) < 0)
		return -1;
	s->oom_before = b->oom_before = cg_oom_count(b->rt, b);
	/* on disk before anything runs: whatever is killed from now on, the container is found again. The attributes are the monitor's alone */
	kept = *s;
	kept.log_attrs = NULL;
	if (state_write(dir, "state", &kept, e) < 0)
		return -1;
	if (send_start(b->init, s, dir, listener, e) < 0 || hand_over_waiters(b, e) < 0)
		return -1;
	return send_fds(b->init->rs, fds, *n, e) < 0 ? -1 : wire_send(b->init->rs, W_SPEC, &w, NULL, 0, e);
}

int
on_run_start(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_spec *spec = msg;
	struct box *b = box_find(rt, spec->id);
	struct w_start s = { .pid = 0 };
	char cgroup[400];
	int fds[FDS_MAX], r;
	size_t n = 0;

	rt->last_request = now_mono_ns();
	if (b == NULL || b->state != BOX_PREPARED)
		return err_set(e, ERR_CONFLICT, "container %s was not prepared", spec->id != NULL ? spec->id : "");
	if (spec->process == NULL)
		return err_set(e, ERR_PROTOCOL, "no process");
	if (!rt->host && (spec->privileged || spec->device_cgroup_rules.n > 0)) {
		err_set(e, ERR_PROTOCOL, "a container with a user namespace cannot have that");
		box_free(b);
		return -1;
	}
	if (rt->host && spec->runtime != NULL && *spec->runtime != '\0') {
		err_set(e, ERR_UNSUPPORTED, "another runtime is not started without a user namespace");
		box_free(b);
		return -1;
	}
	plan_start(b, spec->process, "", &s);
	s.foreign = b->foreign = spec->runtime != NULL && *spec->runtime != '\0';
	snprintf(cgroup, sizeof cgroup, "%s\n%s", b->cg_parent, b->cg_name);
	s.cgroup = cgroup;
	b->tty = spec->process->tty;
	b->init->tty = b->tty;
	b->init->start = c;
	b->state = BOX_STARTING;
	b->init->state = MON_STARTING;
	r = start(b, spec, &s, fds, &n, e);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	if (r < 0) {
		own_fd dir = fd_open_beneath(rt->containers, b->id, O_RDONLY | O_DIRECTORY, 0);

		if (dir >= 0)
			(void)unlinkat(dir, "state", 0);
		box_forget_dir(b);
		b->init->start = NULL;
		box_free(b);
		return -1;
	}
	snprintf(b->log_driver, sizeof b->log_driver, "%s", s.log_driver);
	return 0;
}

static int
exec_start(struct mon *m, const struct run_exec *x, int client, struct err *e)
{
	struct box *b = m->box;
	struct run_process process;
	struct w_spec w = { .process = &process };
	own_arena a = ARENA_INIT;
	struct w_start s = { .log_driver = (char *)(uintptr_t)"none", .cgroup = (char *)(uintptr_t)"" };
	own_fd dir = fd_open_beneath(b->rt->containers, b->id, O_RDONLY | O_DIRECTORY, 0), listener = -1, filter = -1;
	char name[96];
	unsigned flags = 0;
	int got;

	if (dir < 0)
		return err_sys(e, errno, "open the container's directory");
	if (rlimits_complete(b->rt, x->process, &a, &process, e) < 0)
		return -1;
	if (filter_for(b->rt, x->process, &got, &flags, e) < 0 || make_listener(b->rt, x->exec, &listener, e) < 0)
		return -1;
	filter = got;
	w.seccomp = filter >= 0;
	w.seccomp_flags = flags;
	w.nfds = filter >= 0 ? 1 : 0;
	plan_start(b, x->process, x->exec, &s);
	snprintf(name, sizeof name, "%s.state", x->exec);
	if (state_write(dir, name, &s, e) < 0 || send_start(m, &s, dir, listener, e) < 0)
		return -1;
	if (client >= 0 && send_attach(m, x->stream, client, e) < 0)
		return -1;
	if (filter >= 0 && send_fds(m->rs, &filter, 1, e) < 0)
		return -1;
	return wire_send(m->rs, W_SPEC, &w, NULL, 0, e);
}

static int
exec_spawn(struct box *b, const struct run_exec *x, struct mon **ret, struct err *e)
{
	struct w_join join = { .flags = b->own & ~(unsigned)(b->host_cgroupns ? CLONE_NEWCGROUP : 0) };
	struct w_prepare p = { .host = b->rt->host, .monitor_uid = b->rt->run_uid, .monitor_gid = b->rt->run_gid, .joins = { .n = 1, .v = &join }, .exec = true, .into_cgroup = b->rt->v2, .oom_score_adj = x->process->oom_score_adj };
	int fds[64], r;
	size_t n = 0;

	if (cg_join_fds(b->rt, b, fds + 1, &n, e) < 0)
		return -1;
	fds[0] = b->init->pidfd;
	r = mon_spawn(b->rt, b, &p, fds, n + 1, ret, e);
	for (size_t i = 1; i <= n; i++)
		fd_close(&fds[i]);
	return r;
}

int
on_run_exec(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_exec *x = msg;
	struct box *b = box_find(rt, x->id);
	struct mon *m = NULL;
	int client = c->nfds == 1 ? c->fds[0] : -1;

	rt->last_request = now_mono_ns();
	if (b == NULL || b->state != BOX_RUNNING)
		return err_set(e, ERR_CONFLICT, "container %s is not running", x->id != NULL ? x->id : "");
	if (b->paused)
		return err_set(e, ERR_CONFLICT, "Container %s is paused, unpause the container before exec", x->id);
	if (!text_is_id(x->exec) || x->process == NULL || (client >= 0) != (x->stream != NULL))
		return err_set(e, ERR_PROTOCOL, "malformed exec");
	if (exec_spawn(b, x, &m, e) < 0)
		return -1;
	strcpy(m->exec, x->exec);
	m->tty = x->process->tty;
	m->state = MON_STARTING;
	m->next = b->execs;
	b->execs = m;
	if (exec_start(m, x, client, e) < 0) {
		b->execs = m->next;
		socket_remove(rt, m->exec);
		mon_free(m);
		return -1;
	}
	m->start = c;
	return 0;
}
