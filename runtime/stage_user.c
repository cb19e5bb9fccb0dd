/*
 * "user[:group]" to ids, by the container's own /etc/passwd and /etc/group, read here, in the container's process and
 * within its limits. The files are the image's, so they may be anything: only regular files are read, in small pieces,
 * up to a bound, and lines of any length go through a state machine. A number is an id and never looked up as a name.
 */
#include "stage.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BOUND ((size_t)64 << 20)
#define FIELDS 7
#define FIELD_MAX 256

/* Called for each line: the first FIELDS fields, each cut at FIELD_MAX (then ok is false for it). Returns true to stop. */
struct line {
	char field[FIELDS][FIELD_MAX];
	bool cut[FIELDS];
	size_t n;
};
/* members: the 4th field of a group file is a list; each of its entries is handed over by member() as it is read */
struct scan {
	bool (*line)(void *ctx, const struct line *l);
	void (*member)(void *ctx, const char *name);
	void *ctx;
};

static int
scan_file(const char *path, const struct scan *scan, struct err *e)
{
	own_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct line l = { .n = 0 };
	char buf[4096], member[FIELD_MAX];
	size_t used = 0, mused = 0, total = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, errno, "open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s of the container is not a regular file", path);
	while ((n = read(fd, buf, sizeof buf)) > 0) {
		total += (size_t)n;
		if (total > FILE_BOUND)
			return err_set(e, ERR_LIMIT, "%s of the container is larger than %zu bytes", path, FILE_BOUND);
		for (ssize_t i = 0; i < n; i++) {
			char c = buf[i];
			bool list = scan->member != NULL && l.n == 3;

			if (list && (c == ',' || c == ':' || c == '\n')) {
				member[mused < FIELD_MAX ? mused : 0] = '\0';
				if (mused > 0 && mused < FIELD_MAX)
					scan->member(scan->ctx, member);
				mused = 0;
			}
			if (c == ':' || c == '\n') {
				if (l.n < FIELDS) {
					l.field[l.n][used < FIELD_MAX ? used : FIELD_MAX - 1] = '\0';
					l.cut[l.n] = used >= FIELD_MAX;
				}
				l.n++;
				used = 0;
				if (c == '\n') {
					if (l.field[0][0] != '#' && scan->line(scan->ctx, &l))
						return 0;
					l = (struct line){ .n = 0 };
				}
			} else if (list) {
				if (c != ',' && mused < FIELD_MAX)
					member[mused++] = c;
			} else {
				if (l.n < FIELDS && used < FIELD_MAX - 1)
					l.field[l.n][used] = c;
				used++;
			}
		}
	}
	if (n < 0)
		return err_sys(e, errno, "read %s", path);
	/* a last line without its newline */
	if (used > 0 || l.n > 0) {
		if (scan->member != NULL && l.n == 3 && mused > 0 && mused < FIELD_MAX) {
			member[mused] = '\0';
			scan->member(scan->ctx, member);
		}
		if (l.n < FIELDS) {
			l.field[l.n][used < FIELD_MAX ? used : FIELD_MAX - 1] = '\0';
			l.cut[l.n] = used >= FIELD_MAX;
		}
		l.n++;
		(void)scan->line(scan->ctx, &l);
	}
	return 0;
}

static bool
to_id(const char *text, uid_t *ret)
{
	uint64_t v;

	/* ids beyond the container's range have no meaning in it */
	if (!text_to_u64(text, 65535, &v))
		return false;
	*ret = (uid_t)v;
	return true;
}

