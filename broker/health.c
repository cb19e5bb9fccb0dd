/*
 * Health checks. Each container that has one has a watch while it runs: a timer that is either the pause until the next
 * probe or the running probe's limit. A probe is an exec of the engine's own, with one socket for its output.
 */
#include "health.h"

#include "broker.h"
#include "events.h"
#include "exec.h"
#include "fd.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MILLISECOND    INT64_C(1000000)
#define SECOND         (1000 * MILLISECOND)
#define INTERVAL       (30 * SECOND)
#define TIMEOUT        (30 * SECOND)
#define START_INTERVAL (5 * SECOND)
#define RETRIES        3
#define OUTPUT_MAX     4096
#define LOG_KEPT       5

struct health_watch {
	struct ctr *c;
	struct loop_timer timer;
	struct loop_io io;              /* the probe's output; fd -1: none or ended */
	char exec[65];                  /* "" while no probe runs */
	int64_t began;                  /* CLOCK_REALTIME */
	bool ended, cut;
	int64_t code;
	size_t used;
	char output[OUTPUT_MAX + 1];
};

static void on_time(struct loop_timer *t);

static const struct health_config *
config_of(const struct ctr *c)
{
	const struct health_config *h = c->rec.config->healthcheck;

	return h != NULL && h->test.n > 1 && (strcmp(h->test.v[0], "CMD") == 0 || strcmp(h->test.v[0], "CMD-SHELL") == 0) ? h : NULL;
}

static int64_t
or_default(int64_t v, int64_t otherwise)
{
	return v > 0 ? v : otherwise;
}

const char *
health_of(const struct ctr *c)
{
	const struct health *h = c->rec.state->health;

	return h != NULL && text_set(h->status) ? h->status : "none";
}

static void
set_status(struct ctr *c, const char *status)
{
	c->rec.state->health->status = (char *)(uintptr_t)status;
	ctr_touch(c);
}

/* Until the start period is over a container that is not healthy yet is asked more often. */
static int64_t
pause_before_next(const struct ctr *c, const struct health_config *h)
{
	bool early = now_real_ns() - c->rec.state->started_at < h->start_period && strcmp(health_of(c), "starting") == 0;

	return early ? or_default(h->start_interval, START_INTERVAL) : or_default(h->interval, INTERVAL);
}

/* ---- results ---- */
/* Keeps the last ones; the record's texts are replaced as a whole. */
static void
add_result(struct ctr *c, const struct health_result *r)
{
	struct health *h = c->rec.state->health;
	struct health_result_list kept = { 0 };

	for (size_t i = h->log.n >= LOG_KEPT ? h->log.n - LOG_KEPT + 1 : 0; i <= h->log.n; i++) {
		const struct health_result *from = i < h->log.n ? &h->log.v[i] : r;
		struct health_result *to = list_add(&kept, &c->arena, sizeof *to);

		if (to == NULL)
			return;
		*to = *from;
		if (from == r)
			to->output = ctr_text(c, r->output);
	}
	h->log = kept;
	ctr_touch(c);
}

static void
take_result(struct ctr *c, const struct health_config *config, const struct health_result *r)
{
	struct health *h = c->rec.state->health;
	bool starting = strcmp(health_of(c), "starting") == 0, in_start_period = r->start - c->rec.state->started_at < config->start_period;
	const char *before = health_of(c);
	char action[64];

	add_result(c, r);
	if (r->exit_code == 0) {
		h->failing_streak = 0;
		set_status(c, "healthy");
	} else if (!starting || !in_start_period) {
		h->failing_streak++;
		if (h->failing_streak >= or_default(config->retries, RETRIES))
			set_status(c, "unhealthy");
	}
	if (strcmp(before, health_of(c)) != 0) {
		snprintf(action, sizeof action, "health_status: %s", health_of(c));
		event_ctr(c, action, NULL);
	}
	ctr_save_soft(c);
}

