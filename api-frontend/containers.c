/* Container operations that are one message each, and the list. */
#include "human.h"
#include "routes.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static int
call_ref(struct client *c, unsigned no, int status, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call_status(c, no, &m, status, e);
}

/* ---- list ---- */

static void
put_summary(struct client *c, struct buf *b, const struct container_summary *s, int64_t now)
{
	static const struct container_state unknown = { .status = (char *)(uintptr_t)"created" };
	const struct container_state *state = s->state != NULL ? s->state : &unknown;
	char status[160];
	bool first = true;

	human_status(status, state, s->health, now);
	buf_putc(b, '{');
	json_put_key(b, "Id", &first);
	json_put_str(b, s->id);
	json_put_key(b, "Names", &first);
	json_put_strs(b, &s->names, false);
	json_put_key(b, "Image", &first);
	json_put_str(b, s->image);
	json_put_key(b, "ImageID", &first);
	json_put_str(b, s->image_id);
	json_put_key(b, "Command", &first);
	json_put_str(b, s->command);
	json_put_key(b, "Created", &first);
	json_put_num(b, s->created / 1000000000);
	json_put_key(b, "Ports", &first);
	json_put_list(b, &summary_port_type, &s->ports, false, true);
	if (query_bool(c, "size", false)) {
		json_put_key(b, "SizeRw", &first);
		json_put_num(b, s->size_rw);
		json_put_key(b, "SizeRootFs", &first);
		json_put_num(b, s->size_root_fs);
	}
	json_put_key(b, "Labels", &first);
	json_put_kvs(b, &s->labels, false);
	json_put_key(b, "State", &first);
	json_put_str(b, state->status);
	json_put_key(b, "Status", &first);
	json_put_str(b, status);
	json_put_key(b, "HostConfig", &first);
	buf_puts(b, "{\"NetworkMode\":");
	json_put_str(b, s->network_mode);
	if (c->version >= 146 && s->annotations.n > 0) {
		buf_puts(b, ",\"Annotations\":");
		json_put_kvs(b, &s->annotations, false);
	}
	buf_putc(b, '}');
	json_put_key(b, "NetworkSettings", &first);
	buf_puts(b, "{\"Networks\":");
	json_put_list(b, &endpoint_type, &s->networks, true, true);
	buf_putc(b, '}');
	json_put_key(b, "Mounts", &first);
	json_put_list(b, &mount_point_type, &s->mounts, false, true);
	buf_putc(b, '}');
}

static void
on_list(struct client *c, struct answer *a)
{
	const struct api_summaries *m = a->msg;
	own_buf b = BUF_INIT((size_t)128 << 20);
	int64_t now = now_real_ns();

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_putc(&b, '[');
	for (size_t i = 0; i < m->items.n; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		put_summary(c, &b, &m->items.v[i], now);
	}
	buf_putc(&b, ']');
	reply_buf(c, 200, &b);
}

/* A decimal number, negative ones too; "" counts as absent (the value stays). */
static int
query_number(const struct client *c, const char *key, int64_t *ret, struct err *e)
{
	const char *text = query_str(c, key);
	uint64_t v;

	if (*text == '\0')
		return 0;
	if (!text_to_u64(*text == '-' ? text + 1 : text, INT64_MAX, &v))
		return err_set(e, ERR_INVALID, "strconv.Atoi: parsing \"%.64s\": invalid syntax", text);
	*ret = *text == '-' ? -(int64_t)v : (int64_t)v;
	return 0;
}

int
handle_container_list(struct client *c, struct err *e)
{
	struct api_list m = { .all = query_bool(c, "all", false), .size = query_bool(c, "size", false) };

	if (query_number(c, "limit", &m.limit, e) < 0 || query_filters(c, &m.filters.v, &m.filters.n, e) < 0)
		return -1;
	return client_call(c, NO_container_list, &m, NULL, 0, on_list, e);
}

/* ---- inspect ---- */

static void
put_inspect(struct client *c, const struct container *m, const struct container_summary *sizes)
{
	own_buf b = BUF_INIT((size_t)64 << 20);
	bool first = true;

	buf_putc(&b, '{');
	json_put_members(&b, &container_type, m, &first);
	if (sizes != NULL) {
		json_put_key(&b, "SizeRw", &first);
		json_put_num(&b, sizes->size_rw);
		json_put_key(&b, "SizeRootFs", &first);
		json_put_num(&b, sizes->size_root_fs);
	}
	buf_putc(&b, '}');
	reply_buf(c, 200, &b);
}

static void
on_sizes(struct client *c, struct answer *a)
{
	const struct api_summaries *m = a->msg;

	if (a->err != NULL)
		reply_error(c, a->err);
	else
		put_inspect(c, c->stream, m->items.n == 1 ? &m->items.v[0] : NULL);
}

