/*
 * What a container may use: the rules for what a request says (texts are the Docker engine's), and from the record to what the runtime
 * is told. What the kernel has not is left out with a warning, as the Docker engine does.
 */
#include "limits.h"

#include "broker.h"
#include "text.h"

#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define MEMORY_MIN (6 << 20)

struct checking { struct host_config *h; const struct host_facts *f; bool update; struct strs *warnings; struct arena *a; struct err *e; };

static int
warn(struct checking *k, const char *text)
{
	return strs_add(k->warnings, k->a, text) ? 0 : err_memory(k->e);
}

static int
check_swap(struct checking *k)
{
	struct host_config *h = k->h;

	if (h->memory > 0 && !k->f->cgroup.memory) {
		h->memory = 0;
		h->memory_swap = 0;
		if (warn(k, "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.") < 0)
			return -1;
	}
	if (h->memory > 0 && h->memory_swap != -1 && !k->f->cgroup.swap) {
		h->memory_swap = -1;
		if (warn(k, "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.") < 0)
			return -1;
	}
	if (h->memory > 0 && h->memory_swap > 0 && h->memory_swap < h->memory)
		return err_set(k->e, ERR_INVALID, "Minimum memoryswap limit should be larger than memory limit, see usage");
	if (h->memory == 0 && h->memory_swap > 0 && !k->update)
		return err_set(k->e, ERR_INVALID, "You should always set the Memory limit when using Memoryswap limit, see usage");
	if (h->memory_swap < -1)
		return err_set(k->e, ERR_INVALID, "Minimum memoryswap limit should be larger than memory limit, see usage");
	if (h->memory > 0 && h->memory_swap == 0 && !k->update)
		h->memory_swap = h->memory <= INT64_MAX / 2 ? 2 * h->memory : -1;
	return 0;
}

static int
check_memory(struct checking *k)
{
	struct host_config *h = k->h;

	if (h->memory != 0 && h->memory < MEMORY_MIN)
		return err_set(k->e, ERR_INVALID, "Minimum memory limit allowed is 6MB");
	if (check_swap(k) < 0)
		return -1;
	if (h->memory_swappiness.set && h->memory_swappiness.v == -1)
		h->memory_swappiness = (struct opt){ 0 };
	if (h->memory_swappiness.set && !k->f->cgroup.swappiness) {
		h->memory_swappiness = (struct opt){ 0 };
		if (warn(k, "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.") < 0)
			return -1;
	}
	if (h->memory_swappiness.set && (h->memory_swappiness.v < 0 || h->memory_swappiness.v > 100))
		return err_set(k->e, ERR_INVALID, "Invalid value: %lld, valid memory swappiness range is 0-100", (long long)h->memory_swappiness.v);
	if (h->memory_reservation > 0 && !k->f->cgroup.memory) {
		h->memory_reservation = 0;
		if (warn(k, "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.") < 0)
			return -1;
	}
	if (h->memory_reservation < 0 || (h->memory_reservation > 0 && h->memory_reservation < MEMORY_MIN))
		return err_set(k->e, ERR_INVALID, "Minimum memory reservation allowed is 6MB");
	if (h->memory > 0 && h->memory_reservation > h->memory)
		return err_set(k->e, ERR_INVALID, "Minimum memory limit can not be less than memory reservation limit, see usage");
	return 0;
}

/* The less usual parts of memory, and processes. */
static int
check_oom_and_pids(struct checking *k)
{
	struct host_config *h = k->h;

	if (h->oom_kill_disable != 0 && !k->f->cgroup.oom_kill_disable) {
		/* nobody is warned who does not want it anyway */
		if (h->oom_kill_disable > 0 && warn(k, "Your kernel does not support OomKillDisable. OomKillDisable discarded.") < 0)
			return -1;
		h->oom_kill_disable = 0;
	}
	if (h->oom_kill_disable > 0 && h->memory == 0 && warn(k, "OOM killer is disabled for the container, but no memory limit is set, this can "
	    "result in the system running out of resources.") < 0)
		return -1;
	if (h->kernel_memory_tcp != 0 && !k->f->cgroup.kernel_memory_tcp) {
		h->kernel_memory_tcp = 0;
		if (warn(k, "Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. Limitation discarded.") < 0)
			return -1;
	}
	if (h->pids_limit.set && h->pids_limit.v > 0 && !k->f->cgroup.pids) {
		h->pids_limit = (struct opt){ true, -1 };
		return warn(k, "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.");
	}
	return 0;
}

