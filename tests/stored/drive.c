/*
 * Runs stored on a data root and gives it commands, for trying and measuring by hand. Root only.
 *
 *	drive DATA_ROOT [load FILE | import FILE | save OUT | list | rm | wait MS]...
 *
 * save takes the images that were loaded by the same run; rm drops them.
 */
#include "fd.h"
#include "harness.h"
#include "msg/give.h"
#include "msg/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct loop *loop;
static struct started role;
static struct arena kept = ARENA_INIT;
static struct image_list images;
static bool failed;

static void
on_answer(void *ctx, struct answer *a)
{
	const struct store_loaded *l = a->msg;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		printf("error (%s): %s\n", err_name(a->err->code), a->err->text);
		failed = true;
	} else if (ctx != NULL && l->image != NULL) {
		struct image *i = list_add(&images, &kept, sizeof *i);

		if (i == NULL || rec_copy(&image_type, l->image, &kept, i, &e) < 0)
			abort();
		printf("image %s %s size %lld layers %zu cmd %s\n", i->id, i->repo_tags.n > 0 ? i->repo_tags.v[0] : "-", (long long)i->size,
		    i->layers.n, i->config != NULL && i->config->cmd.n > 0 ? i->config->cmd.v[0] : "-");
	}
	if (!a->more)
		loop_stop(loop);
}

static void
run(const char *what, unsigned no, const void *msg, int fd, void *ctx)
{
	struct err e = ERR_INIT;
	int64_t start = now_mono_ns();

	if (edge_send(role.edge, no, msg, &fd, fd >= 0 ? 1 : 0, on_answer, ctx, &e) < 0 || (close(fd), loop_run(loop, &e)) < 0) {
		printf("%s\n", e.text);
		exit(1);
	}
	printf("%s: %.1f ms\n", what, (double)(now_mono_ns() - start) / 1e6);
}

static void
print_list(void)
{
	struct store_inventory v = { 0 };
	struct err e = ERR_INIT;
	own_arena a = ARENA_INIT;

	if (edge_call(role.edge, NO_store_list, &(struct none){ 0 }, NULL, 0, &a, &v, NULL, 0, NULL, 10000, &e) < 0) {
		printf("%s\n", e.text);
		exit(1);
	}
	printf("images %zu layers %zu rws %zu volumes %zu\n", v.image_ids.n, v.layers.n, v.rws.n, v.volumes.n);
}

static void
drop(void)
{
	for (size_t i = 0; i < images.n; i++) {
		struct store_drop d = { .image_ids = { 1, &images.v[i].id } };

		for (size_t k = 0; k < images.v[i].layers.n; k++)
			if (!strs_add(&d.layers, &kept, images.v[i].layers.v[k].dir))
				abort();
		run("rm", NO_store_drop, &d, -1, NULL);
	}
	images.n = 0;
}

static int
dir_of(const char *root, const char *name)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", root, name);
	if (mkdir(path, 0700) == 0 && chown(path, IMAGE_ID_BASE, IMAGE_ID_BASE) < 0)
		perror(path);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
main(int argc, char **argv)
{
	struct engine_config config = { .debug = true };
	struct ctl_start start = { .config = &config };
	struct err e = ERR_INIT;
	int fds[2];
	struct start_conf conf = { .role = ROLE_STORED, .binary = BUILD_DIR "/stored/bulwark-stored", .start = &start, .fds = fds, .nfds = 2,
		.table = &store_edge, .edge_name = "store" };

	if (argc < 2)
		return 1;
	fds[0] = dir_of(argv[1], "store");
	fds[1] = dir_of(argv[1], "volumes");
	loop = loop_new(&e);
	if (role_start(loop, &conf, &role, &e) < 0) {
		printf("start: %s\n", e.text);
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "list") == 0) {
			print_list();
		} else if (strcmp(argv[i], "rm") == 0) {
			drop();
		} else if (i + 1 < argc && strcmp(argv[i], "wait") == 0) {
			usleep((unsigned)atoi(argv[++i]) * 1000);
		} else if (i + 1 < argc && strcmp(argv[i], "load") == 0) {
			run("load", NO_store_load, &(struct api_load){ 0 }, open(argv[++i], O_RDONLY | O_CLOEXEC), &kept);
		} else if (i + 1 < argc && strcmp(argv[i], "import") == 0) {
			run("import", NO_store_import, &(struct api_import){ 0 }, open(argv[++i], O_RDONLY | O_CLOEXEC), &kept);
		} else if (i + 1 < argc && strcmp(argv[i], "save") == 0) {
			struct store_save s = { .images = { images.n, images.v } };

			run("save", NO_store_save, &s, open(argv[++i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), NULL);
		}
	}
	role_end(&role);
	loop_free(loop);
	return failed ? 1 : 0;
}
