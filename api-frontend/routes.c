#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define R(method_, pattern_, body_, fn) { .method = (method_), .pattern = (pattern_), .since = 0, .body = BODY_##body_, .handler = handle_##fn },
#define S(method_, pattern_, since_, body_, fn) \
	{ .method = (method_), .pattern = (pattern_), .since = (since_), .body = BODY_##body_, .handler = handle_##fn },
/* known, not built: 501 */
#define NOT_YET(method_, pattern_) { .method = (method_), .pattern = (pattern_), .body = BODY_STREAM, .handler = NULL },
/* what an engine outside a swarm answers */
#define SWARM(method_, pattern_) { .method = (method_), .pattern = (pattern_), .body = BODY_NONE, .handler = handle_not_swarm },

/* {} stands for one or more characters, slashes too. The first row that matches counts. */
static const struct route routes[] = {
	R("HEAD",   "/_ping",                          NONE,   ping)
	R("GET",    "/_ping",                          NONE,   ping)
	R("GET",    "/version",                        NONE,   version)
	R("GET",    "/info",                           NONE,   info)
	R("GET",    "/events",                         NONE,   system_events)
	R("GET",    "/system/df",                      NONE,   system_df)
	NOT_YET("POST", "/auth")

	R("GET",    "/containers/json",                NONE,   container_list)
	R("POST",   "/containers/create",              CREATE, container_create)
	R("POST",   "/containers/prune",               NONE,   container_prune)
	NOT_YET("GET", "/containers/{}/checkpoints")
	NOT_YET("POST", "/containers/{}/checkpoints")
	NOT_YET("DELETE", "/containers/{}/checkpoints/{}")
	R("GET",    "/containers/{}/json",             NONE,   container_inspect)
	R("GET",    "/containers/{}/top",              NONE,   container_top)
	R("GET",    "/containers/{}/logs",             NONE,   container_logs)
	R("GET",    "/containers/{}/changes",          NONE,   container_changes)
	R("GET",    "/containers/{}/export",           NONE,   container_export)
	R("GET",    "/containers/{}/stats",            NONE,   container_stats)
	R("POST",   "/containers/{}/resize",           NONE,   container_resize)
	R("POST",   "/containers/{}/start",            NONE,   container_start)
	R("POST",   "/containers/{}/stop",             NONE,   container_stop)
	R("POST",   "/containers/{}/restart",          NONE,   container_restart)
	R("POST",   "/containers/{}/kill",             NONE,   container_kill)
	R("POST",   "/containers/{}/update",           JSON,   container_update)
	R("POST",   "/containers/{}/rename",           NONE,   container_rename)
	R("POST",   "/containers/{}/pause",            NONE,   container_pause)
	R("POST",   "/containers/{}/unpause",          NONE,   container_unpause)
	R("POST",   "/containers/{}/attach",           NONE,   container_attach)
	NOT_YET("GET", "/containers/{}/attach/ws")
	R("POST",   "/containers/{}/wait",             NONE,   container_wait)
	R("POST",   "/containers/{}/exec",             JSON,   exec_create)
	R("HEAD",   "/containers/{}/archive",          NONE,   archive_stat)
	R("GET",    "/containers/{}/archive",          NONE,   archive_get)
	R("PUT",    "/containers/{}/archive",          STREAM, archive_put)
	R("DELETE", "/containers/{}",                  NONE,   container_remove)

	R("POST",   "/exec/{}/start",                  JSON,   exec_start)
	R("POST",   "/exec/{}/resize",                 NONE,   exec_resize)
	R("GET",    "/exec/{}/json",                   NONE,   exec_inspect)

	R("GET",    "/images/json",                    NONE,   image_list)
	NOT_YET("GET", "/images/search")
	R("GET",    "/images/get",                     NONE,   images_save)
	R("POST",   "/images/create",                  STREAM, image_create)
	R("POST",   "/images/load",                    STREAM, image_load)
	S("POST",   "/images/prune",                   125, NONE, image_prune)
	R("GET",    "/images/{}/get",                  NONE,   image_save)
	R("GET",    "/images/{}/history",              NONE,   image_history)
	R("GET",    "/images/{}/json",                 NONE,   image_inspect)
	NOT_YET("POST", "/images/{}/push")
	R("POST",   "/images/{}/tag",                  NONE,   image_tag)
	R("DELETE", "/images/{}",                      NONE,   image_remove)
	NOT_YET("POST", "/build/cancel")
	S("POST",   "/build/prune",                    131, NONE, build_prune)
	NOT_YET("POST", "/build")
	R("POST",   "/commit",                         JSON,   container_commit)

	R("GET",    "/volumes",                        NONE,   volume_list)
	R("POST",   "/volumes/create",                 JSON,   volume_create)
	S("POST",   "/volumes/prune",                  125, NONE, volume_prune)
	R("GET",    "/volumes/{}",                     NONE,   volume_inspect)
	SWARM("PUT", "/volumes/{}")
	R("DELETE", "/volumes/{}",                     NONE,   volume_remove)

	R("GET",    "/networks",                       NONE,   network_list)
	R("GET",    "/networks/",                      NONE,   network_list)
	R("POST",   "/networks/create",                JSON,   network_create)
	S("POST",   "/networks/prune",                 125, NONE, network_prune)
	R("POST",   "/networks/{}/connect",            JSON,   network_connect)
	R("POST",   "/networks/{}/disconnect",         JSON,   network_disconnect)
	R("GET",    "/networks/{}",                    NONE,   network_inspect)
	R("DELETE", "/networks/{}",                    NONE,   network_remove)

	R("GET",    "/plugins",                        NONE,   plugin_list)
	NOT_YET("GET", "/plugins/privileges")
	NOT_YET("POST", "/plugins/pull")
	NOT_YET("POST", "/plugins/create")
	R("GET",    "/plugins/{}/json",                NONE,   plugin_inspect)
	R("POST",   "/plugins/{}/enable",              NONE,   plugin_inspect)
	R("POST",   "/plugins/{}/disable",             NONE,   plugin_inspect)
	R("POST",   "/plugins/{}/upgrade",             NONE,   plugin_inspect)
	R("POST",   "/plugins/{}/push",                NONE,   plugin_inspect)
	R("POST",   "/plugins/{}/set",                 NONE,   plugin_inspect)
	R("DELETE", "/plugins/{}",                     NONE,   plugin_inspect)

	SWARM("GET", "/nodes")
	SWARM("GET", "/nodes/{}")
	SWARM("DELETE", "/nodes/{}")
	SWARM("POST", "/nodes/{}/update")
	NOT_YET("POST", "/swarm/init")
	NOT_YET("POST", "/swarm/join")
	SWARM("GET", "/swarm")
	SWARM("POST", "/swarm/leave")
	SWARM("POST", "/swarm/update")
	SWARM("GET", "/swarm/unlockkey")
	SWARM("POST", "/swarm/unlock")
	SWARM("GET", "/services")
	SWARM("POST", "/services/create")
	SWARM("GET", "/services/{}/logs")
	SWARM("GET", "/services/{}")
	SWARM("DELETE", "/services/{}")
	SWARM("POST", "/services/{}/update")
	SWARM("GET", "/tasks")
	SWARM("GET", "/tasks/{}/logs")
	SWARM("GET", "/tasks/{}")
	SWARM("GET", "/secrets")
	SWARM("POST", "/secrets/create")
	SWARM("GET", "/secrets/{}")
	SWARM("DELETE", "/secrets/{}")
	SWARM("POST", "/secrets/{}/update")
	SWARM("GET", "/configs")
	SWARM("POST", "/configs/create")
	SWARM("GET", "/configs/{}")
	SWARM("DELETE", "/configs/{}")
	SWARM("POST", "/configs/{}/update")
	NOT_YET("GET", "/distribution/{}/json")
	NOT_YET("POST", "/session")
	NOT_YET("POST", "/grpc")
};

/* Where the last place's text ends and begins: at most two places, each at least one byte; the first is greedy. */
static bool
match(const char *pattern, const char *path, struct http_str places[2])
{
	const char *hole = strstr(pattern, "{}"), *after, *second;
	size_t before, n = strlen(path), tail;

	places[0] = places[1] = (struct http_str){ NULL, 0 };
	if (hole == NULL)
		return strcmp(pattern, path) == 0;
	before = (size_t)(hole - pattern);
	if (n <= before || memcmp(pattern, path, before) != 0)
		return false;
	after = hole + 2;
	second = strstr(after, "{}");
	if (second == NULL) {
		tail = strlen(after);
		if (n <= before + tail || strcmp(path + n - tail, after) != 0)
			return false;
		places[0] = (struct http_str){ path + before, n - before - tail };
		return true;
	}
	/* the second place ends the pattern and holds no slash */
	tail = (size_t)(second - after);
	for (size_t at = n - 1; at > before + tail; at--)
		if (memcmp(path + at - tail, after, tail) == 0) {
			places[0] = (struct http_str){ path + before, at - tail - before };
			places[1] = (struct http_str){ path + at, n - at };
			return memchr(path + at, '/', n - at) == NULL;
		}
	return false;
}

/* "/v1.41/..." gives 141 and moves *path on; without prefix the newest version applies. False: no such version number. */
static bool
take_version(const char **path, char text[16], unsigned *ret)
{
	const char *p = *path + 2;
	unsigned long major, minor = 0;
	size_t n = strspn(p, "0123456789.");
	char *end;

	*ret = API_VERSION_MAX;
	text[0] = '\0';
	if ((*path)[0] != '/' || (*path)[1] != 'v' || n == 0 || p[n] != '/' || n >= 16)
		return true;
	memcpy(text, p, n);
	text[n] = '\0';
	*path = p + n;
	if (text[0] < '0' || text[0] > '9')
		return false;
	major = strtoul(text, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, &end, 10);
	*ret = major > 9 ? 9999 : minor > 99 ? (unsigned)(major + 1) * 100 - 1 : (unsigned)(major * 100 + minor);
	return true;
}

/* Double slashes, "." and ".." are answered with the clean path, as Go's router does. */
static bool
clean_path(const char *path, char *out)
{
	size_t n = 0;
	const char *p = path;

	while (*p != '\0') {
		size_t len;

		while (*p == '/')
			p++;
		len = strcspn(p, "/");
		if (len == 0 || (len == 1 && p[0] == '.')) {
			p += len;
			continue;
		}
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
			p += len;
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, p, len);
		n += len;
		p += len;
	}
	if (n == 0 || (path[strlen(path) - 1] == '/' && out[n - 1] != '/'))
		out[n++] = '/';
	out[n] = '\0';
	return strcmp(path, out) == 0;
}

