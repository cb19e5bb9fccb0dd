/*
 * What stored and its children (bulwark-unpacker) say to each other. A child gets one job: argv[1] is its name, argv[2]
 * the number of bytes that it may write. It enters its directory as its root, does the job, and writes one unpack_result.
 *
 *	outer     input: the stream of a load. Members go to files 0, 1, ... of its directory; result: the images
 *	inflate   input: a compressed stream; plain data goes to file "plain" of its directory
 *	layer     input: a layer's tar; unpacks it (layer.h) into its directory
 *	config    input: an image's configuration; result: the record
 *	describe  input: a record oci_config; writes its JSON to file "config" of its directory
 *	save      input: a record store_save; writes the archive to output. Its directory is the store, read-only
 *	changes, pack, export   input: a record store_tree; write JSON, a layer's tar, a tar to output (trees.h)
 *	sizes     input: a record store_measure, with rws (its directory is the store) or volumes (that of the volumes); result: sizes
 */
#pragma once
#include "msg/store.h"

#define UNPACK_RESULT_MAX ((size_t)16 << 20)
#define UNPACK_CONFIG_MAX ((size_t)4 << 20)
#define UNPACK_FILES_MAX  4096
enum { UNPACK_IN = 0, UNPACK_OUT = 1, UNPACK_RESULT = 3, UNPACK_DIR = 4 };

#define ROOTFS_REC_FIELDS(F, O, L) \
	F(str,  type,     "type",     32) \
	F(strs, diff_ids, "diff_ids", 256)
REC_DECLARE(rootfs_rec, ROOTFS_REC_FIELDS)
#define OCI_CONFIG_FIELDS(F, O, L) \
	F(str,  architecture,   "architecture",    64) \
	F(str,  author,         "?author",         4096) \
	F(str,  comment,        "?comment",        4096) \
	O(container_config, config, "config") \
	F(time, created,        "created",         0) \
	F(str,  docker_version, "?docker_version", 64) \
	L(history, history,     "history",         1024) \
	F(str,  os,             "os",              64) \
	O(rootfs_rec, rootfs,   "rootfs") \
	F(str,  variant,        "?variant",        64)
REC_DECLARE(oci_config, OCI_CONFIG_FIELDS)

#define UNPACK_FILE_FIELDS(F, O, L) \
	F(num,  no,         NULL, UNPACK_FILES_MAX) \
	F(flag, compressed, NULL, 1)
REC_DECLARE(unpack_file, UNPACK_FILE_FIELDS)
/* One image of an archive: numbers of the files that hold its parts. */
#define UNPACK_IMAGE_FIELDS(F, O, L) \
	F(num,  config, NULL, UNPACK_FILES_MAX) \
	F(strs, tags,   NULL, 1024) \
	L(unpack_file, layers, NULL, 256)
REC_DECLARE(unpack_image, UNPACK_IMAGE_FIELDS)
/* code: enum err_code */
#define UNPACK_RESULT_FIELDS(F, O, L) \
	F(num, code,     NULL, ERR_CODE_COUNT) \
	F(num, sys,      NULL, 4096) \
	F(str, text,     NULL, 512) \
	F(num, size,     NULL, REC_NUM_ANY) \
	F(num, tar_size, NULL, REC_NUM_ANY) \
	F(num, skipped,  NULL, REC_NUM_ANY) \
	L(unpack_image, images, NULL, 1024) \
	O(oci_config, config, NULL) \
	L(store_size, sizes, NULL, REC_LIST_MAX)
REC_DECLARE(unpack_result, UNPACK_RESULT_FIELDS)
