#pragma once
#include "edge.h"
#include "state.h"

/* Removes from the store the layers of this list that no image and no container (but except) uses. Not waited for. */
void layers_drop_unused(struct broker *b, const struct strs *layers, const struct ctr *except);
bool layer_is_used(const struct broker *b, const char *dir, const struct ctr *except);
/* The container was made from it, or from an image whose layers begin with its layers. */
bool image_is_ancestor(const struct broker *b, const struct img *i, const struct ctr *c);
/* Was another image committed from a container of this one? */
bool image_has_children(const struct broker *b, const struct image *i);
/* load.c: a loaded image becomes a record; its tags move to it. lines: what is told to the client, may be NULL. */
struct img *image_record(struct broker *b, const struct image *rec, const struct strs *tags, struct err *e);
/* One that was not recorded goes from the store again. Not waited for. */
void image_drop(struct broker *b, const char *id);

int handle_image_list(struct call *call, const void *msg, struct err *e);
int handle_image_inspect(struct call *call, const void *msg, struct err *e);
int handle_image_tag(struct call *call, const void *msg, struct err *e);
int handle_image_remove(struct call *call, const void *msg, struct err *e);
int handle_image_prune(struct call *call, const void *msg, struct err *e);
int handle_image_load(struct call *call, const void *msg, struct err *e);
int handle_image_import(struct call *call, const void *msg, struct err *e);
int handle_image_save(struct call *call, const void *msg, struct err *e);
