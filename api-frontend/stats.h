/* The kernel's texts of one sample to the JSON of GET /containers/{id}/stats. */
#pragma once
#include "buf.h"
#include "msg/api.h"

/* Appends {...} as the value of cpu_stats or precpu_stats; s NULL or without time: all 0. */
void put_cpu_stats(struct buf *b, const struct api_sample *s);
/* The whole object. cpu, precpu: texts that put_cpu_stats made; pre_read: when precpu was, 0: never. */
void put_stats(struct buf *b, const struct api_sample *s, const char *cpu, const char *precpu, int64_t pre_read);