static void
redirect(struct client *c, const char *clean)
{
	own_buf b = BUF_INIT(32768), body = BUF_INIT(32768);

	/* only bytes that need no escape in a header are sent back */
	for (const char *p = clean; *p != '\0'; p++)
		if (*p > ' ' && *p < 0x7f && strchr("\"<>%\\^`{|}?#", *p) == NULL)
			buf_putc(&b, *p);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*p);
	if (c->head.query.n > 0) {
		buf_putc(&b, '?');
		buf_put(&b, c->head.query.p, c->head.query.n);
	}
	c->started = true;
	buf_printf(&c->out, "HTTP/1.1 301 Moved Permanently\r\nLocation: %s\r\nContent-Type: text/html; charset=utf-8\r\n", buf_cstr(&b));
	if (c->head.method.n == 3)
		buf_puts(&body, "<a href=\"/\">Moved Permanently</a>.\n\n");
	buf_printf(&c->out, "Content-Length: %zu\r\n%s\r\n", body.used, c->closing ? "Connection: close\r\n" : "");
	if (!c->no_body)
		buf_put(&c->out, body.data, body.used);
	c->state = CLIENT_FLUSH;
	client_flush(c);
}

static bool
parse_query(struct client *c)
{
	struct http_str rest = c->head.query;

	while (rest.n > 0) {
		const char *amp = memchr(rest.p, '&', rest.n), *eq;
		struct http_str one = { rest.p, amp != NULL ? (size_t)(amp - rest.p) : rest.n }, value = { "", 0 };
		struct kv *kv;

		rest.n -= one.n + (amp != NULL ? 1 : 0);
		rest.p += one.n + (amp != NULL ? 1 : 0);
		if (one.n == 0)
			continue;
		eq = memchr(one.p, '=', one.n);
		if (eq != NULL) {
			value = (struct http_str){ eq + 1, one.n - (size_t)(eq - one.p) - 1 };
			one.n = (size_t)(eq - one.p);
		}
		if (c->query.n >= QUERY_MAX || (kv = list_add(&c->query, &c->arena, sizeof *kv)) == NULL)
			return false;
		kv->key = arena_alloc(&c->arena, one.n + 1);
		kv->value = arena_alloc(&c->arena, value.n + 1);
		if (kv->key == NULL || kv->value == NULL || !http_unescape(one, true, kv->key) || !http_unescape(value, true, kv->value))
			return false;
	}
	return true;
}

