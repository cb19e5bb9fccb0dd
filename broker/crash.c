#include "crash.h"

#ifdef BULWARK_CRASH_POINTS
#include "log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
crash_point(const char *kind, unsigned step, const char *when)
{
	const char *wish = getenv("BULWARK_CRASH_POINT");
	char here[96];
	size_t n;

	if (wish == NULL)
		return;
	n = (size_t)snprintf(here, sizeof here, "%s:%u:%s", kind, step, when);
	/* what follows another colon names the process that the test kills: it is the test's business */
	if (n >= sizeof here || strncmp(wish, here, n) != 0 || (wish[n] != '\0' && wish[n] != ':'))
		return;
	unsetenv("BULWARK_CRASH_POINT");
	log_msg(LOG_WARN, "crash point reached: %s", here);
	raise(SIGSTOP);
}
#else
typedef int crash_points_are_not_built;
#endif
