/*
 * The container's root: an overlay of the layers that the mounter gave, made here, inside the container's own user
 * namespace, and what is mounted in it. Every path of the image is resolved once, by openat2 inside the new root; from
 * then on only the descriptor is used.
 */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 128

int
root_open(const struct stage *s, const char *path, int flags, bool no_links)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (no_links ? RESOLVE_NO_SYMLINKS : 0u),
	};

	return (int)syscall(SYS_openat2, s->root, path, &how, sizeof how);
}

/* Opens the prefix, making its last component if it is missing. parent is the prefix before, already open. */
static int
open_or_make(struct stage *s, int parent, const char *prefix, const char *name, bool dir, bool no_links)
{
	int flags = O_PATH | (dir ? O_DIRECTORY : 0);
	int fd = root_open(s, prefix, flags, no_links);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (dir) {
		if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
			return -1;
	} else {
		int made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);

		if (made >= 0)
			close(made);
		else if (errno != EEXIST)
			return -1;
	}
	/* by name again from the root: a link that dangles, or leads elsewhere, is not taken for what was made */
	return root_open(s, prefix, flags, no_links);
}

int
root_target(struct stage *s, const char *path, bool dir, bool no_links, int *ret_fd, struct err *e)
{
	char prefix[4200] = "", copy[4097];
	char *save = NULL, *name, *next;
	own_fd at = -1;
	size_t used = 0, depth = 0;

	if (!text_copy(copy, sizeof copy, path))
		return err_set(e, ERR_INVALID, "mount destination is too long");
	at = fcntl(s->root, F_DUPFD_CLOEXEC, 3);
	if (at < 0)
		return err_sys(e, errno, "open the root");
	for (name = strtok_r(copy, "/", &save); name != NULL; name = next) {
		int fd;

		next = strtok_r(NULL, "/", &save);
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0 || ++depth > DEPTH_MAX)
			return err_set(e, ERR_INVALID, "invalid path \"%s\" in the container", path);
		used += (size_t)snprintf(prefix + used, sizeof prefix - used, "/%s", name);
		fd = open_or_make(s, at, prefix, name, dir || next != NULL, no_links);
		if (fd < 0)
			return err_sys(e, errno, "open \"%s\" in the container's root", prefix);
		fd_close(&at);
		at = fd;
	}
	*ret_fd = fd_take(&at);
	return 0;
}

/* A file goes over a file, a directory over a directory. */
int
root_attach(struct stage *s, int mount, const char *path, bool no_links, struct err *e)
{
	own_fd target = -1;
	struct stat a, b;

	if (fstat(mount, &a) < 0)
		return err_sys(e, errno, "look at what to mount on \"%s\"", path);
	if (root_target(s, path, S_ISDIR(a.st_mode), no_links, &target, e) < 0) {
		if (e->sys == ENOTDIR)
			return err_set(e, ERR_INVALID, "error mounting to rootfs at \"%s\": not a directory: Are you trying to mount a "
			    "directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type", path);
		return -1;
	}
	if (fstat(target, &b) < 0)
		return err_sys(e, errno, "look at \"%s\"", path);
	if (S_ISDIR(a.st_mode) != S_ISDIR(b.st_mode))
		return err_set(e, ERR_INVALID, "error mounting to rootfs at \"%s\": not a directory: Are you trying to mount a "
		    "directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type", path);
	if (fs_attach(mount, target, "") < 0)
		return err_sys(e, errno, "error mounting to rootfs at \"%s\"", path);
	return 0;
}

static int
attach_layers(struct stage *s, struct buf *lower, struct err *e)
{
	for (size_t i = 0; i < s->spec->layers.n; i++) {
		own_fd layer = -1;
		char name[24];

		snprintf(name, sizeof name, "%zu", i);
		if (stage_take_fd(s, &layer, e) < 0)
			return -1;
		if (mkdirat(s->dir, name, 0755) < 0 || fs_attach(layer, s->dir, name) < 0)
			return err_sys(e, errno, "put layer %zu in place", i);
		buf_printf(lower, "%s%s", i > 0 ? ":" : "", name);
	}
	if (s->spec->layers.n == 0)
		buf_puts(lower, "empty");
	return 0;
}

