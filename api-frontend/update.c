/* POST /containers/{id}/update */
#include "routes.h"

#include <string.h>

int
handle_container_update(struct client *c, struct err *e)
{
	struct host_config host = { 0 };
	struct api_update m = { .ref = c->name, .host = &host };

	if (client_record(c, &host_config_type, &host, e) < 0)
		return -1;
	/* 0 and below are both "none" here; before 1.40 there was no such limit in updates */
	if (c->version < 140)
		host.pids_limit = (struct opt){ 0 };
	else if (host.pids_limit.set && host.pids_limit.v < 0)
		host.pids_limit.v = 0;
	return client_call_rec(c, NO_container_update, &m, 200, e);
}
