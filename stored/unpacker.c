/*
 * One job, then the end: see unpack.h. Executed by stored for each stream that has to be parsed or written; confined to one
 * directory as its root, with no other descriptor than input, output and result.
 */
#include "fd.h"
#include "json.h"
#include "layer.h"
#include "log.h"
#include "outer.h"
#include "role.h"
#include "archive_save.h"
#include "text.h"
#include "trees.h"
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_MAX ((uint64_t)1 << 30)
#define CPU_MAX    3600
#define ENTRIES_MAX 2000000

struct job {
	const char *name;
	int (*run)(struct job *j, struct unpack_result *ret, struct err *e);
	/* before the sandbox is closed: which directories beneath its own it may read, and no others */
	int (*open)(struct job *j, struct err *e);
	uint64_t caps;              /* what it keeps */
	bool writes;                /* beneath its directory */
	uint64_t limit;
	struct arena arena;
	struct role_tree *trees;
	size_t n_trees;
	struct tree_dirs dirs;
	struct store_measure measure;
};

#define CAP(name) (UINT64_C(1) << CAP_##name)

static int
job_outer(struct job *j, struct unpack_result *ret, struct err *e)
{
	own_source in = { .fd = -1 };

	if (source_open(&in, UNPACK_IN, e) < 0)
		return -1;
	return outer_unpack(UNPACK_DIR, &in, j->limit, &j->arena, ret, e);
}

