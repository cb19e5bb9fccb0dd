/*
 * Nothing here reads JSON: a process without any right parses the flags and daemon.json and hands back one checked record.
 * The conversation is described in lib/msg/conf.h.
 */
#include "supervisor.h"

#include "fd.h"
#include "log.h"
#include "msg/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKET_MAX ((size_t)64 << 10)

struct talk {
	int sock;
	pid_t pid;
	char packet[PACKET_MAX + 1];
	size_t n;
	int fd;
};

static int
hear(struct talk *t, struct err *e)
{
	size_t n_fds = 1;
	ssize_t n;

	t->fd = -1;
	n = fd_receive(t->sock, t->packet, PACKET_MAX, &t->fd, &n_fds, 0);
	if (n <= 0)
		return err_set(e, ERR_SYSTEM, "the configuration parser ended without an answer");
	t->n = (size_t)n;
	t->packet[t->n] = '\0';
	return 0;
}

static int
say(struct talk *t, const char *text, int fd, struct err *e)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };

	return fd_send(t->sock, &iov, 1, &fd, fd >= 0 ? 1 : 0, 0) < 0 ? err_sys(e, errno, "answer the configuration parser") : 0;
}

static int
open_parser(struct supervisor *s, struct talk *t, bool first, const int *extra, size_t n_extra, struct err *e)
{
	char **argv = calloc((size_t)s->argc + 3, sizeof *argv);
	int pair[2], n = 0;

	if (argv == NULL)
		return err_set(e, ERR_NO_MEMORY, "arguments");
	argv[n++] = (char *)(uintptr_t)"bulwark-config";
	if (first)
		argv[n++] = (char *)(uintptr_t)CONF_FIRST_PASS;
	for (int i = 1; i < s->argc; i++)
		argv[n++] = s->argv[i];
	if (edge_pair(pair, e) < 0) {
		free(argv);
		return -1;
	}
	t->pid = proc_spawn(s, ROLE_CONFIG, argv, pair[1], extra, n_extra, e);
	free(argv);
	fd_close(&pair[1]);
	t->sock = pair[0];
	return t->pid < 0 ? -1 : 0;
}

static void
close_parser(struct talk *t)
{
	fd_close(&t->sock);
	fd_close(&t->fd);
	if (t->pid > 0)
		while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
			;
	t->pid = 0;
}

/* What both passes may end with. Returns 1 after a text was printed, -1 on error, 0 if it is something else. */
static int
common_answer(struct talk *t, struct err *e)
{
	if (t->packet[0] == CONF_ERROR)
		return err_set(e, ERR_INVALID, "%s", t->packet + 1);
	if (t->packet[0] != CONF_TEXT)
		return 0;
	fputs(t->packet + 1, stdout);
	return fflush(stdout) == 0 ? 1 : err_sys(e, errno, "print");
}

static int
find_file(struct supervisor *s, int *ret_file, struct err *e)
{
	static struct talk t;
	int r;

	t = (struct talk){ .sock = -1, .fd = -1 };
	r = open_parser(s, &t, true, NULL, 0, e) < 0 || hear(&t, e) < 0 ? -1 : common_answer(&t, e);
	if (r == 0) {
		const char *path = t.packet + 1;
		bool named = t.packet[0] == CONF_FILE && t.n >= 2 && t.packet[t.n - 1] == '1';

		*ret_file = open(path, O_RDONLY | O_CLOEXEC);
		if (*ret_file < 0 && (errno != ENOENT || named))
			r = err_sys(e, errno, "unable to configure the Docker daemon with file %s: open %s", path, path);
	}
	close_parser(&t);
	return r;
}

static int
take_record(struct talk *t, struct arena *a, struct engine_config *config, struct err *e)
{
	off_t n;
	void *p;
	int r;

	if (t->packet[0] == CONF_RECORD)
		return rec_decode_all(&engine_config_type, t->packet + 1, t->n - 1, a, config, e);
	n = t->packet[0] == CONF_MEMORY && t->fd >= 0 ? lseek(t->fd, 0, SEEK_END) : -1;
	if (n <= 0 || n > (off_t)EDGE_BODY_MAX || fcntl(t->fd, F_GET_SEALS) != (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		return err_set(e, ERR_PROTOCOL, "the configuration parser answered nonsense");
	p = mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, t->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, errno, "map the configuration");
	r = rec_decode_all(&engine_config_type, p, (size_t)n, a, config, e);
	munmap(p, (size_t)n);
	return r;
}

/* The parser asks for files that flags or daemon.json name. */
static int
serve_files(struct talk *t, struct err *e)
{
	while (hear(t, e) == 0) {
		own_fd fd = -1;
		char text[256];

		if (t->packet[0] != CONF_OPEN)
			return 0;
		fd = open(t->packet + 1, O_RDONLY | O_CLOEXEC);
		snprintf(text, sizeof text, "%s", fd >= 0 ? "d" : strerror(errno));
		if (say(t, text, fd, e) < 0)
			return -1;
	}
	return -1;
}

int
config_ask(struct supervisor *s, struct arena *a, struct engine_config **ret, struct err *e)
{
	static struct talk t;
	own_fd file = -1;
	int r = find_file(s, &file, e);
	struct engine_config *config = arena_alloc(a, sizeof *config);

	if (r != 0)
		return r;
	if (config == NULL)
		return err_set(e, ERR_NO_MEMORY, "configuration");
	t = (struct talk){ .sock = -1, .fd = -1 };
	r = open_parser(s, &t, false, &file, file >= 0 ? 1 : 0, e) < 0 || serve_files(&t, e) < 0 ? -1 : common_answer(&t, e);
	if (r == 0)
		r = take_record(&t, a, config, e);
	close_parser(&t);
	if (r == 0)
		*ret = config;
	return r;
}
