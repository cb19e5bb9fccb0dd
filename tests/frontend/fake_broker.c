/*
 * A stand-in for supervisor and broker, to run the worker alone: starts it with its role's drop and sandbox, listens on a socket
 * and answers each message of the api edge with canned data.
 *
 *	fake-broker WORKER SOCKET EMPTY-DIR [containers] [log file] [keep: not root, no drop]
 */
#include "comp.h"
#include "fd.h"
#include "log.h"
#include "msg/api.h"
#include "msg/ctl.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

struct fake {
	struct loop *loop;
	struct edge *ctl, *api;
	struct loop_io listener;
	size_t n_containers;
	const char *log_file;
	struct call *waiting;        /* the one wait */
	int follow;                  /* our end of a followed log */
	pid_t worker;
};
static struct fake fake = { .follow = -1 };

static char *
fake_id(struct arena *a, size_t i)
{
	return arena_printf(a, "%064zx", i + 0xabcdef0123456789);
}

static int
on_create(struct call *call, const void *msg, struct err *e)
{
	const struct api_create *m = msg;
	struct api_created rep = { .id = fake_id(&call->arena, 1) };

	if (m->config == NULL || m->config->image == NULL || strcmp(m->config->image, "missing") == 0)
		return err_set(e, ERR_NOT_FOUND, "No such image: missing:latest");
	fprintf(stderr, "create %s image %s cmd[0] %s binds %zu seccomp rules %zu networks %zu\n", m->name, m->config->image,
	    m->config->cmd.n > 0 ? m->config->cmd.v[0] : "-", m->host_config->binds.n,
	    m->host_config->seccomp != NULL ? m->host_config->seccomp->syscalls.n : 0, m->networks.n);
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static void
fill_config(struct container_config *config, struct arena *a)
{
	config->image = TEXT("busybox");
	config->hostname = TEXT("abcdef012345");
	if (!strs_add(&config->cmd, a, "sh") || !strs_add(&config->env, a, "PATH=/bin") || !kvs_set(&config->labels, a, "a<b", "\xff x"))
		abort();
}

static void
fill_summary(struct container_summary *s, struct arena *a, size_t i)
{
	s->id = fake_id(a, i);
	s->image = TEXT("busybox");
	s->image_id = arena_printf(a, "sha256:%s", s->id);
	s->command = TEXT("\"sh -c 'echo hello'\"");
	s->created = now_real_ns() - (int64_t)i * 1000000000;
	s->network_mode = TEXT("bridge");
	s->state = arena_alloc(a, sizeof *s->state);
	*s->state = (struct container_state){ .status = TEXT("running"), .running = true, .pid = 5, .started_at = s->created };
	if (!strs_add(&s->names, a, arena_printf(a, "/name%zu", i)) || !kvs_set(&s->labels, a, "label", "value"))
		abort();
	struct summary_port *p = list_add(&s->ports, a, sizeof *p);

	*p = (struct summary_port){ .ip = TEXT("0.0.0.0"), .private_port = 80, .public_port = 8080, .type = TEXT("tcp") };
	struct endpoint *n = list_add(&s->networks, a, sizeof *n);

	*n = (struct endpoint){ .network = TEXT("bridge"), .network_id = s->id, .endpoint_id = s->id, .gateway = TEXT("172.17.0.1"),
		.ip_address = TEXT("172.17.0.2"), .ip_prefix_len = 16, .mac_address = TEXT("02:42:ac:11:00:02") };
}

static int
on_list(struct call *call, const void *msg, struct err *e)
{
	const struct api_list *m = msg;
	struct api_summaries rep = { 0 };

	for (size_t i = 0; i < m->filters.n; i++)
		if (strcmp(m->filters.v[i].key, "zzz") == 0)
			return err_set(e, ERR_INVALID, "invalid filter 'zzz'");
	for (size_t i = 0; i < fake.n_containers; i++)
		fill_summary(list_add(&rep.items, &call->arena, sizeof *rep.items.v), &call->arena, i);
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_inspect(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct container_config config = { 0 };
	struct log_config log = { .type = TEXT("json-file") };
	struct host_config host = { .network_mode = TEXT("default"), .log_config = &log };
	struct container_state state = { .status = TEXT("running"), .running = true, .started_at = now_real_ns() };
	struct network_settings net = { .bridge = TEXT("") };
	struct container rep = { .id = fake_id(&call->arena, 1), .created = now_real_ns(), .name = TEXT("/name1"), .config = &config,
		.host_config = &host, .state = &state, .network_settings = &net, .driver = TEXT("overlay2") };

	if (strcmp(m->ref, "missing") == 0)
		return err_set(e, ERR_NOT_FOUND, "No such container: missing");
	fill_config(&config, &call->arena);
	config.tty = strcmp(m->ref, "tty") == 0;
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_start(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;

	if (strcmp(m->ref, "running") == 0)
		return err_set(e, ERR_NOT_MODIFIED, "already running");
	call_ok(call);
	if (fake.waiting != NULL) {
		struct api_waited w = { .status = 7 };

		call_reply(fake.waiting, &w, NULL, 0);
		fake.waiting = NULL;
	}
	return 0;
}

static int
on_ok(struct call *call, const void *msg, struct err *e)
{
	call_ok(call);
	return 0;
}

static void
on_wait_cancel(struct call *call)
{
	struct err e = ERR_INIT;

	fprintf(stderr, "wait cancelled\n");
	fake.waiting = NULL;
	err_set(&e, ERR_UNAVAILABLE, "cancelled");
	call_fail(call, &e);
}

static int
on_wait(struct call *call, const void *msg, struct err *e)
{
	struct api_waited w = { .status = 0 };

	if (call_reply_more(call, &w, NULL, 0) < 0 || fake.waiting != NULL)
		return err_set(e, ERR_CONFLICT, "one wait only");
	fake.waiting = call;
	call->on_cancel = on_wait_cancel;
	return 0;
}

static int
on_attach(struct call *call, const void *msg, struct err *e)
{
	const struct api_attach *m = msg;
	static const char frame[] = "\1\0\0\0\0\0\0\6hello\n";

	if (strcmp(m->ref, "missing") == 0)
		return err_set(e, ERR_NOT_FOUND, "No such container: missing");
	if (fd_set_nonblock(call->fds[0], false) < 0 || fd_write_all(call->fds[0], m->head_mux.p, m->head_mux.n) < 0 ||
	    fd_write_all(call->fds[0], frame, sizeof frame - 1) < 0 || fd_write_all(call->fds[0], m->input.p, m->input.n) < 0)
		return err_sys(e, errno, "write");
	call_ok(call);
	return 0;
}

static int
on_logs(struct call *call, const void *msg, struct err *e)
{
	const struct api_logs *m = msg;
	struct api_log_files rep = { .follow = m->follow, .driver = TEXT("json-file") };
	int fds[3], n = 0, pair[2];

	if (fake.log_file == NULL)
		return err_set(e, ERR_UNSUPPORTED, "configured logging driver does not support reading");
	fds[n] = open(fake.log_file, O_RDONLY | O_CLOEXEC);
	if (fds[n++] < 0)
		return err_sys(e, errno, "open the log");
	if (m->follow) {
		fd_close(&fake.follow);
		if (edge_pair(pair, e) < 0)
			return -1;
		fake.follow = pair[0];
		fds[n++] = pair[1];
	}
	call_reply(call, &rep, fds, (size_t)n);
	while (n > 0)
		fd_close(&fds[--n]);
	return 0;
}

/* rename: a line of text for the test to poke a followed log: "d" new data, "r" rotated, "e" end */
static int
on_rename(struct call *call, const void *msg, struct err *e)
{
	const struct api_rename *m = msg;
	own_fd fd = -1;

	if (m->name[0] == 'e')
		fd_close(&fake.follow);
	else if (m->name[0] == 'd')
		(void)send(fake.follow, "d", 1, MSG_NOSIGNAL);
	else if (m->name[0] == 'r') {
		struct iovec iov = { TEXT("r"), 1 };
		union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int))]; } control = { .space = { 0 } };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space };
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);

		fd = open(fake.log_file, O_RDONLY | O_CLOEXEC);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
		(void)sendmsg(fake.follow, &h, MSG_NOSIGNAL);
	}
	call_ok(call);
	return 0;
}

