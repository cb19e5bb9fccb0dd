/* What propagation a bind mount can have: the kernel's list of mounts says whether its source is on a shared one. */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the optional fields are before " - " */
static bool
passes_on(const char *line, bool slave)
{
	const char *end = strstr(line, " - "), *shared = strstr(line, " shared:"), *master = strstr(line, " master:");

	return end != NULL && ((shared != NULL && shared < end) || (slave && master != NULL && master < end));
}

int
propagation_check(const char *path, bool slave, struct err *e)
{
	struct statx st;
	FILE *f;
	char *line = NULL;
	size_t size = 0;
	bool found = false, fine = false;

	/* what cannot be looked at is the mounter's to judge */
	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) < 0 || (st.stx_mask & STATX_MNT_ID) == 0)
		return 0;
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return err_sys(e, errno, "read /proc/self/mountinfo");
	while (!found && getline(&line, &size, f) > 0)
		if (strtoull(line, NULL, 10) == st.stx_mnt_id) {
			found = true;
			fine = passes_on(line, slave);
		}
	free(line);
	fclose(f);
	if (found && !fine)
		return err_set(e, ERR_INVALID, "path %.300s is mounted on a mount that is not a shared%s mount", path, slave ? " or slave" : "");
	return 0;
}
