/*
 * Options of the local volume driver: what is mounted instead of the volume's own directory. type=none with o=bind: a host path, within
 * the floor like any other; type=tmpfs: memory, of the one container that runs with it.
 */
#include "volumes.h"

#include "broker.h"
#include "create.h"
#include "text.h"

static bool
is_bind(const struct kvs *o)
{
	const char *words = kvs_get(o, "o");
	size_t n;

	for (const char *p = words != NULL ? words : ""; *p != '\0'; p += n + (p[n] == ',' ? 1 : 0)) {
		n = strcspn(p, ",");
		if ((n == 4 && strncmp(p, "bind", 4) == 0) || (n == 5 && strncmp(p, "rbind", 5) == 0))
			return true;
	}
	return false;
}

static int
check_word(const char *w, bool bind, struct err *e)
{
	static const char *const binds[] = { "bind", "rbind", "ro", "rw", "defaults", "private", "rprivate", NULL };
	static const char *const flags[] = { "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "noatime", "nodiratime", "relatime", "strictatime",
		"defaults", NULL };
	static const char *const keys[] = { "size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "huge=", "mpol=", NULL };

	for (const char *const *p = bind ? binds : flags; *p != NULL; p++)
		if (strcmp(w, *p) == 0)
			return 0;
	for (const char *const *p = keys; !bind && *p != NULL; p++)
		if (text_starts(w, *p))
			return 0;
	return err_set(e, ERR_UNSUPPORTED, "mount option \"%.100s\" of a volume is not implemented by Bulwark yet", w);
}

int
volume_options_check(const struct kvs *o, struct arena *a, struct err *e)
{
	static const char *const known[] = { "type", "o", "device", "size", NULL };
	const char *type = kvs_get(o, "type");
	bool bind = is_bind(o);
	char *words, *save = NULL;

	for (size_t i = 0; i < o->n; i++) {
		const char *const *k = known;

		while (*k != NULL && strcmp(*k, o->v[i].key) != 0)
			k++;
		if (*k == NULL)
			return err_set(e, ERR_INVALID, "invalid option: \"%.100s\"", o->v[i].key);
	}
	if (kvs_get(o, "size") != NULL)
		return err_set(e, ERR_UNSUPPORTED, "a size of a local volume on disk is not implemented by Bulwark yet");
	if (o->n == 0)
		return 0;
	if (type == NULL)
		return err_set(e, ERR_INVALID, "missing required option: \"type\"");
	if (kvs_get(o, "device") == NULL)
		return err_set(e, ERR_INVALID, "missing required option: \"device\"");
	if (!bind && strcmp(type, "tmpfs") != 0)
		return err_set(e, ERR_UNSUPPORTED, "a volume of type \"%.64s\" is not implemented by Bulwark yet: the kernel cannot map the ids of a container with a user "
		    "namespace to such a file system; mount it on the host and use type=none,o=bind", type);
	if (bind && kvs_get(o, "device")[0] != '/')
		return err_set(e, ERR_INVALID, "the device of a bind volume must be an absolute path: %.200s", kvs_get(o, "device"));
	words = arena_str(a, text_or_empty(kvs_get(o, "o")));
	if (words == NULL)
		return err_memory(e);
	for (char *w = strtok_r(words, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save))
		if (check_word(w, bind, e) < 0)
			return -1;
	return 0;
}

/* The container that runs with this volume now, other than c. */
static const struct ctr *
runs_with(const struct ctr *c, const char *name)
{
	for (size_t i = 0; i < c->b->ctr_by_id.n; i++) {
		const struct ctr *other = c->b->ctr_by_id.v[i].value;

		for (size_t k = 0; other != c && ctr_running(other) && k < other->rec.mounts.n; k++)
			if (text_same(other->rec.mounts.v[k].type, "volume") && text_same(other->rec.mounts.v[k].name, name))
				return other;
	}
	return NULL;
}

static bool
has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text_or_empty(words); (p = strstr(p, word)) != NULL; p += n)
		if ((p == words || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

int
volume_options_mount(const struct ctr *c, const struct volume *v, struct run_mount *m, struct arena *a, struct err *e)
{
	const char *words = kvs_get(&v->options, "o"), *device = kvs_get(&v->options, "device");
	const struct ctr *other;

	if (v->options.n == 0)
		return 0;
	if (text_set(m->subpath))
		return err_set(e, ERR_UNSUPPORTED, "a subpath of volume %s, which has mount options, is not implemented by Bulwark yet", v->name);
	if (is_bind(&v->options)) {
		m->kind = (char *)(uintptr_t)"bind";
		m->source = path_clean(a, text_or_empty(device));
		m->read_only = m->read_only || has_word(words, "ro");
		m->non_recursive = !has_word(words, "rbind");
		return m->source != NULL ? 0 : err_memory(e);
	}
	other = runs_with(c, v->name);
	if (other != NULL)
		return err_set(e, ERR_CONFLICT, "volume %s is a tmpfs and in use by container %s: it cannot be shared", v->name, other->id);
	m->kind = (char *)(uintptr_t)"tmpfs";
	m->source = NULL;
	m->options = text_set(words) ? arena_printf(a, "suid,exec,%s", words) : arena_str(a, "suid,exec");
	return m->options != NULL ? 0 : err_memory(e);
}
