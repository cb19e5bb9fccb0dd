/* The command line of the OCI runtimes: bulwark-oci [global options] COMMAND [options] [ID] [arguments]. */
#include "oci.h"

#include "fd.h"
#include "json.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int
fail(const struct oci *o, const struct err *e)
{
	fprintf(stderr, "%s\n", e->text);
	if (o->log != NULL) {
		own_fd fd = open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		own_buf b = BUF_INIT(8192);
		struct timespec now;
		char when[48];

		(void)clock_gettime(CLOCK_REALTIME, &now);
		text_time(when, now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
		if (o->log_json)
			buf_puts(&b, "{\"level\":\"error\",\"msg\":");
		else
			buf_printf(&b, "time=\"%s\" level=error msg=", when);
		json_put_str(&b, e->text);
		if (o->log_json)
			buf_printf(&b, ",\"time\":\"%s\"}", when);
		buf_putc(&b, '\n');
		if (fd < 0 || fd_write_all(fd, b.data, b.used) < 0)
			fprintf(stderr, "%s: cannot be written\n", o->log);
	}
	return 1;
}

static int
wait_for(pid_t pid)
{
	sigset_t all;
	int status = 0;

	sigfillset(&all);
	for (;;) {
		int sig;
		pid_t got;

		while ((got = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
			if (got == pid)
				return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (got < 0 && errno == ECHILD)
			return 1;
		sig = sigwaitinfo(&all, NULL);
		if (sig > 0 && sig != SIGCHLD)
			(void)kill(pid, sig);
	}
}

static int
remove_container(struct oci *o, const char *id, struct err *e)
{
	return fd_remove_tree(o->root_fd, id) < 0 ? err_sys(e, errno, "remove the container's directory") : 0;
}

/* A directory that tells of no process: of a create that was killed, unless it is still at work. */
static int
remove_unfinished(struct oci *o, const char *id, struct err *e)
{
	struct err none = ERR_INIT;
	own_fd dir = -1;

	if (oci_dir(o, id, &dir, &none) < 0)
		return o->force ? 0 : -1;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT, "container %s is being created", id);
	return remove_container(o, id, e);
}

static int
do_delete(struct oci *o, const char *id, struct err *e)
{
	struct oci_state s;
	const char *status;

	if (oci_state_read(o, id, &s, e) < 0)
		return e->code == ERR_NOT_FOUND ? remove_unfinished(o, id, e) : -1;
	status = oci_status(o, &s);
	/* one that was never started may go, as the specification's own tools do it */
	if (strcmp(status, "running") == 0 && !o->force)
		return err_set(e, ERR_CONFLICT, "cannot delete container %s that is not stopped: %s", id, status);
	if (strcmp(status, "stopped") != 0) {
		own_fd fd = pidfd_open(s.pid, 0);

		if (fd >= 0)
			(void)pidfd_send_signal(fd, SIGKILL, NULL, 0);
		for (int i = 0; i < 500 && oci_start_time(s.pid) == s.started; i++)
			usleep(10000);
	}
	return remove_container(o, id, e);
}

static int
do_kill(struct oci *o, const char *id, const char *name, struct err *e)
{
	struct oci_state s;
	int sig = text_to_signal(name != NULL ? name : "SIGTERM");
	own_fd fd = -1;

	if (sig == 0)
		return err_set(e, ERR_INVALID, "unknown signal \"%.64s\"", name);
	if (oci_state_read(o, id, &s, e) < 0)
		return -1;
	if (strcmp(oci_status(o, &s), "stopped") == 0 || (fd = pidfd_open(s.pid, 0)) < 0)
		return err_set(e, ERR_CONFLICT, "container not running");
	return pidfd_send_signal(fd, sig, NULL, 0) < 0 ? err_sys(e, errno, "kill") : 0;
}

static void
put_state(struct oci *o, const struct oci_state *s, struct buf *b)
{
	const char *status = oci_status(o, s);

	buf_puts(b, "{\"ociVersion\":\"1.2.0\",\"id\":");
	json_put_str(b, s->id);
	buf_printf(b, ",\"pid\":%d,\"status\":\"%s\",\"bundle\":", strcmp(status, "stopped") == 0 ? 0 : s->pid, status);
	json_put_str(b, s->bundle);
	buf_puts(b, ",\"annotations\":");
	json_put_kvs(b, &s->annotations, false);
	buf_putc(b, '}');
}

static int
do_list(struct oci *o, struct buf *b, struct err *e)
{
	DIR *d = fdopendir(fcntl(o->root_fd, F_DUPFD_CLOEXEC, 3));
	struct dirent *entry;
	bool json = o->format != NULL && strcmp(o->format, "json") == 0, first = true;

	if (d == NULL)
		return err_sys(e, errno, "read --root");
	if (json)
		buf_putc(b, '[');
	else if (!o->quiet)
		buf_printf(b, "%-40s %-10s %-10s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	while ((entry = readdir(d)) != NULL) {
		struct oci_state s;
		struct err none = ERR_INIT;

		if (entry->d_name[0] == '.' || oci_state_read(o, entry->d_name, &s, &none) < 0)
			continue;
		if (json) {
			if (!first)
				buf_putc(b, ',');
			put_state(o, &s, b);
		} else if (o->quiet) {
			buf_printf(b, "%s\n", s.id);
		} else {
			const char *status = oci_status(o, &s);

			buf_printf(b, "%-40s %-10d %-10s %s\n", s.id, strcmp(status, "stopped") == 0 ? 0 : s.pid, status, s.bundle);
		}
		first = false;
	}
	closedir(d);
	if (json)
		buf_puts(b, "]\n");
	return 0;
}

/* Those in its pid namespace. */
static int
do_ps(struct oci *o, const char *id, struct buf *b, struct err *e)
{
	struct oci_state s;
	struct stat mine, own, other;
	struct dirent *entry;
	bool json = o->format != NULL && strcmp(o->format, "json") == 0, first = true;
	char path[300];
	DIR *d;

	if (oci_state_read(o, id, &s, e) < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/ns/pid", s.pid);
	if (strcmp(oci_status(o, &s), "stopped") == 0 || stat(path, &own) < 0 || stat("/proc/self/ns/pid", &mine) < 0)
		return err_set(e, ERR_CONFLICT, "container not running");
	if (own.st_ino == mine.st_ino)
		return err_set(e, ERR_UNSUPPORTED, "ps without a pid namespace is not implemented by bulwark-oci yet");
	d = opendir("/proc");
	if (d == NULL)
		return err_sys(e, errno, "read /proc");
	buf_puts(b, json ? "[" : "PID\n");
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/ns/pid", entry->d_name);
		if (stat(path, &other) < 0 || other.st_ino != own.st_ino)
			continue;
		buf_printf(b, "%s%s%s", json && !first ? "," : "", entry->d_name, json ? "" : "\n");
		first = false;
	}
	closedir(d);
	if (json)
		buf_puts(b, "]\n");
	return 0;
}

static const char features[] = "{\"ociVersionMin\":\"1.0.0\",\"ociVersionMax\":\"1.2.0\",\"hooks\":[],\"mountOptions\":[\"bind\",\"defaults\",\"dev\",\"diratime\","
	"\"exec\",\"noatime\",\"nodev\",\"nodiratime\",\"noexec\",\"nosuid\",\"private\",\"rbind\",\"relatime\",\"ro\",\"rprivate\",\"rshared\",\"rslave\","
	"\"runbindable\",\"rw\",\"shared\",\"slave\",\"strictatime\",\"suid\",\"unbindable\"],\"linux\":{\"namespaces\":[\"cgroup\",\"ipc\",\"mount\",\"network\","
	"\"pid\",\"user\",\"uts\"],\"cgroup\":{\"v1\":false,\"v2\":false,\"systemd\":false,\"systemdUser\":false,\"rdma\":false},\"seccomp\":{\"enabled\":true,"
	"\"actions\":[\"SCMP_ACT_ALLOW\",\"SCMP_ACT_ERRNO\",\"SCMP_ACT_KILL\",\"SCMP_ACT_KILL_PROCESS\",\"SCMP_ACT_KILL_THREAD\",\"SCMP_ACT_LOG\","
	"\"SCMP_ACT_TRACE\",\"SCMP_ACT_TRAP\"]},\"apparmor\":{\"enabled\":true},\"selinux\":{\"enabled\":true},\"intelRdt\":{\"enabled\":false}}}\n";

static const char template[] = "{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],\"cwd\":\"/\","
	"\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],\"effective\":[\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"bulwark\",\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}],"
	"\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":%u}],\"gidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":%u}],"
	"\"namespaces\":[{\"type\":\"user\"},{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
	"\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}\n";