/* "0-3,7": every number below n. */
static int
check_set(const char *text, int64_t n, const char *what, struct err *e)
{
	const char *p = text;

	while (*p != '\0') {
		int64_t ends[2] = { 0, 0 };

		for (int k = 0; k < 2; k++) {
			size_t digits = 0;

			while (p[digits] >= '0' && p[digits] <= '9' && digits < 6)
				ends[k] = ends[k] * 10 + (p[digits++] - '0');
			if (digits == 0)
				goto bad;
			p += digits;
			if (k == 0 && *p != '-') {
				ends[1] = ends[0];
				break;
			}
			if (k == 0)
				p++;
		}
		if (ends[0] > ends[1])
			goto bad;
		if (ends[1] >= n)
			return err_set(e, ERR_INVALID, "Requested %s are not available - requested %.100s, available: 0-%lld", what, text,
			    (long long)(n - 1));
		if (*p == ',' && p[1] != '\0')
			p++;
		else if (*p != '\0')
			goto bad;
	}
	return 0;
bad:
	return err_set(e, ERR_INVALID, "Invalid value %.100s for cpuset %s", text, what[0] == 'C' ? "cpus" : "mems");
}

int
check_realtime(const struct host_config *h, struct err *e)
{
	if (h->cpu_rt_period < 0 || h->cpu_rt_period > INT32_MAX)
		return err_set(e, ERR_INVALID, "invalid cpu real-time period (%lld): value must be from 1 to %d", (long long)h->cpu_rt_period, INT32_MAX);
	if (h->cpu_rt_runtime < 0)
		return err_set(e, ERR_INVALID, "invalid cpu real-time runtime (%lld): value must be a positive integer", (long long)h->cpu_rt_runtime);
	/* where nothing is said the kernel has a second */
	if (h->cpu_rt_runtime > (h->cpu_rt_period != 0 ? h->cpu_rt_period : 1000000))
		return err_set(e, ERR_INVALID, "cpu real-time runtime cannot be higher than cpu real-time period");
	return 0;
}

