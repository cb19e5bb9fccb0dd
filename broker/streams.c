/* attach, resize, logs, top: what is passed on to the runtime. */
#include "broker.h"
#include "clients.h"
#include "events.h"
#include "exec.h"
#include "lifecycle.h"
#include "logopts.h"
#include "text.h"

/* "ctrl-p,ctrl-q", "a,ctrl-@": keys separated by commas */
int
check_detach_keys(const char *keys, struct err *e)
{
	if (!text_set(keys))
		return 0;
	for (const char *p = keys;;) {
		size_t n = strcspn(p, ",");

		if (n != 1 && !(n == 6 && text_starts(p, "ctrl-") && ((p[5] >= 'a' && p[5] <= 'z') || strchr("@[\\]^_", p[5]) != NULL)))
			return err_set(e, ERR_INVALID, "Invalid detach keys (%.100s) provided", keys);
		if (p[n] == '\0')
			return 0;
		p += n + 1;
	}
}

static void
pass_on(void *ctx, struct answer *a)
{
	struct call *call = ctx;

	if (a->err != NULL)
		call_fail(call, a->err);
	else
		call_reply(call, a->msg, a->fds, a->nfds);
}

int
handle_container_attach(struct call *call, const void *msg, struct err *e)
{
	const struct api_attach *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	struct run_stream wish;
	bool tty;

	if (c == NULL || check_detach_keys(m->detach_keys, e) < 0)
		return -1;
	if (call->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "attach needs a connection");
	if (c->rec.state->paused)
		return err_set(e, ERR_CONFLICT, "container %s is paused, unpause the container before attach", m->ref);
	if (c->rec.state->restarting)
		return err_set(e, ERR_CONFLICT, "container %s is restarting, wait until the container is running", m->ref);
	tty = c->rec.config->tty;
	wish = (struct run_stream){ .id = c->id, .in = m->in && c->rec.config->open_stdin, .out = m->out, .err = m->err, .logs = m->logs,
		.stream = m->stream, .mux = !tty, .tty = tty, .detach_keys = m->detach_keys, .head = tty ? m->head_tty : m->head_mux,
		.input = m->input };
	event_ctr(c, "attach", NULL);
	peer_send(b, PEER_RUN, NO_run_attach, &wish, call->fds, 1, 0, pass_on, call);
	return 0;
}

int
handle_container_resize(struct call *call, const void *msg, struct err *e)
{
	const struct api_resize *m = msg;
	struct broker *b = client_broker(call);
	struct exec *x = m->exec ? exec_find(b, m->ref, e) : NULL;
	struct ctr *c = m->exec ? (x != NULL ? x->ctr : NULL) : ctr_find(b, m->ref, e);
	struct run_resize wish;
	char height[16], width[16];
	const char *extra[] = { "height", height, "width", width, NULL };

	if (c == NULL)
		return -1;
	if (m->h < 0 || m->w < 0 || m->h > 65535 || m->w > 65535)
		return err_set(e, ERR_INVALID, "invalid terminal size");
	if (!ctr_running(c) || (x != NULL && !x->rec.running))
		return err_set(e, ERR_CONFLICT, m->exec ? "exec %s is not running" : "container %s is not running", m->exec ? x->rec.id : c->id);
	wish = (struct run_resize){ .id = c->id, .exec = x != NULL ? x->rec.id : NULL, .h = m->h, .w = m->w };
	snprintf(height, sizeof height, "%lld", (long long)m->h);
	snprintf(width, sizeof width, "%lld", (long long)m->w);
	if (x == NULL)
		event_ctr(c, "resize", extra);
	peer_send(b, PEER_RUN, NO_run_resize, &wish, NULL, 0, PEER_AGAIN, pass_on, call);
	return 0;
}

static void
on_logs(void *ctx, struct answer *a)
{
	struct call *call = ctx;
	static const struct api_log_files none = { .driver = (char *)(uintptr_t)"json-file" };

	/* never started: nothing was written, which is an answer */
	if (a->err != NULL && a->err->code == ERR_NOT_FOUND)
		call_reply(call, &none, NULL, 0);
	else
		pass_on(ctx, a);
}

int
handle_container_logs(struct call *call, const void *msg, struct err *e)
{
	const struct api_logs *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	struct api_logs wish;
	struct log_files_plan plan;

	if (c == NULL)
		return -1;
	if (c->rec.state->dead)
		return err_set(e, ERR_CONFLICT, "can not get logs from container which is dead or marked for removal");
	log_opts_plan(c->rec.host_config->log_config->type, &c->rec.host_config->log_config->config, &plan);
	if (!plan.readable)
		return err_set(e, ERR_UNSUPPORTED, "configured logging driver does not support reading");
	wish = (struct api_logs){ .ref = c->id, .follow = m->follow && c->rec.state->running };
	peer_send(b, PEER_RUN, NO_run_logs, &wish, NULL, 0, PEER_AGAIN, on_logs, call);
	return 0;
}

int
handle_container_top(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	struct run_id wish;

	if (c == NULL)
		return -1;
	if (c->rec.state->restarting)
		return err_set(e, ERR_CONFLICT, "container %s is restarting, wait until the container is running", c->id);
	if (!c->rec.state->running)
		return err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
	wish = (struct run_id){ .id = c->id };
	event_ctr(c, "top", NULL);
	peer_send(b, PEER_RUN, NO_run_top, &wish, NULL, 0, PEER_AGAIN, pass_on, call);
	return 0;
}

/* ---- stats ---- */
struct sampled { struct broker *b; struct call *call; char id[65]; };

static void
on_sample(void *ctx, struct answer *a)
{
	const struct sampled *s = ctx;
	struct call *call = s->call;
	struct ctr *c = index_get(&s->b->ctr_by_id, s->id);
	struct err e = ERR_INIT;
	struct api_sample sample = { .memory = -1 };

	if (c == NULL) {
		err_set(&e, ERR_NOT_FOUND, "No such container: %s", s->id);
		call_fail(call, &e);
		return;
	}
	/* it may have ended meanwhile */
	if (a->err != NULL && a->err->code != ERR_CONFLICT && a->err->code != ERR_NOT_FOUND) {
		call_fail(call, a->err);
		return;
	}
	if (a->err == NULL)
		sample = *(const struct api_sample *)a->msg;
	/* what is not limited, or to more than there is, is limited by the host */
	if (sample.read != 0 && (sample.memory_limit < 0 || sample.memory_limit > c->b->facts.memory))
		sample.memory_limit = c->b->facts.memory;
	sample.id = c->id;
	sample.name = c->rec.name;
	call_reply(call, &sample, NULL, 0);
}

int
handle_container_stats(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	struct api_sample nothing = { .memory = -1 };
	struct run_stats wish;
	struct sampled *s;

	if (c == NULL)
		return -1;
	if (!ctr_running(c)) {
		nothing.id = c->id;
		nothing.name = c->rec.name;
		call_reply(call, &nothing, NULL, 0);
		return 0;
	}
	s = arena_alloc(&call->arena, sizeof *s);
	if (s == NULL)
		return err_memory(e);
	*s = (struct sampled){ .b = b, .call = call };
	(void)text_copy(s->id, sizeof s->id, c->id);
	wish = (struct run_stats){ .id = c->id, .net = !text_same(c->rec.host_config->network_mode, "host") };
	peer_send(b, PEER_RUN, NO_run_stats, &wish, NULL, 0, PEER_AGAIN, on_sample, s);
	return 0;
}
