/* Layers, well-meant and hostile, unpacked into a temporary directory; after each success the recipe must give back the same
   bytes. Needs root (owners, whiteouts). */
#include "fd.h"
#include "harness.h"
#include "layer.h"
#include "make_tar.h"
#include "recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static struct {
	char dir[128];
	int top;
	struct buf tar;
	struct layer_result result;
	struct err e;
} t;

static int
setup(void **state)
{
	t.tar = (struct buf)BUF_INIT((size_t)64 << 20);
	t.e = (struct err)ERR_INIT;
	test_dir_make(t.dir, sizeof t.dir, "layer");
	assert_int_equal(mkdir(strcat(t.dir, "/top"), 0700), 0);
	t.top = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t.dir[strlen(t.dir) - 4] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	close(t.top);
	buf_done(&t.tar);
	test_dir_remove(t.dir);
	return 0;
}

/* What the recipe makes is compared as it comes. */
static int
compare(void *ctx, const void *p, size_t n, struct err *e)
{
	size_t *at = ctx;

	if (n > t.tar.used - *at || memcmp(t.tar.data + *at, p, n) != 0)
		return err_set(e, ERR_SYSTEM, "the recipe differs after %zu bytes", *at);
	*at += n;
	return 0;
}

static int
unpack_limited(uint64_t bytes, uint64_t entries)
{
	struct layer_limits limits = { bytes, entries };
	struct source in;
	size_t at = 0;
	int r;

	umask(0);
	source_open_memory(&in, t.tar.data, t.tar.used);
	r = layer_unpack(t.top, &in, &limits, &t.result, &t.e);
	source_done(&in);
	if (r == 0) {
		if (recipe_replay(t.top, &(struct recipe_sink){ compare, &at }, &t.e) < 0)
			fail_msg("%s", t.e.text);
		assert_int_equal(at, t.tar.used);
	}
	return r;
}

static int
unpack(void)
{
	return unpack_limited(64 * MIB, 10000);
}

static void
unpack_ok(void)
{
	if (unpack() < 0)
		fail_msg("%s", t.e.text);
}

static void
refused(const char *text)
{
	assert_int_equal(unpack(), -1);
	assert_string_equal(t.e.text, text);
}

