/* stored and its unpacker as they run in the engine, on a data root of their own. Root only. */
#include "fd.h"
#include "harness.h"
#include "make_tar.h"
#include "msg/give.h"
#include "msg/store.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct {
	struct loop *loop;
	struct started role;
	char dir[128];
	int store, volumes;
	/* the last load or import */
	struct arena arena;
	struct image_list images;
	struct err e;
	bool done;
} t;

static int
open_dir(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/%s", t.dir, name);
	if (mkdir(path, 0700) == 0 && chown(path, IMAGE_ID_BASE, IMAGE_ID_BASE) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
start(void)
{
	struct engine_config config = { .log_level = (char *)(uintptr_t)"error" };
	struct ctl_start message = { .config = &config };
	int fds[2] = { t.store, t.volumes };
	struct start_conf conf = { .role = ROLE_STORED, .binary = BUILD_DIR "/stored/bulwark-stored", .start = &message, .fds = fds, .nfds = 2,
		.table = &store_edge, .edge_name = "store" };
	struct err e = ERR_INIT;

	if (role_start(t.loop, &conf, &t.role, &e) < 0)
		fail_msg("%s", e.text);
}

static int
setup(void **state)
{
	struct err e = ERR_INIT;

	test_dir_make(t.dir, sizeof t.dir, "stored");
	t.store = open_dir("store");
	t.volumes = open_dir("volumes");
	t.loop = loop_new(&e);
	start();
	return 0;
}

static int
teardown(void **state)
{
	role_end(&t.role);
	loop_free(t.loop);
	arena_done(&t.arena);
	t.images = (struct image_list){ 0 };
	close(t.store);
	close(t.volumes);
	test_dir_remove(t.dir);
	return 0;
}

/* ---- requests ---- */

static void
on_loaded(void *ctx, struct answer *a)
{
	const struct store_loaded *l = a->msg;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		t.e = *a->err;
	} else if (l->image != NULL) {
		struct image *i = list_add(&t.images, &t.arena, sizeof *i);

		assert_non_null(i);
		assert_int_equal(rec_copy(&image_type, l->image, &t.arena, i, &e), 0);
	}
	if (!a->more) {
		t.done = true;
		loop_stop(t.loop);
	}
}

static void
send_load(unsigned no, const void *msg, int fd)
{
	struct err e = ERR_INIT;

	t.done = false;
	t.e = (struct err)ERR_INIT;
	if (edge_send(t.role.edge, no, msg, &fd, 1, on_loaded, NULL, &e) < 0)
		fail_msg("%s", e.text);
	close(fd);
}

static int
wait_load(void)
{
	struct err e = ERR_INIT;

	while (!t.done)
		assert_int_equal(loop_run(t.loop, &e), 0);
	return t.e.code == ERR_NONE ? 0 : -1;
}

static int
load_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	send_load(NO_store_load, &(struct api_load){ 0 }, fd);
	return wait_load();
}

static int
file_of(const void *data, size_t n)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int
load_bytes(const void *data, size_t n)
{
	send_load(NO_store_load, &(struct api_load){ 0 }, file_of(data, n));
	return wait_load();
}

static int
request(unsigned no, const void *msg)
{
	own_arena a = ARENA_INIT;

	t.e = (struct err)ERR_INIT;
	return edge_call(t.role.edge, no, msg, NULL, 0, &a, NULL, NULL, 0, NULL, 10000, &t.e);
}

static int
named(unsigned no, const char *name)
{
	return request(no, &(struct store_name){ .name = (char *)(uintptr_t)name });
}

static struct store_inventory
inventory(void)
{
	struct store_inventory v = { 0 };
	struct err e = ERR_INIT;
	own_arena a = ARENA_INIT;

	assert_int_equal(edge_call(t.role.edge, NO_store_list, &(struct none){ 0 }, NULL, 0, &a, &v, NULL, 0, NULL, 10000, &e), 0);
	return v;   /* only its counts are used */
}

