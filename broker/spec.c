/* From a container's record to what the runtime is told. */
#include "broker.h"
#include "caps.h"
#include "create.h"
#include "labels.h"
#include "lifecycle.h"
#include "links.h"
#include "limits.h"
#include "logplan.h"
#include "text.h"
#include "volumes.h"

#include <stdlib.h>

static const char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Containers that join another's network have its names, too. */
static const struct ctr *
name_owner(const struct ctr *c)
{
	const char *id = mode_container(c->rec.host_config->network_mode);
	const struct ctr *other = id != NULL ? index_get(&c->b->ctr_by_id, id) : NULL;

	return other != NULL ? other : c;
}

/* PATH, HOSTNAME, TERM, then the container's own in their places. */
static int
fill_env(struct ctr *c, bool tty, struct arena *a, struct strs *ret, struct err *e)
{
	struct strs base = { 0 };
	char *hostname = arena_printf(a, "HOSTNAME=%s", text_or_empty(name_owner(c)->rec.config->hostname));

	if (hostname == NULL || !strs_add(&base, a, default_path) || !strs_add(&base, a, hostname) || (tty && !strs_add(&base, a, "TERM=xterm")))
		return err_memory(e);
	if (links_env(c, a, &base, e) < 0)
		return -1;
	return merge_env(ret, &base, &c->rec.config->env, a, e);
}

static int
fill_security(struct ctr *c, bool privileged, struct run_process *p, struct err *e)
{
	const struct host_config *h = c->rec.host_config;
	struct security s;
	uint64_t caps;

	if (check_security(h, c->b->config, &s, e) < 0 || caps_apply(&h->cap_add, &h->cap_drop, &caps, e) < 0)
		return -1;
	p->caps = (int64_t)(privileged ? CAPS_ALL : caps);
	p->no_new_privileges = s.no_new_privileges;
	p->apparmor = privileged ? (char *)(uintptr_t)"unconfined" : c->rec.apparmor_profile;
	p->selinux = c->rec.process_label;
	p->seccomp_mode = (char *)(uintptr_t)(privileged ? "unconfined" : s.seccomp_mode);
	if (strcmp(p->seccomp_mode, "custom") == 0)
		p->seccomp = h->seccomp != NULL ? h->seccomp : c->b->config->seccomp;
	return 0;
}

static int
fill_process(struct ctr *c, struct arena *a, struct run_process *p, struct err *e)
{
	const struct container_config *k = c->rec.config;
	const struct host_config *h = c->rec.host_config;

	if (!strs_add(&p->args, a, c->rec.path))
		return err_memory(e);
	for (size_t i = 0; i < c->rec.args.n; i++)
		if (!strs_add(&p->args, a, c->rec.args.v[i]))
			return err_memory(e);
	p->cwd = text_set(k->working_dir) ? k->working_dir : (char *)(uintptr_t)"/";
	p->user = k->user;
	p->group_add = h->group_add;
	p->tty = k->tty;
	p->open_stdin = k->open_stdin;
	p->stdin_once = k->stdin_once;
	p->console_size = h->console_size;
	p->oom_score_adj = h->oom_score_adj;
	p->rlimits = h->ulimits;
	return fill_env(c, k->tty, a, &p->env, e) < 0 || fill_security(c, h->privileged, p, e) < 0 ? -1 : 0;
}

