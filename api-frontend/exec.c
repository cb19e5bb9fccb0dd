/* Exec create and inspect. */
#include "routes.h"

#include <string.h>

int
handle_exec_create(struct client *c, struct err *e)
{
	struct exec_config *m = arena_alloc(&c->arena, sizeof *m);

	if (m == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (client_record(c, &exec_config_type, m, e) < 0)
		return -1;
	m->ref = c->name;
	if (m->cmd.n == 0)
		return err_set(e, ERR_INVALID, "No exec command specified");
	c->ok_status = 201;
	return client_call_rec(c, NO_exec_create, m, 201, e);
}

static void
put_process(struct buf *b, const struct exec_config *x)
{
	struct strs arguments = { .n = x->cmd.n > 1 ? x->cmd.n - 1 : 0, .v = x->cmd.n > 0 ? x->cmd.v + 1 : NULL };

	buf_puts(b, "{\"tty\":");
	buf_puts(b, x->tty ? "true" : "false");
	buf_puts(b, ",\"entrypoint\":");
	json_put_str(b, x->cmd.n > 0 ? x->cmd.v[0] : "");
	buf_puts(b, ",\"arguments\":");
	json_put_strs(b, &arguments, false);
	buf_puts(b, ",\"privileged\":");
	buf_puts(b, x->privileged ? "true" : "false");
	if (x->user != NULL && *x->user != '\0') {
		buf_puts(b, ",\"user\":");
		json_put_str(b, x->user);
	}
	buf_putc(b, '}');
}

static void
put_flag(struct buf *b, const char *key, bool value)
{
	buf_printf(b, ",\"%s\":%s", key, value ? "true" : "false");
}

static void
on_exec_inspect(struct client *c, struct answer *a)
{
	static const struct exec_config nothing;
	const struct exec_state *m = a->msg;
	const struct exec_config *x;
	own_buf b = BUF_INIT((size_t)1 << 20);

	if (a->err != NULL) {
		reply_error(c, a->err);
		return;
	}
	x = m->config != NULL ? m->config : &nothing;
	buf_puts(&b, "{\"ID\":");
	json_put_str(&b, m->id);
	put_flag(&b, "Running", m->running);
	buf_puts(&b, ",\"ExitCode\":");
	if (m->exit_code.set)
		json_put_num(&b, m->exit_code.v);
	else
		buf_puts(&b, "null");
	buf_puts(&b, ",\"ProcessConfig\":");
	put_process(&b, x);
	put_flag(&b, "OpenStdin", x->attach_stdin);
	put_flag(&b, "OpenStderr", x->attach_stderr);
	put_flag(&b, "OpenStdout", x->attach_stdout);
	put_flag(&b, "CanRemove", false);
	buf_puts(&b, ",\"ContainerID\":");
	json_put_str(&b, m->container_id);
	buf_puts(&b, ",\"DetachKeys\":");
	json_put_str(&b, x->detach_keys);
	buf_puts(&b, ",\"Pid\":");
	json_put_num(&b, m->pid);
	buf_putc(&b, '}');
	reply_buf(c, 200, &b);
}

int
handle_exec_inspect(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call(c, NO_exec_inspect, &m, NULL, 0, on_exec_inspect, e);
}
