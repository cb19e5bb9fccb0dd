/*
 * Removal: a rename into the trash at once, the work later, in a child. The child needs no stack, however deep a tree a
 * container made: from each directory in the trash files are unlinked and directories that are not empty are moved up
 * into the trash, so depth is always one, and a crash anywhere leaves only trash.
 */
#include "stored.h"

#include "fd.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DELAY_NS ((int64_t)100000000)

void
stored_name(struct stored *s, char out[64])
{
	snprintf(out, 64, "%llx-%llx", (unsigned long long)now_real_ns(), (unsigned long long)++s->counter);
}

/* Moves name from one directory to the trash under a name that nothing has. */
static int
move(int from, const char *name, int trash, const char *as)
{
	for (unsigned i = 0; i < 1000; i++) {
		char fresh[96];

		snprintf(fresh, sizeof fresh, "%s.%u", as, i);
		if (renameat2(from, name, trash, fresh, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int
trash_put(struct stored *s, int dir, const char *name, struct err *e)
{
	char fresh[64];

	stored_name(s, fresh);
	if (move(dir, name, dir == s->volumes || dir == s->volume_new ? s->volume_trash : s->trash, fresh) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "remove %s", name);
	/* a little later: many removals cost one child, and no request waits for a fork */
	if (!s->trash_dirty)
		loop_timer_set(s->comp->loop, &s->trash_timer, DELAY_NS);
	s->trash_dirty = true;
	return 0;
}

/* ---- in the child ---- */

static DIR *
list_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d;

	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL && fd >= 0)
		close(fd);
	return d;
}

static bool
is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Empties directory name of the trash and removes it; its directories go up. */
static bool
flatten(int trash, const char *name, uint64_t *counter)
{
	DIR *d = list_dir(trash, name);
	struct dirent *entry;
	bool ok = true;

	if (d == NULL)
		return false;
	while ((entry = readdir(d)) != NULL) {
		char fresh[64];

		if (is_dot(entry->d_name) || unlinkat(dirfd(d), entry->d_name, 0) == 0)
			continue;
		if ((errno == EISDIR || errno == EPERM) && unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR) == 0)
			continue;
		snprintf(fresh, sizeof fresh, "d%llx-%d", (unsigned long long)++*counter, getpid());
		if (move(dirfd(d), entry->d_name, trash, fresh) < 0)
			ok = false;
	}
	closedir(d);
	return ok && unlinkat(trash, name, AT_REMOVEDIR) == 0;
}

/* One round over the trash; is there progress? */
static bool
empty_round(int trash, uint64_t *counter)
{
	DIR *d = list_dir(trash, ".");
	struct dirent *entry;
	bool progress = false;

	if (d == NULL)
		return false;
	while ((entry = readdir(d)) != NULL)
		if (!is_dot(entry->d_name) && (unlinkat(trash, entry->d_name, 0) == 0 || flatten(trash, entry->d_name, counter)))
			progress = true;
	closedir(d);
	return progress;
}

static void
work_empty(const int *fds, int result)
{
	uint64_t counter = 0;

	for (unsigned i = 0; i < 2; i++)
		while (empty_round(fds[i], &counter))
			;
	(void)!write(result, "e", 1);
}

/* ---- in stored ---- */

static void
on_emptied(void *ctx, const unsigned char *said, size_t n)
{
	struct stored *s = ctx;

	s->emptier = NULL;
	if (n == 0)
		log_msg(LOG_WARN, "the trash of the store could not be emptied");
	if (s->stop != NULL) {
		call_ok(s->stop);
		s->stop = NULL;
		loop_stop(s->comp->loop);
		return;
	}
	trash_empty(s);
}

void
trash_empty(struct stored *s)
{
	struct err e = ERR_INIT;

	if (!s->trash_dirty || s->emptier != NULL)
		return;
	s->trash_dirty = false;
	loop_timer_clear(&s->trash_timer);
	s->emptier = child_fork(&s->child, work_empty, (int[]){ s->trash, s->volume_trash }, 2, on_emptied, s, &e);
	if (s->emptier == NULL)
		log_err(LOG_WARN, &e, "the trash is not emptied now");
}

/* What a crash left in tmp (or in the volumes' own) is trash. */
static int
sweep(struct stored *s, int dir, struct err *e)
{
	DIR *d = list_dir(dir, ".");
	struct dirent *entry;
	int r = 0;

	if (d == NULL)
		return err_sys(e, errno, "open tmp of the store");
	while (r == 0 && (entry = readdir(d)) != NULL)
		if (!is_dot(entry->d_name))
			r = trash_put(s, dir, entry->d_name, e);
	closedir(d);
	return r;
}

static void
on_time(struct loop_timer *t)
{
	trash_empty((struct stored *)(void *)((char *)t - offsetof(struct stored, trash_timer)));
}

int
trash_open(struct stored *s, struct err *e)
{
	s->trash_timer.on_time = on_time;
	if (sweep(s, s->tmp, e) < 0 || sweep(s, s->volume_new, e) < 0)
		return -1;
	/* there may be some from the last time */
	s->trash_dirty = true;
	loop_timer_set(s->comp->loop, &s->trash_timer, DELAY_NS);
	return 0;
}
