/*
 * How the inputs of fuzz_edge look, for the target and for seeds.c, which writes its first corpus.
 *
 * First byte: which table (modulo EDGES) and, with its highest bit, which side we are. After it packets: message number u8,
 * kind u8 (EDGE_RAW: the packet's head is taken as it stands in the body; EDGE_MEMFD: the body comes in memory, written often
 * enough; the high four bits are a number of descriptors), length u16, body.
 */
#pragma once
#include "edge.h"

#define EDGES      10u
#define WIRES      (EDGES + 1)       /* the channels of the monitors */
#define RECORDS    (EDGES + 2)       /* what the unpacker answers */
#define SIDE_B     0x80u
#define EDGE_RAW   0x08u
#define EDGE_MEMFD 0x10u
#define EDGE_FD_SHIFT 5u

extern const struct edge_table *const edges[EDGES];
struct wire_row { const char *name; unsigned no; const struct rec_type *type; };
extern const struct wire_row wire_rows[];
extern const size_t wire_rows_n;
