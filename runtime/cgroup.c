/*
 * Control groups beneath the delegated directories: one directory for each container, in cgroup v2 or in every v1
 * hierarchy. Nobody waits for their removal: it is tried again off the path until the kernel has let go of the last task.
 */
#include "runtime.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
handles(const struct hierarchy *h, const char *controller)
{
	size_t n = strlen(controller);

	for (const char *p = h->name; (p = strstr(p, controller)) != NULL; p += n)
		if ((p == h->name || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
			return true;
	return false;
}

/* A v1 cpuset group has no processors of its own until it is given some. */
static int
init_cpuset(int parent, int dir, struct err *e)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < 2; i++) {
		char text[4096];
		ssize_t n = fd_read_text(dir, files[i], text, sizeof text);

		if (n < 0)
			return err_sys(e, errno, "read %s", files[i]);
		if (n > 1)
			continue;
		if (fd_read_text(parent, files[i], text, sizeof text) < 0 || fd_write_text(dir, files[i], text) < 0)
			return err_sys(e, errno, "initialise %s", files[i]);
	}
	return 0;
}

static int
enable_controllers(int dir, struct err *e)
{
	char have[512], *save = NULL;

	if (fd_read_text(dir, "cgroup.controllers", have, sizeof have) < 0)
		return err_sys(e, errno, "read cgroup.controllers");
	for (char *c = strtok_r(have, " \n", &save); c != NULL; c = strtok_r(NULL, " \n", &save)) {
		char text[64];

		snprintf(text, sizeof text, "+%s", c);
		if (fd_write_text(dir, "cgroup.subtree_control", text) < 0)
			return err_sys(e, errno, "enable the %s controller", c);
	}
	return 0;
}