const char *
query_str(const struct client *c, const char *key)
{
	const char *v = kvs_get(&c->query, key);

	return v != NULL ? v : "";
}

bool
query_has(const struct client *c, const char *key)
{
	return kvs_get(&c->query, key) != NULL;
}

bool
query_bool(const struct client *c, const char *key, bool otherwise)
{
	static const char *const no[] = { "", "0", "no", "false", "none" };
	const char *v = kvs_get(&c->query, key);

	if (v == NULL)
		return otherwise;
	while (*v == ' ' || *v == '\t')
		v++;
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		if (strcasecmp(v, no[i]) == 0)
			return false;
	return true;
}

static int
bad_filters(struct err *e)
{
	return err_set(e, ERR_INVALID, "invalid filter");
}

int
query_filters(struct client *c, struct filter **ret, size_t *ret_n, struct err *e)
{
	struct filter_list list = { 0 };
	const char *text = query_str(c, "filters"), *key, *inner_key;
	own_json *v = NULL;
	json_t *each, *inner;
	size_t i;

	*ret = NULL;
	*ret_n = 0;
	if (*text == '\0')
		return 0;
	if (json_parse(text, strlen(text), &v, e) < 0 || !json_is_object(v))
		return bad_filters(e);
	json_object_foreach(v, key, each) {
		struct filter *f = list_add(&list, &c->arena, sizeof *f);

		if (f == NULL || list.n > 64)
			return err_set(e, ERR_INVALID, "too many filters");
		f->key = arena_str(&c->arena, key);
		if (json_is_object(each)) {
			json_object_foreach(each, inner_key, inner)
				if (!json_is_boolean(inner) || !strs_add(&f->values, &c->arena, inner_key))
					return bad_filters(e);
		} else if (json_is_array(each)) {
			json_array_foreach(each, i, inner)
				if (!json_is_string(inner) || !strs_add(&f->values, &c->arena, json_string_value(inner)))
					return bad_filters(e);
		} else {
			return bad_filters(e);
		}
	}
	*ret = list.v;
	*ret_n = list.n;
	return 0;
}

