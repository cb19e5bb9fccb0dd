/* Ping, version, info, disk usage, and what an engine without swarm and plug-ins answers. */
#include "routes.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define ARCH_GO "amd64"
#define ARCH_UNAME "x86_64"
#elif defined(__aarch64__)
#define ARCH_GO "arm64"
#define ARCH_UNAME "aarch64"
#else
#define ARCH_GO "unknown"
#define ARCH_UNAME "unknown"
#endif

int
handle_ping(struct client *c, struct err *e)
{
	bool head = c->no_body;

	c->started = true;
	buf_puts(&c->out, "HTTP/1.1 200 OK\r\n");
	put_common_headers(c, &c->out);
	/* 1: clients shall not look for BuildKit here */
	buf_printf(&c->out, "Builder-Version: 1\r\nSwarm: inactive\r\nCache-Control: no-cache, no-store, must-revalidate\r\n"
	    "Pragma: no-cache\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n%s", head ? 0 : 2,
	    c->closing ? "Connection: close\r\n" : "", head ? "" : "OK");
	c->state = CLIENT_FLUSH;
	client_flush(c);
	return 0;
}

int
handle_version(struct client *c, struct err *e)
{
	own_buf b = BUF_INIT(8192), kernel = BUF_INIT(1024);
	const char *experimental = c->w->experimental ? "true" : "false";

	json_put_str(&kernel, c->w->kernel);
	buf_puts(&b, "{\"Platform\":{\"Name\":\"Bulwark\"},\"Components\":[{\"Name\":\"Engine\",\"Version\":\"" ENGINE_VERSION "\",\"Details\":{"
	    "\"ApiVersion\":\"" API_VERSION_TEXT "\",\"Arch\":\"" ARCH_GO "\",\"BuildTime\":\"\",\"Experimental\":\"");
	buf_puts(&b, experimental);
	buf_puts(&b, "\",\"GitCommit\":\"\",\"GoVersion\":\"\",\"KernelVersion\":");
	buf_puts(&b, buf_cstr(&kernel));
	buf_puts(&b, ",\"MinAPIVersion\":\"" API_MIN_TEXT "\",\"Os\":\"linux\"}},{\"Name\":\"Bulwark\",\"Version\":\"" BULWARK_VERSION "\"}],"
	    "\"Version\":\"" ENGINE_VERSION "\",\"ApiVersion\":\"" API_VERSION_TEXT "\",\"MinAPIVersion\":\"" API_MIN_TEXT "\",\"GitCommit\":\"\","
	    "\"GoVersion\":\"\",\"Os\":\"linux\",\"Arch\":\"" ARCH_GO "\",\"KernelVersion\":");
	buf_puts(&b, buf_cstr(&kernel));
	if (c->w->experimental)
		buf_puts(&b, ",\"Experimental\":true");
	buf_puts(&b, ",\"BuildTime\":\"\"}");
	reply_buf(c, 200, &b);
	return 0;
}

static const char info_constants[] =
	"\"Driver\":\"overlay2\",\"DriverStatus\":[[\"Supports d_type\",\"true\"],[\"Using metacopy\",\"false\"],"
	"[\"Native Overlay Diff\",\"false\"],[\"userxattr\",\"true\"]],"
	"\"Plugins\":{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"host\",\"null\"],\"Authorization\":null,\"Log\":[\"awslogs\",\"fluentd\",\"gcplogs\",\"gelf\",\"journald\",\"json-file\",\"local\",\"none\",\"splunk\",\"syslog\"]},"
	"\"OSType\":\"linux\",\"Architecture\":\"" ARCH_UNAME "\",\"IndexServerAddress\":\"\","
	"\"RegistryConfig\":{\"IndexConfigs\":{\"docker.io\":{\"Mirrors\":[],\"Name\":\"docker.io\",\"Official\":true,\"Secure\":true}},"
	"\"InsecureRegistryCIDRs\":[],\"Mirrors\":[]},"
	"\"GenericResources\":null,\"HttpProxy\":\"\",\"HttpsProxy\":\"\",\"NoProxy\":\"\",\"ServerVersion\":\"" ENGINE_VERSION "\","
	"\"Swarm\":{\"NodeID\":\"\",\"NodeAddr\":\"\",\"LocalNodeState\":\"inactive\",\"ControlAvailable\":false,\"Error\":\"\",\"RemoteManagers\":null},"
	"\"Isolation\":\"\",\"InitBinary\":\"bulwark-init\",\"ContainerdCommit\":{\"ID\":\"\"},\"RuncCommit\":{\"ID\":\"\"},\"InitCommit\":{\"ID\":\"\"},"
	"\"CDISpecDirs\":[]";

