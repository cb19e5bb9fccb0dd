/* bulwark-logger: delivers the containers' logs to other places. Holds no privilege; the only role that opens connections to the network. */
#include "logger.h"

#include "fd.h"
#include "log.h"

#include <fcntl.h>
#include <signal.h>

static int
on_log_check(struct call *c, const void *msg, struct err *e)
{
	return ship_check(c->ctx, msg, c, e);
}

static int
on_log_follow(struct call *c, const void *msg, struct err *e)
{
	const struct log_follow *m = msg;

	if (m->target == NULL)
		return err_set(e, ERR_PROTOCOL, "a log of nobody");
	if (ship_follow(c->ctx, m, c->fds, c->nfds, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

static int
on_log_forget(struct call *c, const void *msg, struct err *e)
{
	const struct log_ids *m = msg;

	for (size_t i = 0; i < m->ids.n; i++)
		ship_forget(c->ctx, m->ids.v[i]);
	call_ok(c);
	return 0;
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct logger *g = ctx;

	/* those who wait for a check are gone with it; deliveries go on */
	if (g->edge == edge)
		g->edge = NULL;
	edge_free(edge);
}

static int
logger_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[log_edge_end] = { [NO_log_check] = on_log_check, [NO_log_follow] = on_log_follow, [NO_log_forget] = on_log_forget };
	struct logger *g = c->ctx;
	struct edge_conf conf = { .table = &log_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = log_edge_end, .ctx = g, .peer = "broker",
		.on_closed = on_closed };
	own_fd held = fd;
	own_arena a = ARENA_INIT;
	struct log_ids m = { .ids = { 0 } };

	if (name == NULL || strcmp(name, "log") != 0)
		return err_set(e, ERR_PROTOCOL, "there is no edge %s", name != NULL ? name : "");
	if (g->edge != NULL) {
		struct edge *old = g->edge;

		g->edge = NULL;
		edge_free(old);
	}
	g->edge = edge_new(g->loop, held, &conf, e);
	if (g->edge == NULL)
		return -1;
	(void)fd_take(&held);
	if (ships_unfinished(g, &a, &m.ids, e) < 0)
		return -1;
	return m.ids.n == 0 || edge_send(g->edge, NO_log_wanted, &m, NULL, 0, NULL, NULL, e) >= 0 ? 0 : -1;
}

static void
add_tree(struct comp *c, const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		c->trees[c->n_trees++] = (struct role_tree){ .fd = fd, .close = true };
}

static void
on_stop_timer(struct loop_timer *t)
{
	struct logger *g = (struct logger *)(void *)((char *)t - offsetof(struct logger, stop_timer));

	call_ok(g->stop);
	loop_stop(g->loop);
}

/* What is on its way has a moment to arrive; the rest is delivered after the next start. */
static void
logger_stop(struct comp *c, struct call *call)
{
	struct logger *g = c->ctx;
	bool busy = false;

	g->stop = call;
	for (struct ship *s = g->ships, *next; s != NULL; s = next) {
		next = s->next;
		busy = busy || s->sending || s->n_batch > 0;
		ship_kick(s);
	}
	g->stop_timer.on_time = on_stop_timer;
	loop_timer_set(g->loop, &g->stop_timer, busy ? INT64_C(2000000000) : 0);
}

static int
logger_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct logger *g = c->ctx;

	if (nfds != 1)
		return err_set(e, ERR_PROTOCOL, "the state directory is missing");
	g->comp = c;
	g->loop = c->loop;
	g->dir = fd_take(&fds[0]);
	c->trees[c->n_trees++] = (struct role_tree){ .fd = g->dir, .write = true };
	/* certificates and keys, names of hosts, and the libraries by which names are looked up */
	add_tree(c, "/etc");
	add_tree(c, "/usr");
	add_tree(c, "/run/systemd/resolve");
	return web_init(g, e);
}

int
main(void)
{
	static struct logger g = { .dir = -1 };
	struct comp c = { .role = ROLE_LOGGER, .ctx = &g, .start = logger_start, .edge = logger_edge, .stop = logger_stop };

	return comp_main(&c);
}