static unsigned
entries(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

/* tmp and trash run empty within a bounded time. */
static void
assert_tidy(void)
{
	for (unsigned i = 0; i < 500; i++) {
		if (entries(t.store, "tmp") == 0 && entries(t.store, "trash") == 0 && entries(t.volumes, ".trash") == 0)
			return;
		usleep(20000);
	}
	fail_msg("tmp %u trash %u", entries(t.store, "tmp"), entries(t.store, "trash"));
}

static void
assert_nothing_left(void)
{
	struct store_inventory v = inventory();

	assert_int_equal(v.image_ids.n, 0);
	assert_int_equal(v.layers.n, 0);
	assert_tidy();
}

static void shell(const char *fmt, ...) printf_like(1, 2);
static void
shell(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static const char *
file(const char *name)
{
	static char path[8][256];
	static unsigned at;

	at = (at + 1) % 8;
	snprintf(path[at], sizeof path[at], "%s/%s", t.dir, name);
	return path[at];
}

static void
make_busybox(const char *name)
{
	shell(SOURCE_DIR "/tests/busybox-image %s >%s", file(name), file("id"));
}

static void
on_saved(void *ctx, struct answer *a)
{
	t.done = true;
	if (a->err != NULL)
		t.e = *a->err;
	loop_stop(t.loop);
}

static int
save_to(const char *name)
{
	struct store_save m = { .images = { t.images.n, t.images.v } };
	struct err e = ERR_INIT;
	int fd = open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	t.done = false;
	t.e = (struct err)ERR_INIT;
	assert_true(edge_send(t.role.edge, NO_store_save, &m, &fd, 1, on_saved, NULL, &e) > 0);
	close(fd);
	return wait_load();
}

static void
drop_all(void)
{
	for (size_t i = 0; i < t.images.n; i++) {
		struct store_drop d = { .image_ids = { 1, &t.images.v[i].id } };

		for (size_t k = 0; k < t.images.v[i].layers.n; k++)
			assert_true(strs_add(&d.layers, &t.arena, t.images.v[i].layers.v[k].dir));
		assert_int_equal(request(NO_store_drop, &d), 0);
	}
	t.images = (struct image_list){ 0 };
}

/* ---- tests ---- */

static void
loads_saves_and_loads_again(void **state)
{
	char id[128];
	ssize_t n;

	make_busybox("a.tar");
	if (load_file(file("a.tar")) < 0)
		fail_msg("%s", t.e.text);
	assert_int_equal(t.images.n, 1);
	n = fd_read_text(AT_FDCWD, file("id"), id, sizeof id);
	id[n - 1] = '\0';
	assert_string_equal(t.images.v[0].id, id);
	assert_string_equal(t.images.v[0].repo_tags.v[0], "busybox:latest");
	assert_string_equal(t.images.v[0].config->cmd.v[0], "sh");
	assert_int_equal(t.images.v[0].layers.n, 1);
	assert_true(t.images.v[0].size > 500000);
	assert_int_equal(inventory().layers.n, 1);
	assert_int_equal(save_to("b.tar"), 0);
	drop_all();
	assert_nothing_left();
	assert_int_equal(load_file(file("b.tar")), 0);
	assert_string_equal(t.images.v[0].id, id);
	/* the layers are the same bytes */
	shell("cd %s && mkdir a b && tar xf a.tar -C a && tar xf b.tar -C b", t.dir);
	shell("cd %s/a && for f in blobs/sha256/*; do cmp $f ../b/$f || exit 1; done", t.dir);
	shell("cd %s && for f in b/blobs/sha256/*; do test $(sha256sum <$f | cut -c1-64) = ${f##*/} || exit 1; done", t.dir);
	/* a second time: nothing to unpack */
	assert_int_equal(load_file(file("b.tar")), 0);
	assert_int_equal(inventory().layers.n, 1);
	/* the files are there, owned by the image range */
	{
		char path[300];
		struct stat st;

		snprintf(path, sizeof path, "layers/%s/fs/bin/busybox", t.images.v[0].layers.v[0].dir);
		assert_int_equal(fstatat(t.store, path, &st, 0), 0);
		assert_int_equal(st.st_uid, IMAGE_ID_BASE);
		snprintf(path, sizeof path, "layers/%s/fs/home", t.images.v[0].layers.v[0].dir);
		assert_int_equal(fstatat(t.store, path, &st, 0), 0);
		assert_int_equal(st.st_uid, IMAGE_ID_BASE + 65534);
	}
	assert_tidy();
}

static void
compressed_archives_and_layers(void **state)
{
	make_busybox("a.tar");
	shell("cd %s && gzip -1 <a.tar >a.gz && zstd -q -1 <a.tar >a.zst && xz -0 <a.tar >a.xz && bzip2 -1 <a.tar >a.bz2", t.dir);
	static const char *const kinds[] = { "a.gz", "a.zst", "a.xz", "a.bz2" };
	for (size_t i = 0; i < 4; i++) {
		if (load_file(file(kinds[i])) < 0)
			fail_msg("%s: %s", kinds[i], t.e.text);
		drop_all();
	}
	shell("cd %s && head -c 30000 a.gz >cut.gz", t.dir);
	assert_int_equal(load_file(file("cut.gz")), -1);
	assert_string_equal(t.e.text, "unexpected EOF");
	/* an OCI layout with a compressed layer and no manifest.json */
	shell("cd %s && python3 %s/tests/stored/make_oci.py a.tar oci.tar", t.dir, SOURCE_DIR);
	if (load_file(file("oci.tar")) < 0)
		fail_msg("%s", t.e.text);
	assert_string_equal(t.images.v[0].repo_tags.v[0], "oci-busybox:1");
	drop_all();
	assert_nothing_left();
}

static void
bad_archives_in_dockers_words(void **state)
{
	static const char garbage[2048] = "this is not an archive";
	own_buf b = BUF_INIT((size_t)1 << 20);

	assert_int_equal(load_bytes("", 0), -1);
	assert_string_equal(t.e.text, "unexpected EOF");
	assert_int_equal(load_bytes(garbage, sizeof garbage), -1);
	assert_string_equal(t.e.text, "archive/tar: invalid tar header");
	put_tar(&b, (struct tar_spec){ .name = "readme", .data = "hello" });
	put_tar_end(&b);
	assert_int_equal(load_bytes(b.data, b.used), -1);
	assert_string_equal(t.e.text, "invalid archive: does not contain a manifest.json");
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "manifest.json", .data = "[{\"Config\":\"../../etc/passwd\",\"Layers\":[]}]" });
	put_tar_end(&b);
	assert_int_equal(load_bytes(b.data, b.used), -1);
	assert_string_equal(t.e.text, "invalid archive: does not contain ../../etc/passwd");
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "manifest.json", .data = "[{\"Config\":" });
	put_tar_end(&b);
	assert_int_equal(load_bytes(b.data, b.used), -1);
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "c.json", .data = "{\"rootfs\":{\"diff_ids\":[\"sha256:zz\"]}}" });
	put_tar(&b, (struct tar_spec){ .name = "manifest.json", .data = "[{\"Config\":\"c.json\",\"Layers\":[\"c.json\"]}]" });
	put_tar_end(&b);
	assert_int_equal(load_bytes(b.data, b.used), -1);
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "c.json", .data = "{\"rootfs\":{\"diff_ids\":[]}}" });
	put_tar(&b, (struct tar_spec){ .name = "manifest.json", .data = "[{\"Config\":\"c.json\",\"Layers\":[\"c.json\"]}]" });
	put_tar_end(&b);
	assert_int_equal(load_bytes(b.data, b.used), -1);
	assert_string_equal(t.e.text, "invalid manifest, layers length mismatch: expected 1, got 0");
	assert_nothing_left();
}

