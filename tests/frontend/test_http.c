#include "cmocka_all.h"

#include "http.h"

#include <stdlib.h>
#include <string.h>

/* Status of a whole head, 0 if it is good. */
static int
parse(const char *text, struct http_head *h)
{
	struct http_problem why = { 0, NULL };
	size_t scanned = 0, size = 0;
	enum http_result r = http_find_head(text, strlen(text), &scanned, &size, &why);

	if (r == HTTP_MORE)
		return -1;
	if (r == HTTP_OK)
		r = http_parse_head(text, size, h, &why);
	return r == HTTP_OK ? 0 : why.status;
}

static void
head_is_taken_apart(void **state)
{
	struct http_head h;

	assert_int_equal(parse("POST /v1.41/a%20b?x=1&y HTTP/1.1\r\nHost: docker\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n", &h), 0);
	assert_int_equal(h.method.n, 4);
	assert_memory_equal(h.path.p, "/v1.41/a%20b", h.path.n);
	assert_memory_equal(h.query.p, "x=1&y", h.query.n);
	assert_int_equal(h.length, 12);
	assert_true(h.has_length && h.keep_alive && h.expect_continue && !h.chunked);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &h), 0);
	assert_false(h.keep_alive);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive, Close\r\n\r\n", &h), 0);
	assert_false(h.keep_alive);
}

static void
malformed_heads_are_refused(void **state)
{
	static const struct { const char *text; int status; } cases[] = {
		{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417 },
	};
	struct http_head h;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (parse(cases[i].text, &h) != cases[i].status)
			fail_msg("case %zu: %d", i, parse(cases[i].text, &h));
}

static void
heads_have_limits(void **state)
{
	static char text[HTTP_HEAD_MAX + 64];
	struct http_problem why;
	struct http_head h;
	size_t scanned = 0, size, at;

	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	assert_int_equal(http_find_head(text, HTTP_LINE_MAX + 1, &scanned, &size, &why), HTTP_BAD);
	assert_int_equal(why.status, 414);
	at = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	memset(text + at, 'b', sizeof text - at);
	scanned = 0;
	assert_int_equal(http_find_head(text, HTTP_HEAD_MAX, &scanned, &size, &why), HTTP_BAD);
	assert_int_equal(why.status, 431);
	for (int i = 0; i < 100; i++)
		at += (size_t)sprintf(text + at, "X: 1\r\n");
	strcpy(text + at, "\r\n");
	assert_int_equal(parse(text, &h), 431);
	text[3] = '\0';
	scanned = 0;
	assert_int_equal(http_find_head(text, at, &scanned, &size, &why), HTTP_BAD);
}

static void
head_may_come_byte_by_byte(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
	struct http_problem why;
	size_t scanned = 0, size = 0, n;

	for (n = 1; http_find_head(text, n, &scanned, &size, &why) == HTTP_MORE; n++)
		assert_true(n < sizeof text);
	assert_int_equal(n, strlen(text) - 4);
	assert_int_equal(size, n);
}

/* Decodes a chunked body given in pieces of step bytes; the status of a failure, or 0. */
static int
chunks(const char *text, size_t step, char *out, size_t *left)
{
	struct http_chunks c = { .state = CHUNK_SIZE };
	struct http_problem why = { 0, NULL };
	size_t have = 0, at = 0, n = strlen(text);

	*out = '\0';
	for (;;) {
		struct http_str data = { NULL, 0 };
		size_t used;
		enum http_result r = http_next_chunk(&c, text + at, have - at, &used, &data, &why);

		if (r == HTTP_OK)
			strncat(out, data.p, data.n);
		at += used;
		if (r == HTTP_BAD)
			return why.status;
		if (r == HTTP_END) {
			*left = n - at;
			return 0;
		}
		if (r == HTTP_MORE) {
			if (have == n)
				return -1;
			have = n - have < step ? n : have + step;
		}
	}
}

static void
chunks_are_joined_whatever_the_pieces(void **state)
{
	char out[64];
	size_t left;

	for (size_t step = 1; step < 40; step++) {
		assert_int_equal(chunks("5;ext=1\r\nhello\r\n00000001\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET", step, out, &left), 0);
		assert_string_equal(out, "hello!");
		assert_true(left <= 3);
	}
}

static void
malformed_chunks_are_refused(void **state)
{
	static const char *const bad[] = { "\r\n", "g\r\n", "-1\r\n", "5\nhello\r\n", "5 \r\nhello\r\n", "5\r\nhelloX\r\n", "11111111111111111\r\n",
		"ffffffffffffffff\r\n", "0\r\nno colon\r\n\r\n", "1;\x01\r\na\r\n" };
	char out[64];
	size_t left;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (chunks(bad[i], 64, out, &left) != 400)
			fail_msg("case %zu", i);
}

static void
percent_signs_are_decoded_strictly(void **state)
{
	char out[64];

	assert_true(http_unescape((struct http_str){ "a%2Fb+c", 7 }, true, out));
	assert_string_equal(out, "a/b c");
	assert_true(http_unescape((struct http_str){ "%41", 3 }, false, out));
	assert_string_equal(out, "A");
	assert_false(http_unescape((struct http_str){ "%4", 2 }, false, out));
	assert_false(http_unescape((struct http_str){ "%zz", 3 }, false, out));
	assert_false(http_unescape((struct http_str){ "%00", 3 }, false, out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_is_taken_apart), cmocka_unit_test(malformed_heads_are_refused), cmocka_unit_test(heads_have_limits),
		cmocka_unit_test(head_may_come_byte_by_byte), cmocka_unit_test(chunks_are_joined_whatever_the_pieces),
		cmocka_unit_test(malformed_chunks_are_refused), cmocka_unit_test(percent_signs_are_decoded_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
