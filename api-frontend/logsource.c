#include "logsource.h"

#include "fd.h"
#include "logframe.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
log_source_close(struct log_source *s)
{
	if (s->gz)
		(void)inflateEnd(&s->z);
	s->gz = s->known = s->frames = s->skipping = s->ended = false;
	s->offset = 0;
	s->skip = 0;
	/* a record that its writer never ended (it was killed) ends with its file */
	buf_reset(&s->block);
	s->taken = 0;
	fd_close(&s->fd);
}

void
log_source_open(struct log_source *s, int fd)
{
	log_source_close(s);
	s->fd = fd;
}

void
log_source_done(struct log_source *s)
{
	log_source_close(s);
	buf_done(&s->block);
	buf_done(&s->scratch);
}

static ssize_t
pread_all(int fd, void *to, size_t n, uint64_t offset)
{
	ssize_t r;

	do
		r = pread(fd, to, n, (off_t)offset);
	while (r < 0 && errno == EINTR);
	return r;
}

static bool
look(struct log_source *s)
{
	unsigned char magic[2];

	if (pread_all(s->fd, magic, 2, 0) != 2)
		return false;
	memset(&s->z, 0, sizeof s->z);
	if (magic[0] == 0x1f && magic[1] == 0x8b && inflateInit2(&s->z, 31) == Z_OK)
		s->gz = true;
	s->frames = magic[0] == 0xb0;
	s->known = true;
	return true;
}

/* At most LOG_BLOCK bytes of text a call, however small the file: who wants more asks again. */
static int
read_gz(struct log_source *s)
{
	unsigned char in[16384];
	size_t before = s->block.used;
	int r = Z_OK;

	s->z.next_out = s->block.data + before;
	s->z.avail_out = (uInt)LOG_BLOCK;
	while (r == Z_OK && s->z.avail_out > 0 && !s->ended) {
		ssize_t n = pread_all(s->fd, in, sizeof in, s->offset);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		s->z.next_in = in;
		s->z.avail_in = (uInt)n;
		r = inflate(&s->z, Z_NO_FLUSH);
		s->offset += (uint64_t)n - s->z.avail_in;
		if (r != Z_OK && r != Z_BUF_ERROR)
			s->ended = true;   /* its end, or damage: what was read until there counts */
		if (r == Z_BUF_ERROR)
			break;
	}
	s->block.used = before + LOG_BLOCK - s->z.avail_out;
	if (before == 0 && s->block.used > 0)
		s->frames = s->block.data[0] == 0xb0;
	return s->block.used > before ? 1 : 0;
}

int
log_source_read(struct log_source *s)
{
	ssize_t n;

	if (s->fd < 0 || (!s->known && !look(s)))
		return 0;
	if (!buf_room(&s->block, LOG_BLOCK)) {
		errno = ENOMEM;
		return -1;
	}
	if (s->gz)
		return s->ended ? 0 : read_gz(s);
	n = pread_all(s->fd, s->block.data + s->block.used, LOG_BLOCK, s->offset);
	if (n <= 0)
		return (int)n;
	s->offset += (uint64_t)n;
	s->block.used += (size_t)n;
	return 1;
}

static bool
next_frame(struct log_source *s, size_t *at, struct log_line *ret)
{
	while (*at < s->block.used) {
		const unsigned char *p = s->block.data + *at;
		struct log_frame f;
		ssize_t n = log_frame_scan(p, s->block.used - *at, &f);

		if (n == 0)
			return false;
		if (n < 0) {
			*at += log_frame_next(p, s->block.used - *at);
			continue;
		}
		*at += (size_t)n;
		*ret = (struct log_line){ .stream = f.err ? LOG_STDERR : LOG_STDOUT, .text = (const char *)f.text, .n = f.n, .partial = f.partial,
			.frame = true, .ns = f.time };
		return true;
	}
	return false;
}

static bool
next_line(struct log_source *s, size_t *at, struct log_line *ret)
{
	while (*at < s->block.used) {
		const char *p = (const char *)s->block.data + *at;
		const char *lf = memchr(p, '\n', s->block.used - *at);

		if (lf == NULL)
			return false;
		*at += (size_t)(lf - p) + 1;
		if (s->skipping)
			s->skipping = false;
		else if (log_line_scan(p, (size_t)(lf - p), ret, &s->scratch))
			return true;
	}
	return false;
}

