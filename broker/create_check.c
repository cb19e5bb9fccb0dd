/* Rules for what a request may say, each a small check of its own; texts are the Docker engine's. */
#include "create.h"
#include "logplan.h"

#include "broker.h"
#include "caps.h"
#include "health.h"
#include "labels.h"
#include "limits.h"
#include "text.h"

#include <strings.h>

static int
not_built(struct err *e, const char *what)
{
	return err_set(e, ERR_UNSUPPORTED, "%s is not implemented by Bulwark yet", what);
}

/* What would be silently without effect is refused. */
int
check_not_built(const struct host_config *h, struct err *e)
{
	const struct { bool set; const char *what; } rules[] = {
		{ h->device_requests.n > 0, "HostConfig.DeviceRequests" },
		{ h->storage_opt.n > 0, "HostConfig.StorageOpt" },
		{ text_set(h->volume_driver) && !text_same(h->volume_driver, "local"), "HostConfig.VolumeDriver" },
		{ text_set(h->cgroup), "HostConfig.Cgroup" },
		{ h->cpu_count != 0, "HostConfig.CpuCount" },
	};

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].set)
			return not_built(e, rules[i].what);
	for (size_t i = 0; i < h->devices.n; i++)
		if (!text_set(h->devices.v[i].path_on_host) || h->devices.v[i].path_on_host[0] != '/')
			return err_set(e, ERR_INVALID, "invalid device path: %.200s", text_or_empty(h->devices.v[i].path_on_host));
	return 0;
}

static bool
is_number_or_star(const char *s, size_t n)
{
	return n > 0 && n < 10 && (strspn(s, "0123456789") >= n || (n == 1 && *s == '*'));
}

/* "c 1:3 rwm" */
static bool
is_device_rule(const char *s)
{
	const char *colon = strchr(s, ':'), *space = colon != NULL ? strchr(colon, ' ') : NULL;
	size_t n;

	if (s[0] == '\0' || strchr("abc", s[0]) == NULL || s[1] != ' ' || space == NULL || colon < s + 2)
		return false;
	n = strspn(space + 1, "rwm");
	return is_number_or_star(s + 2, (size_t)(colon - s - 2)) && is_number_or_star(colon + 1, (size_t)(space - colon - 1)) && n > 0 && n <= 3 &&
	    space[1 + n] == '\0';
}

/* A user namespace of its own makes no node and cannot open one: there devices come only as the host's nodes, mounted. */
static int
check_devices(const struct host_config *h, struct err *e)
{
	bool host = text_same(h->userns_mode, "host");

	for (size_t i = 0; i < h->devices.n; i++) {
		const char *perms = text_or_empty(h->devices.v[i].cgroup_permissions);

		if (strlen(perms) > 3 || perms[strspn(perms, "rwm")] != '\0')
			return err_set(e, ERR_INVALID, "invalid device mode: %.100s", perms);
	}
	for (size_t i = 0; i < h->device_cgroup_rules.n; i++)
		if (!is_device_rule(h->device_cgroup_rules.v[i]))
			return err_set(e, ERR_INVALID, "invalid device cgroup rule format: '%.200s'", h->device_cgroup_rules.v[i]);
	if (h->device_cgroup_rules.n > 0 && !host)
		return err_set(e, ERR_INVALID, "device cgroup rules have no effect in a container with a user namespace: use --device, or --userns=host");
	return 0;
}

