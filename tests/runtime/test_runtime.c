/* Containers through the runtime with its real givers: what is inside, what comes out, how it ends. Root only. */
#include "harness.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool active;

#define ROOT_ONLY() do { if (!active) skip(); } while (0)

static char out[1 << 20];

static void
has(const char *text, const char *part)
{
	assert_non_null(text);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", text, part);
}

static int
run(struct box_spec *b)
{
	struct err e = ERR_INIT;
	int code = box_output(b, out, sizeof out, &e);

	if (code < 0)
		fprintf(stderr, "ERROR %s\n", e.text);
	return code;
}

/* A start that must fail: its error. */
static const char *
refused(struct box_spec *b)
{
	static struct err e;

	err_clear(&e);
	if (box_run(b, &e) >= 0)
		fail_msg("the start succeeded");
	/* nothing may be left of it */
	if (simple_call(NO_run_cancel, b->id, &e) < 0)
		fail_msg("cancel");
	box_delete(b->id);
	return e.text;
}

static const char *
refused_program(const char *program)
{
	struct box_spec b;

	box_init(&b, (const char *const[]){ program, NULL });
	return refused(&b);
}

static void
status_is_passed_on(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "exit 42");
	assert_int_equal(run(&b), 42);
	box_shell(&b, "sh -c 'kill -9 $$'; exit $?");
	assert_int_equal(run(&b), 137);
	box_shell(&b, "sh -c 'kill -TERM $$'; exit $?");
	assert_int_equal(run(&b), 143);
}

static void
streams_are_kept_apart(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	char errs[100];
	int fd;

	ROOT_ONLY();
	box_shell(&b, "echo one; echo two >&2");
	assert_true(box_prepare(&b, &e) > 0);
	fd = box_attach(&b, false, true, &e);
	assert_true(box_launch(&b, &e) > 0);
	read_frames(fd, out, sizeof out, errs, sizeof errs);
	close(fd);
	assert_string_equal(out, "one\n");
	assert_string_equal(errs, "two\n");
	assert_int_equal(wait_exit(b.id, ""), 0);
	box_delete(b.id);
}

static void
missing_programs_have_dockers_words(void **state)
{
	ROOT_ONLY();
	has(refused_program("nosuch"), "OCI runtime create failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown");
	has(refused_program("/nosuch"), "exec: \"/nosuch\": stat /nosuch: no such file or directory");
	has(refused_program("/etc/plain"), "exec: \"/etc/plain\": permission denied");
	has(refused_program("/etc"), "is a directory");
}

static void
users_are_looked_up_inside(void **state)
{
	static const struct { const char *user, *id; } rows[] = {
		{ "", "uid=0(root) gid=0(root) groups=0(root),10(wheel)" }, { "user", "uid=1000(user) gid=1000(user) groups=1000(user),2000(extra)" },
		{ "1000", "uid=1000(user) gid=1000(user) groups=1000(user),2000(extra)" }, { "user:extra", "uid=1000(user) gid=2000(extra) groups=2000(extra)" },
		{ "4711:12", "uid=4711 gid=12 groups=12" }, { "4711", "uid=4711 gid=0(root) groups=0(root)" },
		/* a number is an id although somebody has it for a name */
		{ "1234", "uid=1234 gid=0(root) groups=0(root)" },
	};
	struct box_spec b;

	ROOT_ONLY();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		box_shell(&b, "id");
		b.process.user = (char *)(uintptr_t)rows[i].user;
		assert_int_equal(run(&b), 0);
		out[strcspn(out, "\n")] = '\0';
		assert_string_equal(out, rows[i].id);
	}
}

static void
impossible_users_are_refused(void **state)
{
	static const char *const users[] = { "4294967295", "4294967296", "2147483648", "18446744073709551616", "-1", "65536" };
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "id");
	b.process.user = (char *)(uintptr_t)"nobodyhere";
	has(refused(&b), "unable to find user nobodyhere: no matching entries in passwd file");
	box_shell(&b, "id");
	b.process.user = (char *)(uintptr_t)"root:nogroup";
	has(refused(&b), "unable to find group nogroup: no matching entries in group file");
	for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
		box_shell(&b, "id");
		b.process.user = (char *)(uintptr_t)users[i];
		has(refused(&b), "uids and gids must be in range");
	}
	box_shell(&b, "id");
	b.process.user = (char *)(uintptr_t)"0x0";
	has(refused(&b), "unable to find user 0x0");
}

