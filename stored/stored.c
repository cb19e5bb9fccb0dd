#include "stored.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const edge_fn handlers[store_edge_end] = {
	[NO_store_rw_create] = on_store_rw_create, [NO_store_rw_remove] = on_store_rw_remove,
	[NO_store_volume_create] = on_store_volume_create, [NO_store_volume_remove] = on_store_volume_remove,
	[NO_store_load] = on_store_load, [NO_store_import] = on_store_import, [NO_store_save] = on_store_save,
	[NO_store_drop] = on_store_drop, [NO_store_list] = on_store_list,
	[NO_store_changes] = on_store_changes, [NO_store_export] = on_store_export, [NO_store_commit] = on_store_commit,
	[NO_store_measure] = on_store_measure,
};

static void
on_edge_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct stored *s = ctx;

	if (s->edge == edge) {
		s->edge = NULL;
		/* nobody is left to record what they would bring */
		load_cancel_all(s);
	}
	edge_free(edge);
}

static int
stored_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	struct stored *s = c->ctx;
	struct edge_conf conf = {
		.table = &store_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = store_edge_end, .ctx = s, .peer = "broker",
		.on_closed = on_edge_closed,
	};

	if (strcmp(name, "store") != 0) {
		fd_close(&fd);
		return err_set(e, ERR_PROTOCOL, "no edge %s here", name);
	}
	load_cancel_all(s);
	edge_free(s->edge);
	s->edge = edge_new(c->loop, fd, &conf, e);
	if (s->edge == NULL) {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static void
stored_stop(struct comp *c, struct call *call)
{
	struct stored *s = c->ctx;

	load_cancel_all(s);
	trash_empty(s);
	if (s->emptier != NULL) {
		/* what it does not get done now is done at the next start; but a stop leaves the store tidy if it can */
		s->stop = call;
		return;
	}
	call_ok(call);
	loop_stop(c->loop);
}

/* The unpacker stands beside our own executable. */
static int
open_unpacker(struct comp *c, struct stored *s, struct err *e)
{
	static const char *const libraries[] = { "/lib", "/lib64", "/usr/lib", "/usr/lib64" };
	char path[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	int dir;

	if (n <= 0)
		return err_sys(e, errno, "find the unpacker");
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return err_set(e, ERR_SYSTEM, "find the unpacker");
	*slash = '\0';
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	s->child.unpacker = dir >= 0 ? openat(dir, "bulwark-unpacker", O_RDONLY | O_CLOEXEC) : -1;
	if (s->child.unpacker < 0)
		return err_sys(e, errno, "open %s/bulwark-unpacker", path);
	c->trees[c->n_trees++] = (struct role_tree){ .fd = dir, .exec = true, .close = true };
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries && c->n_trees < sizeof c->trees / sizeof *c->trees; i++) {
		dir = open(libraries[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			c->trees[c->n_trees++] = (struct role_tree){ .fd = dir, .exec = true, .close = true };
	}
	return 0;
}

static int
open_place(int dir, const char *name, mode_t mode, int *ret, struct err *e)
{
	*ret = fd_make_dir(dir, name, mode);
	return *ret < 0 ? err_sys(e, errno, "open %s of the store", name) : 0;
}

static int
open_places(struct stored *s, struct err *e)
{
	own_fd blobs = -1;

	if (open_place(s->store, "blobs", 0700, &blobs, e) < 0 || open_place(blobs, "sha256", 0700, &s->blobs, e) < 0 ||
	    open_place(s->store, "layers", 0700, &s->layers, e) < 0 || open_place(s->store, "rw", 0700, &s->rw, e) < 0 ||
	    open_place(s->store, "tmp", 0700, &s->tmp, e) < 0 ||
	    open_place(s->store, "empty", 0500, &s->empty, e) < 0 || open_place(s->store, "trash", 0700, &s->trash, e) < 0 ||
	    open_place(s->volumes, ".trash", 0700, &s->volume_trash, e) < 0 || open_place(s->volumes, ".new", 0700, &s->volume_new, e) < 0)
		return -1;
	return trash_open(s, e);
}

static int
stored_start(struct comp *c, const struct ctl_start *start, int *fds, size_t nfds, struct err *e)
{
	struct stored *s = c->ctx;
	unsigned char digest[32];

	if (nfds != 2)
		return err_set(e, ERR_PROTOCOL, "stored needs two directories");
	umask(0);
	s->comp = c;
	s->store = fd_take(&fds[0]);
	s->volumes = fd_take(&fds[1]);
	s->child.loop = c->loop;
	s->child.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->child.null < 0)
		return err_sys(e, errno, "open /dev/null");
	/* so that nothing is read from the host later */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_SYSTEM, "sha256");
	if (open_places(s, e) < 0)
		return -1;
	c->trees[c->n_trees++] = (struct role_tree){ .fd = s->store, .write = true };
	c->trees[c->n_trees++] = (struct role_tree){ .fd = s->volumes, .write = true };
	return open_unpacker(c, s, e);
}

int
main(void)
{
	struct stored s = { .store = -1, .volumes = -1 };
	struct comp c = { .role = ROLE_STORED, .ctx = &s, .start = stored_start, .edge = stored_edge, .stop = stored_stop };

	return comp_main(&c);
}
