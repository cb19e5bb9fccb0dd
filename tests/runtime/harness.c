#include "harness.h"

#include "fd.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig rig;

#define DIE(...) do { fprintf(stderr, __VA_ARGS__); fputc('\n', stderr); abort(); } while (0)

static _Noreturn void
become_role(enum role role, const char *binary, uid_t uid, int ctl)
{
	struct err e = ERR_INIT;
	char *argv[] = { (char *)(uintptr_t)role_table[role].binary, NULL };
	char *envp[] = { NULL };
	int bin = open(binary, O_RDONLY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* with cgroup v2 a process is cloned into a group only from within the delegated tree */
	if (role == ROLE_RUNTIME && rig.n_cgroups == 1 && fd_write_text(rig.cgroup_fds[0], "engine/cgroup.procs", "0") < 0)
		_exit(94);
	bin = fcntl(bin, F_DUPFD_CLOEXEC, 10);
	if (bin < 0 || role_drop(role, uid, uid, &e) < 0) {
		fprintf(stderr, "%s: %s\n", binary, e.text);
		_exit(91);
	}
	if (dup2(ctl, CTL_FD) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || fd_set_cloexec(CTL_FD, false) < 0)
		_exit(92);
	(void)close_range(CTL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	fexecve(bin, argv, envp);
	_exit(93);
}

static int
refuse(struct call *c, const void *msg, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "not in this test");
}

static void
start_role(enum role role, const char *binary, uid_t uid, const struct ctl_start *start, const int *fds, size_t nfds, struct rig_role *ret)
{
	static const edge_fn handlers[ctl_edge_table_end] = { [NO_ctl_worker] = refuse, [NO_ctl_host_runtime] = refuse, [NO_ctl_logger] = refuse };
	struct edge_conf conf = { .table = &ctl_edge_table, .side = EDGE_A, .peer = "role", .handlers = handlers, .n_handlers = ctl_edge_table_end };
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	int ctl[2];

	if (edge_pair(ctl, &e) < 0)
		DIE("%s", e.text);
	ret->pid = fork();
	if (ret->pid == 0)
		become_role(role, binary, uid, ctl[1]);
	close(ctl[1]);
	ret->ctl = edge_new(rig.loop, ctl[0], &conf, &e);
	if (ret->ctl == NULL || edge_call(ret->ctl, NO_ctl_start, start, fds, nfds, &a, NULL, NULL, 0, NULL, 10000, &e) < 0)
		DIE("%s does not start: %s", binary, e.text);
}

static void
give_edge(struct rig_role *r, const char *name, int fd)
{
	struct ctl_edge m = { .name = (char *)(uintptr_t)name };
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	if (edge_call(r->ctl, NO_ctl_edge, &m, &fd, 1, &a, NULL, NULL, 0, NULL, 10000, &e) < 0)
		DIE("edge %s: %s", name, e.text);
	close(fd);
}

static void
connect_roles(struct rig_role *a, struct rig_role *b, const char *name)
{
	struct err e = ERR_INIT;
	int pair[2];

	if (edge_pair(pair, &e) < 0)
		DIE("%s", e.text);
	give_edge(b, name, pair[1]);
	give_edge(a, name, pair[0]);
}

static char *
path_of(const char *name)
{
	static char path[4][400];
	static unsigned at;

	at = (at + 1) % 4;
	snprintf(path[at], sizeof path[at], "%s/%s", rig.dir, name);
	return path[at];
}

static void
make_dir(const char *name, mode_t mode, uid_t uid)
{
	if ((mkdir(path_of(name), mode) < 0 && errno != EEXIST) || chmod(path_of(name), mode) < 0 || chown(path_of(name), uid, uid) < 0)
		DIE("%s: %s", name, strerror(errno));
}

static void
put_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0 || fchown(fd, IMAGE_ID_BASE, IMAGE_ID_BASE) < 0)
		DIE("%s: %s", name, strerror(errno));
	close(fd);
}

#define FS "store/layers/" LAYER "/fs"

