#include "tar_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OUT_SIZE  ((size_t)256 << 10)
#define PIECE     ((size_t)1 << 20)
/* below it a copy costs less than the calls that avoid it */
#define SPLICE_MIN ((uint64_t)64 << 10)
#define ID_MAX_   07777777u
#define SIZE_MAX_ 077777777777u

void
tar_out_init(struct tar_out *t, int fd)
{
	*t = (struct tar_out){ .fd = fd, .buf = BUF_INIT(OUT_SIZE) };
}

void
tar_out_done(struct tar_out *t)
{
	buf_done(&t->buf);
}

static void
moved(const struct tar_out *t)
{
	if (t->moved != NULL)
		t->moved();
}

static int
write_all(struct tar_out *t, const void *data, size_t n, struct err *e)
{
	const char *p = data;

	while (n > 0) {
		ssize_t w = write(t->fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_sys(e, errno, "write the archive");
		p += w;
		n -= (size_t)w;
		moved(t);
	}
	return 0;
}

static int
flush(struct tar_out *t, struct err *e)
{
	int r = write_all(t, t->buf.data, t->buf.used, e);

	t->buf.used = 0;
	return r;
}

static int
charge(struct tar_out *t, uint64_t n, struct err *e)
{
	t->passed += n;
	return t->limit > 0 && t->passed > t->limit ? err_sys(e, ENOSPC, "write the archive") : 0;
}

int
tar_out_put(struct tar_out *t, const void *p, size_t n, struct err *e)
{
	if (charge(t, n, e) < 0)
		return -1;
	if (n > OUT_SIZE - t->buf.used && flush(t, e) < 0)
		return -1;
	if (n > OUT_SIZE)
		return write_all(t, p, n, e);
	buf_put(&t->buf, p, n);
	return t->buf.failed ? err_set(e, ERR_NO_MEMORY, "archive") : 0;
}

int
tar_out_zeros(struct tar_out *t, uint64_t n, struct err *e)
{
	static const unsigned char none[65536];

	while (n > 0) {
		size_t piece = n < sizeof none ? (size_t)n : sizeof none;

		if (tar_out_put(t, none, piece, e) < 0)
			return -1;
		n -= piece;
	}
	return 0;
}

int
tar_out_pad(struct tar_out *t, uint64_t size, struct err *e)
{
	return tar_out_zeros(t, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK, e);
}

/* ---- headers ---- */

static void
octal(char *at, size_t width, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%0*llo", (int)width - 1, (unsigned long long)v);
	memcpy(at, text, width);
}

/* Where a name is cut so that both parts fit their fields; 0: whole in the first, -1: it does not fit. */
static long
split(const char *name)
{
	size_t n = strlen(name), from;

	if (n <= 100)
		return 0;
	if (n > 256)
		return -1;
	from = n > 101 ? n - 101 : 0;
	for (size_t i = from; i < n - 1 && i <= 155; i++)
		if (name[i] == '/' && i > 0)
			return (long)i;
	return -1;
}

static bool
plain(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static void
pax(struct buf *b, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3, len = body + 1;

	/* the length counts its own digits */
	for (;;) {
		size_t digits = (size_t)snprintf(NULL, 0, "%zu", len);

		if (digits + body == len)
			break;
		len = digits + body;
	}
	buf_printf(b, "%zu %s=", len, key);
	buf_put(b, value, n);
	buf_putc(b, '\n');
}

static void
pax_number(struct buf *b, const char *key, int64_t v)
{
	char text[24];

	pax(b, key, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v));
}

struct head { const char *name, *link; char type; uint32_t mode; uint64_t uid, gid, size; int64_t mtime; dev_t rdev; };

static int
put_head(struct tar_out *t, const struct head *h, struct err *e)
{
	char b[TAR_BLOCK] = { 0 };
	long cut = split(h->name);
	unsigned sum = 0;

	/* where a field is too small the pax header in front has the value, and this one what fits */
	if (cut > 0) {
		memcpy(b + 345, h->name, (size_t)cut);
		memcpy(b, h->name + cut + 1, strlen(h->name + cut + 1));
	} else {
		memcpy(b, h->name, strnlen(h->name, 100));
	}
	octal(b + 100, 8, h->mode & 0177777);
	octal(b + 108, 8, h->uid <= ID_MAX_ ? h->uid : 0);
	octal(b + 116, 8, h->gid <= ID_MAX_ ? h->gid : 0);
	octal(b + 124, 12, h->size <= SIZE_MAX_ ? h->size : 0);
	octal(b + 136, 12, h->mtime >= 0 && (uint64_t)h->mtime <= SIZE_MAX_ ? (uint64_t)h->mtime : 0);
	b[156] = h->type;
	memcpy(b + 157, h->link, strnlen(h->link, 100));
	memcpy(b + 257, "ustar\0" "00", 8);
	if (h->type == TAR_CHAR || h->type == TAR_BLOCK_DEV) {
		octal(b + 329, 8, major(h->rdev) & ID_MAX_);
		octal(b + 337, 8, minor(h->rdev) & ID_MAX_);
	}
	memset(b + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)b[i];
	snprintf(b + 148, 8, "%06o", sum);
	return tar_out_put(t, b, TAR_BLOCK, e);
}

static int
put_pax(struct tar_out *t, const struct buf *records, const struct head *h, struct err *e)
{
	struct head x = { .name = "PaxHeaders.0/entry", .link = "", .type = 'x', .mode = 0644, .size = records->used, .mtime = h->mtime };

	if (records->failed)
		return err_set(e, ERR_LIMIT, "what is to be said of \"%.100s\" does not fit into an archive", h->name);
	if (put_head(t, &x, e) < 0 || tar_out_put(t, records->data, records->used, e) < 0)
		return -1;
	return tar_out_pad(t, records->used, e);
}

int
tar_out_entry(struct tar_out *t, const char *name, char type, const struct stat *st, const char *link, const struct tar_xattr *xattrs,
    size_t n_xattrs, struct err *e)
{
	struct head h = { .name = name, .link = link != NULL ? link : "", .type = type, .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid,
		.size = type == TAR_FILE ? (uint64_t)st->st_size : 0, .mtime = st->st_mtim.tv_sec, .rdev = st->st_rdev };
	own_buf records = BUF_INIT(TAR_META_MAX / 2);
	char key[300];

	if (strlen(name) > TAR_OUT_PATH_MAX)
		return err_sys(e, ENAMETOOLONG, "archive \"%.100s...\"", name);
	if (split(name) < 0 || !plain(name))
		pax(&records, "path", name, strlen(name));
	if (strlen(h.link) > 100 || !plain(h.link))
		pax(&records, "linkpath", h.link, strlen(h.link));
	if (h.size > SIZE_MAX_)
		pax_number(&records, "size", (int64_t)h.size);
	if (h.uid > ID_MAX_)
		pax_number(&records, "uid", (int64_t)h.uid);
	if (h.gid > ID_MAX_)
		pax_number(&records, "gid", (int64_t)h.gid);
	if (h.mtime < 0 || (uint64_t)h.mtime > SIZE_MAX_)
		pax_number(&records, "mtime", h.mtime);
	for (size_t i = 0; i < n_xattrs; i++) {
		snprintf(key, sizeof key, "SCHILY.xattr.%s", xattrs[i].name);
		pax(&records, key, xattrs[i].value, xattrs[i].n);
	}
	if ((records.used > 0 || records.failed) && put_pax(t, &records, &h, e) < 0)
		return -1;
	return put_head(t, &h, e);
}

int
tar_out_file(struct tar_out *t, const char *name, const void *data, size_t n, struct err *e)
{
	const struct stat st = { .st_mode = S_IFREG | 0644, .st_size = (off_t)n };

	if (tar_out_entry(t, name, TAR_FILE, &st, NULL, NULL, 0, e) < 0 || tar_out_put(t, data, n, e) < 0)
		return -1;
	return tar_out_pad(t, n, e);
}

/* ---- content ---- */

static int
read_piece(struct tar_out *t, int fd, uint64_t n, uint64_t *ret, struct err *e)
{
	size_t want = n < OUT_SIZE / 4 ? (size_t)n : OUT_SIZE / 4;
	ssize_t r;

	if (want > OUT_SIZE - t->buf.used && flush(t, e) < 0)
		return -1;
	if (!buf_room(&t->buf, want))
		return err_set(e, ERR_NO_MEMORY, "archive");
	do
		r = read(fd, t->buf.data + t->buf.used, want);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, errno, "read a file");
	t->buf.used += (size_t)r;
	*ret = (uint64_t)r;
	return 0;
}

int
tar_out_from(struct tar_out *t, int fd, uint64_t n, struct err *e)
{
	bool can_splice = n >= SPLICE_MIN;
	uint64_t done = 0;

	if (charge(t, n, e) < 0)
		return -1;
	if (can_splice && flush(t, e) < 0)
		return -1;
	while (n > 0) {
		if (can_splice) {
			ssize_t r = splice(fd, NULL, t->fd, NULL, n < PIECE ? (size_t)n : PIECE, 0);

			if (r < 0 && errno == EINTR)
				continue;
			if (r < 0 && errno == EPIPE)
				return err_sys(e, EPIPE, "write the archive");
			can_splice = r >= 0;   /* not every file system can */
			if (r < 0)
				continue;
			done = (uint64_t)r;
			moved(t);
		} else if (read_piece(t, fd, n, &done, e) < 0) {
			return -1;
		}
		if (done == 0) {
			t->passed -= n;
			return tar_out_zeros(t, n, e);   /* it became shorter meanwhile */
		}
		n -= done;
	}
	return 0;
}

int
tar_out_end(struct tar_out *t, struct err *e)
{
	return tar_out_zeros(t, 2 * TAR_BLOCK, e) < 0 ? -1 : flush(t, e);
}