int
check_restart(struct host_config *h, struct arena *a, struct err *e)
{
	struct restart_policy *p = h->restart_policy;

	if (p == NULL)
		p = h->restart_policy = arena_alloc(a, sizeof *p);
	if (p == NULL)
		return err_memory(e);
	if (!text_set(p->name))
		p->name = arena_str(a, "no");
	if (strcmp(p->name, "no") != 0 && strcmp(p->name, "always") != 0 && strcmp(p->name, "unless-stopped") != 0 &&
	    strcmp(p->name, "on-failure") != 0)
		return err_set(e, ERR_INVALID,
		    "invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", p->name);
	if (p->maximum_retry != 0 && strcmp(p->name, "on-failure") != 0)
		return err_set(e, ERR_INVALID, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
	if (p->maximum_retry < 0)
		return err_set(e, ERR_INVALID, "invalid restart policy: maximum retry count cannot be negative");
	if (h->auto_remove && strcmp(p->name, "no") != 0)
		return err_set(e, ERR_INVALID, "can't create 'AutoRemove' container with restart policy");
	return 0;
}

static bool
known_ulimit(const char *name)
{
	static const char *const names[] = { "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
		"rtprio", "rttime", "sigpending", "stack" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (text_same(name, names[i]))
			return true;
	return false;
}

static int
check_ulimits(struct host_config *h, const struct engine_config *engine, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < h->ulimits.n; i++) {
		const struct ulimit_rec *u = &h->ulimits.v[i];

		if (!known_ulimit(u->name))
			return err_set(e, ERR_INVALID, "invalid ulimit type: %s", text_or_empty(u->name));
		if (u->hard != -1 && (u->soft > u->hard || u->soft == -1))
			return err_set(e, ERR_INVALID, "ulimit soft limit must be less than or equal to hard limit: %lld > %lld", (long long)u->soft,
			    (long long)u->hard);
	}
	for (size_t i = 0; i < engine->default_ulimits.n; i++) {
		bool there = false;

		for (size_t k = 0; k < h->ulimits.n; k++)
			there = there || text_same(h->ulimits.v[k].name, engine->default_ulimits.v[i].name);
		if (!there) {
			struct ulimit_rec *u = list_add(&h->ulimits, a, sizeof *u);

			if (u == NULL)
				return err_memory(e);
			*u = engine->default_ulimits.v[i];
		}
	}
	return 0;
}

/* "no-new-privileges", "seccomp=...", "apparmor=...", "label=...", "systempaths=unconfined"; ':' as well as '='. */
static int
check_option(const char *text, struct security *s, const struct host_config *h, const struct engine_config *engine, struct err *e)
{
	size_t n = strcspn(text, "=");
	char key[64];
	const char *value;

	if (strcmp(text, "no-new-privileges") == 0) {
		s->no_new_privileges = true;
		return 0;
	}
	if (strcmp(text, "disable") == 0)
		return err_set(e, ERR_INVALID, "invalid --security-opt 1: \"%s\"", text);
	if (text[n] == '\0')
		n = strcspn(text, ":");
	if (text[n] == '\0' || n >= sizeof key)
		return err_set(e, ERR_INVALID, "invalid --security-opt 1: \"%.200s\"", text);
	memcpy(key, text, n);
	key[n] = '\0';
	value = text + n + 1;
	if (strcmp(key, "no-new-privileges") == 0) {
		if (strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0 && strcmp(value, "1") != 0 && strcmp(value, "0") != 0)
			return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%.200s\"", text);
		s->no_new_privileges = value[0] == 't' || value[0] == 'T' || value[0] == '1';
		return 0;
	}
	if (strcmp(key, "seccomp") == 0) {
		if (strcmp(value, "unconfined") == 0)
			s->seccomp_mode = "unconfined";
		else if (strcmp(value, "builtin") == 0)
			s->seccomp_mode = "default";
		else if (h->seccomp != NULL)
			s->seccomp_mode = "custom";
		else
			return err_set(e, ERR_INVALID, "opening seccomp profile (%.100s) failed: it must be given as its content", value);
		return 0;
	}
	if (strcmp(key, "apparmor") == 0)
		return apparmor_option(value, s, engine, e);
	if (strcmp(key, "label") == 0)
		return labels_option(value, s, engine, e);
	if (strcmp(key, "systempaths") == 0 && strcmp(value, "unconfined") == 0)
		return 0;
	if (strcmp(key, "writable-cgroups") == 0)
		return not_built(e, "--security-opt writable-cgroups");
	return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%.200s\"", text);
}

int
check_security(const struct host_config *h, const struct engine_config *engine, struct security *ret, struct err *e)
{
	*ret = (struct security){ .no_new_privileges = engine->no_new_privileges, .seccomp_mode = engine->seccomp != NULL ? "custom" : "default" };
	if (h->privileged)
		ret->seccomp_mode = "unconfined";
	for (size_t i = 0; i < h->security_opt.n; i++)
		if (check_option(h->security_opt.v[i], ret, h, engine, e) < 0)
			return -1;
	return 0;
}

