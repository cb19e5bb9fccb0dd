/*
 * Gives detached mounts: of a layer, a container's writable directory, a volume or a host path, id-mapped for one user
 * namespace. The only process of the engine with SYS_ADMIN. It decides nothing but what the floor says: names of the store
 * are single checked components opened beneath held directories, and a host path is judged by the object that it led to
 * (walking up from the descriptor), never by its text.
 */
#include "comp.h"
#include "deny.h"
#include "fd.h"
#include "locker.h"
#include "log.h"
#include "msg/give.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOTS_MAX 256
#define DEPTH_MAX 2048           /* a path of PATH_MAX_ bytes has fewer components */

struct object { dev_t dev; ino_t ino; };

struct mounter {
	struct edge *edge, *host_edge;   /* to the runtime; to the host-runtime */
	int store, volumes, root, proc, locker;
	char *allowed[ROOTS_MAX], *forbidden[ROOTS_MAX];   /* absolute paths; resolved anew each time: they may appear later */
	size_t n_allowed, n_forbidden;
	struct object userns;
	uid_t own_uid, run_uid;
	gid_t own_gid;
};

static int
identify(int fd, struct object *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*ret = (struct object){ st.st_dev, st.st_ino };
	return 0;
}

static bool
same(const struct object *a, const struct object *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* A host path as a user means it: links are followed, but none out of the host's root and no magic one. */
static int
open_host(const struct mounter *m, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (unsigned)(O_PATH | O_CLOEXEC | flags), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };

	return (int)syscall(SYS_openat2, m->root, path, &how, sizeof how);
}

/* ---- the floor ---- */

/* Is object "of" this directory or above it? Objects are told by device and inode, so a second mount of a tree is the tree. -1 with
   errno if that cannot be told. */
static int
is_beneath(int dir, const struct object *of)
{
	own_fd at = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct object here, above;

	if (at < 0 || identify(at, &here) < 0)
		return -1;
	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		int up;

		if (same(&here, of))
			return 1;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || identify(up, &above) < 0) {
			fd_close(&up);
			return -1;
		}
		fd_close(&at);
		at = up;
		if (same(&here, &above))
			return 0;   /* the root */
		here = above;
	}
	errno = ELOOP;
	return -1;
}

/* A directory itself, or the one that holds a file: its name comes from the kernel and counts only if it leads back to the same
   object. */
