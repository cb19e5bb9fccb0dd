/* Limits of a container's cgroup. What the kernel does not have is an error: a limit is never silently left out. */
#include "runtime.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
cg_put(struct box *b, const char *controller, const char *file, const char *text, struct err *e)
{
	own_fd fd = cg_open(b->rt, b, controller, file, O_WRONLY);

	if (fd < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "the kernel has no %s: this limit is not possible here", file) :
		    err_sys(e, errno, "open %s", file);
	if (write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "failed to write \"%s\" to %s", text, file);
	return 0;
}

int
cg_put_num(struct box *b, const char *controller, const char *file, int64_t v, struct err *e)
{
	char text[32];

	if (b->rt->v2 && v < 0)
		snprintf(text, sizeof text, "max");
	else
		snprintf(text, sizeof text, "%lld", (long long)v);
	return cg_put(b, controller, file, text, e);
}

static int64_t
get_num(struct box *b, const char *controller, const char *file)
{
	own_fd fd = cg_open(b->rt, b, controller, file, O_RDONLY);
	char text[64];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	return text[0] == 'm' ? INT64_MAX : strtoll(text, NULL, 10);
}

/* memory+swap must never be below memory in between: which goes first depends on the direction. */
static int
memory_v1(struct box *b, const struct run_limits *l, struct err *e)
{
	static const char mem[] = "memory.limit_in_bytes", total[] = "memory.memsw.limit_in_bytes";
	bool first_total = false;

	if (l->memory != 0 && l->memory_swap != 0) {
		int64_t now = get_num(b, "memory", total);

		first_total = l->memory_swap == -1 || (now >= 0 && now < INT64_MAX && l->memory_swap > now);
	}
	if (first_total && cg_put_num(b, "memory", total, l->memory_swap, e) < 0)
		return -1;
	if (l->memory != 0 && cg_put_num(b, "memory", mem, l->memory, e) < 0)
		return -1;
	if (!first_total && l->memory_swap != 0 && cg_put_num(b, "memory", total, l->memory_swap, e) < 0) {
		if (e->code == ERR_UNSUPPORTED)
			return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support swap limit capabilities or the cgroup is not mounted");
		return -1;
	}
	if (l->memory_reservation != 0 && cg_put_num(b, "memory", "memory.soft_limit_in_bytes", l->memory_reservation, e) < 0)
		return -1;
	if (l->memory_swappiness.set && l->memory_swappiness.v >= 0 && cg_put_num(b, "memory", "memory.swappiness", l->memory_swappiness.v, e) < 0)
		return -1;
	if (l->oom_kill_disable != 0 && cg_put_num(b, "memory", "memory.oom_control", l->oom_kill_disable > 0 ? 1 : 0, e) < 0)
		return -1;
	if (l->kernel_memory_tcp != 0 && cg_put_num(b, "memory", "memory.kmem.tcp.limit_in_bytes", l->kernel_memory_tcp, e) < 0)
		return -1;
	return 0;
}

static int
memory_v2(struct box *b, const struct run_limits *l, struct err *e)
{
	int64_t swap = l->memory_swap;

	if (l->memory != 0 && cg_put_num(b, "memory", "memory.max", l->memory, e) < 0)
		return -1;
	/* memory_swap is the sum; v2 counts swap alone */
	if (swap > 0) {
		int64_t memory = l->memory != 0 ? l->memory : get_num(b, "memory", "memory.max");

		if (memory <= 0 || memory == INT64_MAX || swap < memory)
			return err_set(e, ERR_INVALID, "Minimum memoryswap limit should be larger than memory limit, see usage");
		swap -= memory;
	}
	if (l->memory_swap != 0 && cg_put_num(b, "memory", "memory.swap.max", swap, e) < 0)
		return -1;
	if (l->memory_reservation != 0 && cg_put_num(b, "memory", "memory.low", l->memory_reservation > 0 ? l->memory_reservation : 0, e) < 0)
		return -1;
	if (l->memory_swappiness.set && l->memory_swappiness.v >= 0)
		return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted");
	if (l->oom_kill_disable > 0)
		return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support OomKillDisable");
	return 0;
}

static int
cpu_v2(struct box *b, const struct run_limits *l, struct err *e)
{
	char text[64];

	if (l->cpu_shares != 0) {
		int64_t shares = l->cpu_shares < 2 ? 2 : l->cpu_shares > 262144 ? 262144 : l->cpu_shares;

		if (cg_put_num(b, "cpu", "cpu.weight", 1 + (shares - 2) * 9999 / 262142, e) < 0)
			return -1;
	}
	if (l->cpu_quota == 0 && l->cpu_period == 0)
		return 0;
	if (l->cpu_quota > 0)
		snprintf(text, sizeof text, "%lld %lld", (long long)l->cpu_quota, (long long)(l->cpu_period > 0 ? l->cpu_period : 100000));
	else
		snprintf(text, sizeof text, "max %lld", (long long)(l->cpu_period > 0 ? l->cpu_period : 100000));
	return cg_put(b, "cpu", "cpu.max", text, e);
}

