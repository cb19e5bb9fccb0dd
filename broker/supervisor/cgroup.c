/*
 * Delegates one directory of every cgroup hierarchy to the runtime's user. After that the runtime makes, fills and removes
 * groups beneath it without any capability, and cannot leave it.
 */
#include "supervisor.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A comma-separated mount option is a controller (or name=...) if it is none of these. */
static bool
is_controller(const char *option)
{
	static const char *const others[] = { "rw", "ro", "relatime", "noatime", "nosuid", "nodev", "noexec", "xattr", "clone_children",
		"favordynmods", "noprefix", "seclabel" };

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(option, others[i]) == 0)
			return false;
	return strncmp(option, "release_agent", 13) != 0;
}

static void
name_of(char *options, char *out, size_t size)
{
	char *save = NULL;
	size_t used = 0;

	out[0] = '\0';
	for (char *o = strtok_r(options, ",", &save); o != NULL; o = strtok_r(NULL, ",", &save)) {
		if (is_controller(o) && used + strlen(o) + 2 < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "", o);
	}
}

/* A hierarchy may be mounted at several places, or covered by a later mount of the same place: once is enough. */
static bool
is_known(const struct host *h, const char *name)
{
	for (size_t i = 0; i < h->n_cgroups; i++)
		if (strcmp(h->cgroups[i].name, name) == 0)
			return true;
	return false;
}

/* Lines of /proc/self/mounts: device, place, type, options. */
static void
find_hierarchies(struct host *h, FILE *mounts)
{
	char line[4096], type[64], place[256], options[1024];

	while (h->n_cgroups < MAX_HIERARCHIES && fgets(line, sizeof line, mounts) != NULL) {
		struct hierarchy *g = &h->cgroups[h->n_cgroups];

		if (sscanf(line, "%*s %255s %63s %1023s", place, type, options) != 3)
			continue;
		if (strcmp(type, "cgroup2") == 0)
			snprintf(g->name, sizeof g->name, "v2");
		else if (strcmp(type, "cgroup") == 0)
			name_of(options, g->name, sizeof g->name);
		else
			continue;
		if (g->name[0] == '\0' || is_known(h, g->name))
			continue;
		g->fd = g->engine = -1;
		snprintf(g->root, sizeof g->root, "%s", place);
		h->n_cgroups++;
	}
}

/* The supervisor's own group in a hierarchy: a parent without leading "/" lies below it. */
static void
own_group(const struct hierarchy *g, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];

	snprintf(out, size, "/");
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		char *names = strchr(line, ':'), *path = names != NULL ? strchr(names + 1, ':') : NULL;

		if (path == NULL)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		names++;
		if (strcmp(names, g->name) == 0 || (names[0] == '\0' && strcmp(g->name, "v2") == 0))
			snprintf(out, size, "%s", path);
	}
	if (f != NULL)
		fclose(f);
}

static void
copy_setting(int from, int to, const char *name)
{
	char text[1024];

	if (fd_read_text(from, name, text, sizeof text) > 0 && fd_write_text(to, name, text) < 0)
		log_msg(LOG_DEBUG, "cgroup: cannot set %s", name);
}

static void
enable_controllers(int dir)
{
	static const char *const names[] = { "+cpu", "+cpuset", "+memory", "+io", "+pids", "+hugetlb" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)!fd_write_text(dir, "cgroup.subtree_control", names[i]);   /* those that the kernel lacks fail */
}

/* Real-time processor time that containers share; only the cpu hierarchy of v1 has such files. */
static int
set_realtime(int dir, const struct engine_config *config, struct err *e)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", (long long)config->cpu_rt_period);
	if (config->cpu_rt_period != 0 && fd_write_text(dir, "cpu.rt_period_us", text) < 0 && errno != ENOENT)
		return err_sys(e, errno, "unable to init CPU RT controller: cpu.rt_period_us");
	snprintf(text, sizeof text, "%lld", (long long)config->cpu_rt_runtime);
	if (config->cpu_rt_runtime != 0 && fd_write_text(dir, "cpu.rt_runtime_us", text) < 0 && errno != ENOENT)
		return err_sys(e, errno, "unable to init CPU RT controller: cpu.rt_runtime_us");
	return 0;
}