static void
on_info(struct client *c, struct answer *a)
{
	const struct api_info *m = a->msg;
	own_buf b = BUF_INIT((size_t)1 << 20);
	bool first = true;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_putc(&b, '{');
	json_put_members(&b, &api_info_type, m, &first);
	json_put_key(&b, "NGoroutines", &first);
	json_put_num(&b, m->n_goroutines);
	json_put_key(&b, "SystemTime", &first);
	json_put_time(&b, now_real_ns());
	buf_putc(&b, ',');
	buf_puts(&b, info_constants);
	if (c->version < 150)
		buf_puts(&b, ",\"BridgeNfIptables\":false,\"BridgeNfIp6tables\":false");
	buf_putc(&b, '}');
	reply_buf(c, 200, &b);
}

int
handle_info(struct client *c, struct err *e)
{
	return client_call(c, NO_system_info, NULL, NULL, 0, on_info, e);
}

int
handle_not_swarm(struct client *c, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
	    "this node to swarm and try again.");
}

int
handle_plugin_list(struct client *c, struct err *e)
{
	reply(c, 200, "application/json", "[]\n", 3);
	return 0;
}

int
handle_plugin_inspect(struct client *c, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "plugin \"%.200s\" not found", c->name);
}

/* ---- disk usage: images, then containers, then volumes are asked for; each part is kept as text until all are there ---- */

struct usage {
	struct buf images, containers, volumes;
	struct api_volumes *list;      /* of volumes, while their sizes are asked for */
	int64_t layers;
};

static void
usage_close(struct client *c)
{
	struct usage *u = c->stream;

	buf_done(&u->images);
	buf_done(&u->containers);
	buf_done(&u->volumes);
}

static bool
df_wants(const struct client *c, const char *type)
{
	bool any = false;

	for (size_t i = 0; i < c->query.n; i++)
		if (strcmp(c->query.v[i].key, "type") == 0) {
			any = true;
			if (strcmp(c->query.v[i].value, type) == 0)
				return true;
		}
	return !any;
}

static void
df_reply(struct client *c)
{
	const struct usage *u = c->stream;
	own_buf b = BUF_INIT((size_t)128 << 20);

	buf_puts(&b, "{\"LayersSize\":");
	json_put_num(&b, df_wants(c, "image") ? u->layers : 0);
	buf_puts(&b, ",\"Images\":[");
	buf_put(&b, u->images.data, u->images.used);
	buf_puts(&b, "],\"Containers\":[");
	buf_put(&b, u->containers.data, u->containers.used);
	buf_puts(&b, "],\"Volumes\":[");
	buf_put(&b, u->volumes.data, u->volumes.used);
	buf_puts(&b, "],\"BuildCache\":[]}");
	reply_buf(c, 200, &b);
}

static void
on_df_sizes(struct client *c, struct answer *a)
{
	const struct api_volume_uses *m = a->msg;
	struct usage *u = c->stream;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	for (size_t i = 0; i < u->list->items.n; i++) {
		const struct volume *v = &u->list->items.v[i];
		int64_t uses = 0, size = -1;
		bool first = true;

		for (size_t k = 0; k < m->items.n; k++)
			if (v->name != NULL && m->items.v[k].name != NULL && strcmp(m->items.v[k].name, v->name) == 0) {
				uses = m->items.v[k].refs;
				size = m->items.v[k].size;
			}
		buf_puts(&u->volumes, i > 0 ? ",{" : "{");
		json_put_members(&u->volumes, &volume_type, v, &first);
		buf_printf(&u->volumes, ",\"UsageData\":{\"RefCount\":%lld,\"Size\":%lld}}", (long long)uses, (long long)size);
	}
	df_reply(c);
}

