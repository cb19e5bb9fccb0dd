/* What a container may use (HostConfig's Resources): checked, kept in the record, told to the runtime. */
#pragma once
#include "edge.h"
#include "msg/api.h"
#include "msg/run.h"

struct host_facts;
/* Applies the rules to the resources of h. Of what the kernel lacks a warning tells, and it is taken out. update: 0 means "as it is". */
int check_limits(struct host_config *h, const struct host_facts *f, bool update, struct strs *warnings, struct arena *a, struct err *e) must_check;
/* The real-time share as a whole: of an update, together with what was there. */
int check_realtime(const struct host_config *h, struct err *e) must_check;
/* All limits of a new container, pointing into h. */
void limits_of(const struct host_config *h, struct run_limits *ret);

/* update.c */
int handle_container_update(struct call *call, const void *msg, struct err *e);