int
client_json(struct client *c, json_t **ret, struct err *e)
{
	const struct http_str *type = http_header(&c->head, "content-type");
	struct http_str mime;

	if (type == NULL && c->body.used > 0)
		return err_set(e, ERR_INVALID, "malformed Content-Type header (): mime: no media type");
	if (type != NULL) {
		mime = *type;
		for (size_t i = 0; i < mime.n; i++)
			if (mime.p[i] == ';' || mime.p[i] == ' ') {
				mime.n = i;
				break;
			}
		if (!http_str_is(&mime, "application/json"))
			return err_set(e, ERR_INVALID, "unsupported Content-Type header (%.*s): must be 'application/json'",
			    (int)(type->n < 200 ? type->n : 200), type->p);
	}
	return json_parse((const char *)c->body.data, c->body.used, ret, e);
}

int
client_record(struct client *c, const struct rec_type *t, void *obj, struct err *e)
{
	own_json *v = NULL;

	if (client_json(c, &v, e) < 0)
		return -1;
	if (json_is_null(v))
		return 0;
	return json_to_rec(t, v, "", &c->arena, obj, NULL, e);
}

static const struct route *
find_route(const struct client *c, const char *path, struct http_str places[2])
{
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if (strlen(routes[i].method) == c->head.method.n && memcmp(routes[i].method, c->head.method.p, c->head.method.n) == 0 &&
		    match(routes[i].pattern, path, places))
			return &routes[i];
	return NULL;
}