static int
do_spec(const struct oci *o, struct err *e)
{
	own_buf b = BUF_INIT(16384);
	own_fd dir = open(o->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file = -1;
	unsigned uid = geteuid(), gid = getegid(), n = uid == 0 ? 65536 : 1;

	buf_printf(&b, template, uid == 0 ? 100000 : uid, n, gid == 0 ? 100000 : gid, n);
	if (dir >= 0)
		file = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0 && errno == EEXIST)
		return err_set(e, ERR_CONFLICT, "File config.json exists. Remove it first");
	return file < 0 || b.failed || fd_write_all(file, b.data, b.used) < 0 ? err_sys(e, errno, "write config.json") : 0;
}

static int
do_run(struct oci *o, const char *id, struct err *e)
{
	pid_t pid = -1;
	int code;

	if (oci_create(o, id, &pid, e) < 0)
		return -1;
	if (oci_start(o, id, e) < 0) {
		(void)kill(pid, SIGKILL);
		(void)!remove_container(o, id, e);
		return -1;
	}
	if (o->detach)
		return 0;
	code = wait_for(pid);
	return remove_container(o, id, e) < 0 ? -1 : code;
}

static int
command(struct oci *o, char *const *rest, struct buf *out, struct err *e)
{
	static const char *const absent[] = { "pause", "resume", "update", "events", "checkpoint", "restore", NULL };
	const char *c = o->command, *id = rest[0];
	struct oci_state s;
	pid_t pid = -1;

	for (const char *const *p = absent; *p != NULL; p++)
		if (strcmp(c, *p) == 0)
			return err_set(e, ERR_UNSUPPORTED, "%s is not implemented by bulwark-oci yet", c);
	if (strcmp(c, "spec") == 0)
		return do_spec(o, e);
	if (strcmp(c, "features") == 0) {
		buf_puts(out, features);
		return 0;
	}
	if (strcmp(c, "list") == 0)
		return do_list(o, out, e);
	if (id == NULL)
		return err_set(e, ERR_INVALID, "\"%.32s\" requires a container id", c);
	if (strcmp(c, "create") == 0)
		return oci_create(o, id, &pid, e);
	if (strcmp(c, "start") == 0)
		return oci_start(o, id, e);
	if (strcmp(c, "run") == 0)
		return do_run(o, id, e);
	if (strcmp(c, "kill") == 0)
		return do_kill(o, id, rest[1], e);
	if (strcmp(c, "delete") == 0)
		return do_delete(o, id, e);
	if (strcmp(c, "ps") == 0)
		return do_ps(o, id, out, e);
	if (strcmp(c, "exec") == 0)
		return oci_exec(o, id, rest + 1, &pid, e) < 0 ? -1 : o->detach ? 0 : wait_for(pid);
	if (strcmp(c, "state") != 0)
		return err_set(e, ERR_INVALID, "No help topic for '%.32s'", c);
	if (oci_state_read(o, id, &s, e) < 0)
		return -1;
	put_state(o, &s, out);
	buf_putc(out, '\n');
	return 0;
}

