/* Volumes. */
#include "routes.h"

#include <string.h>

static int
read_filters(struct client *c, struct api_filters *m, struct err *e)
{
	m->api_version = (int64_t)c->version;
	return query_filters(c, &m->filters.v, &m->filters.n, e);
}

int
handle_volume_list(struct client *c, struct err *e)
{
	struct api_filters m = { 0 };

	if (read_filters(c, &m, e) < 0)
		return -1;
	return client_call_rec(c, NO_volume_list, &m, 200, e);
}

int
handle_volume_create(struct client *c, struct err *e)
{
	struct api_volume_create *m = arena_alloc(&c->arena, sizeof *m);
	own_json *v = NULL;

	if (m == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (client_json(c, &v, e) < 0)
		return -1;
	if (json_is_object(v)) {
		if (json_member(v, "ClusterVolumeSpec") != NULL)
			return err_set(e, ERR_UNSUPPORTED, "cluster volumes are not implemented by Bulwark yet");
		if (json_to_rec(&api_volume_create_type, v, "", &c->arena, m, NULL, e) < 0)
			return -1;
	} else if (!json_is_null(v)) {
		return err_set(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into Go value of type volume.CreateOptions", json_type_name(v));
	}
	return client_call_rec(c, NO_volume_create, m, 201, e);
}

int
handle_volume_inspect(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call_rec(c, NO_volume_inspect, &m, 200, e);
}

int
handle_volume_remove(struct client *c, struct err *e)
{
	struct api_volume_remove m = { .name = c->name, .force = query_bool(c, "force", false) };

	return client_call_status(c, NO_volume_remove, &m, 204, e);
}

static void
on_volumes_pruned(struct client *c, struct answer *a)
{
	const struct api_pruned *m = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_puts(&b, "{\"VolumesDeleted\":");
	json_put_strs(&b, &m->deleted, true);
	buf_puts(&b, ",\"SpaceReclaimed\":");
	json_put_num(&b, m->reclaimed);
	buf_putc(&b, '}');
	reply_buf(c, 200, &b);
}

int
handle_volume_prune(struct client *c, struct err *e)
{
	struct api_filters m = { 0 };

	if (read_filters(c, &m, e) < 0)
		return -1;
	return client_call(c, NO_volume_prune, &m, NULL, 0, on_volumes_pruned, e);
}
