/* GET /containers/{id}/stats: asks for a sample every second and keeps the last one's processor times, from which clients compute. */
#include "stats.h"

#include "routes.h"

#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define CPU_MAX 32768

struct stats {
	struct client *c;
	struct loop_timer timer;
	bool stream, once;
	struct buf cpu, precpu, out;
	int64_t pre_read, next_ns;
};

static void on_sample(struct client *c, struct answer *a);

static void
ask(struct stats *s)
{
	struct api_ref m = { .ref = s->c->name };
	struct err e = ERR_INIT;

	if (client_call(s->c, NO_container_stats, &m, NULL, 0, on_sample, &e) == 0)
		return;
	if (s->c->started)
		stream_end(s->c);
	else
		reply_error(s->c, &e);
}

static void
on_time(struct loop_timer *t)
{
	struct stats *s = (struct stats *)(void *)((char *)t - offsetof(struct stats, timer));

	/* who does not read gets nothing new; nor is a second question asked before the first was answered */
	if (s->c->out.used > OUT_HIGH)
		loop_timer_set(s->c->w->loop, t, SECOND);
	else
		ask(s);
}

static void
later(struct stats *s)
{
	int64_t now = now_mono_ns();

	s->next_ns += SECOND;
	if (s->next_ns < now)
		s->next_ns = now;
	loop_timer_set(s->c->w->loop, &s->timer, s->next_ns - now);
}

/* What was measured now is what comes before the next. */
static void
keep(struct stats *s, const struct api_sample *m)
{
	struct buf old = s->precpu;

	s->precpu = s->cpu;
	s->cpu = old;
	s->pre_read = m->read;
}

static void
on_sample(struct client *c, struct answer *a)
{
	struct stats *s = c->stream;
	const struct api_sample *m = a->msg;
	bool first;

	if (a->err != NULL) {
		if (c->started)
			stream_end(c);
		else
			reply_error(c, a->err);
		return;
	}
	first = s->pre_read == 0;
	buf_reset(&s->cpu);
	put_cpu_stats(&s->cpu, m);
	/* processor use is a difference: one answer alone is worth waiting for the second sample */
	if (!s->stream && !s->once && first && m->read != 0) {
		keep(s, m);
		later(s);
		return;
	}
	if (s->precpu.used == 0 || m->read == 0) {
		buf_reset(&s->precpu);
		put_cpu_stats(&s->precpu, NULL);
		s->pre_read = 0;
	}
	buf_reset(&s->out);
	put_stats(&s->out, m, buf_cstr(&s->cpu), buf_cstr(&s->precpu), s->pre_read);
	keep(s, m);
	if (!s->stream) {
		reply_buf(c, 200, &s->out);
		return;
	}
	buf_putc(&s->out, '\n');
	stream_begin(c, 200, "application/json");
	if (!c->dead)
		stream_put(c, s->out.data, s->out.used);
	if (!c->dead)
		later(s);
}

static void
on_close(struct client *c)
{
	struct stats *s = c->stream;

	loop_timer_clear(&s->timer);
	buf_done(&s->cpu);
	buf_done(&s->precpu);
	buf_done(&s->out);
	free(s);
	c->stream = NULL;
}

int
handle_container_stats(struct client *c, struct err *e)
{
	static const struct stream_ops ops = { .on_close = on_close };
	bool stream = query_bool(c, "stream", true), once = c->version >= 141 && query_bool(c, "one-shot", false);
	struct api_ref m = { .ref = c->name };
	struct stats *s;

	if (stream && once)
		return err_set(e, ERR_INVALID, "cannot have stream=true and one-shot=true");
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	*s = (struct stats){ .c = c, .stream = stream, .once = once, .timer = { .on_time = on_time }, .cpu = BUF_INIT(CPU_MAX), .precpu = BUF_INIT(CPU_MAX),
		.out = BUF_INIT((size_t)512 << 10), .next_ns = now_mono_ns() };
	c->stream = s;
	c->ops = &ops;
	return client_call(c, NO_container_stats, &m, NULL, 0, on_sample, e);
}
