/* What a container uses at this moment. The kernel's files go on as they are: who reads them has no privilege and no container in its hands. */
#include "runtime.h"

#include "fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 16384
#define TICK_NS (INT64_C(1000000000) / 100)      /* USER_HZ is fixed in the kernel's interface */

/* The group's directories of one sample, opened when they are first wanted. */
struct sampling { struct box *b; struct arena *a; int dir; char text[TEXT_MAX + 1]; };

static void
use(struct sampling *s, const char *controller)
{
	fd_close(&s->dir);
	s->dir = cg_open(s->b->rt, s->b, controller, ".", O_PATH | O_DIRECTORY);
}

/* The start of a file, up to its last whole line if it is longer than a message takes. */
static ssize_t
get(struct sampling *s, int dir, const char *file)
{
	own_fd fd = dir != -1 ? openat(dir, file, O_RDONLY | O_CLOEXEC) : -1;
	size_t n = 0;
	ssize_t r = 0;

	while (fd >= 0 && n < TEXT_MAX && (r = read(fd, s->text + n, TEXT_MAX - n)) > 0)
		n += (size_t)r;
	if (fd < 0 || r < 0)
		return -1;
	while (n == TEXT_MAX && n > 0 && s->text[n - 1] != '\n')
		n--;
	s->text[n] = '\0';
	return (ssize_t)n;
}

static char *
text_of(struct sampling *s, const char *file)
{
	ssize_t n = get(s, s->dir, file);

	return n > 0 ? arena_strn(s->a, s->text, (size_t)n) : NULL;
}

static int64_t
num_of(struct sampling *s, const char *file)
{
	uint64_t v;

	if (get(s, s->dir, file) <= 0 || s->text[0] < '0' || s->text[0] > '9')
		return -1;
	v = strtoull(s->text, NULL, 10);
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* All processors' time together, as the Docker engine counts it: the first eight numbers of the first line. */
static int64_t
system_time(struct sampling *s)
{
	int64_t sum = 0;
	char *p = s->text + 4;

	if (get(s, AT_FDCWD, "/proc/stat") < 0 || strncmp(s->text, "cpu ", 4) != 0)
		return 0;
	for (int i = 0; i < 8; i++)
		sum += strtoll(p, &p, 10);
	return sum * TICK_NS;
}

static void
sample_v1(struct sampling *s, struct api_sample *r)
{
	use(s, "cpuacct");
	r->cpu = text_of(s, "cpuacct.usage");
	r->cpu_each = text_of(s, "cpuacct.usage_percpu");
	r->cpu_modes = text_of(s, "cpuacct.stat");
	use(s, "cpu");
	r->throttle = text_of(s, "cpu.stat");
	use(s, "memory");
	r->memory = num_of(s, "memory.usage_in_bytes");
	r->memory_max = num_of(s, "memory.max_usage_in_bytes");
	r->memory_failures = num_of(s, "memory.failcnt");
	r->memory_limit = num_of(s, "memory.limit_in_bytes");
	r->memory_stat = text_of(s, "memory.stat");
	use(s, "pids");
	r->pids = num_of(s, "pids.current");
	r->pids_limit = num_of(s, "pids.max");
	use(s, "blkio");
	r->io_bytes = text_of(s, "blkio.throttle.io_service_bytes_recursive");
	r->io_ops = text_of(s, "blkio.throttle.io_serviced_recursive");
}

static void
sample_v2(struct sampling *s, struct api_sample *r)
{
	const char *oom;

	use(s, NULL);
	r->two = true;
	r->cpu = text_of(s, "cpu.stat");
	r->memory = num_of(s, "memory.current");
	r->memory_limit = num_of(s, "memory.max");
	if (get(s, s->dir, "memory.events") > 0 && (oom = strstr(s->text, "\noom ")) != NULL)
		r->memory_failures = strtoll(oom + 5, NULL, 10);
	r->memory_stat = text_of(s, "memory.stat");
	r->pids = num_of(s, "pids.current");
	r->pids_limit = num_of(s, "pids.max");
	r->io_bytes = text_of(s, "io.stat");
}

int
on_run_stats(struct call *c, const void *msg, struct err *e)
{
	struct runtime *rt = c->ctx;
	const struct run_stats *m = msg;
	struct box *b = box_find(rt, m->id);
	own_arena a = ARENA_INIT;
	static struct sampling s;
	struct api_sample r = { .memory_max = -1, .memory_failures = -1 };
	char path[48];

	if (b == NULL || b->state != BOX_RUNNING)
		return err_set(e, ERR_CONFLICT, "container %s is not running", m->id != NULL ? m->id : "");
	s.b = b;
	s.a = &a;
	s.dir = -1;
	r.read = now_real_ns();
	r.system_ns = system_time(&s);
	r.ncpu = rt->ncpu;
	if (rt->v2)
		sample_v2(&s, &r);
	else
		sample_v1(&s, &r);
	fd_close(&s.dir);
	snprintf(path, sizeof path, "/proc/%d/net/dev", b->init->pid);
	if (m->net && get(&s, AT_FDCWD, path) > 0)
		r.net = arena_str(&a, s.text);
	call_reply(c, &r, NULL, 0);
	return 0;
}
