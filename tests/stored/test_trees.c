/* Trees of layers: what changed, a layer's tar and a tar of all, sizes. The tars are read again by the parser that unpacks layers.
   Needs root (owners, whiteouts). */
#include "fd.h"
#include "harness.h"
#include "layer.h"
#include "trees.h"
#include "xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	char dir[128];
	int top, out, lowers[2];
	struct tree_dirs dirs;         /* of u (upper), a (above), b (below) */
	struct err e;
} t;

static int
setup(void **state)
{
	static const char *const names[] = { "u", "a", "b" };

	umask(0);
	t.e = (struct err)ERR_INIT;
	test_dir_make(t.dir, sizeof t.dir, "trees");
	t.top = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(mkdirat(t.top, names[i], 0755), 0);
	t.lowers[0] = openat(t.top, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.lowers[1] = openat(t.top, "b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.dirs = (struct tree_dirs){ .upper = openat(t.top, "u", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .lowers = t.lowers, .n_lowers = 2 };
	t.out = memfd_create("out", MFD_CLOEXEC);
	assert_true(t.out >= 0);
	return 0;
}

static int
teardown(void **state)
{
	close(t.dirs.upper);
	close(t.lowers[0]);
	close(t.lowers[1]);
	close(t.out);
	close(t.top);
	test_dir_remove(t.dir);
	return 0;
}

static void
file(const char *path, const char *text)
{
	own_fd fd = openat(t.top, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void
dir(const char *path)
{
	assert_int_equal(mkdirat(t.top, path, 0755), 0);
}

static void
whiteout(const char *path)
{
	assert_int_equal(mknodat(t.top, path, S_IFCHR, makedev(0, 0)), 0);
}

static void
opaque(const char *path)
{
	own_fd fd = openat(t.top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(fsetxattr(fd, "user.overlay.opaque", "y", 1, 0), 0);
}

static const char *
changes(void)
{
	static char text[65536];
	ssize_t n;

	assert_int_equal(ftruncate(t.out, 0), 0);
	assert_int_equal(lseek(t.out, 0, SEEK_SET), 0);
	if (tree_changes(&t.dirs, t.out, &t.e) < 0)
		fail_msg("%s", t.e.text);
	n = pread(t.out, text, sizeof text - 1, 0);
	assert_true(n > 0);
	text[n - 1] = '\0';
	return text;
}

/* The tar that was written, as "name type; ..." with a link's target. */
static const char *
names_of_tar(void)
{
	static char text[65536];
	struct tar tar;
	struct tar_entry entry;
	own_source in = { .fd = -1 };
	size_t used = 0;
	int r;

	text[0] = '\0';
	assert_int_equal(lseek(t.out, 0, SEEK_SET), 0);
	assert_int_equal(source_open_plain(&in, t.out, &t.e), 0);
	tar_init(&tar, &in);
	while ((r = tar_next(&tar, &entry, &t.e)) > 0) {
		if (used < sizeof text - 9000)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%s%s ", entry.name, entry.type, entry.type == TAR_HARD_LINK ||
			    entry.type == TAR_SYMLINK ? ">" : "", entry.type == TAR_HARD_LINK || entry.type == TAR_SYMLINK ? entry.link : "");
		assert_int_equal(tar_skip(&tar, &t.e), 0);
	}
	if (r < 0)
		fail_msg("%s", t.e.text);
	tar_done(&tar);
	return text;
}

static const char *
packed(void)
{
	assert_int_equal(ftruncate(t.out, 0), 0);
	assert_int_equal(lseek(t.out, 0, SEEK_SET), 0);
	if (tree_pack(&t.dirs, t.out, (uint64_t)1 << 40, &t.e) < 0)
		fail_msg("%s", t.e.text);
	return names_of_tar();
}

static const char *
exported(void)
{
	assert_int_equal(ftruncate(t.out, 0), 0);
	assert_int_equal(lseek(t.out, 0, SEEK_SET), 0);
	if (tree_export(&t.dirs, t.out, &t.e) < 0)
		fail_msg("%s", t.e.text);
	return names_of_tar();
}

/* b has d/x, d/y, e, f; a hides e, replaces d and gives it z again. */
static void
two_layers(void)
{
	dir("b/d");
	file("b/d/x", "x");
	file("b/d/y", "y");
	file("b/e", "e");
	file("b/f", "f");
	dir("a/d");
	opaque("a/d");
	file("a/d/z", "z");
	whiteout("a/e");
}

static void
nothing_is_null_and_an_empty_archive(void **state)
{
	two_layers();
	assert_string_equal(changes(), "null");
	assert_string_equal(packed(), "");
	assert_int_equal(lseek(t.out, 0, SEEK_END), 1024);
}

static void
lower_layers_are_seen_together(void **state)
{
	two_layers();
	assert_string_equal(exported(), "d/5 d/z0 f0 ");
	dir("u/d");
	file("u/d/x", "new");      /* what the opaque directory hides is not there */
	file("u/e", "new");
	file("u/f", "changed");
	assert_string_equal(changes(), "[{\"Path\":\"/d\",\"Kind\":0},{\"Path\":\"/d/x\",\"Kind\":1},{\"Path\":\"/e\",\"Kind\":1},{\"Path\":\"/f\",\"Kind\":0}]");
	assert_string_equal(exported(), "d/5 d/x0 d/z0 e0 f0 ");
}

static void
deleted_and_replaced(void **state)
{
	two_layers();
	whiteout("u/f");
	whiteout("u/nowhere");
	dir("u/d");
	opaque("u/d");
	file("u/d/n", "n");
	assert_string_equal(changes(), "[{\"Path\":\"/d\",\"Kind\":0},{\"Path\":\"/d/n\",\"Kind\":1},{\"Path\":\"/d/z\",\"Kind\":2},{\"Path\":\"/f\",\"Kind\":2}]");
	assert_string_equal(packed(), "d/5 d/.wh..wh..opq0 d/n0 .wh.f0 ");
	assert_string_equal(exported(), "d/5 d/n0 ");
}

/* (the kernel marks each directory that is made in a directory with lower layers) */
static void
a_new_directory_hides_nothing(void **state)
{
	dir("u/new");
	opaque("u/new");
	file("u/new/f", "");
	assert_string_equal(packed(), "new/5 new/f0 ");
}

static void
what_the_engine_makes_is_not_shown(void **state)
{
	dir("b/etc");
	dir("u/etc");
	dir("u/proc");
	dir("u/dev");
	file("u/.dockerenv", "");
	file("u/etc/hosts", "");
	assert_int_equal(symlinkat("/proc/mounts", t.top, "u/etc/mtab"), 0);
	assert_string_equal(changes(), "null");
	assert_string_equal(packed(), "");
	/* but what looks like it and is not */
	file("u/etc/hostname", "own");
	assert_int_equal(unlinkat(t.top, "u/etc/mtab", 0), 0);
	assert_int_equal(symlinkat("/proc/mountz", t.top, "u/etc/mtab"), 0);
	file("u/dev/own", "");
	assert_string_equal(changes(), "[{\"Path\":\"/dev\",\"Kind\":1},{\"Path\":\"/dev/own\",\"Kind\":1},{\"Path\":\"/etc\",\"Kind\":0},"
	    "{\"Path\":\"/etc/hostname\",\"Kind\":1},{\"Path\":\"/etc/mtab\",\"Kind\":1}]");
	assert_string_equal(packed(), "dev/5 dev/own0 etc/5 etc/hostname0 etc/mtab2>/proc/mountz ");
}

static void
links_names_and_attributes_come_back(void **state)
{
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };
	char deep[600] = "u", v[64];
	struct layer_limits limits = { (uint64_t)1 << 30, 1000 };
	struct layer_result result;
	own_source in = { .fd = -1 };
	own_fd layer = -1, fd = -1;
	struct stat st;

	for (int i = 0; i < 4; i++) {
		strcat(deep, "/");
		memset(deep + strlen(deep), 'a' + i, 120);
		dir(deep);
	}
	strcat(deep, "/f");
	file(deep, "deep");
	assert_int_equal(linkat(t.top, deep, t.top, "u/zz", 0), 0);
	assert_int_equal(symlinkat(deep, t.top, "u/sym"), 0);
	assert_int_equal(mknodat(t.top, "u/fifo", S_IFIFO | 0600, 0), 0);
	file("u/new\nline", "x");
	file("u/x", "x");
	fd = openat(t.top, "u/x", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fchown(fd, 1234, 65535), 0);
	assert_int_equal(fchmod(fd, 04711), 0);
	assert_int_equal(fsetxattr(fd, "security.capability", cap, sizeof cap, 0), 0);
	assert_int_equal(fsetxattr(fd, "user.own", "yes", 3, 0), 0);
	assert_int_equal(fsetxattr(fd, "user.overlay.origin", "no", 2, 0), 0);
	assert_non_null(strstr(packed(), "zz1>aaaa"));
	dir("layer");
	layer = openat(t.top, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(lseek(t.out, 0, SEEK_SET), 0);
	assert_int_equal(source_open_plain(&in, t.out, &t.e), 0);
	if (layer_unpack(layer, &in, &limits, &result, &t.e) < 0)
		fail_msg("%s", t.e.text);
	assert_int_equal(fstatat(layer, "fs/zz", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	fd_close(&fd);
	fd = openat(layer, "fs/x", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_uid == 1234 && st.st_gid == 65535 && (st.st_mode & 07777) == 04711);
	assert_int_equal(fgetxattr(fd, "security.capability", v, sizeof v), sizeof cap);
	assert_int_equal(fgetxattr(fd, "user.own", v, sizeof v), 3);
	assert_int_equal(fgetxattr(fd, "user.overlay.origin", v, sizeof v), -1);
	assert_int_equal(fstatat(layer, "fs/new\nline", &st, 0), 0);
	assert_int_equal(fstatat(layer, "fs/fifo", &st, 0), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

/* More than there is room for, with values that fill it to the last byte. A file system lists names in an order of its own: so in either. */
static void
attributes_without_room_are_left_out(void **state)
{
	static const struct { const char *name; const char *attributes[3]; } files[] = {
		{ "f", { "user.a", "user.b", "user.c" } }, { "g", { "user.c", "user.b", "user.a" } },
	};
	static const size_t sizes[] = { XATTR_VALUES_MAX, 5, 60000 };
	static unsigned char value[XATTR_VALUES_MAX];
	static struct { struct xattrs x; unsigned char behind[XATTR_VALUES_MAX]; } x;
	char path[] = "/dev/shm/trees.XXXXXX";
	bool full = false, known = true;
	own_fd top = -1;

	/* the only common one that takes so many */
	assert_non_null(mkdtemp(path));
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(value, 'v', sizeof value);
	for (size_t i = 0; i < 2; i++) {
		own_fd fd = openat(top, files[i].name, O_CREAT | O_RDWR | O_CLOEXEC, 0644);

		for (size_t k = 0; k < 3 && known; k++) {
			known = fsetxattr(fd, files[i].attributes[k], value, sizes[k], 0) == 0;
			assert_true(known || errno == EOPNOTSUPP);
		}
		memset(x.behind, 'b', sizeof x.behind);
		xattrs_read(&x.x, fd);
		for (size_t k = 0; k < x.x.n; k++) {
			assert_true(x.x.v[k].value >= x.x.values && x.x.v[k].value + x.x.v[k].n <= x.x.values + sizeof x.x.values);
			full = full || (k == 0 && x.x.n == 1 && x.x.v[k].n == XATTR_VALUES_MAX);
		}
		for (size_t k = 0; k < sizeof x.behind; k++)
			assert_int_equal(x.behind[k], 'b');
	}
	/* and through a whole archive */
	if (known) {
		struct tree_dirs all = t.dirs;

		t.dirs.upper = top;
		assert_string_equal(packed(), "f0 g0 ");
		t.dirs = all;
	}
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(unlinkat(top, files[i].name, 0), 0);
	assert_int_equal(rmdir(path), 0);
	if (!known) {
		print_message("SKIP: tmpfs has no user attributes here\n");
		skip();
	}
	assert_true(full);
}

static void
sizes_count_links_once(void **state)
{
	int64_t size = 0;

	file("u/f", "12345");
	dir("u/d");
	assert_int_equal(linkat(t.top, "u/f", t.top, "u/d/g", 0), 0);
	assert_int_equal(symlinkat("abc", t.top, "u/sym"), 0);
	file("u/sparse", "");
	{
		own_fd fd = openat(t.top, "u/sparse", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, 1000000), 0);
	}
	assert_int_equal(tree_size(t.dirs.upper, true, &size, &t.e), 0);
	assert_int_equal(size, 5 + 3 + 1000000);
}

static void
too_long_a_path_is_an_error(void **state)
{
	own_fd at = openat(t.top, "u", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t size;

	for (int i = 0; i < 600; i++) {
		int next;

		assert_int_equal(mkdirat(at, "ten-bytes.", 0755), 0);
		next = openat(at, "ten-bytes.", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(&at);
		at = next;
	}
	assert_int_equal(tree_pack(&t.dirs, t.out, 0, &t.e), -1);
	assert_non_null(strstr(t.e.text, "file name too long"));
	assert_int_equal(tree_size(t.dirs.upper, true, &size, &t.e), -1);
	/* what test_dir_remove cannot name either */
	fd_close(&at);
	assert_int_equal(renameat(t.top, "u/ten-bytes.", t.top, "trash"), 0);
	for (int i = 0; i < 600; i++) {
		assert_true(renameat(t.top, "trash/ten-bytes.", t.top, "next") == 0 || errno == ENOENT);
		assert_int_equal(unlinkat(t.top, "trash", AT_REMOVEDIR), 0);
		if (renameat(t.top, "next", t.top, "trash") < 0)
			break;
	}
}

/* Somebody replaces, truncates and removes all the time: each archive is whole, and has nothing of what links lead to. */
static void
trees_that_change_while_they_are_read(void **state)
{
	pid_t pid;

	dir("secret");
	file("secret/file", "classified");
	dir("u/d");
	file("u/d/file", "inside");
	pid = fork();
	if (pid == 0) {
		/* a failed check must not leave it behind */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;) {
			(void)!(renameat(t.top, "u/d", t.top, "u/old") | symlinkat("../secret", t.top, "u/d"));
			(void)!(unlinkat(t.top, "u/d", 0) | mknodat(t.top, "u/d", S_IFIFO | 0600, 0));
			(void)!(unlinkat(t.top, "u/d", 0) | renameat(t.top, "u/old", t.top, "u/d"));
			(void)!(unlinkat(t.top, "u/d/file", 0) | symlinkat("../../secret/file", t.top, "u/d/file"));
			(void)!unlinkat(t.top, "u/d/file", 0);
			for (int size = 0; size < 300000; size += 99999) {
				own_fd fd = openat(t.top, "u/d/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

				(void)!ftruncate(fd, 300000 - size);
			}
		}
	}
	assert_true(pid > 0);
	for (int i = 0; i < 300; i++) {
		struct stat st;
		void *all;

		(void)packed();
		(void)exported();
		assert_int_equal(fstat(t.out, &st), 0);
		all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, t.out, 0);
		assert_true(all != MAP_FAILED);
		assert_null(memmem(all, (size_t)st.st_size, "classified", 10));
		munmap(all, (size_t)st.st_size);
		(void)changes();
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(nothing_is_null_and_an_empty_archive), T(lower_layers_are_seen_together), T(deleted_and_replaced), T(a_new_directory_hides_nothing),
		T(what_the_engine_makes_is_not_shown), T(links_names_and_attributes_come_back), T(attributes_without_room_are_left_out), T(sizes_count_links_once),
		T(too_long_a_path_is_an_error), T(trees_that_change_while_they_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
