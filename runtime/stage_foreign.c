/*
 * A container that another runtime makes (--runtime). The sandbox is ours: namespaces, ids, control groups, links, mounts and
 * the root are there before that program is started, in the container's user namespace and with the host's files readable as
 * they are for anybody. It gets a bundle, creates and starts the container, and ends; this process stays, as the first one of the
 * sandbox, in the container's mount namespace: it passes on signals and the exit status and collects orphans, so --init has nothing
 * to add. What exec enters is the container's own process (foreign.c).
 */
#include "stage.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG_MAX ((size_t)8 << 20)
#define ARGS_MAX 96

struct foreign {
	struct stage *s;
	char dir[256];         /* where the parts of the root lie */
	sigset_t before;
	int console;           /* listening */
	pid_t main;
};

/* The user is looked up in the container's files, which are not ours yet. */
static int
find_user(struct stage *s, struct err *e)
{
	own_fd host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (host < 0 || fchdir(s->root) < 0 || chroot(".") < 0)
		return err_sys(e, errno, "enter the container's root");
	if (stage_user(s, e) < 0)
		return -1;
	if (fchdir(host) < 0 || chroot(".") < 0 || fchdir(s->dir) < 0)
		return err_sys(e, errno, "leave the container's root");
	return 0;
}

/* A procfs of the container's own processes, where the runtime looks for it. */
static int
show_processes(struct stage *s, struct err *e)
{
	own_fd fs = fs_make("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	/* where the pid namespace is the host's, the host's is the right one */
	if (fs < 0)
		return errno == EPERM ? 0 : err_sys(e, errno, "mount /proc");
	(void)s;
	return fs_attach(fs, AT_FDCWD, "/proc") < 0 ? err_sys(e, errno, "mount /proc") : 0;
}

/* And the container's own control groups, which nobody inside can write: limits are the engine's. */
static int
show_cgroups(struct stage *s, struct err *e)
{
	own_fd from = -1, copy = -1;

	if (!s->has_cgroup)
		return 0;
	from = root_open(s, "/sys/fs/cgroup", O_PATH | O_DIRECTORY, true);
	if (from >= 0)
		copy = open_tree(from, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	return copy < 0 || fs_attach(copy, AT_FDCWD, "/sys/fs/cgroup") < 0 ? err_sys(e, errno, "mount /sys/fs/cgroup") : 0;
}

static int
write_bundle(struct foreign *f, int seccomp, struct err *e)
{
	own_buf b = BUF_INIT(CONFIG_MAX);
	own_fd fs = fs_make("tmpfs", (const char *const[]){ "mode", "0700", "size", "16m", NULL }, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	own_fd file = -1;

	if (fs < 0 || mkdirat(f->s->dir, "oci", 0700) < 0 || fs_attach(fs, f->s->dir, "oci") < 0 || mkdirat(fs, "state", 0700) < 0)
		return err_sys(e, errno, "make a place for the bundle");
	if (stage_config(f->s, f->dir, seccomp, &b, e) < 0)
		return -1;
	file = openat(fs, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0 || fd_write_all(file, b.data, b.used) < 0)
		return err_sys(e, errno, "write config.json");
	return 0;
}

static int
listen_console(struct foreign *f, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (!f->s->process->tty)
		return 0;
	f->console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->console < 0 || (size_t)snprintf(a.sun_path, sizeof a.sun_path, "%.80s/oci/tty", f->dir) >= sizeof a.sun_path ||
	    bind(f->console, (struct sockaddr *)&a, sizeof a) < 0 || listen(f->console, 4) < 0)
		return err_sys(e, errno, "make a socket for the terminal");
	return 0;
}

/* The runtime was connected to us and has ended: its message waits. */
static int
take_terminal(struct foreign *f, struct err *e)
{
	const struct pair size = f->s->process->console_size;
	struct winsize ws = { .ws_row = (unsigned short)size.a, .ws_col = (unsigned short)size.b };
	char name[256];
	size_t n_fds = 1;
	struct w_stdio out = { .tty = true };
	own_fd conn = accept4(f->console, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), master = -1;

	if (conn < 0 || fd_receive(conn, name, sizeof name, &master, &n_fds, 0) < 0)
		return err_sys(e, errno, "the runtime gave no terminal");
	if (n_fds == 0)
		return err_set(e, ERR_SYSTEM, "the runtime gave no terminal");
	if (size.a != 0 || size.b != 0)
		(void)ioctl(master, TIOCSWINSZ, &ws);
	return wire_send(f->s->ms, W_STDIO, &out, &master, 1, e);
}

/* The last "msg" of the runtime's log, which it was asked to write as JSON. */
static void
last_message(struct foreign *f, char *out, size_t size)
{
	static const char key[] = "\"msg\":";
	static char text[65536];
	ssize_t n = fd_read_text(f->s->dir, "oci/log", text, sizeof text);
	const char *at = NULL;
	size_t used = 0;

	for (const char *p = n > 0 ? text : ""; (p = strstr(p, key)) != NULL; p += sizeof key - 1)
		at = p + sizeof key - 1;
	while (at != NULL && *at == ' ')
		at++;
	if (at == NULL || *at++ != '"')
		at = "";
	for (; *at != '\0' && *at != '"' && used + 1 < size; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		out[used++] = (unsigned char)*at < 0x20 ? ' ' : *at;
		/* the system's reasons as the Docker engine spells them, in which its client finds the exit status */
		if (used > 2 && out[used - 3] == ':' && out[used - 2] == ' ' && *at >= 'A' && *at <= 'Z' && at[1] >= 'a' && at[1] <= 'z')
			out[used - 1] = (char)(*at + 32);
	}
	out[used] = '\0';
}

static _Noreturn void
execute(struct foreign *f, char *const *argv)
{
	static char *env[] = { (char *)(uintptr_t)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", (char *)(uintptr_t)"HOME=/",
		NULL, NULL };
	char runtime_dir[300];

	snprintf(runtime_dir, sizeof runtime_dir, "XDG_RUNTIME_DIR=%s/oci", f->dir);
	env[2] = runtime_dir;
	(void)sigprocmask(SIG_SETMASK, &f->before, NULL);
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)execve(f->s->spec->runtime, argv, env);
	_exit(errno == ENOENT ? 127 : 126);
}

static int
run(struct foreign *f, char *const *command, const char *what, struct err *e)
{
	const struct run_spec *spec = f->s->spec;
	char *argv[ARGS_MAX], state[300], log[300], why[360];
	size_t n = 0;
	int status = 0;
	pid_t pid;

	if (spec->runtime_args.n > 64)
		return err_set(e, ERR_LIMIT, "too many arguments for the runtime");
	snprintf(state, sizeof state, "%s/oci/state", f->dir);
	snprintf(log, sizeof log, "%s/oci/log", f->dir);
	argv[n++] = spec->runtime;
	for (size_t i = 0; i < spec->runtime_args.n; i++)
		argv[n++] = spec->runtime_args.v[i];
	for (char *const *word = (char *const[]){ (char *)(uintptr_t)"--root", state, (char *)(uintptr_t)"--log", log, (char *)(uintptr_t)"--log-format",
	    (char *)(uintptr_t)"json", NULL }; *word != NULL; word++)
		argv[n++] = *word;
	for (; *command != NULL && n + 1 < ARGS_MAX; command++)
		argv[n++] = *command;
	argv[n] = NULL;
	pid = fork();
	if (pid == 0)
		execute(f, argv);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return err_sys(e, errno, "start the runtime");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_message(f, why, sizeof why);
	if (*why != '\0')
		return err_set(e, ERR_INVALID, "OCI runtime create failed: %s: unknown", why);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 127 || WEXITSTATUS(status) == 126))
		return err_set(e, ERR_INVALID, "failed to create task for container: failed to start shim: fork/exec %s: %s", spec->runtime,
		    WEXITSTATUS(status) == 127 ? "no such file or directory" : "permission denied");
	return err_set(e, ERR_SYSTEM, "OCI runtime %s failed: %s ended with status %d: unknown", what, spec->runtime,
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int
create(struct foreign *f, struct err *e)
{
	char bundle[300], pid_file[300], console[300], text[32], path[64];
	char *command[] = { (char *)(uintptr_t)"create", (char *)(uintptr_t)"--bundle", bundle, (char *)(uintptr_t)"--pid-file", pid_file,
		f->s->spec->id, NULL, NULL, NULL };
	own_fd space = -1;

	snprintf(bundle, sizeof bundle, "%s/oci", f->dir);
	snprintf(pid_file, sizeof pid_file, "%s/oci/pid", f->dir);
	if (f->console >= 0) {
		snprintf(console, sizeof console, "%s/oci/tty", f->dir);
		command[5] = (char *)(uintptr_t)"--console-socket";
		command[6] = console;
		command[7] = f->s->spec->id;
	}
	if (run(f, command, "create", e) < 0 || (f->console >= 0 && take_terminal(f, e) < 0))
		return -1;
	if (fd_read_text(f->s->dir, "oci/pid", text, sizeof text) <= 0 || (f->main = (pid_t)strtol(text, NULL, 10)) <= 0)
		return err_set(e, ERR_SYSTEM, "the runtime told no process");
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", f->main);
	space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0)
		return err_sys(e, errno, "open the container's mount namespace");
	if (run(f, (char *const[]){ (char *)(uintptr_t)"start", f->s->spec->id, NULL }, "start", e) < 0)
		return -1;
	/* whatever of the host was to be seen goes with the namespace that we leave */
	return setns(space, CLONE_NEWNS) < 0 ? err_sys(e, errno, "enter the container's mount namespace") : 0;
}

