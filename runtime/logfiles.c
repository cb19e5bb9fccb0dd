#include "logfiles.h"

#include "fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
logfiles_base(char name[LOGFILE_NAME], const char *format, const char *id)
{
	if (strcmp(format, "local") == 0)
		snprintf(name, LOGFILE_NAME, "local.log");
	else
		snprintf(name, LOGFILE_NAME, "%.64s-json.log", id);
}

void
logfiles_name(char out[LOGFILE_NAME], const char *base, int i, bool gz)
{
	if (i > 0)
		snprintf(out, LOGFILE_NAME, "%.96s.%d%s", base, i, gz ? ".gz" : "");
	else
		snprintf(out, LOGFILE_NAME, "%.96s", base);
}

static int
open_one(int dir, const char *base, int i, bool gz)
{
	char name[LOGFILE_NAME];
	own_fd fd = -1;
	struct stat st;

	logfiles_name(name, base, i, gz);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return fd_take(&fd);
}

size_t
logfiles_open(int dir, const char *base, int files, int *fds, size_t max)
{
	size_t n = 0;

	for (int i = 0; i < files && n < max; i++) {
		int fd = open_one(dir, base, i, false);

		if (fd < 0 && i > 0)
			fd = open_one(dir, base, i, true);
		/* a file that is just being rotated is missing for an instant; two of them are the end */
		if (fd < 0 && i > 1)
			break;
		if (fd >= 0)
			fds[n++] = fd;
	}
	for (size_t i = 0; i < n / 2; i++) {
		int swap = fds[i];

		fds[i] = fds[n - 1 - i];
		fds[n - 1 - i] = swap;
	}
	return n;
}
