/* The route table: every operation of the API has its row. */
#pragma once
#include "client.h"

/* Finds the route of c's head: sets route, version, path, names and query. False: answered already. */
bool route_request(struct client *c);

/* Handlers, by file. */
#define HANDLERS(H) \
	/* system.c */ \
	H(ping) H(version) H(info) H(system_df) H(not_swarm) H(plugin_list) H(plugin_inspect) \
	/* create.c */ \
	H(container_create) \
	/* containers.c */ \
	H(container_list) H(container_inspect) H(container_start) H(container_stop) H(container_restart) H(container_kill) \
	H(container_pause) H(container_unpause) H(container_rename) H(container_remove) H(container_wait) H(container_resize) \
	H(container_prune) \
	/* stats.c */ \
	H(container_stats) \
	/* update.c */ \
	H(container_update) \
	/* top.c */ \
	H(container_top) \
	/* attach.c */ \
	H(container_attach) H(exec_start) \
	/* exec.c */ \
	H(exec_create) H(exec_inspect) H(exec_resize) \
	/* logs.c */ \
	H(container_logs) \
	/* events.c */ \
	H(system_events) \
	/* images.c */ \
	H(image_list) H(image_inspect) H(image_history) H(image_tag) H(image_remove) H(image_prune) H(build_prune) \
	/* transfer.c */ \
	H(image_create) H(image_load) H(image_save) H(images_save) H(container_changes) H(container_export) \
	/* commit.c */ \
	H(container_commit) \
	/* archive.c */ \
	H(archive_stat) H(archive_get) H(archive_put) \
	/* volumes.c */ \
	H(volume_list) H(volume_create) H(volume_inspect) H(volume_remove) H(volume_prune) \
	H(network_list) H(network_inspect) H(network_prune) H(network_create) H(network_remove) \
	H(network_connect) H(network_disconnect)

#define HANDLER_DECLARE(name) int handle_##name(struct client *c, struct err *e);
HANDLERS(HANDLER_DECLARE)

/* images.c, for the disk usage too, which tells how many containers use it */
void put_image_summary(struct client *c, struct buf *b, const struct image *im, bool with_uses);
/* events.c */
void put_event(struct buf *b, const struct event *m);
