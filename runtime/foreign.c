/* A container that another runtime made: its first process is the oldest child of the sandbox's, which the monitor looks after.
   That one waits, undumpable, and nobody may enter it; what is entered, signalled and shown is the child. When the child ends, so does the
   sandbox's. */
#include "runtime.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

void
foreign_find(struct mon *m)
{
	char path[64], text[32] = "";
	own_fd list = -1, pidfd = -1;
	pid_t pid = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", m->pid, m->pid);
	list = open(path, O_RDONLY | O_CLOEXEC);
	/* the list may be long; the first is what is wanted. None: it has ended already */
	if (list >= 0 && read(list, text, sizeof text - 1) > 0)
		pid = (pid_t)strtol(text, NULL, 10);
	if (pid <= 0 || (pidfd = pidfd_open(pid, 0)) < 0) {
		log_msg(LOG_DEBUG, "the first process of %.12s is not to be seen", m->box->id);
		return;
	}
	m->pid = pid;
	fd_close(&m->pidfd);
	m->pidfd = fd_take(&pidfd);
}
