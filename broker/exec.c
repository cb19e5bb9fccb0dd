/* Further processes in a running container. Their records outlive the broker and are kept for five minutes after the end. */
#include "exec.h"

#include "broker.h"
#include "clients.h"
#include "events.h"
#include "fd.h"
#include "health.h"
#include "kinds.h"
#include "lifecycle.h"
#include "log.h"
#include "text.h"

#include <sys/socket.h>

#define KEPT (INT64_C(300) * 1000000000)
#define EXECS_MAX 8192

/* (the id comes first: op_known_exec) */
struct exec_op { char id[65]; bool detach; };

static int
check_running(const struct ctr *c, struct err *e)
{
	const struct container_state *s = c->rec.state;

	if (s->restarting)
		return err_set(e, ERR_CONFLICT, "container %s is restarting, wait until the container is running", c->id);
	if (!s->running)
		return err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
	if (s->paused)
		return err_set(e, ERR_CONFLICT, "container %s is paused, unpause the container before exec", c->id);
	return 0;
}

void
exec_emit(struct exec *x, const char *what, bool with_command)
{
	char action[2048];
	size_t n = (size_t)snprintf(action, sizeof action, "%s", what);
	const char *extra[] = { "execID", x->rec.id, NULL };

	for (size_t i = 0; with_command && i < x->rec.config->cmd.n && n < sizeof action; i++)
		n += (size_t)snprintf(action + n, sizeof action - n, "%s%s", i == 0 ? ": " : " ", x->rec.config->cmd.v[i]);
	event_ctr(x->ctr, action, extra);
}

int
handle_exec_create(struct call *call, const void *msg, struct err *e)
{
	const struct exec_config *m = msg;
	struct broker *b = client_broker(call);
	struct ctr *c = ctr_find(b, m->ref, e);
	struct exec_config config = *m;
	struct exec_state rec = { .config = &config };
	struct api_created answer = { 0 };
	char id[65];
	struct exec *x;

	if (c == NULL || check_running(c, e) < 0)
		return -1;
	if (m->cmd.n == 0 || m->cmd.v[0][0] == '\0')
		return err_set(e, ERR_INVALID, "no exec command specified");
	if (check_detach_keys(m->detach_keys, e) < 0)
		return -1;
	if (b->exec_by_id.n >= EXECS_MAX)
		return err_set(e, ERR_LIMIT, "too many execs at once");
	text_random_id(id);
	rec.id = id;
	rec.container_id = c->id;
	x = exec_put(c, &rec, e);
	if (x == NULL)
		return -1;
	exec_save_soft(x);
	exec_emit(x, "exec_create", true);
	answer.id = x->rec.id;
	call_reply(call, &answer, NULL, 0);
	return 0;
}

/* ---- start ---- */
static int
failure_code(const char *text)
{
	return strstr(text, "executable file not found") != NULL || strstr(text, "no such file or directory") != NULL ? 127 : 126;
}

/* The Docker engine has taken the connection over by the time the program is found to be missing, so its clients read this
   from the stream and the code from the record. */
