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
	ROW(store_list,          9, A,   none,        0, store_inventory,  0)
EDGE_DECLARE(store_edge, STORE_MESSAGES)
