/* What is refused is logged, and nearly everything here is refused: the log of the fuzz targets goes nowhere. */
#include "log.h"

void
log_init(const char *role, enum log_level min, bool format_json)
{
}

int
log_level_parse(const char *name, enum log_level *ret)
{
	return -1;
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
}

void
log_err(enum log_level level, const struct err *e, const char *fmt, ...)
{
}
