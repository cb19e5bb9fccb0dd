/* The processes of a container, read from /proc: user ids as the container knows them, process ids as the host does (as the
   Docker engine shows them, and as State.Pid is). */
#include "runtime.h"

#include "fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX 4096

static int64_t
boot_time_ns(void)
{
	struct timespec boot, real;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	return ((int64_t)real.tv_sec - boot.tv_sec) * 1000000000 + real.tv_nsec - boot.tv_nsec;
}

static int64_t
own_id(const struct box *b, unsigned long id)
{
	if (b->rt->host)
		return (int64_t)id;
	return id >= b->id_base && id - b->id_base < ID_RANGE_SIZE ? (int64_t)(id - b->id_base) : 65534;
}

static bool
read_status(const struct box *b, int dir, struct proc *p)
{
	char text[8192];
	const char *at;
	unsigned long id;

	if (fd_read_text(dir, "status", text, sizeof text) < 0)
		return false;
	if ((at = strstr(text, "\nUid:\t")) != NULL && sscanf(at + 6, "%lu", &id) == 1)
		p->uid = own_id(b, id);
	if ((at = strstr(text, "\nGid:\t")) != NULL && sscanf(at + 6, "%lu", &id) == 1)
		p->gid = own_id(b, id);
	if ((at = strstr(text, "\nVmRSS:")) != NULL)
		p->rss_kib = strtoll(at + 7, NULL, 10);
	return true;
}

static bool
read_stat(int dir, struct proc *p, struct arena *a, int64_t boot)
{
	char text[2048], *open_, *close_;
	long long start, user, sys, nice, threads, tty;
	unsigned long long vsize;
	char state;
	int ppid;

	if (fd_read_text(dir, "stat", text, sizeof text) < 0 || (open_ = strchr(text, '(')) == NULL || (close_ = strrchr(text, ')')) == NULL)
		return false;
	*close_ = '\0';
	if (sscanf(close_ + 2, "%c %d %*d %*d %lld %*d %*u %*u %*u %*u %*u %lld %lld %*d %*d %*d %lld %lld %*d %lld %llu", &state, &ppid, &tty,
	    &user, &sys, &nice, &threads, &start, &vsize) != 9)
		return false;
	p->comm = arena_strn(a, open_ + 1, strnlen(open_ + 1, 63));
	p->state = arena_printf(a, "%c", state);
	p->ppid = ppid;
	p->tty = tty;
	p->cpu_ticks = user + sys;
	p->nice = nice;
	p->threads = threads;
	p->started = boot + start * (1000000000 / sysconf(_SC_CLK_TCK));
	p->vsz_kib = (int64_t)(vsize / 1024);
	return p->comm != NULL && p->state != NULL;
}

static void
read_args(int dir, struct proc *p, struct arena *a)
{
	char text[4097];
	own_fd fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (n > 0 && text[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0' || text[i] == '\n')
			text[i] = ' ';
	p->args = n > 0 ? arena_strn(a, text, (size_t)n) : arena_printf(a, "[%s]", p->comm);
}

int
on_run_top(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_id *m = msg;
	struct box *b = box_find(rt, m->id);
	own_arena a = ARENA_INIT;
	struct api_procs r = { .procs = { .n = 0 } };
	pid_t pids[PIDS_MAX];
	size_t n;
	int64_t boot = boot_time_ns();

	if (b == NULL || b->state != BOX_RUNNING)
		return err_set(e, ERR_CONFLICT, "container %s is not running", m->id != NULL ? m->id : "");
	n = cg_pids(rt, b, pids, PIDS_MAX);
	for (size_t i = 0; i < n; i++) {
		char path[32];
		own_fd dir = -1;
		struct proc p = { .pid = pids[i] }, *slot;

		snprintf(path, sizeof path, "/proc/%d", pids[i]);
		dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || !read_stat(dir, &p, &a, boot) || !read_status(b, dir, &p))
			continue;   /* it ended meanwhile */
		read_args(dir, &p, &a);
		slot = list_add(&r.procs, &a, sizeof *slot);
		if (slot == NULL)
			return err_set(e, ERR_NO_MEMORY, "list of processes");
		*slot = p;
	}
	call_reply(c, &r, NULL, 0);
	return 0;
}