/* Builds an archive with one layer that holds what is in layer; the diff id is right unless wrong_id. */
static int
load_layer(const struct buf *layer, bool wrong_id)
{
	own_buf b = BUF_INIT((size_t)64 << 20);
	char config[300], hex[128], command[256];
	FILE *p;
	int fd;

	fd = open(file("layer"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(fd, layer->data, layer->used), 0);
	close(fd);
	snprintf(command, sizeof command, "sha256sum <%s", file("layer"));
	p = popen(command, "r");
	assert_non_null(p);
	assert_non_null(fgets(hex, sizeof hex, p));
	pclose(p);
	if (wrong_id)
		hex[0] = hex[0] == 'a' ? 'b' : 'a';
	snprintf(config, sizeof config, "{\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%.64s\"]}}", hex);
	put_tar(&b, (struct tar_spec){ .name = "c.json", .data = config });
	put_tar(&b, (struct tar_spec){ .name = "l/layer.tar", .data = (const char *)layer->data, .n = layer->used });
	put_tar(&b, (struct tar_spec){ .name = "manifest.json",
	    .data = "[{\"Config\":\"c.json\",\"RepoTags\":[\"h\"],\"Layers\":[\"l/layer.tar\"]}]" });
	put_tar_end(&b);
	return load_bytes(b.data, b.used);
}

static void
hostile_layers_leave_nothing(void **state)
{
	own_buf b = BUF_INIT((size_t)32 << 20);

	put_tar(&b, (struct tar_spec){ .name = "f", .data = "x" });
	put_tar_end(&b);
	assert_int_equal(load_layer(&b, true), -1);
	assert_true(text_starts(t.e.text, "invalid diffID for layer 0"));
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "../../../escape", .data = "x" });
	put_tar_end(&b);
	assert_int_equal(load_layer(&b, false), -1);
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "up", .type = '2', .link = "../../../../../../../../tmp" });
	put_tar(&b, (struct tar_spec){ .name = "up/escape", .data = "x" });
	put_tar_end(&b);
	assert_int_equal(load_layer(&b, false), -1);
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "bomb", .size = 1ull << 45 });
	assert_int_equal(load_layer(&b, false), -1);
	assert_string_equal(t.e.text, "no space left on device");
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "f", .data = "x", .size = 100000 });
	assert_int_equal(load_layer(&b, false), -1);
	assert_string_equal(t.e.text, "unexpected EOF");
	assert_nothing_left();
	/* and what is well-meant works in the sandbox too */
	buf_reset(&b);
	put_tar(&b, (struct tar_spec){ .name = "d", .type = '5', .mode = 0711, .uid = 1000 });
	put_tar(&b, (struct tar_spec){ .name = "d/.wh.x" });
	put_tar(&b, (struct tar_spec){ .name = "d/.wh..wh..opq" });
	put_pax(&b, "SCHILY.xattr.security.capability", "\0\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	put_tar(&b, (struct tar_spec){ .name = "ping", .data = "x", .mode = 04755, .uid = 65535 });
	put_tar(&b, (struct tar_spec){ .name = "null", .type = '3', .major = 1, .minor = 3 });
	put_tar_end(&b);
	if (load_layer(&b, false) < 0)
		fail_msg("%s", t.e.text);
	assert_int_equal(save_to("s.tar"), 0);
	drop_all();
	assert_int_equal(load_file(file("s.tar")), 0);
}

