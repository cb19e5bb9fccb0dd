#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* What enters a container executes from a sealed copy: it cannot be changed through /proc/self/exe (CVE-2019-5736), and an
   upgrade of the engine does not touch what runs. All monitors share its pages. */
static int
seal_binary(const char *name, int *ret_fd, struct err *e)
{
	char path[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
	own_fd from = -1, to = -1;
	struct stat st;
	char *slash;

	if (n <= 0)
		return err_sys(e, errno, "find the runtime's directory");
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, name);
	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "open %s", name);
	to = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (to < 0 && errno == EINVAL)
		to = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to < 0)
		return err_sys(e, errno, "memory file for %s", name);
	for (off_t at = 0; at < st.st_size;) {
		char buf[65536];
		ssize_t got = pread(from, buf, sizeof buf, at);

		if (got <= 0 || fd_write_all(to, buf, (size_t)got) < 0)
			return err_sys(e, errno, "copy %s", name);
		at += got;
	}
	if (fchmod(to, 0555) < 0 || fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, errno, "seal %s", name);
	*ret_fd = fd_take(&to);
	return 0;
}

static int
take_fds(struct runtime *rt, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	if (nfds < 3 || nfds != m->cgroups.n + 2 || m->cgroups.n > HIERARCHIES_MAX)
		return err_set(e, ERR_PROTOCOL, "the runtime was started with %zu descriptors", nfds);
	rt->containers = fd_take(&fds[0]);
	rt->sockets = fd_take(&fds[1]);
	for (size_t i = 0; i < m->cgroups.n; i++) {
		struct hierarchy *h = &rt->h[rt->n_h];

		/* an empty cgroup v2 beside v1 hierarchies has nothing to offer */
		if (m->cgroups.n > 1 && strcmp(m->cgroups.v[i], "v2") == 0)
			continue;
		if (!text_copy(h->name, sizeof h->name, m->cgroups.v[i]))
			return err_set(e, ERR_INVALID, "control group hierarchy %s", m->cgroups.v[i]);
		h->dir = fd_take(&fds[2 + i]);
		rt->n_h++;
	}
	rt->v2 = rt->n_h == 1 && strcmp(rt->h[0].name, "v2") == 0;
	return 0;
}

/* Monitors are not waited for: what they have to say is in their files. Only that one was killed for what it tried is not. */
static int child_ended = -1;

static void
on_sigchld(int sig)
{
	int sys = errno;
	uint64_t one = 1;

	(void)!write(child_ended, &one, sizeof one);
	errno = sys;
}

static void
on_child_ended(struct loop_io *io, uint32_t events)
{
	uint64_t n;
	int status;
	pid_t pid;

	(void)!read(io->fd, &n, sizeof n);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
			log_msg(LOG_ATTACK, "the monitor or archiver with pid %d used a system call that it may not use", pid);
}

static int
watch_children(struct loop *l, struct err *e)
{
	static struct loop_io io = { .on_ready = on_child_ended };
	struct sigaction act = { .sa_handler = on_sigchld, .sa_flags = SA_RESTART | SA_NOCLDSTOP };

	io.fd = child_ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (io.fd < 0 || sigaction(SIGCHLD, &act, NULL) < 0)
		return err_sys(e, errno, "watch the monitors");
	return loop_add(l, &io, EPOLLIN, e);
}

static int
runtime_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct runtime *rt = c->ctx;

	rt->comp = c;
	rt->loop = c->loop;
	umask(022);
	for (size_t i = 0; i < m->limits.n && rt->n_rlimits < sizeof rt->rlimits / sizeof *rt->rlimits; i++)
		if (text_copy(rt->rlimits[rt->n_rlimits].name, sizeof rt->rlimits[0].name, m->limits.v[i].name != NULL ? m->limits.v[i].name : "")) {
			rt->rlimits[rt->n_rlimits].soft = m->limits.v[i].soft;
			rt->rlimits[rt->n_rlimits++].hard = m->limits.v[i].hard;
		}
	rt->ncpu = sysconf(_SC_NPROCESSORS_ONLN);
	if (watch_children(rt->loop, e) < 0 || take_fds(rt, m, fds, nfds, e) < 0)
		return -1;
	if (seal_binary("bulwark-monitor", &rt->monitor_bin, e) < 0 || seal_binary("bulwark-init", &rt->init_bin, e) < 0 ||
	    seal_binary("bulwark-archiver", &rt->archiver_bin, e) < 0)
		return -1;
	if ((rt->host && host_begin(rt, m, e) < 0) || cg_init(rt, e) < 0)
		return -1;
	if (filter_monitor(&rt->monitor_filter, e) < 0 || recover(rt, e) < 0)
		return -1;
	return 0;
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct runtime *rt = ctx;

	if (rt->run == edge)
		rt->run = NULL;
	if (rt->idmap == edge)
		rt->idmap = NULL;
	if (rt->mount == edge)
		rt->mount = NULL;
	edge_free(edge);
}

