/* Places where a test can stop the broker, to kill what it wants to kill: BULWARK_CRASH_POINT="create:0:before" (or :after). */
#pragma once
#ifdef BULWARK_CRASH_POINTS
void crash_point(const char *kind, unsigned step, const char *when);
#else
static inline void
crash_point(const char *kind, unsigned step, const char *when)
{
	(void)kind;
	(void)step;
	(void)when;
}
#endif
