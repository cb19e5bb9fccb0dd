#include "edge.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

const struct rec_type none_type = { .name = "none", .size = sizeof(struct none), .n = 0, .fields = NULL };
const struct rec_type oneway_type = { .name = "oneway", .size = sizeof(struct none), .n = 0, .fields = NULL };

#define EDGE_ERROR_FIELDS(F, O, L) \
	F(num, code, NULL, ERR_CODE_COUNT) \
	F(num, sys, NULL, 4096) \
	F(str, text, NULL, 512)
REC_DECLARE(edge_error, EDGE_ERROR_FIELDS)
#define REC_SELF struct edge_error
REC_DEFINE(edge_error, EDGE_ERROR_FIELDS)
#undef REC_SELF

enum { KIND_REQUEST, KIND_REPLY, KIND_ERROR, KIND_MORE, KIND_CANCEL, KIND_COUNT };
#define FLAG_MEMFD 1u
#define HEAD 16u
#define KEPT_MAX ((size_t)128 << 10)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct pending {
	uint32_t id;
	const struct edge_row *row;
	answer_fn fn;
	void *ctx;
	struct pending *next;
};

struct packet {
	struct packet *next;
	size_t n, nfds;
	int fds[EDGE_FDS_MAX + 1];
	unsigned char data[];
};

struct edge {
	struct edge_conf conf;
	struct loop *loop;
	struct loop_io io;
	uint32_t last_id;
	struct pending *pending;
	struct call *calls;
	struct packet *queue, **queue_tail;
	size_t queued;
	bool closed, busy, freed;   /* busy: inside a handler, free later */
};

int
edge_pair(int fds[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(e, errno, "socketpair");
	return 0;
}

static void
close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
}

const struct edge_row *
edge_table_row(const struct edge_table *t, unsigned no)
{
	size_t low = 0, high = t->n;

	if (no >= 1 && no <= t->n && t->rows[no - 1].no == no)
		return &t->rows[no - 1];
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->rows[mid].no < no)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n && t->rows[low].no == no ? &t->rows[low] : NULL;
}

static const struct edge_row *
row_of(const struct edge *edge, unsigned no)
{
	return edge_table_row(edge->conf.table, no);
}

static void
free_call(struct call *c)
{
	close_fds(c->fds, c->nfds);
	arena_done(&c->arena);
	free(c);
}

static void
unlink_call(struct call *c)
{
	if (c->edge == NULL)
		return;
	for (struct call **p = &c->edge->calls; *p != NULL; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			break;
		}
}

static void
release(struct edge *edge)
{
	if (!edge->freed || edge->busy)
		return;
	while (edge->queue != NULL) {
		struct packet *p = edge->queue;

		edge->queue = p->next;
		close_fds(p->fds, p->nfds);
		free(p);
	}
	free(edge);
}

/* Ends the channel: every pending answer gets an error, open calls lose their edge, the owner is told. */
static void
shut(struct edge *edge, const struct err *why)
{
	struct err gone = ERR_INIT;
	bool was_busy = edge->busy;

	if (edge->closed)
		return;
	edge->closed = true;
	edge->busy = true;
	loop_remove(&edge->io);
	fd_close(&edge->io.fd);
	for (struct call *c = edge->calls; c != NULL; c = c->next)
		c->edge = NULL;
	edge->calls = NULL;
	err_set(&gone, ERR_UNAVAILABLE, "the engine's %s process is not available", edge->conf.peer);
	while (edge->pending != NULL) {
		struct pending *p = edge->pending;
		struct answer a = { .err = &gone };

		edge->pending = p->next;
		if (p->fn != NULL)
			p->fn(p->ctx, &a);
		free(p);
	}
	if (edge->conf.on_closed != NULL)
		edge->conf.on_closed(edge->conf.ctx, edge, why);
	edge->busy = was_busy;
	release(edge);
}

static void
violation(struct edge *edge, const struct err *e)
{
	log_err(LOG_ATTACK, e, "%s broke the rules of edge %s and is cut off", edge->conf.peer, edge->conf.table->name);
	shut(edge, e);
}

