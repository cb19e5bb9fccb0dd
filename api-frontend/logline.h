/*
 * One line of a json-file log: {"log":"...","stream":"stdout","time":"..."}, with "attrs":{...} before the time if there are
 * any. A scanner for exactly what our own writer makes; other JSON of the same meaning is understood too, but slowly.
 */
#pragma once
#include "buf.h"
#include "rec.h"

enum log_stream { LOG_STDOUT = 1, LOG_STDERR = 2 };

struct log_line {
	enum log_stream stream;
	const char *text;        /* still escaped if raw, as it stands between the quotes */
	size_t n;
	bool raw, partial;       /* partial: the record's line goes on in the stream's next record */
	char time[40];           /* RFC 3339, UTC, as written */
	const char *attrs;       /* the raw object, or NULL */
	size_t attrs_n;
	bool frame;              /* of the local driver: text without its newline, time in ns */
	int64_t ns;
};

/* p[0..n): one line without its newline. scratch holds text of lines that are not in our own form. False: not a record. */
bool log_line_scan(const char *p, size_t n, struct log_line *ret, struct buf *scratch);
/* Appends the text with its escapes undone. */
void log_line_text(const struct log_line *l, struct buf *out);
/* Appends the time with nine digits of fraction, as the Docker engine prints it. */
void log_line_put_time(const struct log_line *l, struct buf *out);
/* Nanoseconds since the epoch; 0 if the time is malformed. */
int64_t log_line_ns(const struct log_line *l);
/* Appends the attributes as key=value,..., sorted and url-encoded. */
void log_line_put_attrs(const struct log_line *l, struct buf *out);
