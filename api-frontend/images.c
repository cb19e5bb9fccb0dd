/* Images: list, inspect, history, tag, delete, prune. */
#include "routes.h"

#include <string.h>

static void
put_placeholder(struct buf *b, const struct strs *s, bool old, const char *placeholder)
{
	if (old && s->n == 0)
		buf_printf(b, "[\"%s\"]", placeholder);
	else
		json_put_strs(b, s, false);
}

void
put_image_summary(struct client *c, struct buf *b, const struct image *im, bool with_uses)
{
	static const struct kvs none;
	bool old = c->version < 143 && im->repo_tags.n == 0 && im->repo_digests.n == 0;

	buf_puts(b, "{\"Containers\":");
	json_put_num(b, with_uses ? im->containers : -1);
	buf_puts(b, ",\"Created\":");
	json_put_num(b, im->created / 1000000000);
	buf_puts(b, ",\"Id\":");
	json_put_str(b, im->id);
	buf_puts(b, ",\"Labels\":");
	json_put_kvs(b, im->config != NULL && im->config->labels.n > 0 ? &im->config->labels : &none, true);
	buf_puts(b, ",\"ParentId\":");
	json_put_str(b, im->parent);
	buf_puts(b, ",\"RepoDigests\":");
	put_placeholder(b, &im->repo_digests, old, "<none>@<none>");
	buf_puts(b, ",\"RepoTags\":");
	put_placeholder(b, &im->repo_tags, old, "<none>:<none>");
	buf_puts(b, ",\"SharedSize\":");
	json_put_num(b, im->shared_size);
	buf_puts(b, ",\"Size\":");
	json_put_num(b, im->size);
	if (c->version < 144) {
		buf_puts(b, ",\"VirtualSize\":");
		json_put_num(b, im->size);
	}
	buf_putc(b, '}');
}

static void
on_images(struct client *c, struct answer *a)
{
	const struct api_images *m = a->msg;
	own_buf b = BUF_INIT((size_t)64 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_putc(&b, '[');
	for (size_t i = 0; i < m->items.n; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		put_image_summary(c, &b, &m->items.v[i], false);
	}
	buf_putc(&b, ']');
	reply_buf(c, 200, &b);
}

int
handle_image_list(struct client *c, struct err *e)
{
	struct api_list m = { .all = query_bool(c, "all", false), .size = query_bool(c, "shared-size", false) };

	if (query_filters(c, &m.filters.v, &m.filters.n, e) < 0)
		return -1;
	return client_call(c, NO_image_list, &m, NULL, 0, on_images, e);
}

/* From 1.50 on what only matters when a container runs is not shown, and empty fields are left out. */
static void
put_new_config(struct buf *b, const struct container_config *x)
{
	bool first = true;
	const struct container_config none = { .user = NULL };

	if (x == NULL)
		x = &none;
	buf_putc(b, '{');
#define TEXT(key, field) if (x->field != NULL && *x->field != '\0') { json_put_key(b, key, &first); json_put_str(b, x->field); }
#define TEXTS(key, field) if (x->field.n > 0) { json_put_key(b, key, &first); json_put_strs(b, &x->field, false); }
#define KEYS(key, field) if (x->field.n > 0) { \
		json_put_key(b, key, &first); \
		for (size_t i = 0; i < x->field.n; i++) { \
			buf_putc(b, i == 0 ? '{' : ','); \
			json_put_str(b, x->field.v[i]); \
			buf_puts(b, ":{}"); \
		} \
		buf_putc(b, '}'); }
	TEXT("User", user)
	KEYS("ExposedPorts", exposed_ports)
	TEXTS("Env", env)
	TEXTS("Entrypoint", entrypoint)
	TEXTS("Cmd", cmd)
	KEYS("Volumes", volumes)
	TEXT("WorkingDir", working_dir)
	if (x->labels.n > 0) {
		json_put_key(b, "Labels", &first);
		json_put_kvs(b, &x->labels, false);
	}
	TEXT("StopSignal", stop_signal)
	if (x->args_escaped) {
		json_put_key(b, "ArgsEscaped", &first);
		buf_puts(b, "true");
	}
	if (x->healthcheck != NULL) {
		json_put_key(b, "Healthcheck", &first);
		json_put_rec(b, &health_config_type, x->healthcheck);
	}
	TEXTS("OnBuild", on_build)
	TEXTS("Shell", shell)
	buf_putc(b, '}');
#undef TEXT
#undef TEXTS
#undef KEYS
}

