/* GET /info: what only the broker knows; facts of the host are read once, before the sandbox closes. */
#include "info.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "fd.h"
#include "list.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void
copy_value(const char *text, const char *key, char *out, size_t size)
{
	size_t n = strlen(key);

	for (const char *p = text; *p != '\0'; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] != '\0' ? 1 : 0)) {
		const char *v = p + n;
		size_t len;

		if (strncmp(p, key, n) != 0 || *v++ != '=')
			continue;
		if (*v == '"')
			v++;
		len = strcspn(v, "\"\n");
		snprintf(out, size, "%.*s", (int)len, v);
		return;
	}
}

/* The stub of a resolver on the host's loopback is of no use in other network namespaces; its own file names the servers. */
static void
read_resolv_conf(struct host_facts *f)
{
	const char *server;
	char other[sizeof f->resolv_conf];

	if (fd_read_text(AT_FDCWD, "/etc/resolv.conf", f->resolv_conf, sizeof f->resolv_conf) < 0)
		f->resolv_conf[0] = '\0';
	server = strstr(f->resolv_conf, "nameserver 127.0.0.53");
	if (server != NULL && strstr(server + 1, "\nnameserver") == NULL &&
	    fd_read_text(AT_FDCWD, "/run/systemd/resolve/resolv.conf", other, sizeof other) > 0)
		memcpy(f->resolv_conf, other, sizeof other);
}

void
facts_read(struct host_facts *f)
{
	struct utsname u;
	struct sysinfo s;
	cpu_set_t cpus;
	char text[4096] = "";

	snprintf(f->os, sizeof f->os, "Linux");
	if (uname(&u) == 0)
		snprintf(f->kernel, sizeof f->kernel, "%s", u.release);
	if (uname(&u) == 0)
		snprintf(f->hostname, sizeof f->hostname, "%s", u.nodename);
	read_resolv_conf(f);
	if (sysinfo(&s) == 0)
		f->memory = (int64_t)s.totalram * s.mem_unit;
	f->ncpu = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	if (fd_read_text(AT_FDCWD, "/etc/os-release", text, sizeof text) > 0) {
		copy_value(text, "PRETTY_NAME", f->os, sizeof f->os);
		copy_value(text, "VERSION_ID", f->os_version, sizeof f->os_version);
	}
}

static void
count(const struct broker *b, struct api_info *m)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		const struct ctr *c = b->ctr_by_id.v[i].value;

		if (c->making)
			continue;
		m->containers++;
		if (c->rec.state->paused)
			m->paused++;
		else if (c->rec.state->running)
			m->running++;
		else
			m->stopped++;
	}
}

int
handle_system_info(struct call *call, const void *msg, struct err *e)
{
	struct broker *b = client_broker(call);
	const struct engine_config *g = b->config;
	const struct cgroup_facts *k = &b->facts.cgroup;
	struct api_info m = { .id = b->engine_id, .images = (int64_t)b->img_by_id.n, .name = g->hostname, .root_dir = g->data_root,
		.kernel = b->facts.kernel, .os = b->facts.os, .os_version = b->facts.os_version, .ncpu = b->facts.ncpu,
		.mem_total = b->facts.memory, .cgroup_driver = (char *)(uintptr_t)"cgroupfs",
		.cgroup_version = (char *)(uintptr_t)(b->facts.cgroup_two ? "2" : "1"), .log_driver = g->log_driver, .labels = g->labels,
		.warnings = g->warnings, .debug = g->debug, .experimental = g->experimental, .live_restore = g->live_restore, .ipv4_forwarding = g->ip_forward,
		.memory_limit = k->memory, .swap_limit = k->swap, .cpu_cfs_period = k->cpu_cfs, .cpu_cfs_quota = k->cpu_cfs,
		.cpu_shares = k->cpu_shares, .cpu_set = k->cpuset, .pids_limit = k->pids, .oom_kill_disable = k->oom_kill_disable, .events_listeners = (int64_t)events_listeners(b->events) };

	struct runtime_entry *own = list_add(&m.runtimes, &call->arena, sizeof *own);

	if (own == NULL)
		return err_memory(e);
	*own = (struct runtime_entry){ .name = (char *)(uintptr_t)"bulwark", .path = (char *)(uintptr_t)"bulwark-runtime" };
	for (size_t i = 0; i < g->runtimes.n; i++) {
		struct runtime_entry *r = list_add(&m.runtimes, &call->arena, sizeof *r);

		if (r == NULL)
			return err_memory(e);
		*r = g->runtimes.v[i];
	}
	m.default_runtime = g->default_runtime;
	count(b, &m);
	if ((g->apparmor && !strs_add(&m.security_options, &call->arena, "name=apparmor")) ||
	    !strs_add(&m.security_options, &call->arena, "name=seccomp,profile=builtin") ||
	    (g->selinux && !strs_add(&m.security_options, &call->arena, "name=selinux")) ||
	    !strs_add(&m.security_options, &call->arena, "name=userns") ||
	    !strs_add(&m.security_options, &call->arena, "name=cgroupns") ||
	    (g->no_new_privileges && !strs_add(&m.security_options, &call->arena, "name=no-new-privileges")))
		return err_memory(e);
	call_reply(call, &m, NULL, 0);
	return 0;
}

int
handle_system_events(struct call *call, const void *msg, struct err *e)
{
	return events_listen(client_broker(call), call, msg, e);
}
