/* One epoll loop, as every role runs it: descriptors and timers, no threads. */
#pragma once
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
/* Embedded in its owner; the owner removes it before it frees itself (also from within a callback). */
struct loop_io {
	int fd;
	uint32_t events;     /* EPOLLIN ... as registered */
	void (*on_ready)(struct loop_io *io, uint32_t events);
	struct loop *loop;   /* NULL while not registered */
};
struct loop_timer {
	int64_t when_ns;     /* CLOCK_MONOTONIC, absolute */
	void (*on_time)(struct loop_timer *t);
	struct loop *loop;
	struct loop_timer *next;
};

struct loop *loop_new(struct err *e);
void loop_free(struct loop *l);
int loop_add(struct loop *l, struct loop_io *io, uint32_t events, struct err *e) must_check;
void loop_change(struct loop_io *io, uint32_t events);
void loop_remove(struct loop_io *io);             /* safe if not registered; does not close the descriptor */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ns);  /* (re)arms */
void loop_timer_clear(struct loop_timer *t);
/* Called once after each round of events, before waiting again (batching of answers, commits). */
void loop_on_idle(struct loop *l, void (*fn)(void *ctx), void *ctx);
void loop_stop(struct loop *l);
int loop_run(struct loop *l, struct err *e) must_check;   /* until loop_stop */
int64_t now_mono_ns(void);
int64_t now_real_ns(void);
