/*
 * create, start, exec. The process is made by an intermediate one that joins namespaces; it comes back as our child, tells of
 * a failure or that the container is complete, then waits on a socket in the container's directory: start connects, and is
 * told what became of the execution.
 */
#include "root.h"

#include "fd.h"
#include "edge.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct making {
	struct oci *o;
	const char *id;
	struct oci_config c;
	struct run_process process;
	unsigned create;
	int joins[8];
	unsigned join_flags[8];
	size_t n_joins;
	int dir, listener, channel[2], filter;
	unsigned filter_flags;
	bool exec;
	char path[4096];       /* of its directory */
	char bundle[4096];
};

static void
said_error(const struct wire *w, struct err *ret)
{
	const struct w_error *why = w->msg;
	static const char prefix[] = "OCI runtime create failed: ", end[] = ": unknown";
	const char *text = why->text != NULL ? why->text : "";
	size_t n;

	/* the engine's frame around a runtime's words */
	if (text_starts(text, prefix))
		text += sizeof prefix - 1;
	n = strlen(text);
	if (n >= sizeof end - 1 && strcmp(text + n - (sizeof end - 1), end) == 0)
		n -= sizeof end - 1;
	err_set(ret, why->code > ERR_NONE && why->code < ERR_CODE_COUNT ? (enum err_code)why->code : ERR_SYSTEM, "%.*s", (int)n, text);
}

static int
address(int dir, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/start", dir);
}

static int
open_spaces(struct making *m, struct err *e)
{
	for (size_t i = 0; i < m->c.linux_->namespaces.n; i++) {
		const struct oci_space *n = &m->c.linux_->namespaces.v[i];
		unsigned flag = oci_space_flag(n->type);

		if (n->path == NULL || *n->path == '\0') {
			m->create |= flag;
			continue;
		}
		m->joins[m->n_joins] = open(n->path, O_RDONLY | O_CLOEXEC);
		if (m->joins[m->n_joins] < 0)
			return err_sys(e, errno, "linux.namespaces: open %.200s", n->path);
		m->join_flags[m->n_joins++] = flag;
	}
	return 0;
}

