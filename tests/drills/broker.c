/*
 * A hostile broker in the place of bulwark-broker: same user, same sandbox, and the channels to runtime, store and netd. Its first life tries
 * what a broker must not get; each further one sends one malformed packet on each edge; then one is killed by its filter. The last is quiet.
 */
#include "comp.h"
#include "drill.h"
#include "fd.h"
#include "hostile.h"
#include "msg/net.h"
#include "msg/run.h"
#include "msg/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define ID(c) c c c c c c c c c c c c c c c c
#define A_ID ID("a1b2")
#define NOBODY ID("0000")

static struct {
	struct comp *c;
	int dir, ns, spare_fds[3];
	unsigned life;
	struct edge *edges[3];
	struct loop_timer timer;
	char data_root[PATH_MAX_ + 1];
} b = { .spare_fds = { -1, -1, -1 } };
enum { RUN, STORE, NET };
static const char *const names[3] = { "run", "store", "net" };

static char *
text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* ---- the runtime ---- */

static void
start_with(const char *what, struct run_mount *mount, struct device_mapping *device, const char *layer)
{
	static char *args[] = { (char *)(uintptr_t)"/bin/true" };
	char name[128], *layers[1] = { text(layer) };
	struct run_prepare prepare = { .id = text(A_ID), .net = text("new"), .pid = text("new"), .ipc = text("new"), .uts = text("new"), .cgroupns = text("private"),
		.cgroup_parent = text("") };
	struct run_process process = { .args = { 1, args }, .seccomp_mode = text("default"), .no_new_privileges = true };
	struct run_limits limits = { 0 };
	struct run_spec spec = { .id = text(A_ID), .process = &process, .limits = &limits, .layers = { layer != NULL ? 1 : 0, layers } };
	struct run_id id = { .id = text(A_ID) };
	struct store_name rw = { .name = text(A_ID) };
	int fds[1] = { -1 };

	if (mount != NULL) {
		mount->target = text("/mnt");
		spec.mounts.n = 1;
		spec.mounts.v = mount;
	}
	if (device != NULL) {
		device->path_in_container = text("/dev/x");
		spec.devices.n = 1;
		spec.devices.v = device;
	}
	snprintf(name, sizeof name, "prepared for: %s", what);
	if (!drill_works(b.edges[STORE], NO_store_rw_create, &rw, NULL, 0, NULL, 0, name) ||
	    !drill_works(b.edges[RUN], NO_run_prepare, &prepare, NULL, 0, fds, 1, name))
		return;
	drill_refused(b.edges[RUN], NO_run_start, &spec, NULL, 0, what);
	fd_close(&fds[0]);
	(void)drill_works(b.edges[RUN], NO_run_delete, &id, NULL, 0, NULL, 0, "given back");
	(void)drill_works(b.edges[STORE], NO_store_rw_remove, &rw, NULL, 0, NULL, 0, "given back");
}

static void
bind_of(const char *what, const char *kind, const char *source, const char *subpath, bool create)
{
	struct run_mount m = { .kind = text(kind), .source = text(source), .subpath = text(subpath), .create = create };

	start_with(what, &m, NULL, NULL);
}

