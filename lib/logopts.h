/*
 * The log drivers and their options: one table for the configuration parser, the broker and the logger. Nothing here allocates.
 * The words of errors are the Docker engine's.
 */
#pragma once
#include "err.h"
#include "rec.h"

#include <stdbool.h>

struct log_driver {
	const char *name;
	bool remote;                   /* delivered by the logger from the cache that the monitor writes */
	const struct log_option *options;
};

/* NULL: there is none of that name. */
const struct log_driver *log_driver_find(const char *name);
/* The i-th driver in the order of its name; NULL at the end. */
const struct log_driver *log_driver_at(unsigned i);
/* All that can be known without asking anybody: names and values of options. */
int log_opts_check(const char *driver, const struct kvs *opts, struct err *e) must_check;
/* An option whose value is shown nowhere. */
bool log_opt_is_secret(const char *key);

/* "10m": decimal units as go-units' FromHumanSize; and binary ones as its RAMInBytes. */
bool log_opts_size(const char *text, int64_t *ret);
bool log_opts_ram(const char *text, int64_t *ret);
/* As Go's strconv.ParseBool. */
bool log_opts_bool(const char *text, bool *ret);
/* "1.5s", "300ms", "2m": as Go's time.ParseDuration, of positive ones. */
bool log_opts_duration(const char *text, int64_t *ret_ns);

/* proto://host:port or proto:///path, taken apart. */
struct log_address {
	char proto[16], host[256], path[256];
	int port;                      /* 0: none was said */
	bool has_path;
};
bool log_address_parse(const char *text, struct log_address *ret);

/* What the monitor is to write. A remote driver's file is its cache; without a cache a small spool, which nobody reads but the logger. */
struct log_files_plan {
	const char *format;            /* none, json-file, local */
	int64_t size, files;           /* bytes in a file (0: no bound), files at most */
	bool compress, readable;
};
/* opts were checked before. */
void log_opts_plan(const char *driver, const struct kvs *opts, struct log_files_plan *ret);
