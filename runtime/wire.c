#include "wire.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REC_SELF struct w_join
REC_DEFINE(w_join, W_JOIN_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_prepare
REC_DEFINE(w_prepare, W_PREPARE_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_cloned
REC_DEFINE(w_cloned, W_CLONED_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_start
REC_DEFINE(w_start, W_START_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_started
REC_DEFINE(w_started, W_STARTED_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_error
REC_DEFINE(w_error, W_ERROR_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_size
REC_DEFINE(w_size, W_SIZE_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_logs
REC_DEFINE(w_logs, W_LOGS_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_spec
REC_DEFINE(w_spec, W_SPEC_FIELDS)
#undef REC_SELF
#define REC_SELF struct w_stdio
REC_DEFINE(w_stdio, W_STDIO_FIELDS)
#undef REC_SELF

#define HEAD 8u
#define FLAG_MEMFD 1u
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#define WIRE_ROW_(name_, no_, rec_, fds_) [no_] = { .name = #name_, .type = &rec_##_type, .fds = (fds_) },
static const struct wire_row {
	const char *name;
	const struct rec_type *type;
	size_t fds;
} rows[WIRE_END] = { WIRE_MESSAGES(WIRE_ROW_) };

void
wire_done(struct wire *w)
{
	for (size_t i = 0; i < w->nfds; i++)
		fd_close(&w->fds[i]);
	w->nfds = 0;
	arena_done(&w->arena);
	w->msg = NULL;
}

static int
send_packet(int sock, const struct buf *b, size_t n, const int *fds, size_t nfds)
{
	struct iovec iov = { b->data, n };

	return fd_send(sock, &iov, 1, fds, nfds, MSG_DONTWAIT) < 0 ? -1 : 0;
}

int
wire_send(int sock, enum wire_kind kind, const void *msg, const int *fds, size_t nfds, struct err *e)
{
	static const struct none nothing;
	static const unsigned char room[HEAD];
	const struct wire_row *row = &rows[kind];
	own_buf b = BUF_INIT(WIRE_MAX + HEAD);
	own_fd memfd = -1;
	int all[WIRE_FDS + 1];
	size_t len, n;

	if (nfds > row->fds)
		return err_set(e, ERR_PROTOCOL, "%s with %zu descriptors", row->name, nfds);
	buf_put(&b, room, HEAD);
	if (rec_encode(row->type, msg != NULL ? msg : &nothing, &b, e) < 0)
		return err_wrap(e, "send %s", row->name);
	if (nfds > 0)
		memcpy(all, fds, nfds * sizeof *fds);
	len = b.used - HEAD;
	n = b.used;
	b.data[0] = (unsigned char)kind;
	for (unsigned i = 0; i < 4; i++)
		b.data[4 + i] = (unsigned char)(len >> (8 * i));
	if (len > WIRE_INLINE) {
		memfd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (memfd < 0 || fd_write_all(memfd, b.data + HEAD, len) < 0 || fcntl(memfd, F_ADD_SEALS, SEALS) < 0)
			return err_sys(e, errno, "message memory file");
		b.data[1] = FLAG_MEMFD;
		all[nfds++] = memfd;
		n = HEAD;
	}
	return send_packet(sock, &b, n, all, nfds) < 0 ? err_sys(e, errno, "send %s", row->name) : 0;
}

int
wire_send_error(int sock, const struct err *why)
{
	struct w_error m = { .code = why->code, .sys = why->sys & 4095, .text = (char *)(uintptr_t)why->text };
	struct err e = ERR_INIT;

	return wire_send(sock, W_FAILED, &m, NULL, 0, &e);
}

static int
decode(struct wire *w, const unsigned char *body, size_t n, struct err *e)
{
	const struct wire_row *row = &rows[w->kind];

	if (w->nfds > row->fds)
		return err_set(e, ERR_PROTOCOL, "%s with %zu descriptors", row->name, w->nfds);
	w->msg = arena_alloc(&w->arena, row->type->size);
	if (w->msg == NULL)
		return err_set(e, ERR_NO_MEMORY, "message");
	return rec_decode_all(row->type, body, n, &w->arena, w->msg, e);
}

static int
decode_memfd(struct wire *w, size_t len, struct err *e)
{
	own_fd memfd = fd_take(&w->fds[--w->nfds]);
	int seals = fcntl(memfd, F_GET_SEALS), r;
	struct stat st;
	void *p;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(memfd, &st) < 0 || (uint64_t)st.st_size != len)
		return err_set(e, ERR_PROTOCOL, "message memory is not sealed or of another size");
	p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, errno, "map a message");
	r = decode(w, p, len, e);
	munmap(p, len);
	return r;
}

static int
take_packet(struct wire *w, const unsigned char *p, size_t n, struct err *e)
{
	size_t len;

	if (n < HEAD || p[0] < 1 || p[0] >= WIRE_END || rows[p[0]].type == NULL || (p[1] & ~FLAG_MEMFD) != 0 || p[2] != 0 || p[3] != 0)
		return err_set(e, ERR_PROTOCOL, "malformed packet");
	w->kind = p[0];
	len = (size_t)p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16 | (size_t)p[7] << 24;
	if ((p[1] & FLAG_MEMFD) == 0)
		return n - HEAD == len ? decode(w, p + HEAD, len, e) : err_set(e, ERR_PROTOCOL, "malformed packet");
	if (n != HEAD || len > WIRE_MAX || len <= WIRE_INLINE || w->nfds == 0)
		return err_set(e, ERR_PROTOCOL, "malformed packet");
	return decode_memfd(w, len, e);
}

int
wire_recv(int sock, bool dontwait, struct wire *w, bool *ret_again, struct err *e)
{
	/* static: a monitor's stack stays small */
	static unsigned char packet[HEAD + WIRE_INLINE + 1];
	struct iovec iov = { packet, sizeof packet };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (WIRE_FDS + 1))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space };
	ssize_t n;

	w->nfds = 0;
	w->msg = NULL;
	w->arena = (struct arena)ARENA_INIT;
	if (ret_again != NULL)
		*ret_again = false;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | (dontwait ? MSG_DONTWAIT : 0));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN && ret_again != NULL) {
		*ret_again = true;
		return 0;
	}
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return err_sys(e, errno, "receive");
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof fd);
			if (w->nfds < WIRE_FDS)
				w->fds[w->nfds++] = fd;
			else
				close(fd);
		}
	}
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		err_set(e, ERR_PROTOCOL, "truncated packet");
	else if (take_packet(w, packet, (size_t)n, e) == 0)
		return 1;
	wire_done(w);
	return -1;
}