static void
forbidden_mounts(void)
{
	char path[PATH_MAX_ + 64];
	struct device_mapping disk = { .path_on_host = text("/dev/mem"), .cgroup_permissions = text("rwm") };
	struct device_mapping up = { .path_on_host = text("/dev/../etc/shadow"), .cgroup_permissions = text("rwm") };

	bind_of("mount of the host's root", "bind", "/", NULL, false);
	bind_of("mount of a path that is not allowed", "bind", "/etc", NULL, false);
	bind_of("mount of a file that is not allowed", "bind", "/etc/shadow", NULL, false);
	bind_of("mount of a path with ..", "bind", "/tmp/../etc", NULL, false);
	bind_of("mount of a relative path", "bind", "etc", NULL, false);
	bind_of("mount through /proc", "bind", "/proc/self/root", NULL, false);
	bind_of("making a directory that is not allowed", "bind", "/etc/bulwark-drill-made", NULL, true);
	bind_of("mount of the data root", "bind", b.data_root, NULL, false);
	snprintf(path, sizeof path, "%s/broker/state.db", b.data_root);
	bind_of("mount of the broker's own records", "bind", path, NULL, false);
	snprintf(path, sizeof path, "%s/store/layers", b.data_root);
	bind_of("mount of the store", "bind", path, NULL, false);
	snprintf(path, sizeof path, "%s/../allowed/out", b.data_root);
	bind_of("mount through a link", "bind", path, NULL, false);
	bind_of("volume with ..", "volume", "../store", NULL, false);
	bind_of("volume that is a path", "volume", "a/_data", NULL, false);
	bind_of("volume that does not exist", "volume", "nobody", NULL, false);
	bind_of("subpath with ..", "volume", "drill", "../../..", false);
	bind_of("mount of another kind", "rw", NOBODY, NULL, false);
	bind_of("mount of kind layer", "layer", NOBODY, NULL, false);
	start_with("device that is not allowed", NULL, &disk, NULL);
	start_with("device with ..", NULL, &up, NULL);
	start_with("layer with ..", NULL, NULL, "../../volumes");
	start_with("layer that does not exist", NULL, NULL, NOBODY);
}

static void
prepare_refused(const char *what, struct run_prepare p)
{
	if (p.id == NULL)
		p.id = text(ID("b0b0"));
	p.net = p.net != NULL ? p.net : text("new");
	p.pid = p.pid != NULL ? p.pid : text("new");
	p.ipc = p.ipc != NULL ? p.ipc : text("new");
	p.uts = p.uts != NULL ? p.uts : text("new");
	p.cgroupns = text("private");
	p.cgroup_parent = p.cgroup_parent != NULL ? p.cgroup_parent : text("");
	drill_refused(b.edges[RUN], NO_run_prepare, &p, NULL, 0, what);
}

static void
at_the_runtime(void)
{
	struct run_id bad = { .id = text("../../x") }, nobody = { .id = text(NOBODY) };
	struct run_signal sig = { .id = text(NOBODY), .exec = text(""), .signal = 9, .all = true };
	struct run_freeze freeze = { .id = text(NOBODY), .freeze = true };
	struct run_process process = { .seccomp_mode = text("default") };
	struct run_exec exec = { .id = text(NOBODY), .exec = text(ID("c0c0")), .process = &process };
	struct run_limits limits = { .memory = -1 };
	struct run_update update = { .id = text("../x"), .limits = &limits };
	struct run_stats stats = { .id = text("../x"), .net = true };

	prepare_refused("container without a user namespace", (struct run_prepare){ .userns_host = true });
	prepare_refused("id with ..", (struct run_prepare){ .id = text("../../broker") });
	prepare_refused("empty id", (struct run_prepare){ .id = text("") });
	prepare_refused("network of nobody", (struct run_prepare){ .net = text("container:" NOBODY) });
	prepare_refused("pid namespace of nobody", (struct run_prepare){ .pid = text("container:../../1") });
	prepare_refused("ipc of another kind", (struct run_prepare){ .ipc = text("container:") });
	prepare_refused("cgroup parent with ..", (struct run_prepare){ .cgroup_parent = text("../../..") });
	prepare_refused("cgroup parent /..", (struct run_prepare){ .cgroup_parent = text("/../../outside") });
	drill_refused(b.edges[RUN], NO_run_delete, &bad, NULL, 0, "delete with ..");
	(void)drill_works(b.edges[RUN], NO_run_cancel, &bad, NULL, 0, NULL, 0, "cancel with .. does nothing");
	drill_refused(b.edges[RUN], NO_run_top, &nobody, NULL, 0, "processes of nobody");
	drill_refused(b.edges[RUN], NO_run_signal, &sig, NULL, 0, "signal to nobody");
	sig.id = text("1");
	drill_refused(b.edges[RUN], NO_run_signal, &sig, NULL, 0, "signal to a pid");
	drill_refused(b.edges[RUN], NO_run_freeze, &freeze, NULL, 0, "freeze nobody");
	drill_refused(b.edges[RUN], NO_run_exec, &exec, NULL, 0, "exec in nobody");
	drill_refused(b.edges[RUN], NO_run_update, &update, NULL, 0, "limits of ..");
	drill_refused(b.edges[RUN], NO_run_stats, &stats, NULL, 0, "use of ..");
	forbidden_mounts();
}

