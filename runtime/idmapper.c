/*
 * Gives a user namespace an id range of its own. The runtime sends the pidfd of a process that it just cloned into a new
 * user namespace; the range, not the runtime, is chosen here: no range is given twice while it is in use, and none that
 * the host's own accounts use.
 *
 * There is no list of ranges on disk: what is in use is read from the maps of the processes that run, at start and each
 * time the search has gone round. In between the search only moves on, so a range is never used again soon.
 */
#include "checked.h"
#include "comp.h"
#include "fd.h"
#include "log.h"
#include "msg/give.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct idmapper {
	struct edge *edge;
	int proc;                              /* /proc */
	uid_t own_uid, run_uid;
	unsigned next;
	unsigned char used[RANGE_COUNT / 8];   /* found in use at the last look */
	unsigned char foreign[RANGE_COUNT / 8]; /* the host's own: never given */
};

static void
mark(unsigned char *bits, uint64_t first, uint64_t count)
{
	uint64_t end;

	if (count == 0 || ckd_add(&end, first, count) || end <= RANGE_FIRST)
		return;
	if (first < RANGE_FIRST)
		first = RANGE_FIRST;
	for (uint64_t r = (first - RANGE_FIRST) / ID_RANGE_SIZE; r < RANGE_COUNT && RANGE_FIRST + r * ID_RANGE_SIZE < end; r++)
		bits[r / 8] |= (unsigned char)(1u << (r % 8));
}

/* "first:count", made by the supervisor from passwd, subuid and subgid. */
static void
mark_text(unsigned char *bits, const char *text)
{
	char first[32];
	const char *colon = strchr(text, ':');
	uint64_t a, n;

	if (colon == NULL || (size_t)(colon - text) >= sizeof first)
		return;
	memcpy(first, text, (size_t)(colon - text));
	first[colon - text] = '\0';
	if (text_to_u64(first, UINT32_MAX, &a) && text_to_u64(colon + 1, UINT32_MAX, &n))
		mark(bits, a, n);
}

static void
mark_map(struct idmapper *m, const char *pid, const char *file)
{
	char path[300], text[4096];
	char *line, *save = NULL;

	snprintf(path, sizeof path, "%s/%s", pid, file);
	if (fd_read_text(m->proc, path, text, sizeof text) < 0)
		return;   /* it ended meanwhile */
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long inside, outside, count;

		/* a range that a container mapped further inside is within its own; the host's full map is no range */
		if (sscanf(line, "%llu %llu %llu", &inside, &outside, &count) == 3 && count < UINT32_MAX)
			mark(m->used, outside, count);
	}
}

static int
look_around(struct idmapper *m, struct err *e)
{
	int fd = openat(m->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "read /proc");
	}
	memcpy(m->used, m->foreign, sizeof m->used);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
			mark_map(m, entry->d_name, "uid_map");
			mark_map(m, entry->d_name, "gid_map");
		}
	closedir(d);
	return 0;
}

static int
pick_range(struct idmapper *m, uint32_t *ret_base, struct err *e)
{
	for (unsigned round = 0; round < 2; round++) {
		for (; m->next < RANGE_COUNT; m->next++)
			if ((m->used[m->next / 8] >> (m->next % 8) & 1) == 0) {
				*ret_base = RANGE_FIRST + m->next * ID_RANGE_SIZE;
				m->next++;
				return 0;
			}
		m->next = 0;
		if (look_around(m, e) < 0)
			return -1;
	}
	return err_set(e, ERR_LIMIT, "all %u id ranges for containers are in use", RANGE_COUNT);
}

/* Become (or leave) the owner of the namespace: its map files open only for an owner, and only for an effective one. */
static int
act_as(struct idmapper *m, uid_t uid, struct err *e)
{
	if (setresuid((uid_t)-1, uid, (uid_t)-1) < 0)
		return err_sys(e, errno, "act as uid %u", uid);
	/* the change made us undumpable, and so the namespaces that we create root's */
	if (uid == m->own_uid && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "dumpable");
	return 0;
}

static int
write_maps(int dir, uint32_t inside, uint32_t outside, struct err *e)
{
	char text[64];

	snprintf(text, sizeof text, "%u %u %u", inside, outside, ID_RANGE_SIZE);
	if (fd_write_text(dir, "uid_map", text) < 0)
		return err_sys(e, errno, "write the uid map");
	if (fd_write_text(dir, "gid_map", text) < 0)
		return err_sys(e, errno, "write the gid map");
	return 0;
}

/* The user namespace of the process, which must be a child of ours, made by the runtime. */
static int
open_namespace(struct idmapper *m, int dir, int *ret_fd, struct err *e)
{
	own_fd ns = openat(dir, "ns/user", O_RDONLY | O_CLOEXEC);
	own_fd parent = -1, own = -1;
	struct stat a, b;
	uid_t owner;

	if (ns < 0)
		return err_sys(e, errno, "open the user namespace");
	parent = ioctl(ns, NS_GET_PARENT);
	own = openat(m->proc, "self/ns/user", O_RDONLY | O_CLOEXEC);
	if (parent < 0 || own < 0 || fstat(parent, &a) < 0 || fstat(own, &b) < 0 || ioctl(ns, NS_GET_OWNER_UID, &owner) < 0)
		return err_set(e, ERR_DENIED, "not a user namespace below the host's");
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino || owner != m->run_uid)
		return err_set(e, ERR_DENIED, "the user namespace was not made by the runtime");
	*ret_fd = fd_take(&ns);
	return 0;
}