int
check_log_config(struct log_config *l, const struct engine_config *engine, struct arena *a, struct err *e)
{
	const char *fallback = text_set(engine->log_driver) ? engine->log_driver : "json-file";

	if (!text_set(l->type) && (l->type = arena_str(a, fallback)) == NULL)
		return err_memory(e);
	if (strcmp(l->type, fallback) == 0)
		for (size_t i = 0; i < engine->log_opts.n; i++)
			if (kvs_get(&l->config, engine->log_opts.v[i].key) == NULL &&
			    !kvs_set(&l->config, a, engine->log_opts.v[i].key, engine->log_opts.v[i].value))
				return err_memory(e);
	if (strcmp(l->type, "none") != 0)
		for (size_t i = 0; i < engine->log_opts.n; i++)
			if (text_starts(engine->log_opts.v[i].key, "cache-") && kvs_get(&l->config, engine->log_opts.v[i].key) == NULL &&
			    !kvs_set(&l->config, a, engine->log_opts.v[i].key, engine->log_opts.v[i].value))
				return err_memory(e);
	if (log_opts_check(l->type, &l->config, e) < 0 || log_check_texts(&l->config, e) < 0)
		return -1;
	/* (a remote driver never blocks: its records wait in the cache) */
	if (text_same(kvs_get(&l->config, "mode"), "non-blocking") && !log_driver_find(l->type)->remote)
		return not_built(e, "log opt mode=non-blocking");
	return 0;
}

static int
default_text(char **field, const char *value, struct arena *a, struct err *e)
{
	if (text_set(*field))
		return 0;
	*field = arena_str(a, value);
	return *field != NULL ? 0 : err_memory(e);
}

static bool
one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (text_same(s, *words))
			return true;
	return false;
}

static int
check_modes(struct creation *c, struct err *e)
{
	static const char *const ipc_modes[] = { "none", "private", "shareable", "host", NULL };
	struct host_config *h = &c->host;
	const struct engine_config *g = c->engine;

	if (default_text(&h->ipc_mode, text_set(g->default_ipc_mode) ? g->default_ipc_mode : "private", c->a, e) < 0 ||
	    default_text(&h->cgroupns_mode, text_set(g->default_cgroupns_mode) ? g->default_cgroupns_mode : "private", c->a, e) < 0 ||
	    default_text(&h->runtime, text_set(g->default_runtime) ? g->default_runtime : "bulwark", c->a, e) < 0)
		return -1;
	if (!one_of(h->ipc_mode, ipc_modes) && mode_container(h->ipc_mode) == NULL)
		return err_set(e, ERR_INVALID, "invalid IPC mode: %.200s", h->ipc_mode);
	if (text_set(h->pid_mode) && !text_same(h->pid_mode, "host") && mode_container(h->pid_mode) == NULL)
		return err_set(e, ERR_INVALID, "invalid PID mode: %.200s", h->pid_mode);
	if (text_set(h->uts_mode) && !text_same(h->uts_mode, "host"))
		return err_set(e, ERR_INVALID, "invalid UTS mode: %.200s", h->uts_mode);
	if (text_set(h->userns_mode) && !text_same(h->userns_mode, "host"))
		return err_set(e, ERR_INVALID, "invalid user namespace mode: %.200s", h->userns_mode);
	if (!text_same(h->cgroupns_mode, "private") && !text_same(h->cgroupns_mode, "host"))
		return err_set(e, ERR_INVALID, "invalid cgroup namespace mode: %.200s", h->cgroupns_mode);
	if (text_set(h->isolation) && strcasecmp(h->isolation, "default") != 0)
		return err_set(e, ERR_INVALID, "invalid isolation '%.100s' on linux", h->isolation);
	/* what names the Docker engine's own runtime is served by ours */
	if (text_same(h->runtime, "runc") || text_same(h->runtime, "io.containerd.runc.v2"))
		h->runtime = arena_str(c->a, "bulwark");
	if (!text_same(h->runtime, "bulwark") && runtime_find(g, h->runtime) == NULL)
		return err_set(e, ERR_INVALID, "unknown or invalid runtime name: %.200s", h->runtime);
	if (!text_same(h->runtime, "bulwark") && text_same(h->userns_mode, "host"))
		return err_set(e, ERR_UNSUPPORTED, "runtime %.64s cannot be used without a user namespace: it would be root on the host", h->runtime);
	if (text_same(h->userns_mode, "host") && !g->allow_host_userns)
		return err_set(e, ERR_DENIED, "containers without a user namespace are not allowed on this host");
	if (h->privileged && !text_same(h->userns_mode, "host"))
		return err_set(e, ERR_INVALID,
		    "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode");
	return 0;
}