static int
job_inflate(struct job *j, struct unpack_result *ret, struct err *e)
{
	own_source in = { .fd = -1 };
	own_fd out = openat(UNPACK_DIR, "plain", O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	int64_t n;

	if (out < 0)
		return err_sys(e, errno, "create a file");
	if (source_open(&in, UNPACK_IN, e) < 0)
		return -1;
	while ((n = source_want(&in, 1, e)) > 0) {
		if (in.passed + (uint64_t)n > j->limit)
			return err_sys(e, ENOSPC, "write");
		if (fd_write_all(out, in.buf + in.at, (size_t)n) < 0)
			return err_sys(e, errno, "write");
		source_pass(&in, (size_t)n);
	}
	if (n == 0 && in.passed == 0)
		return err_set(e, ERR_INVALID, "unexpected EOF");
	return n < 0 ? -1 : 0;
}

static int
job_layer(struct job *j, struct unpack_result *ret, struct err *e)
{
	struct layer_limits limits = { .bytes = j->limit, .entries = ENTRIES_MAX };
	struct layer_result result = { 0 };
	own_source in = { .fd = -1 };

	if (source_open_plain(&in, UNPACK_IN, e) < 0 || layer_unpack(UNPACK_DIR, &in, &limits, &result, e) < 0)
		return -1;
	ret->size = (int64_t)result.size;
	ret->tar_size = (int64_t)result.tar_size;
	ret->skipped = (int64_t)result.skipped;
	return 0;
}

/* All of the input, at most max bytes. */
static int
read_input(struct buf *b, struct err *e)
{
	ssize_t n;

	for (;;) {
		if (!buf_room(b, 65536))
			return err_set(e, ERR_LIMIT, "input is too large");
		n = read(UNPACK_IN, b->data + b->used, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(e, errno, "read") : 0;
		b->used += (size_t)n;
	}
}

static int
job_config(struct job *j, struct unpack_result *ret, struct err *e)
{
	own_buf text = BUF_INIT(UNPACK_CONFIG_MAX + 65536);

	ret->config = arena_alloc(&j->arena, sizeof *ret->config);
	if (ret->config == NULL)
		return err_set(e, ERR_NO_MEMORY, "image configuration");
	if (read_input(&text, e) < 0)
		return -1;
	return image_config_read((const char *)text.data, text.used, &j->arena, ret->config, e);
}

static int
job_describe(struct job *j, struct unpack_result *ret, struct err *e)
{
	own_buf in = BUF_INIT(UNPACK_RESULT_MAX), text = BUF_INIT(UNPACK_CONFIG_MAX);
	own_fd out = openat(UNPACK_DIR, "config", O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct oci_config config = { 0 };

	if (out < 0)
		return err_sys(e, errno, "create a file");
	if (read_input(&in, e) < 0 || rec_decode_all(&oci_config_type, in.data, in.used, &j->arena, &config, e) < 0)
		return -1;
	json_put_rec(&text, &oci_config_type, &config);
	if (text.failed)
		return err_set(e, ERR_LIMIT, "image configuration is too large");
	return fd_write_all(out, text.data, text.used) < 0 ? err_sys(e, errno, "write") : 0;
}

static int
job_save(struct job *j, struct unpack_result *ret, struct err *e)
{
	own_buf in = BUF_INIT(UNPACK_RESULT_MAX);
	struct store_save what = { 0 };

	if (read_input(&in, e) < 0 || rec_decode_all(&store_save_type, in.data, in.used, &j->arena, &what, e) < 0)
		return -1;
	return save_images(UNPACK_DIR, UNPACK_OUT, &what, e);
}

/* ---- trees of files ---- */

static int
add_tree(struct job *j, const char *path, struct err *e)
{
	int fd = fd_open_beneath(UNPACK_DIR, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_sys(e, errno, "open %.100s", path);
	j->trees[j->n_trees++] = (struct role_tree){ .fd = fd };
	return fd;
}

static int
open_container(struct job *j, struct err *e)
{
	own_buf in = BUF_INIT(UNPACK_RESULT_MAX);
	struct store_tree what = { 0 };
	char path[160];

	if (read_input(&in, e) < 0 || rec_decode_all(&store_tree_type, in.data, in.used, &j->arena, &what, e) < 0)
		return -1;
	j->trees = arena_array(&j->arena, what.layers.n + 1, sizeof *j->trees);
	j->dirs.lowers = arena_array(&j->arena, what.layers.n + 1, sizeof *j->dirs.lowers);
	if (j->trees == NULL || j->dirs.lowers == NULL)
		return err_set(e, ERR_NO_MEMORY, "layers");
	(void)snprintf(path, sizeof path, "rw/%s/upper", what.id != NULL ? what.id : "");
	j->dirs.upper = add_tree(j, path, e);
	if (j->dirs.upper < 0)
		return -1;
	for (; j->dirs.n_lowers < what.layers.n; j->dirs.n_lowers++) {
		(void)snprintf(path, sizeof path, "layers/%s/fs", what.layers.v[j->dirs.n_lowers]);
		if ((j->dirs.lowers[j->dirs.n_lowers] = add_tree(j, path, e)) < 0)
			return -1;
	}
	return 0;
}

static int
open_measured(struct job *j, struct err *e)
{
	own_buf in = BUF_INIT(UNPACK_RESULT_MAX);

	if (read_input(&in, e) < 0 || rec_decode_all(&store_measure_type, in.data, in.used, &j->arena, &j->measure, e) < 0)
		return -1;
	j->trees = arena_alloc(&j->arena, sizeof *j->trees);
	if (j->trees == NULL)
		return err_set(e, ERR_NO_MEMORY, "sizes");
	return add_tree(j, j->measure.rws.n > 0 ? "rw" : ".", e) < 0 ? -1 : 0;
}

static int
job_changes(struct job *j, struct unpack_result *ret, struct err *e)
{
	return tree_changes(&j->dirs, UNPACK_OUT, e);
}

static int
job_pack(struct job *j, struct unpack_result *ret, struct err *e)
{
	return tree_pack(&j->dirs, UNPACK_OUT, j->limit, e);
}

static int
job_export(struct job *j, struct unpack_result *ret, struct err *e)
{
	return tree_export(&j->dirs, UNPACK_OUT, e);
}

static int
job_sizes(struct job *j, struct unpack_result *ret, struct err *e)
{
	bool containers = j->measure.rws.n > 0;
	const struct strs *names = containers ? &j->measure.rws : &j->measure.volumes;

	ret->sizes.v = arena_array(&j->arena, names->n, sizeof *ret->sizes.v);
	if (ret->sizes.v == NULL)
		return err_set(e, ERR_NO_MEMORY, "sizes");
	for (size_t i = 0; i < names->n; i++) {
		struct store_size *s = &ret->sizes.v[ret->sizes.n++];
		struct err one = ERR_INIT;
		char path[NAME_MAX_ + 16];
		own_fd fd = -1;

		(void)snprintf(path, sizeof path, containers ? "%s/upper" : "%s/_data", names->v[i]);
		*s = (struct store_size){ .name = names->v[i], .size = -1 };
		fd = fd_open_beneath(j->trees[0].fd, path, O_RDONLY | O_DIRECTORY, 0);
		/* one that is gone meanwhile, or cannot be walked, does not stand in the way of the others */
		if (fd >= 0 && tree_size(fd, containers, &s->size, &one) < 0)
			s->size = -1;
	}
	return 0;
}

static struct job jobs[] = {
	{ .name = "outer", .run = job_outer, .writes = true },
	{ .name = "inflate", .run = job_inflate, .writes = true },
	{ .name = "layer", .run = job_layer, .writes = true,
	    .caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP) | CAP(MKNOD) },
	{ .name = "config", .run = job_config },
	{ .name = "describe", .run = job_describe, .writes = true },
	/* files of a layer belong to anybody */
	{ .name = "save", .run = job_save, .caps = CAP(DAC_OVERRIDE) },
	{ .name = "changes", .run = job_changes, .open = open_container, .caps = CAP(DAC_OVERRIDE) },
	{ .name = "pack", .run = job_pack, .open = open_container, .caps = CAP(DAC_OVERRIDE) },
	{ .name = "export", .run = job_export, .open = open_container, .caps = CAP(DAC_OVERRIDE) },
	{ .name = "sizes", .run = job_sizes, .open = open_measured, .caps = CAP(DAC_OVERRIDE) },
};

static int
keep_caps(uint64_t caps, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, errno, "drop capabilities");
	return 0;
}

static int
limit(int what, uint64_t value, struct err *e)
{
	struct rlimit r = { value, value };

	return setrlimit(what, &r) < 0 ? err_sys(e, errno, "resource limit") : 0;
}

static int
confine(struct job *j, struct err *e)
{
	struct role_tree tree = { .fd = UNPACK_DIR, .write = j->writes };

	if (fchdir(UNPACK_DIR) < 0 || chroot(".") < 0)
		return err_sys(e, errno, "enter the directory");
	umask(0);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR || keep_caps(j->caps, e) < 0)
		return err_sys(e, errno, "signals");
	if (limit(RLIMIT_CORE, 0, e) < 0 || limit(RLIMIT_CPU, CPU_MAX, e) < 0 || limit(RLIMIT_FSIZE, j->limit, e) < 0)
		return -1;
#ifndef BULWARK_SANITIZED
	if (limit(RLIMIT_AS, MEMORY_MAX, e) < 0)
		return -1;
#endif
	if (j->open == NULL)
		return role_sandbox(ROLE_UNPACKER, &tree, 1, e);
	return j->open(j, e) < 0 ? -1 : role_sandbox(ROLE_UNPACKER, j->trees, j->n_trees, e);
}

static int
answer(struct unpack_result *r, const struct err *failed)
{
	own_buf out = BUF_INIT(UNPACK_RESULT_MAX);
	struct err e = ERR_INIT;

	if (failed->code != ERR_NONE)
		*r = (struct unpack_result){ .code = failed->code, .sys = failed->sys, .text = (char *)(uintptr_t)failed->text };
	if (rec_encode(&unpack_result_type, r, &out, &e) < 0) {
		/* something in it is beyond its bound */
		*r = (struct unpack_result){ .code = e.code, .text = e.text };
		buf_reset(&out);
		if (rec_encode(&unpack_result_type, r, &out, &e) < 0)
			return EXIT_FAILURE;
	}
	return fd_write_all(UNPACK_RESULT, out.data, out.used) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct unpack_result result = { 0 };
	struct err e = ERR_INIT;
	struct job *j = NULL;

	log_init("unpacker", LOG_INFO, false);
	for (size_t i = 0; argc == 3 && i < sizeof jobs / sizeof *jobs; i++)
		if (strcmp(argv[1], jobs[i].name) == 0)
			j = &jobs[i];
	if (j == NULL || !text_to_u64(argv[2], INT64_MAX, &j->limit)) {
		fprintf(stderr, "bulwark-unpacker is started by bulwark-stored only\n");
		return EXIT_FAILURE;
	}
	json_init();
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	j->arena.max = UNPACK_RESULT_MAX * 4;
	if (confine(j, &e) == 0)
		(void)j->run(j, &result, &e);
	return answer(&result, &e);
}
