/* Starts the roles on socketpairs, gives them their descriptors and edges, watches and restarts them, stops them in order. */
#include "supervisor.h"

#include "fd.h"
#include "log.h"
#include "msg/give.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

/* Which roles talk to each other: an edge that is not here does not exist. (api: between broker and each worker.) */
static const struct wire { const char *name; enum role a, b; } wires[] = {
	{ "store", ROLE_BROKER, ROLE_STORED },
	{ "net", ROLE_BROKER, ROLE_NETD },
	{ "dns", ROLE_BROKER, ROLE_RESOLVER },
	{ "run", ROLE_BROKER, ROLE_RUNTIME },
	{ "log", ROLE_BROKER, ROLE_LOGGER },
	{ "idmap", ROLE_RUNTIME, ROLE_IDMAPPER },
	{ "mount", ROLE_RUNTIME, ROLE_MOUNTER },
	/* on which mounts for containers without a user namespace are given, and on no other */
	{ "hostmount", ROLE_HOST_RUNTIME, ROLE_MOUNTER },
};
static const enum role start_order[] = { ROLE_STORED, ROLE_MOUNTER, ROLE_IDMAPPER, ROLE_NETD, ROLE_RESOLVER, ROLE_RUNTIME, ROLE_BROKER };
/* The broker first: it stops the containers through the others. */
static const enum role stop_order[] = { ROLE_BROKER, ROLE_RUNTIME, ROLE_HOST_RUNTIME, ROLE_NETD, ROLE_RESOLVER, ROLE_MOUNTER, ROLE_IDMAPPER, ROLE_STORED,
	ROLE_LOGGER };
#define N_ROLES (sizeof start_order / sizeof *start_order)
#define N_STOP (sizeof stop_order / sizeof *stop_order)

static void start_role(struct proc_slot *p);

static bool
is_runtime(enum role role)
{
	return role == ROLE_RUNTIME || role == ROLE_HOST_RUNTIME;
}

