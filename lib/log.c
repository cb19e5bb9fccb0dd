#include "log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *role;
	enum log_level min;
	bool json;
} state = { .role = "bulwark", .min = LOG_INFO };

static const char *const level_names[] = {
	[LOG_TRACE] = "trace", [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warning",
	[LOG_ERROR] = "error", [LOG_FATAL] = "fatal", [LOG_PANIC] = "panic", [LOG_ATTACK] = "attack",
};

void
log_init(const char *role, enum log_level min, bool format_json)
{
	state.role = role;
	state.min = min;
	state.json = format_json;
}

int
log_level_parse(const char *name, enum log_level *ret)
{
	static const char *const names[] = { "trace", "debug", "info", "warn", "error", "fatal", "panic" };

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -1;
}

/* Copies text with quotes, backslashes and control bytes escaped, so that a line stays one line. */
static void
escape(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 7 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			out[used++] = '\\';
			out[used++] = (char)c;
		} else if (c == '\n') {
			out[used++] = '\\';
			out[used++] = 'n';
		} else if (c < 0x20 || c == 0x7f) {
			used += (size_t)snprintf(out + used, size - used, "\\u%04x", c);
		} else {
			out[used++] = (char)c;
		}
	}
	out[used] = '\0';
}

static void
emit(enum log_level level, const char *text, const char *class)
{
	char stamp[64], body[1400], line[1700];
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp + n, sizeof stamp - n, ".%09ldZ", now.tv_nsec);
	escape(body, sizeof body, text);
	if (state.json)
		n = (size_t)snprintf(line, sizeof line, "{\"level\":\"%s\",\"msg\":\"%s\",\"role\":\"%s\"%s%s%s,\"time\":\"%s\"}\n",
		    level_names[level], body, state.role, class ? ",\"class\":\"" : "", class ? class : "", class ? "\"" : "", stamp);
	else
		n = (size_t)snprintf(line, sizeof line, "time=\"%s\" level=%s msg=\"%s\" role=%s%s%s\n", stamp, level_names[level],
		    body, state.role, class ? " class=" : "", class ? class : "");
	if (n >= sizeof line)
		n = sizeof line - 1;
	/* one write, so that lines of several processes do not mix; nothing can be done about a failure */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	if (level < state.min)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	emit(level, text, NULL);
}

void
log_err(enum log_level level, const struct err *e, const char *fmt, ...)
{
	char text[1200];
	va_list ap;
	size_t used;

	if (level < state.min)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	used = strlen(text);
	snprintf(text + used, sizeof text - used, ": %s", e->text);
	emit(level, text, err_name(e->code));
}

#ifdef BULWARK_SANITIZED
/* The leak checker looks at its process from another one, which no sandbox here allows; tests switch it on for themselves. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif
