/* One container's log on its way: batches, positions, waiting for an endpoint that is away. */
#include "logger.h"

#include "fd.h"
#include "log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define BACKOFF_FIRST (100 * MS)
#define BACKOFF_MAX   (30 * 1000 * MS)
#define UDP_RECORDS   64
#define READ_BUDGET   ((size_t)1 << 20)
#define LAST_TRIES    8
#define CHECK_TIME    (12 * 1000 * MS)

static const struct driver *const drivers[] = { &driver_syslog, &driver_journald, &driver_gelf, &driver_fluentd, &driver_splunk, &driver_awslogs, &driver_gcplogs };

const char *
ship_opt(const struct ship *s, const char *key)
{
	const char *v = kvs_get(&s->target.options, key);

	return v != NULL && *v != '\0' ? v : NULL;
}

bool
ship_opt_bool(const struct ship *s, const char *key, bool otherwise)
{
	const char *v = ship_opt(s, key);
	bool yes;

	return v != NULL && log_opts_bool(v, &yes) ? yes : otherwise;
}

/* ---- positions: one small file each, written over in place. A torn one (the machine went down) sends again what the cache holds ---- */
struct state { uint64_t acked, lost, over, sum; };   /* as this machine keeps it: the file never leaves the host */

static uint64_t
state_sum(const struct state *p)
{
	return ~(p->acked * UINT64_C(0x9e3779b97f4a7c15) ^ p->lost * UINT64_C(0xc2b2ae3d27d4eb4f) ^ p->over);
}

static void
state_save(struct ship *s, bool over)
{
	struct state data = { .acked = s->acked, .lost = s->lost, .over = over };

	data.sum = state_sum(&data);
	if (s->state >= 0 && pwrite(s->state, &data, sizeof data, 0) != sizeof data)
		log_msg(LOG_WARN, "the position in the log of %.12s could not be kept: %s", s->target.id, strerror(errno));
}

static bool
state_parse(int fd, uint64_t *acked, uint64_t *lost, bool *over)
{
	struct state data;

	if (pread(fd, &data, sizeof data, 0) != sizeof data || data.sum != state_sum(&data))
		return false;
	*acked = data.acked;
	*lost = data.lost;
	*over = data.over != 0;
	return true;
}

static int
state_open(struct ship *s, struct err *e)
{
	bool over;

	s->state = openat(s->g->dir, s->target.id, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->state < 0)
		return err_sys(e, errno, "open the position of a log");
	if (state_parse(s->state, &s->acked, &s->lost, &over) && !over)
		return 0;
	state_save(s, false);
	return 0;
}

