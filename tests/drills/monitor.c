/*
 * A hostile monitor in the place of bulwark-monitor: it makes its container's process and closes its filter as the real one does (that very code), and
 * then tries one thing, each monitor the next. When there is nothing left to try it is honest.
 */
#include "loop.h"
int drill_loop_run(struct loop *l, struct err *e);
int honest_main(void);
#define loop_run drill_loop_run
#define main honest_main
#include "../../runtime/monitor.c"
#undef main
#undef loop_run

#include "hostile.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define HONEST 1000u   /* there is no directory "drill" (yet) */
static unsigned number;
static pid_t runtime_pid;
static char root[4096];
static struct loop_timer later;
static struct loop *the_loop;
static int runtime_channel = 3;

static void
said(bool good, const char *name, const char *why)
{
	char line[256];
	int n = snprintf(line, sizeof line, "drill: %s %s%s%s\n", good ? "ok" : "not ok", name, good ? "" : " # ", good ? "" : why);

	(void)!write(2, line, (size_t)n);
}

/* Where the container's directory is, once it was told: the only one it holds. */
static int
own_dir(void)
{
	for (int fd = 4; fd < 40; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			return fd;
	}
	return -1;
}

/* ---- calls that its filter allows, when its container runs ---- */

static int
opens(const char *path, int flags)
{
	int fd = openat(AT_FDCWD, path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? errno : 0;
}

static int
beside(const char *name, int flags)
{
	char path[4300];

	snprintf(path, sizeof path, "%s/root/%s", root, name);
	return opens(path, flags);
}

static int t_other_container(void)
{
	int dir = own_dir(), fd = dir < 0 ? -1 : openat(dir, "../other/secret", O_RDWR);

	return dir < 0 ? 0 : fd < 0 ? errno : 0;
}
static int t_other_by_path(void) { return beside("containers/other/secret", O_RDONLY); }
static int t_write_other(void) { return beside("containers/other/made", O_CREAT | O_WRONLY); }
static int t_remove_other(void)
{
	int dir = own_dir();

	return dir < 0 || unlinkat(dir, "../other/secret", 0) == 0 ? 0 : errno;
}
static int t_rename_out(void)
{
	int dir = own_dir();

	return dir < 0 || renameat(dir, "state", dir, "../state") == 0 ? 0 : errno;
}
static int t_records(void) { return beside("broker/state.db", O_RDONLY); }
static int t_store(void) { return beside("store", O_RDONLY); }
static int t_tmp(void) { return opens("/tmp/bulwark-drill-file", O_CREAT | O_WRONLY); }
static int t_etc_passwd(void) { return opens("/etc/passwd", O_RDONLY); }
static int t_proc_of_runtime(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mem", runtime_pid);
	return opens(path, O_RDWR);
}
static int t_fds_of_runtime(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/3", runtime_pid);
	return opens(path, O_RDONLY);
}
static int t_signal_init(void) { return kill(1, 0) == 0 ? 0 : errno; }
static int t_signal_broker(void) { return kill(getppid() - 1, 0) == 0 ? 0 : errno; }

static const struct attack late[] = {
	{ "directory of another container", t_other_container }, { "path of another container", t_other_by_path },
	{ "file in another container's directory", t_write_other }, { "removing another container's file", t_remove_other },
	{ "moving a file out of its directory", t_rename_out }, { "the broker's records", t_records }, { "the store", t_store },
	{ "files of the host", t_etc_passwd }, { "a file in /tmp", t_tmp }, { "memory of the runtime", t_proc_of_runtime }, { "descriptors of the runtime", t_fds_of_runtime },
	{ "signal to init", t_signal_init }, { "signal to another user's process", t_signal_broker },
};
#define N_LATE (sizeof late / sizeof *late)

/* ---- what it may not tell the runtime ---- */

static void
raw(unsigned kind, unsigned flags, unsigned zero, uint32_t len, const void *body, size_t n, const int *fds, size_t nfds)
{
	unsigned char h[8] = { (unsigned char)kind, (unsigned char)flags, (unsigned char)zero, 0, (unsigned char)len, (unsigned char)(len >> 8),
		(unsigned char)(len >> 16), (unsigned char)(len >> 24) };
	struct iovec iov[2] = { { h, sizeof h }, { (void *)(uintptr_t)body, n } };
	union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int) * 200)]; } control = { 0 };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1 };

	if (nfds > 0) {
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, sizeof(int) * nfds);
	}
	(void)sendmsg(runtime_channel, &m, MSG_NOSIGNAL);
}

static void
tell(enum wire_kind kind, const void *msg, const int *fds, size_t nfds)
{
	struct err e = ERR_INIT;

	if (wire_send(runtime_channel, kind, msg, fds, nfds, &e) < 0)
		said(false, "send", e.text);
}

