/* What the kernel's control groups can do, looked up once before the sandbox closes. The engine's own group shows it best: some files
   are missing in the root; it exists before the broker starts. */
#include "info.h"

#include "broker.h"
#include "fd.h"

#include <fcntl.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"

static bool
has(const char *controller, const char *parent, const char *file)
{
	char path[4096];

	snprintf(path, sizeof path, ROOT "/%s%s/%s", controller, parent, file);
	if (access(path, F_OK) == 0)
		return true;
	snprintf(path, sizeof path, ROOT "/%s/%s", controller, file);
	return access(path, F_OK) == 0;
}

static void
read_two(struct cgroup_facts *f, const char *parent)
{
	char have[512] = " ", *end;

	if (fd_read_text(AT_FDCWD, ROOT "/cgroup.controllers", have + 1, sizeof have - 2) < 0)
		return;
	end = strchr(have, '\n');
	if (end != NULL)
		*end = ' ';
	f->memory = strstr(have, " memory ") != NULL;
	f->swap = f->memory && has("", parent, "memory.swap.max");
	f->pids = strstr(have, " pids ") != NULL;
	f->cpu_shares = f->cpu_cfs = strstr(have, " cpu ") != NULL;
	f->cpuset = strstr(have, " cpuset ") != NULL;
	f->blkio_read_bps = f->blkio_write_bps = f->blkio_read_iops = f->blkio_write_iops = strstr(have, " io ") != NULL;
	f->blkio_weight = f->blkio_weight_device = has("", parent, "io.bfq.weight") || has("", parent, "io.weight");
}

void
cgroup_facts_read(struct host_facts *facts, const char *cgroup_parent)
{
	struct cgroup_facts *f = &facts->cgroup;
	char parent[1024];
	bool bfq;

	snprintf(parent, sizeof parent, "%s%.1000s", text_set(cgroup_parent) && cgroup_parent[0] == '/' ? "" : "/",
	    text_set(cgroup_parent) ? cgroup_parent : "docker");
	facts->cgroup_two = access(ROOT "/cgroup.controllers", F_OK) == 0;
	if (facts->cgroup_two) {
		read_two(f, parent);
		return;
	}
	bfq = has("blkio", parent, "blkio.bfq.weight");
	*f = (struct cgroup_facts){ .memory = has("memory", parent, "memory.limit_in_bytes"), .swap = has("memory", parent, "memory.memsw.limit_in_bytes"),
		.swappiness = has("memory", parent, "memory.swappiness"), .oom_kill_disable = has("memory", parent, "memory.oom_control"),
		.kernel_memory_tcp = has("memory", parent, "memory.kmem.tcp.limit_in_bytes"), .pids = has("pids", parent, "cgroup.procs"),
		.cpu_shares = has("cpu", parent, "cpu.shares"), .cpu_cfs = has("cpu", parent, "cpu.cfs_quota_us"),
		.realtime = has("cpu", parent, "cpu.rt_runtime_us"), .cpuset = has("cpuset", parent, "cpuset.cpus"),
		.blkio_weight = bfq || has("blkio", parent, "blkio.weight"),
		.blkio_weight_device = has("blkio", parent, "blkio.bfq.weight_device") || has("blkio", parent, "blkio.weight_device"),
		.blkio_read_bps = has("blkio", parent, "blkio.throttle.read_bps_device"),
		.blkio_write_bps = has("blkio", parent, "blkio.throttle.write_bps_device"),
		.blkio_read_iops = has("blkio", parent, "blkio.throttle.read_iops_device"),
		.blkio_write_iops = has("blkio", parent, "blkio.throttle.write_iops_device") };
}
