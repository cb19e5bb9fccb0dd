#include "supervisor.h"

#include "fd.h"
#include "log.h"
#include "msg/give.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MARKER "bulwark"

int
host_users(struct host *h, struct err *e)
{
	/* the file itself: name services load libraries, which have no place here */
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *p;

	if (f == NULL)
		return err_sys(e, errno, "open /etc/passwd");
	while ((p = fgetpwent(f)) != NULL)
		for (int r = 0; r < ROLE_COUNT; r++)
			if (role_table[r].user != NULL && strcmp(role_table[r].user, p->pw_name) == 0) {
				h->uids[r] = p->pw_uid;
				h->gids[r] = p->pw_gid;
			}
	fclose(f);
	for (int r = 0; r < ROLE_COUNT; r++)
		if (role_table[r].user != NULL && (h->uids[r] == 0 || h->gids[r] == 0))
			return err_set(e, ERR_NOT_FOUND, "the user %s does not exist (systemd-sysusers or ./up creates the engine's users)", role_table[r].user);
	return 0;
}

static int
group_id(const char *name, gid_t *ret)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *g = NULL;
	uint64_t n;

	if (text_to_u64(name, UINT32_MAX - 1, &n)) {
		*ret = (gid_t)n;
		if (f != NULL)
			fclose(f);
		return 0;
	}
	while (f != NULL && (g = fgetgrent(f)) != NULL)
		if (strcmp(g->gr_name, name) == 0) {
			*ret = g->gr_gid;
			break;
		}
	if (f != NULL)
		fclose(f);
	return g != NULL ? 0 : -1;
}

static int
add_range(struct engine_config *config, struct arena *a, uint64_t first, uint64_t count, struct err *e)
{
	char text[48];

	snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)first, (unsigned long long)count);
	if (config->id_ranges_used.n >= 1024 || !strs_add(&config->id_ranges_used, a, text))
		return err_set(e, ERR_LIMIT, "too many id ranges on this host");
	return 0;
}

/* What the host's own accounts and other engines use of the ids that containers would get. */
static int
find_used_ids(struct engine_config *config, struct arena *a, struct err *e)
{
	static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *p;
	char line[512];
	int r = 0;

	while (f != NULL && r == 0 && (p = fgetpwent(f)) != NULL)
		if (p->pw_uid >= RANGE_FIRST)
			r = add_range(config, a, p->pw_uid, 1, e);
	if (f != NULL)
		fclose(f);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		f = fopen(files[i], "re");
		while (f != NULL && r == 0 && fgets(line, sizeof line, f) != NULL) {
			unsigned long long first, count;
			const char *colon = strchr(line, ':');

			if (colon != NULL && sscanf(colon + 1, "%llu:%llu", &first, &count) == 2)
				r = add_range(config, a, first, count, e);
		}
		if (f != NULL)
			fclose(f);
	}
	return r;
}

/* mkdir -p, following links as the Docker engine does for its roots; the last component is returned open. */
static int
make_dirs(const char *path, mode_t mode, int *ret, struct err *e)
{
	char copy[PATH_MAX_ + 1];

	if (path[0] != '/' || !text_copy(copy, sizeof copy, path))
		return err_set(e, ERR_INVALID, "%s is not an absolute path", path);
	for (char *s = copy + 1; *s != '\0'; s++)
		if (*s == '/') {
			*s = '\0';
			if (mkdir(copy, 0755) < 0 && errno != EEXIST)
				return err_sys(e, errno, "mkdir %s", copy);
			*s = '/';
		}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return err_sys(e, errno, "mkdir %s", copy);
	*ret = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open %s", copy) : 0;
}

static int
owned_dir(int parent, const char *name, uid_t uid, gid_t gid, mode_t mode, int *ret, struct err *e)
{
	*ret = fd_make_dir(parent, name, mode);
	if (*ret < 0)
		return err_sys(e, errno, "mkdir %s", name);
	if (fchown(*ret, uid, gid) < 0 || fchmod(*ret, mode) < 0)
		return err_sys(e, errno, "own %s", name);
	return 0;
}