/* By mount(2), because fsconfig takes 256 bytes at most; names are short and relative because mount takes one page. */
static int
mount_overlay(struct stage *s, struct err *e)
{
	own_buf options = BUF_INIT(4095);
	own_fd rw = -1;
	struct statvfs st;

	buf_puts(&options, "lowerdir=");
	if (attach_layers(s, &options, e) < 0 || stage_take_fd(s, &rw, e) < 0)
		return -1;
	if (fs_attach(rw, s->dir, "rw") < 0)
		return err_sys(e, errno, "put the writable directory in place");
	buf_puts(&options, ",upperdir=rw/upper,workdir=rw/work,userxattr");
	/* in quotes, because of its commas */
	if (fs_label != NULL)
		buf_printf(&options, ",context=\"%s\"", fs_label);
	if (*buf_cstr(&options) == '\0')
		return err_set(e, ERR_LIMIT, "the image has too many layers");
	if (mount("overlay", "root", "overlay", 0, buf_cstr(&options)) < 0)
		return err_sys(e, errno, "mount the overlay of the container's root");
	s->root = openat(s->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0 || fstatvfs(s->root, &st) < 0)
		return err_sys(e, errno, "open the container's root");
	/* an overlay whose upper directory has no owner in the namespace mounts, and is silently read-only */
	if ((st.f_flag & ST_RDONLY) != 0)
		return err_set(e, ERR_SYSTEM, "the container's writable layer cannot be written");
	return 0;
}

/* Docker's "init layer": what programs expect of a container's root. Links of the image stay as they are. */
static int
init_files(struct stage *s, struct err *e)
{
	own_fd etc = -1;
	int fd = openat(s->root, ".dockerenv", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0755);

	if (fd >= 0)
		close(fd);
	if (root_target(s, "/etc", true, false, &etc, e) < 0)
		return -1;
	if (symlinkat("/proc/mounts", etc, "mtab") < 0 && errno != EEXIST)
		return err_sys(e, errno, "make /etc/mtab");
	return 0;
}

static int
mount_shm(struct stage *s, struct err *e)
{
	char size[32];
	own_fd fs = -1;

	if (s->shm >= 0 || s->w->no_shm || stage_has_mount(s, "/dev/shm"))
		return 0;
	snprintf(size, sizeof size, "%lld", s->spec->shm_size > 0 ? (long long)s->spec->shm_size : 67108864LL);
	fs = fs_make("tmpfs", (const char *const[]){ "mode", "1777", "size", size, NULL },
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fs < 0 || fs_attach(fs, s->dev, "shm") < 0)
		return err_sys(e, errno, "mount /dev/shm");
	return 0;
}

/* --privileged: what is mounted read-only for all others */
static int
open_system(struct stage *s, struct err *e)
{
	struct mount_attr rw = { .attr_clr = MOUNT_ATTR_RDONLY };

	if (mount_setattr(s->sys, "", AT_EMPTY_PATH, &rw, sizeof rw) < 0)
		return err_sys(e, errno, "make /sys writable");
	if (s->has_cgroup && mount_setattr(s->dir, "cgroup", AT_RECURSIVE, &rw, sizeof rw) < 0)
		return err_sys(e, errno, "make /sys/fs/cgroup writable");
	return 0;
}

/* /proc, /dev and /sys must be plain directories of the image: a link there would put them, or what is written through
   them, somewhere else (CVE-2019-19921, CVE-2026-41579). */
