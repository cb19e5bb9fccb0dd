#include "db.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 2: rows tell how many fields they have (rec.h) */
#define SCHEMA_VERSION 2
#define LOG_NAME "state.db-wal"
#define LOG_PAGES 1000        /* SQLite writes its log back into the database when it is as long as this, and begins it anew */
#define LOG_SIZE ((size_t)(LOG_PAGES + 64) * (4096 + 24))
#define RECORD_MAX ((size_t)16 << 20)

static const char *const table_names[DB_TABLE_COUNT] = { "containers", "images", "volumes", "networks", "execs", "journal", "meta" };

struct db {
	sqlite3 *h;
	sqlite3_stmt *put[DB_TABLE_COUNT], *del[DB_TABLE_COUNT], *begin, *commit, *rollback;
	unsigned depth;
	bool synced;   /* the connection's present mode */
	struct buf scratch;
};

static int
fail(struct db *db, struct err *e, const char *what)
{
	int code = sqlite3_errcode(db->h);

	if (code == SQLITE_FULL)
		return err_set(e, ERR_SYSTEM, "%s: no space left on device", what);
	return err_set(e, ERR_SYSTEM, "%s: %s", what, sqlite3_errmsg(db->h));
}

/* SQLite makes absolute names of relative ones; we may only reach what is beneath the held directory, so names stay. */
static int
name_as_is(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	return snprintf(out, (size_t)n, "%s", name) < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int
register_vfs(struct err *e)
{
	static sqlite3_vfs vfs;
	const sqlite3_vfs *base = sqlite3_vfs_find(NULL);

	if (base == NULL)
		return err_set(e, ERR_SYSTEM, "SQLite has no file system");
	if (vfs.zName != NULL)
		return 0;
	vfs = *base;
	vfs.zName = "held-directory";
	vfs.pNext = NULL;
	vfs.xFullPathname = name_as_is;
	return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? 0 : err_set(e, ERR_SYSTEM, "register the SQLite file system");
}

static int
run(struct db *db, const char *sql, struct err *e)
{
	return sqlite3_exec(db->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(db, e, "database");
}

static int
prepare(struct db *db, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	return sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK ? 0 : fail(db, e, "prepare a statement");
}

static int
read_version(struct db *db, int64_t *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;

	if (prepare(db, "PRAGMA user_version", &s, e) < 0)
		return -1;
	*ret = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_finalize(s);
	return 0;
}

static int
make_schema(struct db *db, struct err *e)
{
	int64_t version = 0;
	char sql[256];

	if (read_version(db, &version, e) < 0)
		return -1;
	if (version > SCHEMA_VERSION)
		return err_set(e, ERR_UNSUPPORTED, "the database is of a newer engine (schema %lld)", (long long)version);
	if (version > 0 && version < SCHEMA_VERSION)
		return err_set(e, ERR_UNSUPPORTED, "the database is of an engine from before its first release (schema %lld)", (long long)version);
	for (int t = 0; t < DB_TABLE_COUNT; t++) {
		snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS %s (key TEXT PRIMARY KEY NOT NULL, rec BLOB NOT NULL) WITHOUT ROWID",
		    table_names[t]);
		if (run(db, sql, e) < 0)
			return -1;
	}
	snprintf(sql, sizeof sql, "PRAGMA user_version = %d", SCHEMA_VERSION);
	return version == SCHEMA_VERSION ? 0 : run(db, sql, e);
}

static int
prepare_all(struct db *db, struct err *e)
{
	char sql[128];

	for (int t = 0; t < DB_TABLE_COUNT; t++) {
		snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s (key, rec) VALUES (?1, ?2)", table_names[t]);
		if (prepare(db, sql, &db->put[t], e) < 0)
			return -1;
		snprintf(sql, sizeof sql, "DELETE FROM %s WHERE key = ?1", table_names[t]);
		if (prepare(db, sql, &db->del[t], e) < 0)
			return -1;
	}
	return prepare(db, "BEGIN IMMEDIATE", &db->begin, e) < 0 || prepare(db, "COMMIT", &db->commit, e) < 0 ||
	    prepare(db, "ROLLBACK", &db->rollback, e) < 0 ? -1 : 0;
}

/*
 * Makes the log as long as it will ever be. A commit that makes a file longer has to wait for the file system's journal, and so for
 * whatever else is being written to that disk; one that overwrites waits for its own pages only. SQLite reads no further than the last
 * frame with its present checksum, so what zeros follow do not matter. Without the room all works the same, only slower.
 */
static void
lengthen_log(void)
{
	static const unsigned char zeros[65536];
	own_fd fd = open(LOG_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	for (off_t at = st.st_size; at < (off_t)LOG_SIZE; at += (off_t)sizeof zeros)
		if (pwrite(fd, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros) {
			(void)!ftruncate(fd, st.st_size);
			return;
		}
	(void)fsync(fd);
}

struct db *
db_open(struct err *e)
{
	char checkpoint[64];

	struct db *db = calloc(1, sizeof *db);

	snprintf(checkpoint, sizeof checkpoint, "PRAGMA wal_autocheckpoint = %d", LOG_PAGES);
	if (db == NULL) {
		err_set(e, ERR_NO_MEMORY, "database");
		return NULL;
	}
	db->scratch.max = RECORD_MAX;
	if (register_vfs(e) < 0)
		goto bad;
	if (sqlite3_open_v2("state.db", &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, "held-directory") != SQLITE_OK) {
		fail(db, e, "open state.db");
		goto bad;
	}
	/* exclusive: one process, so the wal index lives on the heap and no shared memory file is needed */
	if (run(db, "PRAGMA locking_mode = EXCLUSIVE", e) < 0 || run(db, "PRAGMA journal_mode = WAL", e) < 0 ||
	    run(db, "PRAGMA synchronous = FULL", e) < 0 || run(db, checkpoint, e) < 0 ||
	    run(db, "PRAGMA temp_store = MEMORY", e) < 0 || run(db, "PRAGMA cache_size = -1024", e) < 0 || make_schema(db, e) < 0 ||
	    prepare_all(db, e) < 0)
		goto bad;
	db->synced = true;
	lengthen_log();
	return db;
bad:
	db_close(db);
	return NULL;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (int t = 0; t < DB_TABLE_COUNT; t++) {
		sqlite3_finalize(db->put[t]);
		sqlite3_finalize(db->del[t]);
	}
	sqlite3_finalize(db->begin);
	sqlite3_finalize(db->commit);
	sqlite3_finalize(db->rollback);
	sqlite3_close(db->h);
	buf_done(&db->scratch);
	free(db);
}

static int
once(struct db *db, sqlite3_stmt *s, const char *what, struct err *e)
{
	int r = sqlite3_step(s), reset = sqlite3_reset(s);

	return (r == SQLITE_DONE || r == SQLITE_ROW) && reset == SQLITE_OK ? 0 : fail(db, e, what);
}

/* The mode can only be changed outside a transaction. A hard commit syncs the log, with all soft ones before it. */
static int
set_mode(struct db *db, bool hard, struct err *e)
{
	if (db->synced == hard)
		return 0;
	if (run(db, hard ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", e) < 0)
		return -1;
	db->synced = hard;
	return 0;
}

int
db_begin(struct db *db, bool hard, struct err *e)
{
	if (db->depth == 0 && (set_mode(db, hard, e) < 0 || once(db, db->begin, "begin", e) < 0))
		return -1;
	db->depth++;
	return 0;
}

void
db_rollback(struct db *db)
{
	struct err e = ERR_INIT;

	if (db->depth > 0 && sqlite3_get_autocommit(db->h) == 0 && once(db, db->rollback, "rollback", &e) < 0)
		log_err(LOG_ERROR, &e, "database");
	db->depth = 0;
}

int
db_commit(struct db *db, struct err *e)
{
	if (db->depth > 1) {
		db->depth--;
		return 0;
	}
	if (once(db, db->commit, "commit", e) < 0) {
		db_rollback(db);
		return -1;
	}
	db->depth = 0;
	return 0;
}

int
db_put_blob(struct db *db, enum db_table t, const char *key, const void *data, size_t n, struct err *e)
{
	sqlite3_stmt *s = db->put[t];

	if (sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_blob64(s, 2, n > 0 ? data : "", n, SQLITE_STATIC) != SQLITE_OK)
		return fail(db, e, "bind a record");
	return once(db, s, "write a record", e);
}

int
db_put(struct db *db, enum db_table t, const char *key, const struct rec_type *type, const void *rec, struct err *e)
{
	buf_reset(&db->scratch);
	if (rec_encode(type, rec, &db->scratch, e) < 0)
		return -1;
	return db_put_blob(db, t, key, db->scratch.data, db->scratch.used, e);
}

int
db_del(struct db *db, enum db_table t, const char *key, struct err *e)
{
	sqlite3_stmt *s = db->del[t];

	if (sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC) != SQLITE_OK)
		return fail(db, e, "bind a key");
	return once(db, s, "delete a record", e);
}

int
db_each(struct db *db, enum db_table t, int (*fn)(void *ctx, const char *key, const void *data, size_t n, struct err *e), void *ctx,
    size_t *ret_bad, struct err *e)
{
	sqlite3_stmt *s = NULL;
	char sql[96];
	int r;

	snprintf(sql, sizeof sql, "SELECT key, rec FROM %s ORDER BY key", table_names[t]);
	if (prepare(db, sql, &s, e) < 0)
		return -1;
	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(s, 0);
		struct err bad = ERR_INIT;

		if (key != NULL && fn(ctx, key, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), &bad) == 0)
			continue;
		log_err(LOG_ERROR, &bad, "record %s of %s is damaged and left out", key != NULL ? key : "?", table_names[t]);
		if (ret_bad != NULL)
			(*ret_bad)++;
	}
	if (r != SQLITE_DONE) {
		fail(db, e, "read the records");
		sqlite3_finalize(s);
		return -1;
	}
	sqlite3_finalize(s);
	return 0;
}

int
db_counter(struct db *db, const char *name, int64_t step, int64_t *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;
	char text[32];
	int64_t value = 0;

	if (prepare(db, "SELECT CAST(CAST(rec AS TEXT) AS INTEGER) FROM meta WHERE key = ?1", &s, e) < 0)
		return -1;
	if (sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	snprintf(text, sizeof text, "%lld", (long long)(value + step));
	if (db_put_blob(db, DB_META, name, text, strlen(text), e) < 0)
		return -1;
	*ret = value;
	return 0;
}