static int
open_dir(const struct hierarchy *h, const char *parent, const char *name)
{
	char path[400];

	if ((size_t)snprintf(path, sizeof path, "%s%s%s", parent, *parent != '\0' ? "/" : "", name) >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return fd_open_beneath(h->dir, path, O_RDONLY | O_DIRECTORY, 0);
}

int
cg_init(struct runtime *rt, struct err *e)
{
	for (size_t i = 0; i < rt->n_h; i++) {
		own_fd up = -1;

		if (!handles(&rt->h[i], "cpuset"))
			continue;
		up = openat(rt->h[i].dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || init_cpuset(up, rt->h[i].dir, e) < 0)
			return up < 0 ? err_sys(e, errno, "open the cpuset hierarchy") : -1;
	}
	return rt->v2 ? enable_controllers(rt->h[0].dir, e) : 0;
}

/* Makes the parents that the user asked for, one by one. */
static int
make_in(const struct runtime *rt, const struct hierarchy *h, const char *parent, const char *name, struct err *e)
{
	char path[400], *save = NULL;
	own_fd at = fcntl(h->dir, F_DUPFD_CLOEXEC, 3);
	bool cpuset = handles(h, "cpuset");

	if (at < 0 || (size_t)snprintf(path, sizeof path, "%s/%s", parent, name) >= sizeof path)
		return err_sys(e, at < 0 ? errno : ENAMETOOLONG, "make a control group");
	for (char *part = strtok_r(path, "/", &save), *next; part != NULL; part = next) {
		own_fd dir = -1;

		next = strtok_r(NULL, "/", &save);
		if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make control group %s in %s", part, h->name);
		dir = fd_open_beneath(at, part, O_RDONLY | O_DIRECTORY, 0);
		if (dir < 0 || (cpuset && init_cpuset(at, dir, e) < 0))
			return dir < 0 ? err_sys(e, errno, "open control group %s in %s", part, h->name) : -1;
		if (rt->v2 && next != NULL && enable_controllers(dir, e) < 0)
			return -1;
		fd_close(&at);
		at = fd_take(&dir);
	}
	return 0;
}

int
cg_make(struct runtime *rt, const char *parent, const char *name, struct err *e)
{
	for (size_t i = 0; i < rt->n_h; i++)
		if (make_in(rt, &rt->h[i], parent, name, e) < 0) {
			cg_bury(rt, parent, name);
			return -1;
		}
	return 0;
}

/* Cgroup v2 cannot rename: the container lives in a group with the pool's name. */
int
cg_rename(struct runtime *rt, struct box *b, const char *name, struct err *e)
{
	if (rt->v2)
		return 0;
	for (size_t i = 0; i < rt->n_h; i++)
		if (renameat(rt->h[i].dir, b->cg_name, rt->h[i].dir, name) < 0)
			return err_sys(e, errno, "rename a control group in %s", rt->h[i].name);
	snprintf(b->cg_name, sizeof b->cg_name, "%s", name);
	return 0;
}

int
cg_join_fds(struct runtime *rt, const struct box *b, int *fds, size_t *n, struct err *e)
{
	*n = 0;
	for (size_t i = 0; i < rt->n_h; i++) {
		own_fd dir = open_dir(&rt->h[i], b->cg_parent, b->cg_name);
		int fd = -1;

		if (dir >= 0)
			fd = rt->v2 ? fd_take(&dir) : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (fd < 0) {
			int sys = errno;

			while (*n > 0)
				fd_close(&fds[--*n]);
			return err_sys(e, sys, "open the control group in %s", rt->h[i].name);
		}
		fds[(*n)++] = fd;
	}
	return 0;
}

int
cg_open(const struct runtime *rt, const struct box *b, const char *controller, const char *file, int flags)
{
	for (size_t i = 0; i < rt->n_h; i++) {
		own_fd dir = -1;

		if (!rt->v2 && controller != NULL && !handles(&rt->h[i], controller))
			continue;
		dir = open_dir(&rt->h[i], b->cg_parent, b->cg_name);
		return dir < 0 ? -1 : openat(dir, file, flags | O_CLOEXEC);
	}
	errno = ENOENT;
	return -1;
}

static size_t
read_pids(int dir, pid_t *pids, size_t max)
{
	own_fd fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	size_t n = 0;
	int pid;

	if (f == NULL)
		return 0;
	(void)fd_take(&fd);   /* the stream owns it */
	while (n < max && fscanf(f, "%d", &pid) == 1)
		pids[n++] = pid;
	fclose(f);
	return n;
}

size_t
cg_pids(struct runtime *rt, const struct box *b, pid_t *pids, size_t max)
{
	own_fd dir = rt->n_h > 0 ? open_dir(&rt->h[0], b->cg_parent, b->cg_name) : -1;

	return dir >= 0 ? read_pids(dir, pids, max) : 0;
}

/* All hierarchies hold the same processes, but one that is half in, half out is in some only. */
int
cg_kill(struct runtime *rt, const char *parent, const char *name, int sig)
{
	pid_t pids[1024];
	int found = 0;

	for (size_t i = 0; i < rt->n_h; i++) {
		own_fd dir = open_dir(&rt->h[i], parent, name);
		size_t n = dir >= 0 ? read_pids(dir, pids, sizeof pids / sizeof *pids) : 0;

		for (size_t k = 0; k < n; k++)
			(void)kill(pids[k], sig);
		if ((int)n > found)
			found = (int)n;
		if (found > 0 && sig != SIGKILL)
			break;   /* once is enough for a signal that does not end it */
	}
	return found;
}

static int
write_state(struct runtime *rt, struct box *b, bool on, struct err *e)
{
	own_fd fd = cg_open(rt, b, "freezer", rt->v2 ? "cgroup.freeze" : "freezer.state", O_WRONLY);
	const char *text = rt->v2 ? (on ? "1" : "0") : on ? "FROZEN" : "THAWED";

	if (fd < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "the freezer cgroup is not available") : err_sys(e, errno, "open the freezer");
	return write(fd, text, strlen(text)) < 0 ? err_sys(e, errno, "write to the freezer") : 0;
}

void
cg_thaw(struct runtime *rt, const char *parent, const char *name)
{
	for (size_t i = 0; i < rt->n_h; i++) {
		own_fd dir = -1;

		if (!rt->v2 && !handles(&rt->h[i], "freezer"))
			continue;
		dir = open_dir(&rt->h[i], parent, name);
		if (dir >= 0 && fd_write_text(dir, rt->v2 ? "cgroup.freeze" : "freezer.state", rt->v2 ? "0" : "THAWED") < 0)
			log_msg(LOG_WARN, "control group %s cannot be thawed", name);
	}
}

bool
cg_is_frozen(struct runtime *rt, const struct box *b)
{
	own_fd fd = cg_open(rt, b, "freezer", rt->v2 ? "cgroup.events" : "freezer.state", O_RDONLY);
	char text[256];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (n <= 0)
		return false;
	text[n] = '\0';
	return rt->v2 ? strstr(text, "frozen 1") != NULL : text_starts(text, "FROZEN");
}

int
cg_freeze(struct runtime *rt, struct box *b, bool on, struct err *e)
{
	/* a task in the middle of a fork makes v1 try again */
	for (int i = 0; i < 200; i++) {
		if ((i == 0 || !rt->v2) && write_state(rt, b, on, e) < 0)
			return -1;
		if (cg_is_frozen(rt, b) == on)
			return 0;
		usleep(i < 20 ? 100 : 1000);
	}
	if (on) {
		struct err back = ERR_INIT;

		if (write_state(rt, b, false, &back) < 0)
			log_err(LOG_ERROR, &back, "thaw %.12s", b->id);
	}
	return err_set(e, ERR_SYSTEM, on ? "unable to freeze" : "unable to thaw");
}

int64_t
cg_oom_count(struct runtime *rt, const struct box *b)
{
	own_fd fd = cg_open(rt, b, "memory", rt->v2 ? "memory.events" : "memory.oom_control", O_RDONLY);
	char text[1024];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	const char *at;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "oom_kill ");
	return at != NULL ? strtoll(at + 9, NULL, 10) : 0;
}