static int
send_packet(int fd, const unsigned char *data, size_t n, const int *fds, size_t nfds)
{
	struct iovec iov = { (void *)(uintptr_t)data, n };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (EDGE_FDS_MAX + 1))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (nfds > 0) {
		struct cmsghdr *h;

		memset(&control, 0, sizeof control);
		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * nfds);
	}
	do
		sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -1 : 0;
}

static int
queue_packet(struct edge *edge, const unsigned char *data, size_t n, const int *fds, size_t nfds, struct err *e)
{
	struct packet *p;

	if (edge->queued >= EDGE_QUEUE_MAX)
		return err_set(e, ERR_LIMIT, "%s does not read its messages", edge->conf.peer);
	p = malloc(sizeof *p + n);
	if (p == NULL)
		return err_set(e, ERR_NO_MEMORY, "message queue");
	p->next = NULL;
	p->n = n;
	memcpy(p->data, data, n);
	for (p->nfds = 0; p->nfds < nfds; p->nfds++) {
		p->fds[p->nfds] = fcntl(fds[p->nfds], F_DUPFD_CLOEXEC, 3);
		if (p->fds[p->nfds] < 0) {
			int sys = errno;

			close_fds(p->fds, p->nfds);
			free(p);
			return err_sys(e, sys, "queue a descriptor");
		}
	}
	*edge->queue_tail = p;
	edge->queue_tail = &p->next;
	edge->queued++;
	loop_change(&edge->io, EPOLLIN | EPOLLOUT);
	return 0;
}

static int
put_body_in_memfd(const struct buf *b, int *ret_fd, struct err *e)
{
	own_fd fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, b->data + HEAD, b->used - HEAD) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_sys(e, errno, "message memory file");
	*ret_fd = fd_take(&fd);
	return 0;
}

static void
put_head(unsigned char *h, unsigned no, unsigned kind, unsigned flags, uint32_t id, uint32_t len)
{
	memset(h, 0, HEAD);
	h[0] = (unsigned char)no;
	h[1] = (unsigned char)(no >> 8);
	h[2] = (unsigned char)kind;
	h[3] = (unsigned char)flags;
	for (unsigned i = 0; i < 4; i++) {
		h[4 + i] = (unsigned char)(id >> (8 * i));
		h[8 + i] = (unsigned char)(len >> (8 * i));
	}
}

static int
encode_and_send(struct edge *edge, const struct edge_row *row, unsigned kind, uint32_t id, const struct rec_type *t, const void *msg,
    const int *fds, size_t nfds, struct buf *b, struct err *e)
{
	static const unsigned char room[HEAD];
	own_fd memfd = -1;
	int all[EDGE_FDS_MAX + 1];
	size_t n;
	unsigned flags = 0;

	if (nfds > EDGE_FDS_MAX)
		return err_set(e, ERR_INVALID, "%s: %zu descriptors", row->name, nfds);
	buf_put(b, room, HEAD);
	if (rec_encode(t, msg, b, e) < 0)
		return err_wrap(e, "send %s", row->name);
	if (nfds > 0)
		memcpy(all, fds, nfds * sizeof *fds);
	n = b->used;
	if (b->used - HEAD > EDGE_INLINE) {
		if (put_body_in_memfd(b, &memfd, e) < 0)
			return -1;
		flags = FLAG_MEMFD;
		all[nfds++] = memfd;
		n = HEAD;
	}
	put_head(b->data, row->no, kind, flags, id, (uint32_t)(b->used - HEAD));
	if (edge->queue == NULL) {
		if (send_packet(edge->io.fd, b->data, n, all, nfds) == 0)
			return 0;
		if (errno != EAGAIN && errno != ENOBUFS && errno != ETOOMANYREFS)
			return err_sys(e, errno, "send %s to %s", row->name, edge->conf.peer);
	}
	return queue_packet(edge, b->data, n, all, nfds, e);
}

