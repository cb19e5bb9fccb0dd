/*
 * bulwarkd, the supervisor: reads and checks the configuration (through a parser process), opens what needs root, starts the
 * roles without it, restarts what dies, stops in order. It speaks no protocol but the edge ctl.
 */
#include "supervisor.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef BULWARK_LIBEXECDIR
#define BULWARK_LIBEXECDIR "/usr/local/libexec/bulwark"
#endif

/* The roles' binaries lie where they were installed, at the same place relative to this binary in a staged tree. */
static int
open_libexec(int *ret, struct err *e)
{
	char self[PATH_MAX_ + 1];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	own_fd dir = -1;

	if (n <= 0)
		return err_sys(e, errno, "readlink /proc/self/exe");
	self[n] = '\0';
	dir = open(dirname(self), O_PATH | O_DIRECTORY | O_CLOEXEC);
	*ret = dir >= 0 ? openat(dir, "../libexec/bulwark", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (*ret < 0)
		*ret = open(BULWARK_LIBEXECDIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open the directory of the engine's programs") : 0;
}

/* sd_notify(3), without its library. */
static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	own_fd fd = -1;

	if (path == NULL || !text_copy(a.sun_path, sizeof a.sun_path, path))
		return;
	if (a.sun_path[0] == '@')
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
}

static void
notify_ready(void)
{
	notify("READY=1");
}

static bool
keep_list(struct strs *to, const struct strs *from, struct arena *a)
{
	*to = (struct strs){ 0 };
	for (size_t i = 0; i < from->n; i++)
		if (!strs_add(to, a, from->v[i]))
			return false;
	return true;
}

/* What was settled at start stays: places, the floor (a giver that is restarted must not get another one than those that run have),
   and the ids that are the host's own, which are not in the file. */
static bool
keep_settled(struct engine_config *to, const struct engine_config *from, struct arena *a)
{
	to->data_root = arena_str(a, from->data_root);
	to->exec_root = arena_str(a, from->exec_root);
	to->pidfile = arena_str(a, from->pidfile);
	to->allow_host_userns = from->allow_host_userns;
	to->apparmor = from->apparmor;
	return to->data_root != NULL && to->exec_root != NULL && to->pidfile != NULL && keep_list(&to->allowed_roots, &from->allowed_roots, a) &&
	    keep_list(&to->forbidden_roots, &from->forbidden_roots, a) && keep_list(&to->id_ranges_used, &from->id_ranges_used, a);
}

static void
reload(struct supervisor *s)
{
	struct arena a = ARENA_INIT;
	struct engine_config *config = NULL;
	struct err e = ERR_INIT;

	log_msg(LOG_INFO, "Got signal to reload configuration");
	if (config_ask(s, &a, &config, &e) != 0 || !keep_settled(config, s->config, &a)) {
		if (e.code == ERR_NONE)
			err_set(&e, ERR_NO_MEMORY, "reload");
		log_err(LOG_ERROR, &e, "the configuration stays as it was");
		arena_done(&a);
		return;
	}
	arena_done(&s->arena);
	s->arena = a;
	s->config = config;
	procs_reload(s);
	log_msg(LOG_INFO, "Reloaded configuration");
}

static void
on_term(struct supervisor *s, int signal)
{
	if (s->term_signals == 0)
		log_msg(LOG_INFO, "Processing signal '%s'", signal == SIGINT ? "interrupt" : "terminated");
	if (s->term_signals++ >= 3) {
		log_msg(LOG_WARN, "Forcing docker daemon shutdown without cleanup; 3 interrupts received");
		_exit(128 + signal);
	}
	notify("STOPPING=1");
	procs_stop(s);
}

static void
on_signal(struct loop_io *io, uint32_t events)
{
	struct supervisor *s = (struct supervisor *)(void *)((char *)io - offsetof(struct supervisor, signals));
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info)
		switch (info.ssi_signo) {
		case SIGCHLD:
			while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
				procs_reaped(s, pid, status);
			break;
		case SIGHUP:
			reload(s);
			break;
		case SIGTERM:
		case SIGINT:
			on_term(s, (int)info.ssi_signo);
			break;
		default:
			break;
		}
}

static int
watch_signals(struct supervisor *s, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_sys(e, errno, "signals");
	s->signals.on_ready = on_signal;
	return loop_add(s->loop, &s->signals, 1 /* EPOLLIN */, e);
}

/* From here on only the capabilities of the supervisor's row. The bounding set goes too, unless there may be a host-runtime to start,
   whose containers may ask for all. */
static int
drop_own(bool keep_bounding, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	uint64_t caps = role_table[ROLE_SUPERVISOR].caps;

	for (int c = 0; !keep_bounding && c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if ((caps >> c & 1) == 0 && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %d", c);
	if (syscall(SYS_capget, &h, d) < 0)
		return err_sys(e, errno, "read capabilities");
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(caps >> (32 * i));
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	return syscall(SYS_capset, &h, d) < 0 ? err_sys(e, errno, "drop capabilities") : 0;
}

static int
serve(struct supervisor *s, struct err *e)
{
	int r;

	if ((s->loop = loop_new(e)) == NULL || watch_signals(s, e) < 0 || host_open(&s->host, s->config, &s->arena, e) < 0)
		return -1;
	s->config->apparmor = apparmor_prepare();
	if (drop_own(s->config->allow_host_userns, e) < 0 || procs_start_all(s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->config->warnings.n; i++)
		log_msg(LOG_WARN, "%s", s->config->warnings.v[i]);
	r = loop_run(s->loop, e);
	notify("STOPPING=1");
	return r;
}

int
main(int argc, char **argv)
{
	static struct supervisor s;
	struct err e = ERR_INIT;
	enum log_level level = LOG_INFO;
	int r;

	s = (struct supervisor){ .on_ready = notify_ready, .argc = argc, .argv = argv, .libexec = -1, .host = { .lock = -1, .exec_root = -1, .data_root = -1 } };
	umask(022);
	log_init("bulwarkd", LOG_INFO, false);
	if (open_libexec(&s.libexec, &e) < 0) {
		log_err(LOG_FATAL, &e, "failed to start daemon");
		return EXIT_FAILURE;
	}
	if (geteuid() == 0 && host_users(&s.host, &e) < 0) {
		/* only what it takes to print a version or check a file */
		s.host.uids[ROLE_CONFIG] = s.host.gids[ROLE_CONFIG] = 65534;
		err_clear(&e);
	}
	r = config_ask(&s, &s.arena, &s.config, &e);
	if (r > 0)
		return EXIT_SUCCESS;
	if (r < 0) {
		fprintf(stderr, "%s\n", e.text);
		return EXIT_FAILURE;
	}
	if (s.config->validate) {
		fputs("configuration OK\n", stderr);
		return EXIT_SUCCESS;
	}
	if (geteuid() != 0) {
		fputs("dockerd needs to be started with root privileges. To run dockerd in rootless mode as an unprivileged user, see the documentation\n", stderr);
		return EXIT_FAILURE;
	}
	(void)log_level_parse(s.config->log_level, &level);
	log_init("bulwarkd", s.config->debug ? LOG_DEBUG : level, s.config->log_json);
	role_limits_raise();
	r = serve(&s, &e);
	if (r < 0)
		log_err(LOG_FATAL, &e, "failed to start daemon");
	for (int i = 0; r < 0 && i < ROLE_COUNT; i++)
		if (s.roles[i].pid > 0)
			kill(s.roles[i].pid, SIGKILL);
	host_close(&s.host, s.config);
	return r < 0 || s.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