static int
open_place(const struct mounter *m, int fd, const struct object *self)
{
	char link[64], path[PATH_MAX_ + 1], *base;
	own_fd dir = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (dir >= 0 || errno != ENOTDIR)
		return fd_take(&dir);
	snprintf(link, sizeof link, "self/fd/%d", fd);
	n = readlinkat(m->proc, link, path, sizeof path - 1);
	if (n <= 0 || path[0] != '/')
		return -1;
	path[n] = '\0';
	base = strrchr(path, '/');
	*base++ = '\0';
	dir = open_host(m, path[0] != '\0' ? path : "/", O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	if (dir < 0 || fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != self->dev || st.st_ino != self->ino)
		return -1;
	return fd_take(&dir);
}

/* whole: all that is in it is to be handed out too (not, if it only holds what is to be). */
struct candidate { const char *path; struct object self; int place; bool whole; };

/* The candidate must neither be in the tree of forbidden nor contain it. */
static int
check_forbidden(const struct mounter *m, const struct candidate *c, int forbidden, struct err *e)
{
	struct object it;
	own_fd place = -1;
	int in, around;

	if (identify(forbidden, &it) < 0 || (place = open_place(m, forbidden, &it)) < 0 || (in = is_beneath(c->place, &it)) < 0 ||
	    (around = is_beneath(place, &c->self)) < 0)
		return err_sys(e, errno, "bind source path %s cannot be checked", c->path);
	if (in > 0 || same(&c->self, &it))
		return err_set(e, ERR_DENIED, "bind source path %s is not allowed on this host", c->path);
	if (around > 0 && c->whole)
		return err_set(e, ERR_DENIED, "bind source path %s is not allowed: it contains files of the engine or of a forbidden path", c->path);
	return 0;
}

static bool
is_allowed(const struct mounter *m, const struct candidate *c)
{
	for (size_t i = 0; i < m->n_allowed; i++) {
		own_fd root = open_host(m, m->allowed[i], 0, 0);
		struct object it;

		if (root >= 0 && identify(root, &it) == 0 && (same(&c->self, &it) || is_beneath(c->place, &it) > 0))
			return true;
	}
	return m->n_allowed == 0;
}

/* May this object be handed to a container, or (not whole) something new be made in it for one? */
static int
floor_check(const struct mounter *m, const char *path, int fd, bool whole, struct err *e)
{
	struct candidate c = { .path = path, .whole = whole };
	own_fd place = -1;

	if (identify(fd, &c.self) < 0 || (place = open_place(m, fd, &c.self)) < 0)
		return err_set(e, ERR_DENIED, "bind source path %s cannot be traced to a directory", path);
	c.place = place;
	if (!is_allowed(m, &c))
		return err_set(e, ERR_DENIED, "bind source path %s is not allowed on this host", path);
	/* whatever the configuration says, not our own store */
	if (check_forbidden(m, &c, m->store, e) < 0 || check_forbidden(m, &c, m->volumes, e) < 0)
		return -1;
	for (size_t i = 0; i < m->n_forbidden; i++) {
		own_fd root = open_host(m, m->forbidden[i], 0, 0);

		if (root < 0 && errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, errno, "bind source path %s cannot be checked", path);
		if (root >= 0 && check_forbidden(m, &c, root, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- making a missing host directory ---- */

/* In the child: maps itself, which anybody may, so no privilege is used. */
static _Noreturn void
map_self(const struct mounter *m, uid_t uid, gid_t gid)
{
	char map[64];

	/* else its files in /proc are root's */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || fd_write_text(m->proc, "self/setgroups", "deny") < 0)
		_exit(errno);
	snprintf(map, sizeof map, "%u %u 1", uid, m->own_uid);
	if (fd_write_text(m->proc, "self/uid_map", map) < 0)
		_exit(errno);
	snprintf(map, sizeof map, "%u %u 1", gid, m->own_gid);
	if (fd_write_text(m->proc, "self/gid_map", map) < 0)
		_exit(errno);
	raise(SIGSTOP);
	_exit(ECHILD);
}

/* A user namespace in which a file's owner on disk is this process' own uid: through a mount with this map the directory's
   owner is us, and what we create is its owner's. */
static int
namespace_as_owner(const struct mounter *m, uid_t uid, gid_t gid, struct err *e)
{
	char name[32];
	int status = 0, ns = -1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return err_sys(e, errno, "user namespace for a directory's owner");
	if (pid == 0)
		map_self(m, uid, gid);
	while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	if (!WIFSTOPPED(status))
		return err_sys(e, WIFEXITED(status) ? WEXITSTATUS(status) : EPERM, "map a directory's owner");
	snprintf(name, sizeof name, "%d/ns/user", pid);
	ns = openat(m->proc, name, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		err_sys(e, errno, "open a namespace");
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return ns;
}

static int
clone_as_owner(const struct mounter *m, int dir, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	own_fd tree = -1, ns = -1;
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys(e, errno, "stat");
	ns = namespace_as_owner(m, st.st_uid, st.st_gid, e);
	if (ns < 0)
		return -1;
	tree = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	attr.userns_fd = (unsigned)ns;
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "clone");
	return fd_take(&tree);
}

/* The deepest directory of path that exists. *ret_rest: what is missing behind it, "" if nothing. */
static int
open_deepest(const struct mounter *m, const char *path, const char **ret_rest)
{
	char prefix[PATH_MAX_ + 1];
	size_t n = strlen(path);
	int fd;

	memcpy(prefix, path, n + 1);
	for (;;) {
		fd = open_host(m, n > 0 ? prefix : "/", 0, 0);
		if (fd >= 0 || errno != ENOENT || n == 0)
			break;
		while (n > 0 && prefix[n - 1] != '/')
			n--;
		if (n > 0)
			n--;
		prefix[n] = '\0';
	}
	*ret_rest = path + n;
	return fd;
}

static int
make_host_dir(const struct mounter *m, const char *path, struct err *e)
{
	const char *rest;
	own_fd at = open_deepest(m, path, &rest);

	if (at < 0 || *rest == '\0')
		return 0;   /* the caller's own open tells what is wrong */
	if (floor_check(m, path, at, false, e) < 0)
		return -1;
	int clone = clone_as_owner(m, at, e);
	if (clone < 0)
		return err_wrap(e, "error while creating mount source path '%s'", path);
	fd_close(&at);
	at = clone;
	while (*rest != '\0') {
		char name[NAME_MAX_ + 1];
		size_t n = strcspn(++rest, "/");
		int next;

		if (n > NAME_MAX_)
			return err_sys(e, ENAMETOOLONG, "error while creating mount source path '%s'", path);
		memcpy(name, rest, n);
		name[n] = '\0';
		rest += n;
		if ((mkdirat(at, name, 0755) < 0 && errno != EEXIST) || (next = fd_open_beneath(at, name, O_PATH | O_DIRECTORY, 0)) < 0)
			return err_sys(e, errno, "error while creating mount source path '%s': mkdir %s", path, name);
		fd_close(&at);
		at = next;
	}
	return 0;
}

/* ---- wishes ---- */

/* Absolute, no "." or ".." component, no empty one. */
static bool
path_is_clean(const char *path)
{
	if (path[0] != '/' || strlen(path) > PATH_MAX_ - 1)
		return false;
	for (const char *p = path; *p != '\0' && strcmp(path, "/") != 0;) {
		size_t n = strcspn(++p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
	}
	return true;
}

static int
open_host_wish(const struct mounter *m, const struct mount_wish *w, struct err *e)
{
	own_fd fd = -1;

	if (!path_is_clean(w->name))
		return err_set(e, ERR_INVALID, "invalid mount path: '%s' mount path must be absolute and clean", w->name);
	if (w->create && make_host_dir(m, w->name, e) < 0)
		return -1;
	fd = open_host(m, w->name, 0, 0);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ERR_INVALID, "bind source path does not exist: %s", w->name);
	if (fd < 0)
		return err_sys(e, errno, "bind source path %s", w->name);
	if (floor_check(m, w->name, fd, true, e) < 0)
		return -1;
	return fd_take(&fd);
}

static int
open_store_wish(const struct mounter *m, const struct mount_wish *w, struct err *e)
{
	char path[NAME_MAX_ + 16];
	own_fd fd = -1;
	int dir = m->store;

	if (strcmp(w->kind, "layer") == 0 && text_is_id(w->name)) {
		snprintf(path, sizeof path, "layers/%s/fs", w->name);
	} else if (strcmp(w->kind, "rw") == 0 && text_is_id(w->name)) {
		snprintf(path, sizeof path, "rw/%s", w->name);
	} else if (strcmp(w->kind, "volume") == 0 && text_is_name(w->name, NAME_MAX_)) {
		snprintf(path, sizeof path, "%s/_data", w->name);
		dir = m->volumes;
	} else {
		return err_set(e, ERR_PROTOCOL, "a wish for a mount of unknown kind or with a bad name");
	}
	fd = fd_open_beneath(dir, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(e, errno, "%s %s", w->kind, w->name);
	if (w->subpath != NULL && w->subpath[0] != '\0') {
		int sub = dir == m->volumes ? fd_open_beneath(fd, w->subpath, O_PATH, 0) : -1;

		if (sub < 0)
			return err_sys(e, dir == m->volumes ? errno : EINVAL, "cannot access path \"%s\" of %s %s", w->subpath, w->kind, w->name);
		fd_close(&fd);
		fd = sub;
	}
	return fd_take(&fd);
}

/* Host trees: a mount in it that cannot be id-mapped (another kind of file system, or mapped already) is given as it is. */
static int
map_ids(int tree, int ns, bool host, unsigned deep, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)ns };

	if (mount_setattr(tree, "", AT_EMPTY_PATH | deep, &attr, sizeof attr) == 0)
		return 0;
	if (!host || (errno != EINVAL && errno != EPERM))
		return err_sys(e, errno, "id-mapped mount");
	if (deep != 0 && mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
		return 0;
	return errno == EINVAL || errno == EPERM ? 0 : err_sys(e, errno, "id-mapped mount");
}

/* plain: for a container in the host's user namespace. Host paths are then what they are, ids and all; the rest is mapped to its
   first 65536 ids. */
static int
give(const struct mounter *m, const struct mount_wish *w, const int ns[2], bool plain, int *ret_fd, struct err *e)
{
	bool host = w->kind != NULL && strcmp(w->kind, "host") == 0;
	unsigned deep = host && !w->non_recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = { .propagation = !host ? MS_PRIVATE : w->slave ? MS_SLAVE : w->shared && plain ? 0 : MS_PRIVATE };
	own_fd source = -1, tree = -1;

	if (w->kind == NULL || w->name == NULL)
		return err_set(e, ERR_PROTOCOL, "a wish without kind or name");
	source = host ? open_host_wish(m, w, e) : open_store_wish(m, w, e);
	if (source < 0)
		return -1;
	tree = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | deep);
	if (tree < 0)
		return err_sys(e, errno, "mount of %s %s", w->kind, w->name);
	if (!(host && plain) && map_ids(tree, host ? ns[1] : ns[0], host, deep, e) < 0)
		return err_wrap(e, "%s %s", w->kind, w->name);
	if ((w->read_only && !w->read_only_top) || strcmp(w->kind, "layer") == 0)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (!host)
		attr.attr_set |= MOUNT_ATTR_NODEV;
	if ((attr.attr_set != 0 || attr.propagation != 0) && mount_setattr(tree, "", AT_EMPTY_PATH | deep, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "flags of the mount of %s %s", w->kind, w->name);
	attr = (struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY };
	if (w->read_only_top && mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "flags of the mount of %s %s", w->kind, w->name);
	*ret_fd = fd_take(&tree);
	return 0;
}

/* A user namespace directly below ours, so never the host's own. */
static int
check_namespace(const struct mounter *m, int fd, uid_t owner, struct err *e)
{
	struct object above;
	own_fd parent = -1;
	uid_t uid;

	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWUSER || (parent = ioctl(fd, NS_GET_PARENT)) < 0 || identify(parent, &above) < 0 ||
	    !same(&above, &m->userns) || ioctl(fd, NS_GET_OWNER_UID, &uid) < 0)
		return err_set(e, ERR_PROTOCOL, "not a user namespace below the host's");
	if (owner != 0 && uid != owner)
		return err_set(e, ERR_PROTOCOL, "a user namespace that the runtime did not make");
	return 0;
}

static void
close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
}

static int
on_mount_give(struct call *c, const void *msg, struct err *e)
{
	const struct mounter *m = c->ctx;
	const struct mount_wishes *w = msg;
	int fds[EDGE_FDS_MAX];
	size_t n;

	if (c->nfds != 2 || w->wishes.n > EDGE_FDS_MAX)
		return err_set(e, ERR_PROTOCOL, "mount_give needs two descriptors");
	if (check_namespace(m, c->fds[0], 0, e) < 0 || check_namespace(m, c->fds[1], m->run_uid, e) < 0)
		return -1;
	for (n = 0; n < w->wishes.n; n++)
		if (give(m, &w->wishes.v[n], c->fds, false, &fds[n], e) < 0) {
			close_all(fds, n);
			if (e->code != ERR_PROTOCOL)   /* else the edge tells */
				log_err(LOG_WARN, e, "no mount given");
			return -1;
		}
	/* all of them, not only what is read-only: the flags of the host's own mounts (nosuid, nodev) are to stay too */
	if (locker_lock(m->locker, fds, n, e) < 0) {
		close_all(fds, n);
		log_err(LOG_ERROR, e, "no mount given");
		if (e->code == ERR_UNAVAILABLE)
			_exit(1);   /* both are started anew */
		return -1;
	}
	call_reply(c, &(struct none){ 0 }, fds, n);
	close_all(fds, n);
	return 0;
}

/* The edge is the permission: only the host-runtime has it. Flags are not locked: who is root of the host's user namespace can mount. */
static int
on_host_mount_give(struct call *c, const void *msg, struct err *e)
{
	const struct mounter *m = c->ctx;
	const struct mount_wishes *w = msg;
	int fds[EDGE_FDS_MAX];
	size_t n;

	if (c->nfds != 1 || w->wishes.n > EDGE_FDS_MAX)
		return err_set(e, ERR_PROTOCOL, "mount_give on this edge needs one descriptor");
	if (check_namespace(m, c->fds[0], 0, e) < 0)
		return -1;
	for (n = 0; n < w->wishes.n; n++)
		if (give(m, &w->wishes.v[n], c->fds, true, &fds[n], e) < 0) {
			close_all(fds, n);
			if (e->code != ERR_PROTOCOL)   /* else the edge tells */
				log_err(LOG_WARN, e, "no mount given");
			return -1;
		}
	call_reply(c, &(struct none){ 0 }, fds, n);
	close_all(fds, n);
	return 0;
}

static int
on_mount_deny(struct call *c, const void *msg, struct err *e)
{
	const struct mounter *m = c->ctx;

	if (c->nfds != 1 || deny_devices(m->proc, c->fds[0], m->run_uid, msg, e) < 0)
		return c->nfds != 1 ? err_set(e, ERR_PROTOCOL, "mount_deny needs one descriptor") : -1;
	call_ok(c);
	return 0;
}

/* ---- start ---- */

static void
on_edge_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct mounter *m = ctx;

	if (m->edge == edge)
		m->edge = NULL;
	if (m->host_edge == edge)
		m->host_edge = NULL;
	edge_free(edge);
}

static int
mounter_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[mount_edge_end] = { [NO_mount_give] = on_mount_give, [NO_mount_deny] = on_mount_deny };
	static const edge_fn host_handlers[mount_edge_end] = { [NO_mount_give] = on_host_mount_give, [NO_mount_deny] = on_mount_deny };
	struct mounter *m = c->ctx;
	bool host = strcmp(name, "hostmount") == 0;
	struct edge **slot = host ? &m->host_edge : &m->edge;
	struct edge_conf conf = {
		.table = &mount_edge, .side = EDGE_B, .handlers = host ? host_handlers : handlers, .n_handlers = mount_edge_end,
		.ctx = m, .peer = host ? "host-runtime" : "runtime", .on_closed = on_edge_closed,
	};

	if (!host && strcmp(name, "mount") != 0) {
		fd_close(&fd);
		return err_set(e, ERR_PROTOCOL, "no edge %s here", name);
	}
	edge_free(*slot);
	*slot = edge_new(c->loop, fd, &conf, e);
	if (*slot == NULL) {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static int
copy_roots(char **to, size_t *n, const struct strs *from, struct err *e)
{
	for (size_t i = 0; i < from->n; i++) {
		if (*n >= ROOTS_MAX || !path_is_clean(from->v[i]))
			return err_set(e, ERR_INVALID, "bad or too many paths in the floor: %s", from->v[i]);
		if ((to[*n] = strdup(from->v[i])) == NULL)
			return err_set(e, ERR_NO_MEMORY, "the floor");
		(*n)++;
	}
	return 0;
}

static int
mounter_start(struct comp *c, const struct ctl_start *start, int *fds, size_t nfds, struct err *e)
{
	const struct engine_config *config = start->config;
	struct mounter *m = c->ctx;
	own_fd own = -1;

	if (nfds != 3)
		return err_set(e, ERR_PROTOCOL, "the mounter needs three directories");
	m->store = fd_take(&fds[0]);
	m->volumes = fd_take(&fds[1]);
	m->root = fd_take(&fds[2]);
	m->own_uid = getuid();
	m->own_gid = getgid();
	m->run_uid = (uid_t)start->run_uid;
	m->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	if (m->proc < 0 || own < 0 || identify(own, &m->userns) < 0)
		return err_sys(e, errno, "open /proc");
	if (copy_roots(m->allowed, &m->n_allowed, &config->allowed_roots, e) < 0 ||
	    copy_roots(m->forbidden, &m->n_forbidden, &config->forbidden_roots, e) < 0 || locker_start(&m->locker, e) < 0)
		return -1;
	umask(022);
	/* to write the maps of namespace_as_owner */
	c->trees[c->n_trees++] = (struct role_tree){ .fd = m->proc, .write = true };
	return 0;
}

int
main(void)
{
	struct mounter m = { .store = -1, .volumes = -1, .root = -1, .proc = -1, .locker = -1 };
	struct comp c = { .role = ROLE_MOUNTER, .ctx = &m, .start = mounter_start, .edge = mounter_edge };
	int r = comp_main(&c);

	locker_end(&m.locker);
	return r;
}