static int
on_top(struct call *call, const void *msg, struct err *e)
{
	struct proc procs[2] = {
		{ .pid = 100, .ppid = 1, .uid = 0, .state = TEXT("S"), .started = now_real_ns(), .comm = TEXT("sh"), .args = TEXT("sh -c sleep"), .tty = 34816 },
		{ .pid = 101, .ppid = 100, .uid = 5, .state = TEXT("R"), .started = now_real_ns(), .comm = TEXT("sleep"), .args = TEXT("sleep 9") },
	};
	struct api_procs rep = { .procs = { 2, procs } };

	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_update(struct call *call, const void *msg, struct err *e)
{
	const struct api_update *m = msg;
	struct api_updated rep = { 0 };

	if (m->host == NULL || m->host->memory != 64 << 20 || m->host->pids_limit.v != 0)
		return err_set(e, ERR_CONFLICT, "another wish");
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_stats(struct call *call, const void *msg, struct err *e)
{
	struct api_sample rep = { .id = TEXT("x"), .name = TEXT("/x"), .read = now_real_ns(), .cpu = TEXT("5\n"), .memory = 7, .memory_limit = 8 };

	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_pruned(struct call *call, const void *msg, struct err *e)
{
	struct api_pruned rep = { .reclaimed = 12 };

	if (!strs_add(&rep.deleted, &call->arena, "one"))
		return err_set(e, ERR_NO_MEMORY, "memory");
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_exec_create(struct call *call, const void *msg, struct err *e)
{
	struct api_created rep = { .id = fake_id(&call->arena, 9) };

	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_exec_start(struct call *call, const void *msg, struct err *e)
{
	const struct api_exec_start *m = msg;
	static const char frame[] = "\1\0\0\0\0\0\0\7execed\n";

	if (!m->detach && call->nfds == 1) {
		if (fd_set_nonblock(call->fds[0], false) < 0 || fd_write_all(call->fds[0], m->head_mux.p, m->head_mux.n) < 0 ||
		    fd_write_all(call->fds[0], frame, sizeof frame - 1) < 0)
			return err_sys(e, errno, "write");
	}
	call_ok(call);
	return 0;
}

static int
on_exec_inspect(struct call *call, const void *msg, struct err *e)
{
	struct exec_state rep = { .id = fake_id(&call->arena, 9), .container_id = fake_id(&call->arena, 1), .exit_code = { true, 3 } };

	call_reply(call, &rep, NULL, 0);
	return 0;
}

static void
fill_image(struct image *im, struct arena *a)
{
	*im = (struct image){ .id = arena_printf(a, "sha256:%s", fake_id(a, 77)), .created = now_real_ns(), .architecture = TEXT("amd64"),
		.os = TEXT("linux"), .size = 1234567 };
	im->config = arena_alloc(a, sizeof *im->config);
	fill_config(im->config, a);
	if (!strs_add(&im->repo_tags, a, "busybox:latest"))
		abort();
	struct image_layer *l = list_add(&im->layers, a, sizeof *l);

	*l = (struct image_layer){ .diff_id = TEXT("sha256:00"), .dir = TEXT("00"), .size = 1234567 };
	struct history *h = list_add(&im->history, a, sizeof *h);

	*h = (struct history){ .created = now_real_ns(), .created_by = TEXT("made by hand") };
}

static int
on_images(struct call *call, const void *msg, struct err *e)
{
	struct api_images rep = { 0 };

	fill_image(list_add(&rep.items, &call->arena, sizeof *rep.items.v), &call->arena);
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_image(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct image rep;

	if (strstr(m->ref, "busybox") == NULL)
		return err_set(e, ERR_NOT_FOUND, "No such image: %s", m->ref);
	fill_image(&rep, &call->arena);
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_image_remove(struct call *call, const void *msg, struct err *e)
{
	struct api_image_removed rep = { 0 };

	if (!strs_add(&rep.untagged, &call->arena, "busybox:latest") || !strs_add(&rep.deleted, &call->arena, "sha256:77"))
		return err_set(e, ERR_NO_MEMORY, "memory");
	call_reply(call, &rep, NULL, 0);
	return 0;
}

/* A child reads or writes the pipe, as an unpacker would; its end is watched through another pipe. */
struct pump { struct loop_io io; struct call *call; pid_t pid; bool save; };

static void
on_pump_end(struct loop_io *io, uint32_t events)
{
	struct pump *p = (struct pump *)(void *)((char *)io - offsetof(struct pump, io));
	char text[64];
	ssize_t n = read(io->fd, text, sizeof text - 1);

	loop_remove(io);
	fd_close(&io->fd);
	waitpid(p->pid, NULL, 0);
	text[n > 0 ? n : 0] = '\0';
	if (p->call->cancelled)
		fprintf(stderr, "transfer cancelled\n");
	if (p->call->row->no == NO_container_archive && strcmp(text, "bad") != 0) {
		call_reply(p->call, &(struct api_archived){ .size = 0 }, NULL, 0);
	} else if (p->save) {
		call_ok(p->call);
	} else if (strcmp(text, "bad") == 0) {
		struct err e = ERR_INIT;

		err_set(&e, ERR_INVALID, "invalid tar header");
		call_fail(p->call, &e);
	} else {
		struct api_progress line = { .stream = TEXT(text) };

		(void)call_reply_more(p->call, &line, NULL, 0);
		line.stream = TEXT("Loaded image: busybox:latest");
		call_reply(p->call, &line, NULL, 0);
	}
	free(p);
}

static int
pump(struct call *call, bool save, struct err *e)
{
	struct pump *p = calloc(1, sizeof *p);
	int ends[2];

	if (p == NULL || pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	p->call = call;
	p->save = save;
	p->pid = fork();
	if (p->pid == 0) {
		static char block[1 << 20];
		long long total = 0;
		ssize_t n;

		if (save) {
			for (int i = 0; i < 64; i++)
				if (fd_write_all(call->fds[0], block, sizeof block) < 0)
					_exit(1);
		} else {
			while ((n = read(call->fds[0], block, sizeof block)) > 0) {
				total += n;
				if (memcmp(block, "bad", 3) == 0) {
					(void)!write(ends[1], "bad", 3);
					_exit(0);
				}
			}
		}
		dprintf(ends[1], "%lld bytes", total);
		_exit(0);
	}
	fd_close(&ends[1]);
	fd_close(&call->fds[0]);
	p->io = (struct loop_io){ .fd = ends[0], .on_ready = on_pump_end };
	return loop_add(fake.loop, &p->io, EPOLLIN, e);
}

static int
on_load(struct call *call, const void *msg, struct err *e)
{
	return pump(call, false, e);
}

static int
on_import(struct call *call, const void *msg, struct err *e)
{
	const struct api_import *m = msg;

	fprintf(stderr, "import %s cmd %zu env %zu ports %zu\n", m->repo, m->config->cmd.n, m->config->env.n, m->config->exposed_ports.n);
	return pump(call, false, e);
}

static int
on_save(struct call *call, const void *msg, struct err *e)
{
	const struct api_save *m = msg;

	if (m->refs.n > 0 && strstr(m->refs.v[0], "missing") != NULL)
		return err_set(e, ERR_NOT_FOUND, "No such image: missing:latest");
	return pump(call, true, e);
}

static int
on_files(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;

	if (strstr(m->ref, "missing") != NULL)
		return err_set(e, ERR_NOT_FOUND, "No such container: %s", m->ref);
	return pump(call, true, e);
}

static int
on_archive(struct call *call, const void *msg, struct err *e)
{
	const struct api_archive *m = msg;
	struct api_archived found = { .name = TEXT("f"), .size = 3, .mode = 0644, .mtime = INT64_C(1500000000000000000), .link_target = TEXT("") };

	fprintf(stderr, "archive %s %s no_overwrite %d copy_ids %d\n", m->op, m->path, m->no_overwrite, m->copy_ids);
	if (strstr(m->path, "missing") != NULL)
		return err_set(e, ERR_NOT_FOUND, "Could not find the file %s in container %s", m->path, m->ref);
	(void)call_reply_more(call, &found, NULL, 0);
	if (strcmp(m->op, "stat") != 0)
		return pump(call, strcmp(m->op, "get") == 0, e);
	call_reply(call, &(struct api_archived){ .size = 0 }, NULL, 0);
	return 0;
}

static int
on_commit(struct call *call, const void *msg, struct err *e)
{
	const struct api_commit *m = msg;

	fprintf(stderr, "commit %s %s:%s cmd %zu env %zu pause %d\n", m->ref, m->repo, m->tag, m->config->cmd.n, m->config->env.n, m->pause);
	call_reply(call, &(struct api_committed){ .id = TEXT("sha256:1") }, NULL, 0);
	return 0;
}

static int
on_network_create(struct call *call, const void *msg, struct err *e)
{
	call_reply(call, &(struct api_created){ .id = TEXT("n1") }, NULL, 0);
	return 0;
}

static int
on_volume_usage(struct call *call, const void *msg, struct err *e)
{
	static struct volume_use use = { .name = TEXT("v1"), .size = 12, .refs = 1 };

	call_reply(call, &(struct api_volume_uses){ .items = { 1, &use } }, NULL, 0);
	return 0;
}

static void
fill_volume(struct volume *v)
{
	*v = (struct volume){ .name = TEXT("v1"), .driver = TEXT("local"), .scope = TEXT("local"), .mountpoint = TEXT("/v/v1/_data"), .created_at = now_real_ns() };
}

static int
on_volume(struct call *call, const void *msg, struct err *e)
{
	struct volume rep;

	fill_volume(&rep);
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_volumes(struct call *call, const void *msg, struct err *e)
{
	struct api_volumes rep = { 0 };

	fill_volume(list_add(&rep.items, &call->arena, sizeof *rep.items.v));
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static void
fill_network(struct network *n)
{
	*n = (struct network){ .name = TEXT("bridge"), .id = TEXT("aa"), .scope = TEXT("local"), .driver = TEXT("bridge"), .created = now_real_ns() };
}

static int
on_networks(struct call *call, const void *msg, struct err *e)
{
	struct api_networks rep = { 0 };

	fill_network(list_add(&rep.items, &call->arena, sizeof *rep.items.v));
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_network(struct call *call, const void *msg, struct err *e)
{
	struct network rep;

	fill_network(&rep);
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_info(struct call *call, const void *msg, struct err *e)
{
	struct api_info rep = { .id = TEXT("id"), .containers = 3, .running = 1, .name = TEXT("host"), .root_dir = TEXT("/var/lib/docker"),
		.kernel = TEXT("6.1"), .os = TEXT("Debian"), .ncpu = 2, .mem_total = 1 << 30, .cgroup_driver = TEXT("cgroupfs"),
		.cgroup_version = TEXT("2"), .log_driver = TEXT("json-file") };

	if (!strs_add(&rep.security_options, &call->arena, "name=seccomp,profile=builtin"))
		return err_set(e, ERR_NO_MEMORY, "memory");
	call_reply(call, &rep, NULL, 0);
	return 0;
}

static int
on_events(struct call *call, const void *msg, struct err *e)
{
	const struct api_events *m = msg;
	struct event ev = { .type = TEXT("container"), .action = TEXT("start"), .id = fake_id(&call->arena, 1), .time = now_real_ns() };
	struct event nothing = { 0 };

	if (!kvs_set(&ev.attributes, &call->arena, "image", "busybox") || !kvs_set(&ev.attributes, &call->arena, "name", "name1"))
		return err_set(e, ERR_NO_MEMORY, "memory");
	(void)call_reply_more(call, &ev, NULL, 0);
	if (m->has_until)
		call_reply(call, &nothing, NULL, 0);
	return 0;
}

static void
on_accept(struct loop_io *io, uint32_t events)
{
	struct err e = ERR_INIT;
	own_fd fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && edge_send(fake.api, NO_client_open, NULL, &fd, 1, NULL, NULL, &e) < 0)
		log_err(LOG_ERROR, &e, "client_open");
}

static void
on_edge_closed(void *ctx, struct edge *edge, const struct err *why)
{
	log_err(LOG_ERROR, why, "an edge of the worker closed");
	loop_stop(fake.loop);
}

static void
on_started(void *ctx, struct answer *a)
{
	if (a->err != NULL) {
		log_err(LOG_FATAL, a->err, "the worker did not start");
		loop_stop(fake.loop);
	}
}

static void
run_worker(const char *path, int ctl, bool keep)
{
	struct err e = ERR_INIT;

	if (dup2(ctl, CTL_FD) < 0 || close_range(4, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(120);
	if (!keep && role_drop(ROLE_WORKER, 880001, 880001, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		_exit(121);
	}
	execl(path, path, (char *)NULL);
	_exit(122);
}

static int
listen_on(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	own_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	if (!text_copy(a.sun_path, sizeof a.sun_path, path) || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 128) < 0)
		return err_sys(e, errno, "listen on %s", path);
	fake.listener = (struct loop_io){ .fd = fd_take(&fd), .on_ready = on_accept };
	return loop_add(fake.loop, &fake.listener, EPOLLIN, e);
}

static int
start(char **argv, bool keep, struct err *e)
{
	static const edge_fn handlers[api_edge_end] = {
		[NO_container_create] = on_create, [NO_container_list] = on_list, [NO_container_inspect] = on_inspect, [NO_container_start] = on_start,
		[NO_container_stop] = on_ok, [NO_container_restart] = on_ok, [NO_container_kill] = on_ok, [NO_container_pause] = on_ok,
		[NO_container_unpause] = on_ok, [NO_container_rename] = on_rename, [NO_container_remove] = on_ok, [NO_container_wait] = on_wait,
		[NO_container_resize] = on_ok, [NO_container_attach] = on_attach, [NO_container_logs] = on_logs, [NO_container_top] = on_top,
		[NO_container_prune] = on_pruned, [NO_exec_create] = on_exec_create, [NO_exec_start] = on_exec_start, [NO_exec_inspect] = on_exec_inspect,
		[NO_image_list] = on_images, [NO_image_inspect] = on_image, [NO_image_tag] = on_ok, [NO_image_remove] = on_image_remove,
		[NO_image_load] = on_load, [NO_image_import] = on_import, [NO_image_save] = on_save, [NO_image_prune] = on_pruned,
		[NO_volume_create] = on_volume, [NO_volume_list] = on_volumes, [NO_volume_inspect] = on_volume, [NO_volume_remove] = on_ok,
		[NO_volume_prune] = on_pruned, [NO_network_list] = on_networks, [NO_network_inspect] = on_network, [NO_system_info] = on_info,
		[NO_system_events] = on_events, [NO_container_update] = on_update, [NO_container_stats] = on_stats,
		[NO_container_changes] = on_files, [NO_container_export] = on_files, [NO_container_archive] = on_archive,
		[NO_container_commit] = on_commit, [NO_volume_usage] = on_volume_usage,
		[NO_network_create] = on_network_create, [NO_network_remove] = on_ok, [NO_network_prune] = on_pruned, [NO_network_connect] = on_ok,
		[NO_network_disconnect] = on_ok,
	};
	static const edge_fn ctl_handlers[ctl_edge_table_end] = { [NO_ctl_worker] = on_ok, [NO_ctl_host_runtime] = on_ok, [NO_ctl_logger] = on_ok };
	struct engine_config config = { .log_level = TEXT("debug") };
	struct ctl_start m = { .config = &config, .principal = TEXT("uid:0") };
	struct ctl_edge edge = { .name = TEXT("api") };
	struct edge_conf api = { .table = &api_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = api_edge_end, .ctx = &fake,
		.peer = "worker", .on_closed = on_edge_closed };
	struct edge_conf ctl = { .table = &ctl_edge_table, .side = EDGE_A, .handlers = ctl_handlers, .n_handlers = ctl_edge_table_end, .ctx = &fake,
		.peer = "worker", .on_closed = on_edge_closed };
	int pair[2], api_pair[2];
	own_fd dir = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, errno, "open %s", argv[3]);
	if (edge_pair(pair, e) < 0 || edge_pair(api_pair, e) < 0)
		return -1;
	fake.worker = fork();
	if (fake.worker == 0)
		run_worker(argv[1], pair[1], keep);
	close(pair[1]);
	if ((fake.ctl = edge_new(fake.loop, pair[0], &ctl, e)) == NULL || (fake.api = edge_new(fake.loop, api_pair[0], &api, e)) == NULL ||
	    edge_send(fake.ctl, NO_ctl_start, &m, &dir, keep ? 0 : 1, on_started, NULL, e) < 0 ||
	    edge_send(fake.ctl, NO_ctl_edge, &edge, &api_pair[1], 1, on_started, NULL, e) < 0)
		return -1;
	close(api_pair[1]);
	return listen_on(argv[2], e);
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int status;

	if (argc < 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	log_init("fake-broker", LOG_DEBUG, false);
	fake.loop = loop_new(&e);
	fake.n_containers = argc > 4 ? (size_t)atoi(argv[4]) : 2;
	fake.log_file = argc > 5 && argv[5][0] != '\0' ? argv[5] : NULL;
	if (fake.loop == NULL || start(argv, argc > 6, &e) < 0 || loop_run(fake.loop, &e) < 0)
		log_err(LOG_FATAL, &e, "fake broker");
	if (fake.worker > 0 && waitpid(fake.worker, &status, 0) > 0)
		fprintf(stderr, "worker ended: status 0x%x\n", status);
	return 0;
}
