/*
 * The story that every role's main() tells: take the control channel, wait for ctl_start, open what is needed, sandbox,
 * answer, take edges, serve until told to stop.
 *
 *	int main(void) {
 *		struct my_state s = { ... };
 *		struct comp c = { .role = ROLE_NETD, .ctx = &s, .start = netd_start, .edge = netd_edge };
 *		return comp_main(&c);
 *	}
 */
#pragma once
#include "edge.h"
#include "loop.h"
#include "msg/ctl.h"
#include "role.h"

struct comp {
	enum role role;
	void *ctx;
	/* Called once, before the sandbox is closed. fds: take those needed with fd_take. Set trees for Landlock. */
	int (*start)(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e);
	/* A (new) edge; fd is the callee's from now on, also on failure. */
	int (*edge)(struct comp *c, const char *name, int fd, struct err *e);
	/* May be NULL: then the role stops at once. Else it answers call (call_ok) when nothing is left to do. */
	void (*stop)(struct comp *c, struct call *call);
	int (*reload)(struct comp *c, const struct ctl_start *m, struct err *e);   /* may be NULL */
	/* set by comp_main */
	struct loop *loop;
	struct edge *ctl;
	struct role_tree trees[8];
	size_t n_trees;
};

/* Returns the exit status. */
int comp_main(struct comp *c);
