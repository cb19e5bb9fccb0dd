/*
 * Loading: a chain of children and short steps between them, driven by the loop.
 *
 *	outer: the stream is spooled to files                       (import: inflate)
 *	for each image: its configuration is hashed here (that is its id) and parsed by a child of its own
 *	    for each layer that is not there yet, two at a time: (inflate,) then side by side the hash (our own code, over
 *	    the very file that is unpacked, which nobody can change any more) and the unpacker
 *	    synced, then each layer and the configuration is renamed into place, and the broker is told
 *
 * All of it is in a directory of tmp until the last step, so whatever fails or dies leaves only trash.
 */
#include "load.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOADS_MAX   8
#define AT_ONCE     2
#define SPARE       ((uint64_t)64 << 20)   /* left free on the disk */

static void next_image(struct load *l);
static void next_layers(struct load *l);

/* ---- ends ---- */

void
load_free(struct load *l)
{
	struct err e = ERR_INIT;

	child_kill(l->child);
	for (size_t i = 0; i < l->n_jobs; i++) {
		child_kill(l->jobs[i].child);
		child_kill(l->jobs[i].hash);
	}
	for (struct load **p = &l->s->loads; *p != NULL; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			l->s->n_loads--;
			break;
		}
	pin_remove_all(l->s, l);
	fd_close(&l->dir);
	if (l->name[0] != '\0' && trash_put(l->s, l->s->tmp, l->name, &e) < 0)
		log_err(LOG_WARN, &e, "cannot remove what a load left");
	arena_done(&l->arena);
	arena_done(&l->config_arena);
	free(l->jobs);
	free(l);
}

void
load_fail(struct load *l, struct err *e)
{
	struct call *call = l->call;

	/* in the words of the Docker engine */
	if (e->sys == ENOSPC || e->sys == EDQUOT || e->sys == EFBIG)
		err_set(e, ERR_SYSTEM, "no space left on device");
	log_err(LOG_WARN, e, "%s", l->commit != NULL ? "commit" : l->import != NULL ? "import" : "load");
	load_free(l);
	call_fail(call, e);
}

void
load_cancel_all(struct stored *s)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE, "canceled");
	while (s->loads != NULL)
		load_fail(s->loads, &e);
}

int
load_result(const unsigned char *said, size_t n, struct arena *a, struct unpack_result *ret, struct err *e)
{
	*ret = (struct unpack_result){ 0 };
	if (n == 0 || rec_decode_all(&unpack_result_type, said, n, a, ret, e) < 0)
		return err_set(e, ERR_SYSTEM, "the unpacker ended without an answer");
	if (ret->code == ERR_NONE)
		return 0;
	err_set(e, ret->code < ERR_CODE_COUNT ? (enum err_code)ret->code : ERR_SYSTEM, "%s", ret->text != NULL ? ret->text : "unpacker");
	e->sys = (int)ret->sys;
	return -1;
}

uint64_t
load_room(const struct load *l)
{
	struct statvfs v;
	uint64_t free_bytes;

	if (fstatvfs(l->s->store, &v) < 0)
		return 0;
	free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return free_bytes > SPARE ? free_bytes - SPARE : 0;
}