/* ---- the store ---- */

static void
name_refused(unsigned no, const char *name, const char *what)
{
	struct store_name m = { .name = text(name) };

	drill_refused(b.edges[STORE], no, &m, NULL, 0, what);
}

static void
at_the_store(void)
{
	static char *up[] = { (char *)(uintptr_t)"../volumes", (char *)(uintptr_t)"sha256:../../../etc" };
	struct store_drop drop = { .layers = { 1, up } }, ids = { .image_ids = { 1, up + 1 } };
	struct image_layer layer = { .diff_id = text("sha256:" NOBODY), .dir = text("../../volumes") };
	struct image image = { .id = text("sha256:" NOBODY), .layers = { 1, &layer } };
	struct store_save save = { .images = { 1, &image } };
	struct api_load load = { 0 };
	struct api_import import = { 0 };
	int event = eventfd(0, EFD_CLOEXEC), pipe_fds[2];

	name_refused(NO_store_rw_create, "../../etc", "writable directory with ..");
	name_refused(NO_store_rw_remove, "..", "removing ..");
	name_refused(NO_store_rw_create, "", "writable directory without a name");
	name_refused(NO_store_volume_create, "../layers/x", "volume with .. in the store");
	name_refused(NO_store_volume_create, "a/b", "volume that is a path in the store");
	name_refused(NO_store_volume_create, ".trash", "volume named like the trash");
	name_refused(NO_store_volume_remove, ".", "removing all volumes");
	name_refused(NO_store_volume_remove, "/etc", "removing /etc");
	drill_refused(b.edges[STORE], NO_store_drop, &drop, NULL, 0, "dropping a layer with ..");
	drill_refused(b.edges[STORE], NO_store_drop, &ids, NULL, 0, "dropping an image with ..");
	drill_refused(b.edges[STORE], NO_store_load, &load, NULL, 0, "load of nothing");
	drill_refused(b.edges[STORE], NO_store_import, &import, NULL, 0, "import of nothing");
	drill_refused(b.edges[STORE], NO_store_load, &load, &b.dir, 1, "load of a directory");
	drill_refused(b.edges[STORE], NO_store_load, &load, &b.ns, 1, "load of a namespace");
	/* what can be read but never ends with an archive */
	if (pipe2(pipe_fds, O_CLOEXEC) == 0) {
		(void)!write(pipe_fds[1], "nonsense", 8);
		close(pipe_fds[1]);
		drill_refused(b.edges[STORE], NO_store_load, &load, pipe_fds, 1, "load of nonsense");
		drill_refused(b.edges[STORE], NO_store_save, &save, pipe_fds, 1, "save of .. into what cannot be written");
		close(pipe_fds[0]);
	}
	close(event);
}

/* ---- the network ---- */

static void
bridge_refused(const char *what, struct net_bridge m)
{
	m.address = m.address != NULL ? m.address : text("10.99.0.1/24");
	drill_refused(b.edges[NET], NO_net_bridge_create, &m, NULL, 0, what);
}

static void
endpoint_refused(const char *what, struct net_endpoint m, int fd)
{
	m.link = m.link != NULL ? m.link : text("bw0drill");
	m.ifname = m.ifname != NULL ? m.ifname : text("eth0");
	m.bridge = m.bridge != NULL ? m.bridge : text("drillbr");
	m.address = m.address != NULL ? m.address : text("10.98.0.2/24");
	m.mac = m.mac != NULL ? m.mac : text("02:42:0a:62:00:02");
	m.mtu = 1500;
	drill_refused(b.edges[NET], NO_net_endpoint_create, &m, fd >= 0 ? &fd : NULL, fd >= 0 ? 1 : 0, what);
}