/* An image in one layer: a static busybox, users, and a few traps. */
static void
make_image(void)
{
	static const char *const tools[] = { "sh", "cat", "echo", "id", "ls", "sleep", "true", "false", "head", "grep", "wc", "stat", "mount", "touch",
		"mkdir", "hostname", "pwd", "env", "ip", "dd", "tail", "kill", "ps", "chown", "unshare", "readlink", "od", "tty", "tr", "test", "stty",
		"rm", "cp", "mknod", "sort", "seq", "yes", "ulimit", "nproc" };
	static const char *const dirs[] = { "bin", "etc", "tmp", "proc", "sys", "dev", "var", "root", "data", "home" };
	char from[400], name[400];
	int in, out;
	char buf[65536];
	ssize_t n;

	make_dir("store/layers", 0700, IMAGE_ID_BASE);
	make_dir("store/layers/" LAYER, 0700, IMAGE_ID_BASE);
	make_dir(FS, 0755, IMAGE_ID_BASE);
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		snprintf(name, sizeof name, FS "/%s", dirs[i]);
		make_dir(name, strcmp(dirs[i], "tmp") == 0 ? 01777 : 0755, IMAGE_ID_BASE);
	}
	put_file(FS "/bin/busybox", "", 0755);
	in = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	out = open(path_of(FS "/bin/busybox"), O_WRONLY | O_CLOEXEC);
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (fd_write_all(out, buf, (size_t)n) < 0)
			DIE("copy busybox");
	close(in);
	close(out);
	for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
		snprintf(from, sizeof from, "%s/" FS "/bin/%s", rig.dir, tools[i]);
		if (symlink("busybox", from) < 0)
			DIE("%s", from);
	}
	put_file(FS "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n1234:x:0:0::/:/bin/sh\n", 0644);
	put_file(FS "/etc/group", "root:x:0:\nuser:x:1000:\nextra:x:2000:other,user\nwheel:x:10:root\n", 0644);
	put_file(FS "/etc/plain", "not a program\n", 0644);
	put_file(FS "/data/seed", "seed\n", 0640);
	if (chown(path_of(FS "/data/seed"), IMAGE_ID_BASE + 1234, IMAGE_ID_BASE + 4321) < 0 ||
	    chown(path_of(FS "/data"), IMAGE_ID_BASE + 1234, IMAGE_ID_BASE + 4321) < 0 || chmod(path_of(FS "/data"), 0750) < 0)
		DIE("data");
}

void
rig_make_rw(const char *id)
{
	static const char *const parts[] = { "", "/upper", "/work", "/files" };
	char name[200];

	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "store/rw/%s%s", id, parts[i]);
		make_dir(name, 0755, IMAGE_ID_BASE);
	}
}

