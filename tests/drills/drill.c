#include "drill.h"

#include "fd.h"
#include "hostile.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void
drill_said(bool good, const char *name, const char *why)
{
	char line[512];
	int n = good ? snprintf(line, sizeof line, "drill: ok %s\n", name) : snprintf(line, sizeof line, "drill: not ok %s # %s\n", name, why);

	(void)!write(2, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static bool
is_one_of(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

void
drill_common(enum role role, const struct role_tree *trees, size_t n, const char *const *except)
{
	const struct attack *a;

	for (size_t i = 0; (a = attack_at(i)) != NULL; i++) {
		int status = 0;
		pid_t pid;

		if (is_one_of(a->name, except))
			continue;
		pid = fork();
		if (pid == 0) {
			struct err e = ERR_INIT;

			if (role_sandbox(role, trees, n, &e) < 0) {
				(void)!write(2, e.text, strlen(e.text));
				_exit(0);
			}
			_exit(a->run() & 127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			drill_said(false, a->name, "no child");
		else
			drill_said(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS : WEXITSTATUS(status) != 0, a->name, "it had an effect");
	}
}

unsigned
drill_life(int dir)
{
	char text[32] = "";
	uint64_t n = 0;

	if (fd_read_text(dir, "drill-life", text, sizeof text) > 0)
		(void)text_to_u64(text, 1000, &n);
	snprintf(text, sizeof text, "%u", (unsigned)n + 1);
	if (fd_replace_file(dir, "drill-life", text, strlen(text), 0600) < 0)
		drill_said(false, "life", strerror(errno));
	return (unsigned)n;
}

int
drill_dir(int dir, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -1;
}

bool
drill_malformed(int channel, unsigned no, unsigned at, const char *edge)
{
	const struct malformed *m = malformed_at(at);
	char name[128];

	if (m == NULL)
		return false;
	snprintf(name, sizeof name, "%s on edge %s", m->name, edge);
	m->send(channel, no);
	drill_said(packet_cut(channel, 3000) != 0, name, "not cut off");
	return true;
}

static int
call(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, int *ret_fds, size_t max_fds, struct err *e)
{
	static _Alignas(16) unsigned char reply[4096];
	own_arena a = ARENA_INIT;
	size_t n = 0;
	int r = edge_call(edge, no, msg, fds, nfds, &a, reply, ret_fds, max_fds, &n, 15000, e);

	return r < 0 ? -1 : (int)n;
}

void
drill_refused(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, const char *name)
{
	int given[EDGE_FDS_MAX];
	struct err e = ERR_INIT;
	int n = call(edge, no, msg, fds, nfds, given, EDGE_FDS_MAX, &e);

	/* an edge that is gone refuses nothing */
	drill_said(n < 0 && e.code != ERR_UNAVAILABLE, name, n < 0 ? e.text : "it was answered");
	for (int i = 0; i < n; i++)
		close(given[i]);
}

bool
drill_works(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, int *ret_fds, size_t max_fds, const char *name)
{
	struct err e = ERR_INIT;
	bool good = call(edge, no, msg, fds, nfds, ret_fds, max_fds, &e) >= 0;

	drill_said(good, name, e.text);
	return good;
}