static void
places_come_and_go(void **state)
{
	struct stat st;

	assert_int_equal(named(NO_store_rw_create, ID), 0);
	assert_int_equal(named(NO_store_rw_create, ID), 0);
	assert_int_equal(fstatat(t.store, "rw/" ID "/upper", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, IMAGE_ID_BASE);
	assert_int_equal(fstatat(t.store, "rw/" ID "/files", &st, 0), 0);
	assert_int_equal(named(NO_store_volume_create, "v.1"), 0);
	assert_int_equal(named(NO_store_volume_create, "v.1"), 0);
	assert_int_equal(fstatat(t.volumes, "v.1/_data", &st, 0), 0);
	assert_int_equal(inventory().rws.n, 1);
	assert_int_equal(inventory().volumes.n, 1);
	assert_int_equal(named(NO_store_rw_remove, ID), 0);
	assert_int_equal(named(NO_store_rw_remove, ID), 0);
	assert_int_equal(named(NO_store_volume_remove, "v.1"), 0);
	assert_int_equal(inventory().rws.n + inventory().volumes.n, 0);
	assert_tidy();
}

/* A volume is whole although others are being removed: what is on its way is not where the trash is emptied. */
static void
volumes_beside_removals_are_whole(void **state)
{
	struct stat st;
	char name[32], path[64];

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "v%u", i);
		snprintf(path, sizeof path, "v%u/_data", i);
		assert_int_equal(named(NO_store_volume_create, name), 0);
		if (fstatat(t.volumes, path, &st, 0) < 0)
			fail_msg("volume %u has no directory", i);
		assert_int_equal(named(NO_store_volume_remove, name), 0);
	}
	assert_tidy();
}

