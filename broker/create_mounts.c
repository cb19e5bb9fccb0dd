/* What a container mounts: -v, --mount, --volumes-from, and the volumes that its image declares. */
#include "create.h"

#include "broker.h"
#include "names.h"
#include "text.h"
#include "volumes.h"

#include <stdlib.h>

char *
path_clean(struct arena *a, const char *path)
{
	size_t n = strlen(path), used = 0;
	char *out = arena_alloc(a, n + 2);

	if (out == NULL)
		return NULL;
	while (*path != '\0') {
		size_t len;

		while (*path == '/')
			path++;
		len = strcspn(path, "/");
		if (len == 0)
			break;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (used > 0 && out[--used] != '/')
				;
		} else if (len != 1 || path[0] != '.') {
			out[used++] = '/';
			memcpy(out + used, path, len);
			used += len;
		}
		path += len;
	}
	if (used == 0)
		out[used++] = '/';
	out[used] = '\0';
	return out;
}

static bool
is_propagation(const char *s)
{
	static const char *const words[] = { "shared", "rshared", "slave", "rslave", "private", "rprivate" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

/* Reads the comma-separated mode; false if a word is unknown or one of a kind comes twice. */
static bool
parse_mode(const char *mode, struct arena *a, struct bind_spec *ret)
{
	unsigned rw = 0, label = 0, propagation = 0, copy = 0, consistency = 0;
	char *words = arena_str(a, mode), *save = NULL;

	if (words == NULL || mode[0] == '\0')
		return false;
	for (char *w = strtok_r(words, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
		if (strcmp(w, "ro") == 0 || strcmp(w, "rw") == 0) {
			rw++;
			ret->read_only = w[1] == 'o';
		} else if (strcmp(w, "z") == 0 || strcmp(w, "Z") == 0) {
			label++;
		} else if (strcmp(w, "nocopy") == 0) {
			copy++;
			ret->no_copy = true;
		} else if (is_propagation(w)) {
			propagation++;
			ret->propagation = w;
		} else if (strcmp(w, "consistent") == 0 || strcmp(w, "cached") == 0 || strcmp(w, "delegated") == 0 || strcmp(w, "default") == 0) {
			consistency++;
		} else {
			return false;
		}
	}
	return rw <= 1 && label <= 1 && propagation <= 1 && copy <= 1 && consistency <= 1;
}

static int
check_volume_name(const char *name, struct err *e)
{
	if (name_is_valid(name))
		return 0;
	return err_set(e, ERR_INVALID, "\"%.200s\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
	    "allowed. If you intended to pass a host directory, use absolute path", name);
}

int
parse_bind(const char *text, struct arena *a, struct bind_spec *ret, struct err *e)
{
	char *copy = arena_str(a, text), *parts[4];
	size_t n = 0;
	struct bind_spec probe = { 0 };

	*ret = (struct bind_spec){ 0 };
	if (copy == NULL)
		return err_memory(e);
	for (char *p = copy; p != NULL && n < 4; n++) {
		parts[n] = p;
		p = strchr(p, ':');
		if (p != NULL)
			*p++ = '\0';
		if (p != NULL && n == 3)
			n = 4;
	}
	if (n == 0 || n > 3 || parts[0][0] == '\0' || (n > 1 && parts[1][0] == '\0') || (n == 2 && parse_mode(parts[1], a, &probe)))
		return err_set(e, ERR_INVALID, "invalid volume specification: '%.300s'", text);
	ret->target = parts[n == 1 ? 0 : 1];
	ret->source = n == 1 ? NULL : parts[0];
	ret->mode = n == 3 ? parts[2] : "";
	ret->volume = ret->source == NULL || ret->source[0] != '/';
	if (n == 3 && !parse_mode(parts[2], a, ret))
		return err_set(e, ERR_INVALID, "invalid mode: %.100s", parts[2]);
	if (ret->target[0] != '/')
		return err_set(e, ERR_INVALID, "invalid volume specification: '%.200s': invalid mount config for type \"%s\": invalid mount path: '%.200s' "
		    "mount path must be absolute", text, ret->volume ? "volume" : "bind", ret->target);
	ret->target = path_clean(a, ret->target);
	if (ret->target == NULL)
		return err_memory(e);
	if (strcmp(ret->target, "/") == 0)
		return err_set(e, ERR_INVALID, "invalid volume specification: '%.200s': invalid mount config for type \"%s\": invalid specification: "
		    "destination can't be '/'", text, ret->volume ? "volume" : "bind");
	if (ret->volume && ret->source != NULL && check_volume_name(ret->source, e) < 0)
		return -1;
	if ((!ret->volume && ret->no_copy) || (ret->volume && ret->propagation != NULL))
		return err_set(e, ERR_INVALID, "invalid mode: %.100s", ret->mode);
	if (!ret->volume && (ret->source = path_clean(a, ret->source)) == NULL)
		return err_memory(e);
	return 0;
}

static struct mount_point *
mount_at(struct creation *c, const char *target)
{
	for (size_t i = 0; i < c->rec.mounts.n; i++)
		if (target != NULL && strcmp(c->rec.mounts.v[i].destination, target) == 0)
			return &c->rec.mounts.v[i];
	return NULL;
}

static bool
tmpfs_at(struct creation *c, const char *target)
{
	for (size_t i = 0; i < c->host.tmpfs.n; i++)
		if (target != NULL && strcmp(c->host.tmpfs.v[i].key, target) == 0)
			return true;
	return false;
}

/* Where a mount is to go: a new entry, or one that came with --volumes-from and is replaced. */
static struct mount_point *
slot_for(struct creation *c, const char *target, size_t inherited, struct err *e)
{
	struct mount_point *there = mount_at(c, target);

	if (tmpfs_at(c, target) || (there != NULL && (size_t)(there - c->rec.mounts.v) >= inherited)) {
		err_set(e, ERR_INVALID, "Duplicate mount point: %.300s", target);
		return NULL;
	}
	if (there == NULL)
		there = list_add(&c->rec.mounts, c->a, sizeof *there);
	if (there == NULL)
		err_memory(e);
	else
		*there = (struct mount_point){ .destination = (char *)(uintptr_t)target, .rw = true };
	return there;
}

/* The named volume, or a new one without a name; made with the container if it is not there yet. */
static int
use_volume(struct creation *c, struct mount_point *p, const char *name, const struct volume_options *o, struct err *e)
{
	static const struct kvs none;
	const struct kvs *options = o != NULL && o->driver_config != NULL ? &o->driver_config->options : &none;

	char random[65];
	struct volume *v;

	p->anonymous = !text_set(name);
	if (p->anonymous)
		text_random_id(random);
	p->type = arena_str(c->a, "volume");
	p->driver = arena_str(c->a, "local");
	p->name = arena_str(c->a, p->anonymous ? random : name);
	if (p->type == NULL || p->driver == NULL || p->name == NULL)
		return err_memory(e);
	p->source = volume_mountpoint(c->b, c->a, p->name);
	if (p->source == NULL)
		return err_memory(e);
	p->propagation = arena_str(c->a, "");
	if (vol_find(c->b, p->name) != NULL || strs_has(&c->new_volumes, p->name))
		return 0;
	if (volume_options_check(options, c->a, e) < 0)
		return err_wrap(e, "create %s", p->name);
	v = list_add(&c->volumes, c->a, sizeof *v);
	if (v == NULL || !strs_add(&c->new_volumes, c->a, p->name) || volume_fill(c->b, c->a, v, p->name, p->anonymous, o != NULL ? &o->labels : NULL, options) < 0)
		return err_memory(e);
	return 0;
}

static int
add_bind(struct creation *c, const char *text, size_t inherited, struct err *e)
{
	struct bind_spec s;
	struct mount_point *p;

	if (parse_bind(text, c->a, &s, e) < 0)
		return -1;
	p = slot_for(c, s.target, inherited, e);
	if (p == NULL)
		return -1;
	p->rw = !s.read_only;
	p->no_copy = s.no_copy;
	p->mode = arena_str(c->a, (s.mode != NULL && s.mode[0] != '\0') || !s.volume ? s.mode : s.source != NULL ? "z" : "");
	if (s.volume)
		return use_volume(c, p, s.source, NULL, e);
	p->type = arena_str(c->a, "bind");
	p->source = (char *)(uintptr_t)s.source;
	p->propagation = arena_str(c->a, s.propagation != NULL ? s.propagation : "rprivate");
	p->create = true;
	return p->type != NULL && p->propagation != NULL ? 0 : err_memory(e);
}

static int
bad_mount(struct err *e, const struct mount_spec *m, const char *why)
{
	return err_set(e, ERR_INVALID, "invalid mount config for type \"%.32s\": %s", text_or_empty(m->type), why);
}

/* A read-only mount is read-only with all that is mounted beneath it, unless the first of these is set. */
static int
check_read_only(const struct mount_spec *m, const struct bind_options *o, struct err *e)
{
	if ((o->read_only_non_recursive || o->read_only_force_recursive) && !m->read_only)
		return bad_mount(e, m, "ReadOnlyNonRecursive and ReadOnlyForceRecursive need ReadOnly");
	if (o->read_only_non_recursive && o->read_only_force_recursive)
		return bad_mount(e, m, "ReadOnlyNonRecursive and ReadOnlyForceRecursive must not both be set");
	if (o->read_only_force_recursive && o->non_recursive)
		return bad_mount(e, m, "ReadOnlyForceRecursive and NonRecursive must not both be set");
	if (o->read_only_force_recursive && text_set(o->propagation) && strcmp(o->propagation, "rprivate") != 0)
		return bad_mount(e, m, "ReadOnlyForceRecursive needs the propagation rprivate");
	return 0;
}

static int
check_mount(const struct mount_spec *m, struct err *e)
{
	bool bind = text_same(m->type, "bind"), volume = text_same(m->type, "volume"), tmpfs = text_same(m->type, "tmpfs"), image = text_same(m->type, "image");

	if (text_same(m->type, "cluster") || text_same(m->type, "npipe"))
		return err_set(e, ERR_UNSUPPORTED, "a mount of type %s is not implemented by Bulwark yet", m->type);
	if (!bind && !volume && !tmpfs && !image)
		return bad_mount(e, m, "mount type unknown");
	if (!text_set(m->target))
		return bad_mount(e, m, "field Target must not be empty");
	if (m->target[0] != '/')
		return err_set(e, ERR_INVALID, "invalid mount config for type \"%s\": invalid mount path: '%.200s' mount path must be absolute", m->type,
		    m->target);
	if ((bind || image) && !text_set(m->source))
		return bad_mount(e, m, "field Source must not be empty");
	if (bind && m->source[0] != '/')
		return err_set(e, ERR_INVALID, "invalid mount config for type \"bind\": invalid mount path: '%.200s' mount path must be absolute",
		    m->source);
	if (tmpfs && text_set(m->source))
		return bad_mount(e, m, "field Source must not be specified");
	if ((bind && (m->volume_options != NULL || m->tmpfs_options != NULL)) || (volume && (m->bind_options != NULL || m->tmpfs_options != NULL)) ||
	    (tmpfs && (m->bind_options != NULL || m->volume_options != NULL)) || (!image && m->image_options != NULL) ||
	    (image && (m->bind_options != NULL || m->volume_options != NULL || m->tmpfs_options != NULL)))
		return bad_mount(e, m, "field of another mount type must not be specified");
	if (volume && text_set(m->source) && check_volume_name(m->source, e) < 0)
		return -1;
	if (bind && m->bind_options != NULL && text_set(m->bind_options->propagation) && !is_propagation(m->bind_options->propagation))
		return err_set(e, ERR_INVALID, "invalid mount config for type \"bind\": invalid propagation mode: %s", m->bind_options->propagation);
	if (bind && m->bind_options != NULL && check_read_only(m, m->bind_options, e) < 0)
		return -1;
	if (volume && m->volume_options != NULL && m->volume_options->driver_config != NULL) {
		const struct driver_config *d = m->volume_options->driver_config;

		if (text_set(d->name) && strcmp(d->name, "local") != 0)
			return err_set(e, ERR_NOT_FOUND, "error looking up volume plugin %.100s: plugin \"%.100s\" not found", d->name, d->name);
	}
	return 0;
}

static int
fill_tmpfs(struct creation *c, struct mount_point *p, const struct mount_spec *m, struct err *e)
{
	const struct tmpfs_options *o = m->tmpfs_options;
	char text[96] = "";
	size_t n = 0;

	if (m->read_only)
		n += (size_t)snprintf(text + n, sizeof text - n, "ro");
	if (o != NULL && o->size_bytes > 0)
		n += (size_t)snprintf(text + n, sizeof text - n, "%ssize=%lld", n > 0 ? "," : "", (long long)o->size_bytes);
	if (o != NULL && o->mode > 0)
		snprintf(text + n, sizeof text - n, "%smode=%llo", n > 0 ? "," : "", (unsigned long long)o->mode);
	p->type = arena_str(c->a, "tmpfs");
	p->options = arena_str(c->a, text);
	for (size_t i = 0; o != NULL && i < o->options.n && p->options != NULL; i++) {
		const char *w = o->options.v[i];

		/* (size and mode have fields of their own) */
		if (strcmp(w, "exec") != 0 && strcmp(w, "noexec") != 0)
			return err_set(e, ERR_INVALID, "invalid mount config for type \"tmpfs\": invalid option: %.100s", w);
		p->options = arena_printf(c->a, "%s%s%s", p->options, p->options[0] != '\0' ? "," : "", w);
	}
	return p->type != NULL && p->options != NULL ? 0 : err_memory(e);
}

/* Read-only, as all that an image has; its layers are kept as long as the container is there. */
static int
fill_image(struct creation *c, struct mount_point *p, const struct mount_spec *m, struct err *e)
{
	struct img *i = img_find(c->b, m->source, e);

	if (i == NULL)
		return -1;
	p->type = arena_str(c->a, "image");
	p->source = m->source;
	p->name = i->rec.id;
	p->rw = false;
	p->subpath = m->image_options != NULL ? m->image_options->subpath : NULL;
	for (size_t k = i->rec.layers.n; k > 0; k--)
		if (!strs_add(&p->layers, c->a, i->rec.layers.v[k - 1].dir))
			return err_memory(e);
	return p->type != NULL ? 0 : err_memory(e);
}

static int
add_mount(struct creation *c, const struct mount_spec *m, size_t inherited, struct err *e)
{
	struct mount_point *p;
	char *target;

	if (check_mount(m, e) < 0)
		return -1;
	target = path_clean(c->a, m->target);
	if (target == NULL)
		return err_memory(e);
	if (strcmp(target, "/") == 0)
		return bad_mount(e, m, "invalid specification: destination can't be '/'");
	p = slot_for(c, target, inherited, e);
	if (p == NULL)
		return -1;
	p->rw = !m->read_only;
	if (strcmp(m->type, "tmpfs") == 0)
		return fill_tmpfs(c, p, m, e);
	if (strcmp(m->type, "image") == 0)
		return fill_image(c, p, m, e);
	if (strcmp(m->type, "volume") == 0) {
		p->mode = arena_str(c->a, "z");
		p->no_copy = m->volume_options != NULL && m->volume_options->no_copy;
		p->subpath = m->volume_options != NULL ? m->volume_options->subpath : NULL;
		return use_volume(c, p, m->source, m->volume_options, e);
	}
	p->type = arena_str(c->a, "bind");
	p->source = path_clean(c->a, m->source);
	p->propagation = arena_str(c->a, m->bind_options != NULL && text_set(m->bind_options->propagation) ? m->bind_options->propagation : "rprivate");
	p->create = m->bind_options != NULL && m->bind_options->create_mountpoint;
	p->non_recursive = m->bind_options != NULL && m->bind_options->non_recursive;
	p->read_only_top = m->bind_options != NULL && m->bind_options->read_only_non_recursive;
	return p->type != NULL && p->source != NULL && p->propagation != NULL ? 0 : err_memory(e);
}

static int
add_volumes_from(struct creation *c, const char *text, struct err *e)
{
	char *ref = arena_str(c->a, text), *mode;
	struct bind_spec s = { 0 };
	struct ctr *donor;

	if (ref == NULL)
		return err_memory(e);
	mode = strchr(ref, ':');
	if (mode != NULL)
		*mode++ = '\0';
	if (mode != NULL && !parse_mode(mode, c->a, &s))
		return err_set(e, ERR_INVALID, "invalid mode for volumes-from: %.100s", mode);
	donor = ctr_find(c->b, ref, e);
	if (donor == NULL)
		return err_set(e, ERR_INVALID, "No such container: %.200s", ref); /* not 404: clients would take the image for missing and pull it */
	for (size_t i = 0; i < donor->rec.mounts.n; i++) {
		const struct mount_point *from = &donor->rec.mounts.v[i];
		struct mount_point *p = mount_at(c, from->destination);

		if (p == NULL && (p = list_add(&c->rec.mounts, c->a, sizeof *p)) == NULL)
			return err_memory(e);
		if (rec_copy(&mount_point_type, from, c->a, p, e) < 0)
			return -1;
		p->rw = from->rw && !s.read_only;
	}
	return 0;
}

static int
check_tmpfs(struct creation *c, struct err *e)
{
	static const char *const words[] = { "defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "remount",
		"mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime" };
	static const char *const keys[] = { "mode", "uid", "gid", "nr_inodes", "nr_blocks", "size", "mpol" };

	for (size_t i = 0; i < c->host.tmpfs.n; i++) {
		char *target, *options = arena_str(c->a, c->host.tmpfs.v[i].value), *save = NULL;

		if (c->host.tmpfs.v[i].key[0] != '/')
			return err_set(e, ERR_INVALID, "invalid mount path: '%.200s' mount path must be absolute", c->host.tmpfs.v[i].key);
		target = path_clean(c->a, c->host.tmpfs.v[i].key);
		if (options == NULL || target == NULL)
			return err_memory(e);
		if (strcmp(target, "/") == 0)
			return err_set(e, ERR_INVALID, "invalid specification: destination can't be '/'");
		c->host.tmpfs.v[i].key = target;
		for (char *w = strtok_r(options, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
			size_t n = strcspn(w, "=");
			bool known = false;

			for (size_t k = 0; w[n] == '\0' && k < sizeof words / sizeof *words; k++)
				known = known || strcmp(w, words[k]) == 0;
			for (size_t k = 0; w[n] == '=' && k < sizeof keys / sizeof *keys; k++)
				known = known || (strlen(keys[k]) == n && strncmp(w, keys[k], n) == 0);
			if (!known)
				return err_set(e, ERR_INVALID, "invalid tmpfs option [\"%.100s\"]", w);
		}
	}
	return 0;
}

static int
by_destination(const void *a, const void *b)
{
	return strcmp(((const struct mount_point *)a)->destination, ((const struct mount_point *)b)->destination);
}

int
create_mounts(struct creation *c, struct err *e)
{
	size_t inherited;

	if (check_tmpfs(c, e) < 0)
		return -1;
	for (size_t i = 0; i < c->host.volumes_from.n; i++)
		if (add_volumes_from(c, c->host.volumes_from.v[i], e) < 0)
			return -1;
	inherited = c->rec.mounts.n;
	for (size_t i = 0; i < c->host.binds.n; i++)
		if (add_bind(c, c->host.binds.v[i], inherited, e) < 0)
			return -1;
	for (size_t i = 0; i < c->host.mounts.n; i++)
		if (add_mount(c, &c->host.mounts.v[i], inherited, e) < 0)
			return -1;
	for (size_t i = 0; i < c->config.volumes.n; i++) {
		char *target = path_clean(c->a, c->config.volumes.v[i]);
		struct mount_point *p;

		if (target == NULL)
			return err_memory(e);
		if (c->config.volumes.v[i][0] != '/')
			return err_set(e, ERR_INVALID, "invalid volume specification: '%.200s': invalid mount config for type \"volume\": invalid mount path: "
			    "'%.200s' mount path must be absolute", c->config.volumes.v[i], c->config.volumes.v[i]);
		if (strcmp(target, "/") == 0)
			return err_set(e, ERR_INVALID, "invalid volume specification: '/': invalid mount config for type \"volume\": invalid "
			    "specification: destination can't be '/'");
		if (mount_at(c, target) != NULL || tmpfs_at(c, target))
			continue;
		p = slot_for(c, target, 0, e);
		if (p == NULL || use_volume(c, p, NULL, NULL, e) < 0)
			return -1;
		p->mode = arena_str(c->a, "");
	}
	for (size_t i = 0; !text_same(c->host.userns_mode, "host") && i < c->rec.mounts.n; i++)
		if (text_same(c->rec.mounts.v[i].propagation, "shared") || text_same(c->rec.mounts.v[i].propagation, "rshared"))
			return err_set(e, ERR_INVALID, "mount propagation \"%s\" is not possible for a container with a user namespace, of whose mounts the kernel "
			    "makes slaves: use slave, or --userns=host", c->rec.mounts.v[i].propagation);
	if (c->rec.mounts.n > 1)
		qsort(c->rec.mounts.v, c->rec.mounts.n, sizeof *c->rec.mounts.v, by_destination);
	return 0;
}