static void
put_old_config(struct buf *b, const struct container_config *x)
{
	static const struct container_config none;

	json_put_rec(b, &container_config_type, x != NULL ? x : &none);
}

static void
put_rootfs(struct buf *b, const struct image *im)
{
	buf_puts(b, "{\"Type\":\"layers\"");
	for (size_t i = 0; i < im->layers.n; i++) {
		buf_puts(b, i == 0 ? ",\"Layers\":[" : ",");
		json_put_str(b, im->layers.v[i].diff_id);
	}
	buf_puts(b, im->layers.n > 0 ? "]}" : "}");
}

static void
put_text(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, ",\"%s\":", key);
	json_put_str(b, value);
}

/* Compose 1 speaks the newest version and still wants a field that went with 1.45: without it no service could be made anew. */
static bool
is_old_compose(const struct client *c)
{
	static const char name[] = "docker-compose/1.";
	const struct http_str *agent = http_header(&c->head, "user-agent");

	return agent != NULL && agent->n > sizeof name && memcmp(agent->p, name, sizeof name - 1) == 0;
}

static void
on_image(struct client *c, struct answer *a)
{
	const struct image *im = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_puts(&b, "{\"Id\":");
	json_put_str(&b, im->id);
	buf_puts(&b, ",\"RepoTags\":");
	json_put_strs(&b, &im->repo_tags, false);
	buf_puts(&b, ",\"RepoDigests\":");
	json_put_strs(&b, &im->repo_digests, false);
	put_text(&b, "Parent", im->parent);
	put_text(&b, "Comment", im->comment);
	buf_puts(&b, ",\"Created\":");
	json_put_time(&b, im->created);
	if (c->version < 145 || is_old_compose(c)) {
		put_text(&b, "Container", "");
		buf_puts(&b, ",\"ContainerConfig\":");
		put_old_config(&b, NULL);
	}
	put_text(&b, "DockerVersion", im->docker_version);
	put_text(&b, "Author", im->author);
	buf_puts(&b, ",\"Config\":");
	if (c->version >= 150)
		put_new_config(&b, im->config);
	else
		put_old_config(&b, im->config);
	put_text(&b, "Architecture", im->architecture);
	if (im->variant != NULL && *im->variant != '\0')
		put_text(&b, "Variant", im->variant);
	put_text(&b, "Os", im->os);
	buf_puts(&b, ",\"Size\":");
	json_put_num(&b, im->size);
	if (c->version < 144) {
		buf_puts(&b, ",\"VirtualSize\":");
		json_put_num(&b, im->size);
	}
	buf_puts(&b, ",\"GraphDriver\":{\"Data\":{},\"Name\":\"overlay2\"},\"RootFS\":");
	put_rootfs(&b, im);
	buf_puts(&b, ",\"Metadata\":{\"LastTagTime\":");
	json_put_time(&b, im->last_tag_time);
	buf_puts(&b, "}}");
	reply_buf(c, 200, &b);
}

int
handle_image_inspect(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call(c, NO_image_inspect, &m, NULL, 0, on_image, e);
}