/* One option at argv[*at]: 1 taken, 0 not ours. "--name=value" and "--name value". */
static int
option(struct oci *o, char **argv, int *at, bool global, struct err *e)
{
	const struct { const char *name; const char **text; bool *flag; bool global; } rows[] = {
		{ "root", &o->root, NULL, true }, { "log", &o->log, NULL, true }, { "log-format", &o->format, NULL, true }, { "debug", NULL, &o->debug, true },
		{ "bundle", &o->bundle, NULL, false }, { "b", &o->bundle, NULL, false }, { "pid-file", &o->pid_file, NULL, false },
		{ "console-socket", &o->console_socket, NULL, false }, { "detach", NULL, &o->detach, false }, { "d", NULL, &o->detach, false },
		{ "force", NULL, &o->force, false }, { "f", NULL, &o->force, false }, { "quiet", NULL, &o->quiet, false }, { "q", NULL, &o->quiet, false },
		{ "format", &o->format, NULL, false }, { "process", &o->process_file, NULL, false }, { "p", &o->process_file, NULL, false },
	};
	const char *name = argv[*at] + (argv[*at][1] == '-' ? 2 : 1), *eq = strchr(name, '=');
	size_t n = eq != NULL ? (size_t)(eq - name) : strlen(name);

	/* whether a user namespace is needed is what config.json says */
	if (global && n == 8 && memcmp(name, "rootless", 8) == 0) {
		const char *value = eq != NULL ? eq + 1 : argv[*at + 1];

		*at += eq == NULL ? 1 : 0;
		if (value == NULL)
			return err_set(e, ERR_INVALID, "flag needs an argument: -rootless");
		return strcmp(value, "auto") == 0 ? 1 : err_set(e, ERR_UNSUPPORTED, "--rootless %s is not implemented by bulwark-oci: config.json says it", value);
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].global != global || strlen(rows[i].name) != n || memcmp(rows[i].name, name, n) != 0)
			continue;
		if (rows[i].flag != NULL) {
			*rows[i].flag = eq == NULL || strcmp(eq + 1, "true") == 0;
			return 1;
		}
		*rows[i].text = eq != NULL ? eq + 1 : argv[++*at];
		return *rows[i].text != NULL ? 1 : err_set(e, ERR_INVALID, "flag needs an argument: -%.32s", name);
	}
	return err_set(e, ERR_INVALID, "%s: %.64s is not implemented by bulwark-oci yet", global ? "option" : o->command, argv[*at]);
}