static void
a_volume_on_its_way_is_swept(void **state)
{
	role_kill(&t.role);
	assert_int_equal(mkdirat(t.volumes, ".new/half", 0755), 0);
	assert_int_equal(mkdirat(t.volumes, ".new/half/_data", 0755), 0);
	assert_int_equal(fchownat(t.volumes, ".new/half", IMAGE_ID_BASE, IMAGE_ID_BASE, 0), 0);
	assert_int_equal(fchownat(t.volumes, ".new/half/_data", IMAGE_ID_BASE, IMAGE_ID_BASE, 0), 0);
	start();
	assert_int_equal(inventory().volumes.n, 0);
	assert_tidy();
	assert_int_equal(entries(t.volumes, ".new"), 0);
}

static void
bad_names_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".trash", ".new", "../x", "a/b", "-x", "/etc", "a\nb" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(named(NO_store_volume_create, bad[i]), -1);
		assert_int_equal(named(NO_store_volume_remove, bad[i]), -1);
		assert_int_equal(named(NO_store_rw_create, bad[i]), -1);
		assert_int_equal(named(NO_store_rw_remove, bad[i]), -1);
	}
	char *layer = (char *)(uintptr_t)"../rw";
	assert_int_equal(request(NO_store_drop, &(struct store_drop){ .layers = { 1, &layer } }), -1);
	assert_int_equal(request(NO_store_drop, &(struct store_drop){ .image_ids = { 1, &layer } }), -1);
}

static void
deep_trees_are_removed(void **state)
{
	int fd;

	assert_int_equal(named(NO_store_rw_create, ID), 0);
	/* deeper than any path can say, with a directory without permissions, as a container can make it */
	fd = openat(t.store, "rw/" ID "/upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 5000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", i % 100 == 3 ? 0 : 0755), 0);
		assert_int_equal(fchownat(fd, "d", IMAGE_ID_BASE + 1000, IMAGE_ID_BASE + 1000, 0), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
		if (i % 10 == 0)
			close(openat(fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0));
	}
	close(fd);
	assert_int_equal(named(NO_store_rw_remove, ID), 0);
	assert_tidy();
}

static void
others_do_not_wait_for_a_load(void **state)
{
	int pipe_fds[2];
	int64_t begun;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	send_load(NO_store_load, &(struct api_load){ 0 }, pipe_fds[0]);
	assert_int_equal(fd_write_all(pipe_fds[1], "x", 1), 0);
	begun = now_mono_ns();
	assert_int_equal(named(NO_store_rw_create, ID), 0);
	assert_int_equal(named(NO_store_volume_create, "v"), 0);
	assert_true(now_mono_ns() - begun < INT64_C(500000000));
	close(pipe_fds[1]);
	assert_int_equal(wait_load(), -1);
	assert_string_equal(t.e.text, "unexpected EOF");
}

static void
killed_in_a_load_leaves_nothing(void **state)
{
	int pipe_fds[2], fd;
	static char block[65536];
	ssize_t n;

	make_busybox("a.tar");
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	send_load(NO_store_load, &(struct api_load){ 0 }, pipe_fds[0]);
	fd = open(file("a.tar"), O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 20 && (n = read(fd, block, sizeof block)) > 0; i++)
		assert_int_equal(fd_write_all(pipe_fds[1], block, (size_t)n), 0);
	usleep(100000);
	assert_int_equal(entries(t.store, "tmp"), 1);
	role_kill(&t.role);
	start();
	assert_nothing_left();
	close(pipe_fds[1]);
	close(fd);
	/* and it serves */
	assert_int_equal(load_file(file("a.tar")), 0);
	assert_int_equal(inventory().layers.n, 1);
}

