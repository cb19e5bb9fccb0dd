/* The last steps: standard streams, limits, capabilities, system call filter, and the user's program. */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP_BIT(c) (UINT64_C(1) << (c))

static const char *
what(const struct stage *s)
{
	return s->spec != NULL ? "OCI runtime create failed: unable to start container process" :
	    "OCI runtime exec failed: exec failed: unable to start container process";
}

/* The Docker engine's words; the CLI finds its exit status in them. */
static int
run_error(const struct stage *s, enum err_code code, struct err *e, const char *fmt, ...) printf_like(4, 5);
static int
run_error(const struct stage *s, enum err_code code, struct err *e, const char *fmt, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(e, code, "%s: %s: unknown", what(s), text);
}

/* strerror in Go's spelling: lower case */
static const char *
reason(int sys)
{
	static char text[128];
	const char *name = strerror(sys);

	snprintf(text, sizeof text, "%s", name);
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] + 32);
	return text;
}

static int
send_stdio(struct stage *s, bool tty, const int *fds, size_t n, struct err *e)
{
	struct w_stdio m = { .tty = tty, .input = n == 3 };

	return wire_send(s->ms, W_STDIO, &m, fds, n, e);
}

/* /dev/console is the terminal; made while we are still allowed to mount. */
static int
mount_console(struct stage *s, unsigned number, struct err *e)
{
	char path[32];
	own_fd file = -1, mount = -1;
	struct stat a, b;

	if (s->dev < 0)
		return 0;
	snprintf(path, sizeof path, "pts/%u", number);
	file = openat(s->dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	mount = open_tree(s->dev, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (file < 0 || mount < 0 || fstat(mount, &a) < 0 || fstat(0, &b) < 0 || a.st_rdev != b.st_rdev || fs_attach(mount, s->dev, "console") < 0)
		return err_sys(e, errno, "make /dev/console");
	return 0;
}

/* The terminal is the container's own: master and slave come from its devpts, whose mount we hold or open checked. */
static int
make_terminal(struct stage *s, struct err *e)
{
	own_fd master = -1, slave = -1;
	struct winsize size = { .ws_row = (unsigned short)s->process->console_size.a, .ws_col = (unsigned short)s->process->console_size.b };
	int unlock = 0;
	unsigned number;

	master = s->dev >= 0 ? openat(s->dev, "pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) : open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return err_sys(e, errno, "open a terminal");
	/* by the master, not by a path that could be exchanged (CVE-2025-52565) */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, errno, "open a terminal's other side");
	if (size.ws_row != 0 || size.ws_col != 0)
		(void)ioctl(master, TIOCSWINSZ, &size);
	if (fchown(slave, s->uid, (gid_t)-1) < 0)
		return err_sys(e, errno, "give the terminal to the user");
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "take the terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(e, errno, "use the terminal");
	return mount_console(s, number, e) < 0 ? -1 : send_stdio(s, true, &master, 1, e);
}

/* Made here, so that they belong to the container's user, who may open /dev/stdout again. */
static int
make_pipes(struct stage *s, struct err *e)
{
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int fds[3], r = 0;
	bool input = s->process->open_stdin;

	for (int i = 0; i < 3 && r == 0; i++) {
		if (i == 0 && !input) {
			pipes[0][0] = s->dev >= 0 ? openat(s->dev, "null", O_RDONLY | O_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);
			r = pipes[0][0] < 0 ? err_sys(e, errno, "open /dev/null") : 0;
		} else if (pipe2(pipes[i], O_CLOEXEC) < 0 || fchown(pipes[i][0], s->uid, s->gid) < 0) {
			r = err_sys(e, errno, "make the standard streams");
		}
	}
	if (r == 0 && (dup2(pipes[0][0], 0) < 0 || dup2(pipes[1][1], 1) < 0 || dup2(pipes[2][1], 2) < 0))
		r = err_sys(e, errno, "use the standard streams");
	fds[0] = pipes[1][0];
	fds[1] = pipes[2][0];
	fds[2] = pipes[0][1];
	if (r == 0)
		r = send_stdio(s, false, fds, input ? 3 : 2, e);
	for (int i = 0; i < 3; i++) {
		fd_close(&pipes[i][0]);
		fd_close(&pipes[i][1]);
	}
	return r;
}

int
stage_stdio(struct stage *s, struct err *e)
{
	if (!s->process->tty)
		return make_pipes(s, e);
	return make_terminal(s, e);
}

static int
set_limits(struct stage *s, struct err *e)
{
	static const struct { const char *name; int what; } rows[] = {
		{ "as", RLIMIT_AS }, { "core", RLIMIT_CORE }, { "cpu", RLIMIT_CPU }, { "data", RLIMIT_DATA }, { "fsize", RLIMIT_FSIZE },
		{ "locks", RLIMIT_LOCKS }, { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
		{ "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC }, { "rss", RLIMIT_RSS }, { "rtprio", RLIMIT_RTPRIO },
		{ "rttime", RLIMIT_RTTIME }, { "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK },
	};

	for (size_t i = 0; i < s->process->rlimits.n; i++) {
		const struct ulimit_rec *u = &s->process->rlimits.v[i];
		struct rlimit r = { .rlim_cur = (rlim_t)u->soft, .rlim_max = (rlim_t)u->hard };
		bool done = false;

		for (size_t k = 0; k < sizeof rows / sizeof *rows && u->name != NULL && !done; k++)
			if (strcmp(rows[k].name, u->name) == 0) {
				if (setrlimit((__rlimit_resource_t)rows[k].what, &r) < 0)
					return run_error(s, ERR_SYSTEM, e, "error setting rlimit %s to %lld:%lld: %s", u->name, (long long)u->soft,
					    (long long)u->hard, reason(errno));
				done = true;
			}
		if (!done)
			return err_set(e, ERR_INVALID, "invalid ulimit type: %s", u->name != NULL ? u->name : "");
	}
	return 0;
}

/* For an exec it was set before the namespaces were entered. */
int
stage_set_oom_score(struct stage *s, struct err *e)
{
	char text[16];

	if (s->spec == NULL || s->process->oom_score_adj == 0)
		return 0;
	if (s->oom_score < 0)
		return err_set(e, ERR_UNSUPPORTED, "oom_score_adj is not possible for a container that shares another one's namespaces");
	snprintf(text, sizeof text, "%lld", (long long)s->process->oom_score_adj);
	if (write(s->oom_score, text, strlen(text)) < 0)
		return run_error(s, ERR_SYSTEM, e, "write oom_score_adj %s: %s", text, reason(errno));
	return 0;
}

int
stage_set_caps(uint64_t effective, uint64_t permitted, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted },
		{ .effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32) },
	};

	return syscall(SYS_capset, &h, d) < 0 ? err_sys(e, errno, "set capabilities") : 0;
}

static int
drop_bounding(uint64_t keep, struct err *e)
{
	for (unsigned c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if ((keep & CAP_BIT(c)) == 0 && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %u", c);
	return 0;
}

static int
become_user(struct stage *s, struct err *e)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "keep capabilities");
	if (setgroups(s->n_groups, s->groups) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 || setresuid(s->uid, s->uid, s->uid) < 0)
		return err_sys(e, errno, "become user %u:%u", s->uid, s->gid);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(e, errno, "parent death signal");
	return 0;
}

/* Resolved inside, without magic links: no descriptor of anybody can be the working directory (CVE-2024-21626). */
static int
enter_cwd(struct stage *s, struct err *e)
{
	const char *cwd = s->process->cwd != NULL && *s->process->cwd != '\0' ? s->process->cwd : "/";
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	char real[4096];
	own_fd fd = (int)syscall(SYS_openat2, AT_FDCWD, cwd, &how, sizeof how);

	if (fd < 0 || fchdir(fd) < 0)
		return run_error(s, ERR_INVALID, e, "chdir to cwd (\"%s\") set in config.json failed: %s", cwd, reason(errno));
	if (syscall(SYS_getcwd, real, sizeof real) < 0 || real[0] != '/')
		return run_error(s, ERR_DENIED, e, "current working directory is outside of container mount namespace root -- possible container breakout detected");
	return 0;
}

static int
check_program(struct stage *s, const char *path, const char *name, bool *ret_fatal, struct err *e)
{
	struct stat st;

	*ret_fatal = true;
	if (stat(path, &st) < 0) {
		*ret_fatal = errno == EACCES;
		return run_error(s, ERR_INVALID, e, "exec: \"%s\": stat %s: %s", name, path, reason(errno));
	}
	if (S_ISDIR(st.st_mode))
		return run_error(s, ERR_INVALID, e, "exec: \"%s\": is a directory", name);
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return run_error(s, ERR_INVALID, e, "exec: \"%s\": permission denied", name);
	return 0;
}

static const char *
path_of(char **env)
{
	const char *path = NULL;

	for (; *env != NULL; env++)
		if (text_starts(*env, "PATH="))
			path = *env + 5;
	return path != NULL ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int
find_program(struct stage *s, const char *name, char *ret, size_t size, struct err *e)
{
	const char *path = path_of(s->env);
	bool fatal, denied = false;

	if (strchr(name, '/') != NULL) {
		if (!text_copy(ret, size, name))
			return run_error(s, ERR_INVALID, e, "exec: \"%.64s...\": file name too long", name);
		return check_program(s, name, name, &fatal, e);
	}
	for (const char *p = path; *name != '\0' && *p != '\0';) {
		size_t n = strcspn(p, ":");
		int len = snprintf(ret, size, "%.*s%s%s", (int)n, p, n > 0 ? "/" : "./", name);

		if (len > 0 && (size_t)len < size) {
			if (check_program(s, ret, name, &fatal, e) == 0)
				return 0;
			denied = denied || strstr(e->text, "permission denied") != NULL;
		}
		p += n + (p[n] == ':');
	}
	if (denied)
		return run_error(s, ERR_INVALID, e, "exec: \"%s\": permission denied", name);
	return run_error(s, ERR_INVALID, e, "exec: \"%s\": executable file not found in $PATH", name);
}

static int
load_seccomp(struct stage *s, int memfd, struct err *e)
{
	/* a filter is at most BPF_MAXINSNS instructions of 8 bytes */
	size_t size = 4096 * sizeof(struct sock_filter);
	struct sock_filter *code = malloc(size + 1);
	struct sock_fprog prog = { .filter = code };
	ssize_t n;
	int r = 0;

	if (code == NULL)
		return err_set(e, ERR_NO_MEMORY, "system call filter");
	n = pread(memfd, code, size + 1, 0);
	if (n <= 0 || (size_t)n > size || (size_t)n % sizeof *code != 0)
		r = err_set(e, ERR_SYSTEM, "the system call filter is malformed");
	prog.len = r == 0 ? (unsigned short)((size_t)n / sizeof *code) : 0;
	if (r == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)s->w->seccomp_flags, &prog) < 0)
		r = err_sys(e, errno, "load the system call filter");
	free(code);
	return r;
}

/* What the program may have; the last steps need one capability more, which goes with the last capset. */
static int
restrict_self(struct stage *s, uint64_t caps, int seccomp, struct err *e)
{
	uint64_t admin = CAP_BIT(CAP_SYS_ADMIN);

	if (stage_set_caps(caps | admin, caps | admin, e) < 0)
		return -1;
	if (s->process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "no_new_privs");
	/* a filter needs either no_new_privs or CAP_SYS_ADMIN */
	if (seccomp >= 0 && load_seccomp(s, seccomp, e) < 0)
		return -1;
	return stage_set_caps(caps, caps, e);
}

/* "all" is all that the kernel knows and (without a user namespace) the host has left to us. */
uint64_t
stage_known_caps(uint64_t caps)
{
	uint64_t all = 0;

	for (unsigned c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1)
			all |= CAP_BIT(c);
	return caps & all;
}

static int
make_argv(struct stage *s, char ***ret, struct err *e)
{
	const struct strs *args = &s->process->args;
	size_t n = 0;
	char **argv = arena_array(&s->arena, args->n + 3, sizeof *argv);

	if (argv == NULL)
		return err_set(e, ERR_NO_MEMORY, "arguments");
	if (s->spec != NULL && s->spec->init) {
		argv[n++] = (char *)(uintptr_t)"/sbin/docker-init";
		argv[n++] = (char *)(uintptr_t)"--";
	}
	for (size_t i = 0; i < args->n; i++)
		argv[n++] = args->v[i];
	argv[n] = NULL;
	*ret = argv;
	return 0;
}

/* Else it possesses the session keyring of whoever started the engine. */
int
stage_leave_keyring(struct err *e)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return err_sys(e, errno, "make a session keyring");
	return 0;
}