static int
check_cpu_times(struct checking *k)
{
	struct host_config *h = k->h;
	long long ncpu = (long long)k->f->ncpu;

	if (h->nano_cpus != 0 && h->cpu_period != 0)
		return err_set(k->e, ERR_INVALID, "Conflicting options: Nano CPUs and CPU Period cannot both be set");
	if (h->nano_cpus != 0 && h->cpu_quota != 0)
		return err_set(k->e, ERR_INVALID, "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
	if (h->nano_cpus < 0 || h->nano_cpus > ncpu * INT64_C(1000000000) || (h->nano_cpus > 0 && h->nano_cpus < 10000000))
		return err_set(k->e, ERR_INVALID, "range of CPUs is from 0.01 to %lld.00, as there are only %lld CPUs available", ncpu, ncpu);
	if (h->nano_cpus > 0 && !k->f->cgroup.cpu_cfs)
		return err_set(k->e, ERR_INVALID, "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted");
	if ((h->cpu_period != 0 || h->cpu_quota != 0) && !k->f->cgroup.cpu_cfs) {
		h->cpu_period = h->cpu_quota = 0;
		if (warn(k, "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.") < 0)
			return -1;
	}
	if (h->cpu_period != 0 && (h->cpu_period < PERIOD_MIN || h->cpu_period > PERIOD_MAX))
		return err_set(k->e, ERR_INVALID, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
	if (h->cpu_quota > 0 && h->cpu_quota < 1000)
		return err_set(k->e, ERR_INVALID, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if ((h->cpu_rt_period != 0 || h->cpu_rt_runtime != 0) && !k->f->cgroup.realtime)
		return err_set(k->e, ERR_INVALID, "kernel does not support CPU real-time scheduler");
	/* an update is looked at together with what is there already */
	return k->update ? 0 : check_realtime(h, k->e);
}

static int
check_cpu(struct checking *k)
{
	struct host_config *h = k->h;

	if (check_cpu_times(k) < 0)
		return -1;
	if (h->cpu_shares < 0)
		return err_set(k->e, ERR_INVALID, "invalid CPU shares (%lld): value must be a positive integer", (long long)h->cpu_shares);
	if (h->cpu_shares > 0 && !k->f->cgroup.cpu_shares) {
		h->cpu_shares = 0;
		if (warn(k, "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.") < 0)
			return -1;
	}
	if (h->cpu_percent > 0) {
		h->cpu_percent = 0;
		if (warn(k, "linux does not support CPU percent. Percent discarded.") < 0)
			return -1;
	}
	if ((text_set(h->cpuset_cpus) || text_set(h->cpuset_mems)) && !k->f->cgroup.cpuset) {
		h->cpuset_cpus = h->cpuset_mems = NULL;
		if (warn(k, "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.") < 0)
			return -1;
	}
	if (check_set(text_or_empty(h->cpuset_cpus), k->f->ncpu, "CPUs", k->e) < 0)
		return -1;
	return check_set(text_or_empty(h->cpuset_mems), 1024, "memory nodes", k->e);
}

static int
check_throttles(struct checking *k)
{
	struct host_config *h = k->h;
	const struct cgroup_facts *f = &k->f->cgroup;
	struct { struct throttle_device_list *list; bool has; const char *text; } rules[] = {
		{ &h->blkio_read_bps, f->blkio_read_bps, "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded." },
		{ &h->blkio_write_bps, f->blkio_write_bps, "Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded." },
		{ &h->blkio_read_iops, f->blkio_read_iops, "Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded." },
		{ &h->blkio_write_iops, f->blkio_write_iops, "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded." },
	};

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		for (size_t d = 0; d < rules[i].list->n; d++)
			if (!text_set(rules[i].list->v[d].path) || rules[i].list->v[d].rate < 0)
				return err_set(k->e, ERR_INVALID, "invalid rate for device: %.200s", text_or_empty(rules[i].list->v[d].path));
		if (rules[i].list->n == 0 || rules[i].has)
			continue;
		rules[i].list->n = 0;
		if (warn(k, rules[i].text) < 0)
			return -1;
	}
	return 0;
}

static int
check_blkio(struct checking *k)
{
	struct host_config *h = k->h;

	if (h->blkio_weight > 0 && !k->f->cgroup.blkio_weight) {
		h->blkio_weight = 0;
		if (warn(k, "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.") < 0)
			return -1;
	}
	if (h->blkio_weight != 0 && (h->blkio_weight < 10 || h->blkio_weight > 1000))
		return err_set(k->e, ERR_INVALID, "Range of blkio weight is from 10 to 1000");
	if (h->io_maximum_bandwidth != 0 || h->io_maximum_iops != 0)
		return err_set(k->e, ERR_INVALID, "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps");
	if (h->blkio_weight_device.n > 0 && !k->f->cgroup.blkio_weight_device) {
		h->blkio_weight_device.n = 0;
		if (warn(k, "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.") < 0)
			return -1;
	}
	for (size_t i = 0; i < h->blkio_weight_device.n; i++)
		if (!text_set(h->blkio_weight_device.v[i].path) || h->blkio_weight_device.v[i].weight < 10 || h->blkio_weight_device.v[i].weight > 1000)
			return err_set(k->e, ERR_INVALID, "invalid weight for device: %.200s", text_or_empty(h->blkio_weight_device.v[i].path));
	return check_throttles(k);
}

int
check_limits(struct host_config *h, const struct host_facts *f, bool update, struct strs *warnings, struct arena *a, struct err *e)
{
	struct checking k = { .h = h, .f = f, .update = update, .warnings = warnings, .a = a, .e = e };

	if (check_memory(&k) < 0 || check_oom_and_pids(&k) < 0 || check_cpu(&k) < 0 || check_blkio(&k) < 0)
		return -1;
	if (h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
		return err_set(e, ERR_INVALID, "Invalid value %lld, range for oom score adj is [-1000, 1000]", (long long)h->oom_score_adj);
	if (h->shm_size < 0)
		return err_set(e, ERR_INVALID, "SHM size can not be less than 0");
	return 0;
}

void
limits_of(const struct host_config *h, struct run_limits *l)
{
	*l = (struct run_limits){ .memory = h->memory, .memory_swap = h->memory_swap, .memory_reservation = h->memory_reservation,
		.memory_swappiness = h->memory_swappiness, .oom_kill_disable = h->oom_kill_disable, .cpu_shares = h->cpu_shares,
		.cpu_period = h->cpu_period, .cpu_quota = h->cpu_quota, .cpuset_cpus = h->cpuset_cpus, .cpuset_mems = h->cpuset_mems,
		.pids = h->pids_limit.set ? h->pids_limit.v : 0, .blkio_weight = h->blkio_weight, .cpu_rt_period = h->cpu_rt_period,
		.cpu_rt_runtime = h->cpu_rt_runtime, .kernel_memory_tcp = h->kernel_memory_tcp, .blkio_weight_device = h->blkio_weight_device,
		.blkio_read_bps = h->blkio_read_bps, .blkio_write_bps = h->blkio_write_bps, .blkio_read_iops = h->blkio_read_iops,
		.blkio_write_iops = h->blkio_write_iops };
	if (h->nano_cpus > 0) {
		l->cpu_period = 100000;
		l->cpu_quota = h->nano_cpus / 10000;
	}
}