static void
at_netd(void)
{
	struct net_name lo = { .name = text("lo") }, foreign = { .name = text("foreign0") }, up = { .name = text("../x") };
	struct run_prepare prepare = { .id = text(A_ID), .net = text("new"), .pid = text("new"), .ipc = text("new"), .uts = text("new"), .cgroupns = text("private"),
		.cgroup_parent = text("") };
	struct run_id id = { .id = text(A_ID) };
	struct net_bridge own = { .name = text("drillbr"), .address = text("10.98.0.1/24"), .mtu = 1500 };
	struct net_name own_name = { .name = text("drillbr") };
	struct net_port port = { .proto = text("tcp"), .host_ip = text("0.0.0.0"), .host_port = 5555, .container_port = 80 };
	struct net_state nothing = { 0 };
	int netns = -1, mem = memfd_create("drill", MFD_CLOEXEC);

	(void)drill_works(b.edges[NET], NO_net_sync, &nothing, NULL, 0, NULL, 0, "a state of nothing at the start");
	/* removing what is not there is fine; what matters is that the script finds it still there */
	(void)drill_works(b.edges[NET], NO_net_bridge_remove, &lo, NULL, 0, NULL, 0, "removing lo does nothing");
	(void)drill_works(b.edges[NET], NO_net_bridge_remove, &foreign, NULL, 0, NULL, 0, "removing a foreign interface does nothing");
	drill_refused(b.edges[NET], NO_net_bridge_remove, &up, NULL, 0, "removing a bridge with a bad name");
	bridge_refused("bridge named lo", (struct net_bridge){ .name = text("lo") });
	bridge_refused("bridge named like a foreign interface", (struct net_bridge){ .name = text("foreign0") });
	bridge_refused("foreign interface that is no bridge", (struct net_bridge){ .name = text("foreign0"), .existing = true });
	bridge_refused("bridge with a path for a name", (struct net_bridge){ .name = text("a/../b") });
	bridge_refused("bridge without a name", (struct net_bridge){ .name = text("") });
	bridge_refused("bridge without an address", (struct net_bridge){ .name = text("drillb2"), .address = text("") });
	bridge_refused("bridge with a bad address", (struct net_bridge){ .name = text("drillb2"), .address = text("10.0.0.1/99") });
	if (drill_works(b.edges[NET], NO_net_bridge_create, &own, NULL, 0, NULL, 0, "a bridge of its own") &&
	    drill_works(b.edges[RUN], NO_run_prepare, &prepare, NULL, 0, &netns, 1, "a network namespace")) {
		endpoint_refused("endpoint without a namespace", (struct net_endpoint){ 0 }, -1);
		endpoint_refused("endpoint in a memory file", (struct net_endpoint){ 0 }, mem);
		endpoint_refused("endpoint in a user namespace", (struct net_endpoint){ 0 }, b.ns);
		endpoint_refused("endpoint in a directory", (struct net_endpoint){ 0 }, b.dir);
		endpoint_refused("endpoint named lo", (struct net_endpoint){ .link = text("lo") }, netns);
		endpoint_refused("endpoint named like a foreign interface", (struct net_endpoint){ .link = text("foreign0") }, netns);
		endpoint_refused("endpoint with a path for a name", (struct net_endpoint){ .ifname = text("../eth0") }, netns);
		endpoint_refused("endpoint on a foreign interface", (struct net_endpoint){ .bridge = text("foreign0") }, netns);
		endpoint_refused("endpoint outside of its bridge", (struct net_endpoint){ .address = text("192.168.77.2/24") }, netns);
		endpoint_refused("endpoint with a bad hardware address", (struct net_endpoint){ .mac = text("zz") }, netns);
		endpoint_refused("port that a foreign program holds", (struct net_endpoint){ .ports = { 1, &port } }, netns);
		port.host_port = 0;
		endpoint_refused("port 0", (struct net_endpoint){ .ports = { 1, &port } }, netns);
		port.host_port = 80;
		port.proto = text("icmp");
		endpoint_refused("port of another protocol", (struct net_endpoint){ .ports = { 1, &port } }, netns);
		port.proto = text("tcp");
		port.host_ip = text("1.2.3.4; flush ruleset");
		endpoint_refused("port with a rule for an address", (struct net_endpoint){ .ports = { 1, &port } }, netns);
	}
	(void)drill_works(b.edges[NET], NO_net_sync, &nothing, NULL, 0, NULL, 0, "a state of nothing removes only what is the engine's");
	(void)drill_works(b.edges[NET], NO_net_bridge_remove, &own_name, NULL, 0, NULL, 0, "given back");
	(void)drill_works(b.edges[NET], NO_net_clear, NULL, NULL, 0, NULL, 0, "clearing removes only what is the engine's");
	(void)drill_works(b.edges[RUN], NO_run_delete, &id, NULL, 0, NULL, 0, "given back");
	fd_close(&netns);
	close(mem);
}

