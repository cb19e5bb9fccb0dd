/*
 * bulwark-monitor. Executed by the runtime from a sealed memory file, with its channel as descriptor 3. It makes one
 * process (mon_make.c), closes its own system call filter, and then outlives the engine: it ends when the process has.
 *
 * The exit status goes to a file in the container's directory, with a checksum, under its name only when whole. The
 * runtime reads it when this process' channel ends, or when it is started again and finds nobody listening.
 */
#include "monitor.h"

#include "fd.h"
#include "log.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER(io_, member) ((struct monitor *)(void *)((char *)(io_) - offsetof(struct monitor, member)))

static struct { struct loop_timer timer; struct monitor *m; } linger;

static void
give_up(struct monitor *m)
{
	if (m->child_fd >= 0)
		(void)pidfd_send_signal(m->child_fd, SIGKILL, NULL, 0);
	_exit(1);
}

static void
say(struct monitor *m, enum wire_kind kind, const void *msg, const int *fds, size_t n)
{
	struct err e = ERR_INIT;

	if (m->ctl.fd >= 0 && wire_send(m->ctl.fd, kind, msg, fds, n, &e) < 0)
		log_err(LOG_WARN, &e, "monitor of %.12s", m->start.id != NULL ? m->start.id : "");
}

void
monitor_detached(struct monitor *m)
{
	say(m, W_DETACHED, NULL, NULL, 0);
}

static void
ctl_close(struct monitor *m)
{
	loop_remove(&m->ctl);
	fd_close(&m->ctl.fd);
}

static const char *
state_name(const struct monitor *m, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", m->start.exec, *m->start.exec != '\0' ? ".state" : "state");
	return buf;
}

static int64_t
count_oom(struct monitor *m)
{
	char text[2048];
	const char *at;
	ssize_t n;

	if (m->oom < 0 || (n = pread(m->oom, text, sizeof text - 1, 0)) <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "oom_kill ");
	return at != NULL ? strtoll(at + 9, NULL, 10) : 0;
}

/* Where the pid namespace is somebody else's its other processes do not end with the first one. */
static void
kill_rest(struct monitor *m)
{
	char text[4096];

	for (int round = 0; m->procs >= 0 && round < 100; round++) {
		ssize_t n = pread(m->procs, text, sizeof text - 1, 0);
		char *save = NULL;

		if (n <= 0)
			return;
		text[n] = '\0';
		for (char *p = strtok_r(text, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save))
			(void)kill((pid_t)strtol(p, NULL, 10), SIGKILL);
		usleep(2000);
	}
}

static void
maybe_end(struct monitor *m)
{
	if (m->exited && m->ctl.fd < 0 && m->clients == NULL) {
		squeeze_stop(&m->log);
		_exit(0);
	}
}

/* The runtime has passed the news on (or is not there): now the clients may see the end. Each is let go when it has
   taken all output and closed its side, so that nothing that is under way is cut off. */
static void
end_clients(struct monitor *m)
{
	for (struct client *c = m->clients; c != NULL; c = c->next)
		if (c->pending.used == 0 && c->replay == NULL && !c->ended) {
			(void)shutdown(c->io.fd, SHUT_WR);
			c->ended = true;
		}
	maybe_end(m);
}

void
monitor_clients_changed(struct monitor *m)
{
	if (m->exited && m->ctl.fd < 0)
		end_clients(m);
}

static void
on_linger(struct loop_timer *t)
{
	squeeze_stop(&linger.m->log);
	_exit(0);
}

static void
write_status(struct monitor *m, int status)
{
	struct exit_status s = { .code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), .finished_at = now_real_ns() };
	char name[96];
	struct err e = ERR_INIT;

	s.oom_killed = count_oom(m) > m->start.oom_before;
	snprintf(name, sizeof name, "%s%s", m->start.exec, *m->start.exec != '\0' ? ".exit" : "exit");
	if (exit_write(m->dir, name, &s, &e) < 0)
		log_err(LOG_ERROR, &e, "exit status of %.12s", m->start.id);
}

