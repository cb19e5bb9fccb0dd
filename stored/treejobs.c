/* Jobs on the files of containers and volumes: a child reads them, stored only starts it and passes its word on. */
#include "stored.h"

#include "fd.h"
#include "log.h"
#include "text.h"
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define JOBS_MAX 32
#define LOG_ROOM 65536   /* what a child that writes no file may write into the log */

/* The request of a child as a file for it to read. */
int
stored_request(const struct rec_type *type, const void *msg, struct err *e)
{
	own_buf text = BUF_INIT(UNPACK_RESULT_MAX);
	own_fd fd = memfd_create("request", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "memory for a request");
	if (rec_encode(type, msg, &text, e) < 0)
		return -1;
	if (fd_write_all(fd, text.data, text.used) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "memory for a request");
	return fd_take(&fd);
}

int
stored_pin_tree(struct stored *s, const struct store_tree *t, const void *owner, struct err *e)
{
	if (t == NULL || t->id == NULL || !text_is_id(t->id))
		return err_set(e, ERR_PROTOCOL, "not a container id");
	for (size_t i = 0; i < t->layers.n; i++)
		if (!text_is_id(t->layers.v[i]) || pin_add(s, t->layers.v[i], owner, e) < 0)
			return err_set(e, ERR_PROTOCOL, "not a layer");
	return 0;
}

static int
result_of(const unsigned char *said, size_t n, struct arena *a, struct unpack_result *ret, const char *otherwise, struct err *e)
{
	*ret = (struct unpack_result){ 0 };
	if (n == 0 || rec_decode_all(&unpack_result_type, said, n, a, ret, e) < 0)
		return err_set(e, ERR_SYSTEM, "%s", otherwise);
	if (ret->code != ERR_NONE)
		return err_set(e, ret->code < ERR_CODE_COUNT ? (enum err_code)ret->code : ERR_SYSTEM, "%s",
		    ret->text != NULL ? ret->text : otherwise);
	return 0;
}

/* ---- changes, export ---- */

struct tree_job { struct stored *s; struct call *call; };

static void
on_written(void *ctx, const unsigned char *said, size_t n)
{
	struct tree_job *j = ctx;
	struct unpack_result result;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	if (result_of(said, n, &a, &result, "the container's files could not be read", &e) < 0) {
		log_err(LOG_WARN, &e, "%s", j->call->row->name);
		call_fail(j->call, &e);
	} else {
		call_ok(j->call);
	}
	j->s->n_jobs--;
	pin_remove_all(j->s, j);
	free(j);
}

static int
start(struct call *c, const char *job, const struct store_tree *m, struct err *e)
{
	struct stored *s = c->ctx;
	struct tree_job *j;
	own_fd request = -1;

	if (c->nfds != 1)
		return err_set(e, ERR_PROTOCOL, "%s needs a descriptor", c->row->name);
	if (s->n_jobs >= JOBS_MAX)
		return err_set(e, ERR_LIMIT, "too many containers are being read at once");
	request = stored_request(&store_tree_type, m, e);
	j = request >= 0 ? calloc(1, sizeof *j) : NULL;
	if (j == NULL)
		return request >= 0 ? err_set(e, ERR_NO_MEMORY, "out of memory") : -1;
	*j = (struct tree_job){ s, c };
	/* no use of a pipe is fine */
	(void)fcntl(c->fds[0], F_SETPIPE_SZ, 1 << 20);
	if (stored_pin_tree(s, m, j, e) < 0 || child_unpack(&s->child, job, INT64_MAX, request, c->fds[0], s->store, on_written, j, e) == NULL) {
		pin_remove_all(s, j);
		free(j);
		return -1;
	}
	s->n_jobs++;
	/* only the child holds it now: the reader sees its end */
	fd_close(&c->fds[0]);
	return 0;
}

int
on_store_changes(struct call *c, const void *msg, struct err *e)
{
	return start(c, "changes", msg, e);
}

int
on_store_export(struct call *c, const void *msg, struct err *e)
{
	return start(c, "export", msg, e);
}

/* ---- sizes: containers first, then volumes ---- */

struct measuring {
	struct stored *s;
	struct call *call;
	bool volumes;
	struct store_sizes sizes;
};

static int next_part(struct measuring *m, struct err *e);

static void
end(struct measuring *m, const struct err *e)
{
	if (e != NULL)
		call_fail(m->call, e);
	else
		call_reply(m->call, &m->sizes, NULL, 0);
	m->s->n_jobs--;
	free(m);
}

/* The child's word is good for numbers only. */
static int
take_sizes(struct measuring *m, const struct unpack_result *r, struct err *e)
{
	const struct store_measure *wish = m->call->msg;
	const struct strs *names = m->volumes ? &wish->volumes : &wish->rws;
	struct store_size_list *to = m->volumes ? &m->sizes.volumes : &m->sizes.rws;

	if (r->sizes.n != names->n)
		return err_set(e, ERR_SYSTEM, "the unpacker's answer is incomplete");
	to->v = arena_array(&m->call->arena, names->n, sizeof *to->v);
	if (to->v == NULL)
		return err_set(e, ERR_NO_MEMORY, "sizes");
	for (; to->n < names->n; to->n++)
		to->v[to->n] = (struct store_size){ .name = names->v[to->n], .size = r->sizes.v[to->n].size < 0 ? -1 : r->sizes.v[to->n].size };
	return 0;
}

static void
on_measured(void *ctx, const unsigned char *said, size_t n)
{
	struct measuring *m = ctx;
	struct unpack_result result;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;

	if (result_of(said, n, &a, &result, "the files could not be measured", &e) < 0 || take_sizes(m, &result, &e) < 0) {
		log_err(LOG_WARN, &e, "sizes");
		end(m, &e);
		return;
	}
	if (m->volumes) {
		end(m, NULL);
		return;
	}
	m->volumes = true;
	if (next_part(m, &e) < 0)
		end(m, &e);
}

static int
next_part(struct measuring *m, struct err *e)
{
	const struct store_measure *wish = m->call->msg;
	struct store_measure part = { 0 };
	own_fd request = -1;

	if (!m->volumes && wish->rws.n == 0)
		m->volumes = true;
	if (m->volumes && wish->volumes.n == 0) {
		end(m, NULL);
		return 0;
	}
	if (m->volumes)
		part.volumes = wish->volumes;
	else
		part.rws = wish->rws;
	request = stored_request(&store_measure_type, &part, e);
	if (request < 0)
		return -1;
	return child_unpack(&m->s->child, "sizes", LOG_ROOM, request, -1, m->volumes ? m->s->volumes : m->s->store, on_measured, m, e) == NULL ? -1 : 0;
}

int
on_store_measure(struct call *c, const void *msg, struct err *e)
{
	const struct store_measure *wish = msg;
	struct stored *s = c->ctx;
	struct measuring *m;

	for (size_t i = 0; i < wish->rws.n; i++)
		if (!text_is_id(wish->rws.v[i]))
			return err_set(e, ERR_PROTOCOL, "not a container id");
	for (size_t i = 0; i < wish->volumes.n; i++)
		if (!text_is_name(wish->volumes.v[i], NAME_MAX_))
			return err_set(e, ERR_PROTOCOL, "not a volume name");
	if (s->n_jobs >= JOBS_MAX)
		return err_set(e, ERR_LIMIT, "too many sizes are being measured at once");
	m = calloc(1, sizeof *m);
	if (m == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	*m = (struct measuring){ .s = s, .call = c };
	s->n_jobs++;
	if (next_part(m, e) < 0) {
		s->n_jobs--;
		free(m);
		return -1;
	}
	return 0;
}