static int
transmit(struct edge *edge, const struct edge_row *row, unsigned kind, uint32_t id, const struct rec_type *t, const void *msg,
    const int *fds, size_t nfds, struct err *e)
{
	/* its memory is kept from message to message; nobody sends while somebody encodes */
	static struct buf b = BUF_INIT(EDGE_BODY_MAX + HEAD);
	int r;

	buf_reset(&b);
	r = encode_and_send(edge, row, kind, id, t, msg, fds, nfds, &b, e);
	if (b.size > KEPT_MAX)
		buf_done(&b);
	return r;
}

static void
flush_queue(struct edge *edge)
{
	while (edge->queue != NULL) {
		struct packet *p = edge->queue;

		if (send_packet(edge->io.fd, p->data, p->n, p->fds, p->nfds) < 0) {
			struct err e = ERR_INIT;

			if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
				return;
			err_sys(&e, errno, "send to %s", edge->conf.peer);
			shut(edge, &e);
			return;
		}
		edge->queue = p->next;
		edge->queued--;
		close_fds(p->fds, p->nfds);
		free(p);
	}
	edge->queue_tail = &edge->queue;
	loop_change(&edge->io, EPOLLIN);
}

int64_t
edge_send(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, answer_fn fn, void *ctx, struct err *e)
{
	static const struct none nothing;
	const struct edge_row *row = edge != NULL ? row_of(edge, no) : NULL;
	struct pending *p = NULL;

	if (edge == NULL || edge->closed)
		return err_set(e, ERR_UNAVAILABLE, "the engine's %s process is not available", edge != NULL ? edge->conf.peer : "peer");
	if (row == NULL || row->from != edge->conf.side || nfds > row->req_fds)
		return err_set(e, ERR_PROTOCOL, "cannot send message %u on edge %s", no, edge->conf.table->name);
	if (row->rep != &oneway_type) {
		p = calloc(1, sizeof *p);
		if (p == NULL)
			return err_set(e, ERR_NO_MEMORY, "pending call");
		*p = (struct pending){ .row = row, .fn = fn, .ctx = ctx };
	}
	if (++edge->last_id == 0)
		edge->last_id = 1;
	if (transmit(edge, row, KIND_REQUEST, edge->last_id, row->req, msg != NULL ? msg : &nothing, fds, nfds, e) < 0) {
		free(p);
		return -1;
	}
	if (p != NULL) {
		p->id = edge->last_id;
		p->next = edge->pending;
		edge->pending = p;
	}
	return edge->last_id;
}

void
edge_forget(struct edge *edge, int64_t id)
{
	if (edge == NULL)
		return;
	for (struct pending *p = edge->pending; p != NULL; p = p->next)
		if (p->id == id)
			p->fn = NULL;
}

void
edge_cancel(struct edge *edge, int64_t id)
{
	static const struct none nothing;
	struct err e = ERR_INIT;
	struct pending *p;

	if (edge == NULL || edge->closed)
		return;
	for (p = edge->pending; p != NULL && p->id != id; p = p->next)
		;
	if (p == NULL)
		return;
	p->fn = NULL;
	if (transmit(edge, p->row, KIND_CANCEL, p->id, &none_type, &nothing, NULL, 0, &e) < 0)
		log_err(LOG_WARN, &e, "cancel %s", p->row->name);
}

static void
got_cancel(struct edge *edge, uint32_t id)
{
	/* the answer may have crossed it: then there is nothing left to cancel */
	for (struct call *c = edge->calls; c != NULL; c = c->next)
		if (c->id == id) {
			c->cancelled = true;
			if (c->on_cancel != NULL)
				c->on_cancel(c);
			return;
		}
}

static void
finish(struct call *c, unsigned kind, const struct rec_type *t, const void *rep, const int *fds, size_t nfds)
{
	struct edge *edge = c->edge;
	struct err e = ERR_INIT;

	unlink_call(c);
	if (edge != NULL && !edge->closed && c->row->rep != &oneway_type &&
	    transmit(edge, c->row, kind, c->id, t, rep, fds, nfds, &e) < 0) {
		log_err(LOG_ERROR, &e, "answer to %s", edge->conf.peer);
		shut(edge, &e);
	}
	free_call(c);
}

