/* From settings to the engine's configuration: checks in the Docker engine's words, and the defaults, which are the Docker
   engine's except where the secure one differs (documented in compatibility.md). */
#include "logopts.h"
#include "options.h"

#include "log.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct build {
	const struct settings *s;
	struct arena *a;
	struct engine_config *c;
	struct err *e;
};

static int
no_memory(struct build *b)
{
	return err_set(b->e, ERR_NO_MEMORY, "out of memory");
}

static int
warn(struct build *b, const char *name, const char *text)
{
	char *line = arena_printf(b->a, "%s has no effect: %s", name, text);

	return line != NULL && strs_add(&b->c->warnings, b->a, line) ? 0 : no_memory(b);
}

static const char *
name_of(int id)
{
	return option_table[id].key != NULL ? option_table[id].key : option_table[id].flag;
}

static bool
is_harmless(const struct strs *values, const char *list)
{
	for (size_t i = 0; i < values->n; i++) {
		const char *p = list;
		bool found = values->v[i][0] == '\0';

		while (!found && *p != '\0') {
			size_t n = strcspn(p, "|");

			found = strlen(values->v[i]) == n && memcmp(values->v[i], p, n) == 0;
			p += n + (p[n] != '\0');
		}
		if (!found)
			return false;
	}
	return true;
}

/* What the table says of each option. */
static int
check_status(struct build *b)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_table[i];
		const struct strs *v = setting_values(b->s, (enum option_id)i);

		if (v == NULL)
			continue;
		switch (row->status) {
		case BUILT:
			break;
		case NOT_BUILT:
			if (!is_harmless(v, row->text))
				return err_set(b->e, ERR_UNSUPPORTED, "%s is not implemented by Bulwark yet", name_of(i));
			break;
		case NO_EFFECT:
			if (*row->text != '\0' && warn(b, name_of(i), row->text) < 0)
				return -1;
			break;
		case REMOVED:
			return err_set(b->e, ERR_INVALID, "%s was removed: %s", name_of(i), row->text);
		}
	}
	return 0;
}

static char *
text_or(struct build *b, enum option_id id, const char *otherwise)
{
	const char *v = setting_str(b->s, id);

	return arena_str(b->a, *v != '\0' ? v : otherwise);
}

static int64_t
number_or(struct build *b, enum option_id id, int64_t otherwise)
{
	const char *v = setting_str(b->s, id);

	return *v != '\0' ? strtoll(v, NULL, 10) : otherwise;
}

