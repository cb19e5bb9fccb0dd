/* seeds DIR: the first corpus of fuzz_edge, from the tables: for each row an empty and a full record, as request and as answer. */
#include "edges.h"
#include "fill.h"

#include "unpack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *dir;
static int bad;

static void
write_seed(const char *name, const struct buf *b)
{
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (b->failed || f == NULL || fwrite(b->data, 1, b->used, f) != b->used)
		bad = 1;
	if (f != NULL && fclose(f) != 0)
		bad = 1;
}

/* body of depth 0 is the empty record */
static void
put_body(struct buf *b, const struct rec_type *t, unsigned depth)
{
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	void *obj = arena_alloc(&a, t->size + 1);

	if (obj == NULL || (depth > 0 && !fill_record(t, obj, &a, depth)) || rec_encode(t, obj, b, &e) < 0) {
		fprintf(stderr, "%s: %s\n", t->name, e.text);
		bad = 1;
	}
}

static void
put_packet(struct buf *out, unsigned no, unsigned how, const struct rec_type *t, unsigned depth)
{
	own_buf b = BUF_INIT(65535);

	if (t != NULL)
		put_body(&b, t, depth);
	buf_put_u8(out, (uint8_t)no);
	buf_put_u8(out, (uint8_t)how);
	buf_put_u8(out, (uint8_t)b.used);
	buf_put_u8(out, (uint8_t)(b.used >> 8));
	buf_put(out, b.data, b.used);
}

enum { REQUEST = 0, REPLY = 1, MORE = 3, CANCEL = 4 };

static void
seeds_of_row(unsigned table, const struct edge_row *row)
{
	/* the side that reads the request, and the one that reads the answer */
	uint8_t asked = (uint8_t)(table | (row->from == EDGE_A ? SIDE_B : 0)), asking = (uint8_t)(asked ^ SIDE_B);
	own_buf request = BUF_INIT(1 << 20), answer = BUF_INIT(1 << 20);
	char name[128];

	buf_put_u8(&request, asked);
	put_packet(&request, row->no, REQUEST, row->req, 0);
	put_packet(&request, row->no, REQUEST | (row->req_fds > 0 ? 1u << EDGE_FD_SHIFT : 0), row->req, 2);
	put_packet(&request, row->no, CANCEL, NULL, 0);
	(void)snprintf(name, sizeof name, "%s-request", row->name);
	write_seed(name, &request);
	if (row->rep->n == 0 && row->rep != &none_type)
		return;
	buf_put_u8(&answer, asking);
	put_packet(&answer, row->no, MORE, row->rep, 0);
	put_packet(&answer, row->no, REPLY | (row->rep_fds > 0 ? 1u << EDGE_FD_SHIFT : 0), row->rep, 2);
	(void)snprintf(name, sizeof name, "%s-answer", row->name);
	write_seed(name, &answer);
}

static void
seed_of_wire(const struct wire_row *row)
{
	own_buf b = BUF_INIT(1 << 20);
	char name[128];

	buf_put_u8(&b, WIRES);
	buf_put_u8(&b, (uint8_t)row->no);
	buf_put_u8(&b, 0);
	put_body(&b, row->type, 2);
	(void)snprintf(name, sizeof name, "%s", row->name);
	write_seed(name, &b);
}

int
main(int argc, char **argv)
{
	own_buf b = BUF_INIT(1 << 20);

	if (argc != 2)
		return 2;
	dir = argv[1];
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return 1;
	for (unsigned t = 0; t < EDGES; t++)
		for (size_t i = 0; i < edges[t]->n; i++)
			seeds_of_row(t, &edges[t]->rows[i]);
	for (size_t i = 0; i < wire_rows_n; i++)
		seed_of_wire(&wire_rows[i]);
	buf_put_u8(&b, RECORDS);
	put_body(&b, &unpack_result_type, 2);
	write_seed("unpack_result", &b);
	return bad;
}
