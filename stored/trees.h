/* Jobs of the unpacker on trees of files: what a container changed, its layer or all of its files as a tar, and sizes. */
#pragma once
#include "rec.h"
#include "unpack.h"

/* The directories of one container: upper, then what it was made from, topmost first. */
struct tree_dirs { int upper; int *lowers; size_t n_lowers; };

/* Writes the JSON of GET /containers/{id}/changes to out. */
int tree_changes(const struct tree_dirs *d, int out, struct err *e) must_check;
/* Writes upper as a layer's tar. Nothing in it is an archive of no entries. */
int tree_pack(const struct tree_dirs *d, int out, uint64_t limit, struct err *e) must_check;
/* Writes the tar of all that the container sees, without what is mounted in it. */
int tree_export(const struct tree_dirs *d, int out, struct err *e) must_check;
/* Apparent size of all files in dir that are no directories; several links to one count once. */
int tree_size(int dir, bool container, int64_t *ret, struct err *e) must_check;

/* Files that the engine itself puts into each container that is started; what they are must be what it makes. */
enum engine_made { ENGINE_NOT, ENGINE_FILE /* shown nowhere */, ENGINE_DIR /* only if something else is in it */ };
struct merge_entry;
enum engine_made tree_engine_made(const struct merge_entry *m);

/* Files with several links: the path under which each was met first. */
struct links { struct links_slot *slots; size_t n, size; struct arena arena; };
void links_done(struct links *l);
/* 1: met before, as *ret; 0: not, and noted now; -1. */
int links_note(struct links *l, uint64_t ino, const char *path, const char **ret, struct err *e) must_check;