static void
close_output(struct health_watch *w)
{
	loop_remove(&w->io);
	fd_close(&w->io.fd);
}

static void
probe_over(struct health_watch *w, int64_t code, const char *text)
{
	struct ctr *c = w->c;
	const struct health_config *config = config_of(c);
	struct health_result r = { .start = w->began, .end = now_real_ns(), .exit_code = code, .output = (char *)(uintptr_t)text };

	close_output(w);
	w->exec[0] = '\0';
	if (config == NULL)
		return;
	take_result(c, config, &r);
	loop_timer_set(c->b->loop, &w->timer, pause_before_next(c, config));
}

static const char *
output_of(struct health_watch *w)
{
	if (w->cut && w->used == OUTPUT_MAX)
		memcpy(w->output + OUTPUT_MAX - 3, "...", 3);
	w->output[w->used] = '\0';
	return w->output;
}

/* Over when the process has ended and its output, too; what it left behind in the background is not waited for beyond the limit. */
static void
check_over(struct health_watch *w)
{
	if (w->ended && w->io.fd < 0)
		probe_over(w, w->code, output_of(w));
}

static void
on_output(struct loop_io *io, uint32_t events)
{
	struct health_watch *w = (struct health_watch *)(void *)((char *)io - offsetof(struct health_watch, io));
	char part[4096];
	ssize_t n = recv(io->fd, part, sizeof part, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_output(w);
		check_over(w);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (w->used == OUTPUT_MAX) {
			w->cut = true;
			break;
		}
		/* (a record's text has no NUL) */
		if (part[i] != '\0')
			w->output[w->used++] = part[i];
	}
}

/* A time as Go prints it: 1m30s, 1.5s, 100ms. */
static void
duration_text(char out[40], int64_t ns)
{
	int64_t minutes = ns / (60 * SECOND), rest = ns % (60 * SECOND);
	char seconds[24];
	size_t n;

	if (ns < SECOND) {
		snprintf(out, 40, "%lldms", (long long)(ns / MILLISECOND));
		return;
	}
	n = (size_t)snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)(rest / SECOND), (long long)(rest % SECOND / MILLISECOND));
	while (n > 0 && seconds[n - 1] == '0')
		seconds[--n] = '\0';
	if (n > 0 && seconds[n - 1] == '.')
		seconds[--n] = '\0';
	if (minutes >= 60)
		snprintf(out, 40, "%lldh%lldm%ss", (long long)(minutes / 60), (long long)(minutes % 60), seconds);
	else if (minutes > 0)
		snprintf(out, 40, "%lldm%ss", (long long)minutes, seconds);
	else
		snprintf(out, 40, "%ss", seconds);
}

static void
on_ignored(void *ctx, struct answer *a)
{
	(void)ctx;
	(void)a;
}

void
health_kill(struct ctr *c, const char *exec)
{
	struct run_signal m = { .id = c->id, .exec = (char *)(uintptr_t)exec, .signal = SIGKILL };

	peer_send(c->b, PEER_RUN, NO_run_signal, &m, NULL, 0, PEER_AGAIN, on_ignored, NULL);
}

static void
took_too_long(struct health_watch *w)
{
	char text[OUTPUT_MAX + 128], limit[40];

	if (w->ended) {
		probe_over(w, w->code, output_of(w));
		return;
	}
	duration_text(limit, or_default(config_of(w->c)->timeout, TIMEOUT));
	snprintf(text, sizeof text, w->used > 0 ? "Health check exceeded timeout (%s): %s" : "Health check exceeded timeout (%s)%s", limit, output_of(w));
	health_kill(w->c, w->exec);
	probe_over(w, -1, text);
}

/* ---- the probe: an exec, as an operation ---- */
/* (the id comes first: op_known_exec) */
struct probe_op { char id[65]; int client; };

