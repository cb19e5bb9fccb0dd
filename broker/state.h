/*
 * The objects that the broker keeps, in memory and (through db.h) on disk. Records are decoded into an arena of their
 * object's own; a changed text stays in the arena until the record is packed (state_pack_dirty, when idle), so pointers
 * into a record must not be kept beyond one event.
 */
#pragma once
#include "edge.h"
#include "ipam.h"
#include "msg/api.h"
#include "msg/store.h"
#include "msg/types.h"

struct broker;
struct op;

struct ctr;
enum wait_for { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED };
/* Who waits for a container's end. fn is called once; the waiter is unlinked and freed before. */
struct waiter {
	enum wait_for what;
	void (*fn)(void *ctx, struct ctr *c, int64_t status, const char *error);
	void *ctx;
	struct waiter *next;
};

struct ctr {
	struct broker *b;
	char id[65];
	char *name;                    /* key of the index, "/name" */
	struct arena arena;
	struct container rec;
	struct op *ops;                /* first: running; others wait for it */
	struct waiter *waiters;
	struct exec *execs;
	struct health_watch *health;   /* NULL: no check, or it does not run */
	struct loop_timer restart;
	int64_t backoff_ns;
	size_t attached_before_start;
	uint32_t last_address;         /* that it had on the default network, 0: none */
	bool making;                   /* not recorded yet: nobody finds it, but its name is taken */
	bool in_doubt;                 /* the runtime died while starting it */
	bool endpoint;                 /* netd was told of its endpoints */
	bool removing;
	bool no_restart;               /* the present end was asked for (stop, kill, remove) */
	bool failed_start;             /* in this life the last start failed; the exit code is not a process's */
	bool is_dirty;
	struct ctr *next_dirty;
};

struct img {
	struct arena arena;
	struct image rec;
};
struct vol {
	struct arena arena;
	struct volume rec;
	bool busy;                     /* being made or removed */
};
struct net {
	struct arena arena;
	struct network rec;
	struct address_pool *pool;     /* of a bridge: its addresses; the default network's is the broker's */
	struct address_pool own_pool;
	bool busy;                     /* being made or removed */
};
struct exec {
	struct ctr *ctr;
	struct arena arena;
	struct exec_state rec;
	bool started;
	int64_t ended_ns;              /* CLOCK_MONOTONIC, 0: not yet */
	struct exec *next;
};

#define IMAGE_PREFIX "sha256:"

int state_load(struct broker *b, struct err *e) must_check;
void state_done(struct broker *b);

/* Containers. Look-up as in the Docker engine: id, name, unique id prefix. */
struct ctr *ctr_find(const struct broker *b, const char *ref, struct err *e);
/* A container of this record (copied) with its indexes, not yet on disk. */
struct ctr *ctr_add(struct broker *b, const struct container *rec, struct err *e);
void ctr_forget(struct ctr *c);                       /* out of the indexes, freed; waiters and ops must be gone */
int ctr_write(struct ctr *c, struct err *e) must_check;   /* within a transaction */
int ctr_save(struct ctr *c, bool hard, struct err *e) must_check;
void ctr_save_soft(struct ctr *c);                    /* failure is logged */
int ctr_rename(struct ctr *c, const char *name, struct err *e) must_check;   /* with slash; index and record */
void ctr_touch(struct ctr *c);                        /* texts were replaced: pack when idle */
char *ctr_text(struct ctr *c, const char *s);         /* a copy in the record's arena; NULL for NULL or no memory */
bool ctr_running(const struct ctr *c);                /* running or paused */
void ctr_status(struct ctr *c, const char *status);   /* a literal: sets status and its flags */
const char *ctr_name(const struct ctr *c);            /* without slash */
void state_pack_dirty(struct broker *b);

/* Images: by tag, digest, id or prefix. ERR_NOT_FOUND "No such image: x:latest". */
struct img *img_find(const struct broker *b, const char *ref, struct err *e);
struct img *img_by_tag(const struct broker *b, const char *tag);
/* Puts or replaces a record: in memory and, within a transaction, on disk. */
struct img *img_put(struct broker *b, const struct image *rec, struct err *e);
int img_write(struct broker *b, struct img *i, struct err *e) must_check;
int img_tag_add(struct broker *b, struct img *i, const char *tag, struct err *e) must_check;     /* moves it from another image */
void img_tag_del(struct broker *b, struct img *i, const char *tag);
int img_forget(struct broker *b, struct img *i, struct err *e) must_check;   /* within a transaction; freed */

struct vol *vol_find(const struct broker *b, const char *name);
struct vol *vol_put(struct broker *b, const struct volume *rec, struct err *e);   /* in memory only */
int vol_write(struct broker *b, struct vol *v, struct err *e) must_check;
void vol_forget(struct broker *b, struct vol *v);     /* in memory only */
struct net *net_find(const struct broker *b, const char *ref, struct err *e);
struct net *net_named(const struct broker *b, const char *name);

struct exec *exec_find(const struct broker *b, const char *id, struct err *e);
struct exec *exec_put(struct ctr *c, const struct exec_state *rec, struct err *e);
void exec_save_soft(struct exec *x);
void exec_forget(struct exec *x);
