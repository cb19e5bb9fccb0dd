/*
 * Every message table: packets for both sides of each edge, for the monitors' channels, and the unpacker's answer. Handlers
 * answer, fail, or keep the call. What was decoded is encoded and must decode to the same bytes.
 */
#include "edges.h"

#include "fd.h"
#include "unpack.h"
#include "wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROWS_MAX 128
#define HEAD     16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int fuzz_missed(void);

/* what was decoded at least once: [table][row][0 request, 1 answer] */
static bool reached[EDGES + 1][ROWS_MAX][2];

struct kept {
	struct call *v[64];
	size_t n;
	unsigned count, table;
};

static void
same_again(const struct rec_type *t, const void *obj)
{
	own_buf first = BUF_INIT((size_t)64 << 20), second = BUF_INIT((size_t)64 << 20);
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	void *again = arena_alloc(&a, t->size);

	if (again == NULL || rec_encode(t, obj, &first, &e) < 0 || rec_decode_all(t, first.data, first.used, &a, again, &e) < 0 ||
	    rec_encode(t, again, &second, &e) < 0 || first.used != second.used || (first.used > 0 && memcmp(first.data, second.data, first.used) != 0)) {
		fprintf(stderr, "%s does not read as it was written: %s\n", t->name, e.text);
		abort();
	}
}

static int
on_call(struct call *c, const void *msg, struct err *e)
{
	struct kept *k = c->ctx;
	own_arena a = ARENA_INIT;
	void *rep = arena_alloc(&a, c->row->rep->size + 1);
	bool oneway = c->row->rep == &oneway_type;

	reached[k->table][c->row->no][0] = true;
	same_again(c->row->req, msg);
	if (rep == NULL)
		abort();
	if (oneway)
		return k->count++ % 2 == 0 ? 0 : err_set(e, ERR_INVALID, "no");
	switch (k->count++ % 4) {
	case 0:
		call_reply(c, rep, NULL, 0);
		return 0;
	case 1:
		return err_set(e, ERR_CONFLICT, "no");
	case 2:
		(void)call_reply_more(c, rep, NULL, 0);
		err_set(e, ERR_NOT_FOUND, "no");
		call_fail(c, e);
		return 0;
	default:
		if (k->n == sizeof k->v / sizeof k->v[0])
			return err_set(e, ERR_LIMIT, "too many");
		k->v[k->n++] = c;
		return 0;
	}
}

struct asked { const struct edge_row *row; unsigned table; };

static void
on_answer(void *ctx, struct answer *a)
{
	const struct asked *q = ctx;

	if (a->err == NULL) {
		reached[q->table][q->row->no][1] = true;
		same_again(q->row->rep, a->msg);
	} else if (a->err->code == ERR_NONE) {
		abort();
	}
}

static int
memfd_of(const uint8_t *p, size_t n, size_t want)
{
	int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, p, n) < 0 || ftruncate(fd, (off_t)want) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		abort();
	return fd;
}

static size_t
some_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			abort();
	}
	return n;
}

static void
put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* One packet out of the input. The head is right but for what the input wants wrong. */
static void
feed(struct edge *edge, enum edge_side side, struct asked *q, unsigned no, unsigned how, const uint8_t *body, size_t n)
{
	static uint8_t packet[HEAD + 65536];
	const struct edge_table *t = edges[q->table];
	const struct edge_row *row = edge_table_row(t, no);
	unsigned kind = how & 7;
	int fds[EDGE_FDS_MAX];
	size_t nfds = some_fds(fds, how >> EDGE_FD_SHIFT);
	int64_t id = 1;

	if ((how & EDGE_RAW) != 0) {
		edge_feed(edge, body, n, fds, nfds);
		return;
	}
	/* an answer must have been asked for */
	if (row != NULL && row->from == side && row->rep != &oneway_type) {
		own_arena a = ARENA_INIT;
		struct err e = ERR_INIT;

		q->row = row;
		id = edge_send(edge, no, arena_alloc(&a, row->req->size + 1), NULL, 0, on_answer, q, &e);
	}
	memset(packet, 0, HEAD);
	packet[0] = (uint8_t)no;
	packet[2] = (uint8_t)kind;
	put32(packet + 4, (uint32_t)id);
	put32(packet + 8, (uint32_t)n);
	memcpy(packet + HEAD, body, n);
	if ((how & EDGE_MEMFD) != 0) {
		packet[3] = 1;
		put32(packet + 8, (uint32_t)(EDGE_INLINE + n));
		fds[nfds++] = memfd_of(body, n, EDGE_INLINE + n);
		n = 0;
	}
	edge_feed(edge, packet, HEAD + n, fds, nfds);
}

