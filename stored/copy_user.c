/* Whose copied files become (docker cp -a, when the container has a user): read from the container's own files, which may be anything. */
#include "copy.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)
#define ID_MAX_  65535

/* The n-th field of a line, NUL-terminated in place by the caller's copy; NULL if there are fewer. */
static char *
field(char *line, unsigned n)
{
	while (n-- > 0 && line != NULL) {
		line = strchr(line, ':');
		if (line != NULL)
			*line++ = '\0';
	}
	return line;
}

static bool
to_id(const char *text, uid_t *ret)
{
	uint64_t v;

	if (text == NULL || !text_to_u64(text, ID_MAX_, &v))
		return false;
	*ret = (uid_t)v;
	return true;
}

/* The line whose first field is name (or, with by_id, whose third is); the ids of its third and fourth field. */
static bool
look_up(const char *path, const char *name, bool by_id, uid_t *id, gid_t *group)
{
	static char text[FILE_MAX];
	own_fd fd = copy_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;
	char *save = NULL;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (n = pread(fd, text, sizeof text - 1, 0)) <= 0)
		return false;
	text[n] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		char *rest = field(line, 1), *third = field(rest, 1), *fourth = field(third, 1), *fifth = field(fourth, 1);
		gid_t g = 0;

		(void)fifth;
		if (third == NULL || strcmp(by_id ? third : line, name) != 0 || !to_id(third, id))
			continue;
		if (group != NULL && to_id(fourth, &g))
			*group = g;
		return true;
	}
	return false;
}

int
copy_user(const char *user, struct copy_ids *ret, struct err *e)
{
	char copy[1100], *group;
	bool number;

	*ret = (struct copy_ids){ .set = false };
	if (user == NULL || *user == '\0')
		return 0;
	if (!text_copy(copy, sizeof copy, user))
		return err_set(e, ERR_INVALID, "user is too long");
	group = strchr(copy, ':');
	if (group != NULL)
		*group++ = '\0';
	number = copy[0] != '\0' && copy[strspn(copy, "0123456789")] == '\0';
	if (number ? !to_id(copy, &ret->uid) : !look_up("/etc/passwd", copy, false, &ret->uid, &ret->gid))
		return err_set(e, ERR_INVALID, "unable to find user %.200s: no matching entries in passwd file", copy);
	if (number && group == NULL)
		(void)look_up("/etc/passwd", copy, true, &ret->uid, &ret->gid);
	if (group != NULL && !to_id(group, &ret->gid) && !look_up("/etc/group", group, false, &ret->gid, NULL))
		return err_set(e, ERR_INVALID, "unable to find group %.200s: no matching entries in group file", group);
	ret->set = true;
	return 0;
}