/* Nothing here is parsed any more; the arena's memory and the channels are the process' only ties. */
static _Noreturn void
become(struct making *m)
{
	static struct stage s;
	static struct run_spec spec;
	static struct w_spec w;
	static struct w_prepare prepare;
	static struct w_join own;
	struct wire got = WIRE_INIT;
	struct err e = ERR_INIT;
	const struct oci_process *p = m->c.process;

	s.ms = s.rs = m->channel[1];
	s.dir = s.proc = s.sys = s.mqueue = s.mask = s.null_node = s.dev = s.shm = s.root = s.apparmor = s.selinux = -1;
	s.oom_score = m->exec ? -1 : open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	close(m->channel[0]);
	if (wire_recv(m->channel[1], false, &got, NULL, &e) != 1)
		_exit(1);
	setsid();
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* the network counts as one that is joined: the engine's default for a new one is not the specification's */
	own.flags = m->create;
	for (size_t i = 0; i < m->n_joins; i++)
		own.flags |= m->join_flags[i];
	prepare = (struct w_prepare){ .create = m->create & ~(unsigned)CLONE_NEWNET, .joins = { .n = 1, .v = &own } };
	spec = (struct run_spec){ .process = &m->process, .sysctls = m->c.linux_->sysctl, .masked_paths = m->c.linux_->masked_paths,
		.readonly_paths = m->c.linux_->readonly_paths };
	w = (struct w_spec){ .spec = &spec, .seccomp = m->filter >= 0, .seccomp_flags = m->filter_flags };
	s.prepare = &prepare;
	s.w = &w;
	s.spec = m->exec ? NULL : &spec;
	s.process = &m->process;
	s.uid = p->user != NULL ? (uid_t)p->user->uid : 0;
	s.gid = p->user != NULL ? (gid_t)p->user->gid : 0;
	for (size_t i = 0; i < p->groups.n && i < STAGE_GROUPS_MAX; i++)
		s.groups[s.n_groups++] = (gid_t)strtoul(p->groups.v[i], NULL, 10);
	s.env = arena_array(&s.arena, p->env.n + 1, sizeof *s.env);
	for (size_t i = 0; s.env != NULL && i < p->env.n; i++)
		s.env[i] = p->env.v[i];
	umask(022);
	/* (setgroups may be denied where who runs us may not set them) */
	(void)setgroups(0, NULL);
	if (s.env == NULL || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		err_sys(&e, errno, "become root of the user namespace");
		stage_fail(&s, &e);
	}
	if (!m->exec) {
		if ((m->c.hostname != NULL && *m->c.hostname != '\0' && sethostname(m->c.hostname, strlen(m->c.hostname)) < 0) ||
		    (m->c.domainname != NULL && *m->c.domainname != '\0' && setdomainname(m->c.domainname, strlen(m->c.domainname)) < 0)) {
			err_sys(&e, errno, "set the hostname");
			stage_fail(&s, &e);
		}
		/* by its path: the descriptor is of the mount namespace that we left */
		own_fd dir = open(m->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			err_sys(&e, errno, "open the container's directory");
		if (dir < 0 || oci_root_make(&s, dir, &m->c, &e) < 0)
			stage_fail(&s, &e);
		fd_close(&s.proc);
	}
	if (m->process.tty && stage_stdio(&s, &e) < 0)
		stage_fail(&s, &e);
	if (!m->exec) {
		if (wire_send(s.ms, W_HELD, NULL, NULL, 0, &e) < 0)
			stage_fail(&s, &e);
		fd_close(&m->channel[1]);
		s.ms = s.rs = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC);
		if (s.ms < 0)
			_exit(1);
	}
	if (m->filter >= 0) {
		s.fds[0] = m->filter;
		s.nfds = 1;
	}
	stage_run(&s);
}

static _Noreturn void
intermediate(struct making *m)
{
	struct clone_args a = { .flags = m->create | CLONE_PARENT };
	struct w_cloned cloned = { 0 };
	struct err e = ERR_INIT;
	pid_t pid;

	/* the user namespace first: it gives the right to join the others */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < m->n_joins; i++)
			if (((m->join_flags[i] & CLONE_NEWUSER) != 0) == (round == 0) && setns(m->joins[i], (int)m->join_flags[i]) < 0) {
				err_sys(&e, errno, "join a namespace");
				goto fail;
			}
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		become(m);
	if (pid < 0) {
		err_sys(&e, errno, "make the container's process");
		goto fail;
	}
	cloned.pid = pid;
	_exit(wire_send(m->channel[1], W_CLONED, &cloned, NULL, 0, &e) < 0 ? 1 : 0);
fail:
	(void)wire_send_error(m->channel[1], &e);
	_exit(1);
}

static int
write_map(pid_t pid, const char *file, const struct oci_idmap_list *l, struct err *e)
{
	own_buf b = BUF_INIT(4096);
	char path[48];

	for (size_t i = 0; i < l->n; i++)
		buf_printf(&b, "%lld %lld %lld\n", (long long)l->v[i].inside, (long long)l->v[i].outside, (long long)l->v[i].size);
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	if (l->n == 0)
		return err_set(e, ERR_INVALID, "linux.uidMappings and linux.gidMappings are needed with a new user namespace");
	return b.failed || fd_write_text(AT_FDCWD, path, buf_cstr(&b)) < 0 ? err_sys(e, errno, "write %s", path) : 0;
}

static int
map_ids(struct making *m, pid_t pid, struct err *e)
{
	char path[48];

	if ((m->create & CLONE_NEWUSER) == 0)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
	if (geteuid() != 0 && fd_write_text(AT_FDCWD, path, "deny") < 0)
		return err_sys(e, errno, "write %s", path);
	return write_map(pid, "uid_map", &m->c.linux_->uids, e) < 0 ? -1 : write_map(pid, "gid_map", &m->c.linux_->gids, e);
}