static int
map_process(struct idmapper *m, int pidfd, uint32_t base, int *ret_ns, struct err *e)
{
	struct pollfd alive = { .fd = pidfd, .events = POLLIN };
	pid_t pid = fd_pid_of_pidfd(pidfd);
	char name[32];
	own_fd dir = -1, ns = -1;

	if (pid < 0)
		return err_set(e, errno == ESRCH ? ERR_NOT_FOUND : ERR_DENIED, "not the descriptor of a running process");
	snprintf(name, sizeof name, "%d", pid);
	dir = openat(m->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || poll(&alive, 1, 0) != 0)   /* alive after the open: the directory is this process' */
		return err_set(e, ERR_NOT_FOUND, "the process ended");
	if (open_namespace(m, dir, &ns, e) < 0 || write_maps(dir, 0, base, e) < 0)
		return -1;
	*ret_ns = fd_take(&ns);
	return 0;
}

/* A user namespace without a process that stays: only its map matters, for id-mapped mounts of files in the image range. */
static int
make_mapping(struct idmapper *m, uint32_t base, int *ret_ns, struct err *e)
{
	char name[64];
	own_fd dir = -1, ns = -1;
	int r = -1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return err_sys(e, errno, "user namespace for a mapping");
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(name, sizeof name, "%d", pid);
	dir = openat(m->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ns = dir >= 0 ? openat(dir, "ns/user", O_RDONLY | O_CLOEXEC) : -1;
	if (ns < 0)
		err_sys(e, errno, "open a mapping's namespace");
	else
		r = write_maps(dir, IMAGE_ID_BASE, base, e);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		*ret_ns = fd_take(&ns);
	return r;
}

static int
on_idmap_give(struct call *c, const void *msg, struct err *e)
{
	struct idmapper *m = c->ctx;
	struct idmap_given given = { 0 };
	uint32_t base = 0;
	own_fd images = -1, own = -1;
	struct err back = ERR_INIT;
	int r;

	if (c->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "idmap_give needs one descriptor");
	if (pick_range(m, &base, e) < 0 || make_mapping(m, base, &images, e) < 0 || act_as(m, m->run_uid, e) < 0)
		return -1;
	r = map_process(m, c->fds[0], base, &own, e);
	if (act_as(m, m->own_uid, &back) < 0) {
		log_err(LOG_FATAL, &back, "cannot leave the runtime's identity");
		_exit(1);
	}
	if (r < 0) {
		log_err(e->code == ERR_DENIED ? LOG_ATTACK : LOG_WARN, e, "no range given");
		return -1;
	}
	given.base = base;
	call_reply(c, &given, (int[]){ images, own }, 2);
	return 0;
}

static void
on_edge_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct idmapper *m = ctx;

	if (m->edge == edge)
		m->edge = NULL;
	edge_free(edge);
}

static int
idmapper_edge(struct comp *c, const char *name, int fd, struct err *e)
{
	static const edge_fn handlers[] = { [NO_idmap_give] = on_idmap_give };
	struct idmapper *m = c->ctx;
	struct edge_conf conf = {
		.table = &idmap_edge, .side = EDGE_B, .handlers = handlers, .n_handlers = sizeof handlers / sizeof *handlers,
		.ctx = m, .peer = "runtime", .on_closed = on_edge_closed,
	};

	if (strcmp(name, "idmap") != 0) {
		fd_close(&fd);
		return err_set(e, ERR_PROTOCOL, "no edge %s here", name);
	}
	edge_free(m->edge);
	m->edge = edge_new(c->loop, fd, &conf, e);
	if (m->edge == NULL) {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static int
idmapper_start(struct comp *c, const struct ctl_start *start, int *fds, size_t nfds, struct err *e)
{
	struct idmapper *m = c->ctx;

	m->own_uid = getuid();
	m->run_uid = (uid_t)start->run_uid;
	if (m->run_uid == 0 || m->run_uid == m->own_uid)
		return err_set(e, ERR_INVALID, "the runtime's uid is missing");
	m->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->proc < 0)
		return err_sys(e, errno, "open /proc");
	for (size_t i = 0; i < start->config->id_ranges_used.n; i++)
		mark_text(m->foreign, start->config->id_ranges_used.v[i]);
	c->trees[c->n_trees++] = (struct role_tree){ .fd = m->proc, .write = true };
	return look_around(m, e);
}

int
main(void)
{
	static struct idmapper m = { .proc = -1 };
	struct comp c = { .role = ROLE_IDMAPPER, .ctx = &m, .start = idmapper_start, .edge = idmapper_edge };

	return comp_main(&c);
}