bool
log_source_next(struct log_source *s, struct log_line *ret)
{
	size_t at = s->taken;
	bool found;

	do
		found = s->frames ? next_frame(s, &at, ret) : next_line(s, &at, ret);
	while (found && s->skip > 0 && s->skip-- > 0);
	s->taken = at;
	return found;
}

void
log_source_taken(struct log_source *s)
{
	buf_drop(&s->block, s->taken);
	s->taken = 0;
	if (s->block.used > LOG_LINE_MAX) {
		s->skipping = true;
		buf_reset(&s->block);
	}
}

/* ---- the last records ---- */

/* The offset at which the last *lines lines of a file begin; *lines is what is still missing. Reads backwards. */
static int
tail_lines(int fd, uint64_t size, int64_t *lines, uint64_t *ret, struct err *e)
{
	char block[65536];
	uint64_t end = size;
	bool last = true;

	*ret = 0;
	while (end > 0) {
		size_t want = end < sizeof block ? (size_t)end : sizeof block;
		ssize_t n = pread_all(fd, block, want, end - want);

		if (n != (ssize_t)want)
			return n < 0 ? err_sys(e, errno, "read the log") : err_set(e, ERR_SYSTEM, "the log became shorter");
		for (size_t i = want; i-- > 0;) {
			if (block[i] != '\n')
				continue;
			/* the newline at the very end belongs to the last line */
			if (last && end - want + i + 1 == size) {
				last = false;
				continue;
			}
			last = false;
			if (--*lines == 0) {
				*ret = end - want + i + 1;
				return 0;
			}
		}
		end -= want;
	}
	if (size > 0)
		--*lines;
	return 0;
}

/* The same for frames, by the lengths at their ends. False: something is torn there, so that one must read from the front. */
static bool
tail_frames(struct log_source *s, uint64_t size, int64_t *records, uint64_t *ret)
{
	uint64_t end = size;

	while (end > 0 && *records > 0) {
		size_t want = end < LOG_BLOCK ? (size_t)end : LOG_BLOCK, at = want;
		const unsigned char *p;

		buf_reset(&s->block);
		if (!buf_room(&s->block, want) || pread_all(s->fd, s->block.data, want, end - want) != (ssize_t)want)
			return false;
		p = s->block.data;
		while (*records > 0 && at >= FRAME_SIZE(0)) {
			size_t len = FRAME_SIZE((size_t)p[at - 4] | (size_t)p[at - 3] << 8 | (size_t)p[at - 2] << 16 | (size_t)p[at - 1] << 24);
			struct log_frame f;

			if (len > FRAME_SIZE(FRAME_TEXT_MAX))
				return false;
			if (len > at)
				break;
			if (log_frame_scan(p + at - len, len, &f) != (ssize_t)len)
				return false;
			at -= len;
			--*records;
		}
		if (at == want)
			return false;
		end = end - want + at;
	}
	*ret = end;
	return true;
}

/* What cannot be read backwards is read twice. */
static int
tail_forward(struct log_source *s, int64_t *records, struct err *e)
{
	int fd = s->fd, r;
	int64_t total = 0;
	struct log_line l;

	s->fd = -1;
	log_source_open(s, fd);
	while ((r = log_source_read(s)) > 0) {
		while (log_source_next(s, &l))
			total++;
		log_source_taken(s);
	}
	if (r < 0)
		return err_sys(e, errno, "read the log");
	s->fd = -1;
	log_source_open(s, fd);
	s->skip = total > *records ? total - *records : 0;
	*records -= total < *records ? total : *records;
	return 0;
}

int
log_source_tail(struct log_source *s, int64_t *records, struct err *e)
{
	int64_t missing = *records;
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return err_sys(e, errno, "stat the log");
	if (!s->known && !look(s))
		return 0;
	if (s->gz)
		return tail_forward(s, records, e);
	if (missing <= 0) {
		s->offset = (uint64_t)st.st_size;
		return 0;
	}
	if (!s->frames)
		return tail_lines(s->fd, (uint64_t)st.st_size, records, &s->offset, e);
	if (!tail_frames(s, (uint64_t)st.st_size, &missing, &s->offset)) {
		s->offset = 0;
		return tail_forward(s, records, e);
	}
	*records = missing;
	buf_reset(&s->block);
	return 0;
}
