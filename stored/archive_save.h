/* Writes images as docker save does (a docker-archive that is an OCI layout too). store: the store's directory. */
#pragma once
#include "unpack.h"

int save_images(int store, int out, const struct store_save *what, struct err *e) must_check;