static void
imports_a_root_file_system(void **state)
{
	struct container_config config = { 0 };
	struct api_import m = { .config = &config };
	own_arena a = ARENA_INIT;
	static const char *const kinds[] = { "r.tar", "r.gz", "r.xz" };

	assert_true(strs_add(&config.cmd, &a, "/bin/\"sh\"\n"));
	shell("cd %s && mkdir root && echo hi >root/f && tar cf r.tar -C root . && gzip <r.tar >r.gz && xz <r.tar >r.xz", t.dir);
	for (size_t i = 0; i < 3; i++) {
		t.images = (struct image_list){ 0 };
		send_load(NO_store_import, &m, open(file(kinds[i]), O_RDONLY | O_CLOEXEC));
		if (wait_load() < 0)
			fail_msg("%s", t.e.text);
		assert_int_equal(t.images.n, 1);
		assert_string_equal(t.images.v[0].config->cmd.v[0], "/bin/\"sh\"\n");
		assert_string_equal(t.images.v[0].history.v[0].comment, "Imported from -");
		assert_int_equal(t.images.v[0].size, 3);
		assert_int_equal(inventory().layers.n, 1);
	}
	/* what was written is read again the same */
	assert_int_equal(save_to("s.tar"), 0);
	{
		char *id = t.images.v[0].id;

		drop_all();
		assert_int_equal(load_file(file("s.tar")), 0);
		assert_string_equal(t.images.v[0].id, id);
	}
	send_load(NO_store_import, &m, file_of("", 0));
	assert_int_equal(wait_load(), -1);
	assert_string_equal(t.e.text, "unexpected EOF");
}

static void
full_disk_says_so_and_leaves_nothing(void **state)
{
	char options[96];

	teardown(NULL);
	test_dir_make(t.dir, sizeof t.dir, "stored");
	snprintf(options, sizeof options, "size=72m,mode=0711");
	assert_int_equal(mount("tmpfs", t.dir, "tmpfs", 0, options), 0);
	{
		struct err e = ERR_INIT;

		t.store = open_dir("store");
		t.volumes = open_dir("volumes");
		t.loop = loop_new(&e);
		start();
	}
	/* 64 MiB stay free in any case */
	own_buf b = BUF_INIT((size_t)32 << 20);
	own_buf data = BUF_INIT((size_t)16 << 20);

	while (data.used < (size_t)12 << 20)
		buf_puts(&data, "0123456789abcdef");
	put_tar(&b, (struct tar_spec){ .name = "f", .data = (const char *)data.data, .n = data.used });
	put_tar_end(&b);
	send_load(NO_store_load, &(struct api_load){ 0 }, file_of(b.data, b.used));
	assert_int_equal(wait_load(), -1);
	assert_string_equal(t.e.text, "no space left on device");
	assert_nothing_left();
	role_end(&t.role);
	loop_free(t.loop);
	arena_done(&t.arena);
	close(t.store);
	close(t.volumes);
	assert_int_equal(umount(t.dir), 0);
	test_dir_remove(t.dir);
	setup(NULL);
}

static void
layers_in_use_are_not_dropped(void **state)
{
	struct store_drop d = { 0 };
	int pipe_fds[2];
	char block[4096];
	struct store_save m;
	struct err e = ERR_INIT;

	make_busybox("a.tar");
	assert_int_equal(load_file(file("a.tar")), 0);
	assert_true(strs_add(&d.layers, &t.arena, t.images.v[0].layers.v[0].dir));
	m = (struct store_save){ .images = { t.images.n, t.images.v } };
	/* a save that nobody reads */
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	t.done = false;
	t.e = (struct err)ERR_INIT;
	assert_true(edge_send(t.role.edge, NO_store_save, &m, &pipe_fds[1], 1, on_saved, NULL, &e) > 0);
	close(pipe_fds[1]);
	assert_true(read(pipe_fds[0], block, sizeof block) > 0);
	assert_int_equal(request(NO_store_drop, &d), 0);
	assert_int_equal(inventory().layers.n, 1);
	/* the reader goes: the save fails, and the layer can be dropped */
	close(pipe_fds[0]);
	assert_int_equal(wait_load(), -1);
	assert_int_equal(request(NO_store_drop, &d), 0);
	assert_int_equal(inventory().layers.n, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(loads_saves_and_loads_again), T(compressed_archives_and_layers), T(bad_archives_in_dockers_words),
		T(hostile_layers_leave_nothing), T(places_come_and_go), T(volumes_beside_removals_are_whole),
		T(a_volume_on_its_way_is_swept), T(bad_names_are_refused), T(deep_trees_are_removed),
		T(others_do_not_wait_for_a_load), T(killed_in_a_load_leaves_nothing), T(imports_a_root_file_system),
		T(full_disk_says_so_and_leaves_nothing), T(layers_in_use_are_not_dropped),
	};

	if (geteuid() != 0) {
		print_message("SKIPPED: needs root\n");
		return 77;
	}
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;
	return cmocka_run_group_tests_name("stored", tests, NULL, NULL);
}
