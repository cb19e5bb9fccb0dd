/* --device: directories become the nodes in them; and what a container with a user namespace may not do with the host's node, which it has
   mounted, is taken away from its control group by the mounter. */
#include "runtime.h"

#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define NODES_MAX 256
#define ENTRIES_MAX 4096   /* of all directories: the loop waits meanwhile */

struct expansion { struct device_mapping_list *out; struct arena *a; struct err *e; size_t entries; };

static int
add_node(struct expansion *x, const char *host, const char *inside, const struct device_mapping *d)
{
	struct device_mapping *n = x->out->n < NODES_MAX ? list_add(x->out, x->a, sizeof *n) : NULL;

	if (n == NULL)
		return err_set(x->e, ERR_LIMIT, "too many devices");
	*n = (struct device_mapping){ .path_on_host = arena_str(x->a, host), .path_in_container = arena_str(x->a, inside),
		.cgroup_permissions = d->cgroup_permissions };
	return n->path_on_host != NULL && n->path_in_container != NULL ? 0 : err_set(x->e, ERR_NO_MEMORY, "devices");
}

/* Takes the directory over. What cannot be read or is no node is left out, as by the Docker engine. */
static int
walk(struct expansion *x, int fd, const char *host, const char *inside, const struct device_mapping *d, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (dir == NULL) {
		fd_close(&fd);
		return 0;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		char *from, *to;
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (++x->entries > ENTRIES_MAX) {
			r = err_set(x->e, ERR_LIMIT, "error gathering device information while adding custom device \"%s\": more than %d files",
			    d->path_on_host, ENTRIES_MAX);
			break;
		}
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode)))
			continue;
		from = arena_printf(x->a, "%s/%s", host, entry->d_name);
		to = arena_printf(x->a, "%s/%s", inside, entry->d_name);
		if (from == NULL || to == NULL) {
			r = err_set(x->e, ERR_NO_MEMORY, "devices");
		} else if (!S_ISDIR(st.st_mode)) {
			r = add_node(x, from, to, d);
		} else if (depth > 0) {
			int below = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (below >= 0)
				r = walk(x, below, from, to, d, depth - 1);
		}
	}
	closedir(dir);
	return r;
}

int
devices_expand(const struct run_spec *spec, struct arena *a, struct device_mapping_list *ret, struct err *e)
{
	struct expansion x = { .out = ret, .a = a, .e = e };

	*ret = (struct device_mapping_list){ 0 };
	for (size_t i = 0; i < spec->devices.n; i++) {
		const struct device_mapping *d = &spec->devices.v[i];
		int fd = d->path_on_host != NULL ? open(d->path_on_host, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		size_t before = ret->n;

		if (d->path_on_host == NULL || d->path_in_container == NULL) {
			fd_close(&fd);
			return err_set(e, ERR_PROTOCOL, "device without a path");
		}
		if (fd < 0 && (errno == ENOENT || errno == EACCES))
			return err_set(e, ERR_INVALID, "error gathering device information while adding custom device \"%s\": %s", d->path_on_host,
			    errno == ENOENT ? "no such file or directory" : "permission denied");
		if (fd >= 0 ? walk(&x, fd, d->path_on_host, d->path_in_container, d, DEPTH_MAX) < 0 : add_node(&x, d->path_on_host, d->path_in_container, d) < 0)
			return -1;
		if (ret->n == before)
			return err_set(e, ERR_INVALID, "error gathering device information while adding custom device \"%s\": not a device node", d->path_on_host);
	}
	return 0;
}

static bool
may(const struct device_mapping *d, char what)
{
	return d->cgroup_permissions == NULL || *d->cgroup_permissions == '\0' || strchr(d->cgroup_permissions, what) != NULL;
}

/* The same device under two names has the rights of both. */
static int
note(struct mount_denials *m, const struct stat *st, const struct device_mapping *d, struct arena *a, struct err *e)
{
	struct mount_denial *k;

	for (size_t i = 0; i < m->devices.n; i++) {
		k = &m->devices.v[i];
		if (k->block == S_ISBLK(st->st_mode) && k->major == (int64_t)major(st->st_rdev) && k->minor == (int64_t)minor(st->st_rdev)) {
			k->read = k->read && !may(d, 'r');
			k->write = k->write && !may(d, 'w');
			return 0;
		}
	}
	k = list_add(&m->devices, a, sizeof *k);
	if (k == NULL)
		return err_set(e, ERR_NO_MEMORY, "devices");
	*k = (struct mount_denial){ .block = S_ISBLK(st->st_mode), .major = major(st->st_rdev), .minor = minor(st->st_rdev), .read = !may(d, 'r'), .write = !may(d, 'w') };
	return 0;
}

int
devices_deny(struct box *b, const struct run_spec *spec, const int *nodes, struct err *e)
{
	own_arena a = ARENA_INIT, answer = ARENA_INIT;
	struct mount_denials all = { .devices = { .n = 0 } };
	own_fd group = -1;
	size_t n = 0;

	for (size_t i = 0; i < spec->devices.n; i++) {
		struct stat st;

		if (fstat(nodes[i], &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
			return err_set(e, ERR_INVALID, "error gathering device information while adding custom device \"%s\": not a device node", spec->devices.v[i].path_on_host);
		if (note(&all, &st, &spec->devices.v[i], &a, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < all.devices.n; i++)
		if (all.devices.v[i].read || all.devices.v[i].write)
			all.devices.v[n++] = all.devices.v[i];
	all.devices.n = n;
	if (n == 0)
		return 0;
	group = b->rt->v2 ? cg_open(b->rt, b, NULL, ".", O_RDONLY | O_DIRECTORY) : cg_open(b->rt, b, "devices", "devices.deny", O_WRONLY);
	if (group < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "device permissions other than rwm need the devices cgroup, which is not available") :
		    err_sys(e, errno, "open the container's devices cgroup");
	n = 0;
	return edge_call(b->rt->mount, NO_mount_deny, &all, &group, 1, &answer, NULL, NULL, 0, &n, 20000, e);
}
