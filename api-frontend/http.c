#include "http.h"

#include <string.h>
#include <strings.h>

static enum http_result
bad(struct http_problem *why, int status, const char *text)
{
	why->status = status;
	why->text = text;
	return HTTP_BAD;
}

static bool
is_token(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool
http_str_is(const struct http_str *s, const char *text)
{
	return s != NULL && strlen(text) == s->n && strncasecmp(s->p, text, s->n) == 0;
}

static struct http_str
trim(struct http_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
http_str_has_token(const struct http_str *s, const char *token)
{
	struct http_str rest;

	if (s == NULL)
		return false;
	for (rest = *s; rest.n > 0;) {
		const char *comma = memchr(rest.p, ',', rest.n);
		struct http_str one = { rest.p, comma != NULL ? (size_t)(comma - rest.p) : rest.n };
		struct http_str bare = trim(one);

		if (http_str_is(&bare, token))
			return true;
		if (comma == NULL)
			break;
		rest.n -= one.n + 1;
		rest.p = comma + 1;
	}
	return false;
}

enum http_result
http_find_head(const char *p, size_t n, size_t *scanned, size_t *size, struct http_problem *why)
{
	size_t i = *scanned, limit = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;

	while (i < limit) {
		const char *lf = memchr(p + i, '\n', limit - i);
		size_t end = lf != NULL ? (size_t)(lf - p) : limit;

		if (memchr(p + i, '\0', end - i) != NULL)
			return bad(why, 400, "malformed HTTP request: NUL byte");
		if (lf == NULL) {
			i = limit;
			break;
		}
		if (end == 0 || p[end - 1] != '\r')
			return bad(why, 400, "malformed HTTP request: line does not end in CRLF");
		i = end + 1;
		if (end == 1)
			return bad(why, 400, "malformed HTTP request: empty request line");
		if (end >= 3 && p[end - 2] == '\n') {
			*size = i;
			return HTTP_OK;
		}
	}
	*scanned = i;
	/* the request line has a smaller limit of its own */
	if (n > HTTP_LINE_MAX && memchr(p, '\n', HTTP_LINE_MAX) == NULL)
		return bad(why, 414, "request line too long");
	return n >= HTTP_HEAD_MAX ? bad(why, 431, "request header fields too large") : HTTP_MORE;
}

static enum http_result
parse_request_line(struct http_str line, struct http_head *h, struct http_problem *why)
{
	const char *sp = memchr(line.p, ' ', line.n), *end = line.p + line.n, *version, *mark;
	struct http_str target;

	if (line.n > HTTP_LINE_MAX)
		return bad(why, 414, "request line too long");
	if (sp == NULL || sp == line.p || sp - line.p > 32)
		return bad(why, 400, "malformed HTTP request line");
	h->method = (struct http_str){ line.p, (size_t)(sp - line.p) };
	for (size_t i = 0; i < h->method.n; i++)
		if (!is_token((unsigned char)h->method.p[i]))
			return bad(why, 400, "malformed HTTP method");
	target.p = sp + 1;
	version = memchr(target.p, ' ', (size_t)(end - target.p));
	if (version == NULL)
		return bad(why, 400, "malformed HTTP request line");
	target.n = (size_t)(version - target.p);
	version++;
	if (end - version != 8 || memcmp(version, "HTTP/", 5) != 0)
		return bad(why, 400, "malformed HTTP version");
	if (memcmp(version + 5, "1.", 2) != 0)
		return bad(why, 505, "unsupported HTTP version");
	if (version[7] != '0' && version[7] != '1')
		return bad(why, 505, "unsupported HTTP version");
	h->minor = version[7] - '0';
	if (target.n == 0 || (target.p[0] != '/' && !(target.n == 1 && target.p[0] == '*')))
		return bad(why, 400, "malformed request target");
	for (size_t i = 0; i < target.n; i++) {
		unsigned char c = (unsigned char)target.p[i];

		if (c <= ' ' || c == 0x7f || c == '#')
			return bad(why, 400, "malformed request target");
	}
	mark = memchr(target.p, '?', target.n);
	h->path = (struct http_str){ target.p, mark != NULL ? (size_t)(mark - target.p) : target.n };
	h->query = mark != NULL ? (struct http_str){ mark + 1, target.n - h->path.n - 1 } : (struct http_str){ "", 0 };
	return HTTP_OK;
}

static enum http_result
parse_header(struct http_str line, struct http_head *h, struct http_problem *why)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct http_header *header;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return bad(why, 400, "malformed HTTP header: folded line");
	if (colon == NULL || colon == line.p)
		return bad(why, 400, "malformed HTTP header");
	if (h->n_headers == HTTP_HEADERS_MAX)
		return bad(why, 431, "too many request header fields");
	header = &h->headers[h->n_headers++];
	header->name = (struct http_str){ line.p, (size_t)(colon - line.p) };
	for (size_t i = 0; i < header->name.n; i++)
		if (!is_token((unsigned char)header->name.p[i]))
			return bad(why, 400, "malformed HTTP header name");
	header->value = trim((struct http_str){ colon + 1, line.n - header->name.n - 1 });
	for (size_t i = 0; i < header->value.n; i++) {
		unsigned char c = (unsigned char)header->value.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return bad(why, 400, "malformed HTTP header value");
	}
	return HTTP_OK;
}

const struct http_str *
http_header(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_headers; i++)
		if (http_str_is(&h->headers[i].name, name))
			return &h->headers[i].value;
	return NULL;
}

