/*
 * A hostile logger in the place of bulwark-logger: same user, same sandbox, and its channel to the broker. Its first life tries what a logger must not
 * reach; each further one breaks the rules of its edge once. The last is quiet.
 */
#include "comp.h"
#include "drill.h"
#include "fd.h"
#include "hostile.h"
#include "msg/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	struct comp *c;
	int dir, channel;
	unsigned life;
	struct loop_timer timer;
	char root[PATH_MAX_ + 1];
} l = { .channel = -1 };

static int
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? errno : 0;
}

/* Beneath the data root. */
static int
opens_ours(const char *name, int flags)
{
	char path[PATH_MAX_ + 64];

	snprintf(path, sizeof path, "%s/%s", l.root, name);
	return opens(path, flags);
}

static int t_records(void) { return opens_ours("broker/state.db", O_RDONLY); }
static int t_containers(void) { return opens_ours("containers", O_RDONLY | O_DIRECTORY); }
static int t_monitor_socket(void) { return opens_ours("../exec/run", O_RDONLY | O_DIRECTORY); }
static int t_write_etc(void) { return opens("/etc/bulwark-drill-made", O_WRONLY | O_CREAT); }
static int t_shadow(void) { return opens("/etc/shadow", O_RDONLY); }
static int t_home(void) { return opens("/root", O_RDONLY | O_DIRECTORY); }
static int t_tmp(void) { return opens("/tmp", O_RDONLY | O_DIRECTORY); }
static int t_engine_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%.80s/../docker.sock", l.root);
	return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? 0 : errno;
}
static int t_listen(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/bulwark-drill" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 ? 0 : errno;
}

static const struct attack own[] = { { "the broker's records", t_records }, { "the containers' directory", t_containers },
	{ "a new file in /etc", t_write_etc }, { "/etc/shadow", t_shadow }, { "the home of root", t_home }, { "/tmp", t_tmp }, { "the engine's socket", t_engine_socket },
	{ "the monitors' sockets", t_monitor_socket }, { "a socket of its own in /run", t_listen } };

static void
try_own(const struct role_tree *trees, size_t n)
{
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			struct err e = ERR_INIT;

			_exit(role_sandbox(ROLE_LOGGER, trees, n, &e) < 0 ? 0 : own[i].run() & 127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			drill_said(false, own[i].name, "no child");
		else
			drill_said(WIFSIGNALED(status) || WEXITSTATUS(status) != 0, own[i].name, "it had an effect");
	}
}

/* Numbers of rows that only the broker may send. */
static void
of_the_broker(unsigned no)
{
	char name[64];

	snprintf(name, sizeof name, "request %u, which is the broker's", no);
	packet_send(l.channel, no, 0, 0, 1, 0, "", 0, NULL, 0);
	drill_said(packet_cut(l.channel, 3000) != 0, name, "not cut off");
}

static void
on_time(struct loop_timer *t)
{
	static const unsigned malformed[] = { 0, 2, 4, 6, 14, 15 };

	if (l.life >= 1 && l.life <= 6)
		(void)drill_malformed(l.channel, NO_log_wanted, malformed[l.life - 1], "log");
	else if (l.life == 7)
		of_the_broker(NO_log_follow);
	if (l.life <= 7)
		exit(1);
	drill_said(true, "the end", "");
}

static int
start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	/* it may open connections; its user's files beneath /etc it may read, the list of accounts among them */
	static const char *const except[] = { "socket_inet", NULL };
	struct role_tree trees[3] = { { .write = true } };

	l.c = c;
	l.dir = fd_take(&fds[0]);
	trees[0].fd = l.dir;
	trees[1].fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	trees[2].fd = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < 3; i++)
		c->trees[c->n_trees++] = trees[i];
	l.life = drill_life(l.dir);
	if (drill_dir(l.dir, l.root, sizeof l.root) < 0)
		return err_sys(e, errno, "where am I");
	*strrchr(l.root, '/') = '\0';
	if (l.life == 0) {
		drill_common(ROLE_LOGGER, trees, 3, except);
		try_own(trees, 3);
	}
	return 0;
}

static int
edge(struct comp *c, const char *name, int fd, struct err *e)
{
	fd_close(&l.channel);
	l.channel = fd;
	l.timer.on_time = on_time;
	loop_timer_set(c->loop, &l.timer, 100000000);
	return 0;
}

int
main(void)
{
	struct comp c = { .role = ROLE_LOGGER, .ctx = &l, .start = start, .edge = edge };

	return comp_main(&c);
}
