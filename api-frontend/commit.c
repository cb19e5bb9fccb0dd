/* POST /commit: the container's configuration with the changes that are asked for, then one message. */
#include "changes.h"
#include "routes.h"

#include <string.h>

static char *
query(const struct client *c, const char *key)
{
	return (char *)(uintptr_t)query_str(c, key);
}

/* config: what the changes apply to. */
static int
commit(struct client *c, struct container_config *config, struct err *e)
{
	struct api_commit m = { .ref = query(c, "container"), .repo = query(c, "repo"), .tag = query(c, "tag"), .comment = query(c, "comment"),
		.author = query(c, "author"), .pause = query_bool(c, "pause", true), .docker_version = (char *)(uintptr_t)ENGINE_VERSION,
		.config = config };
	bool own_command = false;

	for (size_t i = 0; i < c->query.n; i++) {
		const char *line = c->query.v[i].value;

		if (strcmp(c->query.v[i].key, "changes") != 0)
			continue;
		if (change_apply(config, &c->arena, line, e) < 0)
			return -1;
		/* a new entry point does not take the old command as its arguments */
		if (change_is(line, "CMD"))
			own_command = true;
		else if (change_is(line, "ENTRYPOINT") && !own_command)
			config->cmd = (struct strs){ 0 };
	}
	return client_call_rec(c, NO_container_commit, &m, 201, e);
}

static void
on_container(struct client *c, struct answer *a)
{
	const struct container *found = a->msg;
	struct container_config *config = arena_alloc(&c->arena, sizeof *config);
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	if (config == NULL || found->config == NULL)
		err_set(&e, ERR_NO_MEMORY, "out of memory");
	if (e.code != ERR_NONE || rec_copy(&container_config_type, found->config, &c->arena, config, &e) < 0 || commit(c, config, &e) < 0)
		reply_error(c, &e);
}

int
handle_container_commit(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = query(c, "container") };
	struct container_config *config = arena_alloc(&c->arena, sizeof *config);
	own_json *v = NULL;

	if (config == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (*m.ref == '\0')
		return err_set(e, ERR_NOT_FOUND, "No such container: ");
	/* no configuration: the container's own */
	if (c->body.used > 0 && client_json(c, &v, e) < 0)
		return -1;
	if (v == NULL || json_is_null(v) || (json_is_object(v) && json_object_size(v) == 0))
		return client_call(c, NO_container_inspect, &m, NULL, 0, on_container, e);
	if (json_to_rec(&container_config_type, v, "", &c->arena, config, NULL, e) < 0)
		return -1;
	return commit(c, config, e);
}
