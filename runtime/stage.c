#include "stage.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

void
stage_fail(struct stage *s, const struct err *e)
{
	(void)wire_send_error(s->ms, e);
	_exit(1);
}

int
stage_take_fd(struct stage *s, int *ret_fd, struct err *e)
{
	if (s->next >= s->nfds || s->fds[s->next] < 0)
		return err_set(e, ERR_PROTOCOL, "fewer descriptors than the container needs");
	*ret_fd = fd_take(&s->fds[s->next++]);
	return 0;
}

/* Before any other namespace shows: the check of cgroup v1 wants the same user on both sides. */
static int
join_cgroups(struct stage *s, int *fds, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (write(fds[i], "0", 1) != 1)
			return err_sys(e, errno, "join a control group");
		fd_close(&fds[i]);
	}
	if (!s->prepare->exec && !s->prepare->host_cgroupns && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, errno, "control group namespace");
	return 0;
}

/* From here on we are root of the container's user namespace, and nobody on the host. */
static int
become_root(struct err *e)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become root of the user namespace");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "dumpable");
	/* the change of user cleared it: a container does not outlive its monitor */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(e, errno, "parent death signal");
	return 0;
}

static int
expect(struct stage *s, enum wire_kind kind, struct wire *w, struct err *e)
{
	int r = wire_recv(s->rs, false, w, NULL, e);

	if (r < 0)
		return -1;
	if (r == 0)
		_exit(1);   /* the runtime went away or does not want us any more: nobody to tell */
	return w->kind == kind ? 0 : err_set(e, ERR_PROTOCOL, "unexpected message %d", (int)w->kind);
}

static int
receive_spec(struct stage *s, struct wire *w, struct err *e)
{
	for (;;) {
		int r = wire_recv(s->rs, false, w, NULL, e);

		if (r < 0)
			return -1;
		if (r == 0)
			_exit(1);
		if (w->kind == W_SPEC)
			break;
		if (w->kind != W_FDS || w->nfds > STAGE_FDS_MAX - s->nfds)
			return err_set(e, ERR_PROTOCOL, "unexpected message %d", (int)w->kind);
		for (size_t i = 0; i < w->nfds; i++)
			s->fds[s->nfds++] = fd_take(&w->fds[i]);
		wire_done(w);
	}
	s->w = w->msg;
	s->spec = s->w->spec;
	s->process = s->spec != NULL ? s->spec->process : s->w->process;
	if (s->process == NULL || (s->spec == NULL) != s->prepare->exec || (size_t)s->w->nfds != s->nfds)
		return err_set(e, ERR_PROTOCOL, "incomplete description of the container");
	return 0;
}

static int
prepare(struct stage *s, int *cgroup_fds, size_t n_cgroups, struct err *e)
{
	own_wire w = WIRE_INIT;

	if (join_cgroups(s, cgroup_fds, n_cgroups, e) < 0)
		return -1;
	if ((s->prepare->create & CLONE_NEWUSER) != 0 && expect(s, W_MAPPED, &w, e) < 0)
		return -1;
	umask(022);
	if (become_root(e) < 0)
		return -1;
	return s->prepare->exec ? 0 : stage_warm(s, e);
}

/* A root for whoever copies files: until the runtime wants it no more. */
static _Noreturn void
stage_hold(struct stage *s)
{
	struct wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	int fds[2];

	/* the monitor was told of no start, so it would not listen */
	s->ms = s->rs;
	/* nobody else may open them, and after the change of root neither may we */
	if ((fds[0] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC)) < 0 || (fds[1] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)) < 0) {
		err_sys(&e, errno, "open the namespaces of the sandbox");
		stage_fail(s, &e);
	}
	if (s->spec == NULL || stage_files(s, &e) < 0 || stage_pivot(s, &e) < 0 || wire_send(s->rs, W_HELD, NULL, fds, 2, &e) < 0)
		stage_fail(s, &e);
	(void)!wire_recv(s->rs, false, &w, NULL, &e);
	_exit(0);
}

void
stage_main(struct stage *s, int *cgroup_fds, size_t n_cgroups)
{
	struct wire w = WIRE_INIT;
	struct err e = ERR_INIT;

	setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(1);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)signal(sig, SIG_DFL);
	if (prepare(s, cgroup_fds, n_cgroups, &e) < 0 || receive_spec(s, &w, &e) < 0)
		stage_fail(s, &e);
	if (s->w->hold)
		stage_hold(s);
	if (s->spec != NULL && stage_root(s, &e) < 0)
		stage_fail(s, &e);
	if (s->spec != NULL && s->spec->runtime != NULL && *s->spec->runtime != '\0')
		stage_foreign(s);
	if (s->spec != NULL && stage_pivot(s, &e) < 0)
		stage_fail(s, &e);
	if (stage_user(s, &e) < 0 || stage_stdio(s, &e) < 0)
		stage_fail(s, &e);
	stage_run(s);
}
