/*
 * The records on disk: one SQLite database in the state directory, one table per kind, a record as its rec_encode blob
 * with its key beside it. The truth that requests are answered from is in memory (state.h); this is what survives.
 *
 * Two kinds of commit: a "hard" one is on the disk when it returns (what the API promised); a "soft" one survives the
 * death of every process but not of the machine's power (the journal: after a power loss nothing is running, and what
 * is on disk without a record is found by the comparison with the store).
 */
#pragma once
#include "err.h"
#include "rec.h"

#include <stdbool.h>

struct db;
enum db_table { DB_CONTAINERS, DB_IMAGES, DB_VOLUMES, DB_NETWORKS, DB_EXECS, DB_JOURNAL, DB_META, DB_TABLE_COUNT };

/* Opens or makes state.db in the current directory (the state directory). */
struct db *db_open(struct err *e);
void db_close(struct db *db);
/* All writes happen between begin and commit. Nested begins are counted; the outermost pair counts and says if it is hard. */
int db_begin(struct db *db, bool hard, struct err *e) must_check;
int db_commit(struct db *db, struct err *e) must_check;
void db_rollback(struct db *db);
int db_put(struct db *db, enum db_table t, const char *key, const struct rec_type *type, const void *rec, struct err *e) must_check;
int db_put_blob(struct db *db, enum db_table t, const char *key, const void *data, size_t n, struct err *e) must_check;
int db_del(struct db *db, enum db_table t, const char *key, struct err *e) must_check;
/* Calls fn for each row, in key order; a -1 from fn is counted as a damaged row and does not end the walk. */
int db_each(struct db *db, enum db_table t, int (*fn)(void *ctx, const char *key, const void *data, size_t n, struct err *e), void *ctx,
    size_t *ret_bad, struct err *e) must_check;
/* A number in the meta table that is advanced by step; returns the value before. */
int db_counter(struct db *db, const char *name, int64_t step, int64_t *ret, struct err *e) must_check;
