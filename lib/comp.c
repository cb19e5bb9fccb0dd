#include "comp.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct comp_state {
	struct comp *c;
	bool started;
	struct err fatal;
};

static enum log_level
level_of(const struct engine_config *config)
{
	enum log_level level = LOG_INFO;

	if (config == NULL)
		return level;
	if (config->log_level != NULL)
		(void)log_level_parse(config->log_level, &level);
	return config->debug ? LOG_DEBUG : level;
}

static int
on_start(struct call *call, const void *msg, struct err *e)
{
	struct comp_state *s = call->ctx;
	struct comp *c = s->c;
	const struct ctl_start *m = msg;

	if (s->started)
		return err_set(e, ERR_PROTOCOL, "started already");
	if (m->config == NULL)
		return err_set(e, ERR_PROTOCOL, "no configuration");
	log_init(role_table[c->role].name, level_of(m->config), m->config->log_json);
	if (c->start(c, m, call->fds, call->nfds, e) < 0 || role_sandbox(c->role, c->trees, c->n_trees, e) < 0) {
		s->fatal = *e;
		loop_stop(c->loop);
		return -1;
	}
	for (size_t i = 0; i < c->n_trees; i++)
		if (c->trees[i].close)
			fd_close(&c->trees[i].fd);
	s->started = true;
	call_ok(call);
	return 0;
}

static int
on_edge(struct call *call, const void *msg, struct err *e)
{
	struct comp_state *s = call->ctx;
	const struct ctl_edge *m = msg;

	if (!s->started || call->nfds != 1 || m->name == NULL)
		return err_set(e, ERR_PROTOCOL, "an edge needs a started role and one descriptor");
	if (s->c->edge == NULL)
		return err_set(e, ERR_PROTOCOL, "no edges here");
	if (s->c->edge(s->c, m->name, fd_take(&call->fds[0]), e) < 0)
		return -1;
	call_ok(call);
	return 0;
}

static int
on_stop(struct call *call, const void *msg, struct err *e)
{
	struct comp_state *s = call->ctx;

	if (s->c->stop != NULL) {
		s->c->stop(s->c, call);
		return 0;
	}
	call_ok(call);
	loop_stop(s->c->loop);
	return 0;
}

static int
on_reload(struct call *call, const void *msg, struct err *e)
{
	struct comp_state *s = call->ctx;
	const struct ctl_start *m = msg;

	if (m->config == NULL)
		return err_set(e, ERR_PROTOCOL, "no configuration");
	log_init(role_table[s->c->role].name, level_of(m->config), m->config->log_json);
	if (s->c->reload != NULL && s->c->reload(s->c, m, e) < 0)
		return -1;
	call_ok(call);
	return 0;
}

static void
on_ctl_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct comp_state *s = ctx;

	/* the supervisor is gone or closed the channel after a stop: nothing is left to serve */
	loop_stop(s->c->loop);
}

int
comp_main(struct comp *c)
{
	static const edge_fn handlers[ctl_edge_table_end] = {
		[NO_ctl_start] = on_start, [NO_ctl_edge] = on_edge, [NO_ctl_stop] = on_stop, [NO_ctl_reload] = on_reload,
	};
	struct comp_state s = { .c = c, .fatal = ERR_INIT };
	struct err e = ERR_INIT;
	struct edge_conf conf = {
		.table = &ctl_edge_table, .side = EDGE_B, .handlers = handlers, .n_handlers = ctl_edge_table_end, .ctx = &s,
		.peer = "supervisor", .on_closed = on_ctl_closed,
	};

	signal(SIGPIPE, SIG_IGN);
	/* gmtime_r reads the time zone's file at its first use: not behind the sandbox */
	tzset();
	log_init(role_table[c->role].name, LOG_INFO, false);
	c->loop = loop_new(&e);
	int r = c->loop == NULL || (c->ctl = edge_new(c->loop, CTL_FD, &conf, &e)) == NULL || loop_run(c->loop, &e) < 0 ? -1 : 0;

	edge_free(c->ctl);
	c->ctl = NULL;
	if (r < 0) {
		log_err(LOG_FATAL, &e, "%s cannot run", role_table[c->role].name);
		exit(EXIT_FAILURE);
	}
	if (s.fatal.code != ERR_NONE) {
		log_err(LOG_FATAL, &s.fatal, "%s cannot start", role_table[c->role].name);
		exit(EXIT_FAILURE);
	}
	/* from here, not by returning: what the role holds stays in sight of a leak checker */
	exit(EXIT_SUCCESS);
}
