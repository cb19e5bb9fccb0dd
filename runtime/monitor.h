/*
 * A monitor: parent of one process, for its whole life. Holds the other ends of its standard streams, writes the log,
 * serves attached clients and keeps the exit status. Nothing is allocated for what does not happen: an idle
 * monitor's own memory is a few pages.
 */
#pragma once
#include "loop.h"
#include "wire.h"

#include <stdbool.h>
#include <sys/types.h>

#define STREAM_OUT 1
#define STREAM_ERR 2

struct monitor;

/* A client that is attached. Output that it does not take in time waits in pending; while there is too much of it, nothing is read
   from the process either, so that nothing is lost. */
struct client {
	struct client *next;
	struct monitor *m;
	struct loop_io io;
	bool in, out, err, mux;
	struct buf pending;
	unsigned char keys[32];
	size_t n_keys, matched;
	bool input_done, dead, ended;
	struct replay *replay;      /* still reads the log: gets no output of the process */
	bool only_log;              /* goes when it has taken everything */
	bool held;                  /* nothing may be written before the program was executed: an error would be the answer */
	/* Clients that read the answer's head through a buffer lose what comes along with it: nothing follows before it was read. */
	size_t head_left;
	bool reading_head;
	int64_t head_until;         /* CLOCK_MONOTONIC: then it follows anyway */
	struct loop_timer head_timer;
};

struct stream {
	struct loop_io io;
	struct monitor *m;
	int number;                 /* STREAM_OUT or STREAM_ERR */
	bool open;
	/* a line's beginning that waits for its end (log) */
	unsigned char *part;
	size_t part_n;
	bool partial;               /* the line goes on: its first 16 KiB were written */
	bool grown;                 /* the pipe was made larger */
};

struct follower {
	struct follower *next;
	int fd;
	bool told;                  /* new data was announced since the follower last read */
};

enum log_format { LOG_NONE, LOG_JSON, LOG_LOCAL };

/* The compression of one full file (mon_squeeze.c). */
struct squeeze {
	struct loop_io io;          /* its pidfd */
	pid_t pid;                  /* 0: none runs */
	int index;                  /* which file it is by now; 0: it is gone */
	bool ok;
};

struct log {
	struct monitor *m;
	enum log_format format;
	bool on, compress;
	int dir, fd;
	int64_t size, max_size;
	int max_files;
	char name[128];             /* the present file's */
	struct buf out;
	struct follower *followers;
	bool failed;
	int64_t now;                /* of the batch that is being written */
	uint64_t seq;               /* of the last record */
	char *stamp;                /* json-file: end of a line from its stream on */
	size_t stamp_head, stamp_n;
	struct squeeze squeeze;
};

struct monitor {
	struct loop *loop;
	struct loop_io ctl, listen, ms, child;
	int child_fd;               /* pidfd */
	int rs_of_stage;
	pid_t pid;
	struct arena arena;         /* holds start */
	struct w_start start;
	bool have_start, started, failed, exited, go;
	int64_t started_at;
	uid_t runtime;              /* who may come back to it */
	int dir, userns, oom, procs, netns;
	struct stream out, err;     /* a terminal uses out only */
	struct loop_io input;       /* to the process */
	struct buf input_data;
	bool input_close;           /* once input_data is written */
	struct client *clients;
	struct log log;
	int blocked;                /* clients that have too much waiting */
};

/* mon_make.c: makes the process; the parent returns, the child does not. */
int monitor_make(struct monitor *m, const struct wire *w, struct err *e) must_check;

/* mon_io.c */
int io_take_stdio(struct monitor *m, struct wire *w, struct err *e) must_check;
int io_attach(struct monitor *m, const struct run_stream *s, int fd, struct err *e) must_check;
/* The program was executed: held clients get their head and what came meanwhile. */
void io_started(struct monitor *m);
void io_resize(struct monitor *m, const struct w_size *size);
/* Reads what is left and hands it on; at the end of the process. */
void io_drain(struct monitor *m);
void io_close(struct monitor *m);
void monitor_detached(struct monitor *m);
void monitor_clients_changed(struct monitor *m);

/* Output for one client; a failure only marks it. */
void client_send(struct client *c, int stream, const unsigned char *data, size_t n);

/* mon_replay.c */
int replay_new(struct client *c, bool live, struct err *e) must_check;
void replay_free(struct client *c);
void replay_pump(struct client *c);
void replay_rotated(struct monitor *m);

/* mon_log.c */
int log_lines_init(struct log *l, struct err *e) must_check;
void log_output(struct log *l, struct stream *s, const unsigned char *data, size_t n);
void log_end(struct log *l, struct stream *s);
/* mon_files.c */
int log_open(struct monitor *m, struct err *e) must_check;
/* Writes what is collected; called once for each round of reading. */
void log_flush(struct log *l);
int log_follow(struct log *l, int fd);
/* That was all: who only lost its place in the queue is told apart from who saw the end. */
void log_tell_end(struct log *l);
/* Opens all files, oldest first; returns how many. */
size_t log_files(struct log *l, int *fds, size_t max);
int log_current(struct log *l, int *ret_fd) must_check;
/* Memory that only traffic needs. */
void log_relax(struct log *l);

/* mon_squeeze.c: compresses what waits for it, if that is wanted and not under way */
void squeeze_start(struct log *l);
void squeeze_stop(struct log *l);
