/* What the store reads for a client in the files of containers and volumes. */
#pragma once
#include "edge.h"
#include "msg/api.h"
#include "msg/store.h"
#include "state.h"

/* The container's own layer and those below it, as the store wants them: borrowed. */
struct store_tree files_tree(const struct ctr *c);
/* Sums up the layers that the container was made from, as far as images have them. */
int64_t files_layers_size(const struct broker *b, const struct ctr *c);
/* Asks for the sizes of these containers (size_rw and size_root_fs are set) and answers the call with them. */
int files_list_with_sizes(struct broker *b, struct call *call, struct api_summaries *answer, struct err *e) must_check;

int handle_container_changes(struct call *call, const void *msg, struct err *e);
int handle_container_export(struct call *call, const void *msg, struct err *e);
int handle_volume_usage(struct call *call, const void *msg, struct err *e);
/* commit.c */
int handle_container_commit(struct call *call, const void *msg, struct err *e);
