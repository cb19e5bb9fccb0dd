/* Strict parsing and printing of small texts: numbers, ids, times, addresses. Nothing here allocates. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only: no sign, space or leftover; false if out of [0, max]. */
bool text_to_u64(const char *s, uint64_t max, uint64_t *ret);
bool text_is_hex(const char *s, size_t n);               /* exactly n lower-case hex digits */
bool text_is_id(const char *s);                          /* 64 hex digits */
/* A name that is one safe path component: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most max bytes. */
bool text_is_name(const char *s, size_t max);
void text_hex(char *out, const void *bytes, size_t n);   /* writes 2n digits and NUL */
bool text_random(void *bytes, size_t n);                 /* getrandom(2) */
void text_random_id(char out[65]);                       /* 64 random hex digits; all zero never */
bool text_copy(char *dst, size_t size, const char *src); /* false (and dst "") if it does not fit */
bool text_starts(const char *s, const char *prefix);
/* RFC 3339 with nanoseconds in UTC; 0 gives 0001-01-01T00:00:00Z. out holds at least 40 bytes. */
void text_time(char *out, int64_t ns);
bool text_to_time(const char *s, int64_t *ret_ns);       /* RFC 3339, any offset */
/* "172.17.0.1" and "172.17.0.1/16"; addresses in host byte order. */
bool text_to_ip4(const char *s, uint32_t *ret);
bool text_to_cidr4(const char *s, uint32_t *ret_addr, unsigned *ret_prefix);
void text_ip4(char out[16], uint32_t addr);
/* Signal by number, name or name without SIG (real-time ones as RTMIN+n, RTMAX-n); 0 if unknown. */
int text_to_signal(const char *s);