static void
fuzz_table(unsigned table, enum edge_side side, struct reader *r)
{
	edge_fn handlers[ROWS_MAX];
	struct kept kept = { .table = table };
	/* one for each packet, as the edge keeps them */
	struct asked asked[16];
	struct edge_conf conf = { .table = edges[table], .side = side, .handlers = handlers, .n_handlers = ROWS_MAX, .ctx = &kept,
		.peer = "fuzzer" };
	struct err e = ERR_INIT;
	struct edge *edge;
	int pair[2];

	for (size_t i = 0; i < ROWS_MAX; i++)
		handlers[i] = on_call;
	if (edge_pair(pair, &e) < 0 || (edge = edge_new(NULL, pair[0], &conf, &e)) == NULL)
		abort();
	for (size_t i = 0; i < 16 && r->p < r->end && edge_is_open(edge); i++) {
		unsigned no = read_u8(r), how = read_u8(r);
		size_t n = read_u8(r);
		const uint8_t *body;

		n |= (size_t)read_u8(r) << 8;
		if (n > (size_t)(r->end - r->p))
			n = (size_t)(r->end - r->p);
		body = read_bytes(r, n);
		asked[i].table = table;
		/* a copy of its own, so that reading beyond it is seen */
		uint8_t *own = malloc(n > 0 ? n : 1);

		if (own == NULL)
			abort();
		if (n > 0)
			memcpy(own, body, n);
		feed(edge, side, &asked[i], no, how, own, n);
		free(own);
	}
	edge_free(edge);
	for (size_t i = 0; i < kept.n; i++)
		call_ok(kept.v[i]);
	close(pair[1]);
}

static void
fuzz_wire(struct reader *r)
{
	static uint8_t packet[8 + 65536];
	own_wire w = WIRE_INIT;
	struct err e = ERR_INIT;
	unsigned kind = read_u8(r), flags = read_u8(r);
	size_t n = (size_t)(r->end - r->p) < 60000 ? (size_t)(r->end - r->p) : 60000;
	bool again;
	int pair[2];

	if (edge_pair(pair, &e) < 0)
		abort();
	packet[0] = (uint8_t)kind;
	packet[1] = (uint8_t)(flags & 1);
	packet[2] = packet[3] = flags == 0xff ? 1 : 0;
	put32(packet + 4, (uint32_t)n);
	if (n > 0)
		memcpy(packet + 8, r->p, n);
	if (send(pair[1], packet, 8 + n, 0) < 0)
		abort();
	close(pair[1]);
	if (wire_recv(pair[0], true, &w, &again, &e) > 0)
		for (size_t i = 0; i < wire_rows_n; i++)
			if (wire_rows[i].no == (unsigned)w.kind) {
				reached[EDGES][w.kind][0] = true;
				if (w.msg != NULL)
					same_again(wire_rows[i].type, w.msg);
			}
	close(pair[0]);
}

static void
fuzz_record(const struct rec_type *t, const uint8_t *p, size_t n)
{
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	void *obj = arena_alloc(&a, t->size);

	if (obj != NULL && rec_decode_all(t, p, n, &a, obj, &e) == 0)
		same_again(t, obj);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct reader r = { .p = data, .end = data + n };
	unsigned first, which;

	if (n == 0)
		return 0;
	first = read_u8(&r);
	which = (first & ~SIDE_B) % (EDGES + 3);
	if (which < EDGES)
		fuzz_table(which, (first & SIDE_B) != 0 ? EDGE_B : EDGE_A, &r);
	else if (which == EDGES || which == WIRES)
		fuzz_wire(&r);
	else
		fuzz_record(&unpack_result_type, r.p, (size_t)(r.end - r.p));
	return 0;
}

/* For the replay: each row of each table must have been decoded. */
int
fuzz_missed(void)
{
	int missed = 0;

	for (size_t t = 0; t < EDGES; t++)
		for (size_t i = 0; i < edges[t]->n; i++)
			for (unsigned answer = 0; answer < 2; answer++)
				if (!reached[t][edges[t]->rows[i].no][answer] && (answer == 0 || edges[t]->rows[i].rep != &oneway_type)) {
					printf("%s: no %s was decoded\n", edges[t]->rows[i].name, answer ? "answer" : "request");
					missed++;
				}
	for (size_t i = 0; i < wire_rows_n; i++)
		if (!reached[EDGES][wire_rows[i].no][0]) {
			printf("%s: was not decoded\n", wire_rows[i].name);
			missed++;
		}
	return missed;
}