static int
open_edge(struct runtime *rt, struct edge **slot, struct edge_conf conf, int fd, struct err *e)
{
	struct edge *old = *slot;

	*slot = NULL;
	edge_free(old);
	conf.ctx = rt;
	conf.on_closed = on_closed;
	*slot = edge_new(rt->loop, fd, &conf, e);
	if (*slot == NULL)
		fd_close(&fd);
	return *slot != NULL ? 0 : -1;
}

static int
runtime_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[run_edge_end] = {
		[NO_run_prepare] = route, [NO_run_start] = route, [NO_run_cancel] = route, [NO_run_signal] = route, [NO_run_freeze] = route,
		[NO_run_resize] = route, [NO_run_attach] = route, [NO_run_exec] = route, [NO_run_top] = route, [NO_run_logs] = route,
		[NO_run_delete] = route, [NO_run_list] = route, [NO_run_update] = route, [NO_run_stats] = route, [NO_run_archive] = route, [NO_run_dns] = route,
		[NO_run_netns] = route, [NO_run_connect] = route,
	};
	struct runtime *rt = c->ctx;
	int r;

	if (strcmp(name, "run") == 0) {
		r = open_edge(rt, &rt->run, (struct edge_conf){ .table = &run_edge, .side = EDGE_B, .handlers = handlers,
		    .n_handlers = run_edge_end, .peer = rt->host ? "runtime" : "broker" }, fd, e);
		if (r == 0)
			send_unheard(rt);
	} else if (strcmp(name, "idmap") == 0 && !rt->host) {
		r = open_edge(rt, &rt->idmap, (struct edge_conf){ .table = &idmap_edge, .side = EDGE_A, .peer = "idmapper" }, fd, e);
	} else if (strcmp(name, rt->host ? "hostmount" : "mount") == 0) {
		r = open_edge(rt, &rt->mount, (struct edge_conf){ .table = &mount_edge, .side = EDGE_A, .peer = "mounter" }, fd, e);
	} else {
		fd_close(&fd);
		return err_set(e, ERR_PROTOCOL, "no edge %s here", name);
	}
	rt->pool_broken = false;
	pool_schedule(rt);
	return r;
}

/* Containers go on; what was warm for nobody goes. */
static void
runtime_stop(struct comp *c, struct call *call)
{
	struct runtime *rt = c->ctx;

	loop_timer_clear(&rt->pool_timer);
	loop_timer_clear(&rt->ask_timer);
	rt->pool_broken = true;
	pool_drop(rt);
	for (struct box *b = rt->boxes, *next; b != NULL; b = next) {
		next = b->next;
		if (b->state <= BOX_PREPARED)
			box_free(b);
	}
	/* a moment for their cgroups; what is left then goes at the next start */
	for (int i = 0; i < 100 && rt->graves != NULL; i++) {
		loop_timer_clear(&rt->grave_timer);
		rt->grave_timer.on_time(&rt->grave_timer);
		if (rt->graves != NULL)
			usleep(5000);
	}
	call_ok(call);
	loop_stop(rt->loop);
}

int
main(int argc, char **argv)
{
	static struct runtime rt = { .containers = -1, .sockets = -1, .monitor_bin = -1, .init_bin = -1, .archiver_bin = -1, .monitor_filter = -1, .map_ns = -1 };

	rt.host = argc > 1 && strcmp(argv[1], role_table[ROLE_HOST_RUNTIME].name) == 0;
	struct comp c = { .role = rt.host ? ROLE_HOST_RUNTIME : ROLE_RUNTIME, .ctx = &rt, .start = runtime_start, .edge = runtime_edge, .stop = runtime_stop };

	return comp_main(&c);
}
