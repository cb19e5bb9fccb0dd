/*
 * bulwark-archiver: copies files into or out of one container, for docker cp, and ends. Executed by the runtime (or host-runtime)
 * from a sealed memory file, with its channel as descriptor 3. It has loaded all its libraries before it joins the container's user
 * and mount namespaces, and executes and maps nothing of the container (CVE-2019-14271): in its own copy of the container's mounts
 * nothing can be executed and no device opened, what is only to be read cannot be written, and memory can no longer become code. It
 * is in no pid namespace of the container's, cannot be dumped, and holds no descriptor but its channel and its pipe.
 */
#include "copy.h"

#include "fd.h"
#include "log.h"
#include "role.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHANNEL    3
#define MEMORY_MAX ((uint64_t)1 << 30)

static struct loop *loop;
static bool served;

static int
lonely(struct err *e)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(e, errno, "dumpable");
	return 0;
}

/* From here on the root of the container is ours. */
static int
enter(const int *spaces, const struct run_archive *job, struct err *e)
{
	/* the user namespace first: it gives the right to join the other */
	if ((!job->host && setns(spaces[0], CLONE_NEWUSER) < 0) || setns(spaces[1], CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the namespaces of the container");
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the container");
	return lonely(e);
}

static int
own_mounts(const struct run_archive *job, struct err *e)
{
	bool writes = strcmp(job->op, "put") == 0;
	struct mount_attr a = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | (writes ? 0 : MOUNT_ATTR_RDONLY) };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "copy the mounts of the container");
	/* with /proc go its magic links. What is no mount point (any more) is the container's own, and stays */
	for (size_t i = 0; i < job->hidden.n; i++)
		while (umount2(job->hidden.v[i], MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			;
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &a, sizeof a) < 0)
		return err_sys(e, errno, "restrict the mounts of the container");
	return 0;
}

static int
limit(int what, uint64_t value, struct err *e)
{
	struct rlimit r = { value, value };

	return setrlimit((__rlimit_resource_t)what, &r) < 0 ? err_sys(e, errno, "resource limit") : 0;
}

static int
keep_caps(uint64_t caps, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	for (int c = 0; c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if ((caps >> c & 1) == 0 && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return err_sys(e, errno, "drop capability %d from the bounding set", c);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, errno, "drop capabilities");
	return 0;
}

static int
confine(const struct run_archive *job, struct err *e)
{
	uint64_t caps = role_table[ROLE_ARCHIVER].ns_caps;

	/* without a user namespace it is held to what the container has */
	if (job->host)
		caps &= (uint64_t)job->caps;
	umask(0);
	if (limit(RLIMIT_CORE, 0, e) < 0 || limit(RLIMIT_FSIZE, RLIM_INFINITY, e) < 0 || limit(RLIMIT_NOFILE, role_table[ROLE_ARCHIVER].nofile, e) < 0)
		return -1;
#ifndef BULWARK_SANITIZED
	if (limit(RLIMIT_AS, MEMORY_MAX, e) < 0)
		return -1;
#endif
	if (keep_caps(caps, e) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "no_new_privs");
	return lonely(e) < 0 ? -1 : role_seccomp(ROLE_ARCHIVER, e);
}

static int
tell(struct call *c, const struct copy_place *p, struct err *e)
{
	struct api_archived found;

	if (copy_describe(p, &c->arena, &found, e) < 0)
		return -1;
	return call_reply_more(c, &found, NULL, 0) < 0 ? err_set(e, ERR_UNAVAILABLE, "nobody waits") : 0;
}

static int
work(struct call *c, const struct run_archive *job, int pipe, struct err *e)
{
	static struct copy_place p = { .dir = -1 };
	struct copy_ids ids;

	if (strcmp(job->op, "put") != 0) {
		if (copy_find(&p, job->path, e) < 0 || tell(c, &p, e) < 0)
			return -1;
		return pipe >= 0 ? copy_out(&p, pipe, e) : 0;
	}
	if (copy_user(job->user, &ids, e) < 0 || copy_target(job->path, &p, e) < 0 || tell(c, &p, e) < 0)
		return -1;
	return copy_in(&p, pipe, job->no_overwrite, job->host, &ids, e);
}

static int
on_do(struct call *c, const void *msg, struct err *e)
{
	static const struct api_archived end;
	const struct run_archive *job = msg;
	own_fd pipe = -1;
	bool stat;

	if (served || job->op == NULL || job->path == NULL)
		return err_set(e, ERR_PROTOCOL, "malformed copy");
	served = true;
	stat = strcmp(job->op, "stat") == 0;
	if ((!stat && strcmp(job->op, "get") != 0 && strcmp(job->op, "put") != 0) || c->nfds != (stat ? 2u : 3u))
		return err_set(e, ERR_PROTOCOL, "malformed copy");
	if (!stat)
		pipe = fd_take(&c->fds[2]);
	if (enter(c->fds, job, e) < 0 || own_mounts(job, e) < 0)
		return -1;
	fd_close(&c->fds[0]);
	fd_close(&c->fds[1]);
	copy_moved();
	if (confine(job, e) < 0 || work(c, job, pipe, e) < 0)
		return -1;
	call_reply(c, &end, NULL, 0);
	return 0;
}

static void
on_idle(void *ctx)
{
	if (served)
		loop_stop(loop);
}

static void
on_closed(void *ctx, struct edge *edge, const struct err *why)
{
	loop_stop(loop);
}

int
main(void)
{
	static const edge_fn handlers[archive_edge_end] = { [NO_archive_do] = on_do };
	struct edge_conf conf = { .table = &archive_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = archive_edge_end, .peer = "runtime",
		.on_closed = on_closed };
	struct err e = ERR_INIT;

	log_init("archiver", LOG_INFO, false);
	/* the first is /dev/null; the others were the engine's log */
	if (lonely(&e) < 0 || fcntl(CHANNEL, F_GETFD) < 0 || dup2(0, 1) < 0 || dup2(0, 2) < 0 || fd_set_cloexec(CHANNEL, true) < 0 ||
	    close_range(CHANNEL + 1, ~0u, 0) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGALRM, SIG_DFL) == SIG_ERR ||
	    (loop = loop_new(&e)) == NULL || edge_new(loop, CHANNEL, &conf, &e) == NULL)
		return EXIT_FAILURE;
	loop_on_idle(loop, on_idle, NULL);
	_exit(loop_run(loop, &e) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
