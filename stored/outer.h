/*
 * The archives that docker load takes: a tar (or a compressed one) with manifest.json as docker save writes it, old and new, or
 * an OCI layout with index.json only. Members are spooled to numbered files in dir; nothing in them is trusted to be what
 * it says: stored hashes what counts.
 */
#pragma once
#include "source.h"
#include "unpack.h"

int outer_unpack(int dir, struct source *in, uint64_t limit, struct arena *a, struct unpack_result *ret, struct err *e) must_check;
/* Reads a configuration. */
int image_config_read(const char *text, size_t n, struct arena *a, struct oci_config *ret, struct err *e) must_check;
