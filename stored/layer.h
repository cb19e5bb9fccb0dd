/* Unpacks one layer's tar into the directory fs beneath top, with its recipe and kept/ beside it. */
#pragma once
#include "tar.h"

struct layer_limits {
	uint64_t bytes;      /* of file contents (the apparent size of sparse ones), and of the tar */
	uint64_t entries;
};
struct layer_result {
	uint64_t size, tar_size, skipped;   /* skipped: device nodes and attributes that were left out */
};

int layer_unpack(int top, struct source *in, const struct layer_limits *limits, struct layer_result *ret, struct err *e) must_check;
