/*
 * Structured logging to standard error, in the Docker engine's two formats: text (time="..." level=... msg="..."
 * key=value) and json. Outside text is quoted and bounded. LOG_ATTACK marks a peer that broke the rules: it means
 * compromise, not bad luck; it is never filtered.
 */
#pragma once
#include "err.h"

#include <stdbool.h>

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL, LOG_PANIC, LOG_ATTACK };

/* role names the writer; format_json selects the format. */
void log_init(const char *role, enum log_level min, bool format_json);
int log_level_parse(const char *name, enum log_level *ret);   /* trace debug info warn error fatal panic; -1 if unknown */
void log_msg(enum log_level level, const char *fmt, ...) printf_like(2, 3);
/* One line with the error's class. */
void log_err(enum log_level level, const struct err *e, const char *fmt, ...) printf_like(3, 4);