static int
write_map(pid_t pid, const char *name, struct err *e)
{
	char path[64], text[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	snprintf(text, sizeof text, "0 %u %u", IMAGE_ID_BASE, ID_RANGE_SIZE);
	return fd_write_text(AT_FDCWD, path, text) < 0 ? err_sys(e, errno, "map the image ids") : 0;
}

/* In the child of a role that is root over the image ids: a user namespace, mapped by the parent while we wait. */
static int
enter_image_namespace(int sync, struct err *e)
{
	char byte = 0;

	if (unshare(CLONE_NEWUSER) < 0 || write(sync, &byte, 1) != 1 || read(sync, &byte, 1) != 1)
		return err_sys(e, errno, "user namespace of the image ids");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the image ids");
	return 0;
}

static int
map_child(pid_t pid, int sync, struct err *e)
{
	char byte = 0;

	if (read(sync, &byte, 1) != 1)
		return err_set(e, ERR_SYSTEM, "the child ended early");
	if (write_map(pid, "uid_map", e) < 0 || write_map(pid, "gid_map", e) < 0)
		return -1;
	return write(sync, &byte, 1) == 1 ? 0 : err_sys(e, errno, "wake the child");
}

/* Puts the descriptors in their places; all others end with the exec. */
static int
place_fds(int binary, int ctl, const int *extra, size_t n, int *ret_binary)
{
	int high[16];
	int null = open("/dev/null", O_RDWR);

	if (n + 2 > sizeof high / sizeof *high || null < 0)
		return -1;
	for (size_t i = 0; i < n + 2; i++) {
		int from = i == 0 ? binary : i == 1 ? ctl : extra[i - 2];

		high[i] = fcntl(from, F_DUPFD_CLOEXEC, 24);
		if (high[i] < 0)
			return -1;
	}
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return -1;
	for (size_t i = 1; i < n + 2; i++)
		if (dup2(high[i], CTL_FD + (int)i - 1) < 0)
			return -1;
	*ret_binary = high[0];
	return (int)syscall(SYS_close_range, CTL_FD + (unsigned)n + 1, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
}

/* Credentials for log endpoints come by the daemon's environment, as with the Docker engine; they are the logger's alone. */
static void
logger_environment(char **env)
{
	static const char *const names[] = { "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_REGION=", "GOOGLE_APPLICATION_CREDENTIALS=",
		"BULWARK_GCPLOGS_ENDPOINT=" };
	size_t n = 0;

	for (char **v = environ; *v != NULL; v++)
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (strncmp(*v, names[i], strlen(names[i])) == 0 && n < sizeof names / sizeof *names)
				env[n++] = *v;
}

static void __attribute__((noreturn))
child(struct supervisor *s, enum role role, char *const argv[], int binary, int ctl, const int *extra, size_t n, int sync)
{
	const struct role_row *row = &role_table[role];
	struct err e = ERR_INIT;
	sigset_t none;
	char *env[8] = { NULL };
	char crash[256];
	const char *point = getenv("BULWARK_CRASH_POINT");

#ifdef BULWARK_CRASH_POINTS
	if (point != NULL && snprintf(crash, sizeof crash, "BULWARK_CRASH_POINT=%s", point) < (int)sizeof crash)
		env[0] = crash;
#else
	(void)point;
	(void)crash;
#endif
	if (role == ROLE_LOGGER)
		logger_environment(env);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (size_t i = 0; is_runtime(role) && i < s->host.n_cgroups; i++)
		if (s->host.cgroups[i].engine >= 0 && write(s->host.cgroups[i].engine, "0", 1) != 1)
			log_msg(LOG_WARN, "the runtime cannot join its own cgroup: %s", strerror(errno));
	if ((row->image_root && enter_image_namespace(sync, &e) < 0) ||
	    (geteuid() == 0 && role_drop(role, row->image_root ? 0 : s->host.uids[role], row->image_root ? 0 : s->host.gids[role], &e) < 0)) {
		log_err(LOG_FATAL, &e, "cannot become %s", row->name);
		_exit(126);
	}
	if (place_fds(binary, ctl, extra, n, &binary) == 0)
		syscall(SYS_execveat, binary, "", argv, env, AT_EMPTY_PATH);
	log_msg(LOG_FATAL, "cannot execute %s: %s", row->binary, strerror(errno));
	_exit(127);
}

pid_t
proc_spawn(struct supervisor *s, enum role role, char *const argv[], int ctl_fd, const int *extra, size_t n_extra, struct err *e)
{
	const struct role_row *row = &role_table[role];
	own_fd binary = openat(s->libexec, row->binary, O_PATH | O_CLOEXEC);
	int sync[2] = { -1, -1 };
	pid_t pid;

	if (binary < 0)
		return err_sys(e, errno, "open %s", row->binary);
	if (row->image_root && edge_pair(sync, e) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		child(s, role, argv, binary, ctl_fd, extra, n_extra, sync[1]);
	fd_close(&sync[1]);
	if (pid < 0)
		err_sys(e, errno, "fork");
	else if (row->image_root && map_child(pid, sync[0], e) < 0)
		kill(pid, SIGKILL);   /* reaped by the loop */
	fd_close(&sync[0]);
	return pid;
}

/* Each role is sent the part of the configuration that it needs. */
static struct engine_config
config_for(const struct engine_config *c, enum role role)
{
	struct engine_config part = { .log_level = c->log_level, .log_json = c->log_json, .debug = c->debug };

	switch (role) {
	case ROLE_BROKER:
		part = *c;
		break;
	case ROLE_WORKER:
		part.data_root = c->data_root;
		part.experimental = c->experimental;
		part.features = c->features;
		break;
	case ROLE_RUNTIME: case ROLE_HOST_RUNTIME:
		part.cgroup_parent = c->cgroup_parent;
		part.seccomp = c->seccomp;
		part.exec_root = c->exec_root;
		break;
	case ROLE_IDMAPPER:
		part.id_ranges_used = c->id_ranges_used;
		break;
	case ROLE_MOUNTER:
		part.allowed_roots = c->allowed_roots;
		part.forbidden_roots = c->forbidden_roots;
		break;
	case ROLE_NETD:
		part.ip_forward = c->ip_forward;
		part.iptables = c->iptables;
		break;
	case ROLE_SUPERVISOR: case ROLE_CONFIG: case ROLE_MONITOR: case ROLE_STORED: case ROLE_UNPACKER: case ROLE_LOCKER: case ROLE_ARCHIVER:
	case ROLE_RESOLVER: case ROLE_LOGGER: case ROLE_COUNT:
		break;
	}
	return part;
}

/* The descriptors of ctl_start, as msg/ctl.h lists them. */
static size_t
fds_for(const struct host *h, enum role role, int *fds)
{
	size_t n = 0;

	switch (role) {
	case ROLE_BROKER:
		fds[n++] = h->broker;
		for (size_t i = 0; i < h->n_sockets && n < 38; i++)
			fds[n++] = h->sockets[i];
		break;
	case ROLE_RUNTIME: case ROLE_HOST_RUNTIME:
		fds[n++] = h->containers;
		fds[n++] = h->run;
		for (size_t i = 0; i < h->n_cgroups; i++)
			fds[n++] = h->cgroups[i].fd;
		break;
	case ROLE_STORED:
		fds[n++] = h->safe_store.fd;
		fds[n++] = h->safe_volumes.fd;
		break;
	case ROLE_MOUNTER:
		fds[n++] = h->store;
		fds[n++] = h->volumes;
		fds[n++] = h->root;
		break;
	case ROLE_WORKER:
		fds[n++] = h->empty;
		break;
	case ROLE_LOGGER:
		fds[n++] = h->logger;
		break;
	case ROLE_SUPERVISOR: case ROLE_CONFIG: case ROLE_MONITOR: case ROLE_IDMAPPER: case ROLE_UNPACKER:
	case ROLE_NETD: case ROLE_LOCKER: case ROLE_ARCHIVER: case ROLE_RESOLVER: case ROLE_COUNT:
		break;
	}
	return n;
}

static int
fill_start(struct supervisor *s, struct proc_slot *p, struct engine_config *part, struct arena *a, struct ctl_start *m, struct err *e)
{
	*part = config_for(s->config, p->role);
	*m = (struct ctl_start){ .config = part, .principal = p->principal, .run_uid = s->host.uids[ROLE_RUNTIME] };
	for (size_t i = 0; is_runtime(p->role) && i < s->host.n_cgroups; i++)
		if (!strs_add(&m->cgroups, a, s->host.cgroups[i].name))
			return err_set(e, ERR_NO_MEMORY, "start %s", role_table[p->role].name);
	for (size_t i = 0; is_runtime(p->role) && i < ROLE_LIMITS; i++) {
		struct ulimit_rec *u = list_add(&m->limits, a, sizeof *u);

		if (u == NULL)
			return err_set(e, ERR_NO_MEMORY, "start %s", role_table[p->role].name);
		*u = (struct ulimit_rec){ .name = (char *)(uintptr_t)role_limits[i].name, .soft = role_limits[i].soft, .hard = role_limits[i].hard };
	}
	return 0;
}

static void
check_ready(struct supervisor *s)
{
	if (s->ready)
		return;
	for (size_t i = 0; i < N_ROLES; i++)
		if (!s->roles[start_order[i]].started)
			return;
	s->ready = true;
	for (size_t i = 0; i < s->config->hosts.n; i++)
		log_msg(LOG_INFO, "API listen on %s", s->config->hosts.v[i]);
	log_msg(LOG_INFO, "Daemon has completed initialization");
	s->on_ready();
}

static void
on_started(void *ctx, struct answer *a)
{
	struct proc_slot *p = ctx;

	if (a->err != NULL) {
		if (!p->s->stopping)
			log_err(LOG_ERROR, a->err, "%s did not start", role_table[p->role].name);
		return;
	}
	p->started = true;
	check_ready(p->s);
}

static void
on_edge_taken(void *ctx, struct answer *a)
{
	struct proc_slot *p = ctx;

	if (a->err != NULL && !p->s->stopping)
		log_err(LOG_ERROR, a->err, "%s did not take an edge", role_table[p->role].name);
}

static int
send_edge(struct proc_slot *p, const char *name, int fd, struct err *e)
{
	struct ctl_edge m = { .name = (char *)(uintptr_t)name };

	return edge_send(p->ctl, NO_ctl_edge, &m, &fd, 1, on_edge_taken, p, e) < 0 ? -1 : 0;
}

/* (Re)connects a role to all its running neighbours. */
static int
wire(struct proc_slot *p, struct err *e)
{
	for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
		struct proc_slot *a = &p->s->roles[wires[i].a], *b = &p->s->roles[wires[i].b];
		int fds[2];
		int r;

		if ((a != p && b != p) || a->ctl == NULL || b->ctl == NULL)
			continue;
		if (edge_pair(fds, e) < 0)
			return -1;
		r = send_edge(a, wires[i].name, fds[0], e) < 0 || send_edge(b, wires[i].name, fds[1], e) < 0 ? -1 : 0;
		fd_close(&fds[0]);
		fd_close(&fds[1]);
		if (r < 0)
			return err_wrap(e, "edge %s", wires[i].name);
	}
	return 0;
}

static int
on_ctl_worker(struct call *c, const void *msg, struct err *e)
{
	struct proc_slot *asker = c->ctx;
	struct supervisor *s = asker->s;
	const struct ctl_worker *m = msg;
	struct proc_slot *p = NULL;
	int fds[2] = { -1, -1 };

	if (asker->role != ROLE_BROKER)
		return err_set(e, ERR_DENIED, "%s may not ask for a worker", role_table[asker->role].name);
	for (size_t i = 0; i < MAX_WORKERS && p == NULL; i++)
		if (s->workers[i].pid == 0)
			p = &s->workers[i];
	if (p == NULL || s->stopping)
		return err_set(e, ERR_LIMIT, "too many principals at once");
	p->s = s;
	p->role = ROLE_WORKER;
	snprintf(p->principal, sizeof p->principal, "%s", m->principal != NULL ? m->principal : "");
	start_role(p);
	if (p->ctl == NULL || edge_pair(fds, e) < 0)
		return err_set(e, ERR_UNAVAILABLE, "cannot start a worker");
	if (send_edge(p, "api", fds[0], e) < 0) {
		fd_close(&fds[0]);
		fd_close(&fds[1]);
		return -1;
	}
	fd_close(&fds[0]);
	call_reply(c, &(struct none){ 0 }, &fds[1], 1);
	fd_close(&fds[1]);
	return 0;
}

/* Started when it is wanted for the first time, and again when it ended, as every role; each asking gives a new edge. */
static int
on_ctl_host_runtime(struct call *c, const void *msg, struct err *e)
{
	struct proc_slot *asker = c->ctx, *p = &asker->s->roles[ROLE_HOST_RUNTIME];
	int fds[2] = { -1, -1 }, r;

	if (asker->role != ROLE_RUNTIME)
		return err_set(e, ERR_DENIED, "%s may not ask for the host-runtime", role_table[asker->role].name);
	if (!asker->s->config->allow_host_userns)
		return err_set(e, ERR_DENIED, "containers without a user namespace are not allowed on this host");
	p->s = asker->s;
	p->role = ROLE_HOST_RUNTIME;
	if (p->pid == 0 && p->again.loop == NULL)
		start_role(p);
	if (p->ctl == NULL || p->s->stopping)
		return err_set(e, ERR_UNAVAILABLE, "the engine's host-runtime process is not available");
	if (edge_pair(fds, e) < 0)
		return -1;
	r = send_edge(p, "run", fds[0], e);
	fd_close(&fds[0]);
	if (r == 0)
		call_reply(c, &(struct none){ 0 }, &fds[1], 1);
	fd_close(&fds[1]);
	return r;
}

/* Started when it is wanted for the first time. Its edge comes with it, and again with each of its successors. */
static int
on_ctl_logger(struct call *c, const void *msg, struct err *e)
{
	struct proc_slot *asker = c->ctx, *p = &asker->s->roles[ROLE_LOGGER];

	if (asker->role != ROLE_BROKER)
		return err_set(e, ERR_DENIED, "%s may not ask for the logger", role_table[asker->role].name);
	p->s = asker->s;
	p->role = ROLE_LOGGER;
	if (p->pid == 0 && p->again.loop == NULL)
		start_role(p);
	call_ok(c);
	return 0;
}

/* The channel ended: the process is dead, or broke the rules and is made dead. */
static void
on_ctl_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct proc_slot *p = ctx;

	if (p->ctl == edge)
		p->ctl = NULL;
	edge_free(edge);
	if (p->pid > 0 && !p->s->stopping)
		kill(p->pid, SIGKILL);
}

static int
launch(struct proc_slot *p, struct err *e)
{
	static const edge_fn handlers[ctl_edge_table_end] = {
		[NO_ctl_worker] = on_ctl_worker, [NO_ctl_host_runtime] = on_ctl_host_runtime, [NO_ctl_logger] = on_ctl_logger,
	};
	struct supervisor *s = p->s;
	const struct role_row *row = &role_table[p->role];
	struct edge_conf conf = { .table = &ctl_edge_table, .side = EDGE_A, .handlers = handlers, .n_handlers = ctl_edge_table_end,
		.ctx = p, .peer = row->name, .on_closed = on_ctl_closed };
	/* (one program for two roles is told which it is) */
	char *argv[] = { (char *)(uintptr_t)row->binary, (char *)(uintptr_t)(p->role == ROLE_HOST_RUNTIME ? row->name : NULL), NULL };
	struct engine_config part;
	struct ctl_start m;
	own_arena a = ARENA_INIT;
	int fds[EDGE_FDS_MAX], pair[2];
	size_t n = fds_for(&s->host, p->role, fds);

	if (fill_start(s, p, &part, &a, &m, e) < 0 || edge_pair(pair, e) < 0)
		return -1;
	p->started = p->stopped = false;
	p->started_ns = now_mono_ns();
	p->pid = proc_spawn(s, p->role, argv, pair[1], NULL, 0, e);
	fd_close(&pair[1]);
	if (p->pid < 0) {
		p->pid = 0;
		fd_close(&pair[0]);
		return -1;
	}
	p->ctl = edge_new(s->loop, pair[0], &conf, e);
	if (p->ctl == NULL) {
		fd_close(&pair[0]);
		return -1;
	}
	if (edge_send(p->ctl, NO_ctl_start, &m, fds, n, on_started, p, e) < 0)
		return -1;
	return p->role != ROLE_WORKER ? wire(p, e) : 0;
}

static void
on_again(struct loop_timer *t)
{
	start_role((struct proc_slot *)(void *)((char *)t - offsetof(struct proc_slot, again)));
}

/* Restarts wait 0.1 s, 0.2 s ... 10 s; a role that ran for a minute is forgiven. */
static void
start_again_later(struct proc_slot *p)
{
	int64_t delay = (SECOND / 10) << (p->failures < 7 ? p->failures : 7);

	if (now_mono_ns() - p->started_ns > 60 * SECOND) {
		p->failures = 0;
		delay = 0;
	}
	p->failures++;
	p->again.on_time = on_again;
	loop_timer_set(p->s->loop, &p->again, p->failures == 1 ? 0 : delay);
}

static void
start_role(struct proc_slot *p)
{
	struct err e = ERR_INIT;

	if (p->s->stopping || launch(p, &e) == 0)
		return;
	log_err(LOG_ERROR, &e, "cannot start %s", role_table[p->role].name);
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
	else if (p->role != ROLE_WORKER)
		start_again_later(p);
}

int
procs_start_all(struct supervisor *s, struct err *e)
{
	for (size_t i = 0; i < N_ROLES; i++) {
		struct proc_slot *p = &s->roles[start_order[i]];

		p->s = s;
		p->role = start_order[i];
		if (launch(p, e) < 0)
			return -1;
	}
	/* a crash point is for the first life of a role only: the next one recovers from it */
	unsetenv("BULWARK_CRASH_POINT");
	return 0;
}

static void
kill_workers(struct supervisor *s)
{
	for (size_t i = 0; i < MAX_WORKERS; i++)
		if (s->workers[i].pid > 0)
			kill(s->workers[i].pid, SIGKILL);
}

static void stop_next(struct supervisor *s);

void
procs_reaped(struct supervisor *s, pid_t pid, int status)
{
	struct proc_slot *p = NULL;

	for (int r = 0; r < ROLE_COUNT && p == NULL; r++)
		if (s->roles[r].pid == pid)
			p = &s->roles[r];
	for (size_t i = 0; i < MAX_WORKERS && p == NULL; i++)
		if (s->workers[i].pid == pid)
			p = &s->workers[i];
	if (p == NULL)
		return;
	struct edge *ctl = p->ctl;

	p->pid = 0;
	p->ctl = NULL;
	edge_free(ctl);
	if (s->stopping) {
		stop_next(s);
		return;
	}
	if (WIFSIGNALED(status))
		log_msg(WTERMSIG(status) == SIGSYS ? LOG_ATTACK : LOG_ERROR, "%s ended with signal %d%s", role_table[p->role].name, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? " (a system call that it may not use)" : "");
	else if (p->role != ROLE_WORKER || WEXITSTATUS(status) != 0)
		log_msg(LOG_ERROR, "%s ended with status %d", role_table[p->role].name, WEXITSTATUS(status));
	if (!s->ready && p->role != ROLE_WORKER && p->failures >= 3) {
		log_msg(LOG_FATAL, "failed to start daemon: %s does not start", role_table[p->role].name);
		s->failed = true;
		procs_stop(s);
		return;
	}
	if (p->role == ROLE_BROKER)
		kill_workers(s);   /* their channels ended with it */
	if (p->role != ROLE_WORKER)
		start_again_later(p);
}

static void
on_stopped(void *ctx, struct answer *a)
{
	struct proc_slot *p = ctx;

	p->stopped = true;
	if (p->ctl != NULL) {
		struct edge *edge = p->ctl;

		/* closing the channel is what ends the process */
		p->ctl = NULL;
		edge_free(edge);
	}
	stop_next(p->s);
}

/* One role after the other: asked, answered, its channel closed, gone. */
static void
stop_next(struct supervisor *s)
{
	for (; s->stopping <= (int)N_STOP; s->stopping++) {
		struct proc_slot *p = &s->roles[stop_order[s->stopping - 1]];
		struct err e = ERR_INIT;

		if (p->pid == 0)
			continue;
		if (p->ctl == NULL || p->stopped)
			return;   /* it is ending */
		if (p->asked)
			return;
		p->asked = true;
		if (edge_send(p->ctl, NO_ctl_stop, NULL, NULL, 0, on_stopped, p, &e) < 0)
			kill(p->pid, SIGKILL);
		return;
	}
	kill_workers(s);
	loop_stop(s->loop);
}

static void
on_deadline(struct loop_timer *t)
{
	struct supervisor *s = (struct supervisor *)(void *)((char *)t - offsetof(struct supervisor, deadline));

	log_msg(LOG_WARN, "the engine's processes did not stop in time and are killed");
	for (int r = 0; r < ROLE_COUNT; r++)
		if (s->roles[r].pid > 0)
			kill(s->roles[r].pid, SIGKILL);
}

void
procs_stop(struct supervisor *s)
{
	int64_t limit = s->config->shutdown_timeout;

	if (s->stopping)
		return;
	for (int r = 0; r < ROLE_COUNT; r++)
		loop_timer_clear(&s->roles[r].again);
	s->stopping = 1;
	if (limit >= 0) {
		s->deadline.on_time = on_deadline;
		loop_timer_set(s->loop, &s->deadline, (limit + 30) * SECOND);
	}
	stop_next(s);
}

void
procs_reload(struct supervisor *s)
{
	for (size_t i = 0; i < N_STOP; i++) {
		struct proc_slot *p = &s->roles[stop_order[i]];
		own_arena a = ARENA_INIT;
		struct err e = ERR_INIT;
		struct engine_config part;
		struct ctl_start m;

		if (p->ctl != NULL && (fill_start(s, p, &part, &a, &m, &e) < 0 || edge_send(p->ctl, NO_ctl_reload, &m, NULL, 0, on_edge_taken, p, &e) < 0))
			log_err(LOG_ERROR, &e, "reload of %s", role_table[p->role].name);
	}
}
