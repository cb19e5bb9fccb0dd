/* The mounter as it runs in the engine, against a store in a temporary directory. Root only. */
#include "fd.h"
#include "harness.h"
#include "msg/give.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MOUNTER_UID 880001
#define BASE 700000000u
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct {
	struct loop *loop;
	struct started role;
	char dir[128];
	int image_ns, host_ns;
} t;

static void
make_dir(const char *name, mode_t mode, uid_t uid)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", t.dir, name);
	assert_int_equal(mkdir(path, mode), 0);
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(chown(path, uid, uid), 0);
}

static void
make_file(const char *name, uid_t uid)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", t.dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, uid), 0);
	close(fd);
}

static int
setup(void **state)
{
	char store[200], volumes[200], forbidden[200], socket_file[200], later[200], *no[] = { forbidden, socket_file, later };
	struct engine_config config = { .forbidden_roots = { 3, no } };
	struct ctl_start start = { .config = &config };
	struct err e = ERR_INIT;
	int fds[3];
	struct start_conf conf = { .role = ROLE_MOUNTER, .binary = BUILD_DIR "/stored/bulwark-mounter", .uid = MOUNTER_UID, .start = &start,
		.fds = fds, .nfds = 3, .table = &mount_edge, .edge_name = "mount" };

	if (geteuid() != 0)
		return 0;
	test_dir_make(t.dir, sizeof t.dir, "mounter");
	make_dir("store", 0700, IMAGE_ID_BASE);
	make_dir("store/layers", 0700, IMAGE_ID_BASE);
	make_dir("store/layers/" ID, 0700, IMAGE_ID_BASE);
	make_dir("store/layers/" ID "/fs", 0755, IMAGE_ID_BASE);
	make_file("store/layers/" ID "/fs/f33", IMAGE_ID_BASE + 33);
	make_dir("store/rw", 0700, IMAGE_ID_BASE);
	make_dir("store/rw/" ID, 0755, IMAGE_ID_BASE);
	make_dir("volumes", 0700, IMAGE_ID_BASE);
	make_dir("volumes/v1", 0700, IMAGE_ID_BASE);
	make_dir("volumes/v1/_data", 0755, IMAGE_ID_BASE);
	make_dir("volumes/v1/_data/sub", 0755, IMAGE_ID_BASE);
	make_dir("host", 0755, 0);
	make_dir("host/user", 0700, 1000);
	make_file("host/file", 0);
	make_dir("secret", 0755, 0);
	make_file("secret/file", 0);
	snprintf(store, sizeof store, "%s/store", t.dir);
	snprintf(volumes, sizeof volumes, "%s/volumes", t.dir);
	snprintf(forbidden, sizeof forbidden, "%s/secret", t.dir);
	make_dir("run", 0755, 0);
	make_file("run/socket", 0);
	snprintf(socket_file, sizeof socket_file, "%s/run/socket", t.dir);
	snprintf(later, sizeof later, "%s/later", t.dir);
	fds[0] = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[1] = open(volumes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[2] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	t.loop = loop_new(&e);
	t.image_ns = make_userns(IMAGE_ID_BASE, BASE, ID_RANGE_SIZE);
	t.host_ns = make_userns(0, BASE, ID_RANGE_SIZE);
	if (role_start(t.loop, &conf, &t.role, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
	return 0;
}

static int
teardown(void **state)
{
	if (geteuid() != 0)
		return 0;
	role_end(&t.role);
	loop_free(t.loop);
	test_dir_remove(t.dir);
	return 0;
}

/* The given mount, or -1 and the error. */
static int
wish(struct mount_wish w, struct err *e)
{
	struct mount_wishes m = { .wishes = { 1, &w } };
	own_arena a = ARENA_INIT;
	int fd = -1, ns[2] = { t.image_ns, t.host_ns };
	size_t n = 0;

	err_clear(e);
	if (edge_call(t.role.edge, NO_mount_give, &m, ns, 2, &a, NULL, &fd, 1, &n, 5000, e) < 0)
		return -1;
	assert_int_equal(n, 1);
	return fd;
}

static uid_t
owner(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW), 0);
	return st.st_uid;
}

static unsigned long
flags_of(int fd)
{
	struct statvfs v;

	assert_int_equal(fstatvfs(fd, &v), 0);
	return v.f_flag;
}

static char *
at(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", t.dir, name);
	return path;
}

#define ROOT_ONLY() do { if (geteuid() != 0) { print_message("SKIPPED: needs root\n"); skip(); } } while (0)

static void
layer_is_id_mapped_and_read_only(void **state)
{
	struct err e = ERR_INIT;
	own_fd fd = -1;

	ROOT_ONLY();
	fd = wish((struct mount_wish){ .kind = "layer", .name = ID }, &e);
	assert_true(fd >= 0);
	assert_int_equal(owner(fd, "f33"), BASE + 33);
	assert_int_equal(flags_of(fd) & (ST_RDONLY | ST_NODEV), ST_RDONLY | ST_NODEV);
}

static void
rw_and_volume_are_writable(void **state)
{
	struct err e = ERR_INIT;
	own_fd rw = -1, volume = -1, sub = -1;

	ROOT_ONLY();
	rw = wish((struct mount_wish){ .kind = "rw", .name = ID }, &e);
	volume = wish((struct mount_wish){ .kind = "volume", .name = "v1" }, &e);
	sub = wish((struct mount_wish){ .kind = "volume", .name = "v1", .subpath = "sub", .read_only = true }, &e);
	assert_true(rw >= 0 && volume >= 0 && sub >= 0);
	assert_int_equal(owner(rw, ""), BASE);
	assert_int_equal(flags_of(rw) & ST_RDONLY, 0);
	assert_int_equal(flags_of(volume) & ST_RDONLY, 0);
	assert_int_equal(flags_of(sub) & ST_RDONLY, ST_RDONLY);
	assert_int_equal(wish((struct mount_wish){ .kind = "volume", .name = "v1", .subpath = "../../v1" }, &e), -1);
}

static void
bad_names_are_refused(void **state)
{
	struct err e = ERR_INIT;

	ROOT_ONLY();
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = "/etc/../etc" }, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = "etc" }, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(wish((struct mount_wish){ .kind = "layer", .name = "../../etc" }, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_int_equal(wish((struct mount_wish){ .kind = "rw", .name = "." }, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_int_equal(wish((struct mount_wish){ .kind = "disk", .name = ID }, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_int_equal(wish((struct mount_wish){ .kind = "volume", .name = "nope" }, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
}

static void
missing_host_path_says_so_as_docker_does(void **state)
{
	struct err e = ERR_INIT;
	char text[600];

	ROOT_ONLY();
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = at("host/none/x") }, &e), -1);
	snprintf(text, sizeof text, "bind source path does not exist: %s", at("host/none/x"));
	assert_string_equal(e.text, text);
	assert_int_equal(e.code, ERR_INVALID);
}

static void
host_paths_keep_their_ids(void **state)
{
	struct err e = ERR_INIT;
	own_fd dir = -1, file = -1;

	ROOT_ONLY();
	dir = wish((struct mount_wish){ .kind = "host", .name = at("host") }, &e);
	assert_true(dir >= 0);
	assert_int_equal(owner(dir, ""), BASE);
	assert_int_equal(owner(dir, "user"), BASE + 1000);
	file = wish((struct mount_wish){ .kind = "host", .name = at("host/file"), .read_only = true }, &e);
	assert_true(file >= 0);
	assert_int_equal(owner(file, ""), BASE);
	assert_int_equal(flags_of(file) & ST_RDONLY, ST_RDONLY);
}

static void
missing_host_directory_is_made_as_its_parent_s_owner(void **state)
{
	struct err e = ERR_INIT;
	own_fd fd = -1, user = -1;
	struct stat st;

	ROOT_ONLY();
	fd = wish((struct mount_wish){ .kind = "host", .name = at("host/new/a/b"), .create = true }, &e);
	if (fd < 0)
		print_message("%s\n", e.text);
	assert_true(fd >= 0);
	assert_int_equal(stat(at("host/new/a"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* beside the engine's own directories */
	user = wish((struct mount_wish){ .kind = "host", .name = at("beside"), .create = true }, &e);
	assert_true(user >= 0);
	fd_close(&user);
	user = wish((struct mount_wish){ .kind = "host", .name = at("host/user/new"), .create = true }, &e);
	assert_true(user >= 0);
	assert_int_equal(stat(at("host/user/new"), &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = at("secret/new"), .create = true }, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(stat(at("secret/new"), &st), -1);
}

static void
floor_holds_against_every_way_in(void **state)
{
	struct err e = ERR_INIT;
	char target[512];
	static const char *const refused[] = { "secret", "secret/file", "store", "store/layers", "volumes/v1/_data", "", "link", "link/file",
		"up", "again", "again/file", "run", "run/socket", "later", "later/x" };

	ROOT_ONLY();
	snprintf(target, sizeof target, "%s/secret", t.dir);
	assert_int_equal(symlink(target, at("link")), 0);
	assert_int_equal(symlink("host/../secret/file", at("up")), 0);
	make_dir("again", 0755, 0);
	/* forbidden before it was there */
	make_dir("later", 0755, 0);
	make_dir("later/x", 0755, 0);
	assert_int_equal(mount(target, at("again"), NULL, MS_BIND, NULL), 0);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		char *path = at(refused[i]);

		if (refused[i][0] == '\0')
			path[strlen(path) - 1] = '\0';
		assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = path }, &e), -1);
		if (e.code != ERR_DENIED)
			print_message("%s: %s\n", path, e.text);
		assert_int_equal(e.code, ERR_DENIED);
	}
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = "/" }, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = "/proc/self/root" }, &e), -1);
	assert_int_equal(wish((struct mount_wish){ .kind = "host", .name = "/proc/self/fd/4" }, &e), -1);
	assert_int_equal(umount(at("again")), 0);
}

