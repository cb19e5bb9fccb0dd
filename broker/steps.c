#include "steps.h"

#include "broker.h"
#include "crash.h"
#include "kinds.h"
#include "log.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define OPS_MAX 8192u
#define OPS_OF_CLIENT_MAX 1024u

#define JOURNAL_FIELDS(F, O, L) \
	F(str,  kind,    NULL, 32) \
	F(str,  object,  NULL, 255) \
	F(num,  step,    NULL, 64) \
	F(flag, undoing, NULL, 1) \
	F(str,  error,   NULL, 512) \
	F(blob, data,    NULL, REC_NUM_ANY)
REC_DECLARE(journal, JOURNAL_FIELDS)
#define REC_SELF struct journal
REC_DEFINE(journal, JOURNAL_FIELDS)
#undef REC_SELF

static size_t n_ops;

/* How many the same worker waits for. */
static size_t
ops_of(const struct broker *b, const struct call *call)
{
	size_t n = 0;

	for (const struct op *op = b->ops; op != NULL; op = op->next)
		n += op->call != NULL && op->call->ctx == call->ctx ? 1 : 0;
	return n;
}

struct op *
op_new(struct broker *b, const struct op_kind *kind, struct ctr *c, const char *object, struct call *call, struct err *e)
{
	struct op *op;

	if (n_ops >= OPS_MAX || (call != NULL && n_ops >= OPS_OF_CLIENT_MAX && ops_of(b, call) >= OPS_OF_CLIENT_MAX)) {
		err_set(e, ERR_LIMIT, "too many operations at once");
		return NULL;
	}
	op = calloc(1, sizeof *op);
	if (op == NULL) {
		err_memory(e);
		return NULL;
	}
	op->b = b;
	op->kind = kind;
	op->ctr = c;
	op->call = call;
	(void)text_copy(op->object, sizeof op->object, object);
	op->next = b->ops;
	b->ops = op;
	n_ops++;
	return op;
}

static int
write_journal(struct op *op, struct err *e)
{
	struct db *db = op->b->db;
	own_buf data = BUF_INIT((size_t)8 << 20);
	struct journal j = { .kind = (char *)(uintptr_t)op->kind->name, .object = op->object, .step = op->at, .undoing = op->undoing,
		.error = op->err.text };
	int64_t no;

	if (op->data != NULL && op->kind->data_type != NULL && rec_encode(op->kind->data_type, op->data, &data, e) < 0)
		return -1;
	j.data = (struct blob){ data.used, data.data };
	if (op->key[0] == '\0') {
		static int64_t next, last;

		if (next == last) {
			if (db_counter(db, "operation", 1024, &next, e) < 0)
				return -1;
			last = next + 1024;
		}
		no = next++;
		snprintf(op->key, sizeof op->key, "%020lld", (long long)no);
	}
	return db_put(db, DB_JOURNAL, op->key, &journal_type, &j, e);
}

static int
journal(struct op *op, struct err *e)
{
	bool first = op->key[0] == '\0';

	if ((op->kind->flags & STEPS_JOURNAL) == 0 || (!first && (op->kind->flags & STEPS_ONCE) != 0))
		return 0;
	if (db_begin(op->b->db, false, e) < 0)
		return -1;
	if (write_journal(op, e) == 0)
		return db_commit(op->b->db, e);
	db_rollback(op->b->db);
	return -1;
}

int
op_end_journal(struct op *op, struct err *e)
{
	if (op->key[0] == '\0')
		return 0;
	op->journaled_end = true;
	return db_del(op->b->db, DB_JOURNAL, op->key, e);
}

static void
erase_journal(struct op *op)
{
	struct err e = ERR_INIT;

	if (op->key[0] == '\0' || op->journaled_end)
		return;
	if (db_begin(op->b->db, false, &e) < 0 || db_del(op->b->db, DB_JOURNAL, op->key, &e) < 0 || db_commit(op->b->db, &e) < 0) {
		db_rollback(op->b->db);
		log_err(LOG_ERROR, &e, "journal of %s %s", op->kind->name, op->object);
	}
}

static void start(struct op *op);

static void
unlink_op(struct op *op)
{
	for (struct op **p = &op->b->ops; *p != NULL; p = &(*p)->next)
		if (*p == op) {
			*p = op->next;
			break;
		}
	n_ops--;
}

