#include "tarout.h"

#include "fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUT_SIZE ((size_t)1 << 20)
#define PAX_MAX  ((size_t)1 << 20)

void
tar_out_open(struct tar_out *t, int fd, uint64_t limit)
{
	*t = (struct tar_out){ .fd = fd, .buf = BUF_INIT(OUT_SIZE + 1), .limit = limit };
}

void
tar_out_done(struct tar_out *t)
{
	buf_done(&t->buf);
}

int
tar_out_flush(struct tar_out *t, struct err *e)
{
	if (fd_write_all(t->fd, t->buf.data, t->buf.used) < 0)
		return err_sys(e, errno, "write the archive");
	buf_reset(&t->buf);
	return 0;
}

int
tar_out_put(struct tar_out *t, const void *p, size_t n, struct err *e)
{
	t->written += n;
	if (t->limit > 0 && t->written > t->limit)
		return err_sys(e, ENOSPC, "write the archive");
	if (n > OUT_SIZE - t->buf.used) {
		if (tar_out_flush(t, e) < 0)
			return -1;
		if (n >= OUT_SIZE)
			return fd_write_all(t->fd, p, n) < 0 ? err_sys(e, errno, "write the archive") : 0;
	}
	buf_put(&t->buf, p, n);
	return t->buf.failed ? err_set(e, ERR_NO_MEMORY, "archive") : 0;
}

int
tar_out_zeros(struct tar_out *t, uint64_t n, struct err *e)
{
	static const unsigned char none[65536];

	for (; n > 0; n -= n < sizeof none ? n : sizeof none)
		if (tar_out_put(t, none, n < sizeof none ? (size_t)n : sizeof none, e) < 0)
			return -1;
	return 0;
}

int
tar_out_pad(struct tar_out *t, uint64_t size, struct err *e)
{
	return tar_out_zeros(t, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK, e);
}

/* At most n - 1 octal digits, or else the number in base 256. */
static void
put_number(char *to, size_t n, uint64_t v)
{
	if (v < UINT64_C(1) << 3 * (n - 1)) {
		char text[24];

		(void)snprintf(text, sizeof text, "%0*llo", (int)n - 1, (unsigned long long)v);
		memcpy(to, text, n);
		return;
	}
	to[0] = (char)0x80;
	for (size_t i = 0; i < 8 && i < n - 1; i++)
		to[n - 1 - i] = (char)(v >> 8 * i);
}

static void
copy_text(char *to, size_t size, const char *text)
{
	size_t n = strlen(text);

	memcpy(to, text, n < size ? n : size);
}

static int
put_block(struct tar_out *t, const struct tar_header *h, struct err *e)
{
	char b[TAR_BLOCK] = { 0 };
	unsigned sum = 0;

	copy_text(b, 100, h->name);
	put_number(b + 100, 8, h->mode & 07777);
	put_number(b + 108, 8, h->uid);
	put_number(b + 116, 8, h->gid);
	put_number(b + 124, 12, h->size);
	put_number(b + 136, 12, h->mtime > 0 ? (uint64_t)h->mtime : 0);
	b[156] = h->type;
	if (h->link != NULL)
		copy_text(b + 157, 100, h->link);
	memcpy(b + 257, "ustar\0" "00", 8);
	if (h->type == TAR_CHAR || h->type == TAR_BLOCK_DEV) {
		put_number(b + 329, 8, h->major);
		put_number(b + 337, 8, h->minor);
	}
	memset(b + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)b[i];
	(void)snprintf(b + 148, 8, "%06o", sum);
	return tar_out_put(t, b, TAR_BLOCK, e);
}

static size_t
digits_of(size_t n)
{
	size_t d = 1;

	for (; n >= 10; n /= 10)
		d++;
	return d;
}

/* "<length> <key>=<value>\n", where the length counts itself. */
static void
pax_record(struct buf *b, const char *prefix, const char *key, const void *value, size_t n)
{
	size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + n + 1, all = rest + digits_of(rest);

	all = rest + digits_of(all);
	buf_printf(b, "%zu %s%s=", all, prefix, key);
	buf_put(b, value, n);
	buf_putc(b, '\n');
}

int
tar_out_header(struct tar_out *t, const struct tar_header *h, struct err *e)
{
	own_buf pax = BUF_INIT(PAX_MAX);

	if (strlen(h->name) > 100)
		pax_record(&pax, "", "path", h->name, strlen(h->name));
	if (h->link != NULL && strlen(h->link) > 100)
		pax_record(&pax, "", "linkpath", h->link, strlen(h->link));
	for (size_t i = 0; i < h->n_xattrs; i++)
		pax_record(&pax, "SCHILY.xattr.", h->xattrs[i].name, h->xattrs[i].value, h->xattrs[i].n);
	if (pax.failed)
		return err_set(e, ERR_LIMIT, "/%.200s has too large attributes", h->name);
	if (pax.used > 0) {
		const struct tar_header head = { .name = "PaxHeaders.0/x", .type = 'x', .size = pax.used };

		if (put_block(t, &head, e) < 0 || tar_out_put(t, pax.data, pax.used, e) < 0 || tar_out_pad(t, pax.used, e) < 0)
			return -1;
	}
	return put_block(t, h, e);
}

int
tar_out_file(struct tar_out *t, const char *name, const void *data, size_t n, struct err *e)
{
	const struct tar_header h = { .name = name, .type = TAR_FILE, .mode = 0644, .size = n };

	if (tar_out_header(t, &h, e) < 0 || tar_out_put(t, data, n, e) < 0)
		return -1;
	return tar_out_pad(t, n, e);
}

int
tar_out_end(struct tar_out *t, struct err *e)
{
	return tar_out_zeros(t, (uint64_t)2 * TAR_BLOCK, e) < 0 ? -1 : tar_out_flush(t, e);
}