/* The sizes come with the list; the record waits in the request's arena. */
static int
ask_sizes(struct client *c, const struct container *found, struct err *e)
{
	char *values[1];
	struct filter filter = { .key = (char *)(uintptr_t)"id", .values = { 1, values } };
	struct api_list m = { .all = true, .size = true, .filters = { 1, &filter } };
	struct container *kept = arena_alloc(&c->arena, sizeof *kept);

	if (kept == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (rec_copy(&container_type, found, &c->arena, kept, e) < 0)
		return -1;
	values[0] = kept->id;
	c->stream = kept;
	return client_call(c, NO_container_list, &m, NULL, 0, on_sizes, e);
}

static void
on_inspect(struct client *c, struct answer *a)
{
	struct err e = ERR_INIT;

	if (a->err != NULL)
		reply_error(c, a->err);
	else if (!query_bool(c, "size", false))
		put_inspect(c, a->msg, NULL);
	else if (ask_sizes(c, a->msg, &e) < 0)
		reply_error(c, &e);
}

int
handle_container_inspect(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call(c, NO_container_inspect, &m, NULL, 0, on_inspect, e);
}

/* ---- life ---- */

int
handle_container_start(struct client *c, struct err *e)
{
	if (c->head.chunked || c->body.used > 7)
		return err_set(e, ERR_INVALID, "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
	if (*query_str(c, "checkpoint") != '\0')
		return err_set(e, ERR_UNSUPPORTED, "starting from a checkpoint is not implemented by Bulwark yet");
	return call_ref(c, NO_container_start, 204, e);
}

static int
call_stop(struct client *c, unsigned no, struct err *e)
{
	struct api_stop m = { .ref = c->name };

	if (c->version >= 142)
		m.signal = (char *)(uintptr_t)query_str(c, "signal");
	if (*query_str(c, "t") != '\0') {
		m.timeout.set = true;
		if (query_number(c, "t", &m.timeout.v, e) < 0)
			return -1;
	}
	return client_call_status(c, no, &m, 204, e);
}

int
handle_container_stop(struct client *c, struct err *e)
{
	return call_stop(c, NO_container_stop, e);
}

int
handle_container_restart(struct client *c, struct err *e)
{
	return call_stop(c, NO_container_restart, e);
}

int
handle_container_kill(struct client *c, struct err *e)
{
	struct api_kill m = { .ref = c->name, .signal = (char *)(uintptr_t)query_str(c, "signal") };

	return client_call_status(c, NO_container_kill, &m, 204, e);
}

int
handle_container_pause(struct client *c, struct err *e)
{
	return call_ref(c, NO_container_pause, 204, e);
}

int
handle_container_unpause(struct client *c, struct err *e)
{
	return call_ref(c, NO_container_unpause, 204, e);
}

int
handle_container_rename(struct client *c, struct err *e)
{
	struct api_rename m = { .ref = c->name, .name = (char *)(uintptr_t)query_str(c, "name") };

	return client_call_status(c, NO_container_rename, &m, 204, e);
}

int
handle_container_remove(struct client *c, struct err *e)
{
	struct api_remove m = {
		.ref = c->name, .force = query_bool(c, "force", false), .volumes = query_bool(c, "v", false), .link = query_bool(c, "link", false),
	};

	return client_call_status(c, NO_container_remove, &m, 204, e);
}

static int
query_u32(const struct client *c, const char *key, int64_t *ret, struct err *e)
{
	uint64_t v;

	if (!text_to_u64(query_str(c, key), UINT32_MAX, &v))
		return err_set(e, ERR_INVALID, "invalid resize %s \"%.64s\": %s", strcmp(key, "h") == 0 ? "height" : "width", query_str(c, key),
		    *query_str(c, key) == '\0' ? "value is empty" : "invalid syntax");
	*ret = (int64_t)v;
	return 0;
}

static int
call_resize(struct client *c, bool exec, int status, struct err *e)
{
	struct api_resize m = { .ref = c->name, .exec = exec };

	if (query_u32(c, "h", &m.h, e) < 0 || query_u32(c, "w", &m.w, e) < 0)
		return -1;
	return client_call_status(c, NO_container_resize, &m, status, e);
}

int
handle_container_resize(struct client *c, struct err *e)
{
	return call_resize(c, false, 200, e);
}

int
handle_exec_resize(struct client *c, struct err *e)
{
	return call_resize(c, true, 200, e);
}

/* ---- wait ---- */

static void
on_waited(struct client *c, struct answer *a)
{
	const struct api_waited *m = a->msg;
	own_buf b = BUF_INIT(16384);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	if (a->more) {
		/* registered: clients start the container once they see this head */
		if (c->version >= 130)
			stream_begin(c, 200, "application/json");
		return;
	}
	buf_puts(&b, "{\"StatusCode\":");
	json_put_num(&b, m->status);
	if (m->error != NULL && *m->error != '\0') {
		buf_puts(&b, ",\"Error\":{\"Message\":");
		json_put_str(&b, m->error);
		buf_putc(&b, '}');
	}
	buf_putc(&b, '}');
	if (!c->started) {
		reply_buf(c, 200, &b);
		return;
	}
	buf_putc(&b, '\n');
	stream_put(c, b.data, b.used);
	stream_end(c);
}

int
handle_container_wait(struct client *c, struct err *e)
{
	const char *condition = c->version >= 130 ? query_str(c, "condition") : "";
	struct api_wait m = { .ref = c->name, .condition = (char *)(uintptr_t)(*condition != '\0' ? condition : "not-running") };

	if (strcmp(m.condition, "not-running") != 0 && strcmp(m.condition, "next-exit") != 0 && strcmp(m.condition, "removed") != 0)
		return err_set(e, ERR_INVALID, "invalid condition: \"%.64s\"", condition);
	return client_call(c, NO_container_wait, &m, NULL, 0, on_waited, e);
}

/* ---- prune ---- */

static void
on_pruned(struct client *c, struct answer *a)
{
	const struct api_pruned *m = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_puts(&b, "{\"ContainersDeleted\":");
	json_put_strs(&b, &m->deleted, true);
	buf_puts(&b, ",\"SpaceReclaimed\":");
	json_put_num(&b, m->reclaimed);
	buf_putc(&b, '}');
	reply_buf(c, 200, &b);
}

int
handle_container_prune(struct client *c, struct err *e)
{
	struct api_filters m = { .api_version = (int64_t)c->version };

	if (query_filters(c, &m.filters.v, &m.filters.n, e) < 0)
		return -1;
	return client_call(c, NO_container_prune, &m, NULL, 0, on_pruned, e);
}