void
call_reply(struct call *c, const void *rep, const int *fds, size_t nfds)
{
	finish(c, KIND_REPLY, c->row->rep, rep, fds, nfds);
}

void
call_ok(struct call *c)
{
	static const struct none nothing;

	finish(c, KIND_REPLY, &none_type, &nothing, NULL, 0);
}

void
call_on_answer(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		call_fail(ctx, a->err);
	else
		call_ok(ctx);
}

int
call_reply_more(struct call *c, const void *rep, const int *fds, size_t nfds)
{
	struct err e = ERR_INIT;

	if (c->edge == NULL || c->edge->closed || c->cancelled)
		return -1;
	if (transmit(c->edge, c->row, KIND_MORE, c->id, c->row->rep, rep, fds, nfds, &e) < 0) {
		log_err(LOG_ERROR, &e, "answer to %s", c->edge->conf.peer);
		shut(c->edge, &e);
		return -1;
	}
	return 0;
}

void
call_fail(struct call *c, const struct err *e)
{
	struct edge_error body = { .code = e->code, .sys = e->sys & 4095, .text = (char *)(uintptr_t)e->text };

	finish(c, KIND_ERROR, &edge_error_type, &body, NULL, 0);
}

/* We have no memory for a request: that is no fault of the peer's, who is told. */
static void
no_memory_for(struct edge *edge, const struct edge_row *row, uint32_t id)
{
	struct edge_error body = { .code = ERR_NO_MEMORY, .text = (char *)(uintptr_t)"out of memory" };
	struct err e = ERR_INIT;

	log_msg(LOG_ERROR, "out of memory for %s from %s", row->name, edge->conf.peer);
	if (row->rep != &oneway_type && transmit(edge, row, KIND_ERROR, id, &edge_error_type, &body, NULL, 0, &e) < 0)
		shut(edge, &e);
}

static void
got_request(struct edge *edge, const struct edge_row *row, uint32_t id, const unsigned char *body, size_t n, int *fds, size_t nfds)
{
	struct err e = ERR_INIT;
	struct call *c;
	edge_fn fn = row->no < edge->conf.n_handlers ? edge->conf.handlers[row->no] : NULL;

	if (row->from == edge->conf.side || fn == NULL || nfds > row->req_fds) {
		err_set(&e, ERR_PROTOCOL, "%s with %zu descriptors is not for this side", row->name, nfds);
		close_fds(fds, nfds);
		violation(edge, &e);
		return;
	}
	c = calloc(1, sizeof *c);
	if (c == NULL) {
		close_fds(fds, nfds);
		no_memory_for(edge, row, id);
		return;
	}
	*c = (struct call){ .edge = edge, .row = row, .id = id, .nfds = nfds, .ctx = edge->conf.ctx };
	memcpy(c->fds, fds, nfds * sizeof *fds);
	c->msg = arena_alloc(&c->arena, row->req->size);
	if (c->msg == NULL || rec_decode_all(row->req, body, n, &c->arena, c->msg, &e) < 0) {
		bool ours = c->msg == NULL || e.code == ERR_NO_MEMORY;

		free_call(c);
		if (ours)
			no_memory_for(edge, row, id);
		else
			violation(edge, &e);
		return;
	}
	c->next = edge->calls;
	edge->calls = c;
	if (row->rep == &oneway_type) {
		if (fn(c, c->msg, &e) < 0)
			log_err(e.code == ERR_PROTOCOL ? LOG_ATTACK : LOG_ERROR, &e, "%s from %s", row->name, edge->conf.peer);
		unlink_call(c);
		free_call(c);
		return;
	}
	if (fn(c, c->msg, &e) < 0) {
		/* not cut off: an error that a third process gave may be passed on with its class */
		if (e.code == ERR_PROTOCOL)
			log_err(LOG_ATTACK, &e, "%s from %s is refused", row->name, edge->conf.peer);
		call_fail(c, &e);
	}
}