static int
give_console(struct oci *o, int master, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[] = "/dev/ptmx";
	own_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!text_copy(a.sun_path, sizeof a.sun_path, o->console_socket))
		return err_set(e, ERR_INVALID, "--console-socket: the path is too long");
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || fd_send(fd, &(struct iovec){ name, sizeof name - 1 }, 1, &master, 1, 0) < 0)
		return err_sys(e, errno, "give the terminal to --console-socket");
	return 0;
}

/* Until kind comes (0: the end after W_GO). */
static int
listen_to(struct oci *o, int fd, int kind, struct err *e)
{
	bool go = false;

	for (;;) {
		own_wire w = WIRE_INIT;
		int r = wire_recv(fd, false, &w, NULL, e);

		if (r < 0)
			return -1;
		if (r == 0)
			return go && kind == 0 ? 0 : err_set(e, ERR_SYSTEM, "the container's process ended before it was complete");
		if (w.kind == W_FAILED) {
			said_error(&w, e);
			return -1;
		}
		if (w.kind == W_STDIO && w.nfds == 1 && give_console(o, w.fds[0], e) < 0)
			return -1;
		go = go || w.kind == W_GO;
		if (kind != 0 && (int)w.kind == kind)
			return 0;
	}
}

static int
record(const struct making *m, pid_t pid, struct err *e)
{
	const struct oci_state s = { .id = (char *)(uintptr_t)m->id, .bundle = (char *)(uintptr_t)m->bundle, .pid = pid, .started = oci_start_time(pid),
		.annotations = m->c.annotations };

	return oci_state_write(m->dir, &s, e);
}

/* What the helper had to say it said before it ended; it may have ended otherwise, and what it made waits for us. */
static int
made_by(pid_t helper, const struct making *m, pid_t *ret, struct err *e)
{
	own_wire w = WIRE_INIT;
	bool again;
	int r;

	(void)waitpid(helper, NULL, 0);
	r = wire_recv(m->channel[0], true, &w, &again, e);
	if (r < 0)
		return -1;
	if (r == 1 && w.kind == W_FAILED) {
		said_error(&w, e);
		return -1;
	}
	if (r == 1 && w.kind == W_CLONED)
		*ret = (pid_t)((const struct w_cloned *)w.msg)->pid;
	return *ret > 0 ? 0 : err_set(e, ERR_SYSTEM, "the container's process was not made");
}

/* The process goes on once it has its ids, and by then it is known who it is: whoever kills us leaves nothing that delete does not find. */
static int
spawn(struct making *m, pid_t *ret, struct err *e)
{
	pid_t helper;

	if (edge_pair(m->channel, e) < 0)
		return -1;
	helper = fork();
	if (helper == 0)
		intermediate(m);
	if (helper < 0)
		return err_sys(e, errno, "fork");
	fd_close(&m->channel[1]);
	if (made_by(helper, m, ret, e) < 0)
		return -1;
	if ((m->exec || record(m, *ret, e) == 0) && map_ids(m, *ret, e) == 0 && wire_send(m->channel[0], W_MAPPED, NULL, NULL, 0, e) == 0)
		return 0;
	(void)kill(*ret, SIGKILL);
	return -1;
}

/* Then the kernel lets nobody make a device node, whatever the rules say. */
static bool
has_user_space(const struct making *m)
{
	char text[256];
	unsigned long a, b, n;

	for (size_t i = 0; i < m->c.linux_->namespaces.n; i++)
		if (oci_space_flag(m->c.linux_->namespaces.v[i].type) == CLONE_NEWUSER)
			return true;
	return fd_read_text(AT_FDCWD, "/proc/self/uid_map", text, sizeof text) > 0 && (sscanf(text, "%lu %lu %lu", &a, &b, &n) != 3 || n != UINT32_MAX);
}