/* Takes it out of its container's queue and lets the next one go; the container may be gone afterwards. */
static void
leave_queue(struct op *op)
{
	struct ctr *c = op->ctr;
	bool first;

	if (c == NULL || (op->kind->flags & STEPS_FREE) != 0)
		return;
	first = c->ops == op;
	for (struct op **p = &c->ops; *p != NULL; p = &(*p)->next_of_ctr)
		if (*p == op) {
			*p = op->next_of_ctr;
			break;
		}
	if (first && c->ops != NULL)
		start(c->ops);
}

static void
finish(struct op *op)
{
	if (op->kind->finish != NULL)
		op->kind->finish(op);
	/* after finish: where one operation hands over to another, that one is in the journal before this one leaves it */
	erase_journal(op);
	if (op->call != NULL && op->err.code != ERR_NONE)
		call_fail(op->call, &op->err);
	else if (op->call != NULL)
		call_ok(op->call);
	op->call = NULL;
	if (op->then != NULL)
		op->then(op, op->then_ctx);
	unlink_op(op);
	leave_queue(op);
	if (op->kind->release != NULL)
		op->kind->release(op);
	arena_done(&op->arena);
	free(op);
}

/* One answer was given: where to go from here. false: it is over. */
static bool
advance(struct op *op)
{
	if (!op->undoing && op->err.code == ERR_NONE) {
		crash_point(op->kind->name, op->at, "after");
		op->at++;
		return op->at < op->kind->n;
	}
	if (!op->undoing) {
		/* the step that failed is undone too: it may have come half way */
		op->undoing = true;
		return true;
	}
	if (op->at == 0)
		return false;
	op->at--;
	return true;
}

static void
walk(struct op *op)
{
	op->walking = true;
	for (;;) {
		const struct op_step *step = &op->kind->steps[op->at];
		struct err e = ERR_INIT;

		op->answered = false;
		if (op->undoing) {
			if (journal(op, &e) < 0)
				log_err(LOG_ERROR, &e, "journal");
			if (step->undo != NULL)
				step->undo(op);
			else
				op->answered = true;
		} else if (journal(op, &e) < 0) {
			op->err = e;
			op->answered = true;
		} else {
			crash_point(op->kind->name, op->at, "before");
			step->act(op);
		}
		if (!op->answered) {
			op->walking = false;
			return;
		}
		if (!advance(op)) {
			finish(op);
			return;
		}
	}
}

static void
answered(struct op *op)
{
	op->answered = true;
	if (op->walking)
		return;
	if (advance(op))
		walk(op);
	else
		finish(op);
}

void
op_done(struct op *op)
{
	answered(op);
}

void
op_failed(struct op *op, const struct err *e)
{
	if (op->undoing)
		log_err(LOG_WARN, e, "undo of %s %s", op->kind->name, op->object);
	else
		op->err = *e;
	answered(op);
}

void
op_on_answer(void *ctx, struct answer *a)
{
	if (a->err != NULL)
		op_failed(ctx, a->err);
	else
		op_done(ctx);
}

static void
start(struct op *op)
{
	/* what an earlier life left is let go when all peers are there (ops_submit_recovered) */
	if (op->recovered && !op->let_go)
		return;
	op->running = true;
	if (op->err.code == ERR_NONE || op->undoing)
		walk(op);
	else
		finish(op);
}

void
op_submit(struct op *op)
{
	struct op **p;

	if (op->ctr == NULL || (op->kind->flags & STEPS_FREE) != 0) {
		start(op);
		return;
	}
	for (p = &op->ctr->ops; *p != NULL; p = &(*p)->next_of_ctr)
		;
	*p = op;
	if (op->ctr->ops == op)
		start(op);
}

void
op_submit_after(struct op *op, struct op *before)
{
	op->next_of_ctr = before->next_of_ctr;
	before->next_of_ctr = op;
}

void
ops_cancel_waiting(struct ctr *c)
{
	struct op *first = c->ops, *op = first != NULL ? first->next_of_ctr : NULL;

	if (first != NULL)
		first->next_of_ctr = NULL;
	while (op != NULL) {
		struct op *next = op->next_of_ctr;

		err_set(&op->err, ERR_NOT_FOUND, "No such container: %s", c->id);
		op->ctr = NULL;
		op->next_of_ctr = NULL;
		finish(op);
		op = next;
	}
}

struct op *
op_running(const struct ctr *c, const struct op_kind *kind)
{
	return c->ops != NULL && c->ops->kind == kind && c->ops->running ? c->ops : NULL;
}