static void
capabilities_are_what_was_granted(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "grep Cap /proc/self/status");
	assert_int_equal(run(&b), 0);
	has(out, "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000");
	box_shell(&b, "grep Cap /proc/self/status");
	b.process.caps = 1;
	assert_int_equal(run(&b), 0);
	has(out, "CapEff:\t0000000000000001\nCapBnd:\t0000000000000001");
	box_shell(&b, "grep Cap /proc/self/status");
	b.process.caps = 0;
	assert_int_equal(run(&b), 0);
	has(out, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000");
	box_shell(&b, "grep Cap /proc/self/status");
	b.process.user = (char *)(uintptr_t)"1000";
	assert_int_equal(run(&b), 0);
	has(out, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb");
}

static void
filters_follow_the_profile(void **state)
{
	struct box_spec b;
	char *names[] = { (char *)(uintptr_t)"mkdir", (char *)(uintptr_t)"mkdirat" };
	struct seccomp_rule rule = { .names = { 2, names }, .action = (char *)(uintptr_t)"SCMP_ACT_ERRNO" };
	struct seccomp_profile profile = { .default_action = (char *)(uintptr_t)"SCMP_ACT_ALLOW", .syscalls = { 1, &rule } };

	ROOT_ONLY();
	has(sh("grep Seccomp: /proc/self/status; unshare -m true"), "Seccomp:\t2");
	box_shell(&b, "unshare -m true 2>&1");
	assert_int_not_equal(run(&b), 0);
	has(out, "not permitted");
	box_shell(&b, "grep Seccomp_filters /proc/self/status");
	b.process.seccomp_mode = (char *)(uintptr_t)"unconfined";
	assert_int_equal(run(&b), 0);
	box_shell(&b, "mkdir /x 2>&1; echo fine");
	b.process.seccomp_mode = (char *)(uintptr_t)"custom";
	b.process.seccomp = &profile;
	assert_int_equal(run(&b), 0);
	has(out, "not permitted");
	has(out, "fine");
	rule.action = (char *)(uintptr_t)"SCMP_ACT_NONSENSE";
	box_shell(&b, "true");
	b.process.seccomp_mode = (char *)(uintptr_t)"custom";
	b.process.seccomp = &profile;
	has(refused(&b), "seccomp");
}

static void
no_new_privileges_can_be_given_up(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	has(sh("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1");
	box_shell(&b, "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status");
	b.process.no_new_privileges = false;
	b.process.user = (char *)(uintptr_t)"1000";
	assert_int_equal(run(&b), 0);
	has(out, "NoNewPrivs:\t0\nSeccomp:\t2");
}

static void
a_terminal_is_the_containers(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	int fd;

	ROOT_ONLY();
	box_shell(&b, "tty; test -t 0 && test -t 1 && test -t 2 && echo yes; stty size; ls -l /dev/console; echo e >&2");
	b.process.tty = true;
	b.process.console_size = (struct pair){ 33, 99 };
	assert_int_equal(run(&b), 0);
	has(out, "/dev/pts/0\r\nyes\r\n33 99\r\n");
	has(out, "/dev/console");
	has(out, "e\r\n");
	/* input, and the keys by which one leaves */
	box_shell(&b, "read x; echo got $x; read y; exit 3");
	b.process.tty = b.process.open_stdin = true;
	assert_true(box_prepare(&b, &e) > 0);
	fd = box_attach(&b, true, false, &e);
	assert_true(box_launch(&b, &e) > 0);
	assert_int_equal(write(fd, "word\n", 5), 5);
	usleep(100000);
	assert_int_equal(write(fd, "\x10\x11", 2), 2);
	read_plain(fd, out, sizeof out);
	close(fd);
	has(out, "got word");
	pump();
	assert_int_equal(rig.detached, 1);
	fd = box_attach(&b, true, false, &e);
	assert_int_equal(write(fd, "z\n", 2), 2);
	assert_int_equal(wait_exit(b.id, ""), 3);
	close(fd);
	box_delete(b.id);
}

static void
input_ends_with_the_client(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	char *big = calloc(1, 3000000);
	pid_t pid;
	int fd;

	ROOT_ONLY();
	box_shell(&b, "wc -c; echo end");
	b.process.open_stdin = b.process.stdin_once = true;
	assert_true(box_prepare(&b, &e) > 0);
	fd = box_attach(&b, true, true, &e);
	assert_true(box_launch(&b, &e) > 0);
	pid = fork();
	if (pid == 0) {
		(void)!fd_write_all(fd, big, 3000000);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	read_frames(fd, out, sizeof out, NULL, 0);
	close(fd);
	assert_string_equal(out, "3000000\nend\n");
	assert_int_equal(wait_exit(b.id, ""), 0);
	box_delete(b.id);
	free(big);
	has(sh("wc -c"), "0\n");
}

static void
mounts_are_made_inside(void **state)
{
	struct box_spec b;
	char host[256], text[4096];
	struct stat st;

	ROOT_ONLY();
	snprintf(host, sizeof host, "%s/host/new", rig.dir);
	box_shell(&b, "echo x >/m/f; ls -ln /m; touch /r/x 2>&1; touch /t/y && grep ' /t ' /proc/mounts; stat -c %a /t; cat /data/seed; stat -c '%a %u %g' /data");
	b.mounts[0] = (struct run_mount){ .kind = (char *)(uintptr_t)"bind", .source = host, .target = (char *)(uintptr_t)"/m", .create = true };
	b.mounts[1] = (struct run_mount){ .kind = (char *)(uintptr_t)"bind", .source = host, .target = (char *)(uintptr_t)"/r", .read_only = true };
	b.mounts[2] = (struct run_mount){ .kind = (char *)(uintptr_t)"tmpfs", .target = (char *)(uintptr_t)"/t", .options = (char *)(uintptr_t)"size=1m,mode=1770" };
	b.mounts[3] = (struct run_mount){ .kind = (char *)(uintptr_t)"volume", .source = (char *)(uintptr_t)"v1", .target = (char *)(uintptr_t)"/data", .copy_up = true };
	b.spec.mounts.v = b.mounts;
	b.spec.mounts.n = 4;
	assert_int_equal(run(&b), 0);
	has(out, "Read-only file system");
	has(out, "size=1024k");
	has(out, "noexec");
	has(out, "1770\nseed\n750 1234 4321\n");
	snprintf(text, sizeof text, "%s/f", host);
	assert_int_equal(stat(text, &st), 0);
	/* host paths: id n of the container is id n of the host */
	assert_int_equal(st.st_uid, 0);
	snprintf(text, sizeof text, "%s/volumes/v1/_data/seed", rig.dir);
	assert_int_equal(stat(text, &st), 0);
	assert_int_equal(st.st_uid, IMAGE_ID_BASE + 1234);
}

static void
traps_for_mounts_are_refused(void **state)
{
	static const char *const targets[] = { "/proc", "/proc/self/attr", "/sys", "/dev", "/", "/..", "/a/../.." };
	struct box_spec b;
	char host[256];

	ROOT_ONLY();
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		box_shell(&b, "true");
		b.mounts[0] = (struct run_mount){ .kind = (char *)(uintptr_t)"tmpfs", .target = (char *)(uintptr_t)targets[i] };
		b.spec.mounts.v = b.mounts;
		b.spec.mounts.n = 1;
		assert_true(*refused(&b) != '\0');
	}
	box_shell(&b, "true");
	snprintf(host, sizeof host, "%s/host", rig.dir);
	b.mounts[0] = (struct run_mount){ .kind = (char *)(uintptr_t)"bind", .source = host, .target = (char *)(uintptr_t)"/etc/passwd" };
	b.spec.mounts.v = b.mounts;
	b.spec.mounts.n = 1;
	has(refused(&b), "not a directory");
	box_shell(&b, "true");
	b.mounts[0] = (struct run_mount){ .kind = (char *)(uintptr_t)"tmpfs", .target = (char *)(uintptr_t)"/t", .options = (char *)(uintptr_t)"nonsense" };
	b.spec.mounts.v = b.mounts;
	b.spec.mounts.n = 1;
	has(refused(&b), "invalid tmpfs option");
}

static void
a_working_directory_is_never_a_descriptor(void **state)
{
	char cwd[64];
	struct box_spec b;

	ROOT_ONLY();
	for (int fd = 3; fd < 64; fd += 3) {
		snprintf(cwd, sizeof cwd, "/proc/self/fd/%d", fd);
		box_shell(&b, "true");
		b.process.cwd = cwd;
		assert_true(*refused(&b) != '\0');
	}
	box_shell(&b, "pwd");
	b.process.cwd = (char *)(uintptr_t)"/made/up";
	assert_int_equal(run(&b), 0);
	assert_string_equal(out, "/made/up\n");
}

static void
the_root_can_be_read_only(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "touch /x 2>&1; echo y >/dev/shm/y && cat /dev/shm/y; echo z >>/etc/hosts && tail -1 /etc/hosts");
	b.spec.readonly_rootfs = true;
	assert_int_equal(run(&b), 0);
	has(out, "Read-only file system");
	has(out, "y\nz\n");
}

static void
proc_and_sys_are_guarded(void **state)
{
	ROOT_ONLY();
	has(sh("echo 1 >/proc/sys/kernel/hostname"), "");
	has(sh("echo x 2>/dev/null >/proc/sys/kernel/domainname || echo no"), "no");
	has(sh("cat /proc/keys | wc -c"), "0");
	has(sh("ls /sys/firmware | wc -l"), "0");
	has(sh("cd /sys/fs/cgroup; test -d pids && cd pids; mkdir x 2>&1 || true"), "Read-only");
	has(sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "0");
	has(sh("touch /sys/x 2>&1 || true"), "Read-only");
}

static void
limits_reach_the_kernel(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes "
	    "/sys/fs/cgroup/memory/memory.soft_limit_in_bytes /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/pids/pids.max "
	    "/sys/fs/cgroup/cpuset/cpuset.cpus; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj");
	b.limits = (struct run_limits){ .memory = 67108864, .memory_swap = 100663296, .memory_reservation = 33554432, .cpu_shares = 512,
		.cpu_period = 100000, .cpu_quota = 50000, .pids = 17, .cpuset_cpus = (char *)(uintptr_t)"0" };
	b.rlimits[0] = (struct ulimit_rec){ .name = (char *)(uintptr_t)"nofile", .soft = 123, .hard = 456 };
	b.process.rlimits.n = 1;
	b.process.rlimits.v = b.rlimits;
	b.process.oom_score_adj = 444;
	if (rig.n_cgroups == 1)
		b.args[2] = (char *)(uintptr_t)"cd /sys/fs/cgroup; cat memory.max memory.swap.max memory.low cpu.weight cpu.max pids.max cpuset.cpus; ulimit -n; ulimit -Hn; "
		    "cat /proc/self/oom_score_adj";
	assert_int_equal(run(&b), 0);
	assert_string_equal(out, rig.n_cgroups == 1 ? "67108864\n33554432\n33554432\n20\n50000 100000\n17\n0\n123\n456\n444\n" :
	    "67108864\n100663296\n33554432\n512\n50000\n17\n0\n123\n456\n444\n");
	box_shell(&b, "true");
	b.rlimits[0] = (struct ulimit_rec){ .name = (char *)(uintptr_t)"nofile", .soft = 1 << 30, .hard = 1 << 30 };
	b.process.rlimits.n = 1;
	b.process.rlimits.v = b.rlimits;
	has(refused(&b), "rlimit");
}