static int
cpu_v1(struct box *b, const struct run_limits *l, struct err *e)
{
	struct err later = ERR_INIT;

	if (l->cpu_shares != 0 && cg_put_num(b, "cpu", "cpu.shares", l->cpu_shares, e) < 0)
		return -1;
	/* a quota that is in force can forbid a new period until it is changed itself */
	if (l->cpu_period != 0 && cg_put_num(b, "cpu", "cpu.cfs_period_us", l->cpu_period, &later) < 0 && l->cpu_quota == 0) {
		*e = later;
		return -1;
	}
	if (l->cpu_quota != 0 && cg_put_num(b, "cpu", "cpu.cfs_quota_us", l->cpu_quota, e) < 0)
		return -1;
	if (later.code != ERR_NONE && cg_put_num(b, "cpu", "cpu.cfs_period_us", l->cpu_period, e) < 0)
		return -1;
	return 0;
}

/* Microseconds a second that the group has. */
static int64_t
realtime_share(struct box *b)
{
	int64_t runtime = get_num(b, "cpu", "cpu.rt_runtime_us"), period = get_num(b, "cpu", "cpu.rt_period_us");

	return runtime > 0 && period > 0 && runtime <= period ? runtime * 1000000 / period : 0;
}

/* The host-runtime's containers lie in a group of their own, which gets of the engine's share what they have together. It cannot have less
   than its members at any moment: of what b has and is to have the larger one counts. */
static int
realtime_of_host(struct box *b, const struct run_limits *l, struct err *e)
{
	int64_t period = l->cpu_rt_period > 0 ? l->cpu_rt_period : 1000000, sum, now;
	char text[32];
	own_fd fd = -1;

	if (!b->rt->host || l->cpu_rt_runtime <= 0)
		return 0;
	sum = l->cpu_rt_runtime * 1000000 / period + 1;
	now = realtime_share(b) + 1;
	if (now > sum)
		sum = now;
	for (struct box *other = b->rt->boxes; other != NULL; other = other->next)
		if (other != b && other->has_cgroup)
			sum += realtime_share(other) + 1;
	fd = cg_open(b->rt, b, "cpu", "../cpu.rt_runtime_us", O_WRONLY);
	snprintf(text, sizeof text, "%lld", (long long)sum);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "failed to write \"%s\" to cpu.rt_runtime_us of all containers without a user namespace", text);
	return 0;
}

/* The period must be long enough for the runtime at any moment. */
static int
realtime(struct box *b, const struct run_limits *l, struct err *e)
{
	struct err later = ERR_INIT;

	if (l->cpu_rt_period == 0 && l->cpu_rt_runtime == 0)
		return 0;
	if (b->rt->v2)
		return err_set(e, ERR_INVALID, "kernel does not support CPU real-time scheduler");
	if (l->cpu_rt_period > INT32_MAX || l->cpu_rt_runtime > (l->cpu_rt_period > 0 ? l->cpu_rt_period : INT32_MAX))
		return err_set(e, ERR_INVALID, "cpu real-time runtime cannot be higher than cpu real-time period");
	if (realtime_of_host(b, l, e) < 0)
		return -1;
	if (l->cpu_rt_period != 0 && cg_put_num(b, "cpu", "cpu.rt_period_us", l->cpu_rt_period, &later) < 0 && l->cpu_rt_runtime == 0) {
		*e = later;
		return -1;
	}
	if (l->cpu_rt_runtime != 0 && cg_put_num(b, "cpu", "cpu.rt_runtime_us", l->cpu_rt_runtime > 0 ? l->cpu_rt_runtime : 0, e) < 0)
		return -1;
	return later.code != ERR_NONE && l->cpu_rt_period != 0 ? cg_put_num(b, "cpu", "cpu.rt_period_us", l->cpu_rt_period, e) : 0;
}

/* "0-3"; a v1 group takes its parent's by copying, a v2 group by having none of its own. */
static int
cpuset(struct box *b, const char *file, const char *text, struct err *e)
{
	char value[4096];
	own_fd up = -1;

	if (text == NULL || *text == '\0')
		return 0;
	if (strcmp(text, LIMITS_AS_PARENT) != 0)
		return cg_put(b, "cpuset", file, text, e);
	if (b->rt->v2)
		return cg_put(b, "cpuset", file, "\n", e);
	up = cg_open(b->rt, b, "cpuset", "..", O_RDONLY | O_DIRECTORY);
	if (up < 0 || fd_read_text(up, file, value, sizeof value) < 0)
		return err_sys(e, errno, "read the parent's %s", file);
	return cg_put(b, "cpuset", file, value, e);
}

int
cg_limits(struct runtime *rt, struct box *b, const struct run_limits *l, struct err *e)
{
	if ((rt->v2 ? memory_v2(b, l, e) : memory_v1(b, l, e)) < 0 || (rt->v2 ? cpu_v2(b, l, e) : cpu_v1(b, l, e)) < 0 || realtime(b, l, e) < 0)
		return -1;
	if (cpuset(b, "cpuset.cpus", l->cpuset_cpus, e) < 0 || cpuset(b, "cpuset.mems", l->cpuset_mems, e) < 0)
		return -1;
	if (l->pids != 0) {
		if ((l->pids > 0 ? cg_put_num(b, "pids", "pids.max", l->pids, e) : cg_put(b, "pids", "pids.max", "max", e)) < 0)
			return -1;
		if (l->pids > 0 && get_num(b, "pids", "pids.max") != l->pids)
			return err_set(e, ERR_SYSTEM, "the process limit was not taken");
	}
	return cg_blkio(b, l, e);
}
