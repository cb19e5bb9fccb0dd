/*
 * One connection of an API client: reads a request, hands it to its route's handler, writes the answer, and starts again.
 *
 *	HEAD -> BODY -> BUSY -> FLUSH -> HEAD ...           (LINGER: answered, but the client still sends)
 *
 * A handler answers at once, or after the broker's answer (client_call), or becomes a stream (stream_begin, then
 * stream_put as its source has data, stream_end). A client that went away is killed: it gets no more callbacks, its
 * call at the broker is cancelled, and its memory is freed when the loop is idle, so no callback needs to ask.
 */
#pragma once
#include "buf.h"
#include "edge.h"
#include "fd.h"
#include "http.h"
#include "json.h"
#include "loop.h"
#include "msg/api.h"

#define API_VERSION_MIN  124
#define API_VERSION_MAX  150
#define API_VERSION_TEXT "1.50"
#define API_MIN_TEXT     "1.24"
#define ENGINE_VERSION   "28.2.2"        /* what scripts compare */
#define OUT_HIGH ((size_t)256 << 10)     /* a stream's source pauses above this */
#define QUERY_MAX 1024

struct client;

struct worker {
	struct loop *loop;
	struct edge *api;              /* NULL while the broker is away */
	struct client *clients, *dead;
	size_t n_clients;
	bool experimental;
	char kernel[128];
	char date[40];                 /* of the second below */
	int64_t date_second;
	struct loop_timer trim;
	struct buf spare;              /* memory of the last idle connection's input, for the next that has some */
};

enum body_kind {
	BODY_NONE,      /* read and thrown away */
	BODY_JSON,      /* collected, up to 4 MiB */
	BODY_CREATE,    /* the same, up to 8 MiB: a seccomp profile may be inside */
	BODY_STREAM,    /* the handler is called after the head and takes the body in pieces */
};

struct route {
	const char *method, *pattern;
	unsigned since;
	enum body_kind body;
	int (*handler)(struct client *c, struct err *e);   /* NULL: not built */
};

enum client_state { CLIENT_HEAD, CLIENT_BODY, CLIENT_BUSY, CLIENT_FLUSH, CLIENT_LINGER };

/* What a stream adds to its client; all may be NULL. */
enum { BODY_LATER = -1, BODY_READ = -2 };
struct stream_ops {
	size_t (*on_body)(struct client *c, const char *p, size_t n);   /* returns how much it took; less: waits for client_want_body */
	/* Moves up to left bytes of body by itself: how many, 0 at the connection's end, BODY_LATER (nothing there, or no room: as on_body), BODY_READ: they
	   are to be read and handed over. */
	ssize_t (*on_splice)(struct client *c, uint64_t left);
	void (*on_body_end)(struct client *c, bool complete);           /* complete false: broken off */
	void (*on_drain)(struct client *c);                             /* there is room in out again */
	void (*on_close)(struct client *c);                             /* frees c->stream */
};

struct client {
	struct worker *w;
	struct client *next, **prev, *next_dead;
	struct loop_io io;
	struct loop_timer timer;
	struct buf in, out;
	enum client_state state;
	bool dead, closing, eof_cancels, want_body, want_drain;
	/* the request */
	size_t scanned, lingered;
	struct http_head head;          /* points into head_text */
	char *head_text;
	struct arena arena;             /* all memory of the request */
	const struct route *route;
	unsigned version;
	char *path, *name, *name2;      /* decoded; what the pattern's places matched */
	struct kvs query;
	struct buf body;
	size_t body_max;
	struct http_chunks chunks;
	unsigned chunk_digits;          /* of the greatest size of a chunk that was moved */
	uint64_t body_left;
	bool body_done, discard;
	/* the answer */
	bool started, chunked, no_body, in_chunk;
	size_t chunk_at;
	int ok_status;
	const char *extra;              /* a header of its own, whole lines; in the arena */
	/* the call at the broker */
	struct edge *call_edge;
	int64_t call_id;
	void (*on_answer)(struct client *c, struct answer *a);
	/* the stream */
	const struct stream_ops *ops;
	void *stream;
};

/* Takes the descriptor over. */
void client_new(struct worker *w, int fd);
void client_kill(struct client *c);
void clients_reap(void *worker);                  /* idle callback of the loop */

/* ---- the request ---- */
const char *query_str(const struct client *c, const char *key);   /* "" if missing */
bool query_has(const struct client *c, const char *key);
bool query_bool(const struct client *c, const char *key, bool otherwise);
/* The filters parameter in both of its forms. */
struct filter_list;
int query_filters(struct client *c, struct filter **ret, size_t *ret_n, struct err *e) must_check;
/* Checks the content type and parses; an absent body is an error as in the Docker engine. */
int client_json(struct client *c, json_t **ret, struct err *e) must_check;
int client_record(struct client *c, const struct rec_type *t, void *obj, struct err *e) must_check;

/* ---- answers ---- */
void reply(struct client *c, int status, const char *type, const void *body, size_t n);
void reply_empty(struct client *c, int status);
void reply_buf(struct client *c, int status, const struct buf *json);      /* adds the newline */
void reply_rec(struct client *c, int status, const struct rec_type *t, const void *obj);
void reply_error(struct client *c, const struct err *e);
void reply_message(struct client *c, int status, const char *message);
/* The common headers, for heads that others write. */
void put_common_headers(struct client *c, struct buf *b);
void stream_begin(struct client *c, int status, const char *type);
/* Bytes between begin and end form one chunk; stream_flush after it. */
void stream_open_chunk(struct client *c);
void stream_close_chunk(struct client *c);
void stream_put(struct client *c, const void *p, size_t n);    /* one chunk and flush */
void stream_end(struct client *c);                             /* complete */
void stream_abort(struct client *c);                           /* the client must notice that it is not complete */
void client_flush(struct client *c);
void client_want_body(struct client *c);                       /* on_body has room again */
void client_want_drain(struct client *c);                      /* call on_drain when the socket takes more */
/* Forgets the client without closing its connection in the protocol's sense: somebody else has it now. */
void client_hand_over(struct client *c);

/* ---- the broker ---- */
int client_call(struct client *c, unsigned no, const void *msg, const int *fds, size_t nfds,
    void (*fn)(struct client *c, struct answer *a), struct err *e) must_check;
/* For calls without a result: answers with the status. */
int client_call_status(struct client *c, unsigned no, const void *msg, int status, struct err *e) must_check;
/* Answers with the record that came back, as JSON. */
int client_call_rec(struct client *c, unsigned no, const void *msg, int status, struct err *e) must_check;

int http_status_of(enum err_code code);
const char *http_reason(int status);
