#include "labels.h"

#include "broker.h"
#include "text.h"

#include <stdlib.h>

#define CATEGORIES 1024u

static int
not_enabled(struct err *e, const char *what, const char *value)
{
	return err_set(e, ERR_INVALID, "%s is not enabled on this host, so \"%.100s\" cannot be applied", what, value);
}

static bool
is_label_part(const char *s, bool level)
{
	return s[0] != '\0' && s[strspn(s, level ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:,"
	                                         : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

int
labels_option(const char *value, struct security *s, const struct engine_config *engine, struct err *e)
{
	const struct { const char *name; const char **to; } parts[] = { { "user:", &s->label_user }, { "role:", &s->label_role },
		{ "type:", &s->label_type }, { "level:", &s->label_level } };

	if (strcmp(value, "disable") == 0) {
		s->label_disable = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (!text_starts(value, parts[i].name))
			continue;
		*parts[i].to = value + strlen(parts[i].name);
		if (!is_label_part(*parts[i].to, i == 3))
			return err_set(e, ERR_INVALID, "bad label option \"%.100s\"", value);
		return engine->selinux ? 0 : not_enabled(e, "SELinux", value);
	}
	return err_set(e, ERR_INVALID, "bad label option \"%.100s\", valid options 'disable' or \n'user, role, level, type' followed by ':' and a value", value);
}

int
apparmor_option(const char *value, struct security *s, const struct engine_config *engine, struct err *e)
{
	if (value[0] == '\0' || strlen(value) > 255 || strchr(value, '\n') != NULL)
		return err_set(e, ERR_INVALID, "invalid AppArmor profile \"%.100s\"", value);
	if (!engine->apparmor && strcmp(value, "unconfined") != 0)
		return not_enabled(e, "AppArmor", value);
	s->apparmor = value;
	return 0;
}

static bool
level_is_used(const struct broker *b, const char *level)
{
	for (size_t i = 0; i < b->ctr_by_id.n; i++) {
		const char *label = ((const struct ctr *)b->ctr_by_id.v[i].value)->rec.process_label;
		size_t n = strlen(text_or_empty(label)), want = strlen(level);

		if (n > want && label[n - want - 1] == ':' && strcmp(label + n - want, level) == 0)
			return true;
	}
	return false;
}

/* "s0:c12,c345": two categories that no other container has together. */
static int
new_level(const struct broker *b, char level[32], struct err *e)
{
	for (int i = 0; i < 1000; i++) {
		uint32_t r, x, y;

		if (!text_random(&r, sizeof r))
			break;
		x = r % CATEGORIES;
		y = r / CATEGORIES % CATEGORIES;
		if (x == y)
			continue;
		snprintf(level, 32, "s0:c%u,c%u", x < y ? x : y, x < y ? y : x);
		if (!level_is_used(b, level))
			return 0;
	}
	return err_set(e, ERR_LIMIT, "no SELinux level is free");
}

/* user:role:type:level, parts replaced where something is asked for. */
static char *
compose(const char *base, const char *user, const char *role, const char *type, const char *level, struct arena *a)
{
	char copy[512], *p = copy, *part[3];

	if (!text_copy(copy, sizeof copy, base))
		return NULL;
	for (int i = 0; i < 3; i++) {
		part[i] = p;
		p = strchr(p, ':');
		if (p == NULL && i < 2)
			return NULL;
		if (p != NULL)
			*p++ = '\0';
	}
	return arena_printf(a, "%s:%s:%s:%s", user != NULL ? user : part[0], role != NULL ? role : part[1], type != NULL ? type : part[2], level);
}

/* Whose IPC or process namespace is shared has its files and processes in common: the label, too. */
static const struct ctr *
shares_with(const struct creation *c)
{
	const char *id = mode_container(c->host.ipc_mode) != NULL ? mode_container(c->host.ipc_mode) : mode_container(c->host.pid_mode);

	return id != NULL ? index_get(&c->b->ctr_by_id, id) : NULL;
}

static int
assign_selinux(struct creation *c, const struct security *s, struct err *e)
{
	const struct engine_config *g = c->engine;
	const struct ctr *other = shares_with(c);
	char level[32];

	/* as in the Docker engine: who has the host's namespaces or all rights is not confined */
	if (!g->selinux || s->label_disable || c->host.privileged || text_same(c->host.pid_mode, "host") || text_same(c->host.ipc_mode, "host"))
		return 0;
	if (other != NULL && s->label_level == NULL && s->label_type == NULL) {
		c->rec.process_label = arena_str(c->a, text_or_empty(other->rec.process_label));
		c->rec.mount_label = arena_str(c->a, text_or_empty(other->rec.mount_label));
	} else {
		if (s->label_level == NULL && new_level(c->b, level, e) < 0)
			return -1;
		c->rec.process_label = compose(text_or_empty(g->selinux_process), s->label_user, s->label_role, s->label_type,
		    s->label_level != NULL ? s->label_level : level, c->a);
		c->rec.mount_label = compose(text_or_empty(g->selinux_file), s->label_user, NULL, NULL, s->label_level != NULL ? s->label_level : level, c->a);
	}
	return c->rec.process_label != NULL && c->rec.mount_label != NULL ? 0 : err_memory(e);
}

int
labels_assign(struct creation *c, const struct security *s, struct err *e)
{
	if (c->engine->apparmor) {
		c->rec.apparmor_profile = arena_str(c->a, c->host.privileged ? "unconfined" : s->apparmor != NULL ? s->apparmor : "docker-default");
		if (c->rec.apparmor_profile == NULL)
			return err_memory(e);
	}
	return assign_selinux(c, s, e);
}

char *
labels_of_mount(const struct ctr *c, const struct mount_point *p, struct arena *a)
{
	const char *mode = text_or_empty(p->mode), *label = text_or_empty(c->rec.mount_label), *last;
	bool shared = false, own = false;

	if (*label == '\0')
		return NULL;
	for (const char *word = mode; *word != '\0'; word += strcspn(word, ",") + (word[strcspn(word, ",")] == ',' ? 1 : 0)) {
		shared = shared || strncmp(word, "z", strcspn(word, ",")) == 0;
		own = own || strncmp(word, "Z", strcspn(word, ",")) == 0;
	}
	if (text_same(p->type, "volume") && !own)
		shared = true;
	if (own)
		return arena_str(a, label);
	if (!shared)
		return NULL;
	/* a level that all containers have: without categories */
	last = strstr(label, ":s0");
	return last != NULL ? arena_printf(a, "%.*s:s0", (int)(last - label), label) : arena_str(a, label);
}
