/* The columns of ps(1) over the records that the runtime read; nothing is executed. */
#pragma once
#include "buf.h"
#include "err.h"
#include "msg/api.h"

/* Appends {"Titles":[...],"Processes":[[...],...]} for ps_args ("" is -ef). ERR_INVALID for what is not understood. */
int top_format(const char *ps_args, const struct api_procs *procs, int64_t now_ns, struct buf *out, struct err *e) must_check;
