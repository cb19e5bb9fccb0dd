/* What the runtime costs: measure-runtime [N]. Numbers, not a test. */
#include "harness.h"

#include "fd.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
report(const char *what, double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_value);
	printf("%-36s median %7.2f ms  p95 %7.2f  min %7.2f\n", what, v[n / 2], v[n * 95 / 100], v[0]);
}

static double
ms(int64_t from)
{
	return (double)(now_mono_ns() - from) / 1e6;
}

static void
lives(int n, int gap_ms)
{
	double *v[4];

	for (int i = 0; i < 4; i++)
		v[i] = calloc((size_t)n, sizeof **v);
	for (int i = 0; i < n; i++) {
		struct box_spec b;
		struct err e = ERR_INIT;
		int64_t t;

		usleep((unsigned)gap_ms * 1000);
		box_init(&b, (const char *const[]){ "true", NULL });
		t = now_mono_ns();
		if (box_prepare(&b, &e) < 0)
			fprintf(stderr, "%s\n", e.text);
		v[0][i] = ms(t);
		if (box_launch(&b, &e) < 0)
			fprintf(stderr, "%s\n", e.text);
		v[1][i] = ms(t);
		wait_exit(b.id, "");
		v[2][i] = ms(t);
		box_delete(b.id);
		v[3][i] = ms(t);
	}
	printf("%d lives, %d ms between\n", n, gap_ms);
	report("  prepared", v[0], n);
	report("  started", v[1], n);
	report("  exited", v[2], n);
	report("  deleted", v[3], n);
}

static void
execs(int n, int gap_ms)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	double *v = calloc((size_t)n, sizeof *v);
	char out[100];

	box_init(&b, (const char *const[]){ "sleep", "1000", NULL });
	if (box_run(&b, &e) < 0)
		fprintf(stderr, "%s\n", e.text);
	for (int i = 0; i < n; i++) {
		int64_t t;

		usleep((unsigned)gap_ms * 1000);
		t = now_mono_ns();
		if (exec_in(b.id, (const char *const[]){ "echo", "x", NULL }, out, sizeof out, &e) != 0)
			fprintf(stderr, "%s\n", e.text);
		v[i] = ms(t);
	}
	printf("%d ms between: ", gap_ms);
	report("exec of echo to its end", v, n);
	(void)!send_signal(b.id, SIGKILL, &e);
	wait_exit(b.id, "");
	box_delete(b.id);
}

/* A file of 100-byte lines through cat. */
static void
stream(const char *driver, bool attach, size_t bytes)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	static char buf[1 << 20];
	char path[300];
	size_t got = 0;
	ssize_t n;
	int64_t t;
	double s;
	int fd;

	memset(buf, 'x', sizeof buf);
	for (size_t i = 99; i < sizeof buf; i += 100)
		buf[i] = '\n';
	snprintf(path, sizeof path, "%s/host/big", rig.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	for (size_t i = 0; i < bytes; i += sizeof buf)
		if (fd_write_all(fd, buf, sizeof buf) < 0)
			fprintf(stderr, "write\n");
	fd_close(&fd);
	box_init(&b, (const char *const[]){ "cat", "/big", NULL });
	b.mounts[0] = (struct run_mount){ .kind = (char *)(uintptr_t)"bind", .source = path, .target = (char *)(uintptr_t)"/big" };
	b.spec.mounts.v = b.mounts;
	b.spec.mounts.n = 1;
	b.log.format = (char *)(uintptr_t)driver;
	b.log.size = 10 << 20;
	b.log.files = 3;
	if (box_prepare(&b, &e) < 0 || (attach && (fd = box_attach(&b, false, true, &e)) < 0) || box_launch(&b, &e) < 0)
		fprintf(stderr, "%s\n", e.text);
	t = now_mono_ns();
	while (attach && (n = read(fd, buf, sizeof buf)) > 0)
		got += (size_t)n;
	wait_exit(b.id, "");
	s = ms(t) / 1000;
	printf("cat of a file, log %-10s attached %d: %7.0f MiB/s (%zu MiB seen)\n", driver, attach, (double)bytes / 1048576 / s, got >> 20);
	fd_close(&fd);
	box_delete(b.id);
}

static void
feed(const char *driver, size_t bytes)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	static char buf[1 << 20];
	size_t got = 0;
	ssize_t n;
	int64_t t;
	int fd;
	pid_t pid;

	box_init(&b, (const char *const[]){ "cat", NULL });
	b.log.format = (char *)(uintptr_t)driver;
	b.process.open_stdin = b.process.stdin_once = true;
	b.log.size = 10 << 20;
	b.log.files = 3;
	memset(buf, 'x', sizeof buf);
	for (size_t i = 99; i < sizeof buf; i += 100)
		buf[i] = '\n';
	if (box_prepare(&b, &e) < 0 || (fd = box_attach(&b, true, true, &e)) < 0 || box_launch(&b, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return;
	}
	t = now_mono_ns();
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < bytes; i += sizeof buf)
			if (fd_write_all(fd, buf, sizeof buf) < 0)
				_exit(1);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while ((n = read(fd, buf, sizeof buf)) > 0)
		got += (size_t)n;
	printf("run -i cat, log %-10s: %7.0f MiB/s (%zu MiB seen)\n", driver, (double)bytes / 1048576 / (ms(t) / 1000), got >> 20);
	wait_exit(b.id, "");
	waitpid(pid, NULL, 0);
	close(fd);
	box_delete(b.id);
}

