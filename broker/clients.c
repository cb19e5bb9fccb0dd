#include "clients.h"

#include "broker.h"
#include "fd.h"
#include "log.h"
#include "msg/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX 38
#define WORKERS_MAX 256
#define WAITING_MAX 128       /* connections of one principal that wait for its worker to start */
#define PAUSE (INT64_C(100) * 1000000)

struct worker {
	struct clients *clients;
	char principal[32];
	struct edge *edge;        /* NULL: asked for */
	int waiting[WAITING_MAX];
	size_t n_waiting;
	struct worker *next;
};

struct listener { struct loop_io io; struct clients *clients; };

struct clients {
	struct broker *b;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct worker *workers;
	size_t n_workers;
	struct loop_timer again;  /* out of descriptors: accept later */
};

struct broker *
client_broker(const struct call *call)
{
	return ((struct worker *)call->ctx)->clients->b;
}

const char *
client_principal(const struct call *call)
{
	return ((struct worker *)call->ctx)->principal;
}

static void
forget_worker(struct worker *w)
{
	for (struct worker **p = &w->clients->workers; *p != NULL; p = &(*p)->next)
		if (*p == w) {
			*p = w->next;
			break;
		}
	w->clients->n_workers--;
	for (size_t i = 0; i < w->n_waiting; i++)
		fd_close(&w->waiting[i]);
	free(w);
}

/* Calls that are still open keep pointing to the worker (client_broker is only asked when a call comes in, so they do not
   look at it again). */
static void
on_worker_closed(void *ctx, struct edge *edge, const struct err *why)
{
	struct worker *w = ctx;

	log_msg(LOG_DEBUG, "worker of %s ended", w->principal);
	edge_free(edge);
	w->edge = NULL;
	forget_worker(w);
}

static void
hand_over(struct worker *w, int fd)
{
	struct err e = ERR_INIT;

	if (edge_send(w->edge, NO_client_open, NULL, &fd, 1, NULL, NULL, &e) < 0)
		log_err(LOG_WARN, &e, "client of %s", w->principal);
}

static int
open_channel(struct worker *w, int fd, struct err *e)
{
	struct edge_conf conf = { .table = &api_edge, .side = EDGE_B, .handlers = api_handlers, .n_handlers = n_api_handlers, .ctx = w,
		.peer = "worker", .on_closed = on_worker_closed };
	own_fd held = fd;

	w->edge = edge_new(w->clients->b->loop, held, &conf, e);
	if (w->edge == NULL)
		return -1;
	(void)fd_take(&held);
	return 0;
}

static void
on_worker(void *ctx, struct answer *a)
{
	struct worker *w = ctx;
	struct err e = ERR_INIT;

	if (a->err != NULL || a->nfds != 1) {
		if (a->err != NULL)
			e = *a->err;
		else
			err_set(&e, ERR_PROTOCOL, "no channel came");
		log_err(LOG_ERROR, &e, "worker for %s", w->principal);
		forget_worker(w);
		return;
	}
	if (open_channel(w, fd_take(&a->fds[0]), &e) < 0) {
		log_err(LOG_ERROR, &e, "worker for %s", w->principal);
		forget_worker(w);
		return;
	}
	while (w->n_waiting > 0 && w->edge != NULL) {
		int client = w->waiting[0];

		memmove(&w->waiting[0], &w->waiting[1], --w->n_waiting * sizeof w->waiting[0]);
		hand_over(w, client);
		close(client);
	}
}

static struct worker *
new_worker(struct clients *c, const char *principal, struct err *e)
{
	struct worker *w;

	if (c->n_workers >= WORKERS_MAX) {
		err_set(e, ERR_LIMIT, "too many principals at once");
		return NULL;
	}
	w = calloc(1, sizeof *w);
	if (w == NULL) {
		err_memory(e);
		return NULL;
	}
	w->clients = c;
	snprintf(w->principal, sizeof w->principal, "%s", principal);
	w->next = c->workers;
	c->workers = w;
	c->n_workers++;
	return w;
}