static int
mount_system(struct stage *s, struct err *e)
{
	own_fd dev = -1;

	if (s->spec->privileged && open_system(s, e) < 0)
		return -1;
	if (mount_shm(s, e) < 0 || root_attach(s, s->proc, "/proc", true, e) < 0 || root_attach(s, s->sys, "/sys", true, e) < 0)
		return -1;
	if (root_target(s, "/dev", true, true, &dev, e) < 0)
		return -1;
	if (move_mount(s->dir, "dev", dev, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount /dev");
	if (s->has_cgroup) {
		own_fd target = root_open(s, "/sys/fs/cgroup", O_PATH | O_DIRECTORY, true);

		if (target < 0 || move_mount(s->dir, "cgroup", target, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return err_sys(e, errno, "mount /sys/fs/cgroup");
	}
	return 0;
}

/* /etc files of the engine live beside the writable layer and are mounted over the image's. */
static int
etc_file(struct stage *s, const char *name, const char *text, struct err *e)
{
	char path[64], where[64];
	own_fd dir = -1, file = -1, mount = -1;

	snprintf(where, sizeof where, "/etc/%s", name);
	snprintf(path, sizeof path, "rw/files/%s", name);
	if (text == NULL || stage_has_mount(s, where))
		return 0;
	dir = openat(s->dir, "rw/files", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open the container's files");
	/* where nothing is started, what the last start (or the user) wrote stays */
	file = openat(dir, name, O_WRONLY | O_CREAT | (s->w->hold ? O_EXCL : O_TRUNC) | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (!(s->w->hold && file < 0 && errno == EEXIST) && (file < 0 || fd_write_all(file, text, strlen(text)) < 0))
		return err_sys(e, errno, "write %s", name);
	mount = open_tree(dir, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (mount < 0)
		return err_sys(e, errno, "mount %s", name);
	return root_attach(s, mount, where, false, e);
}

static int
set_names(const struct stage *s, struct err *e)
{
	const struct run_spec *spec = s->spec;

	if ((s->prepare->create & CLONE_NEWUTS) == 0)
		return 0;
	if (spec->hostname != NULL && *spec->hostname != '\0' && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_sys(e, errno, "sethostname");
	if (spec->domainname != NULL && *spec->domainname != '\0' && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_sys(e, errno, "setdomainname");
	return 0;
}

static int
make_cwd(struct stage *s, struct err *e)
{
	const char *cwd = s->process->cwd;
	own_fd fd = -1;

	if (cwd == NULL || *cwd == '\0')
		return 0;
	if (*cwd != '/')
		return err_set(e, ERR_INVALID, "OCI runtime create failed: Cwd must be an absolute path: unknown");
	if (root_target(s, cwd, true, false, &fd, e) < 0)
		return err_wrap(e, "OCI runtime create failed: unable to start container process: mkdir %s", cwd);
	return 0;
}

int
stage_root(struct stage *s, struct err *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	own_fd seccomp = -1, init = -1;

	/* these two come first and are wanted last */
	if ((s->w->seccomp && stage_take_fd(s, &seccomp, e) < 0) || (s->spec->init && stage_take_fd(s, &init, e) < 0))
		return -1;
	if (mount_overlay(s, e) < 0 || stage_sysctls(s, e) < 0 || set_names(s, e) < 0 || stage_net(s, e) < 0)
		return -1;
	if (init_files(s, e) < 0 || mount_system(s, e) < 0 || stage_mounts(s, e) < 0)
		return -1;
	if (etc_file(s, "hosts", s->spec->hosts, e) < 0 || etc_file(s, "resolv.conf", s->spec->resolv_conf, e) < 0 ||
	    etc_file(s, "hostname", s->spec->hostname_file, e) < 0)
		return -1;
	if (stage_devices(s, e) < 0 || make_cwd(s, e) < 0 || stage_mask(s, e) < 0)
		return -1;
	if (s->spec->readonly_rootfs && mount_setattr(s->root, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
		return err_sys(e, errno, "make the root read-only");
	s->next = 0;
	if (s->w->seccomp)
		s->fds[s->next++] = fd_take(&seccomp);
	if (s->spec->init)
		s->fds[s->next++] = fd_take(&init);
	s->nfds = s->next;
	s->next = 0;
	return 0;
}

int
stage_files(struct stage *s, struct err *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	if (mount_overlay(s, e) < 0 || init_files(s, e) < 0 || stage_mounts(s, e) < 0)
		return -1;
	if (etc_file(s, "hosts", s->spec->hosts, e) < 0 || etc_file(s, "resolv.conf", s->spec->resolv_conf, e) < 0 ||
	    etc_file(s, "hostname", s->spec->hostname_file, e) < 0)
		return -1;
	if (s->spec->readonly_rootfs && mount_setattr(s->root, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
		return err_sys(e, errno, "make the root read-only");
	return 0;
}

int
stage_pivot(struct stage *s, struct err *e)
{
	if (fchdir(s->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "change to the container's root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "let go of the host's root");
	if (chdir("/") < 0)
		return err_sys(e, errno, "enter the container's root");
	return 0;
}
