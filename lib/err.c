#include "err.h"

#undef err_set
#undef err_sys
#undef err_wrap

#include <stdio.h>
#include <string.h>

static enum err_code
code_of_errno(int sys)
{
	if (sys == 12 /* ENOMEM */)
		return ERR_NO_MEMORY;
	return ERR_SYSTEM;
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	e->sys = 0;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return -1;
}

int
err_sys(struct err *e, int sys, const char *fmt, ...)
{
	va_list ap;
	char reason[128];
	size_t used;

	e->code = code_of_errno(sys);
	e->sys = sys;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	snprintf(e->text + used, sizeof e->text - used, ": %s", strerror_r(sys, reason, sizeof reason));
	return -1;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	va_list ap;
	char front[2 * sizeof e->text + 3];
	size_t used;

	va_start(ap, fmt);
	vsnprintf(front, sizeof e->text, fmt, ap);
	va_end(ap);
	used = strlen(front);
	snprintf(front + used, sizeof front - used, ": %s", e->text);
	front[sizeof e->text - 1] = '\0';
	memcpy(e->text, front, sizeof e->text);
	return -1;
}

void
err_clear(struct err *e)
{
	e->code = ERR_NONE;
	e->sys = 0;
	e->text[0] = '\0';
}

const char *
err_name(enum err_code code)
{
	static const char *const names[ERR_CODE_COUNT] = {
		[ERR_NONE] = "none", [ERR_INVALID] = "invalid", [ERR_NOT_FOUND] = "not-found",
		[ERR_CONFLICT] = "conflict", [ERR_DENIED] = "denied", [ERR_NOT_MODIFIED] = "not-modified",
		[ERR_LIMIT] = "limit", [ERR_NO_MEMORY] = "no-memory", [ERR_UNSUPPORTED] = "unsupported",
		[ERR_UNAVAILABLE] = "unavailable", [ERR_PROTOCOL] = "protocol", [ERR_SYSTEM] = "system",
	};

	return (unsigned)code < ERR_CODE_COUNT ? names[code] : "unknown";
}
