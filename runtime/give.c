/* Asks the mounter for what a container needs, in the order in which stage takes it: layers, writable directory, mounts, devices. */
#include "runtime.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct asking {
	struct box *b;
	struct mount_wishes wishes;
	struct mount_wish v[EDGE_FDS_MAX];
	int *fds;
	size_t n, max;
};

/* After a restart of the runtime the container's own namespace is opened again; the other came back from its monitor. */
static int
have_namespaces(struct box *b, struct err *e)
{
	char path[64];

	if (b->rt->host)
		return 0;
	if (b->userns[0] < 0 && b->init != NULL)
		return err_set(e, ERR_SYSTEM, "the container's id mapping is not known");
	if (b->userns[1] >= 0 || b->init == NULL)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/ns/user", b->init->pid);
	b->userns[1] = open(path, O_RDONLY | O_CLOEXEC);
	return b->userns[1] < 0 ? err_sys(e, errno, "open the container's user namespace") : 0;
}

static int
flush(struct asking *k, struct err *e)
{
	own_arena a = ARENA_INIT;
	bool host = k->b->rt->host;
	size_t n = 0;

	if (k->wishes.wishes.n == 0)
		return 0;
	if (k->max - k->n < k->wishes.wishes.n)
		return err_set(e, ERR_LIMIT, "the container has too many mounts");
	k->wishes.wishes.v = k->v;
	if (edge_call(k->b->rt->mount, NO_mount_give, &k->wishes, host ? &k->b->rt->map_ns : k->b->userns, host ? 1 : 2, &a, NULL, k->fds + k->n, k->max - k->n, &n, 20000, e) < 0)
		return -1;
	k->n += n;
	if (n != k->wishes.wishes.n)
		return err_set(e, ERR_PROTOCOL, "the mounter gave %zu of %zu mounts", n, k->wishes.wishes.n);
	k->wishes.wishes.n = 0;
	return 0;
}

static int
wish(struct asking *k, struct mount_wish w, struct err *e)
{
	if (k->wishes.wishes.n == EDGE_FDS_MAX && flush(k, e) < 0)
		return -1;
	k->v[k->wishes.wishes.n++] = w;
	return 0;
}

static int
wish_layers(struct asking *k, const struct strs *layers, struct err *e)
{
	for (size_t i = 0; i < layers->n; i++)
		if (wish(k, (struct mount_wish){ .kind = (char *)(uintptr_t)"layer", .name = layers->v[i], .read_only = true }, e) < 0)
			return -1;
	return 0;
}

static bool
is_word(const char *s, const char *a, const char *b)
{
	return s != NULL && (strcmp(s, a) == 0 || strcmp(s, b) == 0);
}

static int
wish_mounts(struct asking *k, const struct run_spec *spec, struct err *e)
{
	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct run_mount *m = &spec->mounts.v[i];
		struct mount_wish w = { .name = m->source, .subpath = m->subpath, .read_only = m->read_only, .non_recursive = m->non_recursive,
			.create = m->create, .read_only_top = m->read_only && m->read_only_top };

		if (m->kind != NULL && strcmp(m->kind, "tmpfs") == 0)
			continue;
		if (m->kind != NULL && strcmp(m->kind, "image") == 0) {
			if (wish_layers(k, &m->layers, e) < 0)
				return -1;
			continue;
		}
		w.slave = is_word(m->propagation, "slave", "rslave");
		w.shared = is_word(m->propagation, "shared", "rshared");
		if ((w.slave || w.shared) && m->source != NULL && propagation_check(m->source, w.slave, e) < 0)
			return -1;
		if (m->kind == NULL || m->source == NULL)
			return err_set(e, ERR_PROTOCOL, "malformed mount");
		if (strcmp(m->kind, "bind") != 0 && strcmp(m->kind, "volume") != 0)
			return err_set(e, ERR_INVALID, "mount type unknown: %s", m->kind);
		w.kind = (char *)(uintptr_t)(strcmp(m->kind, "bind") == 0 ? "host" : "volume");
		if (wish(k, w, e) < 0)
			return -1;
	}
	return 0;
}

int
give_mounts(struct box *b, const struct run_spec *spec, int *fds, size_t max, size_t *n, struct err *e)
{
	struct asking k = { .b = b, .fds = fds, .n = *n, .max = max };
	int r = have_namespaces(b, e);

	if (r == 0)
		r = wish_layers(&k, &spec->layers, e);
	if (r == 0)
		r = wish(&k, (struct mount_wish){ .kind = (char *)(uintptr_t)"rw", .name = spec->id }, e);
	if (r == 0)
		r = wish_mounts(&k, spec, e);
	for (size_t i = 0; r == 0 && i < spec->devices.n; i++)
		r = wish(&k, (struct mount_wish){ .kind = (char *)(uintptr_t)"host", .name = spec->devices.v[i].path_on_host, .non_recursive = true }, e);
	if (r == 0)
		r = flush(&k, e);
	*n = k.n;
	return r;
}
