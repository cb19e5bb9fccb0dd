/* A running load or import: what load.c and import.c share. */
#pragma once
#include "stored.h"
#include "unpack.h"

#define LOAD_LAYERS_MAX 256

struct layer_job {
	struct load *load;
	unsigned no;
	struct child *child, *hash;       /* inflate or layer; sha256 */
	bool unpacked, hashed, there;     /* there: in the store already */
	char diff_id[72], chain[65];
	int64_t size, tar_size;
};

struct load {
	struct stored *s;
	struct call *call;
	struct load *next;
	char name[64];                    /* in tmp */
	int dir;
	struct child *child;              /* outer, config, describe or sync */
	struct arena arena;
	struct unpack_result outer;
	const struct api_import *import;  /* in the call; NULL: no import */
	const struct store_commit *commit;
	/* import, commit: the one new layer, whose digest nobody knew before, is unpacked and hashed; NULL: a load */
	void (*on_layer)(struct load *l);
	/* the image at work */
	size_t at;
	struct unpack_image image;
	struct arena config_arena;
	struct oci_config config;
	char id[65];
	struct layer_job *jobs;
	size_t n_jobs, next_job, running;
};

/* NULL: e says why; nothing is left. */
struct load *load_new(struct call *c, struct err *e) must_check;
void load_free(struct load *l);
/* The call is answered with e; l is gone. */
void load_fail(struct load *l, struct err *e);
/* A file that a child made, or -1 with errno. What else it may have made in its place (a FIFO would never open) is refused. */
int load_open(const struct load *l, const char *path) must_check;
/* What a child may write. */
uint64_t load_room(const struct load *l);
/* Decodes what a child said; -1: it failed (e says why). */
int load_result(const unsigned char *said, size_t n, struct arena *a, struct unpack_result *ret, struct err *e) must_check;
/* The bytes of a configuration: hashed here, and kept as file "config" of the load's directory until they are in place. */
int load_take_config(struct load *l, int fd, struct err *e) must_check;
/* Is the layer in the store? Then its record says its size. It stays until the load is over. */
int load_look_up(struct layer_job *j, struct err *e) must_check;
/* in: a compressed (or plain) stream; then it is unpacked and hashed. */
int load_inflate(struct layer_job *j, int in, struct err *e) must_check;
/* tar: the plain one; it is hashed and unpacked. */
int load_unpack(struct layer_job *j, int tar, struct err *e) must_check;
/* Sets the chain id from the diff ids up to this layer. */
int load_chain(struct layer_job *j, struct err *e) must_check;
/* import.c: writes the configuration, which is known now, and finishes the image. */
int load_describe(struct load *l, struct err *e) must_check;
/* All layers are there: syncs, puts everything in place, answers. */
void load_finish_image(struct load *l);