static int
parse(struct oci *o, int argc, char **argv, int *at, struct err *e)
{
	for (*at = 1; *at < argc && argv[*at][0] == '-'; ++*at)
		if (option(o, argv, at, true, e) < 0)
			return -1;
	if (*at >= argc)
		return err_set(e, ERR_INVALID, "usage: bulwark-oci [--root DIR] [--log FILE] [--log-format text|json] create|start|state|kill|delete|run|exec|list|ps|spec|features ...");
	if (o->format != NULL && strcmp(o->format, "json") != 0 && strcmp(o->format, "text") != 0)
		return err_set(e, ERR_INVALID, "invalid log-format: %.32s", o->format);
	o->log_json = o->format != NULL && strcmp(o->format, "json") == 0;
	o->format = NULL;
	o->command = argv[(*at)++];
	for (; *at < argc && argv[*at][0] == '-' && argv[*at][1] != '\0'; ++*at)
		if (option(o, argv, at, false, e) < 0)
			return -1;
	return 0;
}

static int
open_root(struct oci *o, struct err *e)
{
	static char path[4096];
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (o->root == NULL) {
		snprintf(path, sizeof path, "%s/bulwark-oci", geteuid() != 0 && run != NULL ? run : "/run");
		o->root = path;
	}
	if (mkdir(o->root, 0711) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make %.200s", o->root);
	o->root_fd = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return o->root_fd < 0 ? err_sys(e, errno, "open %.200s", o->root) : 0;
}

/* From a sealed copy in memory, so that no container can write the program on the host through its own process (CVE-2019-5736). */
static int
seal_self(char **argv, struct err *e)
{
	own_fd own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), copy = -1;
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	off_t at = 0;
	struct stat st;

	if (own < 0 || fstat(own, &st) < 0)
		return err_sys(e, errno, "open /proc/self/exe");
	if ((fcntl(own, F_GET_SEALS) & seals) == seals && st.st_nlink == 0)
		return 0;
	copy = memfd_create("bulwark-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	while (copy >= 0 && at < st.st_size)
		if (sendfile(copy, own, &at, (size_t)(st.st_size - at)) <= 0)
			return err_sys(e, errno, "copy the program");
	if (copy < 0 || fcntl(copy, F_ADD_SEALS, seals) < 0)
		return err_sys(e, errno, "seal the program");
	(void)fexecve(copy, argv, environ);
	return err_sys(e, errno, "execute the sealed program");
}

int
main(int argc, char **argv)
{
	struct oci o = { .bundle = ".", .root_fd = -1 };
	own_buf out = BUF_INIT((size_t)4 << 20);
	struct err e = ERR_INIT;
	sigset_t all;
	int at = 1, r;

	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
		printf("bulwark-oci version %s\nspec: 1.2.0\n", BULWARK_VERSION);
		return 0;
	}
	if (seal_self(argv, &e) < 0)
		return fail(&o, &e);
	json_init();
	if (parse(&o, argc, argv, &at, &e) < 0 || open_root(&o, &e) < 0)
		return fail(&o, &e);
	/* signals are for who we wait for */
	if (strcmp(o.command, "run") == 0 || strcmp(o.command, "exec") == 0) {
		sigfillset(&all);
		(void)sigprocmask(SIG_BLOCK, &all, NULL);
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	}
	r = command(&o, argv + at, &out, &e);
	if (r < 0)
		return fail(&o, &e);
	if (out.failed || fd_write_all(STDOUT_FILENO, out.data, out.used) < 0)
		return 1;
	return r;
}