static size_t
count_headers(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_headers; i++)
		if (http_str_is(&h->headers[i].name, name))
			n++;
	return n;
}

static bool
parse_length(struct http_str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return v <= HTTP_BODY_MAX;
}

/* What follows the head, and whether the connection lives on. */
static enum http_result
derive(struct http_head *h, struct http_problem *why)
{
	const struct http_str *length = http_header(h, "content-length"), *coding = http_header(h, "transfer-encoding");
	const struct http_str *connection = http_header(h, "connection"), *expect = http_header(h, "expect");
	size_t hosts = count_headers(h, "host");

	if (count_headers(h, "content-length") > 1 || count_headers(h, "transfer-encoding") > 1)
		return bad(why, 400, "malformed HTTP request: more than one length");
	if (length != NULL && coding != NULL)
		return bad(why, 400, "malformed HTTP request: both Content-Length and Transfer-Encoding");
	if (hosts > 1 || (hosts == 0 && h->minor >= 1))
		return bad(why, 400, "malformed HTTP request: exactly one Host header is required");
	if (length != NULL) {
		if (!parse_length(*length, &h->length))
			return bad(why, 400, "malformed Content-Length");
		h->has_length = true;
	}
	if (coding != NULL) {
		if (h->minor == 0)
			return bad(why, 400, "malformed HTTP request: Transfer-Encoding in HTTP/1.0");
		if (!http_str_is(coding, "chunked"))
			return bad(why, 501, "unsupported transfer encoding");
		h->chunked = true;
	}
	if (expect != NULL) {
		if (!http_str_is(expect, "100-continue"))
			return bad(why, 417, "unsupported expectation");
		h->expect_continue = h->minor >= 1;
	}
	h->keep_alive = h->minor >= 1 ? !http_str_has_token(connection, "close") : http_str_has_token(connection, "keep-alive");
	h->upgrade = http_header(h, "upgrade") != NULL;
	return HTTP_OK;
}

enum http_result
http_parse_head(const char *p, size_t n, struct http_head *h, struct http_problem *why)
{
	const char *end = p + n;
	bool first = true;

	memset(h, 0, sizeof *h);
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *cr;
		struct http_str line;
		enum http_result r;

		if (lf == NULL || lf == p || lf[-1] != '\r')
			return bad(why, 400, "malformed HTTP request: line does not end in CRLF");
		cr = lf - 1;
		line = (struct http_str){ p, (size_t)(cr - p) };
		if (memchr(line.p, '\r', line.n) != NULL || memchr(line.p, '\0', line.n) != NULL)
			return bad(why, 400, "malformed HTTP request: control character");
		p = lf + 1;
		if (line.n == 0)
			break;
		r = first ? parse_request_line(line, h, why) : parse_header(line, h, why);
		if (r != HTTP_OK)
			return r;
		first = false;
	}
	if (first || p != end)
		return bad(why, 400, "malformed HTTP request");
	return derive(h, why);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#define CHUNK_LINE_MAX 1024