static void
on_child(struct loop_io *io, uint32_t events)
{
	struct monitor *m = OWNER(io, child);
	int status = 0;
	bool waiting = false;
	pid_t pid = waitpid(m->pid, &status, __WALL);

	if (pid < 0 && errno == EINTR)
		return;
	loop_remove(&m->child);
	if (!m->have_start) {
		struct err e = ERR_INIT;

		/* a sandbox that nobody used, or an exec whose container ended right then */
		err_set(&e, ERR_CONFLICT, "the container ended");
		(void)wire_send_error(m->ctl.fd, &e);
		_exit(1);
	}
	/* what it said last, before the end of its channel tells whether it was executed */
	m->ms.on_ready(&m->ms, EPOLLIN);
	if (!m->started) {
		char name[96];

		if (m->ctl.fd < 0)
			(void)unlinkat(m->dir, state_name(m, name, sizeof name), 0);
		_exit(1);
	}
	kill_rest(m);
	io_drain(m);
	write_status(m, status);
	m->exited = true;
	io_close(m);
	loop_remove(&m->listen);
	fd_close(&m->listen.fd);
	log_tell_end(&m->log);
	for (struct follower *f = m->log.followers; f != NULL; f = f->next)
		fd_close(&f->fd);
	m->log.followers = NULL;
	for (struct client *c = m->clients; c != NULL; c = c->next)
		waiting = waiting || c->pending.used > 0 || c->replay != NULL;
	linger.timer.on_time = on_linger;
	linger.m = m;
	loop_timer_set(m->loop, &linger.timer, INT64_C(1000000000) * (waiting ? 10 : 2));
	if (m->ctl.fd >= 0)
		(void)shutdown(m->ctl.fd, SHUT_WR);   /* the runtime answers by closing its end */
	else
		end_clients(m);
}

static void
start_failed(struct monitor *m, const struct err *e)
{
	if (m->failed)
		return;
	m->failed = true;
	m->started = false;
	(void)wire_send_error(m->ctl.fd, e);
}

static void
report_started(struct monitor *m)
{
	struct w_started s = { .pid = m->pid, .started_at = m->started_at };

	m->started = true;
	m->start.pid = m->pid;
	m->start.started_at = m->started_at;
	say(m, W_STARTED, &s, NULL, 0);
	io_started(m);
}

static void
stage_says(struct monitor *m, struct wire *w)
{
	struct err e = ERR_INIT;

	switch (w->kind) {
	case W_STDIO:
		if (io_take_stdio(m, w, &e) < 0)
			start_failed(m, &e);
		return;
	case W_GO:
		m->go = true;
		m->started_at = now_real_ns();
		return;
	case W_FAILED: {
		const struct w_error *why = w->msg;

		err_set(&e, why->code > ERR_NONE && why->code < ERR_CODE_COUNT ? (enum err_code)why->code : ERR_SYSTEM, "%s",
		    why->text != NULL ? why->text : "");
		start_failed(m, &e);
		return;
	}
	default:
		err_set(&e, ERR_PROTOCOL, "unexpected message %d from the container's process", (int)w->kind);
		start_failed(m, &e);
		give_up(m);
	}
}

static void on_ctl(struct loop_io *io, uint32_t events);

static void
on_ms(struct loop_io *io, uint32_t events)
{
	struct monitor *m = OWNER(io, ms);

	/* clients that were attached before the start are there before the first byte of output is */
	if (m->ctl.fd >= 0)
		on_ctl(&m->ctl, EPOLLIN);
	while (io->fd >= 0) {
		own_wire w = WIRE_INIT;
		struct err e = ERR_INIT;
		bool again;
		int r = wire_recv(io->fd, true, &w, &again, &e);

		if (r == 1) {
			stage_says(m, &w);
			continue;
		}
		if (again)
			return;
		loop_remove(io);
		fd_close(&io->fd);
		if (r == 0 && m->go && !m->failed) {
			report_started(m);
		} else if (!m->failed) {
			err_set(&e, ERR_SYSTEM, "the container's first process ended before it was complete");
			start_failed(m, &e);
		}
	}
}

/* All monitors are one user: without this one could reach the logs and exit files of other containers. Only now, since what is
   made in a Landlock domain could not mount. */
static int
confine_to(int dir, struct err *e)
{
	/* all that the first version of Landlock governs, and moving files between directories and shortening them */
	struct landlock_ruleset_attr attr = { .handled_access_fs = (UINT64_C(1) << 13) - 1 };
	struct landlock_path_beneath_attr rule = { .parent_fd = dir };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	own_fd set = -1;

	if (abi >= 2)
		attr.handled_access_fs |= UINT64_C(1) << 13;
	if (abi >= 3)
		attr.handled_access_fs |= UINT64_C(1) << 14;
	rule.allowed_access = attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE;
	set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (set < 0 || syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 || syscall(SYS_landlock_restrict_self, set, 0) < 0)
		return err_sys(e, errno, "close the monitor's Landlock domain");
	return 0;
}