static int
add_mounts(struct ctr *c, struct arena *a, struct run_spec *s, struct err *e)
{
	const struct host_config *h = c->rec.host_config;

	for (size_t i = 0; i < c->rec.mounts.n; i++) {
		const struct mount_point *p = &c->rec.mounts.v[i];
		struct run_mount *m = list_add(&s->mounts, a, sizeof *m);
		bool volume = text_same(p->type, "volume");
		struct vol *v;

		if (m == NULL)
			return err_memory(e);
		*m = (struct run_mount){ .kind = p->type, .source = volume ? p->name : p->source, .target = p->destination, .subpath = p->subpath,
			.read_only = !p->rw, .non_recursive = p->non_recursive, .create = p->create, .copy_up = volume && !p->no_copy,
			.propagation = p->propagation, .options = p->options, .read_only_top = p->read_only_top,
			.layers = p->layers };
		if (text_same(p->type, "tmpfs") || text_same(p->type, "image"))
			m->source = NULL;
		else
			m->relabel = labels_of_mount(c, p, a);
		v = volume ? vol_find(c->b, p->name) : NULL;
		if (v != NULL && volume_options_mount(c, &v->rec, m, a, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < h->tmpfs.n; i++) {
		struct run_mount *m = list_add(&s->mounts, a, sizeof *m);

		if (m == NULL)
			return err_memory(e);
		*m = (struct run_mount){ .kind = (char *)(uintptr_t)"tmpfs", .target = h->tmpfs.v[i].key, .options = h->tmpfs.v[i].value };
	}
	return 0;
}

static size_t
depth(const char *path)
{
	size_t n = 0;

	for (; *path != '\0'; path++)
		n += *path == '/' ? 1 : 0;
	return n;
}

/* What lies deeper is mounted later. */
static int
by_depth(const void *a, const void *b)
{
	const char *x = ((const struct run_mount *)a)->target, *y = ((const struct run_mount *)b)->target;
	size_t dx = depth(x), dy = depth(y);

	return dx != dy ? (dx < dy ? -1 : 1) : strcmp(x, y);
}

int
spec_link(const struct ctr *c, const struct endpoint *n, struct arena *a, struct run_link_list *ret, struct err *e)
{
	const struct net *net = net_of(c->b, n);
	struct net_bridge bridge;
	struct run_link *l;
	char *address;

	if (net == NULL || net->pool == NULL || net_bridge_fill(c->b, net, a, &bridge, e) < 0)
		return err_set(e, ERR_NOT_FOUND, "network %s not found", text_or_empty(n->network));
	l = list_add(ret, a, sizeof *l);
	address = arena_printf(a, "%s/%lld", text_or_empty(n->ip_address), (long long)n->ip_prefix_len);
	if (l == NULL || address == NULL || !strs_add(&l->addresses, a, address))
		return err_memory(e);
	l->name = n->ifname;
	l->gateway = n == net_gateway_endpoint(c) ? n->gateway : NULL;
	l->mtu = bridge.mtu;
	return 0;
}

static int
add_links(const struct ctr *c, struct arena *a, struct run_spec *s, struct err *e)
{
	const struct endpoint_list *n = &c->rec.network_settings->networks;

	for (size_t i = 0; i < n->n; i++)
		if (net_is_attached(&n->v[i]) && spec_link(c, &n->v[i], a, &s->links, e) < 0)
			return -1;
	return 0;
}

static int
fill_files(struct ctr *c, struct arena *a, struct run_spec *s, struct err *e)
{
	struct ctr *owner = (struct ctr *)(uintptr_t)name_owner(c);
	const char *hostname = text_or_empty(owner->rec.config->hostname);

	if (etc_hosts(owner, a, &s->hosts, e) < 0 || etc_resolv_conf(owner, a, &s->resolv_conf, e) < 0)
		return -1;
	s->hostname_file = arena_printf(a, "%s\n", hostname);
	s->hostname = arena_str(a, hostname);
	s->domainname = owner->rec.config->domainname;
	return s->hostname_file != NULL && s->hostname != NULL ? 0 : err_memory(e);
}

const struct runtime_entry *
runtime_find(const struct engine_config *g, const char *name)
{
	for (size_t i = 0; i < g->runtimes.n; i++)
		if (text_same(g->runtimes.v[i].name, name))
			return &g->runtimes.v[i];
	return NULL;
}

/* Its path and arguments are those of now: a runtime may be moved between two starts. */
static int
fill_runtime(struct ctr *c, struct run_spec *s, struct err *e)
{
	const char *name = c->rec.host_config->runtime;
	const struct runtime_entry *r = runtime_find(c->b->config, name);

	if (!text_set(name) || text_same(name, "bulwark"))
		return 0;
	if (r == NULL)
		return err_set(e, ERR_INVALID, "unknown or invalid runtime name: %.200s", name);
	if (text_same(r->path, "io.containerd.runc.v2"))
		return 0;
	s->runtime = r->path;
	s->runtime_args = r->args;
	return 0;
}

int
spec_build(struct ctr *c, struct arena *a, struct run_spec *s, struct err *e)
{
	const struct host_config *h = c->rec.host_config;

	*s = (struct run_spec){ .id = c->id, .layers = c->rec.layers, .readonly_rootfs = h->readonly_rootfs, .masked_paths = h->masked_paths,
		.readonly_paths = h->readonly_paths, .sysctls = h->sysctls, .shm_size = h->shm_size, .privileged = h->privileged,
		.init = h->init > 0, .devices = h->devices, .device_cgroup_rules = h->device_cgroup_rules,
		.mount_label = c->rec.mount_label };
	s->process = arena_alloc(a, sizeof *s->process);
	s->limits = arena_alloc(a, sizeof *s->limits);
	s->log = arena_alloc(a, sizeof *s->log);
	if (s->process == NULL || s->limits == NULL || s->log == NULL)
		return err_memory(e);
	if (log_plan(c, a, s->log, e) < 0)
		return err_wrap(e, "failed to create task for container: failed to initialize logging driver");
	if (fill_runtime(c, s, e) < 0)
		return -1;
	limits_of(h, s->limits);
	if (fill_process(c, a, s->process, e) < 0 || add_mounts(c, a, s, e) < 0 || add_links(c, a, s, e) < 0 || fill_files(c, a, s, e) < 0)
		return -1;
	if (s->mounts.n > 1)
		qsort(s->mounts.v, s->mounts.n, sizeof *s->mounts.v, by_depth);
	return 0;
}

int
spec_exec(struct ctr *c, const struct exec_config *x, bool tty, struct arena *a, struct run_process *p, struct err *e)
{
	const struct container_config *k = c->rec.config;
	struct strs env = { 0 };

	*p = (struct run_process){ .args = x->cmd, .cwd = text_set(x->working_dir) ? x->working_dir : text_set(k->working_dir) ? k->working_dir :
		(char *)(uintptr_t)"/", .user = text_set(x->user) ? x->user : k->user, .tty = tty, .open_stdin = x->attach_stdin,
		.stdin_once = x->attach_stdin, .console_size = x->console_size, .group_add = c->rec.host_config->group_add,
		.oom_score_adj = c->rec.host_config->oom_score_adj, .rlimits = c->rec.host_config->ulimits };
	if (fill_env(c, tty, a, &env, e) < 0 || merge_env(&p->env, &env, &x->env, a, e) < 0)
		return -1;
	return fill_security(c, x->privileged || c->rec.host_config->privileged, p, e);
}
