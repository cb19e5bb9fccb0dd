/* Writable directories, volumes, and what is there. */
#include "stored.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory with these directories in it, complete or not at all: made in tmp (or the volumes' own), then renamed. */
static int
make_place(struct stored *s, int into, const char *name, const char *const *parts, struct err *e)
{
	int made_in = into == s->volumes ? s->volume_new : s->tmp;
	char fresh[64];
	own_fd dir = -1;

	if (faccessat(into, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	stored_name(s, fresh);
	dir = fd_make_dir(made_in, fresh, 0755);
	if (dir < 0)
		return err_sys(e, errno, "create %s", name);
	for (; *parts != NULL; parts++)
		if (mkdirat(dir, *parts, 0755) < 0) {
			err_sys(e, errno, "create %s", name);
			break;
		}
	if (e->code == ERR_NONE && renameat2(made_in, fresh, into, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (e->code == ERR_NONE && errno != EEXIST)
		err_sys(e, errno, "create %s", name);
	if (fd_remove_tree(made_in, fresh) < 0)
		log_msg(LOG_WARN, "%s stays until the next start", fresh);
	return e->code == ERR_NONE ? 0 : -1;
}

static int
want_id(const char *name, struct err *e)
{
	return name != NULL && text_is_id(name) ? 0 : err_set(e, ERR_PROTOCOL, "not a container id");
}

static int
want_volume(const char *name, struct err *e)
{
	return name != NULL && text_is_name(name, NAME_MAX_) ? 0 : err_set(e, ERR_PROTOCOL, "not a volume name");
}

int
on_store_rw_create(struct call *c, const void *msg, struct err *e)
{
	static const char *const parts[] = { "upper", "work", "files", NULL };
	const struct store_name *m = msg;
	struct stored *s = c->ctx;

	if (want_id(m->name, e) < 0 || make_place(s, s->rw, m->name, parts, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

int
on_store_rw_remove(struct call *c, const void *msg, struct err *e)
{
	const struct store_name *m = msg;
	struct stored *s = c->ctx;

	if (want_id(m->name, e) < 0 || trash_put(s, s->rw, m->name, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

int
on_store_volume_create(struct call *c, const void *msg, struct err *e)
{
	static const char *const parts[] = { "_data", NULL };
	const struct store_name *m = msg;
	struct stored *s = c->ctx;

	if (want_volume(m->name, e) < 0 || make_place(s, s->volumes, m->name, parts, e) < 0)
		return -1;
	if (fsync(s->volumes) < 0)
		return err_sys(e, errno, "create volume %s", m->name);
	call_ok(c);
	return 0;
}

int
on_store_volume_remove(struct call *c, const void *msg, struct err *e)
{
	const struct store_name *m = msg;
	struct stored *s = c->ctx;

	if (want_volume(m->name, e) < 0 || trash_put(s, s->volumes, m->name, e) < 0)
		return -1;
	call_ok(c);
	return 0;
}

/* ---- images and layers ---- */

int
pin_add(struct stored *s, const char *name, const void *owner, struct err *e)
{
	if (s->n_pins == s->room_pins) {
		size_t room = s->room_pins == 0 ? 64 : 2 * s->room_pins;
		struct pin *grown = realloc(s->pins, room * sizeof *grown);

		if (grown == NULL)
			return err_set(e, ERR_NO_MEMORY, "list of layers in use");
		s->pins = grown;
		s->room_pins = room;
	}
	if (!text_copy(s->pins[s->n_pins].name, sizeof s->pins[0].name, name))
		return err_set(e, ERR_PROTOCOL, "not a layer");
	s->pins[s->n_pins++].owner = owner;
	return 0;
}

void
pin_remove_all(struct stored *s, const void *owner)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_pins; i++)
		if (s->pins[i].owner != owner)
			s->pins[kept++] = s->pins[i];
	s->n_pins = kept;
}

static bool
is_pinned(const struct stored *s, const char *name)
{
	for (size_t i = 0; i < s->n_pins; i++)
		if (strcmp(s->pins[i].name, name) == 0)
			return true;
	return false;
}

int
on_store_drop(struct call *c, const void *msg, struct err *e)
{
	const struct store_drop *m = msg;
	struct stored *s = c->ctx;

	for (size_t i = 0; i < m->image_ids.n; i++)
		if (!text_starts(m->image_ids.v[i], "sha256:") || !text_is_id(m->image_ids.v[i] + 7))
			return err_set(e, ERR_PROTOCOL, "not an image id");
	for (size_t i = 0; i < m->layers.n; i++)
		if (!text_is_id(m->layers.v[i]))
			return err_set(e, ERR_PROTOCOL, "not a layer");
	for (size_t i = 0; i < m->image_ids.n; i++)
		if (!is_pinned(s, m->image_ids.v[i] + 7) && unlinkat(s->blobs, m->image_ids.v[i] + 7, 0) < 0 && errno != ENOENT)
			return err_sys(e, errno, "remove the configuration of %s", m->image_ids.v[i]);
	for (size_t i = 0; i < m->layers.n; i++)
		/* one that a load or save counts on stays; store_list shows it, if nobody has it in the end */
		if (!is_pinned(s, m->layers.v[i]) && trash_put(s, s->layers, m->layers.v[i], e) < 0)
			return -1;
	call_ok(c);
	return 0;
}

static int
list(int dir, const char *prefix, bool ids, struct strs *ret, struct arena *a, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int r = 0;

	if (d == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "list the store");
	}
	while (r == 0 && (entry = readdir(d)) != NULL) {
		const char *name = entry->d_name;

		if (ids ? !text_is_id(name) : !text_is_name(name, NAME_MAX_))
			continue;
		name = arena_printf(a, "%s%s", prefix, name);
		if (name == NULL || !strs_add(ret, a, name))
			r = err_set(e, ERR_NO_MEMORY, "list of the store");
	}
	closedir(d);
	return r;
}

int
on_store_list(struct call *c, const void *msg, struct err *e)
{
	struct store_inventory inventory = { 0 };
	struct stored *s = c->ctx;

	if (list(s->blobs, "sha256:", true, &inventory.image_ids, &c->arena, e) < 0 ||
	    list(s->layers, "", true, &inventory.layers, &c->arena, e) < 0 ||
	    list(s->rw, "", true, &inventory.rws, &c->arena, e) < 0 ||
	    list(s->volumes, "", false, &inventory.volumes, &c->arena, e) < 0)
		return -1;
	call_reply(c, &inventory, NULL, 0);
	return 0;
}