static int
check_process(struct build *b)
{
	struct engine_config *c = b->c;
	enum log_level level;
	const char *format = setting_str(b->s, OPT_log_format);

	c->debug = setting_bool(b->s, OPT_debug, false);
	c->log_level = text_or(b, OPT_log_level, "info");
	if (c->log_level == NULL)
		return no_memory(b);
	if (log_level_parse(c->log_level, &level) < 0)
		return err_set(b->e, ERR_INVALID, "invalid logging level: %.64s", c->log_level);
	if (*format != '\0' && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return err_set(b->e, ERR_INVALID, "invalid log format: %.64s", format);
	c->log_json = strcmp(format, "json") == 0;
	c->pidfile = text_or(b, OPT_pidfile, "/var/run/docker.pid");
	c->data_root = text_or(b, OPT_data_root, "/var/lib/docker");
	c->exec_root = text_or(b, OPT_exec_root, "/var/run/docker");
	c->group = text_or(b, OPT_group, "docker");
	if (c->pidfile == NULL || c->data_root == NULL || c->exec_root == NULL || c->group == NULL)
		return no_memory(b);
	if (c->data_root[0] != '/' || c->exec_root[0] != '/' || c->pidfile[0] != '/')
		return err_set(b->e, ERR_INVALID, "data-root, exec-root and pidfile must be absolute paths");
	c->shutdown_timeout = number_or(b, OPT_shutdown_timeout, 15);
	c->experimental = setting_bool(b->s, OPT_experimental, false);
	c->live_restore = setting_bool(b->s, OPT_live_restore, false);
	c->init = setting_bool(b->s, OPT_init, false);
	c->validate = setting_bool(b->s, OPT_validate, false);
	return 0;
}

static int
check_hosts(struct build *b)
{
	const struct strs *hosts = setting_values(b->s, OPT_hosts);

	for (size_t i = 0; hosts != NULL && i < hosts->n; i++) {
		const char *host = hosts->v[i];

		while (*host == ' ')
			host++;
		if (*host == '\0')
			continue;
		if (text_starts(host, "unix://")) {
			if (host[7] == '\0')
				host = "unix:///var/run/docker.sock";
			else if (host[7] != '/')
				return err_set(b->e, ERR_INVALID, "unable to parse -H option \"%.128s\": the socket's path must be absolute", host);
		} else if (strcmp(host, "fd://") != 0) {
			if (text_starts(host, "fd://"))
				return err_set(b->e, ERR_UNSUPPORTED, "choosing one of several activated sockets (%.64s) is not implemented by Bulwark yet", host);
			if (strstr(host, "://") != NULL && !text_starts(host, "tcp://"))
				return err_set(b->e, ERR_INVALID, "unable to parse -H option \"%.128s\": invalid bind address", host);
			return err_set(b->e, ERR_UNSUPPORTED, "listening on TCP (%.128s) is not implemented by Bulwark yet; it will need tlsverify", host);
		}
		if (!strs_has(&b->c->hosts, host) && !strs_add(&b->c->hosts, b->a, host))
			return no_memory(b);
	}
	if (b->c->hosts.n == 0 && !strs_add(&b->c->hosts, b->a, "unix:///var/run/docker.sock"))
		return no_memory(b);
	return b->c->hosts.n > 64 ? err_set(b->e, ERR_INVALID, "too many hosts") : 0;
}

static bool
is_reserved(const char *label)
{
	static const char *const prefixes[] = { "com.docker.", "io.docker.", "org.dockerproject." };

	for (size_t i = 0; i < 3; i++)
		if (strncasecmp(label, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static int
check_labels(struct build *b)
{
	const struct strs *labels = setting_values(b->s, OPT_labels);

	for (size_t i = 0; labels != NULL && i < labels->n; i++) {
		const char *label = labels->v[i], *eq = strchr(label, '=');
		bool same = false;

		if (eq == NULL || eq == label)
			return err_set(b->e, ERR_INVALID, "bad attribute format: %.128s", label);
		if (is_reserved(label))
			return err_set(b->e, ERR_INVALID, "label %.128s is not allowed: the namespaces com.docker.*, io.docker.*, and org.dockerproject.* are reserved for internal use", label);
		for (size_t k = 0; k < b->c->labels.n; k++)
			if (strncmp(b->c->labels.v[k], label, (size_t)(eq - label) + 1) == 0) {
				if (strcmp(b->c->labels.v[k], label) != 0)
					return err_set(b->e, ERR_INVALID, "conflict labels for %.100s and %.100s", b->c->labels.v[k], label);
				same = true;
			}
		if (!same && !strs_add(&b->c->labels, b->a, label))
			return no_memory(b);
	}
	return 0;
}

static int
check_features(struct build *b)
{
	const struct strs *features = setting_values(b->s, OPT_features);

	for (size_t i = 0; features != NULL && i < features->n; i++) {
		const char *eq = strchr(features->v[i], '=');
		char *name = arena_strn(b->a, features->v[i], eq != NULL ? (size_t)(eq - features->v[i]) : strlen(features->v[i]));
		bool on = true;

		if (eq != NULL)
			(void)parse_bool(eq + 1, &on);
		if (name == NULL || !kvs_set(&b->c->features, b->a, name, on ? "true" : "false"))
			return no_memory(b);
		if (on && (strcmp(name, "containerd-snapshotter") == 0 || strcmp(name, "cdi") == 0))
			return err_set(b->e, ERR_UNSUPPORTED, "feature %s is not implemented by Bulwark yet", name);
		if (on && strcmp(name, "buildkit") == 0 && warn(b, "feature buildkit", "builds are not implemented by Bulwark yet") < 0)
			return -1;
	}
	return 0;
}

static int
check_ulimits(struct build *b)
{
	static const char *const known[] = { "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
		"rtprio", "rttime", "sigpending", "stack", NULL };
	const struct strs *v = setting_values(b->s, OPT_ulimits);

	for (size_t i = 0; v != NULL && i < v->n; i++) {
		const char *eq = strchr(v->v[i], '='), *const *k = known;
		char *name = arena_strn(b->a, v->v[i], (size_t)(eq - v->v[i])), *end;
		struct ulimit_rec *u = list_add(&b->c->default_ulimits, b->a, sizeof *u);

		if (name == NULL || u == NULL)
			return no_memory(b);
		while (*k != NULL && strcmp(*k, name) != 0)
			k++;
		if (*k == NULL)
			return err_set(b->e, ERR_INVALID, "invalid ulimit type: %.64s", name);
		u->name = name;
		u->soft = u->hard = strtoll(eq + 1, &end, 10);
		if (end != eq + 1 && *end == ':')
			u->hard = strtoll(end + 1, &end, 10);
		if (*end != '\0' || eq[1] == '\0')
			return err_set(b->e, ERR_INVALID, "invalid ulimit argument: %.128s", v->v[i]);
		if (u->hard >= 0 && (u->soft > u->hard || u->soft < 0))
			return err_set(b->e, ERR_INVALID, "ulimit soft limit must be less than or equal to hard limit: %lld > %lld", (long long)u->soft, (long long)u->hard);
	}
	return b->c->default_ulimits.n > 64 ? err_set(b->e, ERR_INVALID, "too many ulimits") : 0;
}

static int
check_exec_opts(struct build *b)
{
	const struct strs *v = setting_values(b->s, OPT_exec_opts);

	for (size_t i = 0; v != NULL && i < v->n; i++) {
		const char *opt = v->v[i], *eq = strchr(opt, '=');

		if (eq == NULL)
			return err_set(b->e, ERR_INVALID, "unable to parse key/value option: %.128s", opt);
		if (text_starts(opt, "isolation="))
			return err_set(b->e, ERR_INVALID, "option 'isolation' is only supported on windows");
		if (!text_starts(opt, "native.cgroupdriver="))
			return err_set(b->e, ERR_INVALID, "unknown option: '%.*s'", (int)(eq - opt < 64 ? eq - opt : 64), opt);
		if (strcmp(eq + 1, "systemd") == 0)
			return err_set(b->e, ERR_UNSUPPORTED, "native.cgroupdriver systemd is not implemented by Bulwark yet");
		if (strcmp(eq + 1, "cgroupfs") != 0)
			return err_set(b->e, ERR_INVALID, "native.cgroupdriver option %.64s not supported", eq + 1);
	}
	return 0;
}

static int
add_runtime(struct build *b, const char *text)
{
	const char *eq = strchr(text, '='), *at;
	struct runtime_entry *r;

	for (size_t i = 0; i < b->c->runtimes.n; i++)
		if (strlen(b->c->runtimes.v[i].name) == (size_t)(eq - text) && memcmp(b->c->runtimes.v[i].name, text, (size_t)(eq - text)) == 0)
			return err_set(b->e, ERR_INVALID, "runtime '%.64s' was already defined", b->c->runtimes.v[i].name);
	r = list_add(&b->c->runtimes, b->a, sizeof *r);
	if (r == NULL || (r->name = arena_strn(b->a, text, (size_t)(eq - text))) == NULL)
		return no_memory(b);
	if (strcmp(r->name, "runc") == 0 || strcmp(r->name, "bulwark") == 0)
		return err_set(b->e, ERR_INVALID, "runtime name '%s' is reserved", r->name);
	if (!text_is_name(r->name, 128))
		return err_set(b->e, ERR_INVALID, "invalid runtime name: %.64s", r->name);
	at = strchr(eq + 1, 0x1f);
	r->path = at != NULL ? arena_strn(b->a, eq + 1, (size_t)(at - eq - 1)) : arena_str(b->a, eq + 1);
	if (r->path == NULL)
		return no_memory(b);
	/* it is started in the container's sandbox, where no PATH of ours means anything */
	if (*r->path != '/' && strcmp(r->path, "io.containerd.runc.v2") != 0)
		return err_set(b->e, ERR_INVALID, "runtime %.64s: the path must be absolute: %.128s", r->name, r->path);
	while (at != NULL) {
		const char *end = strchr(at + 1, 0x1f);
		char *arg = end != NULL ? arena_strn(b->a, at + 1, (size_t)(end - at - 1)) : arena_str(b->a, at + 1);

		if (arg == NULL || !strs_add(&r->args, b->a, arg))
			return no_memory(b);
		at = end;
	}
	return b->c->runtimes.n > 64 || r->args.n > 64 ? err_set(b->e, ERR_INVALID, "too many runtimes, or arguments of one") : 0;
}

/* From the command line and from the file, the default among them or one of ours. */
static int
check_runtimes(struct build *b)
{
	const struct setting *one = &b->s->of[OPT_runtimes];
	const char *runtime = setting_str(b->s, OPT_default_runtime);

	for (size_t i = 0; i < one->values.n; i++)
		if (add_runtime(b, one->values.v[i]) < 0)
			return -1;
	for (size_t i = 0; i < one->file_values.n; i++)
		if (add_runtime(b, one->file_values.v[i]) < 0)
			return -1;
	b->c->default_runtime = arena_str(b->a, *runtime == '\0' || strcmp(runtime, "runc") == 0 ? "bulwark" : runtime);
	if (b->c->default_runtime == NULL)
		return no_memory(b);
	if (strcmp(b->c->default_runtime, "bulwark") == 0)
		return 0;
	for (size_t i = 0; i < b->c->runtimes.n; i++)
		if (strcmp(b->c->runtimes.v[i].name, runtime) == 0)
			return 0;
	return err_set(b->e, ERR_INVALID, "specified default runtime '%.64s' does not exist", runtime);
}

static int
check_runtime(struct build *b)
{
	struct engine_config *c = b->c;
	const char *remap = setting_str(b->s, OPT_userns_remap);

	if (check_runtimes(b) < 0)
		return -1;
	c->cgroup_parent = text_or(b, OPT_cgroup_parent, "/docker");
	c->default_cgroupns_mode = text_or(b, OPT_cgroupns_mode, "private");
	c->default_ipc_mode = text_or(b, OPT_ipc_mode, "private");
	if (c->cgroup_parent == NULL || c->default_cgroupns_mode == NULL || c->default_ipc_mode == NULL)
		return no_memory(b);
	if (strcmp(c->default_cgroupns_mode, "private") != 0 && strcmp(c->default_cgroupns_mode, "host") != 0)
		return err_set(b->e, ERR_INVALID, "default cgroup namespace mode (%.64s) is invalid, use \"host\" or \"private\"", c->default_cgroupns_mode);
	if (strcmp(c->default_ipc_mode, "private") != 0 && strcmp(c->default_ipc_mode, "shareable") != 0)
		return err_set(b->e, ERR_INVALID, "default IPC mode (%.64s) is invalid, use \"private\" or \"shareable\"", c->default_ipc_mode);
	c->default_shm_size = (int64_t)64 << 20;
	if (*setting_str(b->s, OPT_shm_size) != '\0')
		(void)parse_size(setting_str(b->s, OPT_shm_size), &c->default_shm_size);
	c->no_new_privileges = setting_bool(b->s, OPT_no_new_privileges, true);
	c->default_pids_limit = number_or(b, OPT_pids_limit, 4096);
	c->cpu_rt_period = number_or(b, OPT_cpu_rt_period, 0);
	c->cpu_rt_runtime = number_or(b, OPT_cpu_rt_runtime, 0);
	if (c->cpu_rt_period < 0 || c->cpu_rt_runtime < 0 || (c->cpu_rt_period > 0 && c->cpu_rt_runtime > c->cpu_rt_period))
		return err_set(b->e, ERR_INVALID, "cpu real-time runtime cannot be higher than cpu real-time period, and neither can be negative");
	/* each container has a range of its own anyway; "default" asks for that */
	if (*remap != '\0' && strcmp(remap, "default") != 0)
		return err_set(b->e, ERR_UNSUPPORTED, "userns-remap to one user's ids (%.64s) is not implemented by Bulwark yet: each container has a range of its own", remap);
	c->userns_remap = arena_str(b->a, "default");
	return c->userns_remap != NULL ? check_exec_opts(b) : no_memory(b);
}

static int
check_logs(struct build *b)
{
	struct engine_config *c = b->c;
	const struct strs *v = setting_values(b->s, OPT_log_opts);
	const char *mode;

	c->log_driver = text_or(b, OPT_log_driver, "json-file");
	if (c->log_driver == NULL)
		return no_memory(b);
	if (log_driver_find(c->log_driver) == NULL)
		return err_set(b->e, ERR_INVALID, "failed to set log opts: logger: no log driver named '%.64s' is registered", c->log_driver);
	for (size_t i = 0; v != NULL && i < v->n; i++) {
		const char *eq = strchr(v->v[i], '=');
		char *key = arena_strn(b->a, v->v[i], (size_t)(eq - v->v[i]));

		if (key == NULL || !kvs_set(&c->log_opts, b->a, key, eq + 1))
			return no_memory(b);
	}
	/* bounded unless asked for otherwise: max-size=-1 is without bound */
	if (strcmp(c->log_driver, "json-file") == 0 && kvs_get(&c->log_opts, "max-size") == NULL && !kvs_set(&c->log_opts, b->a, "max-size", "10m"))
		return no_memory(b);
	if (strcmp(c->log_driver, "json-file") == 0 && kvs_get(&c->log_opts, "max-file") == NULL && !kvs_set(&c->log_opts, b->a, "max-file", "3"))
		return no_memory(b);
	if (log_opts_check(c->log_driver, &c->log_opts, b->e) < 0)
		return -1;
	/* (remote drivers never block) */
	mode = kvs_get(&c->log_opts, "mode");
	if (mode != NULL && strcmp(mode, "non-blocking") == 0 && !log_driver_find(c->log_driver)->remote)
		return err_set(b->e, ERR_UNSUPPORTED, "log opt 'mode=non-blocking' is not implemented by Bulwark yet for the %s log driver", c->log_driver);
	return 0;
}

/* bip, fixed-cidr and default-gateway belong together. */
static int
check_bridge(struct build *b)
{
	struct engine_config *c = b->c;
	uint32_t addr, inner, mask;
	unsigned prefix = 16, inner_prefix;

	c->bridge = text_or(b, OPT_bridge, "");
	c->bip = text_or(b, OPT_bip, "");
	c->fixed_cidr = text_or(b, OPT_fixed_cidr, "");
	c->default_gateway = text_or(b, OPT_default_gateway, "");
	if (c->bridge == NULL || c->bip == NULL || c->fixed_cidr == NULL || c->default_gateway == NULL)
		return no_memory(b);
	if (c->bridge[0] != '\0' && c->bip[0] != '\0')
		return err_set(b->e, ERR_INVALID, "You specified -b & --bip, mutually exclusive options. Please specify only one");
	if (strlen(c->bridge) > 15 || strpbrk(c->bridge, "/ \t\n:") != NULL)
		return err_set(b->e, ERR_INVALID, "invalid bridge name: %.32s", c->bridge);
	if (!text_to_cidr4(c->bip[0] != '\0' ? c->bip : "172.17.0.1/16", &addr, &prefix) || prefix > 30 || prefix < 8)
		return err_set(b->e, ERR_INVALID, "invalid CIDR address: %.64s", c->bip);
	mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
	if ((addr & ~mask) == 0 || (addr & ~mask) == ~mask)
		return err_set(b->e, ERR_INVALID, "bip %.64s is not the address of a host in its network", c->bip);
	if (c->fixed_cidr[0] != '\0') {
		if (!text_to_cidr4(c->fixed_cidr, &inner, &inner_prefix))
			return err_set(b->e, ERR_INVALID, "invalid CIDR address: %.64s", c->fixed_cidr);
		if (inner_prefix < prefix || (inner & mask) != (addr & mask))
			return err_set(b->e, ERR_INVALID, "fixed-cidr %.64s is not inside the bridge's network", c->fixed_cidr);
	}
	if (c->default_gateway[0] != '\0') {
		if (!text_to_ip4(c->default_gateway, &inner))
			return err_set(b->e, ERR_INVALID, "invalid default gateway: %.64s", c->default_gateway);
		if ((inner & mask) != (addr & mask))
			return err_set(b->e, ERR_INVALID, "default-gateway %.64s is not inside the bridge's network", c->default_gateway);
	}
	return 0;
}

static bool
is_domain(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 253)
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n && s[0] != '-';
}

static bool
is_ip(const char *s)
{
	uint32_t addr;

	if (text_to_ip4(s, &addr))
		return true;
	return strchr(s, ':') != NULL && strlen(s) < 46 && strspn(s, "0123456789abcdefABCDEF:.") == strlen(s);
}

static int
copy_list(struct build *b, enum option_id id, struct strs *to, bool (*check)(const char *s), const char *what)
{
	const struct strs *v = setting_values(b->s, id);

	for (size_t i = 0; v != NULL && i < v->n; i++) {
		if (check != NULL && !check(v->v[i]))
			return err_set(b->e, ERR_INVALID, what[0] == ' ' ? "%.128s%s" : "%2$s: %1$.128s", v->v[i], what);
		if (!strs_has(to, v->v[i]) && !strs_add(to, b->a, v->v[i]))
			return no_memory(b);
	}
	return to->n > 64 ? err_set(b->e, ERR_INVALID, "too many values for %s", name_of((int)id)) : 0;
}

static int
check_network(struct build *b)
{
	struct engine_config *c = b->c;
	uint32_t addr;

	c->mtu = number_or(b, OPT_mtu, 1500);
	if (c->mtu < 0 || c->mtu > 65535)
		return err_set(b->e, ERR_INVALID, "invalid default MTU: %lld", (long long)c->mtu);
	c->iptables = setting_bool(b->s, OPT_iptables, true);
	c->ip_forward = setting_bool(b->s, OPT_ip_forward, true);
	c->ip_masq = c->iptables && setting_bool(b->s, OPT_ip_masq, true);
	c->icc = setting_bool(b->s, OPT_icc, false);
	if (!c->iptables && !c->icc) {
		if (setting_values(b->s, OPT_icc) != NULL)
			return err_set(b->e, ERR_INVALID, "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true");
		c->icc = true;
		if (warn(b, "the default icc=false", "it needs iptables") < 0)
			return -1;
	}
	c->ip = text_or(b, OPT_ip, "0.0.0.0");
	if (c->ip == NULL)
		return no_memory(b);
	if (!text_to_ip4(c->ip, &addr))
		return err_set(b->e, ERR_INVALID, "%.64s is not an ip address", c->ip);
	if (copy_list(b, OPT_dns, &c->dns, is_ip, "IP address is not correctly formatted") < 0 ||
	    copy_list(b, OPT_dns_opts, &c->dns_opts, NULL, "") < 0 ||
	    copy_list(b, OPT_dns_search, &c->dns_search, is_domain, " is not a valid domain") < 0)
		return -1;
	return check_bridge(b);
}

static int
check_storage(struct build *b)
{
	const struct strs *v = setting_values(b->s, OPT_storage_opts);

	for (size_t i = 0; v != NULL && i < v->n; i++) {
		if (!text_starts(v->v[i], "overlay2.override_kernel_check="))
			return err_set(b->e, ERR_UNSUPPORTED, "storage-opt %.128s is not implemented by Bulwark yet", v->v[i]);
		if (warn(b, v->v[i], "the kernel is new enough") < 0)
			return -1;
	}
	if (number_or(b, OPT_max_downloads, 0) < 0)
		return err_set(b->e, ERR_INVALID, "invalid max concurrent downloads: %s", setting_str(b->s, OPT_max_downloads));
	if (number_or(b, OPT_max_uploads, 0) < 0)
		return err_set(b->e, ERR_INVALID, "invalid max concurrent uploads: %s", setting_str(b->s, OPT_max_uploads));
	if (number_or(b, OPT_max_attempts, 0) < 0)
		return err_set(b->e, ERR_INVALID, "invalid max download attempts: %s", setting_str(b->s, OPT_max_attempts));
	return 0;
}

/* Absolute and without tricks: they are compared as texts by the giver. */
static bool
is_plain_path(const char *s)
{
	return s[0] == '/' && strstr(s, "//") == NULL && strstr(s, "/./") == NULL && strstr(s, "/../") == NULL && strlen(s) < PATH_MAX_;
}

static int
check_floor(struct build *b)
{
	struct engine_config *c = b->c;
	const struct strs *forbidden = setting_values(b->s, OPT_forbidden_roots);

	if (copy_list(b, OPT_allowed_roots, &c->allowed_roots, is_plain_path, "a mount root must be a plain absolute path") < 0 ||
	    copy_list(b, OPT_forbidden_roots, &c->forbidden_roots, is_plain_path, "a mount root must be a plain absolute path") < 0)
		return -1;
	if (c->allowed_roots.n == 0 && !strs_add(&c->allowed_roots, b->a, "/"))
		return no_memory(b);
	/* the engine's own state stays out of containers unless somebody says otherwise in the file */
	if (forbidden == NULL && (!strs_add(&c->forbidden_roots, b->a, c->data_root) || !strs_add(&c->forbidden_roots, b->a, c->exec_root)))
		return no_memory(b);
	c->allow_host_userns = setting_bool(b->s, OPT_allow_host_userns, true);
	return 0;
}

int
config_build(const struct settings *s, struct arena *a, struct engine_config *ret, struct err *e)
{
	struct build b = { .s = s, .a = a, .c = ret, .e = e };

	memset(ret, 0, sizeof *ret);
	if (check_status(&b) < 0 || check_process(&b) < 0 || check_hosts(&b) < 0 || check_labels(&b) < 0 || check_features(&b) < 0 ||
	    check_runtime(&b) < 0 || check_ulimits(&b) < 0 || check_logs(&b) < 0 || check_network(&b) < 0 || check_storage(&b) < 0)
		return -1;
	return check_floor(&b);
}
