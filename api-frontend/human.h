/* Durations and states in the Docker engine's words. */
#pragma once
#include "buf.h"
#include "msg/types.h"

void human_duration(char out[48], int64_t ns);
void human_status(char out[160], const struct container_state *s, const char *health, int64_t now_ns);
