/*
 * The logger delivers logs to syslog, journald, GELF, fluentd, Splunk, CloudWatch and Google Cloud. One struct ship for each container: it reads the
 * container's log files (reader.c), makes batches of records in its driver's form, sends one batch at a time, and
 * remembers in a small file which record was the last that arrived. A slow or dead endpoint only makes it wait: meanwhile the files
 * are written on, and what they no longer hold when the endpoint is back is counted and said.
 */
#pragma once
#include "comp.h"
#include "logframe.h"
#include "logopts.h"
#include "msg/logs.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define READER_FILES 40

struct logger;
struct ship;

/* A record on its way out. part: of a line of more than 16 KiB, which comes in several records. */
struct record {
	bool err;
	uint64_t seq;
	int64_t time;
	const unsigned char *text;
	size_t n;
	struct { bool is, last; char id[33]; unsigned ordinal; } part;
};

/* ---- reader.c: the files of one container as records ---- */
struct log_reader {
	int fds[READER_FILES];
	size_t n, at, most;            /* most: files that the cache may have; older ones are let go */
	struct loop_io socket;
	bool live, ended;              /* it is told of more; the writer said that there is no more */
	bool known, gz, file_ended;
	uint64_t offset;
	z_stream z;
	struct buf block;
	size_t taken;
	uint64_t seq;                  /* of the last record that was given out */
};
/* Takes files (and the socket, -1: none) over; begins behind record r->seq. */
void reader_begin(struct log_reader *r, int *files, size_t n, int socket, struct loop *l, struct err *e);
void reader_done(struct log_reader *r);
/* 1: f is the next record (valid until the next call); 0: nothing at the moment; -1: budget used up, call again soon. */
int reader_next(struct log_reader *r, struct log_frame *f, size_t *budget);
/* All was given out and no more will come. */
bool reader_at_end(const struct log_reader *r);

/* ---- link.c: one connection: tcp, tls, unix, unixgram, udp ---- */
enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_UP };
struct link {
	struct ship *ship;
	enum link_state state;
	struct log_address address;
	bool tls, skip_verify, dgram, failing;
	const char *ca, *cert, *key;
	struct transfer *transfer;
	struct loop_io io;
	struct loop_timer timer;
	struct resolve *resolve;
	size_t sent;                   /* bytes of the batch */
	int64_t quiet_since;
	bool only_check, waits_for_answer;
	bool (*on_input)(struct ship *s, const unsigned char *data, size_t n);   /* true: the batch was acknowledged */
};
/* Sends the ship's batch, connecting first if need be; or only connects. Ends with ship_sent or ship_failed. */
void link_send(struct link *l);
void link_check(struct link *l);
void link_close(struct link *l);

/* ---- web.c: curl's transfers on our loop ---- */
struct transfer {
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	struct ship *ship;
	struct buf reply;
	char why[CURL_ERROR_SIZE];
	bool (*fn)(struct transfer *t, CURLcode code, long status);   /* true: t is the callee's now; else it is freed after it */
};
int web_init(struct logger *g, struct err *e) must_check;
struct transfer *transfer_new(struct ship *s, const char *url, bool (*fn)(struct transfer *t, CURLcode code, long status));
bool transfer_header(struct transfer *t, const char *fmt, ...) printf_like(2, 3);
void transfer_tls(struct transfer *t, const char *ca, const char *cert, const char *key, bool skip_verify);
void transfer_post(struct transfer *t, const void *body, size_t n);    /* the body is the caller's, until fn */
bool transfer_server_name(struct transfer *t, const char *url, const char *name);   /* the certificate is to be this name's */
bool transfer_start(struct transfer *t);
void transfer_free(struct transfer *t);
/* Why a transfer failed, as a dial error of Go. */
void transfer_error(const struct transfer *t, CURLcode code, const char *proto, const char *host, int port, struct err *e);

/* ---- ship.c ---- */
struct driver {
	const char *name;
	/* Reads the options; what it needs goes into s->conf. */
	int (*open)(struct ship *s, struct err *e);
	/* Appends a record to s->batch. */
	void (*add)(struct ship *s, const struct record *r);
	/* The batch is whole; may be NULL. */
	void (*finish)(struct ship *s);
	void (*send)(struct ship *s);
	void (*check)(struct ship *s);                 /* ends with ship_sent or ship_failed, too */
	/* May a new batch begin with this record (full: the present one is)? NULL: yes, if it is full. */
	bool (*boundary)(struct ship *s, const struct log_frame *f, bool full);
	size_t records, bytes;                         /* that make a batch full */
	int64_t linger_ns;                             /* how long a batch waits to become full */
};
struct ship {
	struct ship *next;
	struct logger *g;
	struct arena arena;
	struct log_target target;
	const struct driver *driver;
	void *conf;
	size_t conf_n;
	struct link link;
	struct log_reader reader;
	struct buf batch;
	size_t n_batch, records;       /* how many there are, and may be */
	uint64_t batch_seq;            /* the last record in it */
	uint64_t acked;
	uint64_t lost;                 /* records that were not delivered and will not be */
	struct { char id[33]; unsigned ordinal; bool open; } parts[2];
	bool sending, down, forgotten, asked, whole, kicking, again, dead;
	unsigned failures, last_tries;
	struct transfer *request;      /* of a driver that speaks HTTP */
	int64_t most_failures, retry_ns, batch_since, linger_ns;
	bool has_held;
	struct log_frame held;         /* the first record of the next batch, its text in held_text */
	unsigned char *held_text;
	int state;                     /* its file */
	struct loop_timer timer;
	struct call *check;            /* a ship that only tries */
};
struct logger {
	struct comp *comp;
	struct loop *loop;
	struct edge *edge;
	int dir;                       /* the state directory */
	struct ship *ships, *graves;
	struct loop_timer bury;
	struct call *stop;
	struct loop_timer stop_timer;
	CURLM *multi;
	struct loop_timer curl_timer;
};
const char *ship_opt(const struct ship *s, const char *key);          /* NULL: not there, or empty */
bool ship_opt_bool(const struct ship *s, const char *key, bool otherwise);
int ship_follow(struct logger *g, const struct log_follow *m, int *fds, size_t n, struct err *e) must_check;
int ship_check(struct logger *g, const struct log_target *m, struct call *c, struct err *e) must_check;
void ship_forget(struct logger *g, const char *id);
void ship_sent(struct ship *s);
void ship_failed(struct ship *s, const struct err *e);
/* The endpoint will not take this batch, now or later: it is dropped, counted and said. */
void ship_refused(struct ship *s, const struct err *e);
/* One record cannot be delivered, whatever is tried: counted and said. */
void ship_left_out(struct ship *s, const char *why);
/* There may be more to do. */
void ship_kick(struct ship *s);
/* The ids whose delivery was not finished. */
int ships_unfinished(struct logger *g, struct arena *a, struct strs *ret, struct err *e) must_check;

/* ---- text.c ---- */
void put_json(struct buf *b, const void *text, size_t n);              /* with its quotes; what is not UTF-8 becomes U+FFFD */
void put_json_str(struct buf *b, const char *text);
bool is_json(const void *text, size_t n);
/* The text behind the first "key" of a JSON object, unescaped as far as ASCII goes; false if there is none or it does not fit. */
bool json_text(const char *body, const char *key, char *out, size_t size);
bool json_num(const char *body, const char *key, uint64_t *ret);
bool put_gzip(struct buf *b, const void *data, size_t n, int level, int bits);

extern const struct driver driver_syslog, driver_journald, driver_gelf, driver_fluentd, driver_splunk, driver_awslogs, driver_gcplogs;
