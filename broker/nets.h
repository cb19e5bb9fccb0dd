/* Networks of one host and the endpoints that containers have on them. */
#pragma once
#include "edge.h"
#include "ipam.h"
#include "msg/api.h"
#include "msg/net.h"
#include "state.h"

struct broker;
struct op;

/* networks.c */
int networks_init(struct broker *b, struct err *e) must_check;
bool net_is_predefined(const struct net *n);
bool net_is_bridged(const struct net *n);
/* The network as the API shows it and netd is told: the default bridge's settings are the configuration's. In the arena. */
int net_show(struct broker *b, const struct net *from, bool members, struct arena *a, struct network *ret, struct err *e) must_check;
/* The network that an endpoint names; NULL if it is gone. */
struct net *net_of(const struct broker *b, const struct endpoint *n);
/* How many running containers have an endpoint on it; first: one of them. */
size_t net_users(const struct broker *b, const struct net *n, const struct ctr **first);
int handle_network_list(struct call *call, const void *msg, struct err *e);
int handle_network_inspect(struct call *call, const void *msg, struct err *e);

/* net_settings.c: what a request for a network says, checked */
/* A record for it, in the arena, its id made; the subnet may still be open (then ipam->config is empty). */
int net_settings(struct broker *b, const struct api_network_create *m, struct arena *a, struct network *ret, struct err *e) must_check;
/* The next subnet of the engine's own pools that no network of ours has; *at begins at 0 and counts the pools tried. */
int net_next_subnet(const struct broker *b, size_t *at, struct arena *a, struct network *n, struct err *e) must_check;
/* The pool of addresses that a record with a subnet describes. */
int net_pool(const struct network *n, struct address_pool *ret, struct err *e) must_check;
/* The name of its interface on the host, which the record's options hold. */
const char *net_bridge_of(const struct broker *b, const struct net *n);
/* Where on the host it publishes ports for which no address was named. NULL: no network. */
const char *net_binding_of(const struct broker *b, const struct net *n);
/* What netd must know. In the arena. */
int net_bridge_fill(struct broker *b, const struct net *n, struct arena *a, struct net_bridge *ret, struct err *e) must_check;

/* net_create.c */
int handle_network_create(struct call *call, const void *msg, struct err *e);
int handle_network_remove(struct call *call, const void *msg, struct err *e);
int handle_network_prune(struct call *call, const void *msg, struct err *e);
/* net_connect.c */
int handle_network_connect(struct call *call, const void *msg, struct err *e);
int handle_network_disconnect(struct call *call, const void *msg, struct err *e);
/* What an endpoint may ask of its network, in the Docker engine's words. */
int check_endpoint(const struct net *n, const struct endpoint *p, struct err *e) must_check;
/* What a request may say of an endpoint: the rest of the record is the engine's own. */
struct endpoint endpoint_wish(const struct endpoint *from);

/* netattach.c: the endpoints of one container */
int net_prepare(struct ctr *c, struct err *e) must_check;              /* addresses and ports, in the record */
void net_publish(struct op *op, struct ctr *c, int netns, void (*done)(struct op *op, const struct err *e));
void net_release(struct ctr *c);                                       /* told to netd, addresses given back */
void net_forget(struct ctr *c);                                        /* record and addresses only */
/* An address, an interface's name and the rest for an endpoint that is about to be made; and the way back. */
int net_endpoint_open(struct ctr *c, struct endpoint *n, struct net *net, struct err *e) must_check;
void net_endpoint_close(struct ctr *c, struct endpoint *n);
/* One endpoint as netd is told of it; at: its place in the container's list. In the arena. */
int net_endpoint_of(const struct ctr *c, size_t at, struct arena *a, struct net_endpoint *ret) must_check;
void net_adopt(struct ctr *c);                                         /* after a restart of the broker: what it has is taken */
const char *net_bridge_name(const struct broker *b);                   /* of the default network */
bool net_is_attached(const struct endpoint *n);
bool net_has_endpoint(const struct ctr *c);                            /* any that is attached */
/* The one with the default route and the published ports; NULL: none. */
const struct endpoint *net_gateway_endpoint(const struct ctr *c);
/* Whether it has an endpoint on a network of a user's, whose names it is told by the engine's own DNS. */
bool net_has_names(const struct ctr *c);
