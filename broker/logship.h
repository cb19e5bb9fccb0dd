/* The broker's edge to the logger: who delivers the logs of containers with a remote driver. It is asked for when the first of them is there. */
#pragma once
#include "err.h"

struct broker;
struct ctr;

/* A new edge: fd is taken over, also on failure. */
int logship_connect(struct broker *b, int fd, struct err *e) must_check;
void logship_done(struct broker *b);
/* Can the log of the container be delivered? fn is called once, maybe at once (for drivers that write files). */
void logship_check(struct ctr *c, void (*fn)(void *ctx, const struct err *why), void *ctx);
/* Gives the container's log files to the logger; nothing for drivers that write files. fn (may be NULL) is called once it has them, or cannot. */
void logship_hand_over(struct ctr *c, void (*fn)(void *ctx), void *ctx);
/* The same for one that is being removed: its position is forgotten when all was delivered. */
void logship_part(struct ctr *c, void (*fn)(void *ctx), void *ctx);
/* After the engine's start: all that run. */
void logship_all(struct broker *b);