/* Becomes the user and finds the program as that user would. */
static int
prepare_program(struct stage *s, uint64_t caps, char *program, size_t size, struct err *e)
{
	struct err first = ERR_INIT;
	bool entered;

	if (s->process->args.n == 0)
		return err_set(e, ERR_INVALID, "no command specified");
	if (stage_set_oom_score(s, e) < 0 || set_limits(s, e) < 0 || stage_leave_keyring(e) < 0 || stage_labels_open(s, e) < 0)
		return -1;
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(e, errno, "close descriptors");
	/* a directory that only root may enter is fine, one that only the user may enter too */
	entered = enter_cwd(s, &first) == 0;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(e, errno, "clear ambient capabilities");
	if (drop_bounding(caps, e) < 0 || become_user(s, e) < 0)
		return -1;
	if (s->uid == 0 && stage_set_caps(caps, caps | CAP_BIT(CAP_SYS_ADMIN), e) < 0)
		return -1;
	if (!entered && enter_cwd(s, e) < 0)
		return -1;
	return find_program(s, s->process->args.v[0], program, size, e);
}

void
stage_run(struct stage *s)
{
	struct err e = ERR_INIT;
	own_fd seccomp = -1, init = -1;
	uint64_t caps = stage_known_caps((uint64_t)s->process->caps);
	char program[4300];
	char **argv;

	if ((s->w->seccomp && stage_take_fd(s, &seccomp, &e) < 0) || (s->spec != NULL && s->spec->init && stage_take_fd(s, &init, &e) < 0))
		stage_fail(s, &e);
	if (make_argv(s, &argv, &e) < 0 || prepare_program(s, caps, program, sizeof program, &e) < 0)
		stage_fail(s, &e);
	/* said before the filter may forbid to say it; if the program cannot be executed after all, an error follows */
	if (wire_send(s->ms, W_GO, NULL, NULL, 0, &e) < 0 || stage_labels_apply(s, &e) < 0 || restrict_self(s, caps, seccomp, &e) < 0)
		stage_fail(s, &e);
	if (init >= 0)
		(void)syscall(SYS_execveat, init, "", argv, s->env, AT_EMPTY_PATH);
	else
		(void)execve(program, argv, s->env);
	run_error(s, ERR_INVALID, &e, "exec %s: %s", program, reason(errno));
	stage_fail(s, &e);
}