static bool
tell_on_stream(struct call *call, const struct api_exec_start *m, bool tty, const char *text)
{
	const struct blob *head = tty ? &m->head_tty : &m->head_mux;
	unsigned char frame[8] = { 1 };
	size_t n = strlen(text) + 2;
	struct iovec parts[4] = { { head->p, head->n }, { frame, tty ? 0 : sizeof frame }, { (void *)(uintptr_t)text, n - 2 },
		{ (void *)(uintptr_t)"\r\n", 2 } };
	struct msghdr h = { .msg_iov = parts, .msg_iovlen = 4 };

	frame[6] = (unsigned char)(n >> 8);
	frame[7] = (unsigned char)n;
	return call->nfds > 0 && sendmsg(call->fds[0], &h, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

void
exec_failed(struct exec *x, int64_t code)
{
	x->rec.running = false;
	x->rec.exit_code = (struct opt){ true, code };
	x->ended_ns = now_mono_ns();
	exec_save_soft(x);
}

static void
on_started(void *ctx, struct answer *a)
{
	struct op *op = ctx;
	const struct run_started *m = a->msg;
	struct exec_op *s = op->state;
	struct exec *x = index_get(&op->b->exec_by_id, s->id);

	if (x == NULL) {
		if (a->err != NULL)
			op_failed(op, a->err);
		else
			op_done(op);
		return;
	}
	if (a->err == NULL) {
		if (x->ended_ns == 0)
			x->rec.pid = m->pid;
		exec_save_soft(x);
		op_done(op);
		return;
	}
	if (a->err->code != ERR_UNAVAILABLE)
		exec_failed(x, failure_code(a->err->text));
	if (a->err->code == ERR_UNAVAILABLE || s->detach || !tell_on_stream(op->call, op->call->msg, x->rec.config->tty, a->err->text)) {
		op_failed(op, a->err);
		return;
	}
	op_done(op);
}

static void
run(struct op *op)
{
	struct exec_op *s = op->state;
	struct exec *x = index_get(&op->b->exec_by_id, s->id);
	const struct api_exec_start *m = op->call->msg;
	struct exec_config *k = x->rec.config;
	struct run_process p;
	struct run_stream stream = { .id = x->rec.container_id, .in = k->attach_stdin, .out = k->attach_stdout, .err = k->attach_stderr,
		.stream = true, .mux = !k->tty, .tty = k->tty, .detach_keys = k->detach_keys, .head = k->tty ? m->head_tty : m->head_mux,
		.input = m->input };
	struct run_exec wish = { .id = x->rec.container_id, .exec = x->rec.id, .privileged = k->privileged, .process = &p,
		.stream = s->detach ? NULL : &stream };
	struct err e = ERR_INIT;

	if (m->console_size.a > 0)
		k->console_size = m->console_size;
	if (spec_exec(x->ctr, k, k->tty, &op->arena, &p, &e) < 0) {
		op_failed(op, &e);
		return;
	}
	exec_emit(x, "exec_start", true);
	peer_send(op->b, PEER_RUN, NO_run_exec, &wish, op->call->fds, s->detach ? 0 : op->call->nfds, 0, on_started, op);
}

static const struct op_step steps[] = { { "run", run, NULL } };
/* After a crash the comparison with the runtime says what runs. */
const struct op_kind op_exec = { .name = "exec", .steps = steps, .n = 1, .flags = STEPS_FREE };

int
handle_exec_start(struct call *call, const void *msg, struct err *e)
{
	const struct api_exec_start *m = msg;
	struct broker *b = client_broker(call);
	struct exec *x = exec_find(b, m->id, e);
	struct op *op;
	struct exec_op *s;

	if (x == NULL)
		return -1;
	if (x->rec.exit_code.set)
		return err_set(e, ERR_CONFLICT, "exec command %s has already run", x->rec.id);
	if (x->started)
		return err_set(e, ERR_CONFLICT, "exec command %s is already running", x->rec.id);
	if (check_running(x->ctr, e) < 0)
		return -1;
	if (!m->detach && call->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "an attached exec needs a connection");
	op = op_new(b, &op_exec, x->ctr, x->ctr->id, call, e);
	if (op == NULL)
		return -1;
	op->state = s = arena_alloc(&op->arena, sizeof *s);
	if (s == NULL) {
		err_memory(&op->err);
	} else {
		memcpy(s->id, x->rec.id, sizeof s->id);
		s->detach = m->detach;
		x->started = true;
		x->rec.running = true;
		exec_save_soft(x);
	}
	op_submit(op);
	return 0;
}

int
handle_exec_inspect(struct call *call, const void *msg, struct err *e)
{
	const struct api_ref *m = msg;
	struct exec *x = exec_find(client_broker(call), m->ref, e);

	if (x == NULL)
		return -1;
	call_reply(call, &x->rec, NULL, 0);
	return 0;
}

/* ---- their end ---- */
static void
ended(struct exec *x, int64_t code)
{
	char number[16];
	const char *extra[] = { "execID", x->rec.id, "exitCode", number, NULL };
	bool first = x->ended_ns == 0;

	snprintf(number, sizeof number, "%lld", (long long)code);
	x->rec.running = false;
	x->rec.exit_code = (struct opt){ true, code };
	if (first)
		x->ended_ns = now_mono_ns();
	exec_save_soft(x);
	if (first)
		event_ctr(x->ctr, "exec_die", extra);
	if (first && x->rec.health)
		health_probe_ended(x->ctr, x->rec.id, code);
}

void
exec_exited(struct ctr *c, const char *id, int64_t code)
{
	struct exec *x = index_get(&c->b->exec_by_id, id);

	if (x != NULL && x->ctr == c && x->started)
		ended(x, code);
}

void
execs_end(struct ctr *c)
{
	for (struct exec *x = c->execs; x != NULL; x = x->next)
		if (x->rec.running)
			ended(x, 137);
}

void
execs_compare(struct ctr *c, const struct strs *running)
{
	for (struct exec *x = c->execs; x != NULL; x = x->next) {
		if (strs_has(running, x->rec.id)) {
			x->started = true;
			x->rec.running = true;
			if (x->rec.health && !health_waits_for(c, x->rec.id))
				health_kill(c, x->rec.id);
		} else if (x->rec.running && !op_known_exec(c->b, x->rec.id)) {
			ended(x, 137);
		}
	}
}

bool
op_known_exec(const struct broker *b, const char *id)
{
	for (const struct op *op = b->ops; op != NULL; op = op->next)
		if ((op->kind == &op_exec || op->kind == &op_health) && op->state != NULL && strcmp(op->state, id) == 0)
			return true;
	return false;
}

void
execs_sweep(struct broker *b)
{
	int64_t now = now_mono_ns();

	for (size_t i = b->exec_by_id.n; i > 0; i--) {
		struct exec *x = b->exec_by_id.v[i - 1].value;

		if (x->ended_ns != 0 && now - x->ended_ns > (x->rec.health ? 0 : KEPT))
			exec_forget(x);
	}
}
