/*
 * Importing: the tar of a root file system becomes an image with one layer. The same steps as a load, but the configuration
 * is written here (by a child, from a record) when the layer's digest is known.
 */
#include "load.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void
on_described(void *ctx, const unsigned char *said, size_t n)
{
	struct load *l = ctx;
	struct unpack_result r;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	own_fd fd = -1;

	l->child = NULL;
	if (load_result(said, n, &a, &r, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	fd = load_open(l, "in/config");
	if (fd < 0)
		err_sys(&e, errno, "open the image configuration");
	if (fd < 0 || load_take_config(l, fd, &e) < 0)
		load_fail(l, &e);
	else
		load_finish_image(l);
}

static const char *
machine(void)
{
#if defined(__aarch64__)
	return "arm64";
#else
	return "amd64";
#endif
}

/* "os/arch/variant" over the machine's own. */
static int
set_platform(struct load *l, const char *platform, struct err *e)
{
	struct oci_config *c = &l->config;
	char *copy = arena_str(&l->config_arena, platform != NULL ? platform : ""), *save = NULL, *os, *arch;

	if (copy == NULL)
		return err_set(e, ERR_NO_MEMORY, "image");
	os = strtok_r(copy, "/", &save);
	arch = strtok_r(NULL, "/", &save);
	c->variant = strtok_r(NULL, "/", &save);
	c->os = os != NULL ? os : (char *)(uintptr_t)"linux";
	c->architecture = arch != NULL ? arch : (char *)(uintptr_t)machine();
	if (strcmp(c->os, "linux") != 0)
		return err_set(e, ERR_INVALID, "operating system is not supported");
	return 0;
}

static int
import_config(struct load *l, struct err *e)
{
	struct layer_job *j = &l->jobs[0];
	struct oci_config *c = &l->config;
	struct history *h = arena_alloc(&l->config_arena, sizeof *h);

	c->rootfs = arena_alloc(&l->config_arena, sizeof *c->rootfs);
	c->config = l->import->config != NULL ? l->import->config : arena_alloc(&l->config_arena, sizeof *c->config);
	if (h == NULL || c->rootfs == NULL || c->config == NULL || !strs_add(&c->rootfs->diff_ids, &l->config_arena, j->diff_id))
		return err_set(e, ERR_NO_MEMORY, "image");
	c->rootfs->type = (char *)(uintptr_t)"layers";
	c->created = now_real_ns();
	c->comment = l->import->message != NULL && l->import->message[0] != '\0' ? l->import->message : (char *)(uintptr_t)"Imported from -";
	*h = (struct history){ .created = c->created, .comment = c->comment };
	c->history.n = 1;
	c->history.v = h;
	return set_platform(l, l->import->platform, e);
}

int
load_describe(struct load *l, struct err *e)
{
	own_buf text = BUF_INIT(UNPACK_CONFIG_MAX);
	own_fd in = memfd_create("config", MFD_CLOEXEC), dir = fd_make_dir(l->dir, "in", 0700);

	if (rec_encode(&oci_config_type, &l->config, &text, e) < 0)
		return -1;
	if (in < 0 || dir < 0 || fd_write_all(in, text.data, text.used) < 0 || lseek(in, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "write an image configuration");
	l->child = child_unpack(&l->s->child, "describe", UNPACK_CONFIG_MAX, in, -1, dir, on_described, l, e);
	return l->child == NULL ? -1 : 0;
}

static void
on_layer(struct load *l)
{
	struct layer_job *j = &l->jobs[0];
	struct err e = ERR_INIT;

	if (load_chain(j, &e) < 0 || load_look_up(j, &e) < 0 || import_config(l, &e) < 0 || load_describe(l, &e) < 0)
		load_fail(l, &e);
}

int
on_store_import(struct call *c, const void *msg, struct err *e)
{
	struct load *l = load_new(c, e);

	if (l == NULL)
		return -1;
	l->import = msg;
	l->on_layer = on_layer;
	l->jobs = calloc(1, sizeof *l->jobs);
	if (l->jobs == NULL) {
		load_free(l);
		return err_set(e, ERR_NO_MEMORY, "load");
	}
	l->n_jobs = 1;
	l->jobs[0].load = l;
	l->running = 1;
	if (load_inflate(&l->jobs[0], c->fds[0], e) < 0) {
		load_free(l);
		return -1;
	}
	fd_close(&c->fds[0]);
	return 0;
}
