/*
 * AppArmor profile and SELinux label of the program, and labels of files. What is written must reach the kernel and not a
 * file that the image put in the way (CVE-2019-16884, CVE-2023-28642): the switches are opened below a procfs, by this
 * process' own number, without links and without crossing into another mount.
 */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static int
open_switch(const struct stage *s, const char *name, int *ret, struct err *e)
{
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	own_fd proc = s->proc >= 0 ? fcntl(s->proc, F_DUPFD_CLOEXEC, 3) : open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;
	char path[64];

	if (proc < 0 || fstatfs(proc, &fs) < 0)
		return err_sys(e, errno, "open /proc");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(e, ERR_DENIED, "/proc of the container is not procfs");
	snprintf(path, sizeof path, "%d/attr/%s", getpid(), name);
	*ret = (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
	return *ret >= 0 ? 0 : -1;
}

int
stage_labels_open(struct stage *s, struct err *e)
{
	const struct run_process *p = s->process;

	s->apparmor = s->selinux = -1;
	/* before Linux 5.8 there is only the file that all security modules share */
	if (p->apparmor != NULL && *p->apparmor != '\0' && strcmp(p->apparmor, "unconfined") != 0 &&
	    open_switch(s, "apparmor/exec", &s->apparmor, e) < 0 && (e->code != ERR_NONE || open_switch(s, "exec", &s->apparmor, e) < 0))
		return e->code != ERR_NONE ? -1 : err_sys(e, errno, "unable to apply apparmor profile: open attr/apparmor/exec");
	if (p->selinux != NULL && *p->selinux != '\0' && open_switch(s, "exec", &s->selinux, e) < 0)
		return e->code != ERR_NONE ? -1 : err_sys(e, errno, "unable to apply the SELinux label: open attr/exec");
	return 0;
}

int
stage_labels_apply(struct stage *s, struct err *e)
{
	const struct run_process *p = s->process;
	char text[300];
	int n;

	if (s->apparmor >= 0) {
		n = snprintf(text, sizeof text, "exec %s", p->apparmor);
		if (write(s->apparmor, text, (size_t)n) != n)
			return err_set(e, ERR_INVALID, "unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: %s",
			    errno == ENOENT ? "no such file or directory" : strerror(errno));
	}
	if (s->selinux >= 0 && write(s->selinux, p->selinux, strlen(p->selinux)) != (ssize_t)strlen(p->selinux))
		return err_set(e, ERR_INVALID, "write /proc/self/attr/exec: %s", errno == EINVAL ? "invalid argument" : strerror(errno));
	return 0;
}

/* The tree of a mount that was given; files that cannot have a label (of a file system without them) stay as they are. */
int
stage_relabel(int mount, const char *label, struct err *e)
{
	own_fd here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char root[] = ".", path[32];
	char *const roots[] = { root, NULL };
	struct stat st;
	FTSENT *entry;
	FTS *tree;
	int r = 0;

	if (here < 0 || fstat(mount, &st) < 0)
		return err_sys(e, errno, "relabel");
	if (!S_ISDIR(st.st_mode)) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", mount);
		return setxattr(path, "security.selinux", label, strlen(label) + 1, 0) == 0 || errno == ENOTSUP ? 0 : err_sys(e, errno, "relabel a file");
	}
	if (fchdir(mount) < 0 || (tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOSTAT, NULL)) == NULL)
		return err_sys(e, errno, "relabel a directory");
	while (r == 0 && (entry = fts_read(tree)) != NULL)
		if (entry->fts_info != FTS_DP && lsetxattr(entry->fts_accpath, "security.selinux", label, strlen(label) + 1, 0) < 0 && errno != ENOTSUP && errno != ENOENT)
			r = err_sys(e, errno, "relabel \"%s\"", entry->fts_path);
	fts_close(tree);
	if (fchdir(here) < 0)
		return err_sys(e, errno, "relabel");
	return r;
}