static void
devices_and_sub_mounts_come_along(void **state)
{
	struct err e = ERR_INIT;
	own_fd null = -1, deep = -1, flat = -1;
	struct stat st;

	ROOT_ONLY();
	null = wish((struct mount_wish){ .kind = "host", .name = "/dev/null" }, &e);
	assert_true(null >= 0);
	assert_int_equal(fstat(null, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(flags_of(null) & ST_NODEV, 0);
	make_dir("host/sub", 0755, 0);
	assert_int_equal(mount("proc", at("host/sub"), "proc", 0, NULL), 0);
	deep = wish((struct mount_wish){ .kind = "host", .name = at("host"), .read_only = true }, &e);
	flat = wish((struct mount_wish){ .kind = "host", .name = at("host"), .non_recursive = true }, &e);
	assert_true(deep >= 0 && flat >= 0);
	assert_int_equal(faccessat(deep, "sub/version", F_OK, 0), 0);
	assert_int_equal(owner(deep, "user"), BASE + 1000);
	assert_int_equal(faccessat(flat, "sub/version", F_OK, 0), -1);
	assert_int_equal(umount(at("host/sub")), 0);
}

/* As root of the container, with the descriptor in hand. 0: all is as it must be; else what was not. */
static int
unlock(int fd, const char *name, bool read_only)
{
	struct mount_attr off = { .attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV }, on = { .attr_set = MOUNT_ATTR_NOEXEC };
	own_fd clone = -1, file = -1;

	if (setns(t.host_ns, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0)
		return 1;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &off, sizeof off) == 0 || errno != EPERM)
		return 2;
	off.attr_clr = MOUNT_ATTR_NODEV;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &off, sizeof off) == 0 || errno != EPERM)
		return 3;
	if (move_mount(fd, "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return 4;
	clone = open_tree(AT_FDCWD, "/mnt", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	off.attr_clr = MOUNT_ATTR_RDONLY;
	if (clone < 0 || mount_setattr(clone, "", AT_EMPTY_PATH, &off, sizeof off) != (read_only ? -1 : 0))
		return 5;
	if (mount(NULL, "/mnt", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
		return 6;
	file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if ((file < 0) != read_only)
		return 7;
	/* and it can still be mounted and made stricter */
	if (read_only && (mount("tmpfs", "/srv", "tmpfs", 0, NULL) < 0 || mkdir("/srv/u", 0755) < 0 || mkdir("/srv/w", 0755) < 0 ||
	    mount("overlay", "/opt", "overlay", 0, "lowerdir=/mnt,upperdir=/srv/u,workdir=/srv/w,userxattr") < 0))
		return 8;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &on, sizeof on) < 0 ? 9 : 0;
}

static void
refuses_to_be_unlocked(struct mount_wish w, const char *name)
{
	struct err e = ERR_INIT;
	own_fd fd = wish(w, &e);
	int status = 0;
	pid_t pid;

	if (fd < 0)
		print_message("%s\n", e.text);
	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0)
		_exit(unlock(fd, name, w.read_only));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
flags_cannot_be_cleared_by_who_is_given_the_mount(void **state)
{
	ROOT_ONLY();
	refuses_to_be_unlocked((struct mount_wish){ .kind = "layer", .name = ID, .read_only = true }, "f33");
	refuses_to_be_unlocked((struct mount_wish){ .kind = "volume", .name = "v1", .read_only = true }, "new");
	refuses_to_be_unlocked((struct mount_wish){ .kind = "rw", .name = ID }, "new");
}

static void
host_flags_cannot_be_cleared_by_who_is_given_the_mount(void **state)
{
	struct err e = ERR_INIT;
	own_fd tree = -1;
	int status = 0;
	pid_t pid;

	ROOT_ONLY();
	make_dir("host/strict", 0755, 0);
	assert_int_equal(mount("tmpfs", at("host/strict"), "tmpfs", MS_NOSUID | MS_NODEV, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		tree = wish((struct mount_wish){ .kind = "host", .name = at("host"), .read_only = i == 1 }, &e);
		assert_true(tree >= 0);
		pid = fork();
		if (pid == 0) {
			struct mount_attr off = { .attr_clr = i == 1 ? MOUNT_ATTR_RDONLY : MOUNT_ATTR_NOSUID };

			if (setns(t.host_ns, CLONE_NEWUSER) < 0 || setresuid(0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0)
				_exit(1);
			/* the mount beneath it, and all of it */
			if (mount_setattr(tree, "strict", 0, &off, sizeof off) == 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &off, sizeof off) == 0)
				_exit(2);
			_exit((mount_setattr(tree, "", AT_EMPTY_PATH, &off, sizeof off) == 0) != (i == 0));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		fd_close(&tree);
	}
	assert_int_equal(umount(at("host/strict")), 0);
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void
many_wishes_at_once_are_quick(void **state)
{
	struct mount_wish w[EDGE_FDS_MAX];
	struct mount_wishes m = { .wishes = { 3, w } };
	int fds[EDGE_FDS_MAX], ns[2] = { t.image_ns, t.host_ns };
	int64_t spent;

	ROOT_ONLY();
	for (size_t i = 0; i < EDGE_FDS_MAX; i++)
		w[i] = (struct mount_wish){ .kind = "layer", .name = ID };
	for (unsigned round = 0; round < 2; round++) {
		spent = 0;
		for (unsigned i = 0; i < 20; i++) {
			own_arena arena = ARENA_INIT;
			struct err e = ERR_INIT;
			size_t n = 0;
			int64_t begin = now_ns();

			assert_int_equal(edge_call(t.role.edge, NO_mount_give, &m, ns, 2, &arena, NULL, fds, EDGE_FDS_MAX, &n, 5000, &e), 0);
			spent += now_ns() - begin;
			assert_int_equal(n, m.wishes.n);
			for (size_t k = 0; k < n; k++)
				close(fds[k]);
			usleep(3000);   /* as containers are started, not one right behind the other */
		}
		print_message("%zu mounts: %lld us\n", m.wishes.n, (long long)(spent / 20000));
		m.wishes.n = EDGE_FDS_MAX;
	}
}

static void
namespace_must_be_a_child_of_the_hosts(void **state)
{
	struct mount_wish w = { .kind = "layer", .name = ID };
	struct mount_wishes m = { .wishes = { 1, &w } };
	struct err e = ERR_INIT;
	own_arena a = ARENA_INIT;
	own_fd own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	int fds[2] = { own, t.host_ns }, out;
	size_t n;

	ROOT_ONLY();
	assert_int_equal(edge_call(t.role.edge, NO_mount_give, &m, fds, 2, &a, NULL, &out, 1, &n, 5000, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
}

static int
wish_on(struct edge *edge, struct mount_wish w, int ns, struct err *e)
{
	struct mount_wishes m = { .wishes = { 1, &w } };
	own_arena a = ARENA_INIT;
	int fd = -1;
	size_t n = 0;

	err_clear(e);
	return edge_call(edge, NO_mount_give, &m, &ns, 1, &a, NULL, &fd, 1, &n, 5000, e) < 0 ? -1 : fd;
}

/* Mounts for containers without a user namespace: only on the edge that the supervisor gives to the host-runtime. */
static void
the_hosts_ids_are_given_on_their_own_edge_only(void **state)
{
	struct ctl_edge name = { .name = "hostmount" };
	struct edge_conf conf = { .table = &mount_edge, .side = EDGE_A, .peer = "role" };
	struct err e = ERR_INIT;
	own_arena a = ARENA_INIT;
	own_fd layer = -1, host = -1, map = -1;
	struct edge *edge;
	int pair[2];

	ROOT_ONLY();
	map = make_userns(IMAGE_ID_BASE, 0, ID_RANGE_SIZE);
	assert_int_equal(wish_on(t.role.edge, (struct mount_wish){ .kind = "host", .name = at("host") }, map, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_int_equal(edge_pair(pair, &e), 0);
	assert_int_equal(edge_call(t.role.ctl, NO_ctl_edge, &name, &pair[1], 1, &a, NULL, NULL, 0, NULL, 5000, &e), 0);
	close(pair[1]);
	edge = edge_new(t.loop, pair[0], &conf, &e);
	assert_non_null(edge);
	layer = wish_on(edge, (struct mount_wish){ .kind = "layer", .name = ID }, map, &e);
	assert_true(layer >= 0);
	assert_int_equal(owner(layer, "f33"), 33);
	assert_int_equal(flags_of(layer) & (ST_RDONLY | ST_NODEV), ST_RDONLY | ST_NODEV);
	host = wish_on(edge, (struct mount_wish){ .kind = "host", .name = at("host"), .read_only = true }, map, &e);
	assert_true(host >= 0);
	assert_int_equal(owner(host, "user"), 1000);
	assert_int_equal(flags_of(host) & ST_RDONLY, ST_RDONLY);
	/* the floor is the same */
	assert_int_equal(wish_on(edge, (struct mount_wish){ .kind = "host", .name = at("secret/file") }, map, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(wish_on(edge, (struct mount_wish){ .kind = "host", .name = at("store") }, map, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	edge_free(edge);
	/* the runtime's edge is still there, and as it was */
	assert_int_equal(wish_on(t.role.edge, (struct mount_wish){ .kind = "layer", .name = ID }, map, &e), -1);
	host_paths_keep_their_ids(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layer_is_id_mapped_and_read_only),
		cmocka_unit_test(rw_and_volume_are_writable),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(missing_host_path_says_so_as_docker_does),
		cmocka_unit_test(host_paths_keep_their_ids),
		cmocka_unit_test(missing_host_directory_is_made_as_its_parent_s_owner),
		cmocka_unit_test(floor_holds_against_every_way_in),
		cmocka_unit_test(devices_and_sub_mounts_come_along),
		cmocka_unit_test(flags_cannot_be_cleared_by_who_is_given_the_mount),
		cmocka_unit_test(host_flags_cannot_be_cleared_by_who_is_given_the_mount),
		cmocka_unit_test(many_wishes_at_once_are_quick),
		cmocka_unit_test(namespace_must_be_a_child_of_the_hosts),
		cmocka_unit_test(the_hosts_ids_are_given_on_their_own_edge_only),
	};

	if (geteuid() == 0 && (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		return 1;
	return cmocka_run_group_tests_name("mounter", tests, setup, teardown);
}
