#include "logplan.h"

#include "broker.h"
#include "pattern.h"
#include "text.h"

#include <stdlib.h>

#define TAG_MAX 4096

static bool
in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; p != NULL && *p != '\0';) {
		size_t n = strcspn(p, ",");

		if (n == len && memcmp(p, word, n) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

static bool
chosen(const char *list, const char *pattern, const char *key)
{
	struct err e = ERR_INIT;
	bool found = false;

	if (in_list(list, key))
		return true;
	return text_set(pattern) && pattern_search(pattern, key, &found, &e) == 0 && found;
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct kv *)a)->key, ((const struct kv *)b)->key);
}

int
log_attributes(const struct kvs *opts, const struct kvs *labels, const struct strs *env, struct arena *a, struct kvs *ret, struct err *e)
{
	const char *list = kvs_get(opts, "labels"), *pattern = kvs_get(opts, "labels-regex");

	*ret = (struct kvs){ 0 };
	for (size_t i = 0; (list != NULL || pattern != NULL) && i < labels->n; i++)
		if (chosen(list, pattern, labels->v[i].key) && !kvs_set(ret, a, labels->v[i].key, labels->v[i].value))
			return err_memory(e);
	list = kvs_get(opts, "env");
	pattern = kvs_get(opts, "env-regex");
	for (size_t i = 0; (list != NULL || pattern != NULL) && i < env->n; i++) {
		const char *eq = strchr(env->v[i], '=');
		char *key = eq != NULL ? arena_strn(a, env->v[i], (size_t)(eq - env->v[i])) : NULL;

		if (eq == NULL)
			continue;
		if (key == NULL || (chosen(list, pattern, key) && !kvs_set(ret, a, key, eq + 1)))
			return err_memory(e);
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof *ret->v, by_key);
	return 0;
}

int
log_check_texts(const struct kvs *opts, struct err *e)
{
	static const char *const patterns[] = { "labels-regex", "env-regex", "awslogs-multiline-pattern" };
	const char *tag = kvs_get(opts, "tag"), *stream = kvs_get(opts, "awslogs-stream");
	const struct tag_facts nothing = { .id = "000000000000" };
	own_buf out = BUF_INIT(TAG_MAX);
	bool found;

	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		const char *pattern = kvs_get(opts, patterns[i]);

		if (text_set(pattern) && pattern_search(pattern, "", &found, e) < 0)
			return err_set(e, ERR_INVALID, "error parsing regexp: `%.200s`", pattern);
	}
	(void)stream;
	return text_set(tag) ? tag_expand(tag, &nothing, &out, e) : 0;
}

int
log_tag(struct ctr *c, const struct kvs *attrs, const char *fallback, struct arena *a, char **ret, struct err *e)
{
	const char *template = kvs_get(&c->rec.host_config->log_config->config, "tag");
	const struct tag_facts facts = { .id = c->id, .name = ctr_name(c), .image_id = c->rec.image, .image_name = c->rec.config->image,
		.hostname = c->b->facts.hostname, .entrypoint = c->rec.path, .log_path = c->rec.log_path, .args = &c->rec.args, .env = &c->rec.config->env,
		.labels = &c->rec.config->labels, .attrs = attrs, .created = c->rec.created };
	own_buf out = BUF_INIT(TAG_MAX);

	if (tag_expand(text_set(template) ? template : fallback, &facts, &out, e) < 0)
		return -1;
	*ret = arena_str(a, buf_cstr(&out));
	return *ret != NULL ? 0 : err_memory(e);
}

/* As Go's encoding/json writes a string. */
static void
put_json_string(struct buf *out, const char *s)
{
	buf_putc(out, '"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20 || c == '<' || c == '>' || c == '&')
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

/* The attributes of a json-file's lines. A tag only if one was asked for. */
static int
json_attrs(struct ctr *c, const struct kvs *opts, struct arena *a, char **ret, struct err *e)
{
	struct kvs attrs;
	own_buf out = BUF_INIT(65536);
	char *tag;

	if (log_attributes(opts, &c->rec.config->labels, &c->rec.config->env, a, &attrs, e) < 0)
		return -1;
	if (text_set(kvs_get(opts, "tag"))) {
		if (log_tag(c, &attrs, "", a, &tag, e) < 0)
			return -1;
		if (!kvs_set(&attrs, a, "tag", tag))
			return err_memory(e);
		qsort(attrs.v, attrs.n, sizeof *attrs.v, by_key);
	}
	if (attrs.n == 0)
		return 0;
	for (size_t i = 0; i < attrs.n; i++) {
		buf_putc(&out, i == 0 ? '{' : ',');
		put_json_string(&out, attrs.v[i].key);
		buf_putc(&out, ':');
		put_json_string(&out, text_or_empty(attrs.v[i].value));
	}
	buf_putc(&out, '}');
	if (out.failed)
		return err_set(e, ERR_LIMIT, "the attributes of the log lines are too long");
	*ret = arena_str(a, buf_cstr(&out));
	return *ret != NULL ? 0 : err_memory(e);
}

int
log_plan(struct ctr *c, struct arena *a, struct run_log *ret, struct err *e)
{
	const struct log_config *l = c->rec.host_config->log_config;
	struct log_files_plan plan;

	log_opts_plan(l->type, &l->config, &plan);
	*ret = (struct run_log){ .format = (char *)(uintptr_t)plan.format, .size = plan.size, .files = plan.files, .compress = plan.compress };
	return text_same(l->type, "json-file") ? json_attrs(c, &l->config, a, &ret->attrs, e) : 0;
}
