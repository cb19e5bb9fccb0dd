/*
 * A hostile archiver in the place of bulwark-archiver, in the container and confined by the very code of the real one. What it is to try is
 * the path that it should copy. What it found is its answer's error.
 */
int honest_main(void);
#define main honest_main
#define copy_find hostile_find
#include "../../stored/archiver.c"
#undef main
#undef copy_find
int copy_find(struct copy_place *p, const char *path, struct err *e);

#include "hostile.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int
open_host(void)
{
	int fd = open("/tmp/bulwark-drill-file", O_RDONLY);

	return fd >= 0 ? 0 : errno;
}

static int
open_above(void)
{
	int fd = open("../../../../../../tmp/bulwark-drill-file", O_RDONLY);

	return fd >= 0 ? 0 : errno;
}

static int
open_proc(void)
{
	static const char *const paths[] = { "/proc/self/root", "/proc/1/root/etc/passwd", "/proc/self/fd/3", "/proc/version", "/sys/kernel" };

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (open(paths[i], O_RDONLY) >= 0)
			return 0;
	return errno;
}

static int
open_device(void)
{
	return open("/dev/null", O_RDWR) >= 0 || open("/dev/zero", O_RDONLY) >= 0 ? 0 : errno;
}

static int
make_device(void)
{
	return mknodat(AT_FDCWD, "/disk", S_IFBLK | 0600, (dev_t)(254u << 8)) < 0 ? errno : 0;
}

static int
write_while_reading(void)
{
	return open("/planted", O_CREAT | O_WRONLY, 0600) >= 0 || mkdirat(AT_FDCWD, "/made", 0700) == 0 || unlinkat(AT_FDCWD, "/ready", 0) == 0 ? 0 : errno;
}

static int
chown_to_host_root(void)
{
	return fchownat(AT_FDCWD, "/ready", 4294967294u, 0, 0) < 0 ? errno : 0;
}

static int
other_descriptors(void)
{
	struct stat st;

	for (int i = 0; i < 256; i++)
		if (fstat(i, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
			return 0;
	return EBADF;
}

static int
map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int
map_library(void)
{
	int fd = open("/bin/busybox", O_RDONLY);

	return fd < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0;
}

static int
make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int
end_a_process(void)
{
	return syscall(SYS_tgkill, 1, 1, SIGKILL) < 0 ? errno : 0;
}

static int
limit_a_process(void)
{
	struct rlimit r = { 0, 0 };

	return syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &r, NULL) < 0 ? errno : 0;
}

static _Noreturn int
say_nothing(void)
{
	for (;;)
		(void)poll(NULL, 0, 1000);
}

static int
say_nonsense(void)
{
	static char junk[65536];

	memset(junk, 0xee, sizeof junk);
	(void)!send(CHANNEL, junk, sizeof junk, MSG_DONTWAIT | MSG_NOSIGNAL);
	say_nothing();
}

static int
answer_another(void)
{
	(void)packet_send(CHANNEL, 1, 1, 0, 4711, 0, NULL, 0, NULL, 0);
	say_nothing();
}

static int
give_descriptors(void)
{
	int fds[3] = { 0, 0, 0 };

	(void)packet_send(CHANNEL, 1, 3, 0, 1, 0, NULL, 0, fds, 3);
	say_nothing();
}

static int
ask_back(void)
{
	(void)packet_send(CHANNEL, 1, 0, 0, 1, 0, NULL, 0, NULL, 0);
	say_nothing();
}

static const struct attack own[] = {
	{ "open_host", open_host }, { "open_above", open_above }, { "open_proc", open_proc }, { "open_device", open_device }, { "make_device", make_device },
	{ "write_while_reading", write_while_reading }, { "chown_to_host_root", chown_to_host_root }, { "other_descriptors", other_descriptors },
	{ "map_code", map_code }, { "map_library", map_library }, { "make_code", make_code }, { "end_a_process", end_a_process }, { "limit_a_process", limit_a_process },
	{ "say_nothing", say_nothing }, { "say_nonsense", say_nonsense }, { "answer_another", answer_another }, { "give_descriptors", give_descriptors },
	{ "ask_back", ask_back },
};

int
hostile_find(struct copy_place *p, const char *path, struct err *e)
{
	const char *what = path + strspn(path, "/");
	const struct attack *a = attack_find(what);
	int sys;

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strcmp(own[i].name, what) == 0)
			a = &own[i];
	if (a == NULL)
		return copy_find(p, path, e);
	sys = a->run();
	return err_set(e, ERR_INVALID, sys != 0 ? "drill: refused %s (%d)" : "drill: had an effect: %s (%d)", what, sys);
}

int
main(void)
{
	return honest_main();
}
