/* What must be known of a container when everybody who knew is gone: small files with a checksum, renamed into place. */
#pragma once
#include "wire.h"

struct exit_status {
	int code;
	bool oom_killed;
	int64_t finished_at;
};

int exit_write(int dir, const char *name, const struct exit_status *s, struct err *e) must_check;
/* 1 read, 0 not there, -1 not readable or torn. */
int exit_read(int dir, const char *name, struct exit_status *ret);
int state_write(int dir, const char *name, const struct w_start *s, struct err *e) must_check;
int state_read(int dir, const char *name, struct arena *a, struct w_start *ret);
