#include "harness.h"

#include "fd.h"
#include "msg/give.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void
write_map(pid_t pid, const char *file, uint32_t inside, uint32_t outside, uint32_t count)
{
	char path[64], text[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	snprintf(text, sizeof text, "%u %u %u", inside, outside, count);
	if (fd_write_text(AT_FDCWD, path, text) < 0) {
		perror(path);
		abort();
	}
}

int
make_userns(uint32_t inside, uint32_t outside, uint32_t count)
{
	char path[64];
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	int fd;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	write_map(pid, "uid_map", inside, outside, count);
	write_map(pid, "gid_map", inside, outside, count);
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

static void
child(const struct start_conf *conf, int ctl, int go)
{
	struct err e = ERR_INIT;
	char *argv[] = { (char *)(uintptr_t)role_table[conf->role].binary, NULL };
	char *envp[] = { getenv("BULWARK_TEST_ENV"), NULL };
	bool own_ns = role_table[conf->role].ns_caps != 0;
	uid_t uid = own_ns ? 0 : conf->uid;
	char byte;
	int bin = open(conf->binary, O_RDONLY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* the control channel is descriptor 3, the binary must not be there */
	if (bin >= 0 && bin <= CTL_FD)
		bin = fcntl(bin, F_DUPFD_CLOEXEC, 10);
	go = fcntl(go, F_DUPFD_CLOEXEC, 10);
	if (bin < 0 || read(go, &byte, 1) != 1 || (own_ns && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)))
		_exit(90);
	if (role_drop(conf->role, uid, uid, &e) < 0) {
		fprintf(stderr, "drop: %s\n", e.text);
		_exit(91);
	}
	if (dup2(ctl, CTL_FD) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || fd_set_cloexec(CTL_FD, false) < 0)
		_exit(92);
	syscall(SYS_close_range, CTL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	fexecve(bin, argv, envp);
	_exit(93);
}

static int
refuse(struct call *c, const void *msg, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "not in this test");
}

int
role_start(struct loop *l, const struct start_conf *conf, struct started *ret, struct err *e)
{
	static const edge_fn handlers[ctl_edge_table_end] = { [NO_ctl_worker] = refuse, [NO_ctl_host_runtime] = refuse, [NO_ctl_logger] = refuse };
	struct edge_conf ec = { .table = &ctl_edge_table, .side = EDGE_A, .peer = "role", .handlers = handlers, .n_handlers = ctl_edge_table_end };
	struct edge_conf pc = { .table = conf->table, .side = EDGE_A, .peer = "role" };
	bool own_ns = role_table[conf->role].ns_caps != 0;
	struct ctl_edge name = { .name = (char *)(uintptr_t)conf->edge_name };
	own_arena a = ARENA_INIT, b = ARENA_INIT;
	int ctl[2], go[2], edge[2];
	pid_t pid;

	if (edge_pair(ctl, e) < 0 || edge_pair(edge, e) < 0 || pipe2(go, O_CLOEXEC) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone, (own_ns ? CLONE_NEWUSER : 0) | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		child(conf, ctl[1], go[0]);
	if (own_ns) {
		write_map(pid, "uid_map", 0, IMAGE_ID_BASE, ID_RANGE_SIZE);
		write_map(pid, "gid_map", 0, IMAGE_ID_BASE, ID_RANGE_SIZE);
	}
	if (write(go[1], "x", 1) != 1)
		return err_sys(e, errno, "release the child");
	close(go[0]);
	close(go[1]);
	close(ctl[1]);
	ret->pid = pid;
	ret->ctl = edge_new(l, ctl[0], &ec, e);
	if (ret->ctl == NULL)
		return -1;
	if (edge_call(ret->ctl, NO_ctl_start, conf->start, conf->fds, conf->nfds, &a, NULL, NULL, 0, NULL, 10000, e) < 0)
		return -1;
	if (edge_call(ret->ctl, NO_ctl_edge, &name, &edge[1], 1, &b, NULL, NULL, 0, NULL, 10000, e) < 0)
		return -1;
	close(edge[1]);
	ret->edge = edge_new(l, edge[0], &pc, e);
	return ret->edge != NULL ? 0 : -1;
}

void
role_end(struct started *s)
{
	edge_free(s->edge);
	edge_free(s->ctl);
	if (s->pid > 0)
		waitpid(s->pid, NULL, 0);
	*s = (struct started){ 0 };
}

void
role_kill(struct started *s)
{
	kill(s->pid, SIGKILL);
	role_end(s);
}

void
test_dir_make(char *path, size_t size, const char *what)
{
	snprintf(path, size, "/tmp/bulwark-%s-XXXXXX", what);
	if (mkdtemp(path) == NULL) {
		perror(path);
		abort();
	}
	chmod(path, 0711);
}

void
test_dir_remove(const char *path)
{
	if (strncmp(path, "/tmp/bulwark-", 13) == 0 && fd_remove_tree(AT_FDCWD, path) < 0)
		perror(path);
}