/* Groups that a container made for itself go first, the deepest before its parent. */
static int
remove_dir(int parent, const char *name, int depth)
{
	own_fd fd = -1;
	DIR *d;
	struct dirent *entry;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (depth == 0 || (fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 || (d = fdopendir(fd)) == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL)
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)remove_dir(fd, entry->d_name, depth - 1);
	closedir(d);
	(void)fd_take(&fd);   /* the stream owns it */
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

static bool
remove_group(struct runtime *rt, const struct grave *g)
{
	bool gone = true;

	for (size_t i = 0; i < rt->n_h; i++) {
		own_fd parent = *g->parent != '\0' ? fd_open_beneath(rt->h[i].dir, g->parent, O_RDONLY | O_DIRECTORY, 0) :
		    fcntl(rt->h[i].dir, F_DUPFD_CLOEXEC, 3);
		char path[256];

		if (parent < 0)
			continue;
		if (remove_dir(parent, g->name, 8) < 0)
			gone = false;
		/* parents that were made on request go when they are empty */
		snprintf(path, sizeof path, "%s", g->parent);
		for (char *slash; gone && *path != '\0'; *slash = '\0') {
			if (unlinkat(rt->h[i].dir, path, AT_REMOVEDIR) < 0 || (slash = strrchr(path, '/')) == NULL)
				break;
		}
	}
	return gone;
}

static void
on_grave_time(struct loop_timer *t)
{
	struct runtime *rt = (struct runtime *)(void *)((char *)t - offsetof(struct runtime, grave_timer));
	int64_t delay = 0;

	for (struct grave **slot = &rt->graves; *slot != NULL;) {
		struct grave *g = *slot;

		if (g->tries > 0 && cg_kill(rt, g->parent, g->name, SIGKILL) > 0)
			cg_thaw(rt, g->parent, g->name);
		if (remove_group(rt, g) || g->tries > 200) {
			if (g->tries > 200)
				log_msg(LOG_ERROR, "control group %s cannot be removed", g->name);
			*slot = g->next;
			free(g);
			continue;
		}
		g->tries++;
		delay = g->tries < 10 ? INT64_C(5000000) : INT64_C(100000000);
		slot = &g->next;
	}
	if (rt->graves != NULL)
		loop_timer_set(rt->loop, &rt->grave_timer, delay);
}

static void
move_in(const struct hierarchy *h, const char *parent, const char *from, const char *to)
{
	own_fd dir = *parent != '\0' ? fd_open_beneath(h->dir, parent, O_RDONLY | O_DIRECTORY, 0) : fcntl(h->dir, F_DUPFD_CLOEXEC, 3);

	if (dir >= 0 && renameat(dir, from, dir, to) < 0 && errno != ENOENT)
		log_msg(LOG_WARN, "control group %s cannot be moved away: %s", from, strerror(errno));
}

void
cg_bury(struct runtime *rt, const char *parent, const char *name)
{
	struct grave *g = calloc(1, sizeof *g);

	if (g == NULL)
		return;   /* swept at the next start */
	snprintf(g->parent, sizeof g->parent, "%s", parent);
	snprintf(g->name, sizeof g->name, "%s", name);
	/* the name must be free for the container's next start: what is emptied and removed below is not what that makes
	   (on v2, where nothing can be renamed, no name is used twice) */
	if (!rt->v2 && !text_starts(name, "pool-") && !text_starts(name, "gone-")) {
		snprintf(g->name, sizeof g->name, "gone-%d-%u", getpid(), rt->seq++);
		for (size_t i = 0; i < rt->n_h; i++)
			move_in(&rt->h[i], parent, name, g->name);
	}
	g->next = rt->graves;
	rt->graves = g;
	rt->grave_timer.on_time = on_grave_time;
	loop_timer_set(rt->loop, &rt->grave_timer, INT64_C(3000000));
}

static bool
is_left_over(struct runtime *rt, const char *name)
{
	if (!text_starts(name, "pool-") && !text_starts(name, "gone-") && !(text_is_id(name) && box_find(rt, name) == NULL))
		return false;
	for (struct box *b = rt->boxes; b != NULL; b = b->next)
		if (strcmp(b->cg_name, name) == 0 && b->state != BOX_EXITED)
			return false;
	return true;
}

/* Also in the parents that users asked for; they lie a few levels deep at most. */
static void
sweep_in(struct runtime *rt, const struct hierarchy *h, const char *parent, int depth)
{
	int fd = *parent == '\0' ? openat(h->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : fd_open_beneath(h->dir, parent, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(d)) != NULL) {
		char below[256];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || (*parent == '\0' && !rt->host && strcmp(entry->d_name, HOST_GROUP) == 0))
			continue;
		if (is_left_over(rt, entry->d_name)) {
			(void)cg_kill(rt, parent, entry->d_name, SIGKILL);
			cg_bury(rt, parent, entry->d_name);
		} else if (depth > 0 && !text_is_id(entry->d_name) && !text_starts(entry->d_name, "pool-") &&
		    (size_t)snprintf(below, sizeof below, "%s%s%s", parent, *parent != '\0' ? "/" : "", entry->d_name) < sizeof below) {
			sweep_in(rt, h, below, depth - 1);
		}
	}
	closedir(d);
}

void
cg_sweep(struct runtime *rt)
{
	for (size_t i = 0; i < rt->n_h; i++)
		sweep_in(rt, &rt->h[i], "", 8);
}
