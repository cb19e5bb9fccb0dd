/* Links between containers (--link): names, environment, and what they may reach. */
#pragma once
#include "create.h"
#include "msg/net.h"
#include "state.h"

/* Checks the request's links; those of a user's network become the endpoint's own. */
int links_check(struct creation *c, struct err *e) must_check;
/* The containers that it is linked to must run. */
int links_ready(const struct ctr *c, struct err *e) must_check;
/* Of links on the default network: lines of /etc/hosts, variables, and ports of the others that it may reach. */
void links_hosts(const struct ctr *c, struct buf *b);
int links_env(const struct ctr *c, struct arena *a, struct strs *env, struct err *e) must_check;
int links_reach(const struct ctr *c, struct arena *a, struct net_endpoint *m, struct err *e) must_check;
/* Takes the link called alias out of the record; false: there is none. */
bool links_remove(struct ctr *c, const char *alias);
