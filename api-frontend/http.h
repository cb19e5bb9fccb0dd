/*
 * HTTP/1.1 requests (RFC 9112), strictly: pure functions over a buffer, without memory of their own. What two parsers could
 * read in two ways (bare LF, folded lines, both lengths, spaces before colons, ...) is an error that ends the connection.
 */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_MAX    8192
#define HTTP_HEAD_MAX    65536
#define HTTP_HEADERS_MAX 100
#define HTTP_BODY_MAX    (UINT64_C(1) << 50)   /* of any body or chunk */
#define HTTP_TRAILER_MAX 8192

struct http_str { const char *p; size_t n; };
struct http_header { struct http_str name, value; };

struct http_head {
	struct http_str method, path, query;   /* path as sent, still with percent signs */
	int minor;                             /* HTTP/1.minor */
	size_t n_headers;
	struct http_header headers[HTTP_HEADERS_MAX];
	bool has_length, chunked, keep_alive, expect_continue, upgrade;
	uint64_t length;
};

enum http_result { HTTP_MORE, HTTP_OK, HTTP_END, HTTP_BAD };
struct http_problem { int status; const char *text; };

/* Looks for the end of a head in the n bytes at p; *scanned remembers how far it looked (start with 0). HTTP_OK: *size
   bytes make the head, its empty line included. */
enum http_result http_find_head(const char *p, size_t n, size_t *scanned, size_t *size, struct http_problem *why);
/* Parses a whole head as found; the strings point into it. HTTP_OK or HTTP_BAD. */
enum http_result http_parse_head(const char *p, size_t n, struct http_head *ret, struct http_problem *why);
/* The one header of that (lower-case) name, or NULL. */
const struct http_str *http_header(const struct http_head *h, const char *name);
bool http_str_is(const struct http_str *s, const char *text);           /* ignoring case */
bool http_str_has_token(const struct http_str *s, const char *token);   /* in a comma list, ignoring case */

/* A chunked body. */
struct http_chunks {
	enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
	uint64_t left;
	size_t trailer;
};
/* Takes what it can of the n bytes at p: *used bytes are consumed; HTTP_OK: *data is a piece of the body (may not be
   empty), HTTP_END: the body is complete, HTTP_MORE: more bytes are needed. */
enum http_result http_next_chunk(struct http_chunks *c, const char *p, size_t n, size_t *used, struct http_str *data,
    struct http_problem *why);

/* Percent decoding in place of its caller's buffer: out has room for in.n + 1 bytes. plus: '+' is a space. False for a bad
   escape or a NUL byte. */
bool http_unescape(struct http_str in, bool plus, char *out);
