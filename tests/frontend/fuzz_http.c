/* Heads and chunked bodies: the first byte says which. */
#include "fuzz.h"

#include "http.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_problem why;
	struct http_head h;
	size_t scanned = 0, size = 0, at = 0;

	if (n == 0)
		return 0;
	if (data[0] % 2 == 0) {
		const char *p = (const char *)data + 1;

		/* in two pieces, as it may come */
		if (http_find_head(p, (n - 1) / 2, &scanned, &size, &why) == HTTP_MORE)
			(void)http_find_head(p, n - 1, &scanned, &size, &why);
		if (size > 0 && http_parse_head(p, size, &h, &why) == HTTP_OK) {
			char *out = malloc(h.query.n + h.path.n + 1);

			if (http_unescape(h.path, false, out) && strlen(out) > h.path.n)
				abort();
			(void)http_unescape(h.query, true, out);
			free(out);
		}
		return 0;
	}
	struct http_chunks c = { .state = CHUNK_SIZE };

	for (at = 1;;) {
		struct http_str piece;
		size_t used;
		enum http_result r = http_next_chunk(&c, (const char *)data + at, n - at, &used, &piece, &why);

		if (used > n - at)
			abort();
		at += used;
		if (r != HTTP_OK)
			return 0;
	}
}
