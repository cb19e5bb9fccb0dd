/* Runs inside a container as its root, with CAP_SYS_PTRACE, while others enter: tries to get at whoever does. Static. Prints what
   it got from a process that is not the container's own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int seen, got;

static int
is_stranger(const char *pid)
{
	char path[300], name[64] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	fd = open(path, O_RDONLY);
	n = fd >= 0 ? read(fd, name, sizeof name - 1) : -1;
	if (fd >= 0)
		close(fd);
	return n > 0 && strncmp(name, "bulwark", 7) == 0;
}

static void
attack(const char *pid)
{
	static const char *const files[] = { "exe", "mem", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "fd/6", "root/etc/passwd", "cwd", "ns/user", "environ" };
	char path[300];

	seen++;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		int fd;

		snprintf(path, sizeof path, "/proc/%s/%s", pid, files[i]);
		/* it may have become the container's program in between: looked at again after */
		fd = open(path, i == 1 ? O_RDWR : O_RDONLY | O_NONBLOCK);
		if (fd >= 0 && is_stranger(pid)) {
			printf("got %s\n", path);
			got++;
		}
		if (fd >= 0)
			close(fd);
	}
	if (ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) == 0) {
		if (is_stranger(pid)) {
			printf("traced %s\n", pid);
			got++;
		}
		(void)ptrace(PTRACE_INTERRUPT, atoi(pid), 0, 0);
		(void)waitpid(atoi(pid), NULL, __WALL);
		(void)ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
	}
}

int
main(void)
{
	time_t end = time(NULL) + 4;

	/* on the host it would get at everything: only ever as the first process of a container */
	if (getpid() != 1)
		return 2;
	while (time(NULL) < end) {
		DIR *d = opendir("/proc");
		struct dirent *entry;

		while (d != NULL && (entry = readdir(d)) != NULL)
			if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_stranger(entry->d_name))
				attack(entry->d_name);
		if (d != NULL)
			closedir(d);
	}
	printf("strangers seen: %s, got: %d\n", seen > 0 ? "yes" : "no", got);
	return 0;
}