/* Is it written as a number at all? Then it is never a name, however large it is (CVE-2024-40635). */
static bool
is_number(const char *s)
{
	if (*s == '-' || *s == '+')
		s++;
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

struct find_user {
	const char *name;       /* NULL: by id */
	uid_t uid;
	bool found;
	uid_t gid;
	char home[FIELD_MAX], user[FIELD_MAX];
};

static bool
passwd_line(void *ctx, const struct line *l)
{
	struct find_user *f = ctx;
	uid_t uid, gid;

	if (l->n < 4 || l->cut[0] || !to_id(l->field[2], &uid) || !to_id(l->field[3], &gid))
		return false;
	if (f->name != NULL ? strcmp(l->field[0], f->name) != 0 : uid != f->uid)
		return false;
	f->found = true;
	f->uid = uid;
	f->gid = gid;
	memcpy(f->user, l->field[0], sizeof f->user);
	if (l->n >= 6 && !l->cut[5])
		memcpy(f->home, l->field[5], sizeof f->home);
	return true;
}

struct find_group {
	const char *name;
	bool found;
	uid_t gid;
};

static bool
group_line(void *ctx, const struct line *l)
{
	struct find_group *f = ctx;
	uid_t gid;

	if (l->n < 3 || l->cut[0] || !to_id(l->field[2], &gid) || strcmp(l->field[0], f->name) != 0)
		return false;
	f->found = true;
	f->gid = gid;
	return true;
}

static int
add_group(struct stage *s, gid_t gid, struct err *e)
{
	for (size_t i = 0; i < s->n_groups; i++)
		if (s->groups[i] == gid)
			return 0;
	if (s->n_groups == STAGE_GROUPS_MAX)
		return err_set(e, ERR_LIMIT, "the user is in more than %d groups", STAGE_GROUPS_MAX);
	s->groups[s->n_groups++] = gid;
	return 0;
}

static int
find_group(const char *name, gid_t *ret, struct err *e)
{
	struct find_group f = { .name = name };
	struct scan scan = { .line = group_line, .ctx = &f };

	if (is_number(name))
		return to_id(name, ret) ? 0 : err_set(e, ERR_INVALID, "gids must be in range 0-65535");
	if (scan_file("/etc/group", &scan, e) < 0)
		return -1;
	if (!f.found)
		return err_set(e, ERR_NOT_FOUND, "unable to find group %s: no matching entries in group file", name);
	*ret = f.gid;
	return 0;
}

struct find_member {
	struct stage *s;
	const char *user;
	bool here;
	struct err *e;
	int r;
};

static void
listed_member(void *ctx, const char *name)
{
	struct find_member *f = ctx;

	f->here = f->here || strcmp(name, f->user) == 0;
}

static bool
member_line(void *ctx, const struct line *l)
{
	struct find_member *f = ctx;
	uid_t gid;

	if (f->here && l->n >= 4 && to_id(l->field[2], &gid))
		f->r = add_group(f->s, gid, f->e);
	f->here = false;
	return f->r < 0;
}

/* Exactly the primary group, those that list the user, and those asked for (CVE-2022-36109). */
static int
collect_groups(struct stage *s, const char *user, struct err *e)
{
	struct find_member f = { .s = s, .user = user, .e = e };
	struct scan scan = { .line = member_line, .member = listed_member, .ctx = &f };

	if (*user != '\0' && scan_file("/etc/group", &scan, e) < 0)
		return -1;
	return f.r;
}

/* HOME as the Docker engine's runtime does it: appended if the environment has none. */
static int
set_env(struct stage *s, const char *home, struct err *e)
{
	const struct strs *env = &s->process->env;
	size_t n = 0;
	bool has_home = false;

	s->env = arena_array(&s->arena, env->n + 2, sizeof *s->env);
	if (s->env == NULL)
		return err_set(e, ERR_NO_MEMORY, "environment");
	for (size_t i = 0; i < env->n; i++) {
		/* "HOME=" counts as none */
		if (strcmp(env->v[i], "HOME=") == 0)
			continue;
		has_home = has_home || text_starts(env->v[i], "HOME=");
		s->env[n++] = env->v[i];
	}
	if (!has_home && (s->env[n++] = arena_printf(&s->arena, "HOME=%s", *home == '/' ? home : "/")) == NULL)
		return err_set(e, ERR_NO_MEMORY, "environment");
	s->env[n] = NULL;
	return 0;
}

int
stage_user(struct stage *s, struct err *e)
{
	const char *text = s->process->user != NULL ? s->process->user : "";
	struct find_user f = { .uid = 0 };
	struct scan scan = { .line = passwd_line, .ctx = &f };
	char user[512];
	const char *colon = strchr(text, ':'), *group = colon != NULL ? colon + 1 : "";
	size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);

	if (n >= sizeof user || strlen(group) >= sizeof user)
		return err_set(e, ERR_INVALID, "unable to find user: the name is too long");
	memcpy(user, text, n);
	user[n] = '\0';
	if (is_number(user)) {
		if (!to_id(user, &f.uid))
			return err_set(e, ERR_INVALID, "uids and gids must be in range 0-65535");
	} else if (n > 0) {
		f.name = user;
	}
	if (scan_file("/etc/passwd", &scan, e) < 0)
		return -1;
	if (f.name != NULL && !f.found)
		return err_set(e, ERR_NOT_FOUND, "unable to find user %s: no matching entries in passwd file", user);
	s->uid = f.uid;
	s->gid = f.found ? f.gid : 0;
	if (*group != '\0' && find_group(group, &s->gid, e) < 0)
		return -1;
	if (add_group(s, s->gid, e) < 0)
		return -1;
	/* with an explicit group the user's own supplementary groups are not taken, as the Docker engine does it */
	if (*group == '\0' && f.found && collect_groups(s, f.user, e) < 0)
		return -1;
	for (size_t i = 0; i < s->process->group_add.n; i++) {
		gid_t gid;

		if (find_group(s->process->group_add.v[i], &gid, e) < 0 || add_group(s, gid, e) < 0)
			return -1;
	}
	return set_env(s, f.home, e);
}