static struct health_watch *
watch_of(struct op *op)
{
	const struct probe_op *s = op->state;
	struct exec *x = index_get(&op->b->exec_by_id, s->id);

	return x != NULL && health_waits_for(x->ctr, s->id) ? x->ctr->health : NULL;
}

static void
on_started(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	const struct probe_op *s = op->state;
	const struct run_started *m = a->msg;
	struct exec *x = index_get(&op->b->exec_by_id, s->id);

	if (a->err != NULL) {
		op_failed(op, a->err);
		return;
	}
	if (x != NULL && x->ended_ns == 0)
		x->rec.pid = m->pid;
	op_done(op);
}

static void
run(struct op *op)
{
	const struct probe_op *s = op->state;
	struct exec *x = index_get(&op->b->exec_by_id, s->id);
	struct run_process p;
	struct run_stream stream = { .id = x->rec.container_id, .out = true, .err = true, .stream = true };
	struct run_exec wish = { .id = x->rec.container_id, .exec = x->rec.id, .process = &p, .stream = &stream };
	struct err e = ERR_INIT;

	if (spec_exec(x->ctr, x->rec.config, false, &op->arena, &p, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	exec_emit(x, "exec_start", true);
	peer_send(op->b, PEER_RUN, NO_run_exec, &wish, &s->client, 1, 0, on_started, op);
}

static void
finish(struct op *op)
{
	struct health_watch *w = op->err.code != ERR_NONE && op->state != NULL ? watch_of(op) : NULL;
	struct exec *x;

	if (w == NULL)
		return;
	x = index_get(&op->b->exec_by_id, w->exec);
	probe_over(w, -1, op->err.text);
	exec_failed(x, 126);
}

static void
release(struct op *op)
{
	struct probe_op *s = op->state;

	if (s != NULL)
		fd_close(&s->client);
}

static const struct op_step steps[] = { { "run", run, NULL } };
/* After a crash the comparison with the runtime finds a probe that runs, which nobody waits for any more: it is ended. */
const struct op_kind op_health = { .name = "health", .steps = steps, .n = 1, .flags = STEPS_FREE,
	.finish = finish, .release = release };

static int
command_of(const struct ctr *c, const struct health_config *h, struct arena *a, struct strs *ret, struct err *e)
{
	bool shell = strcmp(h->test.v[0], "CMD-SHELL") == 0;
	const struct strs *with = &c->rec.config->shell;

	if (shell && with->n == 0 && (!strs_add(ret, a, "/bin/sh") || !strs_add(ret, a, "-c")))
		return err_memory(e);
	for (size_t i = 0; shell && i < with->n; i++)
		if (!strs_add(ret, a, with->v[i]))
			return err_memory(e);
	for (size_t i = 1; i < h->test.n; i++)
		if (!strs_add(ret, a, h->test.v[i]))
			return err_memory(e);
	return 0;
}

static int
make_probe(struct health_watch *w, struct op *op, struct err *e)
{
	struct ctr *c = w->c;
	struct exec_config config = { .attach_stdout = true, .attach_stderr = true };
	struct exec_state rec = { .id = w->exec, .container_id = c->id, .config = &config, .health = true, .running = true };
	struct probe_op *s = arena_alloc(&op->arena, sizeof *s);
	int pair[2];
	struct exec *x;

	if (s == NULL || command_of(c, config_of(c), &op->arena, &config.cmd, e) < 0)
		return err_memory(e);
	*s = (struct probe_op){ .client = -1 };
	op->state = s;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_sys(e, errno, "socket for a health check");
	s->client = pair[1];
	w->io.fd = pair[0];
	w->io.on_ready = on_output;
	memcpy(s->id, w->exec, sizeof s->id);
	if (loop_add(c->b->loop, &w->io, EPOLLIN, e) < 0 || (x = exec_put(c, &rec, e)) == NULL)
		return -1;
	x->started = true;
	exec_save_soft(x);
	exec_emit(x, "exec_create", true);
	return 0;
}

static void
probe(struct health_watch *w)
{
	struct ctr *c = w->c;
	struct err e = ERR_INIT;
	struct op *op = op_new(c->b, &op_health, c, c->id, NULL, &e);

	text_random_id(w->exec);
	w->began = now_real_ns();
	w->ended = w->cut = false;
	w->used = 0;
	if (op == NULL) {
		probe_over(w, -1, e.text);
		return;
	}
	loop_timer_set(c->b->loop, &w->timer, or_default(config_of(c)->timeout, TIMEOUT));
	if (make_probe(w, op, &op->err) < 0) {
		struct err why = op->err;

		op_submit(op);
		probe_over(w, -1, why.text);
		return;
	}
	op_submit(op);
}

static void
on_time(struct loop_timer *t)
{
	struct health_watch *w = (struct health_watch *)(void *)((char *)t - offsetof(struct health_watch, timer));

	if (w->exec[0] != '\0')
		took_too_long(w);
	else
		probe(w);
}

/* ---- from outside ---- */
bool
health_waits_for(const struct ctr *c, const char *exec)
{
	return c->health != NULL && strcmp(c->health->exec, exec) == 0;
}

void
health_probe_ended(struct ctr *c, const char *exec, int64_t code)
{
	if (!health_waits_for(c, exec))
		return;
	c->health->ended = true;
	c->health->code = code;
	check_over(c->health);
}

void
health_start(struct ctr *c, bool fresh)
{
	const struct health_config *h = config_of(c);
	struct container_state *s = c->rec.state;

	if (h == NULL) {
		s->health = NULL;
		return;
	}
	if (c->health != NULL || s->paused)
		return;
	if (s->health == NULL) {
		s->health = arena_alloc(&c->arena, sizeof *s->health);
		fresh = true;
	}
	c->health = calloc(1, sizeof *c->health);
	if (s->health == NULL || c->health == NULL) {
		log_msg(LOG_ERROR, "no memory for the health check of %.12s", c->id);
		free(c->health);
		c->health = NULL;
		return;
	}
	if (fresh) {
		set_status(c, "starting");
		s->health->failing_streak = 0;
	}
	*c->health = (struct health_watch){ .c = c, .io.fd = -1, .timer.on_time = on_time };
	loop_timer_set(c->b->loop, &c->health->timer, pause_before_next(c, h));
}

void
health_free(struct ctr *c)
{
	struct health_watch *w = c->health;

	if (w == NULL)
		return;
	loop_timer_clear(&w->timer);
	close_output(w);
	free(w);
	c->health = NULL;
}

void
health_stop(struct ctr *c)
{
	struct health_watch *w = c->health;

	if (w == NULL)
		return;
	if (w->exec[0] != '\0' && ctr_running(c))
		health_kill(c, w->exec);
	health_free(c);
	if (c->rec.state->health != NULL)
		set_status(c, "unhealthy");
}

int
check_health(const struct health_config *h, struct err *e)
{
	const struct { const char *name; int64_t v; } times[] = { { "Interval", h->interval }, { "Timeout", h->timeout },
		{ "StartPeriod", h->start_period }, { "StartInterval", h->start_interval } };

	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (times[i].v != 0 && times[i].v < MILLISECOND)
			return err_set(e, ERR_INVALID, "%s in Healthcheck cannot be less than 1ms", times[i].name);
	if (h->retries < 0)
		return err_set(e, ERR_INVALID, "Retries in Healthcheck cannot be negative");
	if (h->test.n > 0 && strcmp(h->test.v[0], "NONE") != 0 && strcmp(h->test.v[0], "CMD") != 0 && strcmp(h->test.v[0], "CMD-SHELL") != 0)
		return err_set(e, ERR_INVALID, "Unknown healthcheck type '%.100s' (expected 'CMD')", h->test.v[0]);
	return 0;
}