/* size [ ";" extensions ] CRLF */
static enum http_result
chunk_size(struct http_chunks *c, const char *p, size_t n, size_t *used, struct http_problem *why)
{
	const char *lf = memchr(p, '\n', n < CHUNK_LINE_MAX ? n : CHUNK_LINE_MAX);
	size_t i = 0, len;
	uint64_t size = 0;

	if (lf == NULL)
		return n >= CHUNK_LINE_MAX ? bad(why, 400, "malformed chunk") : HTTP_MORE;
	len = (size_t)(lf - p);
	if (len == 0 || p[len - 1] != '\r')
		return bad(why, 400, "malformed chunk");
	len--;
	for (; i < len && hex_digit(p[i]) >= 0; i++) {
		if (i >= 16)
			return bad(why, 400, "malformed chunk size");
		size = size << 4 | (uint64_t)hex_digit(p[i]);
	}
	if (i == 0 || size > HTTP_BODY_MAX || (i < len && p[i] != ';'))
		return bad(why, 400, "malformed chunk size");
	for (; i < len; i++)
		if (((unsigned char)p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			return bad(why, 400, "malformed chunk extension");
	*used += (size_t)(lf - p) + 1;
	c->left = size;
	c->state = size > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return HTTP_OK;
}

/* Trailers are bounded and thrown away. */
static enum http_result
chunk_trailer(struct http_chunks *c, const char *p, size_t n, size_t *used, struct http_problem *why)
{
	const char *lf = memchr(p, '\n', n);
	size_t len;

	if (lf == NULL)
		return n + c->trailer >= HTTP_TRAILER_MAX ? bad(why, 431, "trailers too large") : HTTP_MORE;
	len = (size_t)(lf - p) + 1;
	c->trailer += len;
	if (c->trailer > HTTP_TRAILER_MAX)
		return bad(why, 431, "trailers too large");
	if (len < 2 || p[len - 2] != '\r' || memchr(p, '\0', len) != NULL || memchr(p, '\r', len - 2) != NULL)
		return bad(why, 400, "malformed trailer");
	if (len > 2 && (memchr(p, ':', len) == NULL || !is_token((unsigned char)p[0])))
		return bad(why, 400, "malformed trailer");
	*used += len;
	if (len == 2)
		c->state = CHUNK_DONE;
	return HTTP_OK;
}

enum http_result
http_next_chunk(struct http_chunks *c, const char *p, size_t n, size_t *used, struct http_str *data, struct http_problem *why)
{
	enum http_result r;

	*used = 0;
	for (;;) {
		const char *at = p + *used;
		size_t left = n - *used;

		if (c->state == CHUNK_DONE)
			return HTTP_END;
		if (left == 0)
			return HTTP_MORE;
		switch (c->state) {
		case CHUNK_SIZE:
			r = chunk_size(c, at, left, used, why);
			break;
		case CHUNK_DATA:
			data->p = at;
			data->n = c->left < left ? (size_t)c->left : left;
			*used += data->n;
			c->left -= data->n;
			if (c->left == 0)
				c->state = CHUNK_DATA_END;
			return HTTP_OK;
		case CHUNK_DATA_END:
			if (at[0] != '\r' || (left >= 2 && at[1] != '\n'))
				return bad(why, 400, "malformed chunk");
			if (left < 2)
				return HTTP_MORE;
			*used += 2;
			c->state = CHUNK_SIZE;
			r = HTTP_OK;
			break;
		case CHUNK_TRAILER:
			r = chunk_trailer(c, at, left, used, why);
			break;
		case CHUNK_DONE:
		default:
			return HTTP_END;
		}
		if (r != HTTP_OK)
			return r;
	}
}

bool
http_unescape(struct http_str in, bool plus, char *out)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '%') {
			int high = in.n - i > 2 ? hex_digit(in.p[i + 1]) : -1, low = in.n - i > 2 ? hex_digit(in.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (plus && c == '+') {
			c = ' ';
		}
		if (c == '\0')
			return false;
		*out++ = c;
	}
	*out = '\0';
	return true;
}
