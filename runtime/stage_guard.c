/* What of /proc and /sys a container may not read or change, and the kernel settings of its own namespaces. */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether a setting (as a path beneath /proc/sys) belongs to a namespace that the container has for itself. Without a user namespace the kernel lets
 * the runtime write any, so nothing else keeps the host's settings from a container. The list is that of runc. */
static int
check_own(const struct stage *s, const char *name, const char *path, struct err *e)
{
	static const char *const ipc[] = { "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
		"kernel/shm_rmid_forced" };
	uint64_t spaces = s->prepare->create, need = 0;

	/* a container that is joined may itself be in the host's; in a user namespace the kernel then refuses */
	for (size_t i = 0; i < s->prepare->joins.n && !s->prepare->host; i++)
		spaces |= s->prepare->joins.v[i].flags;
	if (strncmp(path, "net/", 4) == 0)
		need = CLONE_NEWNET;
	else if (strncmp(path, "fs/mqueue/", 10) == 0)
		need = CLONE_NEWIPC;
	else if (strcmp(path, "kernel/domainname") == 0)
		need = CLONE_NEWUTS;
	for (size_t i = 0; i < sizeof ipc / sizeof *ipc; i++)
		if (strcmp(path, ipc[i]) == 0)
			need = CLONE_NEWIPC;
	if (need == 0)
		return err_set(e, ERR_INVALID, "sysctl \"%s\" is not in a separate kernel namespace", name);
	if ((spaces & need) == 0)
		return err_set(e, ERR_INVALID, "sysctl \"%s\" is not allowed in the host's %s namespace", name,
		    need == CLONE_NEWNET ? "network" : need == CLONE_NEWIPC ? "ipc" : "uts");
	return 0;
}

/* Through our own detached procfs, on which nothing can be mounted that would catch the write (CVE-2025-52881). */
static int
set_sysctl(const struct stage *s, const char *name, const char *value, struct err *e)
{
	char path[256] = "sys/";
	size_t n = strlen(name);
	own_fd fd = -1;

	if (n == 0 || n > 200 || strchr(value, '\n') != NULL)
		return err_set(e, ERR_INVALID, "sysctl \"%s\" is not a setting", name);
	/* dots and slashes are exchanged, as sysctl(8) does: net/ipv4/conf/eth0.1/x and net.ipv4.conf.eth0/1.x */
	bool slashes = strchr(name, '/') != NULL && (strchr(name, '.') == NULL || strchr(name, '/') < strchr(name, '.'));

	for (size_t i = 0; i <= n; i++)
		path[4 + i] = slashes ? name[i] : (name[i] == '.' ? '/' : name[i] == '/' ? '.' : name[i]);
	if (strstr(path, "..") != NULL || strstr(path, "./") != NULL || strstr(path, "//") != NULL)
		return err_set(e, ERR_INVALID, "sysctl \"%s\" is not a setting", name);
	if (check_own(s, name, path + 4, e) < 0)
		return -1;
	fd = fd_open_beneath(s->proc, path, O_WRONLY, 0);
	if (fd < 0)
		return err_sys(e, errno, "open /proc/%s", path);
	if (write(fd, value, strlen(value)) < 0)
		return err_sys(e, errno, "write sysctl %s", name);
	return 0;
}

int
stage_sysctls(struct stage *s, struct err *e)
{
	static const char ports[] = "net.ipv4.ip_unprivileged_port_start";
	const struct kvs *all = &s->spec->sysctls;

	/* images bind port 80 without being root */
	if ((s->prepare->create & CLONE_NEWNET) != 0 && kvs_get(all, ports) == NULL && set_sysctl(s, ports, "0", e) < 0)
		return -1;
	for (size_t i = 0; i < all->n; i++)
		if (set_sysctl(s, all->v[i].key, all->v[i].value, e) < 0)
			return -1;
	return 0;
}

static int
mask_path(struct stage *s, const char *path, struct err *e)
{
	own_fd target = root_open(s, path, O_PATH, false), cover = -1;
	struct stat st;

	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, errno, "mask \"%s\"", path);
	if (fstat(target, &st) < 0)
		return err_sys(e, errno, "mask \"%s\"", path);
	cover = open_tree(S_ISDIR(st.st_mode) ? s->mask : s->null_node, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (cover < 0 || fs_attach(cover, target, "") < 0)
		return err_sys(e, errno, "mask \"%s\"", path);
	return 0;
}

static int
lock_path(struct stage *s, const char *path, struct err *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	own_fd target = root_open(s, path, O_PATH, false), copy = -1;

	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, errno, "make \"%s\" read-only", path);
	copy = open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof a) < 0 || fs_attach(copy, target, "") < 0)
		return err_sys(e, errno, "make \"%s\" read-only", path);
	return 0;
}

int
stage_mask(struct stage *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->readonly_paths.n; i++)
		if (lock_path(s, s->spec->readonly_paths.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < s->spec->masked_paths.n; i++)
		if (mask_path(s, s->spec->masked_paths.v[i], e) < 0)
			return -1;
	return 0;
}