static int
take_start(struct monitor *m, struct wire *w, struct err *e)
{
	const struct w_start *s = w->msg;
	size_t at = 2;
	bool is_exec = s->exec != NULL && *s->exec != '\0';

	if (m->have_start || s->id == NULL || s->exec == NULL || w->nfds != 2u + (is_exec ? 0 : 1) + (s->has_oom ? 1 : 0) + (s->has_procs ? 1 : 0))
		return err_set(e, ERR_PROTOCOL, "unexpected start");
	if (rec_copy(&w_start_type, s, &m->arena, &m->start, e) < 0)
		return -1;
	m->dir = fd_take(&w->fds[0]);
	m->listen.fd = fd_take(&w->fds[1]);
	if (!is_exec)
		m->userns = fd_take(&w->fds[at++]);
	if (s->has_oom)
		m->oom = fd_take(&w->fds[at++]);
	if (s->has_procs)
		m->procs = fd_take(&w->fds[at++]);
	m->have_start = true;
	if (confine_to(m->dir, e) < 0 || log_open(m, e) < 0)
		return -1;
	m->start.log_attrs = NULL;   /* they are in the log's stamp; nobody else has a use for them */
	if (loop_add(m->loop, &m->listen, EPOLLIN, e) < 0)
		return -1;
	return loop_add(m->loop, &m->ms, EPOLLIN, e);
}

static void
give_logs(struct monitor *m, struct wire *w)
{
	const struct w_logs *ask = w->msg;
	struct w_logs answer = { .call = ask->call, .follow = ask->follow && w->nfds == 1 };
	int fds[32];
	size_t n = log_files(&m->log, fds, 32);

	if (answer.follow && log_follow(&m->log, w->fds[0]) == 0)
		(void)fd_take(&w->fds[0]);
	say(m, W_LOG_FILES, &answer, fds, n);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
}

static void
runtime_says(struct monitor *m, struct wire *w)
{
	struct err e = ERR_INIT;

	if (w->kind == W_START) {
		if (take_start(m, w, &e) < 0)
			start_failed(m, &e);
		return;
	}
	if (!m->have_start)
		return;
	if (w->kind == W_ATTACH && w->nfds == 1 && io_attach(m, w->msg, fd_take(&w->fds[0]), &e) < 0)
		log_err(LOG_WARN, &e, "attach to %.12s", m->start.id);
	else if (w->kind == W_RESIZE)
		io_resize(m, w->msg);
	else if (w->kind == W_LOGS)
		give_logs(m, w);
}

static void
on_ctl(struct loop_io *io, uint32_t events)
{
	struct monitor *m = OWNER(io, ctl);

	while (io->fd >= 0) {
		own_wire w = WIRE_INIT;
		struct err e = ERR_INIT;
		bool again;
		int r = wire_recv(io->fd, true, &w, &again, &e);

		if (r == 1) {
			runtime_says(m, &w);
			continue;
		}
		if (again)
			return;
		ctl_close(m);
		/* a sandbox of the pool, or a start that failed: of no use without a runtime */
		if (!m->have_start || m->failed)
			give_up(m);
		if (m->exited)
			end_clients(m);
	}
}

static void
on_listen(struct loop_io *io, uint32_t events)
{
	struct monitor *m = OWNER(io, listen);
	struct ucred who;
	socklen_t len = sizeof who;
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err e = ERR_INIT;

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != m->runtime) {
		log_msg(LOG_ATTACK, "uid %u tried to reach the monitor of %.12s", who.uid, m->start.id);
		close(fd);
		return;
	}
	ctl_close(m);
	m->ctl.fd = fd;
	if (loop_add(m->loop, &m->ctl, EPOLLIN, &e) < 0) {
		fd_close(&m->ctl.fd);
		return;
	}
	say(m, W_HELLO, &m->start, (int[]){ m->child_fd, m->userns }, m->userns >= 0 ? 2 : 1);
}

