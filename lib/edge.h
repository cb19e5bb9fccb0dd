/*
 * Edges: typed messages between two processes over one SOCK_SEQPACKET socketpair, from one table per edge.
 *
 *	#define MOUNT_MESSAGES(ROW) \
 *	        /  * name       no  from  request      fds  reply        fds *  /
 *	     	ROW(mount_give, 1,  A,    mount_give,  2,   mount_given, 64)
 *
 * "from" is the side that may send the row's request (A: the first named in the table's comment). fds is the greatest
 * number of descriptors. A reply type of "oneway" means that no answer is sent. Numbers are append-only. From the
 * rows come enum (NO_mount_give), log names, sender check, descriptor check and dispatch (edge.c); a message that
 * breaks them ends the channel and is logged as an attack.
 *
 * A packet is a 16-byte header (number u16, kind u8, flags u8, call id u32, body length u32, zero u32) and a record
 * (rec.h). A body over EDGE_INLINE bytes travels in a sealed memfd, the last descriptor of the packet.
 */
#pragma once
#include "buf.h"
#include "err.h"
#include "loop.h"
#include "rec.h"

#define EDGE_INLINE   ((size_t)48 << 10)
#define EDGE_BODY_MAX ((size_t)16 << 20)
#define EDGE_FDS_MAX  64
#define EDGE_QUEUE_MAX 4096

enum edge_side { EDGE_A, EDGE_B };

struct edge_row {
	const char *name;
	unsigned no;
	enum edge_side from;
	const struct rec_type *req, *rep;   /* rep NULL: one way */
	unsigned req_fds, rep_fds;
};
struct edge_table {
	const char *name;
	size_t n;
	const struct edge_row *rows;        /* by number, which may have gaps */
};
/* The row of this number; NULL if there is none. */
const struct edge_row *edge_table_row(const struct edge_table *t, unsigned no);

struct none { char unused; };
extern const struct rec_type none_type;
extern const struct rec_type oneway_type;   /* marks one-way rows */

#define EDGE_NO_(name_, no_, from_, req_, req_fds_, rep_, rep_fds_) NO_##name_ = (no_),
/* In the header: EDGE_DECLARE(mount_edge, MOUNT_MESSAGES), which gives NO_mount_give; row names are unique over all edges */
#define EDGE_DECLARE(table, MESSAGES) enum { MESSAGES(EDGE_NO_) table##_end }; extern const struct edge_table table;
#define EDGE_ROW_(name_, no_, from_, req_, req_fds_, rep_, rep_fds_) \
	{ .name = #name_, .no = (no_), .from = EDGE_##from_, .req = &req_##_type, .rep = &rep_##_type, \
	  .req_fds = (req_fds_), .rep_fds = (rep_fds_) },
/* In one .c file: EDGE_DEFINE(mount_edge, "mount", MOUNT_MESSAGES) */
#define EDGE_DEFINE(table, text, MESSAGES) \
	static const struct edge_row table##_rows[] = { MESSAGES(EDGE_ROW_) }; \
	const struct edge_table table = { .name = (text), .n = sizeof table##_rows / sizeof table##_rows[0], \
		.rows = table##_rows };

struct edge;

/* A request that came in. The handler answers it with call_reply or call_fail, at once or later; both free it. If the
   handler returns -1 the error is sent as the answer. One-way calls are freed after the handler returns. */
struct call {
	struct edge *edge;            /* NULL once the channel is gone */
	const struct edge_row *row;
	uint32_t id;
	int fds[EDGE_FDS_MAX];        /* take one with fd_take; what is left is closed */
	size_t nfds;
	struct arena arena;           /* holds the decoded message, lives as long as the call */
	void *msg;
	void *ctx;                    /* the edge's */
	struct call *next;
	/* The asker lost its interest (its client went away): may be set by a handler that waits for something; it ends the
	   call as usual. In any case call_reply_more fails from then on. */
	void (*on_cancel)(struct call *c);
	void *cancel_ctx;             /* the handler's own */
	bool cancelled;
};
typedef int (*edge_fn)(struct call *c, const void *msg, struct err *e);

/* Sends a reply and frees the call. fds are borrowed. Failure to send closes the edge; the caller need not care. */
void call_reply(struct call *c, const void *rep, const int *fds, size_t nfds);
void call_ok(struct call *c);                                   /* reply of type none */
/* Sends one of several replies; the call lives on. Returns -1 if the channel is gone or the asker cancelled. */
int call_reply_more(struct call *c, const void *rep, const int *fds, size_t nfds);
void call_fail(struct call *c, const struct err *e);
struct answer {
	const struct err *err;        /* NULL: success */
	const void *msg;              /* the reply record, in arena */
	struct arena *arena;          /* take over by copying the struct and clearing it */
	int *fds;                     /* take with fd_take */
	size_t nfds;
	bool more;                    /* another answer follows */
};
typedef void (*answer_fn)(void *ctx, struct answer *a);
void call_on_answer(void *ctx, struct answer *a);   /* an answer_fn with a call as ctx that has no reply of its own: passed on */

struct edge_conf {
	const struct edge_table *table;
	enum edge_side side;          /* which side we are */
	const edge_fn *handlers;      /* indexed by row number; one for each row that the peer may send */
	size_t n_handlers;
	void *ctx;
	const char *peer;             /* for logs and for "the <peer> is not available" */
	/* The channel is gone (peer died, or it was cut off). All pending answers were called with an error. The owner
	   calls edge_free, here or later. */
	void (*on_closed)(void *ctx, struct edge *edge, const struct err *why);
};

/* Takes over fd (made non-blocking). Fails if a handler is missing for a row of the peer. */
struct edge *edge_new(struct loop *l, int fd, const struct edge_conf *conf, struct err *e);
void edge_free(struct edge *edge);            /* NULL is fine */
bool edge_is_open(const struct edge *edge);
void *edge_ctx(struct edge *edge);
/* Sends a request; fn is called once for the final answer, and before for each "more" one. fn may be NULL for one-way
   rows only. On -1 fn is not called. fds are borrowed. Returns the call id (> 0) on success. */
int64_t edge_send(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, answer_fn fn, void *ctx,
    struct err *e) must_check;
/* Forgets who waits for call id: later answers are dropped. */
void edge_forget(struct edge *edge, int64_t id);
/* edge_forget, and tells the peer that nobody waits any more (call->on_cancel there); the peer ends the call. */
void edge_cancel(struct edge *edge, int64_t id);
/* Sends and waits for the one answer, for callers of givers (which never block on us). The record is decoded into the
   arena; up to max_fds descriptors go to fds. timeout_ms bounds the wait; running out of it cuts the channel. */
int edge_call(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, struct arena *a, void *rep,
    int *rep_fds, size_t max_fds, size_t *ret_nfds, int timeout_ms, struct err *e) must_check;
/* Handles one packet as if it had come in (fuzzing, drills). */
void edge_feed(struct edge *edge, const void *packet, size_t n, int *fds, size_t nfds);
/* A connected pair of close-on-exec SEQPACKET sockets. */
int edge_pair(int fds[2], struct err *e) must_check;
