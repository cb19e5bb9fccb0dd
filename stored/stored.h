/*
 * stored: what is on disk. It is root of a user namespace that holds the image ids and nothing else. Names come from the
 * broker and are checked; bytes from outside are read by children only (child.h), whose work counts once stored hashed it.
 *
 *	store/blobs/sha256/HEX      configurations of images
 *	store/layers/CHAIN/         fs/ (the files), recipe, kept/ (recipe.h), info ("<diff id> <size> <size of the tar>")
 *	store/rw/ID/                upper/, work/, files/
 *	store/tmp/, store/trash/    begun and removed; emptied at start
 *	store/empty/                the root of children that need no file
 *	volumes/NAME/_data/, volumes/.trash/, volumes/.new/ (on the way)
 */
#pragma once
#include "child.h"
#include "comp.h"
#include "msg/store.h"

struct load;
struct pin { char name[65]; const void *owner; };

struct stored {
	struct comp *comp;
	struct edge *edge;
	struct call *stop;
	int store, volumes, blobs, layers, rw, tmp, trash, volume_trash, volume_new, empty;   /* empty: for children that need no file */
	struct child_conf child;            /* what all children need */
	uint64_t counter;                   /* names in tmp and trash */
	struct load *loads;
	unsigned n_loads, n_jobs;
	struct child *emptier;
	struct loop_timer trash_timer;
	bool trash_dirty;
	struct pin *pins;                   /* layers that a running load or save counts on */
	size_t n_pins, room_pins;
};

/* trash.c */
int trash_open(struct stored *s, struct err *e) must_check;
/* Moves name out of dir; missing is success. */
int trash_put(struct stored *s, int dir, const char *name, struct err *e) must_check;
void trash_empty(struct stored *s);                /* starts the child now if there is something to do */
void stored_name(struct stored *s, char out[64]);   /* a fresh name */

/* places.c: handlers of the simple rows */
int on_store_rw_create(struct call *c, const void *msg, struct err *e);
int on_store_rw_remove(struct call *c, const void *msg, struct err *e);
int on_store_volume_create(struct call *c, const void *msg, struct err *e);
int on_store_volume_remove(struct call *c, const void *msg, struct err *e);
int on_store_drop(struct call *c, const void *msg, struct err *e);
int on_store_list(struct call *c, const void *msg, struct err *e);
int pin_add(struct stored *s, const char *name, const void *owner, struct err *e) must_check;
void pin_remove_all(struct stored *s, const void *owner);

/* load.c, import.c, commit.c */
int on_store_commit(struct call *c, const void *msg, struct err *e);
int on_store_load(struct call *c, const void *msg, struct err *e);
int on_store_import(struct call *c, const void *msg, struct err *e);
void load_cancel_all(struct stored *s);

int on_store_save(struct call *c, const void *msg, struct err *e);

/* treejobs.c */
int stored_request(const struct rec_type *type, const void *msg, struct err *e) must_check;   /* a file that a child reads it from */
/* Checks the names, and the layers stay as long as owner has them. */
int stored_pin_tree(struct stored *s, const struct store_tree *t, const void *owner, struct err *e) must_check;
int on_store_changes(struct call *c, const void *msg, struct err *e);
int on_store_export(struct call *c, const void *msg, struct err *e);
int on_store_measure(struct call *c, const void *msg, struct err *e);