/* We have no memory for an answer: who waits for it is told so. Of several answers the others are dropped. */
static void
no_memory_for_answer(struct pending **slot, unsigned kind)
{
	struct pending *p = *slot;
	struct err e = ERR_INIT;
	struct answer a = { .err = &e };
	answer_fn fn = p->fn;
	void *ctx = p->ctx;

	err_set(&e, ERR_NO_MEMORY, "out of memory");
	p->fn = NULL;
	if (kind != KIND_MORE) {
		*slot = p->next;
		free(p);
	}
	if (fn != NULL)
		fn(ctx, &a);
}

static void
got_answer(struct edge *edge, const struct edge_row *row, unsigned kind, uint32_t id, const unsigned char *body, size_t n,
    int *fds, size_t nfds)
{
	struct err e = ERR_INIT, remote = ERR_INIT;
	own_arena arena = ARENA_INIT;
	struct pending **slot, *p;
	struct answer a = { .arena = &arena, .fds = fds, .nfds = nfds, .more = kind == KIND_MORE };
	void *msg;

	for (slot = &edge->pending; *slot != NULL && (*slot)->id != id; slot = &(*slot)->next)
		;
	p = *slot;
	if (p == NULL || p->row != row || nfds > row->rep_fds) {
		err_set(&e, ERR_PROTOCOL, "answer %u to %s was not asked for", id, row->name);
		close_fds(fds, nfds);
		violation(edge, &e);
		return;
	}
	const struct rec_type *t = kind == KIND_ERROR ? &edge_error_type : row->rep;

	msg = arena_alloc(&arena, t->size);
	if (msg == NULL || rec_decode_all(t, body, n, &arena, msg, &e) < 0) {
		close_fds(fds, nfds);
		if (msg == NULL || e.code == ERR_NO_MEMORY)
			no_memory_for_answer(slot, kind);
		else
			violation(edge, &e);
		return;
	}
	if (kind == KIND_ERROR) {
		const struct edge_error *body_error = msg;

		if (body_error->code <= ERR_NONE || body_error->code >= ERR_CODE_COUNT || body_error->text == NULL) {
			err_set(&e, ERR_PROTOCOL, "error answer without a class");
			close_fds(fds, nfds);
			violation(edge, &e);
			return;
		}
		err_set(&remote, (enum err_code)body_error->code, "%s", body_error->text);
		remote.sys = (int)body_error->sys;
		a.err = &remote;
	} else {
		a.msg = msg;
	}
	if (!a.more) {
		*slot = p->next;
		if (p->fn != NULL)
			p->fn(p->ctx, &a);
		free(p);
	} else if (p->fn != NULL) {
		p->fn(p->ctx, &a);
	}
	close_fds(fds, nfds);
}