bool
op_decides(const struct ctr *c)
{
	for (const struct op *op = c->b->ops; op != NULL; op = op->next)
		if ((op->kind->flags & STEPS_LIFE) != 0 && strcmp(op->object, c->id) == 0)
			return true;
	return false;
}

bool
op_known_object(const struct broker *b, const char *object)
{
	for (const struct op *op = b->ops; op != NULL; op = op->next)
		if (strcmp(op->object, object) == 0)
			return true;
	return false;
}

void
ops_done(struct broker *b)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE, "the engine ends");
	while (b->ops != NULL) {
		struct op *op = b->ops;

		if (op->call != NULL)
			call_fail(op->call, &e);
		if (op->kind->release != NULL)
			op->kind->release(op);
		b->ops = op->next;
		n_ops--;
		arena_done(&op->arena);
		free(op);
	}
}

/* ---- recovery ---- */
static const struct op_kind *
kind_named(const char *name)
{
	for (size_t i = 0; op_kinds[i] != NULL; i++)
		if (strcmp(op_kinds[i]->name, name) == 0)
			return op_kinds[i];
	return NULL;
}

static void
discard(struct op *op)
{
	unlink_op(op);
	arena_done(&op->arena);
	free(op);
}

/* Where an interrupted operation goes on: undos start at the last step that may have acted. */
static void
place(struct op *op, const struct journal *j)
{
	bool forward = (op->kind->flags & STEPS_FORWARD) != 0;

	op->at = (op->kind->flags & STEPS_ONCE) != 0 && !forward ? (unsigned)op->kind->n - 1 : (unsigned)j->step;
	op->undoing = j->undoing || !forward;
	if (op->undoing)
		err_set(&op->err, ERR_UNAVAILABLE, "%s", text_set(j->error) ? j->error : "the engine was interrupted");
}

static int
rebuild(struct broker *b, const char *key, const struct journal *j, struct err *e)
{
	const struct op_kind *kind = kind_named(text_or_empty(j->kind));
	struct op *op, **p;

	if (kind == NULL || j->step < 0 || (size_t)j->step >= kind->n)
		return err_set(e, ERR_INVALID, "an unknown operation");
	op = op_new(b, kind, NULL, text_or_empty(j->object), NULL, e);
	if (op == NULL)
		return -1;
	(void)text_copy(op->key, sizeof op->key, key);
	op->recovered = true;
	place(op, j);
	if (kind->data_type != NULL && j->data.n > 0) {
		op->data = arena_alloc(&op->arena, kind->data_type->size);
		if (op->data == NULL || rec_decode_all(kind->data_type, j->data.p, j->data.n, &op->arena, op->data, e) < 0) {
			discard(op);
			return -1;
		}
	}
	/* it stands first in its container's queue; what comes in now waits behind it */
	if (kind->resume == NULL || !kind->resume(op) || op->ctr == NULL || (kind->flags & STEPS_FREE) != 0)
		return 0;
	for (p = &op->ctr->ops; *p != NULL; p = &(*p)->next_of_ctr)
		;
	*p = op;
	return 0;
}

static int
read_row(void *ctx, const char *key, const void *data, size_t n, struct err *e)
{
	own_arena a = ARENA_INIT;
	struct journal j;

	return rec_decode_all(&journal_type, data, n, &a, &j, e) < 0 ? -1 : rebuild(ctx, key, &j, e);
}

int
ops_load(struct broker *b, struct err *e)
{
	size_t bad = 0;

	if (db_each(b->db, DB_JOURNAL, read_row, b, &bad, e) < 0)
		return -1;
	b->damaged += bad;
	return 0;
}

static void
submit_recovered(struct op *op)
{
	bool wanted = op->kind->resume == NULL ? op->kind->data_type == NULL && op->undoing : op->kind->resume(op);

	log_msg(LOG_INFO, "%s of %s was interrupted and is %s", op->kind->name, op->object, !wanted ? "over" : op->undoing ? "taken back" : "finished");
	if (wanted && op->kind->resume != NULL) {
		if (op->ctr == NULL || op->ctr->ops == op)
			start(op);
		return;
	}
	err_clear(&op->err);
	op->undoing = false;
	finish(op);
}

void
ops_submit_recovered(struct broker *b)
{
	struct op *op;

	/* each is marked when it is let go; those that wait behind another one of their container follow by themselves */
	do {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): an operation that ended has left the list */
		for (op = b->ops; op != NULL && (!op->recovered || op->running || op->let_go); op = op->next)
			;
		if (op != NULL) {
			op->let_go = true;
			submit_recovered(op);
		}
	} while (op != NULL);
}