static struct stat
look(const char *name)
{
	struct stat st = { 0 };
	char path[4300];

	snprintf(path, sizeof path, "fs/%s", name);
	if (fstatat(t.top, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static bool
is_there(const char *name)
{
	return faccessat(t.top, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
is_whiteout(const char *name)
{
	struct stat st = look(name);

	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static ssize_t
xattr_of(const char *name, const char *key, char *value, size_t size)
{
	char path[512];

	snprintf(path, sizeof path, "%s/top/fs/%s", t.dir, name);
	return lgetxattr(path, key, value, size);
}

static bool
is_opaque(const char *name)
{
	char v[8];

	return xattr_of(name, "user.overlay.opaque", v, sizeof v) == 1 && v[0] == 'y';
}

static void
assert_text(const char *name, const char *text)
{
	char path[512], have[256];

	snprintf(path, sizeof path, "fs/%s", name);
	assert_true(fd_read_text(t.top, path, have, sizeof have) >= 0);
	assert_string_equal(have, text);
}

#define ENTRY(...) put_tar(&t.tar, (struct tar_spec){ __VA_ARGS__ })
#define END() put_tar_end(&t.tar)

static void
owners_modes_and_times_are_kept(void **state)
{
	struct stat st;

	ENTRY(.name = "d/", .type = '5', .mode = 02755, .uid = 7, .gid = 8, .mtime = 1000);
	ENTRY(.name = "d/f", .mode = 04755, .uid = 1, .gid = 65535, .mtime = 1234567890, .data = "hello");
	ENTRY(.name = "d/l", .type = '2', .link = "/etc/passwd", .uid = 3);
	ENTRY(.name = "d/h", .type = '1', .link = "d/f");
	ENTRY(.name = "d/p", .type = '6', .mode = 0622);
	END();
	unpack_ok();
	st = look("d/f");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 65535);
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(st.st_ino, look("d/h").st_ino);
	assert_text("d/f", "hello");
	st = look("d");
	assert_int_equal(st.st_mode, S_IFDIR | 02755);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(look("d/l").st_uid, 3);
	assert_int_equal(look("d/p").st_mode, S_IFIFO | 0622);
	assert_int_equal(t.result.size, 5);
}

static void
root_entry_sets_the_roots_mode(void **state)
{
	ENTRY(.name = "./", .type = '5', .mode = 0700, .uid = 5);
	ENTRY(.name = "./a", .data = "x");
	END();
	unpack_ok();
	assert_int_equal(look("").st_mode & 07777, 0700);
	assert_int_equal(look("").st_uid, 5);
	assert_text("a", "x");
}

static void
absolute_names_stay_inside(void **state)
{
	ENTRY(.name = "/abs/x", .data = "1");
	ENTRY(.name = "/../../up", .data = "2");
	ENTRY(.name = "a/./b//../c", .data = "3");
	ENTRY(.name = "hard", .type = '1', .link = "/abs/x");
	END();
	unpack_ok();
	assert_text("abs/x", "1");
	assert_text("up", "2");
	assert_text("a/c", "3");
	assert_text("hard", "1");
}

static void
dot_dot_is_refused(void **state)
{
	ENTRY(.name = "../escape", .data = "x");
	END();
	refused("invalid tar entry: \"../escape\" is outside of the layer");
	assert_false(is_there("escape"));
}

static void
dot_dot_behind_a_prefix_is_refused(void **state)
{
	ENTRY(.name = "a/b/../../../escape", .data = "x");
	END();
	assert_int_equal(unpack(), -1);
	assert_false(is_there("escape"));
}

static void
nothing_goes_through_a_symlink(void **state)
{
	ENTRY(.name = "link", .type = '2', .link = "..");
	ENTRY(.name = "link/escape", .data = "x");
	END();
	refused("invalid tar entry: \"link\" leads through a symbolic link");
	assert_false(is_there("escape"));
}

static void
directory_does_not_reuse_a_symlink(void **state)
{
	/* the second entry replaces the link; it must not change what the link leads to */
	ENTRY(.name = "link", .type = '2', .link = "..");
	ENTRY(.name = "link", .type = '5', .mode = 0777);
	ENTRY(.name = "link/in", .data = "x");
	END();
	unpack_ok();
	assert_true(S_ISDIR(look("link").st_mode));
	assert_text("link/in", "x");
	assert_false(is_there("in"));
}

static void
file_does_not_write_through_a_symlink(void **state)
{
	own_fd victim = openat(t.top, "victim", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ENTRY(.name = "v", .type = '2', .link = "../victim");
	ENTRY(.name = "v", .mode = 04777, .data = "evil");
	END();
	unpack_ok();
	assert_int_equal(lseek(victim, 0, SEEK_END), 0);
	assert_text("v", "evil");
}

static void
hard_link_outside_is_refused(void **state)
{
	own_fd victim = openat(t.top, "victim", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(victim >= 0);
	ENTRY(.name = "h", .type = '1', .link = "../victim");
	END();
	assert_int_equal(unpack(), -1);
	assert_false(is_there("fs/h"));
}

static void
hard_link_through_a_symlink_is_refused(void **state)
{
	own_fd victim = openat(t.top, "victim", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(victim >= 0);
	ENTRY(.name = "up", .type = '2', .link = "..");
	ENTRY(.name = "h", .type = '1', .link = "up/victim");
	END();
	assert_int_equal(unpack(), -1);
	assert_false(is_there("fs/h"));
}

static void
hard_link_then_file_does_not_change_the_target(void **state)
{
	ENTRY(.name = "a", .data = "first");
	ENTRY(.name = "b", .type = '1', .link = "a");
	ENTRY(.name = "b", .data = "second");
	END();
	unpack_ok();
	assert_text("a", "first");
	assert_text("b", "second");
}

static void
hard_link_to_nothing_is_an_error(void **state)
{
	ENTRY(.name = "b", .type = '1', .link = "none");
	END();
	refused("link to /none: No such file or directory");
}

static void
devices_are_left_out(void **state)
{
	ENTRY(.name = "dev/null", .type = '3', .major = 1, .minor = 3, .mode = 0666);
	ENTRY(.name = "dev/sda", .type = '4', .major = 8);
	ENTRY(.name = "sly", .type = '3');   /* 0:0 would be a whiteout */
	ENTRY(.name = "f", .data = "x");
	END();
	unpack_ok();
	assert_int_equal(t.result.skipped, 3);
	assert_false(is_there("fs/dev/null"));
	assert_false(is_there("fs/sly"));
	assert_text("f", "x");
}

static void
whiteouts_and_opaque_marks(void **state)
{
	ENTRY(.name = "d/.wh.gone");
	ENTRY(.name = "d/.wh..wh..opq");
	ENTRY(.name = ".wh..wh.plnk", .data = "aufs");
	ENTRY(.name = "x/.wh.y/z", .data = "a name like this is only special as the last one");
	END();
	unpack_ok();
	assert_true(is_whiteout("d/gone"));
	assert_true(is_opaque("d"));
	assert_false(is_there("fs/.wh..wh.plnk"));
}

static void
whiteout_does_not_touch_its_own_layer(void **state)
{
	ENTRY(.name = "f", .data = "stays");
	ENTRY(.name = ".wh.f");
	ENTRY(.name = "d/in", .data = "stays");
	ENTRY(.name = ".wh.d");
	ENTRY(.name = ".wh.later");
	ENTRY(.name = "later/in", .data = "x", .type = '0');
	END();
	assert_int_equal(unpack(), -1);   /* later is a whiteout, nothing can be in it before a directory entry */
	teardown(NULL);
	setup(NULL);
	ENTRY(.name = "f", .data = "stays");
	ENTRY(.name = ".wh.f");
	ENTRY(.name = "d/in", .data = "stays");
	ENTRY(.name = ".wh.d");
	ENTRY(.name = ".wh.later");
	ENTRY(.name = "later", .type = '5', .mode = 0755);
	ENTRY(.name = "later/in", .data = "new");
	ENTRY(.name = ".wh.file");
	ENTRY(.name = "file", .data = "new");
	END();
	unpack_ok();
	assert_text("f", "stays");
	assert_text("d/in", "stays");
	assert_true(is_opaque("d"));
	assert_true(is_opaque("later"));
	assert_text("later/in", "new");
	assert_text("file", "new");
}

static void
odd_whiteouts_are_refused(void **state)
{
	static const char *const odd[] = { "a/.wh.", "a/.wh..", "a/.wh..." };

	for (size_t i = 0; i < 3; i++) {
		ENTRY(.name = odd[i]);
		END();
		assert_int_equal(unpack(), -1);
		teardown(NULL);
		setup(NULL);
	}
}

static void
later_entries_replace_earlier_ones(void **state)
{
	ENTRY(.name = "f", .data = "one");
	ENTRY(.name = "f", .data = "two");
	ENTRY(.name = "d/a", .data = "in d");
	ENTRY(.name = "d/deep/b", .data = "in deep");
	ENTRY(.name = "d", .data = "a file now");
	ENTRY(.name = "f", .type = '5', .mode = 0755);
	ENTRY(.name = "f/x", .data = "three");
	ENTRY(.name = "d", .type = '2', .link = "f");
	ENTRY(.name = "d", .type = '5', .mode = 0711);
	ENTRY(.name = "d/a", .data = "again");
	ENTRY(.name = "f/x", .type = '1', .link = "d/a");
	END();
	unpack_ok();
	assert_text("d/a", "again");
	assert_text("f/x", "again");
	assert_int_equal(look("d").st_mode & 07777, 0711);
}

static void
bombs_hit_the_limit(void **state)
{
	ENTRY(.name = "big", .size = 1ull << 43);   /* cut short, but refused before that is noticed */
	assert_int_equal(unpack(), -1);
	assert_int_equal(t.e.sys, ENOSPC);
	teardown(NULL);
	setup(NULL);
	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%u", i);
		ENTRY(.name = name, .data = "x");
	}
	END();
	assert_int_equal(unpack_limited(MIB, 10), -1);
	assert_int_equal(t.e.code, ERR_LIMIT);
}

static void
huge_sparse_file_hits_the_limit(void **state)
{
	static const char records[] = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n37 GNU.sparse.realsize=8796093022208\n";
	static const char map[512] = "0\n";

	put_tar(&t.tar, (struct tar_spec){ .name = "x", .type = 'x', .data = records });
	put_tar(&t.tar, (struct tar_spec){ .name = "s", .data = map, .n = sizeof map });
	END();
	assert_int_equal(unpack(), -1);
	assert_int_equal(t.e.sys, ENOSPC);
}

static void
ids_beyond_the_range_are_refused(void **state)
{
	ENTRY(.name = "f", .uid = 65536, .data = "x");
	END();
	refused("Container ID 65536 cannot be mapped to a host ID");
	teardown(NULL);
	setup(NULL);
	ENTRY(.name = "f", .gid = 3000000000u, .data = "x");
	END();
	refused("Container ID 3000000000 cannot be mapped to a host ID");
}

static void
attributes_are_chosen(void **state)
{
	static const char cap[20] = { 0, 0, 0, 2, 0, 4, 0, 0 };
	char value[64];

	put_pax(&t.tar, "SCHILY.xattr.user.mine", "va\0l", 4);
	ENTRY(.name = "f", .data = "x", .mode = 0444, .uid = 9);
	put_pax(&t.tar, "SCHILY.xattr.user.overlay.opaque", "y", 1);
	ENTRY(.name = "d", .type = '5', .mode = 0755);
	put_pax(&t.tar, "SCHILY.xattr.trusted.overlay.redirect", "/x", 2);
	ENTRY(.name = "g", .data = "x");
	put_pax(&t.tar, "SCHILY.xattr.security.capability", cap, sizeof cap);
	ENTRY(.name = "ping", .data = "x", .mode = 0755, .uid = 4);
	END();
	unpack_ok();
	assert_int_equal(xattr_of("f", "user.mine", value, sizeof value), 4);
	assert_memory_equal(value, "va\0l", 4);
	assert_false(is_opaque("d"));
	assert_int_equal(xattr_of("g", "trusted.overlay.redirect", value, sizeof value), -1);
	assert_int_equal(xattr_of("ping", "security.capability", value, sizeof value), 20);
	assert_int_equal(t.result.skipped, 2);
}

static void
long_names_in_both_forms(void **state)
{
	char name[400], path[500];

	memset(name, 'n', 200);
	name[200] = '/';
	memset(name + 201, 'm', 180);
	name[381] = '\0';
	ENTRY(.name = name, .data = "gnu");
	snprintf(path, sizeof path, "pax/%s", name);
	put_pax(&t.tar, "path", path, strlen(path));
	ENTRY(.name = "short", .data = "pax");
	put_pax(&t.tar, "mtime", "1700000000.123456789", 20);
	ENTRY(.name = "times", .data = "x");
	END();
	unpack_ok();
	assert_text(name, "gnu");
	assert_text(path, "pax");
	assert_int_equal(look("times").st_mtim.tv_nsec, 123456789);
}

static void
too_long_names_are_refused(void **state)
{
	own_buf name = BUF_INIT(70000);

	for (unsigned i = 0; i < 3000; i++)
		buf_puts(&name, "ab/");
	put_pax(&t.tar, "path", (const char *)name.data, name.used);
	ENTRY(.name = "x", .data = "x");
	END();
	refused("file name too long");
}

static void
bad_headers_are_refused(void **state)
{
	static const char garbage[600] = "this is not a tar at all";

	ENTRY(.name = "f", .data = "x");
	t.tar.data[5] ^= 1;   /* the checksum is wrong now */
	END();
	refused("archive/tar: invalid tar header");
	teardown(NULL);
	setup(NULL);
	buf_put(&t.tar, garbage, sizeof garbage);
	refused("archive/tar: invalid tar header");
	teardown(NULL);
	setup(NULL);
	put_tar(&t.tar, (struct tar_spec){ .name = "x", .type = 'x', .data = "99999999 path=x\n" });
	ENTRY(.name = "f", .data = "x");
	END();
	refused("archive/tar: invalid tar header");
	teardown(NULL);
	setup(NULL);
	ENTRY(.name = "f", .type = 'V');
	END();
	refused("unhandled tar header type 86");
}

static void
every_truncation_is_noticed(void **state)
{
	own_buf whole = BUF_INIT(MIB);
	size_t bad = 0;

	put_pax(&whole, "path", "long/name", 9);
	put_tar(&whole, (struct tar_spec){ .name = "x", .data = "some content" });
	put_tar(&whole, (struct tar_spec){ .name = "y", .data = "more" });
	for (size_t n = 1; n < whole.used; n += n < 600 ? 7 : 61) {
		buf_put(&t.tar, whole.data, n);
		if (unpack() < 0) {
			assert_string_equal(t.e.text, "unexpected EOF");
			bad++;
		}
		teardown(NULL);
		setup(NULL);
	}
	/* only an end between two entries can be taken for the end */
	assert_true(bad > 40);
}

static void
trailing_bytes_are_kept(void **state)
{
	ENTRY(.name = "f", .data = "x");
	END();
	for (unsigned i = 0; i < 9000; i++)
		buf_putc(&t.tar, '\0');
	buf_puts(&t.tar, "and some junk");
	unpack_ok();
}

/* Sparse files as GNU tar writes them, in each of its formats. */
static void
sparse_files_of_gnu_tar(void **state)
{
	static const char *const formats[] = { "--format=gnu", "--format=posix --sparse-version=0.0", "--format=posix --sparse-version=0.1",
		"--format=posix --sparse-version=1.0" };

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		char command[1024];
		FILE *p;
		size_t n;
		struct stat st;

		snprintf(command, sizeof command, "cd %s && truncate -s 3M s && for o in 0 300 700 1400 2000 2900; do "
		    "printf content-$o | dd of=s bs=1k seek=$o conv=notrunc status=none; done; tar -cf - -S %s s", t.dir, formats[i]);
		p = popen(command, "r");
		assert_non_null(p);
		while (buf_room(&t.tar, 65536) && (n = fread(t.tar.data + t.tar.used, 1, 65536, p)) > 0)
			t.tar.used += n;
		assert_int_equal(pclose(p), 0);
		assert_true(t.tar.used < MIB);
		unpack_ok();
		st = look("s");
		assert_int_equal(st.st_size, 3 << 20);
		assert_true(st.st_blocks < 2048);
		snprintf(command, sizeof command, "cmp %s/s %s/top/fs/s", t.dir, t.dir);
		assert_int_equal(system(command), 0);
		teardown(NULL);
		setup(NULL);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(owners_modes_and_times_are_kept), T(root_entry_sets_the_roots_mode), T(absolute_names_stay_inside), T(dot_dot_is_refused),
		T(dot_dot_behind_a_prefix_is_refused), T(nothing_goes_through_a_symlink), T(directory_does_not_reuse_a_symlink),
		T(file_does_not_write_through_a_symlink), T(hard_link_outside_is_refused), T(hard_link_through_a_symlink_is_refused),
		T(hard_link_then_file_does_not_change_the_target), T(hard_link_to_nothing_is_an_error), T(devices_are_left_out),
		T(whiteouts_and_opaque_marks), T(whiteout_does_not_touch_its_own_layer), T(odd_whiteouts_are_refused),
		T(later_entries_replace_earlier_ones), T(bombs_hit_the_limit), T(huge_sparse_file_hits_the_limit),
		T(ids_beyond_the_range_are_refused), T(attributes_are_chosen), T(long_names_in_both_forms), T(too_long_names_are_refused),
		T(bad_headers_are_refused), T(every_truncation_is_noticed), T(trailing_bytes_are_kept), T(sparse_files_of_gnu_tar),
	};

	if (geteuid() != 0) {
		print_message("SKIPPED: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