/* Newest first. Only the newest entry is the image itself; its parents are no images here. */
static void
on_history(struct client *c, struct answer *a)
{
	const struct image *im = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);
	size_t layer;

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	layer = im->layers.n;
	buf_putc(&b, '[');
	for (size_t i = im->history.n; i-- > 0;) {
		const struct history *h = &im->history.v[i];
		bool newest = i + 1 == im->history.n;
		int64_t size = 0;

		if (!h->empty_layer && layer > 0)
			size = im->layers.v[--layer].size;
		buf_puts(&b, newest ? "{\"Comment\":" : ",{\"Comment\":");
		json_put_str(&b, h->comment);
		buf_puts(&b, ",\"Created\":");
		json_put_num(&b, h->created / 1000000000);
		put_text(&b, "CreatedBy", h->created_by);
		put_text(&b, "Id", newest ? im->id : "<missing>");
		buf_puts(&b, ",\"Size\":");
		json_put_num(&b, size);
		buf_puts(&b, ",\"Tags\":");
		json_put_strs(&b, newest && im->repo_tags.n > 0 ? &im->repo_tags : &(struct strs){ 0 }, true);
		buf_putc(&b, '}');
	}
	buf_putc(&b, ']');
	reply_buf(c, 200, &b);
}

int
handle_image_history(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call(c, NO_image_inspect, &m, NULL, 0, on_history, e);
}

int
handle_image_tag(struct client *c, struct err *e)
{
	struct api_tag m = { .ref = c->name, .repo = (char *)(uintptr_t)query_str(c, "repo"), .tag = (char *)(uintptr_t)query_str(c, "tag") };

	return client_call_status(c, NO_image_tag, &m, 201, e);
}

static void
put_removed(struct buf *b, const struct strs *untagged, const struct strs *deleted, bool null)
{
	size_t n = 0;

	if (untagged->n + deleted->n == 0) {
		buf_puts(b, null ? "null" : "[]");
		return;
	}
	buf_putc(b, '[');
	for (size_t i = 0; i < untagged->n; i++) {
		buf_puts(b, n++ > 0 ? ",{\"Untagged\":" : "{\"Untagged\":");
		json_put_str(b, untagged->v[i]);
		buf_putc(b, '}');
	}
	for (size_t i = 0; i < deleted->n; i++) {
		buf_puts(b, n++ > 0 ? ",{\"Deleted\":" : "{\"Deleted\":");
		json_put_str(b, deleted->v[i]);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void
on_image_removed(struct client *c, struct answer *a)
{
	const struct api_image_removed *m = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	put_removed(&b, &m->untagged, &m->deleted, false);
	reply_buf(c, 200, &b);
}

int
handle_image_remove(struct client *c, struct err *e)
{
	struct api_image_remove m = { .ref = c->name, .force = query_bool(c, "force", false), .no_prune = query_bool(c, "noprune", false) };

	if (*query_str(c, "platforms") != '\0')
		return err_set(e, ERR_UNSUPPORTED, "removing single platforms of an image is not implemented by Bulwark yet");
	return client_call(c, NO_image_remove, &m, NULL, 0, on_image_removed, e);
}

static void
on_images_pruned(struct client *c, struct answer *a)
{
	const struct api_pruned *m = a->msg;
	own_buf b = BUF_INIT((size_t)16 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	buf_puts(&b, "{\"ImagesDeleted\":");
	put_removed(&b, &m->untagged, &m->deleted, true);
	buf_puts(&b, ",\"SpaceReclaimed\":");
	json_put_num(&b, m->reclaimed);
	buf_putc(&b, '}');
	reply_buf(c, 200, &b);
}

int
handle_image_prune(struct client *c, struct err *e)
{
	struct api_filters m = { .api_version = (int64_t)c->version };

	if (query_filters(c, &m.filters.v, &m.filters.n, e) < 0)
		return -1;
	return client_call(c, NO_image_prune, &m, NULL, 0, on_images_pruned, e);
}

/* Nothing is built yet, so no build leaves a cache. */
int
handle_build_prune(struct client *c, struct err *e)
{
	static const char nothing[] = "{\"CachesDeleted\":null,\"SpaceReclaimed\":0}\n";

	reply(c, 200, "application/json", nothing, sizeof nothing - 1);
	return 0;
}
