/* Limits of a container's cgroup. What the kernel does not have is an error: a limit is never silently left out. */
#include "runtime.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
put_text(struct box *b, const char *controller, const char *file, const char *text, struct err *e)
{
	own_fd fd = cg_open(b->rt, b, controller, file, O_WRONLY);

	if (fd < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "the kernel has no %s: this limit is not possible here", file) :
		    err_sys(e, errno, "open %s", file);
	if (write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "failed to write \"%s\" to %s", text, file);
	return 0;
}

static int
put_num(struct box *b, const char *controller, const char *file, int64_t v, struct err *e)
{
	char text[32];

	if (b->rt->v2 && v < 0)
		snprintf(text, sizeof text, "max");
	else
		snprintf(text, sizeof text, "%lld", (long long)v);
	return put_text(b, controller, file, text, e);
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
	if (first_total && put_num(b, "memory", total, l->memory_swap, e) < 0)
		return -1;
	if (l->memory != 0 && put_num(b, "memory", mem, l->memory, e) < 0)
		return -1;
	if (!first_total && l->memory_swap != 0 && put_num(b, "memory", total, l->memory_swap, e) < 0) {
		if (e->code == ERR_UNSUPPORTED)
			return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support swap limit capabilities or the cgroup is not mounted");
		return -1;
	}
	if (l->memory_reservation != 0 && put_num(b, "memory", "memory.soft_limit_in_bytes", l->memory_reservation, e) < 0)
		return -1;
	if (l->memory_swappiness.set && l->memory_swappiness.v >= 0 && put_num(b, "memory", "memory.swappiness", l->memory_swappiness.v, e) < 0)
		return -1;
	if (l->oom_kill_disable != 0 && put_num(b, "memory", "memory.oom_control", l->oom_kill_disable > 0 ? 1 : 0, e) < 0)
		return -1;
	return 0;
}

static int
memory_v2(struct box *b, const struct run_limits *l, struct err *e)
{
	int64_t swap = l->memory_swap;

	if (l->memory != 0 && put_num(b, "memory", "memory.max", l->memory, e) < 0)
		return -1;
	/* memory_swap is the sum; v2 counts swap alone */
	if (swap > 0) {
		int64_t memory = l->memory != 0 ? l->memory : get_num(b, "memory", "memory.max");

		if (memory <= 0 || memory == INT64_MAX || swap < memory)
			return err_set(e, ERR_INVALID, "Minimum memoryswap limit should be larger than memory limit, see usage");
		swap -= memory;
	}
	if (l->memory_swap != 0 && put_num(b, "memory", "memory.swap.max", swap, e) < 0)
		return -1;
	if (l->memory_reservation != 0 && put_num(b, "memory", "memory.low", l->memory_reservation, e) < 0)
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

		if (put_num(b, "cpu", "cpu.weight", 1 + (shares - 2) * 9999 / 262142, e) < 0)
			return -1;
	}
	if (l->cpu_quota == 0 && l->cpu_period == 0)
		return 0;
	if (l->cpu_quota > 0)
		snprintf(text, sizeof text, "%lld %lld", (long long)l->cpu_quota, (long long)(l->cpu_period > 0 ? l->cpu_period : 100000));
	else
		snprintf(text, sizeof text, "max %lld", (long long)(l->cpu_period > 0 ? l->cpu_period : 100000));
	return put_text(b, "cpu", "cpu.max", text, e);
}

static int
cpu_v1(struct box *b, const struct run_limits *l, struct err *e)
{
	struct err later = ERR_INIT;

	if (l->cpu_shares != 0 && put_num(b, "cpu", "cpu.shares", l->cpu_shares, e) < 0)
		return -1;
	/* a quota that is in force can forbid a new period until it is changed itself */
	if (l->cpu_period != 0 && put_num(b, "cpu", "cpu.cfs_period_us", l->cpu_period, &later) < 0 && l->cpu_quota == 0) {
		*e = later;
		return -1;
	}
	if (l->cpu_quota != 0 && put_num(b, "cpu", "cpu.cfs_quota_us", l->cpu_quota, e) < 0)
		return -1;
	if (later.code != ERR_NONE && put_num(b, "cpu", "cpu.cfs_period_us", l->cpu_period, e) < 0)
		return -1;
	return 0;
}

static int
blkio(struct box *b, int64_t weight, struct err *e)
{
	struct err first = ERR_INIT;

	if (!b->rt->v2) {
		if (put_num(b, "blkio", "blkio.weight", weight, &first) == 0 || put_num(b, "blkio", "blkio.bfq.weight", weight, e) == 0)
			return 0;
		return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support Block I/O weight or the cgroup is not mounted");
	}
	if (put_num(b, "io", "io.bfq.weight", weight, &first) == 0)
		return 0;
	if (put_num(b, "io", "io.weight", 1 + (weight - 10) * 9999 / 990, e) == 0)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support Block I/O weight or the cgroup is not mounted");
}

int
cg_limits(struct runtime *rt, struct box *b, const struct run_limits *l, struct err *e)
{
	if ((rt->v2 ? memory_v2(b, l, e) : memory_v1(b, l, e)) < 0 || (rt->v2 ? cpu_v2(b, l, e) : cpu_v1(b, l, e)) < 0)
		return -1;
	if (l->cpuset_cpus != NULL && *l->cpuset_cpus != '\0' && put_text(b, "cpuset", "cpuset.cpus", l->cpuset_cpus, e) < 0)
		return -1;
	if (l->cpuset_mems != NULL && *l->cpuset_mems != '\0' && put_text(b, "cpuset", "cpuset.mems", l->cpuset_mems, e) < 0)
		return -1;
	if (l->pids != 0) {
		if ((l->pids > 0 ? put_num(b, "pids", "pids.max", l->pids, e) : put_text(b, "pids", "pids.max", "max", e)) < 0)
			return -1;
		if (l->pids > 0 && get_num(b, "pids", "pids.max") != l->pids)
			return err_set(e, ERR_SYSTEM, "the process limit was not taken");
	}
	return l->blkio_weight != 0 ? blkio(b, l->blkio_weight, e) : 0;
}
