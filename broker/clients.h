/* Connections: each is given to the worker of its principal ("uid:N", from SO_PEERCRED). */
#pragma once
#include "edge.h"

struct broker;
struct clients;

/* Takes the listening sockets over. */
struct clients *clients_new(struct broker *b, int *fds, size_t n, struct err *e);
void clients_free(struct clients *c);
/* A worker's channel; fd is taken over. */
int clients_add_channel(struct clients *c, const char *principal, int fd, struct err *e) must_check;
void clients_stop_listening(struct clients *c);
/* The broker, and the principal, behind a call on a worker's channel. */
struct broker *client_broker(const struct call *call);
const char *client_principal(const struct call *call);
/* api.c: the handlers of edge api. */
extern const edge_fn api_handlers[];
extern const size_t n_api_handlers;