/* One directory of our own in every v1 hierarchy; on a host with cgroup v2, in that, with the runtime inside. */
static void
make_cgroups(void)
{
	FILE *f = fopen("/proc/self/mounts", "r");
	char dev[256], where[256], type[64], options[512];
	bool v1 = false;

	snprintf(rig.cg, sizeof rig.cg, "bulwark-runtest-%d", getpid());
	while (f != NULL && fscanf(f, "%255s %255s %63s %511s %*d %*d", dev, where, type, options) == 4) {
		char path[400], *name, *found = NULL, *save = NULL;
		int fd;

		if (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0)
			continue;
		name = strrchr(where, '/') + 1;
		for (char *o = strtok_r(options, ",", &save); o != NULL; o = strtok_r(NULL, ",", &save))
			if (strncmp(o, "name=", 5) == 0)
				found = o;
		if (strcmp(type, "cgroup") == 0)
			v1 = true;
		else if (v1)
			continue;
		snprintf(path, sizeof path, "%s/%s", where, rig.cg);
		if (mkdir(path, 0755) < 0 || chown(path, RUN_UID, RUN_UID) < 0)
			DIE("%s: %s", path, strerror(errno));
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (strcmp(name, "cpuset") == 0) {
			/* as the supervisor does: a new cpuset has no processors */
			char text[256];

			snprintf(path, sizeof path, "%s/cpuset.cpus", where);
			if (fd_read_text(AT_FDCWD, path, text, sizeof text) < 0 || fd_write_text(fd, "cpuset.cpus", text) < 0)
				DIE("%s", path);
			snprintf(path, sizeof path, "%s/cpuset.mems", where);
			if (fd_read_text(AT_FDCWD, path, text, sizeof text) < 0 || fd_write_text(fd, "cpuset.mems", text) < 0)
				DIE("%s", path);
		}
		if (strcmp(type, "cgroup2") == 0) {
			if (fchownat(fd, "cgroup.procs", RUN_UID, RUN_UID, 0) < 0 || fchownat(fd, "cgroup.subtree_control", RUN_UID, RUN_UID, 0) < 0 ||
			    mkdirat(fd, "engine", 0755) < 0)
				DIE("cgroup v2: %s", strerror(errno));
			found = (char *)(uintptr_t)"v2";
		}
		rig.cgroup_fds[rig.n_cgroups] = fd;
		rig.cgroup_names[rig.n_cgroups++] = strdup(found != NULL ? found : name);
	}
	if (f != NULL)
		fclose(f);
}

static int
on_exited(struct call *c, const void *msg, struct err *e)
{
	const struct run_exit *x = msg;
	struct seen *s = &rig.seen[rig.n_seen++ % 4096];

	snprintf(s->id, sizeof s->id, "%s", x->id);
	snprintf(s->exec, sizeof s->exec, "%s", x->exec);
	s->code = (int)x->code;
	s->oom = x->oom_killed;
	return 0;
}

static int
on_detached(struct call *c, const void *msg, struct err *e)
{
	rig.detached++;
	return 0;
}

