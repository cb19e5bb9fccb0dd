/* Health checks: a command run in the container now and then, and what its results make of the container's health. */
#pragma once
#include "state.h"

/* The container came up: from now on its check runs, if it has one. fresh: it was started now; else it had been running (the
   engine is back, or it was unpaused) and its last health counts on. */
void health_start(struct ctr *c, bool fresh);
/* It ended, was paused or is forgotten. As in the Docker engine its health is "unhealthy" while nobody looks. */
void health_stop(struct ctr *c);
void health_free(struct ctr *c);          /* the broker ends */
/* A probe's process ended. */
void health_probe_ended(struct ctr *c, const char *exec, int64_t code);
/* Ends a probe that nobody waits for. */
void health_kill(struct ctr *c, const char *exec);
/* Whether this exec is the probe that is being waited for. */
bool health_waits_for(const struct ctr *c, const char *exec);
/* "none", "starting", "healthy", "unhealthy" */
const char *health_of(const struct ctr *c);
/* Bounds of what a user may ask for, in the Docker engine's words. */
int check_health(const struct health_config *h, struct err *e) must_check;
