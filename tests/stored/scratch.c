#include "scratch.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int
scratch_dir(void)
{
	static int fd = -1;
	char path[] = "/tmp/bulwark-fuzz-XXXXXX";

	if (fd >= 0)
		return fd;
	umask(0);
	if (geteuid() == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0)
			abort();
		fd = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (mkdtemp(path) != NULL) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		abort();
	return fd;
}