/* A root that another engine wrote is never touched. An empty one becomes ours. */
static int
check_data_root(int root, const char *path, struct err *e)
{
	DIR *d;
	struct dirent *entry;
	char found[256] = "";
	int fd;

	if (faccessat(root, MARKER, F_OK, 0) == 0)
		return 0;
	fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "read %s", path);
	}
	while ((entry = readdir(d)) != NULL && found[0] == '\0')
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, "lost+found") != 0)
			snprintf(found, sizeof found, "%s", entry->d_name);
	closedir(d);
	if (found[0] != '\0')
		return err_set(e, ERR_CONFLICT, "the data root %s holds what another program wrote (%s): it is not touched; use --data-root to give Bulwark a "
		    "directory of its own", path, found);
	if (fd_replace_file(root, MARKER, "layout 1\n", 9, 0644) < 0)
		return err_sys(e, errno, "write %s/" MARKER, path);
	return 0;
}

/* The same directory by a mount of its own on which no device opens: containers without a user namespace can make nodes, which lie there.
   Both descriptors are kept: the mount lives as long as the first. */
static int
without_devices(int dir, struct safe_dir *ret, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV };

	ret->mount = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (ret->mount < 0 || mount_setattr(ret->mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "mount of the store without devices");
	ret->fd = openat(ret->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->fd < 0 ? err_sys(e, errno, "open the store") : 0;
}

static int
open_roots(struct host *h, const struct engine_config *c, struct err *e)
{
	uid_t run = h->uids[ROLE_RUNTIME], mind = h->uids[ROLE_BROKER];

	if (make_dirs(c->data_root, 0711, &h->data_root, e) < 0 || check_data_root(h->data_root, c->data_root, e) < 0)
		return -1;
	h->lock = openat(h->data_root, MARKER, O_RDONLY | O_CLOEXEC);
	if (h->lock < 0 || flock(h->lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT, "the data root %s is in use by another engine process", c->data_root);
	if (fchmod(h->data_root, 0711) < 0 || make_dirs(c->exec_root, 0711, &h->exec_root, e) < 0)
		return -1;
	if (owned_dir(h->data_root, "store", IMAGE_ID_BASE, IMAGE_ID_BASE, 0700, &h->store, e) < 0 ||
	    owned_dir(h->data_root, "volumes", IMAGE_ID_BASE, IMAGE_ID_BASE, 0700, &h->volumes, e) < 0 ||
	    owned_dir(h->data_root, "containers", run, h->gids[ROLE_RUNTIME], 0700, &h->containers, e) < 0 ||
	    owned_dir(h->data_root, "broker", mind, h->gids[ROLE_BROKER], 0700, &h->broker, e) < 0 ||
	    owned_dir(h->data_root, "logger", h->uids[ROLE_LOGGER], h->gids[ROLE_LOGGER], 0700, &h->logger, e) < 0 ||
	    owned_dir(h->exec_root, "run", run, h->gids[ROLE_RUNTIME], 0700, &h->run, e) < 0 ||
	    owned_dir(h->exec_root, "empty", 0, 0, 0755, &h->empty, e) < 0)
		return -1;
	if (without_devices(h->store, &h->safe_store, e) < 0 || without_devices(h->volumes, &h->safe_volumes, e) < 0)
		return -1;
	h->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return h->root < 0 ? err_sys(e, errno, "open /") : 0;
}

static int
bind_unix(struct host *h, const char *path, const struct engine_config *c, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	own_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	own_fd parent = -1;
	char dir[108];
	gid_t gid = 0;
	mode_t old;
	int r;

	if (fd < 0 || !text_copy(a.sun_path, sizeof a.sun_path, path) || !text_copy(dir, sizeof dir, path) || strrchr(dir, '/') == NULL)
		return err_set(e, ERR_INVALID, "invalid socket path: %s", path);
	*strrchr(dir, '/') = '\0';
	if (dir[0] != '\0' && make_dirs(dir, 0755, &parent, e) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == EAGAIN)
		return err_set(e, ERR_CONFLICT, "can't create unix socket %s: another process is listening on it", path);
	fd_close(&fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	old = umask(0177);
	r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&a, sizeof a);
	umask(old);
	if (r < 0 || listen(fd, 4096) < 0)
		return err_sys(e, errno, "can't create unix socket %s", path);
	if (c->group != NULL && c->group[0] != '\0' && group_id(c->group, &gid) < 0) {
		if (strcmp(c->group, "docker") != 0)
			return err_set(e, ERR_INVALID, "could not change group %s to %s: group %s not found", path, c->group, c->group);
		log_msg(LOG_WARN, "could not change group %s to docker: group docker not found", path);
	}
	if (chown(path, 0, gid) < 0 || chmod(path, 0660) < 0)
		return err_sys(e, errno, "own %s", path);
	text_copy(h->socket_paths[h->n_sockets], sizeof h->socket_paths[0], path);
	h->sockets[h->n_sockets++] = fd_take(&fd);
	return 0;
}

/* Sockets that systemd opened: all of them, from descriptor 3 on (sd_listen_fds(3)). */
static int
take_inherited(struct host *h, struct err *e)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint64_t count = 0, who = 0;

	if (n == NULL || pid == NULL || !text_to_u64(n, MAX_HOSTS, &count) || !text_to_u64(pid, INT32_MAX, &who) || who != (uint64_t)getpid() || count == 0)
		return err_set(e, ERR_NOT_FOUND, "no sockets found via socket activation: make sure the service was started by systemd");
	for (uint64_t i = 0; i < count && h->n_sockets < MAX_HOSTS; i++) {
		if (fd_set_cloexec(3 + (int)i, true) < 0 || fd_set_nonblock(3 + (int)i, true) < 0)
			return err_sys(e, errno, "inherited socket %d", 3 + (int)i);
		h->sockets[h->n_sockets++] = 3 + (int)i;
	}
	return 0;
}

static int
open_sockets(struct host *h, const struct engine_config *c, struct err *e)
{
	for (size_t i = 0; i < c->hosts.n; i++) {
		const char *host = c->hosts.v[i];
		int r;

		if (h->n_sockets >= MAX_HOSTS)
			return err_set(e, ERR_LIMIT, "too many hosts");
		if (text_starts(host, "unix://"))
			r = bind_unix(h, host + 7, c, e);
		else if (text_starts(host, "fd://"))
			r = take_inherited(h, e);
		else
			r = err_set(e, ERR_UNSUPPORTED, "listening on %s is not implemented by Bulwark yet", host);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* A process that was killed and waits to be reaped does not run. */
static bool
runs(pid_t pid)
{
	char path[64], text[512];
	const char *state;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (fd_read_text(AT_FDCWD, path, text, sizeof text) <= 0)
		return false;
	state = strrchr(text, ')');
	return state == NULL || state[1] != ' ' || (state[2] != 'Z' && state[2] != 'X');
}

static int
check_pidfile(const char *path, struct err *e)
{
	char text[32];
	uint64_t pid;

	if (fd_read_text(AT_FDCWD, path, text, sizeof text) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (text_to_u64(text, INT32_MAX, &pid) && pid > 0 && (pid_t)pid != getpid() && runs((pid_t)pid))
		return err_set(e, ERR_CONFLICT, "failed to start daemon, ensure docker is not running or delete %s: process with PID %llu is still running", path,
		    (unsigned long long)pid);
	return 0;
}

static int
write_pidfile(struct host *h, const char *path, struct err *e)
{
	char dir[PATH_MAX_ + 1], text[32];
	own_fd parent = -1;
	char *slash;

	if (!text_copy(dir, sizeof dir, path) || (slash = strrchr(dir, '/')) == NULL)
		return err_set(e, ERR_INVALID, "pidfile %s is not an absolute path", path);
	*slash = '\0';
	snprintf(text, sizeof text, "%d", getpid());
	if (make_dirs(dir[0] != '\0' ? dir : "/", 0755, &parent, e) < 0)
		return -1;
	if (fd_replace_file(parent, slash + 1, text, strlen(text), 0644) < 0)
		return err_sys(e, errno, "write %s", path);
	h->pidfile_written = true;
	return 0;
}

int
host_open(struct host *h, struct engine_config *c, struct arena *a, struct err *e)
{
	if (host_users(h, e) < 0 || check_pidfile(c->pidfile, e) < 0 || open_roots(h, c, e) < 0 || find_used_ids(c, a, e) < 0 ||
	    write_pidfile(h, c->pidfile, e) < 0 || host_cgroups_open(h, c, e) < 0 || open_sockets(h, c, e) < 0)
		return -1;
	return 0;
}

void
host_close(struct host *h, const struct engine_config *c)
{
	for (size_t i = 0; i < h->n_sockets; i++) {
		if (h->socket_paths[i][0] != '\0')
			(void)unlink(h->socket_paths[i]);
		fd_close(&h->sockets[i]);
	}
	if (h->pidfile_written)
		(void)unlink(c->pidfile);
	host_cgroups_close(h);
	if (h->exec_root >= 0) {
		/* each goes only if it is empty: containers that run on keep their monitors' sockets */
		(void)unlinkat(h->exec_root, "run", AT_REMOVEDIR);
		(void)unlinkat(h->exec_root, "empty", AT_REMOVEDIR);
		(void)rmdir(c->exec_root);
	}
	fd_close(&h->lock);
}