void
rig_start_runtime(void)
{
	static const edge_fn handlers[run_edge_end] = { [NO_run_exited] = on_exited, [NO_run_detached] = on_detached };
	struct edge_conf conf = { .table = &run_edge, .side = EDGE_A, .peer = "runtime", .handlers = handlers, .n_handlers = run_edge_end };
	struct engine_config config = { .log_level = (char *)(uintptr_t)(getenv("TEST_LOG") != NULL ? getenv("TEST_LOG") : "info") };
	struct ctl_start start = { .config = &config, .cgroups = { rig.n_cgroups, rig.cgroup_names } };
	struct err e = ERR_INIT;
	int fds[40], pair[2];
	size_t n = 0;

	fds[n++] = open(path_of("containers"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[n++] = open(path_of("exec/run"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < rig.n_cgroups; i++)
		fds[n++] = rig.cgroup_fds[i];
	start_role(ROLE_RUNTIME, BUILD_DIR "/runtime/bulwark-runtime", RUN_UID, &start, fds, n, &rig.runtime);
	close(fds[0]);
	close(fds[1]);
	connect_roles(&rig.runtime, &rig.idmapper, "idmap");
	connect_roles(&rig.runtime, &rig.mounter, "mount");
	if (edge_pair(pair, &e) < 0)
		DIE("%s", e.text);
	give_edge(&rig.runtime, "run", pair[1]);
	rig.run = edge_new(rig.loop, pair[0], &conf, &e);
	if (rig.run == NULL)
		DIE("%s", e.text);
}

static void
end_role(struct rig_role *r, bool kill_it)
{
	if (kill_it)
		kill(r->pid, SIGKILL);
	edge_free(r->ctl);
	r->ctl = NULL;
	waitpid(r->pid, NULL, 0);
}

void
rig_kill_runtime(void)
{
	end_role(&rig.runtime, true);
	edge_free(rig.run);
	rig.run = NULL;
}

void
rig_stop_runtime(void)
{
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	if (edge_call(rig.runtime.ctl, NO_ctl_stop, NULL, NULL, 0, &a, NULL, NULL, 0, NULL, 10000, &e) < 0)
		DIE("stop: %s", e.text);
	end_role(&rig.runtime, false);
	edge_free(rig.run);
	rig.run = NULL;
}

bool
rig_up(void)
{
	struct engine_config config = { .log_level = (char *)(uintptr_t)"info" };
	struct ctl_start start = { .config = &config, .run_uid = RUN_UID };
	struct err e = ERR_INIT;
	int fds[3];

	if (geteuid() != 0)
		return false;
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		DIE("namespaces: %s", strerror(errno));
	umask(022);
	snprintf(rig.dir, sizeof rig.dir, "%s/bulwark-runtime-XXXXXX", getenv("TEST_DIR") != NULL ? getenv("TEST_DIR") : "/tmp");
	if (mkdtemp(rig.dir) == NULL || chmod(rig.dir, 0711) < 0)
		DIE("%s", rig.dir);
	rig.loop = loop_new(&e);
	make_dir("store", 0700, IMAGE_ID_BASE);
	make_dir("store/rw", 0700, IMAGE_ID_BASE);
	make_dir("volumes", 0700, IMAGE_ID_BASE);
	make_dir("volumes/v1", 0700, IMAGE_ID_BASE);
	make_dir("volumes/v1/_data", 0755, IMAGE_ID_BASE);
	make_dir("containers", 0700, RUN_UID);
	make_dir("exec", 0711, 0);
	make_dir("exec/run", 0700, RUN_UID);
	make_dir("host", 0755, 0);
	make_image();
	make_cgroups();
	start_role(ROLE_IDMAPPER, BUILD_DIR "/runtime/bulwark-idmapper", IDMAP_UID, &start, NULL, 0, &rig.idmapper);
	fds[0] = open(path_of("store"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[1] = open(path_of("volumes"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[2] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	start_role(ROLE_MOUNTER, BUILD_DIR "/stored/bulwark-mounter", MOUNT_UID, &start, fds, 3, &rig.mounter);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	rig_start_runtime();
	return true;
}

/* Every process that runs as the runtime's user or in our cgroups would show up here. */
static int
count_cgroups(void)
{
	int left = 0;

	for (size_t i = 0; i < rig.n_cgroups; i++) {
		int fd = openat(rig.cgroup_fds[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fdopendir(fd);
		struct dirent *entry;

		while (d != NULL && (entry = readdir(d)) != NULL)
			if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && strcmp(entry->d_name, "engine") != 0) {
				if (left++ < 3)
					fprintf(stderr, "left over: cgroup %s of %s\n", entry->d_name, rig.cgroup_names[i]);
			}
		if (d != NULL)
			closedir(d);
	}
	return left;
}

static int
count_processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int left = 0;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		struct stat st;
		char path[300];

		snprintf(path, sizeof path, "/proc/%s", entry->d_name);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && stat(path, &st) == 0 && st.st_uid == RUN_UID)
			left++;
	}
	if (d != NULL)
		closedir(d);
	return left;
}

void
rig_down(void)
{
	int left = 0;

	rig_stop_runtime();
	for (int i = 0; i < 200 && (left = count_processes()) > 0; i++)
		usleep(10000);
	if (left > 0)
		DIE("%d processes of the runtime are left over", left);
	end_role(&rig.idmapper, false);
	end_role(&rig.mounter, false);
	left = count_cgroups();
	for (size_t i = 0; i < rig.n_cgroups; i++) {
		(void)unlinkat(rig.cgroup_fds[i], "engine", AT_REMOVEDIR);
		int up = openat(rig.cgroup_fds[i], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)unlinkat(up, rig.cg, AT_REMOVEDIR);
		close(up);
	}
	if (left > 0)
		DIE("%d cgroups are left over", left);
	if (strstr(rig.dir, "/bulwark-runtime-") != NULL && fd_remove_tree(AT_FDCWD, rig.dir) < 0)
		DIE("%s: %s", rig.dir, strerror(errno));
}

void
box_init(struct box_spec *b, const char *const *args)
{
	static const char *const masked[] = { "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware" };
	static const char *const locked[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

	memset(b, 0, sizeof *b);
	text_random_id(b->id);
	b->prepare.id = b->spec.id = b->id;
	b->spec.process = &b->process;
	b->spec.limits = &b->limits;
	b->spec.log = &b->log;
	b->log.format = (char *)(uintptr_t)"json-file";
	for (; args[b->process.args.n] != NULL; b->process.args.n++)
		b->args[b->process.args.n] = (char *)(uintptr_t)args[b->process.args.n];
	b->process.args.v = b->args;
	b->env[0] = (char *)(uintptr_t)"PATH=/usr/local/bin:/usr/bin:/bin";
	b->process.env = (struct strs){ 1, b->env };
	b->process.caps = CAPS;
	b->process.no_new_privileges = true;
	b->layers[0] = (char *)(uintptr_t)LAYER;
	b->spec.layers = (struct strs){ 1, b->layers };
	for (size_t i = 0; i < 5; i++) {
		b->masked[i] = (char *)(uintptr_t)masked[i];
		b->locked[i] = (char *)(uintptr_t)locked[i];
	}
	b->spec.masked_paths = (struct strs){ 5, b->masked };
	b->spec.readonly_paths = (struct strs){ 5, b->locked };
	b->spec.hostname = (char *)(uintptr_t)"box";
	b->spec.hosts = (char *)(uintptr_t)"127.0.0.1\tlocalhost\n";
	b->spec.resolv_conf = (char *)(uintptr_t)"nameserver 192.0.2.1\n";
	b->spec.hostname_file = (char *)(uintptr_t)"box\n";
}

void
box_shell(struct box_spec *b, const char *script)
{
	box_init(b, (const char *const[]){ "sh", "-c", script, NULL });
}

int
box_prepare(struct box_spec *b, struct err *e)
{
	own_arena a = ARENA_INIT;
	struct run_prepared r;
	int fd = -1;
	size_t n = 0;

	rig_make_rw(b->id);
	if (edge_call(rig.run, NO_run_prepare, &b->prepare, NULL, 0, &a, &r, &fd, 1, &n, 20000, e) < 0)
		return -1;
	fd_close(&fd);
	return (int)r.pid;
}

int
box_launch(struct box_spec *b, struct err *e)
{
	own_arena a = ARENA_INIT;
	struct run_started r;

	return edge_call(rig.run, NO_run_start, &b->spec, NULL, 0, &a, &r, NULL, 0, NULL, 20000, e) < 0 ? -1 : (int)r.pid;
}

int
box_run(struct box_spec *b, struct err *e)
{
	return box_prepare(b, e) < 0 ? -1 : box_launch(b, e);
}

int
box_attach(struct box_spec *b, bool in, bool mux, struct err *e)
{
	struct run_stream s = { .id = b->id, .in = in, .out = true, .err = true, .stream = true, .mux = mux, .tty = b->process.tty };
	own_arena a = ARENA_INIT;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (edge_call(rig.run, NO_run_attach, &s, &pair[1], 1, &a, NULL, NULL, 0, NULL, 20000, e) < 0) {
		close(pair[0]);
		pair[0] = -1;
	}
	close(pair[1]);
	return pair[0];
}

size_t
read_plain(int fd, char *out, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used + 1 < size && (n = read(fd, out + used, size - 1 - used)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	return used;
}

static bool
read_all(int fd, void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t r = read(fd, (char *)p + at, n - at);

		if (r <= 0)
			return false;
		at += (size_t)r;
	}
	return true;
}

size_t
read_frames(int fd, char *out, size_t size, char *errs, size_t errs_size)
{
	unsigned char head[8];
	size_t used = 0, eused = 0;

	while (read_all(fd, head, 8)) {
		size_t n = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
		char *to = head[0] == 2 && errs != NULL ? errs + eused : out + used;
		size_t room = head[0] == 2 && errs != NULL ? errs_size - eused : size - used;

		if (n + 1 > room || !read_all(fd, to, n))
			break;
		if (head[0] == 2 && errs != NULL)
			eused += n;
		else
			used += n;
	}
	out[used] = '\0';
	if (errs != NULL)
		errs[eused] = '\0';
	return used;
}

void
pump(void)
{
	own_arena a = ARENA_INIT;
	struct run_states r;
	struct err e = ERR_INIT;

	if (edge_call(rig.run, NO_run_list, NULL, NULL, 0, &a, &r, NULL, 0, NULL, 10000, &e) < 0)
		DIE("list: %s", e.text);
}

int
wait_exit(const char *id, const char *exec)
{
	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < rig.n_seen && k < 4096; k++)
			if (strcmp(rig.seen[k].id, id) == 0 && strcmp(rig.seen[k].exec, exec) == 0)
				return rig.seen[k].code;
		pump();
		usleep(i < 100 ? 200 : 1000);
	}
	return -1;
}

int
simple_call(unsigned no, const char *id, struct err *e)
{
	struct run_id m = { .id = (char *)(uintptr_t)id };
	own_arena a = ARENA_INIT;

	return edge_call(rig.run, no, &m, NULL, 0, &a, NULL, NULL, 0, NULL, 10000, e);
}

void
box_delete(const char *id)
{
	struct err e = ERR_INIT;
	char name[200];

	if (simple_call(NO_run_delete, id, &e) < 0)
		DIE("delete: %s", e.text);
	snprintf(name, sizeof name, "store/rw/%s", id);
	if (fd_remove_tree(AT_FDCWD, path_of(name)) < 0)
		DIE("%s: %s", name, strerror(errno));
}

int
send_signal(const char *id, int sig, struct err *e)
{
	struct run_signal m = { .id = (char *)(uintptr_t)id, .exec = (char *)(uintptr_t)"", .signal = sig };
	own_arena a = ARENA_INIT;

	return edge_call(rig.run, NO_run_signal, &m, NULL, 0, &a, NULL, NULL, 0, NULL, 10000, e);
}

int
box_output(struct box_spec *b, char *out, size_t size, struct err *e)
{
	own_fd fd = -1;
	int code;

	if (box_prepare(b, e) < 0 || (fd = box_attach(b, false, !b->process.tty, e)) < 0 || box_launch(b, e) < 0)
		return -1;
	if (b->process.tty)
		read_plain(fd, out, size);
	else
		read_frames(fd, out, size, NULL, 0);
	code = wait_exit(b->id, "");
	box_delete(b->id);
	return code;
}

const char *
sh(const char *script)
{
	static char out[65536];
	struct box_spec b;
	struct err e = ERR_INIT;

	box_shell(&b, script);
	if (box_output(&b, out, sizeof out, &e) < 0)
		snprintf(out, sizeof out, "ERROR %s", e.text);
	return out;
}

int
exec_in(const char *id, const char *const *args, char *out, size_t size, struct err *e)
{
	struct run_process p = { .caps = CAPS, .no_new_privileges = true };
	struct run_stream s = { .id = (char *)(uintptr_t)id, .out = true, .err = true, .stream = true };
	struct run_exec x = { .id = (char *)(uintptr_t)id, .process = &p, .stream = &s };
	char exec[65], *v[16], *env[] = { (char *)(uintptr_t)"PATH=/bin" };
	own_arena a = ARENA_INIT;
	struct run_started r;
	int pair[2], code;

	for (; args[p.args.n] != NULL; p.args.n++)
		v[p.args.n] = (char *)(uintptr_t)args[p.args.n];
	p.args.v = v;
	p.env = (struct strs){ 1, env };
	text_random_id(exec);
	x.exec = exec;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	code = edge_call(rig.run, NO_run_exec, &x, &pair[1], 1, &a, &r, NULL, 0, NULL, 20000, e);
	close(pair[1]);
	if (code == 0) {
		read_plain(pair[0], out, size);
		code = wait_exit(id, exec);
	}
	close(pair[0]);
	return code;
}