/* The program was compiled by the runtime from the role table; this binary links no compiler. */
static int
close_filter(int memfd, struct err *e)
{
	size_t size = 4096 * sizeof(struct sock_filter);
	struct sock_filter *code;
	struct sock_fprog prog;
	ssize_t n;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "no_new_privs");
#ifdef BULWARK_SANITIZED
	return 0;
#endif
	code = malloc(size);
	if (code == NULL)
		return err_set(e, ERR_NO_MEMORY, "system call filter");
	n = pread(memfd, code, size, 0);
	prog = (struct sock_fprog){ .len = (unsigned short)((n > 0 ? (size_t)n : 0) / sizeof *code), .filter = code };
	if (n <= 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0) {
		free(code);
		return err_sys(e, errno, "load the system call filter");
	}
	free(code);
	return 0;
}

/* The monitor of a container without a user namespace began as root, to make it. From here on it is what every monitor is, but for
   the capability by which its process dies with it, whatever user that is. */
static int
leave_root(const struct w_prepare *p, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { .effective = 1u << CAP_KILL, .permitted = 1u << CAP_KILL }, { 0 } };
	uid_t uid = (uid_t)p->monitor_uid;
	gid_t gid = (gid_t)p->monitor_gid;

	for (int c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (c != CAP_KILL && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %d", c);
	if (uid == 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_sys(e, uid == 0 ? EINVAL : errno, "become the monitors' user");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, errno, "drop capabilities");
	return 0;
}

static int
prepare(struct monitor *m, struct err *e)
{
	own_wire w = WIRE_INIT;
	struct w_cloned told = { 0 };
	int r = wire_recv(m->ctl.fd, false, &w, NULL, e);

	if (r <= 0)
		_exit(1);
	if (w.kind != W_PREPARE || monitor_make(m, &w, e) < 0)
		return w.kind != W_PREPARE ? err_set(e, ERR_PROTOCOL, "unexpected message") : -1;
	if ((((const struct w_prepare *)w.msg)->create & CLONE_NEWNET) != 0 && m->netns < 0) {
		char path[64];

		snprintf(path, sizeof path, "/proc/%d/ns/net", m->pid);
		m->netns = open(path, O_RDONLY | O_CLOEXEC);
		if (m->netns < 0)
			return err_sys(e, errno, "open the network namespace");
	}
	told.pid = m->pid;
	if (wire_send(m->ctl.fd, W_CLONED, &told, (int[]){ m->child_fd, m->netns }, m->netns >= 0 ? 2 : 1, e) < 0)
		return -1;
	/* held here it would outlive the container's last process */
	fd_close(&m->netns);
	m->child.fd = m->child_fd;
	if (fd_set_nonblock(m->ctl.fd, true) < 0 || fd_set_nonblock(m->ms.fd, true) < 0)
		return err_sys(e, errno, "channels");
	if (loop_add(m->loop, &m->ctl, EPOLLIN, e) < 0 || loop_add(m->loop, &m->child, EPOLLIN, e) < 0)
		return -1;
	m->runtime = getuid();
	if (((const struct w_prepare *)w.msg)->host && leave_root(w.msg, e) < 0)
		return -1;
	return close_filter(w.fds[1], e);
}

int
main(void)
{
	static struct monitor m = {
		.ctl = { .fd = 3, .on_ready = on_ctl }, .listen = { .fd = -1, .on_ready = on_listen }, .ms = { .fd = -1, .on_ready = on_ms },
		.child = { .fd = -1, .on_ready = on_child }, .child_fd = -1, .dir = -1, .userns = -1, .oom = -1, .procs = -1, .netns = -1,
		.out = { .io = { .fd = -1 } }, .err = { .io = { .fd = -1 } }, .input = { .fd = -1 }, .log = { .fd = -1 },
	};
	struct err e = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)prctl(PR_SET_NAME, "bulwark-monitor", 0, 0, 0);
	(void)setsid();
	log_init("monitor", LOG_INFO, false);
	m.loop = loop_new(&e);
	if (fd_set_cloexec(3, true) < 0 || m.loop == NULL || prepare(&m, &e) < 0) {
		(void)wire_send_error(m.ctl.fd, &e);
		give_up(&m);
	}
	if (loop_run(m.loop, &e) < 0)
		log_err(LOG_ERROR, &e, "monitor");
	return EXIT_FAILURE;
}
