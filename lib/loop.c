#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

struct loop {
	int epfd;
	bool stop;
	struct loop_timer *timers;      /* sorted by time */
	struct epoll_event ready[BATCH];
	int n_ready, at;
	void (*idle)(void *ctx);
	void *idle_ctx;
};

int64_t
now_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t
now_real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct loop *
loop_new(struct err *e)
{
	struct loop *l = calloc(1, sizeof *l);

	if (l == NULL) {
		err_set(e, ERR_NO_MEMORY, "event loop");
		return NULL;
	}
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		err_sys(e, errno, "epoll_create1");
		free(l);
		return NULL;
	}
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	close(l->epfd);
	free(l);
}

int
loop_add(struct loop *l, struct loop_io *io, uint32_t events, struct err *e)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, io->fd, &ev) < 0)
		return err_sys(e, errno, "watch descriptor %d", io->fd);
	io->events = events;
	io->loop = l;
	return 0;
}

void
loop_change(struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (io->loop == NULL || io->events == events)
		return;
	if (epoll_ctl(io->loop->epfd, EPOLL_CTL_MOD, io->fd, &ev) == 0)
		io->events = events;
}

void
loop_remove(struct loop_io *io)
{
	struct loop *l = io->loop;

	if (l == NULL)
		return;
	(void)epoll_ctl(l->epfd, EPOLL_CTL_DEL, io->fd, NULL);
	io->loop = NULL;
	/* events of this round that were not handled yet must not reach freed memory */
	for (int i = l->at; i < l->n_ready; i++)
		if (l->ready[i].data.ptr == io)
			l->ready[i].data.ptr = NULL;
}

void
loop_timer_clear(struct loop_timer *t)
{
	if (t->loop == NULL)
		return;
	for (struct loop_timer **p = &t->loop->timers; *p != NULL; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	t->loop = NULL;
}

void
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ns)
{
	struct loop_timer **p = &l->timers;

	loop_timer_clear(t);
	t->when_ns = now_mono_ns() + delay_ns;
	while (*p != NULL && (*p)->when_ns <= t->when_ns)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
	t->loop = l;
}

void
loop_on_idle(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	l->idle = fn;
	l->idle_ctx = ctx;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

static int
wait_ms(const struct loop *l)
{
	int64_t left;

	if (l->timers == NULL)
		return -1;
	left = l->timers->when_ns - now_mono_ns();
	if (left <= 0)
		return 0;
	left = (left + 999999) / 1000000;
	return left > 3600000 ? 3600000 : (int)left;
}

static void
run_timers(struct loop *l)
{
	int64_t now;

	if (l->timers == NULL)
		return;
	now = now_mono_ns();
	while (l->timers != NULL && l->timers->when_ns <= now) {
		struct loop_timer *t = l->timers;

		l->timers = t->next;
		t->loop = NULL;
		t->on_time(t);
	}
}

int
loop_run(struct loop *l, struct err *e)
{
	while (!l->stop) {
		int n;

		if (l->idle != NULL)
			l->idle(l->idle_ctx);
		n = epoll_wait(l->epfd, l->ready, BATCH, wait_ms(l));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "epoll_wait");
		l->n_ready = n;
		for (l->at = 0; l->at < n && !l->stop;) {
			struct epoll_event ev = l->ready[l->at++];
			struct loop_io *io = ev.data.ptr;

			if (io != NULL)
				io->on_ready(io, ev.events);
		}
		l->n_ready = l->at = 0;
		run_timers(l);
	}
	l->stop = false;   /* it may be run again */
	return 0;
}
