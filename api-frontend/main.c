/*
 * bulwark-worker: HTTP and JSON for one principal (a uid). It parses what strangers send, so it can do nothing: no
 * capability, an empty root, no file. Each request becomes one message to the broker, which knows who is asking from
 * the channel alone.
 */
#include "client.h"

#include "comp.h"
#include "log.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static int
on_client_open(struct call *call, const void *msg, struct err *e)
{
	struct worker *w = call->ctx;

	if (call->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "a client needs a descriptor");
	client_new(w, fd_take(&call->fds[0]));
	return 0;
}

static void
on_api_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct worker *w = ctx;

	log_err(LOG_WARN, why, "the broker is away");
	if (w->api == edge)
		w->api = NULL;
	edge_free(edge);
}

static int
worker_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[api_edge_end] = { [NO_client_open] = on_client_open };
	struct worker *w = c->ctx;
	struct edge_conf conf = {
		.table = &api_edge, .side = EDGE_A, .handlers = handlers, .n_handlers = api_edge_end, .ctx = w, .peer = "broker",
		.on_closed = on_api_closed,
	};
	struct edge *edge, *old = w->api;
	own_fd owned = fd;

	if (strcmp(name, "api") != 0)
		return err_set(e, ERR_PROTOCOL, "the worker has no edge %s", name);
	edge = edge_new(c->loop, owned, &conf, e);
	if (edge == NULL)
		return -1;
	(void)fd_take(&owned);
	w->api = edge;
	edge_free(old);
	return 0;
}

static int
worker_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct worker *w = c->ctx;
	struct utsname u;

	json_init();
	/* glibc raises this bound by itself and would then keep the memory of each large answer */
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
	w->loop = c->loop;
	w->experimental = m->config->experimental;
	if (uname(&u) == 0)
		(void)snprintf(w->kernel, sizeof w->kernel, "%s", u.release);
	if (nfds > 0)
		c->trees[c->n_trees++] = (struct role_tree){ .fd = fd_take(&fds[0]), .close = true };
	loop_on_idle(c->loop, clients_reap, w);
	return 0;
}

int
main(void)
{
	struct worker w = { .loop = NULL };
	struct comp c = { .role = ROLE_WORKER, .ctx = &w, .start = worker_start, .edge = worker_edge };

	return comp_main(&c);
}