static void g_kind(void) { raw(99, 0, 0, 0, NULL, 0, NULL, 0); }
static void g_kind_zero(void) { raw(0, 0, 0, 0, NULL, 0, NULL, 0); }
static void g_flags(void) { raw(W_STARTED, 0x70, 0, 0, NULL, 0, NULL, 0); }
static void g_zero(void) { raw(W_STARTED, 0, 7, 0, NULL, 0, NULL, 0); }
static void g_short(void) { (void)send(runtime_channel, "ab", 2, MSG_NOSIGNAL); }
static void g_long(void) { raw(W_STARTED, 0, 0, 4000, "xy", 2, NULL, 0); }
static void g_low(void) { raw(W_STARTED, 0, 0, 1, "xyxyxy", 6, NULL, 0); }
static void g_record(void) { raw(W_FAILED, 0, 0, 6, "\xff\xff\xff\x7f\1\2", 6, NULL, 0); }
static void g_memory(void)
{
	int mem = memfd_create("drill", MFD_CLOEXEC);

	(void)!ftruncate(mem, 100000);
	raw(W_STARTED, 1, 0, 100000, NULL, 0, &mem, 1);
	close(mem);
}
static void g_no_memory(void) { raw(W_STARTED, 1, 0, 100000, NULL, 0, NULL, 0); }
static void g_surplus(void)
{
	int fds[150];

	for (size_t i = 0; i < 150; i++)
		fds[i] = 2;
	raw(W_STARTED, 0, 0, 0, NULL, 0, fds, 150);
}
static void g_cloned(void)
{
	struct w_cloned c = { .pid = 1 };

	tell(W_CLONED, &c, (int[]){ 2, 2 }, 2);
}
static void g_hello(void)
{
	struct w_start s = { .id = (char *)(uintptr_t)"0000", .exec = (char *)(uintptr_t)"", .log_driver = (char *)(uintptr_t)"", .cgroup = (char *)(uintptr_t)"../..", .pid = 1 };

	tell(W_HELLO, &s, (int[]){ 2, 2 }, 2);
}
static void g_start(void)
{
	struct w_start s = { .id = (char *)(uintptr_t)"0000", .exec = (char *)(uintptr_t)"", .log_driver = (char *)(uintptr_t)"", .cgroup = (char *)(uintptr_t)"" };

	tell(W_START, &s, (int[]){ 2, 2 }, 2);
}
static void g_go(void) { tell(W_GO, NULL, NULL, 0); }

static const struct { const char *name; void (*tell)(void); } garbage[] = {
	{ "unknown kind", g_kind }, { "kind 0", g_kind_zero }, { "unknown flags", g_flags }, { "reserved bytes", g_zero }, { "half a head", g_short },
	{ "length that lies high", g_long }, { "length that lies low", g_low }, { "record that is none", g_record }, { "unsealed memory", g_memory },
	{ "memory that is not there", g_no_memory }, { "surplus descriptors", g_surplus }, { "a second process, init", g_cloned },
	{ "another container's hello", g_hello }, { "a start for the runtime", g_start }, { "a go for the runtime", g_go },
};
#define N_GARBAGE (sizeof garbage / sizeof *garbage)

static void
send_garbage(unsigned i)
{
	struct pollfd p = { .fd = runtime_channel, .events = 0 };
	char name[128];

	garbage[i].tell();
	snprintf(name, sizeof name, "garbage: %s", garbage[i].name);
	said(poll(&p, 1, 3000) == 1 && (p.revents & POLLHUP) != 0, name, "not cut off");
	_exit(1);
}

static void
on_later(struct loop_timer *t)
{
	if (own_dir() < 0) {
		loop_timer_set(the_loop, t, 20000000);   /* no container yet: it waits in the pool */
		return;
	}
	if (number < N_LATE) {
		said(late[number].run() != 0, late[number].name, "it had an effect");
		_exit(1);
	}
	send_garbage(number - (unsigned)N_LATE);
}

/* Order: common attacks and garbage as soon as there is a process, then both kinds of later ones. */
int
drill_loop_run(struct loop *l, struct err *e)
{
	const struct attack *a;
	size_t n_common = 0;
	bool honest = number >= HONEST;

	while (attack_at(n_common) != NULL)
		n_common++;
	the_loop = l;
	if ((a = attack_at(number)) != NULL) {
		char name[128];

		snprintf(name, sizeof name, "try %s", a->name);
		said(true, name, "");
		/* its user's files until it is told its directory (later is tried below), and its user's processes: all monitors and the runtime are one
		   user, and it must be able to kill what is in its container */
		if (a->run() == 0 && strcmp(a->name, "create_in_tmp") != 0 && strncmp(a->name, "kill_", 5) != 0)
			said(false, a->name, "it had an effect");
		_exit(1);
	}
	number -= (unsigned)n_common;
	if (number < N_GARBAGE)
		send_garbage(number);
	number -= (unsigned)N_GARBAGE;
	if (number < N_LATE + N_GARBAGE) {
		later.on_time = on_later;
		loop_timer_set(l, &later, 20000000);
	} else if (!honest) {
		said(true, "the end", "");
	}
	return loop_run(l, e);
}

int
main(void)
{
	ssize_t n = readlink("/proc/self/fd/2", root, sizeof root - 64);
	char path[4200];

	root[n > 0 ? n : 0] = '\0';
	if (n > 4)
		root[n - 4] = '\0';   /* "/log" */
	runtime_pid = getppid();
	for (number = 0; number < HONEST; number++) {
		int fd;

		snprintf(path, sizeof path, "%s/drill/%u", root, number);
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
		if (fd >= 0) {
			close(fd);
			break;
		}
		if (errno != EEXIST) {
			number = HONEST;
			break;
		}
	}
	return honest_main();
}
