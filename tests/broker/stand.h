/* A whole broker in this process, on one loop with stand-ins for runtime, store and network daemon, and a client. */
#pragma once
#include "broker.h"
#include "setup.h"

#define STAND_CONTAINERS 64

struct stand_ctr { char id[65], state[16]; int64_t code, started_at, finished_at; };
struct stand {
	struct loop *loop;
	char dir[64];
	int dir_fd;
	struct broker b;
	struct edge *run, *store, *net, *dns, *api;
	/* what the stand-ins have */
	struct stand_ctr ctrs[STAND_CONTAINERS];
	struct index rws, volumes, layers, images;
	size_t endpoints, opened, cancels, deletes, drops;
	bool fail_open;
	struct index published;
	/* script */
	char run_error[200];         /* run_start fails with this */
	char update_error[200];      /* so does the next run_update */
	int64_t updated[8];          /* memory limits that run_update set */
	size_t n_updated;
	bool mute_prepare, mute_start, mute_update, mute_rw, mute_volume, mute_endpoint, mute_archive, mute_stats, mute_signal, mute_commit;   /* no answer: the peer is about to die */
	bool signal_ignored;         /* TERM does nothing */
	bool port_taken;
	struct call *muted[16];
	size_t n_muted;
	/* the last answer to the client */
	bool done, more;
	size_t n_more;
	struct err err;
	struct arena arena;
	void *msg;
	char events[4096];
};

void stand_open(struct stand *s);
void stand_close(struct stand *s);
void stand_crash(struct stand *s);             /* the broker dies; its peers' channels end */
void stand_start(struct stand *s);             /* a broker, all peers connected, recovered */
void stand_connect(struct stand *s, const char *name);
void stand_kill(struct stand *s, const char *name);   /* a peer dies: its channel ends */
void stand_run(struct stand *s, int ms);       /* lets the loop turn */
/* A request and its final answer: 0 or -1 (s->err); the record is in s->msg. */
int stand_call(struct stand *s, unsigned no, const void *msg, const int *fds, size_t nfds);
void stand_send(struct stand *s, unsigned no, const void *msg);   /* not waited for; s->done tells */
void stand_exit(struct stand *s, const char *id, int64_t code);   /* the container's process ends */
void stand_image(struct stand *s, const char *tag);               /* one that is loaded */
char *stand_create(struct stand *s, const char *name, struct host_config *h, char id[65]);
struct stand_ctr *stand_ctr_of(struct stand *s, const char *id);
void stand_put(struct index *x, const char *name);                /* something that the store has */
size_t stand_rows(struct stand *s, enum db_table t);              /* rows of a table */