/* ---- lives ---- */

static int
on_one_way(struct call *c, const void *msg, struct err *e)
{
	return 0;
}

static void
first_life(void)
{
	static const edge_fn handlers[run_edge_end] = { [NO_run_exited] = on_one_way, [NO_run_detached] = on_one_way };
	static const struct edge_table *const tables[3] = { &run_edge, &store_edge, &net_edge };
	struct err e = ERR_INIT;
	struct store_name drill = { .name = text("drill") };

	for (unsigned i = 0; i < 3; i++) {
		struct edge_conf conf = { .table = tables[i], .side = EDGE_A, .handlers = handlers, .n_handlers = i == RUN ? run_edge_end : 0, .peer = names[i] };

		b.edges[i] = edge_new(b.c->loop, b.spare_fds[i], &conf, &e);
		if (b.edges[i] == NULL) {
			drill_said(false, "edges", e.text);
			return;
		}
	}
	(void)drill_works(b.edges[STORE], NO_store_volume_create, &drill, NULL, 0, NULL, 0, "a volume");
	at_the_runtime();
	at_the_store();
	at_netd();
	(void)drill_works(b.edges[STORE], NO_store_volume_remove, &drill, NULL, 0, NULL, 0, "given back");
}

/* three malformations in each life, each on another edge */
static bool
malformed_life(unsigned n)
{
	/* of each edge a request that begins with a text or, for the others, anything that is not one */
	static const unsigned first[3] = { NO_run_delete, NO_store_rw_create, NO_net_bridge_remove };
	bool any = false;

	for (unsigned i = 0; i < 3; i++)
		any = drill_malformed(b.spare_fds[(i + n) % 3], first[(i + n) % 3], n * 3 + i, names[(i + n) % 3]) || any;
	return any;
}

static void
on_time(struct loop_timer *t)
{
	if (b.life == 0 && faccessat(b.dir, "drill-go", F_OK, 0) < 0) {
		loop_timer_set(b.c->loop, t, 50000000);
		return;
	}
	if (b.life == 0) {
		first_life();
		_exit(0);
	}
	if (malformed_life(b.life - 1))
		_exit(0);
	if (b.life <= 7) {
		drill_said(true, "killed by the filter", "");
		(void)attack_find("load_module")->run();
		drill_said(false, "killed by the filter", "still alive");
	}
	drill_said(true, "the end", "");
}

static int
start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	static const char *const except[] = { NULL };
	struct role_tree tree = { .write = true };

	b.c = c;
	b.dir = fd_take(&fds[0]);
	b.ns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	tree.fd = b.dir;
	c->trees[c->n_trees++] = tree;
	b.life = drill_life(b.dir);
	if (drill_dir(b.dir, b.data_root, sizeof b.data_root) < 0)
		return err_sys(e, errno, "where am I");
	*strrchr(b.data_root, '/') = '\0';
	if (b.life == 0)
		drill_common(ROLE_BROKER, &tree, 1, except);
	return 0;
}

static int
edge(struct comp *c, const char *name, int fd, struct err *e)
{
	bool all = true;

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0) {
			fd_close(&b.spare_fds[i]);
			b.spare_fds[i] = fd;
		}
		all = all && b.spare_fds[i] >= 0;
	}
	b.timer.on_time = on_time;
	if (all)
		loop_timer_set(c->loop, &b.timer, 100000000);
	return 0;
}

int
main(void)
{
	struct comp c = { .role = ROLE_BROKER, .start = start, .edge = edge };

	return comp_main(&c);
}