static int
plan(struct making *m, struct err *e)
{
	static struct runtime none;

	if (m->c.process->terminal && m->o->console_socket == NULL)
		return err_set(e, ERR_INVALID, "cannot allocate tty if the runtime will detach without setting console socket");
	if (!m->c.process->terminal && m->o->console_socket != NULL)
		return err_set(e, ERR_INVALID, "cannot use console socket if the runtime will not detach or allocate tty");
	if (m->c.linux_->device_rules && !has_user_space(m))
		return err_set(e, ERR_UNSUPPORTED, "linux.resources.devices without a user namespace is not implemented by bulwark-oci yet");
	if (oci_process_plan(&m->c, m->c.process, &m->process, e) < 0)
		return -1;
	m->filter = -1;
	return filter_for(&none, &m->process, &m->filter, &m->filter_flags, e);
}

static int
prepare_dir(struct making *m, struct err *e)
{
	struct sockaddr_un a;

	m->listener = -1;
	if (!text_is_name(m->id, 255))
		return err_set(e, ERR_INVALID, "invalid container id format: %.64s", m->id);
	if (mkdirat(m->o->root_fd, m->id, 0711) < 0)
		return errno == EEXIST ? err_set(e, ERR_CONFLICT, "container with given ID already exists") : err_sys(e, errno, "make the container's directory");
	if (oci_dir(m->o, m->id, &m->dir, e) < 0) {
		(void)unlinkat(m->o->root_fd, m->id, AT_REMOVEDIR);
		return -1;
	}
	/* until it is known whose it is (delete) */
	if (flock(m->dir, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "lock the container's directory");
	if (realpath(m->o->root, m->path) == NULL || strlen(m->path) + strlen(m->id) + 2 > sizeof m->path)
		return err_sys(e, errno, "find --root");
	strcat(strcat(m->path, "/"), m->id);
	address(m->dir, &a);
	m->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (m->listener < 0 || bind(m->listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(m->listener, 1) < 0)
		return err_sys(e, errno, "make the socket for start");
	return 0;
}

static int
write_pid(const struct oci *o, pid_t pid, struct err *e)
{
	own_fd file = -1;
	char text[16];

	if (o->pid_file == NULL)
		return 0;
	snprintf(text, sizeof text, "%d", pid);
	file = open(o->pid_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return file < 0 || fd_write_all(file, text, strlen(text)) < 0 ? err_sys(e, errno, "write %.200s", o->pid_file) : 0;
}

/* The process begins in the bundle, which paths of config.json may start from; those of the command line do not. */
static int
make_process(struct oci *o, struct making *m, pid_t *ret, struct err *e)
{
	own_fd here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (here < 0 || realpath(o->bundle, m->bundle) == NULL || chdir(o->bundle) < 0)
		return err_sys(e, errno, "enter the bundle");
	if (spawn(m, ret, e) < 0)
		return -1;
	if (fchdir(here) < 0)
		return err_sys(e, errno, "leave the bundle");
	return listen_to(o, m->channel[0], W_HELD, e) < 0 ? -1 : write_pid(o, *ret, e);
}

int
oci_create(struct oci *o, const char *id, pid_t *ret_pid, struct err *e)
{
	struct making m = { .o = o, .id = id, .dir = -1 };
	pid_t pid = -1;

	if (oci_spec_load(o->bundle, &o->arena, &m.c, e) < 0 || plan(&m, e) < 0 || open_spaces(&m, e) < 0)
		return -1;
	if (prepare_dir(&m, e) == 0 && make_process(o, &m, &pid, e) == 0) {
		*ret_pid = pid;
		return 0;
	}
	if (pid > 0)
		(void)kill(pid, SIGKILL);
	if (m.dir >= 0)
		(void)!fd_remove_tree(o->root_fd, id);
	return -1;
}

int
oci_start(struct oci *o, const char *id, struct err *e)
{
	struct oci_state s;
	struct sockaddr_un a;
	own_fd dir = -1, fd = -1;

	if (oci_state_read(o, id, &s, e) < 0 || oci_dir(o, id, &dir, e) < 0)
		return -1;
	if (strcmp(oci_status(o, &s), "created") != 0)
		return err_set(e, ERR_CONFLICT, strcmp(oci_status(o, &s), "stopped") == 0 ? "cannot start a container that has stopped" : "cannot start an already running container");
	address(dir, &a);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return err_sys(e, errno, "reach the container's process");
	(void)unlinkat(dir, "start", 0);
	return listen_to(o, fd, 0, e);
}

/* All that differ from ours. */
static int
spaces_of(pid_t pid, unsigned *ret, struct err *e)
{
	static const struct { const char *name; unsigned flag; } rows[] = {
		{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },
		{ "cgroup", CLONE_NEWCGROUP },
	};

	*ret = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char path[64];
		struct stat own, other;

		snprintf(path, sizeof path, "/proc/self/ns/%s", rows[i].name);
		if (stat(path, &own) < 0)
			return err_sys(e, errno, "look at %s", path);
		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, rows[i].name);
		if (stat(path, &other) < 0)
			return err_sys(e, errno, "look at %s", path);
		if (own.st_ino != other.st_ino || own.st_dev != other.st_dev)
			*ret |= rows[i].flag;
	}
	return 0;
}

static int
exec_process(struct oci *o, struct making *m, char *const *args, struct err *e)
{
	if (o->process_file != NULL) {
		size_t size = (size_t)1 << 20;
		char *text = arena_alloc(&o->arena, size);
		ssize_t n = text != NULL ? fd_read_text(AT_FDCWD, o->process_file, text, size) : -1;

		if (n < 0)
			return err_sys(e, errno, "read %.200s", o->process_file);
		return oci_process_read(text, (size_t)n, &o->arena, m->c.process, e);
	}
	m->c.process->terminal = false;
	m->c.process->args = (struct strs){ 0 };
	for (; *args != NULL; args++)
		if (!strs_add(&m->c.process->args, &o->arena, *args))
			return err_set(e, ERR_NO_MEMORY, "arguments");
	return m->c.process->args.n > 0 ? 0 : err_set(e, ERR_INVALID, "process args cannot be empty");
}

int
oci_exec(struct oci *o, const char *id, char *const *args, pid_t *ret_pid, struct err *e)
{
	struct making m = { .o = o, .id = id, .dir = -1, .listener = -1, .exec = true };
	struct oci_state s;

	if (oci_state_read(o, id, &s, e) < 0)
		return -1;
	if (strcmp(oci_status(o, &s), "running") != 0)
		return err_set(e, ERR_CONFLICT, "cannot exec in a %s container", oci_status(o, &s));
	if (oci_spec_load(s.bundle, &o->arena, &m.c, e) < 0 || exec_process(o, &m, args, e) < 0 || plan(&m, e) < 0)
		return -1;
	m.c.hostname = m.c.domainname = NULL;
	m.process.oom_score_adj = 0;
	m.joins[0] = pidfd_open(s.pid, 0);
	if (m.joins[0] < 0 || spaces_of(s.pid, &m.join_flags[0], e) < 0)
		return m.joins[0] < 0 ? err_sys(e, errno, "open the container's process") : -1;
	/* in two steps, since the rest may belong to the first */
	m.joins[1] = m.joins[0];
	m.join_flags[1] = m.join_flags[0] & ~(unsigned)CLONE_NEWUSER;
	m.join_flags[0] &= CLONE_NEWUSER;
	for (size_t i = 0; i < 2; i++)
		if (m.join_flags[i] != 0) {
			m.joins[m.n_joins] = m.joins[i];
			m.join_flags[m.n_joins++] = m.join_flags[i];
		}
	return spawn(&m, ret_pid, e) < 0 ? -1 : listen_to(o, m.channel[0], 0, e);
}
