/*
 * The tree that layers make together, walked in order of names. Layers are directories as overlayfs has them: a character device 0:0
 * hides what is below, a directory with user.overlay.opaque hides all that lower layers have in it.
 *
 * A container may change its layer while it is read, and it may be hostile. So every directory is opened by its path beneath the
 * layer's own descriptor, through no link (openat2), nothing but a directory is opened here, and what is gone meanwhile is passed
 * over. There is no recursion, and the number of open directories is bounded by that of layers, not by the depth.
 */
#pragma once
#include "err.h"
#include "tar.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define MERGE_LAYERS_MAX  257
#define MERGE_ENTRIES_MAX 4000000

struct merge_entry {
	const char *path, *base;             /* without a slash in front; its last component */
	/* upper: what the upper layer itself says, a whiteout too; lower: what the layers below it show. NULL: nothing */
	const struct stat *upper, *lower;
	int upper_dir, lower_dir;            /* the directories that base is in; borrowed */
	bool opaque;                         /* an upper directory that hides what is below */
};

struct merge {
	int upper;                           /* -1: none; then all that the lower layers show is walked */
	const int *lowers;                   /* topmost first */
	size_t n_lowers;
	bool hidden;                         /* names that an opaque upper directory hides are walked too, without what is in them */
	int (*on_entry)(void *ctx, const struct merge_entry *m, struct err *e);   /* parents come before what is in them */
	void *ctx;
};

/* Directories that upper has are entered (without upper: all). ERR_LIMIT: too many entries or too long a path. */
int merge_walk(const struct merge *m, struct err *e) must_check;
bool merge_is_whiteout(const struct stat *st);