int
clients_add_channel(struct clients *c, const char *principal, int fd, struct err *e)
{
	struct worker *w = new_worker(c, principal, e);

	if (w == NULL)
		return -1;
	if (open_channel(w, fd, e) == 0)
		return 0;
	forget_worker(w);
	return -1;
}

static struct worker *
worker_for(struct clients *c, const char *principal, struct err *e)
{
	struct ctl_worker m = { .principal = (char *)(uintptr_t)principal };
	struct worker *w;

	for (w = c->workers; w != NULL; w = w->next)
		if (strcmp(w->principal, principal) == 0)
			return w;
	w = new_worker(c, principal, e);
	if (w == NULL)
		return NULL;
	if (edge_send(c->b->comp->ctl, NO_ctl_worker, &m, NULL, 0, on_worker, w, e) < 0) {
		forget_worker(w);
		return NULL;
	}
	return w;
}

static void
take_client(struct clients *c, int fd)
{
	own_fd client = fd;
	struct ucred cred;
	socklen_t n = sizeof cred;
	char principal[32];
	struct err e = ERR_INIT;
	struct worker *w;

	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0 || n != sizeof cred) {
		log_msg(LOG_WARN, "a connection without credentials is refused");
		return;
	}
	snprintf(principal, sizeof principal, "uid:%u", cred.uid);
	w = worker_for(c, principal, &e);
	if (w == NULL) {
		log_err(LOG_ERROR, &e, "connection of %s", principal);
		return;
	}
	if (w->edge != NULL) {
		hand_over(w, client);
		return;
	}
	if (w->n_waiting == WAITING_MAX) {
		log_msg(LOG_WARN, "too many connections of %s wait for its worker", principal);
		return;
	}
	w->waiting[w->n_waiting++] = fd_take(&client);
}

static void
listen_all(struct clients *c, uint32_t events)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if (c->listeners[i].io.loop != NULL)
			loop_change(&c->listeners[i].io, events);
}

static void
on_again(struct loop_timer *t)
{
	listen_all((struct clients *)(void *)((char *)t - offsetof(struct clients, again)), EPOLLIN);
}

static void
on_ready(struct loop_io *io, uint32_t events)
{
	struct listener *l = (struct listener *)(void *)((char *)io - offsetof(struct listener, io));

	for (int i = 0; i < 16; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			take_client(l->clients, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_msg(LOG_ERROR, "accept: %s", strerror(errno));
			listen_all(l->clients, 0);
			loop_timer_set(l->clients->b->loop, &l->clients->again, PAUSE);
		}
		return;
	}
}

struct clients *
clients_new(struct broker *b, int *fds, size_t n, struct err *e)
{
	struct clients *c = calloc(1, sizeof *c);

	if (c == NULL) {
		err_memory(e);
		return NULL;
	}
	c->b = b;
	c->again.on_time = on_again;
	for (size_t i = 0; i < n && i < LISTENERS_MAX; i++) {
		struct listener *l = &c->listeners[c->n_listeners];

		l->clients = c;
		l->io = (struct loop_io){ .fd = fds[i], .on_ready = on_ready };
		if (fd_set_nonblock(fds[i], true) < 0) {
			err_sys(e, errno, "listening socket");
			goto bad;
		}
		if (loop_add(b->loop, &l->io, EPOLLIN, e) < 0)
			goto bad;
		l->io.fd = fd_take(&fds[i]);
		c->n_listeners++;
	}
	return c;
bad:
	clients_free(c);
	return NULL;
}

void
clients_stop_listening(struct clients *c)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		loop_remove(&c->listeners[i].io);
		fd_close(&c->listeners[i].io.fd);
	}
	c->n_listeners = 0;
	loop_timer_clear(&c->again);
}

void
clients_free(struct clients *c)
{
	if (c == NULL)
		return;
	clients_stop_listening(c);
	for (struct worker *w = c->workers, *next; w != NULL; w = next) {
		next = w->next;
		edge_free(w->edge);
		forget_worker(w);
	}
	free(c);
}
