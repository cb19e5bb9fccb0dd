/*
 * Operations of several steps. Each kind is a table of steps with their undo. Before it acts an operation is journaled: kind,
 * object, step and its data. A step acts, and later says op_done or op_failed; after a failure the undos of the steps from
 * there back to the first run (they are harmless if their step did nothing). After a crash recovery finds the journal and
 * undoes (or, for kinds that only go forward, finishes) what it finds.
 *
 * Kinds marked STEPS_ONCE have undos that need not know how far it came: one journal row at the start is enough for them,
 * which saves a write at each step.
 *
 * Operations on one container wait for each other in the order in which they came, never for another container's.
 */
#pragma once
#include "edge.h"
#include "state.h"

struct op;
struct op_step {
	const char *name;
	void (*act)(struct op *op);
	void (*undo)(struct op *op);      /* may be NULL; says op_done */
};
enum {
	STEPS_JOURNAL = 1,   /* is journaled at all */
	STEPS_ONCE = 2,      /* only at its start */
	STEPS_FORWARD = 4,   /* recovery finishes it instead of undoing it; its steps may act twice */
	STEPS_FREE = 8,      /* does not wait for the container's other operations */
	STEPS_LIFE = 16,     /* its end says whether the container runs, or is there at all */
};
struct op_kind {
	const char *name;
	const struct op_step *steps;
	size_t n;
	unsigned flags;
	const struct rec_type *data_type;                    /* of op->data, for the journal; NULL: none */
	/* At the end, op->err tells. Answers op->call (or leaves it: then it is failed with the error or said ok). */
	void (*finish)(struct op *op);
	/* In recovery, when it is read and again before it goes on: makes op->ctr and op->state from the data. false: nothing is
	   to be done. Kinds without it are over with the crash. */
	bool (*resume)(struct op *op);
	void (*release)(struct op *op);                      /* gives back what op->state holds; may be NULL */
};

struct op {
	struct broker *b;
	const struct op_kind *kind;
	char key[24];                 /* of its journal row, "" while there is none */
	char object[256];
	struct ctr *ctr;
	unsigned at;
	bool undoing, running, walking, answered, recovered, let_go, journaled_end;
	struct err err;
	struct arena arena;
	struct call *call;            /* who asked; NULL: the engine itself */
	void *data;                   /* the kind's journaled record, in the arena */
	void *state;                  /* the kind's own, in the arena */
	void (*then)(struct op *op, void *ctx);   /* the engine's own interest, after finish */
	void *then_ctx;
	struct op *next, *next_of_ctr;
};

/* A new operation; its call is taken over (answered at the end). NULL: e is set and the call is still the caller's. */
struct op *op_new(struct broker *b, const struct op_kind *kind, struct ctr *c, const char *object, struct call *call, struct err *e);
/* Runs it now, or after the container's others. It may be over and freed on return. */
void op_submit(struct op *op);
/* Runs it right after one of the same container that runs now. */
void op_submit_after(struct op *op, struct op *before);
void op_done(struct op *op);
void op_failed(struct op *op, const struct err *e);
void op_on_answer(void *ctx, struct answer *a);   /* an answer_fn with the operation as ctx: done, or failed with what the peer said */
/* For a step's last write: takes the journal row away within the caller's transaction, so that both happen or none. */
int op_end_journal(struct op *op, struct err *e) must_check;
/* Ends those that wait for a container that is being forgotten. */
void ops_cancel_waiting(struct ctr *c);
/* The operation of this kind that runs on the container now. */
struct op *op_running(const struct ctr *c, const struct op_kind *kind);
/* What an earlier life of the broker left in the journal: read at start (so that its objects are known), worked off when all
   peers were compared with the records. */
int ops_load(struct broker *b, struct err *e) must_check;
void ops_submit_recovered(struct broker *b);
/* Forgets all, as a crash would; their calls fail. */
void ops_done(struct broker *b);
/* One that is STEPS_LIFE runs, waits or was interrupted. */
bool op_decides(const struct ctr *c);
bool op_known_object(const struct broker *b, const char *object);
/* create.c: a volume that an unfinished creation makes */
bool op_known_volume(const struct broker *b, const char *name);
