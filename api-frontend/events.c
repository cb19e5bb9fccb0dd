/* GET /events: one JSON object a line, with the old fields beside the new ones. */
#include "routes.h"
#include "times.h"

#include <string.h>

static bool
has_old_fields(const struct event *m)
{
	return m->type != NULL && (strcmp(m->type, "container") == 0 || strcmp(m->type, "image") == 0);
}

void
put_event(struct buf *b, const struct event *m)
{
	const char *from = kvs_get(&m->attributes, "image");
	bool first = true;

	buf_putc(b, '{');
	if (has_old_fields(m)) {
		json_put_key(b, "status", &first);
		json_put_str(b, m->action);
		json_put_key(b, "id", &first);
		json_put_str(b, m->id);
		if (from != NULL && strcmp(m->type, "container") == 0) {
			json_put_key(b, "from", &first);
			json_put_str(b, from);
		}
	}
	json_put_key(b, "Type", &first);
	json_put_str(b, m->type);
	json_put_key(b, "Action", &first);
	json_put_str(b, m->action);
	json_put_key(b, "Actor", &first);
	buf_puts(b, "{\"ID\":");
	json_put_str(b, m->id);
	buf_puts(b, ",\"Attributes\":");
	json_put_kvs(b, &m->attributes, false);
	buf_puts(b, "},\"scope\":\"local\",\"time\":");
	json_put_num(b, m->time / 1000000000);
	buf_puts(b, ",\"timeNano\":");
	json_put_num(b, m->time);
	buf_puts(b, "}\n");
}

static void
on_event(struct client *c, struct answer *a)
{
	const struct event *m = a->msg;
	own_buf b = BUF_INIT((size_t)4 << 20);

	if (a->err != NULL) {
		if (c->started)
			stream_end(c);
		else
			reply_error(c, a->err);
		return;
	}
	/* nothing happened: the last answer of a stream that ran until a time */
	if (m->type != NULL && *m->type != '\0' &&
	    !(c->version < 146 && strcmp(m->type, "image") == 0 && m->action != NULL && strcmp(m->action, "create") == 0)) {
		put_event(&b, m);
		stream_put(c, b.data, b.used);
	}
	/* a client that does not read may not fill our memory */
	if (!c->dead && c->out.used > (size_t)4 << 20)
		stream_abort(c);
	else if (!a->more)
		stream_end(c);
}

static int
event_time(struct client *c, const char *key, int64_t *ret, struct err *e)
{
	if (!time_parse(query_str(c, key), now_real_ns(), ret))
		return err_set(e, ERR_INVALID, "invalid value for \"%s\": %.64s", key, query_str(c, key));
	return 0;
}

int
handle_system_events(struct client *c, struct err *e)
{
	struct api_events m = { .has_until = *query_str(c, "until") != '\0' };

	if (event_time(c, "since", &m.since, e) < 0 || event_time(c, "until", &m.until, e) < 0 ||
	    query_filters(c, &m.filters.v, &m.filters.n, e) < 0)
		return -1;
	if (m.has_until && m.since != 0 && m.since > m.until)
		return err_set(e, ERR_INVALID, "`since` time (%lld) cannot be after `until` time (%lld)", (long long)(m.since / 1000000000),
		    (long long)(m.until / 1000000000));
	if (client_call(c, NO_system_events, &m, NULL, 0, on_event, e) < 0)
		return -1;
	/* the head goes out before anything happened */
	stream_begin(c, 200, "application/json");
	return 0;
}
