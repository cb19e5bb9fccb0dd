/* bulwark-broker: the engine's mind. Accepts connections, keeps the records, runs the operations; holds no privilege. */
#include "broker.h"
#include "events.h"
#include "fd.h"
#include "logship.h"
#include "setup.h"
#include "shutdown.h"

static int
broker_start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	struct broker *b = c->ctx;

	if (nfds < 1)
		return err_set(e, ERR_PROTOCOL, "the state directory is missing");
	b->comp = c;
	if (broker_open(b, c->loop, m->config, fds[0], fds + 1, nfds - 1, e) < 0)
		return -1;
	c->trees[c->n_trees++] = (struct role_tree){ .fd = fd_take(&fds[0]), .write = true, .close = true };
	return 0;
}

static int
broker_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	return strcmp(name != NULL ? name : "", "log") == 0 ? logship_connect(c->ctx, fd, e) : peer_connect(c->ctx, name, fd, e);
}

static void
broker_stop(struct comp *c, struct call *call)
{
	shutdown_begin(c->ctx, call);
}

/* What may change while running: labels, debug, shutdown timeout, live restore, and what new containers get. */
static int
broker_reload(struct comp *c, const struct ctl_start *m, struct err *e)
{
	struct broker *b = c->ctx;
	struct engine_config *now = b->config, *fresh;

	if (broker_configure(b, m->config, e) < 0)
		return -1;
	fresh = b->config;
	/* the bridge stays as it is until the next start */
	fresh->bridge = now->bridge;
	fresh->bip = now->bip;
	fresh->fixed_cidr = now->fixed_cidr;
	fresh->default_gateway = now->default_gateway;
	fresh->mtu = now->mtu;
	fresh->icc = now->icc;
	fresh->ip_masq = now->ip_masq;
	event_emit(b, "daemon", "reload", b->engine_id, (const char *const[]){ "name", fresh->hostname, NULL });
	return 0;
}

int
main(void)
{
	struct broker b = { 0 };
	struct comp c = { .role = ROLE_BROKER, .ctx = &b, .start = broker_start, .edge = broker_edge, .stop = broker_stop,
		.reload = broker_reload };
	int status = comp_main(&c);

	db_close(b.db);
	return status;
}
