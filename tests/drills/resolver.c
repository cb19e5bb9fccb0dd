/*
 * A hostile resolver in the place of bulwark-resolver: same user, same sandbox, the broker's channel. In its first moments it tries
 * what it must not be able to do; then, in each life, it sends the broker something malformed (another each time, as chance
 * has it: it has no file to count in), or a request, which it may not send at all. After that it behaves.
 */
#include "comp.h"
#include "drill.h"
#include "fd.h"
#include "hostile.h"
#include "msg/dns.h"
#include "text.h"

#include <unistd.h>

#define MALFORMED 18

static int channel = -1;
static struct loop_timer timer;

static void
on_time(struct loop_timer *t)
{
	uint32_t at = 0;

	(void)t;
	if (!text_random(&at, sizeof at))
		_exit(1);
	at %= MALFORMED + 1;
	if (at < MALFORMED) {
		(void)drill_malformed(channel, NO_dns_serve, at, "dns");
	} else {
		(void)packet_send(channel, NO_dns_close, 0, 0, 1, 0, NULL, 0, NULL, 0);
		drill_said(packet_cut(channel, 3000) != 0, "a request of the wrong side", "not cut off");
	}
	_exit(0);
}

static int
start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	/* what it is for */
	static const char *const except[] = { "socket_inet", NULL };

	(void)m;
	(void)fds;
	(void)nfds;
	(void)e;
	drill_common(ROLE_RESOLVER, c->trees, c->n_trees, except);
	return 0;
}

static int
edge(struct comp *c, const char *name, int fd, struct err *e)
{
	(void)name;
	(void)e;
	fd_close(&channel);
	channel = fd;
	timer.on_time = on_time;
	loop_timer_set(c->loop, &timer, 100000000);
	return 0;
}

int
main(void)
{
	struct comp c = { .role = ROLE_RESOLVER, .start = start, .edge = edge };

	return comp_main(&c);
}