int
load_open(const struct load *l, const char *path)
{
	own_fd fd = fd_open_beneath(l->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return fd_take(&fd);
}

static int
open_numbered(const struct load *l, int64_t no, struct err *e)
{
	char path[32];
	int fd;

	snprintf(path, sizeof path, "in/%lld", (long long)no);
	fd = load_open(l, path);
	return fd < 0 ? err_sys(e, errno, "open a file of the archive") : fd;
}

/* ---- the image is complete ---- */

static char *
short_tag(struct arena *a, const char *tag)
{
	static const char *const prefixes[] = { "docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/" };
	const char *slash;

	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (text_starts(tag, prefixes[i])) {
			tag += strlen(prefixes[i]);
			break;
		}
	slash = strrchr(tag, '/');
	return arena_printf(a, "%s%s", tag, strchr(slash != NULL ? slash : tag, ':') == NULL ? ":latest" : "");
}

static int
image_of(const struct load *l, struct arena *a, struct image *ret, struct err *e)
{
	const struct oci_config *c = &l->config;

	*ret = (struct image){ .created = c->created, .author = c->author, .comment = c->comment, .config = c->config,
		.architecture = c->architecture, .variant = c->variant, .os = c->os, .docker_version = c->docker_version };
	memcpy(&ret->history, &c->history, sizeof ret->history);
	if (ret->config == NULL)
		ret->config = arena_alloc(a, sizeof *ret->config);
	if (ret->os == NULL || ret->os[0] == '\0')
		ret->os = arena_str(a, "linux");
	ret->id = arena_printf(a, "sha256:%s", l->id);
	ret->layers.v = arena_array(a, l->n_jobs, sizeof *ret->layers.v);
	ret->layers.n = l->n_jobs;
	if (ret->id == NULL || ret->layers.v == NULL || ret->os == NULL || ret->config == NULL)
		return err_set(e, ERR_NO_MEMORY, "image");
	for (size_t i = 0; i < l->n_jobs; i++) {
		ret->layers.v[i] = (struct image_layer){ .diff_id = l->jobs[i].diff_id, .dir = l->jobs[i].chain, .size = l->jobs[i].size };
		ret->size += l->jobs[i].size;
	}
	for (size_t i = 0; i < l->image.tags.n; i++) {
		const char *tag = short_tag(a, l->image.tags.v[i]);

		if (tag == NULL || !strs_add(&ret->repo_tags, a, tag))
			return err_set(e, ERR_NO_MEMORY, "image");
	}
	return 0;
}

static int
place_layer(struct load *l, struct layer_job *j, struct err *e)
{
	char name[16];

	if (j->there)
		return 0;
	snprintf(name, sizeof name, "L%u", j->no);
	if (renameat2(l->dir, name, l->s->layers, j->chain, RENAME_NOREPLACE) == 0 || errno == EEXIST)
		return 0;   /* EEXIST: another load was faster; ours goes with its directory */
	return err_sys(e, errno, "put a layer in place");
}

static int
place(struct load *l, struct err *e)
{
	for (size_t i = 0; i < l->n_jobs; i++)
		if (place_layer(l, &l->jobs[i], e) < 0)
			return -1;
	if (renameat(l->dir, "config", l->s->blobs, l->id) < 0)
		return err_sys(e, errno, "put an image's configuration in place");
	if (fsync(l->s->layers) < 0 || fsync(l->s->blobs) < 0)
		return err_sys(e, errno, "put an image in place");
	return 0;
}

static void
on_synced(void *ctx, const unsigned char *said, size_t n)
{
	struct load *l = ctx;
	own_arena a = ARENA_INIT;
	struct image image;
	struct store_loaded loaded = { .image = &image };
	struct err e = ERR_INIT;

	l->child = NULL;
	if (n == 0)
		err_set(&e, ERR_SYSTEM, "the image could not be written to disk");
	if (e.code != ERR_NONE || place(l, &e) < 0 || image_of(l, &a, &image, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	if (l->on_layer != NULL) {
		/* the image's texts are in the load's memory */
		if (l->commit != NULL)
			call_reply(l->call, &(struct store_committed){ .image = &image }, NULL, 0);
		else
			call_reply(l->call, &loaded, NULL, 0);
		load_free(l);
		return;
	}
	if (call_reply_more(l->call, &loaded, NULL, 0) < 0) {
		err_set(&e, ERR_UNAVAILABLE, "the broker is gone");
		load_fail(l, &e);
		return;
	}
	l->at++;
	next_image(l);
}

void
load_finish_image(struct load *l)
{
	struct err e = ERR_INIT;

	l->child = child_fork(&l->s->child, work_sync, (int[]){ l->s->store }, 1, on_synced, l, &e);
	if (l->child == NULL)
		load_fail(l, &e);
}

/* ---- layers ---- */

/* Hash and unpacker are both done: does the layer count? */
static int
check_layer(struct layer_job *j, struct err *e)
{
	char name[32], info[160];
	own_fd fd = -1;
	int n;

	/* not synced by itself: all of the image is, before it is renamed into place */
	snprintf(name, sizeof name, "L%u/info", j->no);
	fd = fd_open_beneath(j->load->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	n = snprintf(info, sizeof info, "%s %lld %lld\n", j->diff_id, (long long)j->size, (long long)j->tar_size);
	if (fd < 0 || fd_write_all(fd, info, (size_t)n) < 0)
		return err_sys(e, errno, "write a layer's record");
	return 0;
}

/* Is file no of the archive still to be read? */
static bool
is_wanted(const struct load *l, int64_t no)
{
	for (size_t k = 0; k < l->n_jobs; k++)
		if (l->image.layers.v[k].no == no && (k >= l->next_job || l->jobs[k].child != NULL))
			return true;
	for (size_t i = l->at + 1; i < l->outer.images.n; i++) {
		const struct unpack_image *image = &l->outer.images.v[i];

		for (size_t k = 0; k < image->layers.n; k++)
			if (image->layers.v[k].no == no)
				return true;
		if (image->config == no)
			return true;
	}
	return false;
}

/* The spooled files of a layer that is unpacked are removed at once: what is gone before the sync is never written to disk. */
static void
drop_spool(const struct layer_job *j)
{
	const struct load *l = j->load;
	char path[32];

	snprintf(path, sizeof path, "p%u/plain", j->no);
	(void)unlinkat(l->dir, path, 0);
	if (l->on_layer != NULL || is_wanted(l, l->image.layers.v[j->no].no))
		return;
	snprintf(path, sizeof path, "in/%lld", (long long)l->image.layers.v[j->no].no);
	(void)unlinkat(l->dir, path, 0);
}

static void
layer_done(struct layer_job *j)
{
	struct load *l = j->load;
	struct err e = ERR_INIT;

	if (!j->unpacked || !j->hashed)
		return;
	drop_spool(j);
	if (check_layer(j, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	l->running--;
	if (l->on_layer != NULL)
		l->on_layer(l);
	else
		next_layers(l);
}

static void
on_unpacked(void *ctx, const unsigned char *said, size_t n)
{
	struct layer_job *j = ctx;
	struct unpack_result r;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	j->child = NULL;
	if (load_result(said, n, &a, &r, &e) < 0) {
		load_fail(j->load, &e);
		return;
	}
	if (r.skipped > 0)
		log_msg(LOG_INFO, "layer %s: %lld device nodes or attributes were left out", j->diff_id, (long long)r.skipped);
	j->size = r.size;
	j->tar_size = r.tar_size;
	j->unpacked = true;
	layer_done(j);
}

static void
on_hashed(void *ctx, const unsigned char *said, size_t n)
{
	struct layer_job *j = ctx;
	struct err e = ERR_INIT;
	char hex[65];

	j->hash = NULL;
	if (n != 32) {
		err_set(&e, ERR_SYSTEM, "a layer could not be read");
		load_fail(j->load, &e);
		return;
	}
	text_hex(hex, said, 32);
	if (j->load->on_layer != NULL) {
		snprintf(j->diff_id, sizeof j->diff_id, "sha256:%s", hex);
	} else if (strcmp(hex, j->diff_id + 7) != 0) {
		err_set(&e, ERR_INVALID, "invalid diffID for layer %u: expected \"%s\", got \"sha256:%s\"", j->no, j->diff_id, hex);
		load_fail(j->load, &e);
		return;
	}
	j->hashed = true;
	layer_done(j);
}

int
load_unpack(struct layer_job *j, int tar, struct err *e)
{
	struct load *l = j->load;
	char name[16];
	own_fd dir = -1;

	snprintf(name, sizeof name, "L%u", j->no);
	dir = fd_make_dir(l->dir, name, 0700);
	if (dir < 0)
		return err_sys(e, errno, "make a layer's directory");
	j->hash = child_fork(&l->s->child, work_sha256, (int[]){ tar }, 1, on_hashed, j, e);
	if (j->hash == NULL)
		return -1;
	j->child = child_unpack(&l->s->child, "layer", load_room(l), tar, -1, dir, on_unpacked, j, e);
	return j->child == NULL ? -1 : 0;
}

static void
on_inflated(void *ctx, const unsigned char *said, size_t n)
{
	struct layer_job *j = ctx;
	struct load *l = j->load;
	struct unpack_result r;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	own_fd tar = -1;
	char path[32];

	j->child = NULL;
	if (load_result(said, n, &a, &r, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	snprintf(path, sizeof path, "p%u/plain", j->no);
	tar = load_open(l, path);
	if (tar < 0)
		err_sys(&e, errno, "open a layer");
	if (tar < 0 || load_unpack(j, tar, &e) < 0)
		load_fail(l, &e);
}

int
load_inflate(struct layer_job *j, int in, struct err *e)
{
	struct load *l = j->load;
	char name[16];
	own_fd dir = -1;

	snprintf(name, sizeof name, "p%u", j->no);
	dir = fd_make_dir(l->dir, name, 0700);
	if (dir < 0)
		return err_sys(e, errno, "make a directory");
	j->child = child_unpack(&l->s->child, "inflate", load_room(l), in, -1, dir, on_inflated, j, e);
	return j->child == NULL ? -1 : 0;
}

int
load_look_up(struct layer_job *j, struct err *e)
{
	char path[96], info[160];
	long long size;
	ssize_t n;

	if (pin_add(j->load->s, j->chain, j->load, e) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/info", j->chain);
	n = fd_read_text(j->load->s->layers, path, info, sizeof info);
	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read a layer's record");
	if (sscanf(info, "%*s %lld", &size) != 1 || strncmp(info, j->diff_id, strlen(j->diff_id)) != 0)
		return err_set(e, ERR_SYSTEM, "the record of layer %s is damaged", j->chain);
	j->size = size;
	j->there = true;
	return 0;
}

static int
start_layer(struct load *l, struct layer_job *j, struct err *e)
{
	const struct unpack_file *f = &l->image.layers.v[j->no];
	own_fd in = -1;

	if (load_look_up(j, e) < 0)
		return -1;
	if (j->there)
		return 0;
	in = open_numbered(l, f->no, e);
	if (in < 0)
		return -1;
	l->running++;
	return f->compressed ? load_inflate(j, in, e) : load_unpack(j, in, e);
}

static void
next_layers(struct load *l)
{
	struct err e = ERR_INIT;

	while (l->running < AT_ONCE && l->next_job < l->n_jobs)
		if (start_layer(l, &l->jobs[l->next_job++], &e) < 0) {
			load_fail(l, &e);
			return;
		}
	if (l->running == 0)
		load_finish_image(l);
}

/* ---- configurations ---- */

static int
sha256_text(const void *text, size_t n, char hex[65], struct err *e)
{
	unsigned char digest[32];

	if (EVP_Digest(text, n, digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_SYSTEM, "sha256");
	text_hex(hex, digest, sizeof digest);
	return 0;
}

int
load_chain(struct layer_job *j, struct err *e)
{
	char both[160];

	if (j->no == 0) {
		memcpy(j->chain, j->diff_id + 7, 65);
		return 0;
	}
	snprintf(both, sizeof both, "sha256:%s %s", (j - 1)->chain, j->diff_id);
	return sha256_text(both, strlen(both), j->chain, e);
}

static int
make_jobs(struct load *l, struct err *e)
{
	const struct strs *ids = &l->config.rootfs->diff_ids;

	if (ids->n != l->image.layers.n)
		return err_set(e, ERR_INVALID, "invalid manifest, layers length mismatch: expected %zu, got %zu", l->image.layers.n, ids->n);
	if (ids->n > LOAD_LAYERS_MAX)
		return err_set(e, ERR_LIMIT, "max depth exceeded");
	l->jobs = calloc(ids->n + 1, sizeof *l->jobs);
	if (l->jobs == NULL)
		return err_set(e, ERR_NO_MEMORY, "layers");
	l->n_jobs = ids->n;
	for (size_t i = 0; i < ids->n; i++) {
		struct layer_job *j = &l->jobs[i];

		j->load = l;
		j->no = (unsigned)i;
		if (!text_starts(ids->v[i], "sha256:") || !text_is_id(ids->v[i] + 7) || !text_copy(j->diff_id, sizeof j->diff_id, ids->v[i]))
			return err_set(e, ERR_INVALID, "invalid image configuration: bad diff id");
		if (load_chain(j, e) < 0)
			return -1;
	}
	return 0;
}

static void
on_config(void *ctx, const unsigned char *said, size_t n)
{
	struct load *l = ctx;
	struct unpack_result r;
	struct err e = ERR_INIT;

	l->child = NULL;
	if (load_result(said, n, &l->config_arena, &r, &e) < 0) {
		load_fail(l, &e);
		return;
	}
	if (r.config == NULL || r.config->rootfs == NULL) {
		err_set(&e, ERR_SYSTEM, "the unpacker's answer is incomplete");
		load_fail(l, &e);
		return;
	}
	l->config = *r.config;
	if (make_jobs(l, &e) < 0)
		load_fail(l, &e);
	else
		next_layers(l);
}

int
load_take_config(struct load *l, int fd, struct err *e)
{
	struct stat st;
	char *text;
	ssize_t n;
	int r = -1;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "image configuration");
	if ((uint64_t)st.st_size > UNPACK_CONFIG_MAX)
		return err_set(e, ERR_LIMIT, "image configuration is too large");
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return err_set(e, ERR_NO_MEMORY, "image configuration");
	n = pread(fd, text, (size_t)st.st_size, 0);
	if (n != st.st_size)
		err_sys(e, n < 0 ? errno : EIO, "read an image configuration");
	else if (sha256_text(text, (size_t)n, l->id, e) == 0)
		r = fd_replace_file(l->dir, "config", text, (size_t)n, 0600) < 0 ? err_sys(e, errno, "write an image configuration") :
		    pin_add(l->s, l->id, l, e);
	free(text);
	return r;
}

static int
start_image(struct load *l, struct err *e)
{
	own_fd fd = -1, blob = -1;

	l->image = l->outer.images.v[l->at];
	fd = open_numbered(l, l->image.config, e);
	if (fd < 0 || load_take_config(l, fd, e) < 0)
		return -1;
	/* the child reads the very bytes that were hashed */
	blob = fd_open_beneath(l->dir, "config", O_RDONLY, 0);
	if (blob < 0)
		return err_sys(e, errno, "image configuration");
	l->child = child_unpack(&l->s->child, "config", 0, blob, -1, l->s->empty, on_config, l, e);
	return l->child == NULL ? -1 : 0;
}

static int
clear_image(struct load *l, struct err *e)
{
	char name[32];

	for (size_t i = 0; i < l->n_jobs; i++)
		for (unsigned k = 0; k < 2; k++) {
			snprintf(name, sizeof name, "%c%zu", "Lp"[k], i);
			if (trash_put(l->s, l->dir, name, e) < 0)
				return -1;
		}
	free(l->jobs);
	l->jobs = NULL;
	l->n_jobs = l->next_job = l->running = 0;
	arena_done(&l->config_arena);
	l->config = (struct oci_config){ 0 };
	return 0;
}

static void
next_image(struct load *l)
{
	struct err e = ERR_INIT;
	struct call *call = l->call;

	if (clear_image(l, &e) < 0) {
		load_fail(l, &e);
	} else if (l->at == l->outer.images.n) {
		call_reply(call, &(struct store_loaded){ 0 }, NULL, 0);
		load_free(l);
	} else if (start_image(l, &e) < 0) {
		load_fail(l, &e);
	}
}

static void
on_outer(void *ctx, const unsigned char *said, size_t n)
{
	struct load *l = ctx;
	struct err e = ERR_INIT;

	l->child = NULL;
	if (load_result(said, n, &l->arena, &l->outer, &e) < 0)
		load_fail(l, &e);
	else
		next_image(l);
}

/* ---- requests ---- */

struct load *
load_new(struct call *c, struct err *e)
{
	struct stored *s = c->ctx;
	struct load *l;

	if (c->nfds != c->row->req_fds) {
		err_set(e, ERR_PROTOCOL, "a load needs a descriptor");
		return NULL;
	}
	if (s->n_loads >= LOADS_MAX) {
		err_set(e, ERR_LIMIT, "too many images are being loaded at once");
		return NULL;
	}
	l = calloc(1, sizeof *l);
	if (l == NULL) {
		err_set(e, ERR_NO_MEMORY, "load");
		return NULL;
	}
	l->s = s;
	l->call = c;
	l->dir = -1;
	l->next = s->loads;
	s->loads = l;
	s->n_loads++;
	stored_name(s, l->name);
	l->dir = fd_make_dir(s->tmp, l->name, 0700);
	if (l->dir < 0) {
		err_sys(e, errno, "make a directory");
		load_free(l);
		return NULL;
	}
	/* no pipe is fine too */
	if (c->nfds > 0)
		(void)fcntl(c->fds[0], F_SETPIPE_SZ, 1 << 20);
	return l;
}

int
on_store_load(struct call *c, const void *msg, struct err *e)
{
	struct load *l = load_new(c, e);
	own_fd dir = -1;

	if (l == NULL)
		return -1;
	dir = fd_make_dir(l->dir, "in", 0700);
	if (dir < 0)
		err_sys(e, errno, "make a directory");
	else
		l->child = child_unpack(&l->s->child, "outer", load_room(l), c->fds[0], -1, dir, on_outer, l, e);
	if (l->child == NULL) {
		load_free(l);
		return -1;
	}
	fd_close(&c->fds[0]);
	return 0;
}
