/* The log files of one container, from the first record that was not delivered yet. What a hostile monitor may have written into them is
   skipped: every frame is checked, every length bounded, and no more memory is used than one block. */
#include "logger.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)128 << 10)

static void
end_file(struct log_reader *r)
{
	if (r->gz)
		(void)inflateEnd(&r->z);
	r->known = r->gz = r->file_ended = false;
	r->offset = 0;
	r->taken = 0;
	buf_reset(&r->block);
}

static ssize_t
read_at(int fd, void *to, size_t n, uint64_t offset)
{
	ssize_t got;

	do
		got = pread(fd, to, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t
inflate_some(struct log_reader *r)
{
	unsigned char in[16384];
	size_t before = r->block.used;
	int z = Z_OK;

	r->z.next_out = r->block.data + before;
	r->z.avail_out = (uInt)BLOCK;
	while (z == Z_OK && r->z.avail_out > 0 && !r->file_ended) {
		ssize_t n = read_at(r->fds[r->at], in, sizeof in, r->offset);

		if (n <= 0) {
			r->file_ended = true;
			break;
		}
		r->z.next_in = in;
		r->z.avail_in = (uInt)n;
		z = inflate(&r->z, Z_NO_FLUSH);
		r->offset += (uint64_t)n - r->z.avail_in;
		if (z != Z_OK)
			r->file_ended = true;
	}
	r->block.used = before + BLOCK - r->z.avail_out;
	return (ssize_t)(r->block.used - before);
}

/* Bytes that were added to the block; 0 at the file's present end. */
static ssize_t
read_some(struct log_reader *r)
{
	unsigned char magic[2];
	ssize_t n;

	if (!buf_room(&r->block, BLOCK))
		return 0;
	if (!r->known) {
		if (read_at(r->fds[r->at], magic, 2, 0) != 2)
			return 0;
		memset(&r->z, 0, sizeof r->z);
		r->gz = magic[0] == 0x1f && magic[1] == 0x8b && inflateInit2(&r->z, 31) == Z_OK;
		r->known = true;
	}
	if (r->gz)
		return r->file_ended ? 0 : inflate_some(r);
	n = read_at(r->fds[r->at], r->block.data + r->block.used, BLOCK, r->offset);
	if (n <= 0)
		return 0;
	r->offset += (uint64_t)n;
	r->block.used += (size_t)n;
	return n;
}

static bool
scan(struct log_reader *r, struct log_frame *f)
{
	while (r->taken < r->block.used) {
		const unsigned char *p = r->block.data + r->taken;
		ssize_t n = log_frame_scan(p, r->block.used - r->taken, f);

		if (n == 0)
			return false;
		r->taken += n > 0 ? (size_t)n : log_frame_next(p, r->block.used - r->taken);
		if (n > 0 && f->seq > r->seq)
			return true;
	}
	return false;
}

int
reader_next(struct log_reader *r, struct log_frame *f, size_t *budget)
{
	for (;;) {
		ssize_t n;

		if (r->at >= r->n)
			return 0;
		if (scan(r, f)) {
			r->seq = f->seq;
			return 1;
		}
		buf_drop(&r->block, r->taken);
		r->taken = 0;
		if (*budget == 0)
			return -1;
		n = read_some(r);
		if (n > 0) {
			*budget -= (size_t)n < *budget ? (size_t)n : *budget;
			continue;
		}
		if (r->at + 1 >= r->n)
			return 0;
		end_file(r);
		fd_close(&r->fds[r->at++]);
	}
}

bool
reader_at_end(const struct log_reader *r)
{
	struct stat st;

	if (r->live)
		return false;
	if (r->at >= r->n || r->gz || !r->known)
		return true;
	/* without a socket a file may have grown since it was read to its end */
	return fstat(r->fds[r->at], &st) < 0 || (uint64_t)st.st_size <= r->offset;
}

/* The number of a file's first record; 0 if it cannot be read. */
static uint64_t
first_seq(int fd)
{
	unsigned char head[512], out[FRAME_HEAD] = { 0 };
	ssize_t n = read_at(fd, head, sizeof head, 0);
	const unsigned char *p = head;
	uint64_t seq = 0;
	z_stream z = { .next_in = head, .avail_in = n > 0 ? (uInt)n : 0, .next_out = out, .avail_out = sizeof out };

	if (n >= 2 && head[0] == 0x1f && head[1] == 0x8b) {
		if (inflateInit2(&z, 31) != Z_OK)
			return 0;
		(void)inflate(&z, Z_SYNC_FLUSH);
		(void)inflateEnd(&z);
		p = out;
		n = (ssize_t)(sizeof out - z.avail_out);
	}
	for (int i = 7; n >= (ssize_t)FRAME_HEAD && p[0] == 0xb0 && i >= 0; i--)
		seq = seq << 8 | p[8 + i];
	return seq;
}

/* Files beyond what the cache may hold are gone for everybody else: holding them would only keep the disk full. */
static void
let_go(struct log_reader *r)
{
	while (r->n - r->at > r->most) {
		end_file(r);
		fd_close(&r->fds[r->at++]);
	}
	if (r->at > 0 && r->n == READER_FILES) {
		memmove(r->fds, r->fds + r->at, (r->n - r->at) * sizeof r->fds[0]);
		r->n -= r->at;
		r->at = 0;
	}
}

static void
on_socket(struct loop_io *io, uint32_t events)
{
	struct log_reader *r = (struct log_reader *)(void *)((char *)io - offsetof(struct log_reader, socket));
	char word;

	for (int i = 0; i < 256; i++) {
		own_fd fd = -1;
		size_t n_fds = 1;
		ssize_t n = fd_receive(io->fd, &word, 1, &fd, &n_fds, MSG_DONTWAIT);
		struct stat st;

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			loop_remove(io);
			fd_close(&io->fd);
			r->live = false;
			break;
		}
		if (word == 'e')
			r->ended = true;
		if (word != 'r' || fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		let_go(r);
		if (r->n < READER_FILES)
			r->fds[r->n++] = fd_take(&fd);
		let_go(r);
	}
	ship_kick((struct ship *)(void *)((char *)r - offsetof(struct ship, reader)));
}

void
reader_begin(struct log_reader *r, int *files, size_t n, int socket, struct loop *l, struct err *e)
{
	struct stat st;

	reader_done(r);
	r->block.max = 4 * BLOCK;
	for (size_t i = n > r->most ? n - r->most : 0; i < n && r->n < READER_FILES; i++)
		/* a regular file, whatever its writer became: reading anything else could wait for ever */
		if (fstat(files[i], &st) == 0 && S_ISREG(st.st_mode))
			r->fds[r->n++] = fd_take(&files[i]);
	/* those that were delivered whole are not read again */
	for (size_t i = r->n; i-- > 1;) {
		uint64_t seq = first_seq(r->fds[i]);

		if (seq != 0 && seq <= r->seq + 1) {
			for (; r->at < i; r->at++)
				fd_close(&r->fds[r->at]);
			break;
		}
	}
	r->ended = socket < 0;
	if (socket < 0)
		return;
	r->socket = (struct loop_io){ .fd = socket, .on_ready = on_socket };
	r->live = loop_add(l, &r->socket, EPOLLIN, e) == 0;
	if (!r->live) {
		fd_close(&r->socket.fd);
		log_err(LOG_ERROR, e, "follow a log");
	}
}

void
reader_done(struct log_reader *r)
{
	end_file(r);
	for (size_t i = r->at; i < r->n; i++)
		fd_close(&r->fds[i]);
	r->n = r->at = 0;
	if (r->live) {
		loop_remove(&r->socket);
		fd_close(&r->socket.fd);
	}
	r->live = false;
	buf_done(&r->block);
}
