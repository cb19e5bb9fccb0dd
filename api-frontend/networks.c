/* Networks. */
#include "routes.h"

#include <string.h>

/* The table's members and what no network of one host has. */
static void
put_network(struct client *c, struct buf *b, const struct network *n, bool with_members)
{
	struct network shown = *n;
	bool first = true;

	if (!with_members)
		shown.containers.n = 0;
	buf_putc(b, '{');
	json_put_members(b, &network_type, &shown, &first);
	buf_puts(b, ",\"ConfigFrom\":{\"Network\":\"\"}}");
}

static void
on_networks(struct client *c, struct answer *a)
{
	const struct api_networks *m = a->msg;
	own_buf b = BUF_INIT((size_t)64 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_putc(&b, '[');
	for (size_t i = 0; i < m->items.n; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		put_network(c, &b, &m->items.v[i], c->version < 128);
	}
	buf_putc(&b, ']');
	reply_buf(c, 200, &b);
}

static int
read_filters(struct client *c, struct api_filters *m, struct err *e)
{
	m->api_version = (int64_t)c->version;
	return query_filters(c, &m->filters.v, &m->filters.n, e);
}

int
handle_network_list(struct client *c, struct err *e)
{
	struct api_filters m = { 0 };

	if (read_filters(c, &m, e) < 0)
		return -1;
	return client_call(c, NO_network_list, &m, NULL, 0, on_networks, e);
}

static void
on_network(struct client *c, struct answer *a)
{
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	put_network(c, &b, a->msg, true);
	reply_buf(c, 200, &b);
}

int
handle_network_inspect(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call(c, NO_network_inspect, &m, NULL, 0, on_network, e);
}

static void
on_network_created(struct client *c, struct answer *a)
{
	const struct api_created *m = a->msg;
	own_buf b = BUF_INIT(4096);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_puts(&b, "{\"Id\":");
	json_put_str(&b, m->id);
	buf_puts(&b, ",\"Warning\":");
	json_put_str(&b, m->warnings.n > 0 ? m->warnings.v[0] : "");
	buf_puts(&b, "}\n");
	reply_buf(c, 201, &b);
}

/* The body, an object, as a record. */
static int
read_body(struct client *c, const struct rec_type *type, void *m, struct err *e)
{
	own_json *v = NULL;

	if (m == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (client_json(c, &v, e) < 0)
		return -1;
	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into Go value", json_type_name(v));
	return json_to_rec(type, v, "", &c->arena, m, NULL, e);
}

int
handle_network_create(struct client *c, struct err *e)
{
	struct api_network_create *m = arena_alloc(&c->arena, sizeof *m);

	if (read_body(c, &api_network_create_type, m, e) < 0)
		return -1;
	return client_call(c, NO_network_create, m, NULL, 0, on_network_created, e);
}

int
handle_network_remove(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call_status(c, NO_network_remove, &m, 204, e);
}

static int
connect_or_not(struct client *c, unsigned no, struct err *e)
{
	struct api_network_connect *m = arena_alloc(&c->arena, sizeof *m);

	if (read_body(c, &api_network_connect_type, m, e) < 0)
		return -1;
	m->ref = c->name;
	return client_call_status(c, no, m, 200, e);
}

int
handle_network_connect(struct client *c, struct err *e)
{
	return connect_or_not(c, NO_network_connect, e);
}

int
handle_network_disconnect(struct client *c, struct err *e)
{
	return connect_or_not(c, NO_network_disconnect, e);
}

static void
on_networks_pruned(struct client *c, struct answer *a)
{
	const struct api_pruned *m = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_puts(&b, "{\"NetworksDeleted\":");
	json_put_strs(&b, &m->deleted, true);
	buf_puts(&b, "}\n");
	reply_buf(c, 200, &b);
}

int
handle_network_prune(struct client *c, struct err *e)
{
	struct api_filters m = { 0 };

	if (read_filters(c, &m, e) < 0)
		return -1;
	return client_call(c, NO_network_prune, &m, NULL, 0, on_networks_pruned, e);
}