static const char *const masked[] = { "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", NULL };
static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL };

/* null means the default list, an empty list none. */
static int
default_paths(struct strs *s, const char *const *paths, bool privileged, struct arena *a, struct err *e)
{
	if (s->v != NULL || privileged)
		return 0;
	for (; *paths != NULL; paths++)
		if (!strs_add(s, a, *paths))
			return err_memory(e);
	return 0;
}

int
check_host_config(struct creation *c, struct err *e)
{
	struct host_config *h = &c->host;
	struct security security;

	if (check_not_built(h, e) < 0 || check_limits(h, &c->b->facts, false, &c->warnings, c->a, e) < 0 || check_restart(h, c->a, e) < 0 ||
	    check_ulimits(h, c->engine, c->a, e) < 0 || caps_normalize(&h->cap_add, c->a, "CapAdd", e) < 0 ||
	    caps_normalize(&h->cap_drop, c->a, "CapDrop", e) < 0 || check_security(h, c->engine, &security, e) < 0 || check_modes(c, e) < 0 || check_devices(h, e) < 0)
		return -1;
	if (h->log_config == NULL && (h->log_config = arena_alloc(c->a, sizeof *h->log_config)) == NULL)
		return err_memory(e);
	if (check_log_config(h->log_config, c->engine, c->a, e) < 0 || default_paths(&h->masked_paths, masked, h->privileged, c->a, e) < 0 ||
	    default_paths(&h->readonly_paths, read_only, h->privileged, c->a, e) < 0)
		return -1;
	if (h->shm_size == 0)
		h->shm_size = c->engine->default_shm_size > 0 ? c->engine->default_shm_size : 64 << 20;
	/* 0 is "not said", negative "none" */
	if ((!h->pids_limit.set || h->pids_limit.v == 0) && c->engine->default_pids_limit > 0)
		h->pids_limit = (struct opt){ true, c->engine->default_pids_limit };
	if (h->init == 0 && c->engine->init)
		h->init = 1;
	return 0;
}

int
check_config(struct creation *c, struct err *e)
{
	struct container_config *k = &c->config;

	if (c->m->config != NULL && c->m->config->healthcheck != NULL && check_health(c->m->config->healthcheck, e) < 0)
		return -1;
	if (text_set(k->working_dir)) {
		if (k->working_dir[0] != '/')
			return err_set(e, ERR_INVALID, "the working directory '%.300s' is invalid, it needs to be an absolute path", k->working_dir);
		k->working_dir = path_clean(c->a, k->working_dir);
		if (k->working_dir == NULL)
			return err_memory(e);
	}
	for (size_t i = 0; i < k->env.n; i++)
		if (k->env.v[i][0] == '=' || k->env.v[i][0] == '\0')
			return err_set(e, ERR_INVALID, "invalid environment variable: %.200s", k->env.v[i]);
	if (k->entrypoint.n == 1 && k->entrypoint.v[0][0] == '\0')
		k->entrypoint = (struct strs){ 0 };
	if (k->entrypoint.n == 0 && k->cmd.n == 0)
		return err_set(e, ERR_INVALID, "no command specified");
	if (text_set(k->stop_signal) && text_to_signal(k->stop_signal) == 0)
		return err_set(e, ERR_INVALID, "invalid signal: %.100s", k->stop_signal);
	return 0;
}
