/* What the resolver is told: of the containers that may ask it, and of the names on users' networks. */
#pragma once
#include "edge.h"
#include "state.h"

struct broker;
struct op;

/* The container's sockets are opened in its network namespace and given to the resolver, with the names it brings along. */
void dns_serve(struct op *op, struct ctr *c, void (*done)(struct op *op, void *ctx, const struct err *e), void *ctx);
/* Its networks or names have changed while it runs. */
void dns_update(struct ctr *c);
void dns_forget(struct ctr *c);
/* One endpoint's names are over. */
void dns_unset(struct ctr *c, const struct endpoint *n);
/* A new resolver is told everything. */
void dns_sync(struct broker *b);
/* The names by which others find a container on a network, for its record. */
int dns_names_fill(struct ctr *c, struct endpoint *n, struct err *e) must_check;
