#include "state.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a: notices a torn or half-written file; nobody but our own user can write it */
static uint32_t
checksum(const unsigned char *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* No sync: it is there for a process that comes after a killed one. After a crash of the machine no container runs. */
static int
put(int dir, const char *name, struct buf *b, struct err *e)
{
	char tmp[128];
	own_fd fd = -1;

	buf_put_u32(b, checksum(b->data, b->used));
	if (b->failed)
		return err_set(e, ERR_NO_MEMORY, "write %s", name);
	snprintf(tmp, sizeof tmp, ".%s.new", name);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, b->data, b->used) < 0 || renameat(dir, tmp, dir, name) < 0)
		return err_sys(e, errno, "write %s", name);
	return 0;
}

static ssize_t
get(int dir, const char *name, unsigned char *data, size_t size)
{
	ssize_t n = fd_read_text(dir, name, (char *)data, size);
	struct reader r;

	if (n < 0)
		return errno == ENOENT ? 0 : -1;
	if (n < 4)
		return -1;
	r = (struct reader){ .p = data + n - 4, .end = data + n };
	return read_u32(&r) == checksum(data, (size_t)n - 4) ? n - 4 : -1;
}

int
exit_write(int dir, const char *name, const struct exit_status *s, struct err *e)
{
	own_buf b = BUF_INIT(64);

	buf_put_u32(&b, (uint32_t)s->code);
	buf_put_u32(&b, s->oom_killed ? 1 : 0);
	buf_put_u64(&b, (uint64_t)s->finished_at);
	return put(dir, name, &b, e);
}

int
exit_read(int dir, const char *name, struct exit_status *ret)
{
	unsigned char data[64];
	ssize_t n = get(dir, name, data, sizeof data);
	struct reader r = { .p = data, .end = data + (n > 0 ? n : 0) };

	if (n <= 0)
		return (int)n;
	ret->code = (int)read_u32(&r) & 255;
	ret->oom_killed = read_u32(&r) != 0;
	ret->finished_at = (int64_t)read_u64(&r);
	return r.failed || r.p != r.end ? -1 : 1;
}

int
state_write(int dir, const char *name, const struct w_start *s, struct err *e)
{
	own_buf b = BUF_INIT(8192);

	if (rec_encode(&w_start_type, s, &b, e) < 0)
		return -1;
	return put(dir, name, &b, e);
}

int
state_read(int dir, const char *name, struct arena *a, struct w_start *ret)
{
	unsigned char data[8200];
	ssize_t n = get(dir, name, data, sizeof data);
	struct err e = ERR_INIT;

	if (n <= 0)
		return (int)n;
	return rec_decode_all(&w_start_type, data, (size_t)n, a, ret, &e) < 0 ? -1 : 1;
}
