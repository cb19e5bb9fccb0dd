/* A request's or answer's bytes through a pipe whose other end another process has; see transfer.c. */
#pragma once
#include "client.h"

/* The body goes into the pipe; the call takes its read end. fn hears the answers. */
int transfer_upload(struct client *c, unsigned no, const void *msg, void (*fn)(struct client *c, struct answer *a), struct err *e) must_check;
/* What comes out of the pipe becomes the answer, of this type; the call takes its write end. wait: not before transfer_begin.
   fn hears the answers; with the last one transfer_end or reply_error. */
int transfer_download(struct client *c, unsigned no, const void *msg, const char *type, bool wait, void (*fn)(struct client *c, struct answer *a),
    struct err *e) must_check;
void transfer_begin(struct client *c);
void transfer_end(struct client *c);