int
ships_unfinished(struct logger *g, struct arena *a, struct strs *ret, struct err *e)
{
	int fd = openat(g->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int r = 0;

	if (d == NULL) {
		fd_close(&fd);
		return err_sys(e, errno, "read the state directory");
	}
	while (r == 0 && ret->n < 4096 && (entry = readdir(d)) != NULL) {
		own_fd file = text_is_id(entry->d_name) ? openat(g->dir, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
		uint64_t acked, lost;
		bool over = false;

		if (file >= 0 && (!state_parse(file, &acked, &lost, &over) || !over) && !strs_add(ret, a, entry->d_name))
			r = err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	closedir(d);
	return r;
}

/* ---- birth and end ---- */
static void
on_bury(struct loop_timer *t)
{
	struct logger *g = (struct logger *)(void *)((char *)t - offsetof(struct logger, bury));

	while (g->graves != NULL) {
		struct ship *s = g->graves;

		g->graves = s->next;
		link_close(&s->link);
		transfer_free(s->request);
		reader_done(&s->reader);
		buf_done(&s->batch);
		free(s->held_text);
		fd_close(&s->state);
		arena_done(&s->arena);
		free(s);
	}
}

/* It may be in use further up: freed when the loop is back. */
static void
ship_end(struct ship *s)
{
	struct logger *g = s->g;

	if (s->dead)
		return;
	s->dead = true;
	loop_timer_clear(&s->timer);
	for (struct ship **p = &g->ships; *p != NULL; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	s->next = g->graves;
	g->graves = s;
	g->bury.on_time = on_bury;
	loop_timer_set(g->loop, &g->bury, 0);
	if (g->stop != NULL && g->ships == NULL)
		loop_timer_set(g->loop, &g->stop_timer, 0);
}

static void
ship_over(struct ship *s)
{
	state_save(s, true);
	if (s->forgotten)
		(void)unlinkat(s->g->dir, s->target.id, 0);
	ship_end(s);
}

static void
on_timer(struct loop_timer *t)
{
	struct ship *s = (struct ship *)(void *)((char *)t - offsetof(struct ship, timer));
	struct err e = ERR_INIT;

	if (s->check != NULL) {
		(void)err_set(&e, ERR_UNAVAILABLE, "the endpoint did not answer in time");
		ship_failed(s, &e);
		return;
	}
	s->down = false;
	ship_kick(s);
}

static struct ship *
ship_new(struct logger *g, const struct log_target *m, struct err *e)
{
	struct ship *s = calloc(1, sizeof *s);
	struct log_files_plan plan;

	if (s == NULL) {
		(void)err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	s->g = g;
	s->state = -1;
	s->link.ship = s;
	s->link.io.fd = -1;
	s->timer.on_time = on_timer;
	s->most_failures = -1;
	s->linger_ns = -1;
	s->batch.max = (size_t)8 << 20;
	s->next = g->ships;
	g->ships = s;
	for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
		if (m->driver != NULL && strcmp(drivers[i]->name, m->driver) == 0)
			s->driver = drivers[i];
	if (s->driver == NULL)
		(void)err_set(e, ERR_INVALID, "logger: no log driver named '%.64s' is registered", m->driver != NULL ? m->driver : "");
	else if (!text_is_id(m->id))
		(void)err_set(e, ERR_PROTOCOL, "malformed container id");
	else if (rec_copy(&log_target_type, m, &s->arena, &s->target, e) == 0 && log_opts_check(m->driver, &s->target.options, e) == 0 && s->driver->open(s, e) == 0) {
		/* udp has no way to say that it is too much: a little at a time, about 60 a millisecond */
		s->records = s->link.dgram && !s->link.address.has_path ? UDP_RECORDS : s->driver->records;
		if (s->linger_ns < 0)
			s->linger_ns = s->driver->linger_ns;
		log_opts_plan(s->target.driver, &s->target.options, &plan);
		s->reader.most = plan.files < 31 ? (size_t)plan.files : 31;
		return s;
	}
	ship_end(s);
	return NULL;
}

static struct ship *
ship_find(struct logger *g, const char *id)
{
	for (struct ship *s = g->ships; s != NULL; s = s->next)
		if (s->check == NULL && s->target.id != NULL && id != NULL && strcmp(s->target.id, id) == 0)
			return s;
	return NULL;
}

int
ship_follow(struct logger *g, const struct log_follow *m, int *fds, size_t n, struct err *e)
{
	struct ship *s = ship_find(g, m->target->id);
	int socket = -1;

	if (m->follow && n == 0)
		return err_set(e, ERR_PROTOCOL, "a log to follow without a socket");
	/* it is followed already: what the broker says after a restart, and at a container's end */
	if (s != NULL && s->reader.live)
		return 0;
	if (s == NULL) {
		s = ship_new(g, m->target, e);
		if (s == NULL)
			return -1;
		if (state_open(s, e) < 0) {
			ship_end(s);
			return -1;
		}
		s->reader.seq = s->batch_seq = s->acked;
	}
	if (m->follow)
		socket = fd_take(&fds[--n]);
	s->asked = false;
	reader_begin(&s->reader, fds, n, socket, g->loop, e);
	state_save(s, false);
	ship_kick(s);
	return 0;
}

int
ship_check(struct logger *g, const struct log_target *m, struct call *c, struct err *e)
{
	struct ship *s = ship_new(g, m, e);

	if (s == NULL)
		return -1;
	s->check = c;
	loop_timer_set(g->loop, &s->timer, CHECK_TIME);
	s->driver->check(s);
	return 0;
}

void
ship_forget(struct logger *g, const char *id)
{
	struct ship *s = ship_find(g, id);

	if (s == NULL) {
		if (text_is_id(id))
			(void)unlinkat(g->dir, id, 0);
		return;
	}
	s->forgotten = true;
	/* an endpoint that is away gets a last few tries */
	if (s->down)
		loop_timer_set(g->loop, &s->timer, 0);
	ship_kick(s);
}

/* ---- batches ---- */
static void
add(struct ship *s, const struct log_frame *f)
{
	struct record r = { .err = f->err, .seq = f->seq, .time = f->time, .text = f->text, .n = f->n };
	size_t stream = f->err ? 1 : 0;

	if (f->partial && !s->parts[stream].open) {
		unsigned char id[16];

		if (!text_random(id, sizeof id))
			memset(id, 0, sizeof id);
		text_hex(s->parts[stream].id, id, sizeof id);
		s->parts[stream].ordinal = 0;
	}
	if (f->partial || s->parts[stream].open) {
		r.part.is = true;
		r.part.last = !f->partial;
		r.part.ordinal = ++s->parts[stream].ordinal;
		memcpy(r.part.id, s->parts[stream].id, sizeof r.part.id);
	}
	s->parts[stream].open = f->partial;
	s->driver->add(s, &r);
	s->n_batch++;
	s->batch_seq = f->seq;
}

static void
say_lost(struct ship *s, uint64_t n, int64_t time)
{
	char text[160];
	struct record r = { .err = true, .time = time, .text = (const unsigned char *)text };

	s->lost += n;
	r.n = (size_t)snprintf(text, sizeof text, "%llu messages of this log were discarded before they could be delivered", (unsigned long long)n);
	log_msg(LOG_WARN, "%llu messages of the log of container %.12s were discarded before %s took them", (unsigned long long)n, s->target.id, s->target.driver);
	s->driver->add(s, &r);
	s->n_batch++;
}

/* It is the first of the next batch. */
static int
hold(struct ship *s, const struct log_frame *f)
{
	if (s->held_text == NULL && (s->held_text = malloc(FRAME_TEXT_MAX)) == NULL)
		return 1;   /* read again when the files are: its number is not given out twice */
	s->held = *f;
	memcpy(s->held_text, f->text, f->n);
	s->held.text = s->held_text;
	s->has_held = true;
	return 1;
}

/* 0: nothing more at the moment, 1: the batch is full, -1: there is more to look through */
static int
fill(struct ship *s)
{
	size_t budget = READ_BUDGET;

	for (;;) {
		uint64_t before = s->batch_seq;
		bool full = s->n_batch >= s->records || s->batch.used >= s->driver->bytes;
		struct log_frame f;
		int r = 1;

		if (s->has_held)
			f = s->held;
		else if (full && (s->driver->boundary == NULL || s->batch.used >= 2 * s->driver->bytes))
			return 1;
		else
			r = reader_next(&s->reader, &f, &budget);
		if (r <= 0)
			return r;
		if (!s->has_held && s->n_batch > 0 && s->driver->boundary != NULL && s->driver->boundary(s, &f, full))
			return hold(s, &f);
		s->has_held = false;
		if (s->n_batch == 0)
			s->batch_since = now_mono_ns();
		if (f.seq > before + 1)
			say_lost(s, f.seq - before - 1, f.time);
		add(s, &f);
	}
}

static void
ask_again(struct ship *s)
{
	struct log_ids m = { .ids = { .n = 1, .v = &s->target.id } };
	struct err e = ERR_INIT;

	s->asked = true;
	if (s->g->edge != NULL && edge_send(s->g->edge, NO_log_wanted, &m, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_WARN, &e, "ask for a log");
}

/* The driver's own bound of attempts (gelf-tcp-max-reconnect, fluentd-max-retries), a container that is gone, or no memory. */
static void
give_up(struct ship *s)
{
	log_msg(LOG_WARN, "%zu messages of the log of container %.12s were given up: they cannot be sent to %s", s->n_batch, s->target.id, s->target.driver);
	s->lost += s->n_batch;
	s->failures = 0;
	s->whole = false;
	s->acked = s->batch_seq;
	s->n_batch = 0;
	buf_done(&s->batch);
	s->batch.failed = false;
	state_save(s, false);
}

void
ship_left_out(struct ship *s, const char *why)
{
	s->lost++;
	log_msg(LOG_WARN, "a record of the log of container %.12s is left out: %s", s->target.id, why);
}

static void
step(struct ship *s)
{
	int r;

	if (s->sending || s->down || s->dead)
		return;
	if (!s->whole) {
		r = fill(s);
		if (r < 0) {
			loop_timer_set(s->g->loop, &s->timer, 0);
			return;
		}
		if (s->n_batch == 0) {
			if (!reader_at_end(&s->reader))
				return;
			/* its writer said that this was all; or it lost sight of us, and there may be more */
			if (s->reader.ended || s->forgotten)
				ship_over(s);
			else if (!s->asked)
				ask_again(s);
			return;
		}
		if (r == 0 && s->linger_ns > 0 && s->reader.live && s->g->stop == NULL) {
			int64_t left = s->batch_since + s->linger_ns - now_mono_ns();

			if (left > 0) {
				loop_timer_set(s->g->loop, &s->timer, left);
				return;
			}
		}
		if (s->driver->finish != NULL)
			s->driver->finish(s);
		if (s->batch.failed) {
			/* there was no memory for all of it, and a part would be taken for the whole */
			give_up(s);
			s->again = true;
			return;
		}
		s->whole = true;
	}
	s->sending = true;
	s->driver->send(s);
}

void
ship_kick(struct ship *s)
{
	s->again = true;
	if (s->kicking)
		return;
	s->kicking = true;
	for (int i = 0; s->again && i < 16; i++) {
		s->again = false;
		step(s);
	}
	s->kicking = false;
	/* others have their turn */
	if (s->again && !s->dead)
		loop_timer_set(s->g->loop, &s->timer, 0);
}

static void
check_over(struct ship *s, const struct err *e)
{
	struct call *c = s->check;

	s->check = NULL;
	if (e != NULL)
		call_fail(c, e);
	else
		call_ok(c);
	ship_end(s);
}

void
ship_sent(struct ship *s)
{
	if (s->dead)
		return;
	if (s->check != NULL) {
		check_over(s, NULL);
		return;
	}
	if (s->failures > 0)
		log_msg(LOG_INFO, "the log of container %.12s is delivered to %s again", s->target.id, s->target.driver);
	s->failures = s->last_tries = 0;
	s->sending = s->whole = false;
	s->acked = s->batch_seq;
	s->n_batch = 0;
	buf_done(&s->batch);
	s->batch.failed = false;
	state_save(s, false);
	ship_kick(s);
}

void
ship_refused(struct ship *s, const struct err *e)
{
	log_err(LOG_WARN, e, "the log of container %.12s", s->target.id);
	s->sending = false;
	give_up(s);
	ship_kick(s);
}

void
ship_failed(struct ship *s, const struct err *e)
{
	int64_t delay;

	if (s->dead)
		return;
	if (s->check != NULL) {
		check_over(s, e);
		return;
	}
	s->sending = false;
	if (s->failures++ == 0)
		log_err(LOG_WARN, e, "the log of container %.12s cannot be delivered to %s for now", s->target.id, s->target.driver);
	if (s->forgotten && ++s->last_tries > LAST_TRIES) {
		log_msg(LOG_WARN, "the rest of the log of container %.12s, after its record %llu, is lost with the container", s->target.id, (unsigned long long)s->acked);
		ship_over(s);
		return;
	}
	if (s->most_failures >= 0 && s->failures > s->most_failures && s->n_batch > 0)
		give_up(s);
	delay = s->retry_ns > 0 ? s->retry_ns : BACKOFF_FIRST;
	for (unsigned i = 1; i < s->failures && delay < BACKOFF_MAX; i++)
		delay *= 2;
	s->down = true;
	loop_timer_set(s->g->loop, &s->timer, s->forgotten && delay > 1000 * MS ? 1000 * MS : delay < BACKOFF_MAX ? delay : BACKOFF_MAX);
}
