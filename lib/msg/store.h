/*
 * Edge store: A = broker, B = stored. What is on disk: blobs, layers, writable directories, volumes. A file counts only
 * after stored itself checked its digest and renamed it into place.
 */
#pragma once
#include "edge.h"
#include "msg/types.h"
#include "msg/api.h"

#define STORE_NAME_FIELDS(F, O, L) \
	F(str, name, NULL, NAME_MAX_)
REC_DECLARE(store_name, STORE_NAME_FIELDS)
/* load: "more" answers bring an image each (with its tags in repo_tags) or a progress line; the last answer is empty.
   Layers are in place, but the image exists only once the broker recorded it. */
#define STORE_LOADED_FIELDS(F, O, L) \
	O(image, image, NULL) \
	O(api_progress, progress, NULL)
REC_DECLARE(store_loaded, STORE_LOADED_FIELDS)
#define STORE_SAVE_FIELDS(F, O, L) \
	L(image, images, NULL, 1024)
REC_DECLARE(store_save, STORE_SAVE_FIELDS)
/* config_ids: images (sha256:...) whose configuration blob goes; layers: directory names to remove */
#define STORE_DROP_FIELDS(F, O, L) \
	F(strs, image_ids, NULL, MANY) \
	F(strs, layers,    NULL, MANY)
REC_DECLARE(store_drop, STORE_DROP_FIELDS)
#define STORE_INVENTORY_FIELDS(F, O, L) \
	F(strs, image_ids, NULL, REC_LIST_MAX) \
	F(strs, layers,    NULL, REC_LIST_MAX) \
	F(strs, rws,       NULL, REC_LIST_MAX) \
	F(strs, volumes,   NULL, REC_LIST_MAX)
REC_DECLARE(store_inventory, STORE_INVENTORY_FIELDS)
/* A container's own layer and those that it was made from, topmost first (directory names). */
#define STORE_TREE_FIELDS(F, O, L) \
	F(str,  id,     NULL, ID_MAX) \
	F(strs, layers, NULL, 256)
REC_DECLARE(store_tree, STORE_TREE_FIELDS)
/* image: what becomes of it: all but its id, the new layer and its size; layers: those of its parent. The last entry of the history
   is the new one. */
#define STORE_COMMIT_FIELDS(F, O, L) \
	O(store_tree, tree, NULL) \
	O(image, image, NULL)
REC_DECLARE(store_commit, STORE_COMMIT_FIELDS)
/* image NULL: all files of the container were read, so it may go on */
#define STORE_COMMITTED_FIELDS(F, O, L) \
	O(image, image, NULL)
REC_DECLARE(store_committed, STORE_COMMITTED_FIELDS)
#define STORE_MEASURE_FIELDS(F, O, L) \
	F(strs, rws,     NULL, REC_LIST_MAX) \
	F(strs, volumes, NULL, REC_LIST_MAX)
REC_DECLARE(store_measure, STORE_MEASURE_FIELDS)
/* size -1: it could not be measured */
#define STORE_SIZE_FIELDS(F, O, L) \
	F(str, name, NULL, NAME_MAX_) \
	F(num, size, NULL, REC_NUM_ANY)
REC_DECLARE(store_size, STORE_SIZE_FIELDS)
#define STORE_SIZES_FIELDS(F, O, L) \
	L(store_size, rws,     NULL, REC_LIST_MAX) \
	L(store_size, volumes, NULL, REC_LIST_MAX)
REC_DECLARE(store_sizes, STORE_SIZES_FIELDS)

#define STORE_MESSAGES(ROW) \
	/*  name               no  from request      fds reply            fds */ \
	/* the writable directory of a container: rw/<id>/{upper,work,files}; exists already is fine */ \
	ROW(store_rw_create,     1, A,   store_name,  0, none,             0) \
	/* renamed to the trash at once, deleted later; missing is fine */ \
	ROW(store_rw_remove,     2, A,   store_name,  0, none,             0) \
	ROW(store_volume_create, 3, A,   store_name,  0, none,             0) \
	ROW(store_volume_remove, 4, A,   store_name,  0, none,             0) \
	ROW(store_load,          5, A,   api_load,    1, store_loaded,     0) \
	/* answers with one image, not yet tagged */ \
	ROW(store_import,        6, A,   api_import,  1, store_loaded,     0) \
	ROW(store_save,          7, A,   store_save,  1, none,             0) \
	ROW(store_drop,          8, A,   store_drop,  0, none,             0) \
	ROW(store_list,          9, A,   none,        0, store_inventory,  0) \
	/* the write end of a pipe comes along; the answer comes when all was written (or failed) */ \
	ROW(store_changes,      10, A,   store_tree,  1, none,             0) \
	ROW(store_export,       11, A,   store_tree,  1, none,             0) \
	ROW(store_commit,       12, A,   store_commit, 0, store_committed, 0) \
	/* sizes of writable layers and volumes, in the order asked for */ \
	ROW(store_measure,      13, A,   store_measure, 0, store_sizes,    0)
EDGE_DECLARE(store_edge, STORE_MESSAGES)