static int
map_body(int memfd, size_t n, unsigned char **ret, struct err *e)
{
	struct stat st;
	void *p;
	int seals = fcntl(memfd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(memfd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size != n)
		return err_set(e, ERR_PROTOCOL, "message memory is not sealed or of another size");
	p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (p == MAP_FAILED)
		return errno == ENOMEM ? err_set(e, ERR_NO_MEMORY, "map a message") : err_sys(e, errno, "map a message");
	*ret = p;
	return 0;
}

/* A message that could not be read for want of memory. False: it would have been refused anyway. */
static bool
without_memory(struct edge *edge, const struct edge_row *row, unsigned kind, uint32_t id)
{
	struct pending **slot = &edge->pending;

	if (kind == KIND_REQUEST) {
		no_memory_for(edge, row, id);
		return true;
	}
	while (*slot != NULL && (*slot)->id != id)
		slot = &(*slot)->next;
	if (*slot == NULL || (*slot)->row != row)
		return false;
	no_memory_for_answer(slot, kind);
	return true;
}

void
edge_feed(struct edge *edge, const void *packet, size_t n, int *fds, size_t nfds)
{
	const unsigned char *h = packet;
	struct err e = ERR_INIT;
	const struct edge_row *row;
	unsigned char *mapped = NULL;
	const unsigned char *body = h + HEAD;
	unsigned no, kind, flags;
	uint32_t id, len, zero;
	struct reader r = { .p = h, .end = h + n };
	bool was_busy = edge->busy;

	no = read_u8(&r);
	no |= (unsigned)read_u8(&r) << 8;
	kind = read_u8(&r);
	flags = read_u8(&r);
	id = read_u32(&r);
	len = read_u32(&r);
	zero = read_u32(&r);
	row = row_of(edge, no);
	if (r.failed || row == NULL || kind >= KIND_COUNT || (flags & ~FLAG_MEMFD) != 0 || zero != 0 || len > EDGE_BODY_MAX ||
	    ((flags & FLAG_MEMFD) != 0 ? n != HEAD || nfds == 0 || len <= EDGE_INLINE : n - HEAD != len) ||
	    (kind == KIND_REQUEST || kind == KIND_CANCEL) == (row->from == edge->conf.side) ||
	    (kind == KIND_CANCEL && (len != 0 || nfds != 0))) {
		err_set(&e, ERR_PROTOCOL, "malformed packet of %zu bytes, message %u kind %u", n, no, kind);
		goto out;
	}
	if ((flags & FLAG_MEMFD) != 0) {
		own_fd memfd = fd_take(&fds[--nfds]);

		if (map_body(memfd, len, &mapped, &e) < 0 && (e.code != ERR_NO_MEMORY || !without_memory(edge, row, kind, id)))
			goto out;
		if (mapped == NULL) {
			close_fds(fds, nfds);
			return;
		}
		body = mapped;
	}
	edge->busy = true;
	if (kind == KIND_REQUEST)
		got_request(edge, row, id, body, len, fds, nfds);
	else if (kind == KIND_CANCEL)
		got_cancel(edge, id);
	else
		got_answer(edge, row, kind, id, body, len, fds, nfds);
	edge->busy = was_busy;
	if (mapped != NULL)
		munmap(mapped, len);
	return;
out:
	close_fds(fds, nfds);
	violation(edge, &e);
}

/* Receives and handles one packet. Returns 1 handled, 0 nothing there, -1 the channel ended. */
static int
receive(struct edge *edge)
{
	/* one for all: a message is decoded into memory of its own before anybody else receives. Not on the stack, where it would be
	   cleared for each packet. */
	static unsigned char packet[EDGE_INLINE + HEAD + 1];
	struct iovec iov = { packet, sizeof packet };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (EDGE_FDS_MAX + 2))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space };
	int fds[EDGE_FDS_MAX + 2];
	size_t nfds = 0;
	struct err e = ERR_INIT;
	ssize_t n = recvmsg(edge->io.fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		if (n < 0 && errno != ECONNRESET)
			err_sys(&e, errno, "receive from %s", edge->conf.peer);
		else
			err_set(&e, ERR_UNAVAILABLE, "%s closed the channel", edge->conf.peer);
		shut(edge, &e);
		return -1;
	}
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
		size_t count;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count && nfds < EDGE_FDS_MAX + 2; i++)
			memcpy(&fds[nfds++], CMSG_DATA(h) + i * sizeof(int), sizeof(int));
	}
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || nfds > EDGE_FDS_MAX + 1) {
		close_fds(fds, nfds);
		err_set(&e, ERR_PROTOCOL, "truncated packet or surplus descriptors");
		violation(edge, &e);
		return -1;
	}
	edge_feed(edge, packet, (size_t)n, fds, nfds);
	return 1;
}

static void
on_ready(struct loop_io *io, uint32_t events)
{
	struct edge *edge = (struct edge *)(void *)((char *)io - offsetof(struct edge, io));

	edge->busy = true;
	if ((events & EPOLLOUT) != 0)
		flush_queue(edge);
	/* a bounded number of packets, so that one busy edge does not starve the others */
	for (int i = 0; i < 16 && !edge->closed && !edge->freed; i++)
		if (receive(edge) <= 0)
			break;
	edge->busy = false;
	release(edge);
}