static void
on_df_volumes(struct client *c, struct answer *a)
{
	struct usage *u = c->stream;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	u->list = arena_alloc(&c->arena, sizeof *u->list);
	if (u->list == NULL)
		err_set(&e, ERR_NO_MEMORY, "out of memory");
	else if (rec_copy(&api_volumes_type, a->msg, &c->arena, u->list, &e) == 0 && client_call(c, NO_volume_usage, NULL, NULL, 0, on_df_sizes, &e) == 0)
		return;
	reply_error(c, &e);
}

static int
ask_volumes(struct client *c, struct err *e)
{
	struct api_filters ask = { .api_version = (int64_t)c->version };

	if (df_wants(c, "volume"))
		return client_call(c, NO_volume_list, &ask, NULL, 0, on_df_volumes, e);
	df_reply(c);
	return 0;
}

static void
put_df_container(struct buf *b, const struct container_summary *s)
{
	bool first = true;

	buf_puts(b, b->used > 0 ? ",{" : "{");
	json_put_members(b, &container_summary_type, s, &first);
	json_put_key(b, "Created", &first);
	json_put_num(b, s->created / 1000000000);
	json_put_key(b, "State", &first);
	json_put_str(b, s->state != NULL ? s->state->status : "");
	json_put_key(b, "Status", &first);
	json_put_str(b, s->state != NULL ? s->state->status : "");
	buf_puts(b, ",\"HostConfig\":{},\"NetworkSettings\":{\"Networks\":{}}}");
}

static void
on_df_containers(struct client *c, struct answer *a)
{
	const struct api_summaries *m = a->msg;
	struct usage *u = c->stream;
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	for (size_t i = 0; i < m->items.n; i++)
		put_df_container(&u->containers, &m->items.v[i]);
	if (ask_volumes(c, &e) < 0)
		reply_error(c, &e);
}

static int
ask_containers(struct client *c, struct err *e)
{
	struct api_list ask = { .all = true, .size = true };

	return df_wants(c, "container") ? client_call(c, NO_container_list, &ask, NULL, 0, on_df_containers, e) : ask_volumes(c, e);
}

static void
on_df_images(struct client *c, struct answer *a)
{
	const struct api_images *m = a->msg;
	struct usage *u = c->stream;
	struct strs seen = { 0 };
	struct err e = ERR_INIT;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	for (size_t i = 0; i < m->items.n; i++) {
		const struct image *im = &m->items.v[i];

		buf_puts(&u->images, i > 0 ? "," : "");
		put_image_summary(c, &u->images, im, true);
		for (size_t k = 0; k < im->layers.n; k++)
			if (im->layers.v[k].dir != NULL && !strs_has(&seen, im->layers.v[k].dir)) {
				u->layers += im->layers.v[k].size;
				if (!strs_add(&seen, &c->arena, im->layers.v[k].dir))
					break;
			}
	}
	if (ask_containers(c, &e) < 0)
		reply_error(c, &e);
}

int
handle_system_df(struct client *c, struct err *e)
{
	static const struct stream_ops ops = { .on_close = usage_close };
	struct api_list ask = { .all = true, .size = true };
	struct usage *u = arena_alloc(&c->arena, sizeof *u);

	if (u == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	*u = (struct usage){ .images = BUF_INIT((size_t)32 << 20), .containers = BUF_INIT((size_t)32 << 20), .volumes = BUF_INIT((size_t)32 << 20) };
	c->stream = u;
	c->ops = &ops;
	return df_wants(c, "image") ? client_call(c, NO_image_list, &ask, NULL, 0, on_df_images, e) : ask_containers(c, e);
}
