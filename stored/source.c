#include "source.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
source_is_compressed(const void *data, size_t n)
{
	static const struct { const char *magic; size_t n; } kinds[] = {
		{ "\x1f\x8b\x08", 3 }, { "BZh", 3 }, { "\xfd" "7zXZ\0", 6 }, { "\x28\xb5\x2f\xfd", 4 },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (n >= kinds[i].n && memcmp(data, kinds[i].magic, kinds[i].n) == 0)
			return true;
	return false;
}

static ssize_t
read_fd(struct source *s, void *to, size_t n)
{
	ssize_t r;

	do
		r = read(s->fd, to, n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		s->sys = errno;
	return r;
}

/* libarchive asks for compressed bytes: first those that were read to find out what it is */
static la_ssize_t
on_read(struct archive *a, void *ctx, const void **ret)
{
	struct source *s = ctx;
	ssize_t n;

	if (s->raw_at < s->raw_end) {
		n = (ssize_t)(s->raw_end - s->raw_at);
		*ret = s->raw + s->raw_at;
		s->raw_at = s->raw_end;
		return n;
	}
	n = s->fd >= 0 ? read_fd(s, s->raw, SOURCE_SIZE) : 0;
	if (n < 0)
		archive_set_error(a, s->sys, "read");
	*ret = s->raw;
	return n;
}

static int
filter_error(struct source *s, struct err *e)
{
	const char *text = archive_error_string(s->filter);

	if (s->sys != 0)
		return err_sys(e, s->sys, "read");
	if (text != NULL && (strstr(text, "runcated") != NULL || strstr(text, "nexpected end") != NULL))
		return err_set(e, ERR_INVALID, "unexpected EOF");
	return err_set(e, ERR_INVALID, "cannot decompress: %s", text != NULL ? text : "invalid data");
}

static int
open_filter(struct source *s, struct err *e)
{
	struct archive_entry *entry;

	s->filter = archive_read_new();
	if (s->filter == NULL)
		return err_set(e, ERR_NO_MEMORY, "decompression");
	if (archive_read_support_format_raw(s->filter) != ARCHIVE_OK || archive_read_support_filter_gzip(s->filter) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(s->filter) != ARCHIVE_OK || archive_read_support_filter_xz(s->filter) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(s->filter) != ARCHIVE_OK || archive_read_open(s->filter, s, NULL, on_read, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(s->filter, &entry) != ARCHIVE_OK)
		return filter_error(s, e);
	return 0;
}

int
source_open_plain(struct source *s, int fd, struct err *e)
{
	*s = (struct source){ .fd = fd, .buf = malloc(SOURCE_SIZE) };
	return s->buf != NULL ? 0 : err_set(e, ERR_NO_MEMORY, "input");
}

int
source_open(struct source *s, int fd, struct err *e)
{
	if (source_open_plain(s, fd, e) < 0)
		return -1;
	if (source_want(s, 8, e) < 0)
		return -1;
	if (!source_is_compressed(s->buf, s->end))
		return 0;
	s->raw = s->buf;
	s->raw_end = s->end;
	s->at = s->end = 0;
	s->eof = false;
	s->buf = malloc(SOURCE_SIZE);
	if (s->buf == NULL)
		return err_set(e, ERR_NO_MEMORY, "input");
	return open_filter(s, e);
}

void
source_open_memory(struct source *s, const void *data, size_t n)
{
	*s = (struct source){ .fd = -1, .buf = (unsigned char *)(uintptr_t)data, .end = n, .eof = true, .borrowed = true };
}

void
source_done(struct source *s)
{
	if (s->filter != NULL)
		archive_read_free(s->filter);
	if (!s->borrowed)
		free(s->buf);
	free(s->raw);
	*s = (struct source){ .fd = -1 };
}

static int
fill(struct source *s, struct err *e)
{
	size_t room = SOURCE_SIZE - s->end;
	ssize_t n = s->filter != NULL ? archive_read_data(s->filter, s->buf + s->end, room) : read_fd(s, s->buf + s->end, room);

	if (n < 0)
		return s->filter != NULL ? filter_error(s, e) : err_sys(e, s->sys, "read");
	if (n == 0)
		s->eof = true;
	s->end += (size_t)n;
	return 0;
}

int64_t
source_want(struct source *s, size_t n, struct err *e)
{
	if (n > SOURCE_SIZE)
		return err_set(e, ERR_LIMIT, "input of %zu bytes at once", n);
	if (s->end - s->at < n && !s->eof && s->at > 0) {
		memmove(s->buf, s->buf + s->at, s->end - s->at);
		s->end -= s->at;
		s->at = 0;
	}
	while (s->end - s->at < n && !s->eof)
		if (fill(s, e) < 0)
			return -1;
	return (int64_t)(s->end - s->at);
}

void
source_pass(struct source *s, size_t n)
{
	s->at += n;
	s->passed += n;
}

int64_t
source_read(struct source *s, void *to, size_t n, struct err *e)
{
	int64_t have = source_want(s, 1, e);

	if (have < 0)
		return -1;
	if ((uint64_t)have < n)
		n = (size_t)have;
	memcpy(to, s->buf + s->at, n);
	source_pass(s, n);
	return (int64_t)n;
}