struct edge *
edge_new(struct loop *l, int fd, const struct edge_conf *conf, struct err *e)
{
	struct edge *edge;

	for (size_t i = 0; i < conf->table->n; i++) {
		const struct edge_row *row = &conf->table->rows[i];

		if (row->from != conf->side && (row->no >= conf->n_handlers || conf->handlers[row->no] == NULL)) {
			err_set(e, ERR_PROTOCOL, "edge %s: no handler for %s", conf->table->name, row->name);
			return NULL;
		}
	}
	edge = calloc(1, sizeof *edge);
	if (edge == NULL) {
		err_set(e, ERR_NO_MEMORY, "edge");
		return NULL;
	}
	edge->conf = *conf;
	edge->loop = l;
	edge->queue_tail = &edge->queue;
	edge->io.fd = fd;
	edge->io.on_ready = on_ready;
	if (fd_set_nonblock(fd, true) < 0) {
		err_sys(e, errno, "edge %s", conf->table->name);
		free(edge);
		return NULL;
	}
	if (l != NULL && loop_add(l, &edge->io, EPOLLIN, e) < 0) {
		free(edge);
		return NULL;
	}
	return edge;
}

void
edge_free(struct edge *edge)
{
	struct err why = ERR_INIT;

	if (edge == NULL || edge->freed)
		return;
	edge->conf.on_closed = NULL;
	/* first, so that a callback of the closing that frees the edge too finds it done */
	edge->freed = true;
	if (edge->closed) {
		release(edge);
		return;
	}
	err_set(&why, ERR_UNAVAILABLE, "closed");
	shut(edge, &why);
}

bool
edge_is_open(const struct edge *edge)
{
	return edge != NULL && !edge->closed;
}

void *
edge_ctx(struct edge *edge)
{
	return edge->conf.ctx;
}

struct sync {
	bool done;
	struct err err;
	struct arena *arena;
	void *rep;
	size_t rep_size;
	int *fds;
	size_t max_fds, nfds;
};

static void
on_sync_answer(void *ctx, struct answer *a)
{
	struct sync *s = ctx;

	s->done = true;
	if (a->err != NULL) {
		s->err = *a->err;
		return;
	}
	memcpy(s->rep, a->msg, s->rep_size);
	arena_merge(s->arena, a->arena);
	for (size_t i = 0; i < a->nfds && i < s->max_fds; i++)
		s->fds[s->nfds++] = fd_take(&a->fds[i]);
}

int
edge_call(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, struct arena *a, void *rep, int *rep_fds,
    size_t max_fds, size_t *ret_nfds, int timeout_ms, struct err *e)
{
	const struct edge_row *row = edge != NULL ? row_of(edge, no) : NULL;
	struct none nothing = { 0 };
	struct sync s = { .arena = a, .rep = rep != NULL ? rep : &nothing, .fds = rep_fds, .max_fds = max_fds };
	int64_t until = now_mono_ns() + (int64_t)timeout_ms * 1000000;
	bool was_busy;

	if (edge == NULL || row == NULL)
		return err_set(e, ERR_UNAVAILABLE, "the peer is not available");
	s.rep_size = row->rep->size;
	if (edge_send(edge, no, msg, fds, nfds, on_sync_answer, &s, e) < 0)
		return -1;
	was_busy = edge->busy;
	edge->busy = true;
	while (!s.done) {
		struct pollfd p = { .fd = edge->io.fd, .events = (short)(POLLIN | (edge->queue != NULL ? POLLOUT : 0)) };
		int64_t left = until - now_mono_ns();

		if (left <= 0) {
			err_set(&s.err, ERR_UNAVAILABLE, "%s does not answer %s", edge->conf.peer, row->name);
			shut(edge, &s.err);
			break;
		}
		if (poll(&p, 1, (int)(left / 1000000) + 1) < 0 && errno != EINTR)
			break;
		if ((p.revents & POLLOUT) != 0)
			flush_queue(edge);
		if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			(void)receive(edge);
	}
	edge->busy = was_busy;
	release(edge);
	if (s.err.code != ERR_NONE) {
		*e = s.err;
		return -1;
	}
	if (ret_nfds != NULL)
		*ret_nfds = s.nfds;
	return 0;
}
