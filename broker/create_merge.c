/* What the image says and the request leaves open. */
#include "create.h"

#include "broker.h"

/* Length of the name of "NAME=value", or of a bare "NAME". */
static size_t
name_length(const char *env)
{
	return strcspn(env, "=");
}

static char **
find_env(struct strs *s, const char *env)
{
	size_t n = name_length(env);

	for (size_t i = 0; i < s->n; i++)
		if (name_length(s->v[i]) == n && strncmp(s->v[i], env, n) == 0)
			return &s->v[i];
	return NULL;
}

/* base, with those of over in their places or behind; a bare NAME in over removes it. */
int
merge_env(struct strs *out, const struct strs *base, const struct strs *over, struct arena *a, struct err *e)
{
	struct strs all = { 0 };

	for (size_t i = 0; i < base->n; i++)
		if (!strs_add(&all, a, base->v[i]))
			return err_memory(e);
	for (size_t i = 0; i < over->n; i++) {
		char **there = find_env(&all, over->v[i]);

		if (there != NULL) {
			*there = over->v[i];
			continue;
		}
		if (!strs_add(&all, a, over->v[i]))
			return err_memory(e);
	}
	*out = (struct strs){ 0 };
	for (size_t i = 0; i < all.n; i++)
		if (strchr(all.v[i], '=') != NULL && !strs_add(out, a, all.v[i]))
			return err_memory(e);
	return 0;
}

static int
add_missing(struct strs *set, const struct strs *from, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < from->n; i++)
		if (!strs_has(set, from->v[i]) && !strs_add(set, a, from->v[i]))
			return err_memory(e);
	return 0;
}

/* The request's empty environment entries stand as they are (they remove); only names that it lacks are taken over. */
static int
merge_config_env(struct container_config *c, const struct container_config *image, struct arena *a, struct err *e)
{
	struct strs merged = { 0 };

	if (merge_env(&merged, &image->env, &c->env, a, e) < 0)
		return -1;
	c->env = merged;
	return 0;
}

/* A part of the check that the request leaves open is the image's; the request's own record stays as it was sent. */
static int
merge_health(struct container_config *c, const struct health_config *image, struct arena *a, struct err *e)
{
	struct health_config *h;

	if (image == NULL)
		return 0;
	h = arena_alloc(a, sizeof *h);
	if (h == NULL)
		return err_memory(e);
	*h = c->healthcheck != NULL ? *c->healthcheck : *image;
	if (h->test.n == 0)
		h->test = image->test;
	h->interval = h->interval != 0 ? h->interval : image->interval;
	h->timeout = h->timeout != 0 ? h->timeout : image->timeout;
	h->start_period = h->start_period != 0 ? h->start_period : image->start_period;
	h->start_interval = h->start_interval != 0 ? h->start_interval : image->start_interval;
	h->retries = h->retries != 0 ? h->retries : image->retries;
	c->healthcheck = h;
	return 0;
}

int
merge_image(struct container_config *c, const struct container_config *image, struct arena *a, struct err *e)
{
	bool own_entrypoint = c->entrypoint.n > 0;

	if (!text_set(c->user))
		c->user = image->user;
	if (!text_set(c->working_dir))
		c->working_dir = image->working_dir;
	if (!text_set(c->stop_signal))
		c->stop_signal = image->stop_signal;
	if (merge_health(c, image->healthcheck, a, e) < 0)
		return -1;
	if (c->shell.n == 0)
		c->shell = image->shell;
	if (!own_entrypoint) {
		if (c->cmd.n == 0) {
			c->cmd = image->cmd;
			c->args_escaped = image->args_escaped;
		}
		if (c->entrypoint.v == NULL)
			c->entrypoint = image->entrypoint;
	}
	for (size_t i = 0; i < image->labels.n; i++)
		if (kvs_get(&c->labels, image->labels.v[i].key) == NULL &&
		    !kvs_set(&c->labels, a, image->labels.v[i].key, image->labels.v[i].value))
			return err_memory(e);
	if (add_missing(&c->exposed_ports, &image->exposed_ports, a, e) < 0 || add_missing(&c->volumes, &image->volumes, a, e) < 0)
		return -1;
	return merge_config_env(c, image, a, e);
}