static void
a_kill_for_memory_is_noticed(void **state)
{
	struct box_spec b;
	bool oom = false;

	ROOT_ONLY();
	box_shell(&b, "tail /dev/zero");
	b.limits = (struct run_limits){ .memory = 16777216, .memory_swap = 16777216 };
	assert_int_equal(run(&b), 137);
	for (size_t i = 0; i < rig.n_seen; i++)
		oom = oom || (strcmp(rig.seen[i].id, b.id) == 0 && rig.seen[i].oom);
	assert_true(oom);
}

static void
exec_enters_with_the_same_protections(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;

	ROOT_ONLY();
	box_shell(&b, "sleep 100");
	assert_true(box_run(&b, &e) > 0);
	assert_int_equal(exec_in(b.id, (const char *const[]){ "sh", "-c", "hostname; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; ls /proc/self/fd | wc -l; exit 5", NULL },
	    out, sizeof out, &e), 5);
	has(out, "box\nCapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb");
	has(out, "NoNewPrivs:\t1\nSeccomp:\t2");
	assert_int_equal(exec_in(b.id, (const char *const[]){ "nosuch", NULL }, out, sizeof out, &e), -1);
	assert_string_equal(e.text, "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown");
	/* its cgroups are the container's */
	assert_int_equal(exec_in(b.id, (const char *const[]){ "cat", "/proc/self/cgroup", NULL }, out, sizeof out, &e), 0);
	has(out, ":/\n");
	assert_null(strstr(out, "bulwark"));
	assert_int_equal(send_signal(b.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(b.id, ""), 137);
	box_delete(b.id);
}

static size_t
read_log(const char *id, bool follow, int *ret_follow)
{
	struct api_logs ask = { .ref = (char *)(uintptr_t)id, .follow = follow };
	own_arena a = ARENA_INIT;
	struct api_log_files r;
	struct err e = ERR_INIT;
	int fds[32];
	size_t n = 0, used = 0;

	if (edge_call(rig.run, NO_run_logs, &ask, NULL, 0, &a, &r, fds, 32, &n, 20000, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < n - (r.follow ? 1 : 0); i++) {
		used += read_plain(fds[i], out + used, sizeof out - used);
		close(fds[i]);
	}
	if (r.follow)
		*ret_follow = fds[n - 1];
	return used;
}

static void
the_log_is_dockers_json(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	int follow = -1;
	char byte[8];

	ROOT_ONLY();
	box_shell(&b, "printf 'a<b>&\"\\\\\\t\\001\\377\\303\\244\\n'; echo err >&2; head -c 20000 /dev/zero | tr '\\0' x; sleep 0.3; echo late; sleep 0.3");
	assert_true(box_run(&b, &e) > 0);
	usleep(200000);
	read_log(b.id, true, &follow);
	has(out, "{\"log\":\"a\\u003cb\\u003e\\u0026\\\"\\\\\\t\\u0001\\ufffd\xc3\xa4\\n\",\"stream\":\"stdout\",\"time\":\"2");
	has(out, "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"");
	assert_true(recv(follow, byte, sizeof byte, 0) == 1 && byte[0] == 'd');
	while (recv(follow, byte, sizeof byte, 0) > 0)
		;
	close(follow);
	assert_int_equal(wait_exit(b.id, ""), 0);
	read_log(b.id, false, &follow);
	/* 16 KiB without a newline are a partial record */
	char *line = strstr(out, "{\"log\":\"xxx");
	assert_non_null(line);
	assert_int_equal(strspn(line + 8, "x"), 16384);
	has(line, "xlate\\n\"");
	box_delete(b.id);
}

static void
attaching_can_begin_with_the_log(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	char line[32];
	const char *at;
	own_arena a = ARENA_INIT;
	struct run_stream s = { .out = true, .err = true, .logs = true, .stream = true, .mux = true };
	int pair[2];

	ROOT_ONLY();
	/* more than a client's socket holds, over several files, and it goes on while the log is sent */
	box_shell(&b, "seq 1 60000; echo '<&\"\\ \303\244'; printf half; sleep 0.4; echo ' whole'; seq 60001 90000");
	b.log.size = 2 << 20;
	b.log.files = 9;
	assert_true(box_run(&b, &e) > 0);
	usleep(200000);
	s.id = b.id;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(edge_call(rig.run, NO_run_attach, &s, &pair[1], 1, &a, NULL, NULL, 0, NULL, 20000, &e), 0);
	close(pair[1]);
	read_frames(pair[0], out, sizeof out, NULL, 0);
	close(pair[0]);
	assert_int_equal(wait_exit(b.id, ""), 0);
	box_delete(b.id);
	at = out;
	for (int i = 1; i <= 90000; i++) {
		snprintf(line, sizeof line, "%d\n", i);
		if (strncmp(at, line, strlen(line)) != 0)
			fail_msg("line %d is \"%.40s\"", i, at);
		at += strlen(line);
		if (i == 60000) {
			static const char middle[] = "<&\"\\ \303\244\nhalf whole\n";

			assert_memory_equal(at, middle, sizeof middle - 1);
			at += sizeof middle - 1;
		}
	}
	assert_string_equal(at, "");
}

static void
the_log_is_rotated(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	char path[400];
	struct stat st;
	int none;

	ROOT_ONLY();
	box_shell(&b, "seq 1 2000");
	b.log.size = 20480;
	b.log.files = 3;
	assert_true(box_run(&b, &e) > 0);
	assert_int_equal(wait_exit(b.id, ""), 0);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, i == 0 ? "%s/containers/%s/%s-json.log" : "%s/containers/%s/%s-json.log.%d", rig.dir, b.id, b.id, i);
		assert_int_equal(stat(path, &st), i < 3 ? 0 : -1);
		assert_true(i == 3 || st.st_size <= 20480);
	}
	read_log(b.id, false, &none);
	has(out, "{\"log\":\"2000\\n\"");
	box_delete(b.id);
	box_shell(&b, "echo x");
	b.log.format = (char *)(uintptr_t)"nosuch";
	has(refused(&b), "malformed log");
}

static void
freezing_stops_and_goes_on(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	struct run_freeze m = { .freeze = true };
	own_arena a = ARENA_INIT;

	ROOT_ONLY();
	box_shell(&b, "sleep 100");
	assert_true(box_run(&b, &e) > 0);
	m.id = b.id;
	assert_int_equal(edge_call(rig.run, NO_run_freeze, &m, NULL, 0, &a, NULL, NULL, 0, NULL, 20000, &e), 0);
	assert_int_equal(edge_call(rig.run, NO_run_freeze, &m, NULL, 0, &a, NULL, NULL, 0, NULL, 20000, &e), -1);
	has(e.text, "is already paused");
	m.freeze = false;
	assert_int_equal(edge_call(rig.run, NO_run_freeze, &m, NULL, 0, &a, NULL, NULL, 0, NULL, 20000, &e), 0);
	assert_int_equal(send_signal(b.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(b.id, ""), 137);
	box_delete(b.id);
}

static void
processes_are_listed_with_the_containers_ids(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	struct run_id m;
	own_arena a = ARENA_INIT;
	struct api_procs r;

	ROOT_ONLY();
	box_init(&b, (const char *const[]){ "sleep", "77", NULL });
	b.process.user = (char *)(uintptr_t)"1000";
	assert_true(box_run(&b, &e) > 0);
	m.id = b.id;
	assert_int_equal(edge_call(rig.run, NO_run_top, &m, NULL, 0, &a, &r, NULL, 0, NULL, 20000, &e), 0);
	assert_int_equal(r.procs.n, 1);
	assert_int_equal(r.procs.v[0].uid, 1000);
	assert_string_equal(r.procs.v[0].args, "sleep 77");
	assert_int_equal(send_signal(b.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(b.id, ""), 137);
	box_delete(b.id);
}

static void
init_collects_and_passes_on(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;

	ROOT_ONLY();
	box_shell(&b, "cat /proc/1/cmdline | tr '\\0' ' '; exit 9");
	b.spec.init = true;
	assert_int_equal(run(&b), 9);
	has(out, "/sbin/docker-init -- sh -c");
	box_shell(&b, "trap 'exit 12' TERM; while :; do sleep 0.05; done");
	b.spec.init = true;
	assert_true(box_run(&b, &e) > 0);
	usleep(100000);
	assert_int_equal(send_signal(b.id, SIGTERM, &e), 0);
	assert_int_equal(wait_exit(b.id, ""), 12);
	box_delete(b.id);
}

static void
namespaces_can_be_shared(void **state)
{
	struct box_spec a, b;
	struct err e = ERR_INIT;
	char mode[100], net[64], pid[64];

	ROOT_ONLY();
	box_shell(&a, "sleep 100");
	assert_true(box_run(&a, &e) > 0);
	assert_int_equal(exec_in(a.id, (const char *const[]){ "readlink", "/proc/self/ns/net", NULL }, net, sizeof net, &e), 0);
	assert_int_equal(exec_in(a.id, (const char *const[]){ "readlink", "/proc/self/ns/pid", NULL }, pid, sizeof pid, &e), 0);
	snprintf(mode, sizeof mode, "container:%s", a.id);
	box_shell(&b, "readlink /proc/self/ns/net; readlink /proc/self/ns/pid; ps | grep -c 'sleep 100'");
	b.prepare.net = b.prepare.pid = mode;
	assert_int_equal(run(&b), 0);
	net[strcspn(net, "\n")] = pid[strcspn(pid, "\n")] = '\0';
	has(out, net);
	has(out, pid);
	box_shell(&b, "readlink /proc/self/ns/net; ls /sys/class/net");
	b.prepare.net = (char *)(uintptr_t)"host";
	assert_int_equal(run(&b), 0);
	has(out, "net:[");
	box_shell(&b, "ls /proc | grep -c '^[0-9]'; sleep 50 & exit 4");
	b.prepare.pid = (char *)(uintptr_t)"host";
	assert_int_equal(run(&b), 4);
	assert_true(atoi(out) > 10);
	assert_int_equal(exec_in(a.id, (const char *const[]){ "touch", "/dev/shm/shared", NULL }, out, sizeof out, &e), 0);
	box_shell(&b, "ls /dev/shm; readlink /proc/self/ns/ipc");
	b.prepare.ipc = mode;
	assert_int_equal(run(&b), 0);
	has(out, "shared\n");
	has(sh("ls /dev/shm; echo done"), "done\n");
	box_shell(&b, "ls -d /dev/shm; hostname; mount | grep -c cgroup");
	b.prepare.ipc = b.prepare.uts = b.prepare.cgroupns = (char *)(uintptr_t)"host";
	assert_int_equal(run(&b), 0);
	box_shell(&b, "mount | grep /dev/shm; echo none");
	b.prepare.ipc = (char *)(uintptr_t)"none";
	assert_int_equal(run(&b), 0);
	assert_string_equal(out, "none\n");
	assert_int_equal(send_signal(a.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(a.id, ""), 137);
	box_delete(a.id);
	box_shell(&b, "true");
	b.prepare.net = mode;
	assert_int_equal(box_prepare(&b, &e), -1);
	has(e.text, "non running container");
}

static void
two_containers_have_disjoint_ids(void **state)
{
	struct box_spec a, b;
	unsigned x, y;

	ROOT_ONLY();
	box_shell(&a, "cat /proc/self/uid_map");
	assert_int_equal(run(&a), 0);
	assert_int_equal(sscanf(out, "%*u %u", &x), 1);
	box_shell(&b, "cat /proc/self/uid_map");
	assert_int_equal(run(&b), 0);
	assert_int_equal(sscanf(out, "%*u %u", &y), 1);
	assert_true(x != y && x >= RANGE_FIRST && y >= RANGE_FIRST && (x - RANGE_FIRST) % ID_RANGE_SIZE == 0);
}

static void
everything_survives_a_killed_runtime(void **state)
{
	struct box_spec a, b, c;
	struct err e = ERR_INIT;
	char *at;
	int none, n = 0;

	ROOT_ONLY();
	box_shell(&a, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; sleep 100");
	box_shell(&b, "sleep 0.3; exit 7");
	box_shell(&c, "sleep 100");
	assert_true(box_run(&a, &e) > 0);
	assert_true(box_run(&b, &e) > 0);
	assert_true(box_run(&c, &e) > 0);
	assert_true(box_prepare(&c, &e) < 0);
	rig_kill_runtime();
	usleep(500000);
	rig_start_runtime();
	assert_int_equal(exec_in(a.id, (const char *const[]){ "echo", "still", NULL }, out, sizeof out, &e), 0);
	assert_string_equal(out, "still\n");
	/* the end that nobody saw is in the list */
	struct run_states r;
	own_arena arena = ARENA_INIT;
	int seen = 0;

	assert_int_equal(edge_call(rig.run, NO_run_list, NULL, NULL, 0, &arena, &r, NULL, 0, NULL, 20000, &e), 0);
	for (size_t i = 0; i < r.items.n; i++) {
		if (strcmp(r.items.v[i].id, b.id) == 0)
			seen += strcmp(r.items.v[i].state, "exited") == 0 && r.items.v[i].code == 7;
		else
			seen += strcmp(r.items.v[i].state, "running") == 0;
	}
	assert_int_equal(seen, 3);
	read_log(a.id, false, &none);
	for (at = out; (at = strstr(at, "line ")) != NULL; at++)
		n++;
	assert_int_equal(n, 3000);
	assert_int_equal(send_signal(a.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(a.id, ""), 137);
	assert_int_equal(send_signal(c.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(c.id, ""), 137);
	box_delete(a.id);
	box_delete(b.id);
	box_delete(c.id);
}

static void
a_killed_monitor_takes_its_container_along(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	char path[64], text[2048];
	int pid, ppid = 0;
	const char *at;

	ROOT_ONLY();
	box_shell(&b, "sleep 100");
	pid = box_run(&b, &e);
	assert_true(pid > 0);
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	assert_true(fd_read_text(AT_FDCWD, path, text, sizeof text) > 0);
	at = strrchr(text, ')');
	assert_true(at != NULL && sscanf(at, ") %*c %d", &ppid) == 1);
	assert_true(ppid > 1);
	assert_int_equal(kill(ppid, SIGKILL), 0);
	assert_int_equal(wait_exit(b.id, ""), 137);
	box_delete(b.id);
}

/* Replaces a directory of the image by a link; back after. */
static void
with_link(const char *name, const char *target, bool must_fail)
{
	char path[400], saved[420];
	struct box_spec b;

	snprintf(path, sizeof path, "%s/store/layers/" LAYER "/fs%s", rig.dir, name);
	snprintf(saved, sizeof saved, "%s.saved", path);
	assert_int_equal(rename(path, saved), 0);
	assert_int_equal(symlink(target, path), 0);
	box_shell(&b, "echo ran");
	if (must_fail)
		assert_true(*refused(&b) != '\0');
	else
		assert_int_equal(run(&b), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(saved, path), 0);
}

static void
links_in_the_image_lead_nowhere(void **state)
{
	char target[300];
	struct stat st;

	ROOT_ONLY();
	snprintf(target, sizeof target, "%s/host", rig.dir);
	with_link("/proc", "/proc/1/root/tmp/x", true);
	with_link("/proc", "/tmp", true);
	with_link("/dev", "../../..", true);
	with_link("/dev", target, true);
	with_link("/sys", "/tmp", true);
	/* a link for /etc is followed, but inside */
	with_link("/etc", "/tmp", false);
	snprintf(target, sizeof target, "%s/host/hosts", rig.dir);
	assert_int_equal(lstat(target, &st), -1);
	assert_int_equal(lstat("/tmp/mtab", &st), -1);
}

static void
nothing_of_the_host_is_inside(void **state)
{
	ROOT_ONLY();
	has(sh("ls -l /proc/self/fd | grep -v ' [012] -> ' | grep -c -- '->'"), "0\n");
	has(sh("cat /proc/1/environ | tr '\\0' '\\n'"), "PATH=/usr/local/bin:/usr/bin:/bin\nHOME=/root\n");
	has(sh("[ $(ps | wc -l) -le 5 ] && echo few"), "few\n");   /* a header, two shells, ps and, if it is there yet, wc */
	has(sh("mknod /d b 254 0 2>&1 || true"), "not permitted");
	has(sh("readlink /proc/1/exe"), "/bin/busybox");
	has(sh("cat /proc/1/cgroup | grep -c bulwark || true"), "0\n");
	has(sh("kill -0 $(( $(cat /proc/sys/kernel/pid_max) - 1 )) 2>&1; grep -c ' / ' /proc/self/mountinfo"), "\n");
}

static void
devices_come_from_the_host(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "ls -l /dev/other; echo x >/dev/other && echo written");
	b.devices[0] = (struct device_mapping){ .path_on_host = (char *)(uintptr_t)"/dev/null", .path_in_container = (char *)(uintptr_t)"/dev/other",
		.cgroup_permissions = (char *)(uintptr_t)"rwm" };
	b.spec.devices.n = 1;
	b.spec.devices.v = b.devices;
	assert_int_equal(run(&b), 0);
	has(out, "1,   3");
	has(out, "written");
}

static void
sysctls_of_the_namespace_are_set(void **state)
{
	struct box_spec b;

	ROOT_ONLY();
	box_shell(&b, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax");
	b.sysctls[0] = (struct kv){ (char *)(uintptr_t)"net.ipv4.ip_forward", (char *)(uintptr_t)"1" };
	b.sysctls[1] = (struct kv){ (char *)(uintptr_t)"kernel.msgmax", (char *)(uintptr_t)"65536" };
	b.spec.sysctls = (struct kvs){ 2, b.sysctls };
	assert_int_equal(run(&b), 0);
	assert_string_equal(out, "1\n65536\n");
	box_shell(&b, "true");
	b.sysctls[0] = (struct kv){ (char *)(uintptr_t)"kernel.core_pattern", (char *)(uintptr_t)"|/bin/x" };
	b.spec.sysctls = (struct kvs){ 1, b.sysctls };
	has(refused(&b), "core_pattern");
	box_shell(&b, "true");
	b.sysctls[0] = (struct kv){ (char *)(uintptr_t)"net.ipv4.ip_forward", (char *)(uintptr_t)"1\n2" };
	b.spec.sysctls = (struct kvs){ 1, b.sysctls };
	assert_true(*refused(&b) != '\0');
}

static void
a_paused_container_can_be_killed(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	struct run_freeze m = { .freeze = true };
	own_arena a = ARENA_INIT;

	ROOT_ONLY();
	box_shell(&b, "sleep 100");
	assert_true(box_run(&b, &e) > 0);
	m.id = b.id;
	assert_int_equal(edge_call(rig.run, NO_run_freeze, &m, NULL, 0, &a, NULL, NULL, 0, NULL, 20000, &e), 0);
	assert_int_equal(send_signal(b.id, SIGKILL, &e), 0);
	assert_int_equal(wait_exit(b.id, ""), 137);
	box_delete(b.id);
}

/* CVE-2016-9962, CVE-2019-5736: root of the container, allowed to trace, looks at everybody who enters. */
static void
who_enters_cannot_be_looked_at(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	char program[] = BUILD_DIR "/tests/runtime/hostile", small[100];
	int fd, entered = 0;

	ROOT_ONLY();
	box_init(&b, (const char *const[]){ "/hostile", NULL });
	b.mounts[0] = (struct run_mount){ .kind = (char *)(uintptr_t)"bind", .source = program, .target = (char *)(uintptr_t)"/hostile", .read_only = true };
	b.spec.mounts.v = b.mounts;
	b.spec.mounts.n = 1;
	b.process.caps |= INT64_C(1) << 19;
	assert_true(box_prepare(&b, &e) > 0);
	fd = box_attach(&b, false, true, &e);
	assert_true(box_launch(&b, &e) > 0);
	while (exec_in(b.id, (const char *const[]){ "true", NULL }, small, sizeof small, &e) == 0)
		entered++;
	read_frames(fd, out, sizeof out, NULL, 0);
	close(fd);
	assert_int_equal(wait_exit(b.id, ""), 0);
	box_delete(b.id);
	if (entered < 1)
		fail_msg("entered %d times, then: %s", entered, e.text);
	assert_string_equal(out, "strangers seen: yes, got: 0\n");
}

static void
forget_answer(void *ctx, struct answer *a)
{
}

/* Killed at any moment of prepare and start: afterwards the container runs or it does not, and nothing else is there. */
static void
a_runtime_killed_in_a_start_leaves_nothing(void **state)
{
	struct err e = ERR_INIT;
	int ran = 0;

	ROOT_ONLY();
	for (int i = 0; i < 24; i++) {
		struct box_spec b;
		struct run_states r;
		own_arena a = ARENA_INIT;

		box_shell(&b, "sleep 100");
		if (i % 3 == 0) {
			rig_make_rw(b.id);
			assert_true(edge_send(rig.run, NO_run_prepare, &b.prepare, NULL, 0, forget_answer, NULL, &e) > 0);
		} else {
			assert_true(box_prepare(&b, &e) > 0);
			assert_true(edge_send(rig.run, NO_run_start, &b.spec, NULL, 0, forget_answer, NULL, &e) > 0);
		}
		usleep(i == 23 ? 2000000 : (unsigned)(i * i) * 100);
		rig_kill_runtime();
		rig_start_runtime();
		assert_int_equal(edge_call(rig.run, NO_run_list, NULL, NULL, 0, &a, &r, NULL, 0, NULL, 20000, &e), 0);
		for (size_t k = 0; k < r.items.n; k++) {
			assert_string_equal(r.items.v[k].id, b.id);
			if (strcmp(r.items.v[k].state, "running") == 0)
				ran++;
		}
		assert_int_equal(simple_call(NO_run_cancel, b.id, &e), 0);
		box_delete(b.id);
	}
	assert_true(ran > 0);
}

static void
a_prepared_sandbox_can_be_taken_back(void **state)
{
	struct box_spec b;
	struct err e = ERR_INIT;

	ROOT_ONLY();
	box_shell(&b, "true");
	assert_true(box_prepare(&b, &e) > 0);
	assert_int_equal(simple_call(NO_run_cancel, b.id, &e), 0);
	assert_int_equal(simple_call(NO_run_cancel, b.id, &e), 0);
	assert_int_equal(box_launch(&b, &e), -1);
	box_delete(b.id);
	box_shell(&b, "sleep 100");
	assert_true(box_run(&b, &e) > 0);
	assert_int_equal(simple_call(NO_run_delete, b.id, &e), -1);
	assert_int_equal(simple_call(NO_run_cancel, b.id, &e), 0);
	box_delete(b.id);
}

static int
setup(void **state)
{
	active = rig_up();
	if (!active)
		fprintf(stderr, "these tests need root: skipped\n");
	return 0;
}

static int
teardown(void **state)
{
	if (active)
		rig_down();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_passed_on), cmocka_unit_test(streams_are_kept_apart), cmocka_unit_test(missing_programs_have_dockers_words),
		cmocka_unit_test(users_are_looked_up_inside), cmocka_unit_test(impossible_users_are_refused),
		cmocka_unit_test(capabilities_are_what_was_granted), cmocka_unit_test(filters_follow_the_profile),
		cmocka_unit_test(no_new_privileges_can_be_given_up), cmocka_unit_test(a_terminal_is_the_containers),
		cmocka_unit_test(input_ends_with_the_client), cmocka_unit_test(mounts_are_made_inside), cmocka_unit_test(traps_for_mounts_are_refused),
		cmocka_unit_test(a_working_directory_is_never_a_descriptor), cmocka_unit_test(the_root_can_be_read_only),
		cmocka_unit_test(proc_and_sys_are_guarded), cmocka_unit_test(limits_reach_the_kernel), cmocka_unit_test(a_kill_for_memory_is_noticed),
		cmocka_unit_test(exec_enters_with_the_same_protections), cmocka_unit_test(the_log_is_dockers_json), cmocka_unit_test(the_log_is_rotated), cmocka_unit_test(attaching_can_begin_with_the_log),
		cmocka_unit_test(freezing_stops_and_goes_on), cmocka_unit_test(processes_are_listed_with_the_containers_ids),
		cmocka_unit_test(init_collects_and_passes_on), cmocka_unit_test(namespaces_can_be_shared),
		cmocka_unit_test(two_containers_have_disjoint_ids), cmocka_unit_test(everything_survives_a_killed_runtime),
		cmocka_unit_test(a_killed_monitor_takes_its_container_along), cmocka_unit_test(a_prepared_sandbox_can_be_taken_back),
		cmocka_unit_test(links_in_the_image_lead_nowhere), cmocka_unit_test(nothing_of_the_host_is_inside), cmocka_unit_test(devices_come_from_the_host),
		cmocka_unit_test(sysctls_of_the_namespace_are_set), cmocka_unit_test(a_paused_container_can_be_killed),
		cmocka_unit_test(a_runtime_killed_in_a_start_leaves_nothing), cmocka_unit_test(who_enters_cannot_be_looked_at),
	};

	return cmocka_run_group_tests_name("runtime", tests, setup, teardown);
}