/* First process of the sandbox: all that lose their parents are its children. */
static _Noreturn void
look_after(struct foreign *f)
{
	sigset_t all;

	sigfillset(&all);
	for (;;) {
		int status = 0, sig;
		pid_t pid;

		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == f->main)
				_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
		sig = sigwaitinfo(&all, NULL);
		if (sig > 0 && sig != SIGCHLD)
			(void)kill(f->main, sig);
	}
}

static int
make(struct foreign *f, int seccomp, struct err *e)
{
	struct stage *s = f->s;

	if (fchdir(s->dir) < 0 || getcwd(f->dir, sizeof f->dir) == NULL)
		return err_sys(e, errno, "find the place of the root");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "become a reaper");
	if (find_user(s, e) < 0 || show_processes(s, e) < 0 || show_cgroups(s, e) < 0 || write_bundle(f, seccomp, e) < 0 || listen_console(f, e) < 0)
		return -1;
	if (stage_set_oom_score(s, e) < 0 || stage_leave_keyring(e) < 0 || (!s->process->tty && stage_stdio(s, e) < 0))
		return -1;
	return create(f, e);
}

void
stage_foreign(struct stage *s)
{
	struct foreign f = { .s = s, .console = -1 };
	struct err e = ERR_INIT;
	own_fd seccomp = -1;
	sigset_t all;
	int ms = s->ms;

	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &f.before);
	if ((s->w->seccomp && stage_take_fd(s, &seccomp, &e) < 0) || make(&f, seccomp, &e) < 0)
		stage_fail(s, &e);
	if (stage_set_caps(UINT64_C(1) << CAP_KILL, UINT64_C(1) << CAP_KILL, &e) < 0 || wire_send(ms, W_GO, NULL, NULL, 0, &e) < 0)
		stage_fail(s, &e);
	/* the end of the channel tells that it runs; the streams are the container's alone */
	(void)close_range(0, ~0u, 0);
	look_after(&f);
}
