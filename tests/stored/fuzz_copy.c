/*
 * Files into a container and out of it again, in a directory that is the root of a thread of its own, as the container's is the
 * archiver's. The first byte says how. What must hold: no byte of the archive leads beside the directory's tree, and what was made
 * can be read back.
 */
#include "copy.h"
#include "fd.h"
#include "scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

enum { HOST = 1, PASSWD = 2, NO_OVERWRITE = 4, OWNER = 8 };
struct input { const uint8_t *data; size_t n; unsigned how; int top, in, null; };

static void
users(const struct input *k)
{
	static const char *const asked[] = { "a", "root", "0", "7:b", "x:1" };
	int etc = fd_make_dir(k->top, "etc", 0755);
	struct copy_ids ids;
	struct err e = ERR_INIT;

	if (etc < 0 || fd_replace_file(etc, "passwd", k->data, k->n, 0644) < 0 || fd_replace_file(etc, "group", k->data, k->n, 0644) < 0)
		abort();
	close(etc);
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
		if (copy_user(asked[i], &ids, &e) == 0 && (ids.uid > 65535 || ids.gid > 65535))
			abort();
}

static void *
work(void *ctx)
{
	const struct input *k = ctx;
	struct copy_ids ids = { .set = (k->how & OWNER) != 0, .uid = 3, .gid = 4 };
	struct copy_place to = { .dir = -1 }, from = { .dir = -1 };
	struct err e = ERR_INIT;

	/* this thread's root only */
	if (unshare(CLONE_FS) < 0 || fchdir(k->top) < 0 || chroot(".") < 0)
		abort();
	if ((k->how & PASSWD) != 0)
		users(k);
	if (copy_target("/in", &to, &e) < 0)
		abort();
	(void)!copy_in(&to, k->in, (k->how & NO_OVERWRITE) != 0, (k->how & HOST) != 0, &ids, &e);
	err_clear(&e);
	if (copy_find(&from, "/in/.", &e) < 0 || copy_out(&from, k->null, &e) < 0)
		abort();
	close(to.dir);
	close(from.dir);
	return NULL;
}

static void
prepare(struct input *k)
{
	static const struct rlimit size = { 1 << 20, 1 << 20 };
	int in;

	if (setrlimit(RLIMIT_FSIZE, &size) < 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		abort();
	k->top = fd_make_dir(scratch_dir(), "copy", 0755);
	in = k->top >= 0 ? fd_make_dir(k->top, "in", 0755) : -1;
	k->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	k->in = memfd_create("input", MFD_CLOEXEC);
	if (in < 0 || k->null < 0 || k->in < 0 || fd_write_all(k->in, k->data, k->n) < 0 || lseek(k->in, 0, SEEK_SET) < 0)
		abort();
	close(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* the first byte of a name says it, so that an archive is an input as it is */
	struct input k = { .data = data, .n = n, .how = n > 0 ? data[0] : 0 };
	struct itimerval clock;
	pthread_t thread;

	if (geteuid() != 0)
		return 0;   /* whoever cannot change the root would write into its own */
	prepare(&k);
	/* the fuzzer has a clock of its own */
	(void)getitimer(ITIMER_REAL, &clock);
	if (pthread_create(&thread, NULL, work, &k) != 0 || pthread_join(thread, NULL) != 0)
		abort();
	(void)alarm(0);
	(void)setitimer(ITIMER_REAL, &clock, NULL);
	close(k.top);
	close(k.in);
	close(k.null);
	if (fd_remove_tree(scratch_dir(), "copy") < 0)
		abort();
	return 0;
}