/* Without a route the body is of no known size to us: the connection ends with the answer. */
static bool
refuse(struct client *c, int status, const char *message)
{
	if (c->head.chunked || c->head.length > 0)
		c->closing = true;
	reply_message(c, status, message);
	return false;
}

static bool
check_version(struct client *c, const char *text)
{
	char message[256];

	if (c->version >= API_VERSION_MIN && c->version <= API_VERSION_MAX)
		return true;
	if (c->head.chunked || c->head.length > 0)
		c->closing = true;
	if (c->version > API_VERSION_MAX) {
		(void)snprintf(message, sizeof message, "client version %s is too new. Maximum supported API version is %s", text, API_VERSION_TEXT);
		reply_message(c, 400, message);
		return false;
	}
	(void)snprintf(message, sizeof message, "client version %s is too old. Minimum supported API version is %s, please upgrade your "
	    "client to a newer version\n", text, API_MIN_TEXT);
	reply(c, 400, "text/plain; charset=utf-8", message, strlen(message));
	return false;
}

static bool
answer_options(struct client *c)
{
	static const struct route options = { .method = "OPTIONS", .pattern = "*", .body = BODY_NONE };

	c->route = &options;
	if (c->head.chunked || c->head.length > 0)
		c->closing = true;
	reply_empty(c, 200);
	return false;
}

bool
route_request(struct client *c)
{
	char version[16], *decoded, *clean;
	const char *path;
	struct http_str places[2];
	bool known;

	if (c->head.method.n == 7 && memcmp(c->head.method.p, "OPTIONS", 7) == 0)
		return answer_options(c);
	decoded = arena_alloc(&c->arena, c->head.path.n + 1);
	clean = arena_alloc(&c->arena, c->head.path.n + 3);
	if (decoded == NULL || clean == NULL) {
		client_kill(c);
		return false;
	}
	if (!http_unescape(c->head.path, false, decoded) || !parse_query(c)) {
		c->closing = true;
		reply_message(c, 400, "malformed request target");
		return false;
	}
	if (!clean_path(decoded, clean)) {
		if (c->head.chunked || c->head.length > 0)
			c->closing = true;
		redirect(c, clean);
		return false;
	}
	path = decoded;
	known = take_version(&path, version, &c->version);
	c->path = arena_str(&c->arena, path);
	c->route = find_route(c, path, places);
	if (c->route == NULL || !known || (c->route->since > 0 && c->version < c->route->since && c->version >= API_VERSION_MIN)) {
		c->route = NULL;
		return refuse(c, 404, "page not found");
	}
	if (!check_version(c, version))
		return false;
	if (places[0].p != NULL)
		c->name = arena_strn(&c->arena, places[0].p, places[0].n);
	if (places[1].p != NULL)
		c->name2 = arena_strn(&c->arena, places[1].p, places[1].n);
	if (c->route->handler == NULL) {
		char message[160];

		(void)snprintf(message, sizeof message, "%s %s is not implemented by Bulwark yet", c->route->method, c->route->pattern);
		for (char *p = message; (p = strstr(p, "{}")) != NULL; p += 2)
			memcpy(p, "..", 2);
		return refuse(c, 501, message);
	}
	return true;
}