static void
memory(int n)
{
	struct box_spec *b = calloc((size_t)n, sizeof *b);
	struct err e = ERR_INIT;
	long pss = 0, anon = 0, pools = 0;
	DIR *d;
	struct dirent *entry;

	for (int i = 0; i < n; i++) {
		box_init(&b[i], (const char *const[]){ "sleep", "1000", NULL });
		if (box_run(&b[i], &e) < 0)
			fprintf(stderr, "%s\n", e.text);
	}
	usleep(300000);
	d = opendir("/proc");
	while ((entry = readdir(d)) != NULL) {
		char path[300], text[4096];
		const char *at;

		snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || fd_read_text(AT_FDCWD, path, text, sizeof text) < 0 || strncmp(text, "bulwark-monitor", 15) != 0)
			continue;
		snprintf(path, sizeof path, "/proc/%s/smaps_rollup", entry->d_name);
		if (fd_read_text(AT_FDCWD, path, text, sizeof text) < 0)
			continue;
		pools++;
		if ((at = strstr(text, "\nPss:")) != NULL)
			pss += strtol(at + 5, NULL, 10);
		if ((at = strstr(text, "\nAnonymous:")) != NULL)
			anon += strtol(at + 11, NULL, 10);
	}
	closedir(d);
	printf("%d containers, %ld monitors and warm processes: PSS %.0f KiB, anonymous %.0f KiB each\n", n, pools, (double)pss / pools,
	    (double)anon / pools);
	for (int i = 0; i < n; i++)
		(void)!send_signal(b[i].id, SIGKILL, &e);
	for (int i = 0; i < n; i++) {
		wait_exit(b[i].id, "");
		box_delete(b[i].id);
	}
	free(b);
}

static struct box_spec *crowd_v;
static int crowd_started, crowd_failed;

static void
on_crowd_started(void *ctx, struct answer *a)
{
	if (a->err != NULL) {
		fprintf(stderr, "%s\n", a->err->text);
		crowd_failed++;
	} else {
		crowd_started++;
	}
}

static void
on_crowd_prepared(void *ctx, struct answer *a)
{
	struct box_spec *b = ctx;
	struct err e = ERR_INIT;

	if (a->err != NULL || edge_send(rig.run, NO_run_start, &b->spec, NULL, 0, on_crowd_started, b, &e) < 0) {
		fprintf(stderr, "%s\n", a->err != NULL ? a->err->text : e.text);
		crowd_failed++;
	}
}

/* All at once. */
static void
crowd(int n)
{
	struct err e = ERR_INIT;
	int64_t t;
	double started;

	crowd_v = calloc((size_t)n, sizeof *crowd_v);
	crowd_started = crowd_failed = 0;
	for (int i = 0; i < n; i++) {
		box_init(&crowd_v[i], (const char *const[]){ "true", NULL });
		rig_make_rw(crowd_v[i].id);
	}
	t = now_mono_ns();
	for (int i = 0; i < n; i++)
		if (edge_send(rig.run, NO_run_prepare, &crowd_v[i].prepare, NULL, 0, on_crowd_prepared, &crowd_v[i], &e) < 0)
			crowd_failed++;
	for (int i = 0; i < 10000 && crowd_started + crowd_failed < n; i++) {
		pump();
		usleep(1000);
	}
	started = ms(t);
	for (int i = 0; i < n; i++)
		wait_exit(crowd_v[i].id, "");
	printf("%d at once: all started after %.0f ms, all ended after %.0f ms, failed %d\n", n, started, ms(t), crowd_failed);
	for (int i = 0; i < n; i++)
		box_delete(crowd_v[i].id);
	free(crowd_v);
}

int
main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 100;

	setbuf(stdout, NULL);
	if (!rig_up())
		return 2;
	usleep(500000);
	if (n == 0)
		goto streams;
	lives(n, 0);
	lives(n, 20);
	execs(n, 0);
	execs(n, 20);
	memory(30);
	crowd(50);
	crowd(50);
streams:
	stream("none", true, 256 << 20);
	stream("json-file", false, 256 << 20);
	stream("json-file", true, 256 << 20);
	stream("local", false, 256 << 20);
	feed("none", 256 << 20);
	feed("json-file", 256 << 20);
	rig_down();
	return 0;
}