/* Makes each component of path, with what a group needs before it can hold processes. */
static int
make_path(struct hierarchy *g, const char *path, const struct engine_config *config, struct err *e)
{
	own_fd dir = open(g->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char copy[512], *save = NULL;

	if (dir < 0)
		return err_sys(e, errno, "open %s", g->root);
	snprintf(copy, sizeof copy, "%s", path);
	for (char *part = strtok_r(copy, "/", &save); part != NULL; part = strtok_r(NULL, "/", &save)) {
		own_fd next = -1;

		if (strcmp(part, "..") == 0)
			return err_set(e, ERR_INVALID, "invalid cgroup-parent: %s", path);
		if (strcmp(g->name, "v2") == 0)
			enable_controllers(dir);
		next = fd_make_dir(dir, part, 0755);
		if (next < 0)
			return err_sys(e, errno, "create cgroup %s%s", g->root, path);
		if (strstr(g->name, "cpuset") != NULL) {
			copy_setting(dir, next, "cpuset.cpus");
			copy_setting(dir, next, "cpuset.mems");
		}
		if (set_realtime(next, config, e) < 0)
			return -1;
		fd_close(&dir);
		dir = fd_take(&next);
	}
	if (strcmp(g->name, "v2") == 0)
		enable_controllers(dir);
	g->fd = fd_take(&dir);
	return 0;
}

static int
hand_over(struct hierarchy *g, uid_t uid, gid_t gid, struct err *e)
{
	static const char *const files[] = { "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control" };

	if (fchown(g->fd, uid, gid) < 0)
		return err_sys(e, errno, "delegate cgroup %s", g->path);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (fchownat(g->fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return err_sys(e, errno, "delegate cgroup %s/%s", g->path, files[i]);
	return 0;
}

/*
 * On v2 a process may only be cloned into a group by one that runs beneath the same delegated directory, and a directory whose
 * controllers are handed on holds no process itself: so the runtime gets a leaf.
 */
static int
make_leaf(struct hierarchy *g, uid_t uid, gid_t gid, struct err *e)
{
	own_fd leaf = fd_make_dir(g->fd, "engine", 0755);

	if (leaf < 0 || (g->engine = openat(leaf, "cgroup.procs", O_WRONLY | O_CLOEXEC)) < 0)
		return err_sys(e, errno, "create cgroup %s/engine", g->path);
	if (fchown(leaf, uid, gid) < 0 || fchownat(leaf, "cgroup.procs", uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "delegate cgroup %s/engine", g->path);
	return 0;
}

int
host_cgroups_open(struct host *h, const struct engine_config *config, struct err *e)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	const char *parent = config->cgroup_parent != NULL && config->cgroup_parent[0] != '\0' ? config->cgroup_parent : "/docker";

	if (mounts == NULL)
		return err_sys(e, errno, "read /proc/self/mounts");
	find_hierarchies(h, mounts);
	fclose(mounts);
	for (size_t i = 0; i < h->n_cgroups; i++) {
		struct hierarchy *g = &h->cgroups[i];
		char below[256] = "", path[512];

		if (parent[0] != '/')
			own_group(g, below, sizeof below);
		if ((size_t)snprintf(path, sizeof path, "%s/%s", strcmp(below, "/") == 0 ? "" : below, parent[0] == '/' ? parent + 1 : parent) >= sizeof path ||
		    (size_t)snprintf(g->path, sizeof g->path, "%s%s", g->root, path) >= sizeof g->path)
			return err_set(e, ERR_INVALID, "cgroup-parent is too long");
		if (make_path(g, path, config, e) < 0 || hand_over(g, h->uids[ROLE_RUNTIME], h->gids[ROLE_RUNTIME], e) < 0)
			return -1;
		if (strcmp(g->name, "v2") == 0 && make_leaf(g, h->uids[ROLE_RUNTIME], h->gids[ROLE_RUNTIME], e) < 0)
			return -1;
	}
	if (h->n_cgroups == 0)
		return err_set(e, ERR_UNSUPPORTED, "no cgroup hierarchy is mounted");
	if (config->cpu_rt_period + config->cpu_rt_runtime != 0 && h->n_cgroups == 1 && strcmp(h->cgroups[0].name, "v2") == 0)
		return err_set(e, ERR_UNSUPPORTED, "daemon-scoped cpu-rt-period and cpu-rt-runtime are not implemented for cgroup v2");
	return 0;
}

void
host_cgroups_close(struct host *h)
{
	for (size_t i = 0; i < h->n_cgroups; i++) {
		fd_close(&h->cgroups[i].engine);
		if (h->cgroups[i].fd >= 0)
			(void)unlinkat(h->cgroups[i].fd, "engine", AT_REMOVEDIR);
		/* the host-runtime's, made by itself */
		if (h->cgroups[i].fd >= 0)
			(void)unlinkat(h->cgroups[i].fd, "host-userns", AT_REMOVEDIR);
		fd_close(&h->cgroups[i].fd);
		/* a group that still holds something stays: it is somebody's */
		if (rmdir(h->cgroups[i].path) < 0 && errno != ENOENT)
			log_msg(LOG_DEBUG, "cgroup %s stays: %s", h->cgroups[i].path, strerror(errno));
	}
}
