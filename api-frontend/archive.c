/* Files in and out of containers: HEAD, GET and PUT /containers/{id}/archive. */
#include "routes.h"
#include "transfer.h"

#include "log.h"

#include <string.h>

static char *
base64(struct arena *a, const unsigned char *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = arena_alloc(a, (n + 2) / 3 * 4 + 1), *at = out;

	for (size_t i = 0; out != NULL && i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

		*at++ = digits[v >> 18];
		*at++ = digits[v >> 12 & 63];
		*at++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*at++ = i + 2 < n ? digits[v & 63] : '=';
	}
	return out;
}

/* What stands at the path goes into the head of the answer. */
static bool
take_stat(struct client *c, const struct api_archived *m)
{
	own_buf json = BUF_INIT(65536);
	char *text;

	json_put_rec(&json, &api_archived_type, m);
	text = json.failed ? NULL : base64(&c->arena, json.data, json.used);
	c->extra = text != NULL ? arena_printf(&c->arena, "X-Docker-Container-Path-Stat: %s\r\n", text) : NULL;
	if (c->extra == NULL)
		reply_message(c, 500, "out of memory");
	return c->extra != NULL;
}

static int
make_wish(struct client *c, const char *op, struct api_archive *m, struct err *e)
{
	*m = (struct api_archive){ .ref = c->name, .op = (char *)(uintptr_t)op, .path = (char *)(uintptr_t)query_str(c, "path") };
	return *m->path != '\0' ? 0 : err_set(e, ERR_INVALID, "bad parameter: pathcannot be empty");
}

static void
on_stat(struct client *c, struct answer *a)
{
	if (a->err != NULL)
		reply_error(c, a->err);
	else if (a->more)
		(void)take_stat(c, a->msg);
	else
		reply_empty(c, 200);
}

int
handle_archive_stat(struct client *c, struct err *e)
{
	struct api_archive m;

	return make_wish(c, "stat", &m, e) < 0 ? -1 : client_call(c, NO_container_archive, &m, NULL, 0, on_stat, e);
}

static void
on_get(struct client *c, struct answer *a)
{
	if (a->err != NULL) {
		if (c->started)
			log_err(LOG_WARN, a->err, "a copy out of a container broke off");
		reply_error(c, a->err);
	} else if (!a->more) {
		transfer_end(c);
	} else if (c->extra == NULL && take_stat(c, a->msg)) {
		transfer_begin(c);
	}
}

int
handle_archive_get(struct client *c, struct err *e)
{
	struct api_archive m;

	return make_wish(c, "get", &m, e) < 0 ? -1 : transfer_download(c, NO_container_archive, &m, "application/x-tar", true, on_get, e);
}

static void
on_put(struct client *c, struct answer *a)
{
	if (a->err != NULL)
		reply_error(c, a->err);
	else if (!a->more)
		reply_empty(c, 200);
}

int
handle_archive_put(struct client *c, struct err *e)
{
	struct api_archive m;

	if (make_wish(c, "put", &m, e) < 0)
		return -1;
	m.no_overwrite = query_bool(c, "noOverwriteDirNonDir", false);
	m.copy_ids = query_bool(c, "copyUIDGID", false);
	return transfer_upload(c, NO_container_archive, &m, on_put, e);
}
