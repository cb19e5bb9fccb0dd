/*
 * Errors. A function that can fail returns 0 or -1 and fills a caller-owned struct err: a class from a small closed
 * set, the errno if there was one, and a bounded text. Nothing here allocates, so it works when memory is gone.
 * Set it where the fact is known, wrap it where a name helps, log it once at the top.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>

enum err_code {
	ERR_NONE,
	ERR_INVALID,       /* 400 */
	ERR_NOT_FOUND,     /* 404 */
	ERR_CONFLICT,      /* 409 */
	ERR_DENIED,        /* 403 */
	ERR_NOT_MODIFIED,  /* 304 */
	ERR_LIMIT,         /* a bound was reached: 500, and the peer goes on */
	ERR_NO_MEMORY,     /* 500 */
	ERR_UNSUPPORTED,   /* 501 */
	ERR_UNAVAILABLE,   /* 503 */
	ERR_PROTOCOL,      /* the peer broke the message rules: its channel is closed */
	ERR_SYSTEM,        /* 500 */
	ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	int sys;            /* errno, or 0 */
	char text[512];     /* what to tell: never truncated in the middle of a wrap, only at the end */
};

#define ERR_INIT { .code = ERR_NONE }
#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

/* All return -1, so that "return err_set(...)" reads well. err_sys appends ": <strerror>". err_wrap puts "text: " in front. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) printf_like(3, 4);
int err_sys(struct err *e, int sys, const char *fmt, ...) printf_like(3, 4);
int err_wrap(struct err *e, const char *fmt, ...) printf_like(2, 3);
/* That they return -1 is visible to whoever compiles or analyses the caller. */
static inline int
err_failed(void)
{
	return -1;
}
#define err_set(...) (err_set(__VA_ARGS__), err_failed())
#define err_sys(...) (err_sys(__VA_ARGS__), err_failed())
#define err_wrap(...) (err_wrap(__VA_ARGS__), err_failed())
void err_clear(struct err *e);
/* Short lower-case name of a class, for logs. */
const char *err_name(enum err_code code);
