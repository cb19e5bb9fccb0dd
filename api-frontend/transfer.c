/*
 * Bytes of images and containers in and out: load and import write the request's body into a pipe whose other end an unpacker reads; save, export and changes read
 * one. Nobody waits: a full pipe stops reading the client, a client that does not read stops reading the pipe.
 */
#include "transfer.h"

#include "changes.h"
#include "routes.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 20)

struct transfer {
	struct client *c;
	struct loop_io io;      /* our end of the pipe */
	bool broken;            /* upload: nobody reads any more */
	bool cannot_splice;
	bool waits;             /* download: not begun */
	bool answered;          /* download: the broker said that all was written */
	const char *type;       /* download: of the content */
};

static void
transfer_close(struct client *c)
{
	struct transfer *t = c->stream;

	loop_remove(&t->io);
	fd_close(&t->io.fd);
	free(t);
}

/* ours: our end (non-blocking); theirs: the other one. */
static struct transfer *
transfer_new(struct client *c, bool upload, void (*on_ready)(struct loop_io *io, uint32_t events), int *theirs, struct err *e)
{
	int ends[2] = { -1, -1 };
	struct transfer *t = calloc(1, sizeof *t);

	if (t == NULL || pipe2(ends, O_CLOEXEC) < 0) {
		err_sys(e, t == NULL ? ENOMEM : errno, "pipe for image data");
		free(t);
		return NULL;
	}
	t->c = c;
	t->io = (struct loop_io){ .fd = ends[upload ? 1 : 0], .on_ready = on_ready };
	*theirs = ends[upload ? 0 : 1];
	/* fewer turns between us and the unpacker; where the user's pipes have used up their share it stays small */
	(void)fcntl(t->io.fd, F_SETPIPE_SZ, PIPE_SIZE);
	if (fd_set_nonblock(t->io.fd, true) < 0 || loop_add(c->w->loop, &t->io, upload ? 0 : EPOLLIN, e) < 0) {
		fd_close(&ends[0]);
		fd_close(&ends[1]);
		free(t);
		*theirs = -1;
		return NULL;
	}
	return t;
}

/* ---- upload ---- */

static size_t
upload_body(struct client *c, const char *p, size_t n)
{
	struct transfer *t = c->stream;
	size_t at = 0;

	while (!t->broken && at < n) {
		ssize_t w = write(t->io.fd, p + at, n - at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN) {
			loop_change(&t->io, EPOLLOUT);
			return at;
		}
		if (w < 0) {
			/* the reader has enough or gave up: what follows is thrown away until its answer comes */
			t->broken = true;
			loop_remove(&t->io);
			break;
		}
		at += (size_t)w;
	}
	return n;
}

static ssize_t
upload_splice(struct client *c, uint64_t left)
{
	struct transfer *t = c->stream;
	int there = 0;
	ssize_t n;

	if (t->broken || t->cannot_splice)
		return BODY_READ;
	do
		n = splice(c->io.fd, NULL, t->io.fd, NULL, left < PIPE_SIZE ? (size_t)left : PIPE_SIZE, SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN) {
		/* which of both is it? */
		if (ioctl(c->io.fd, FIONREAD, &there) == 0 && there > 0) {
			c->want_body = false;
			loop_change(&t->io, EPOLLOUT);
		}
		return BODY_LATER;
	}
	t->cannot_splice = true;   /* or nobody reads any more: on_body will find out */
	return BODY_READ;
}

static void
upload_body_end(struct client *c, bool complete)
{
	struct transfer *t = c->stream;

	if (!complete) {
		/* cancels first, so that the reader cannot take what came so far for the whole */
		client_kill(c);
		return;
	}
	loop_remove(&t->io);
	fd_close(&t->io.fd);
}

static void
on_pipe_writable(struct loop_io *io, uint32_t events)
{
	struct transfer *t = (struct transfer *)(void *)((char *)io - offsetof(struct transfer, io));

	if ((events & EPOLLERR) != 0) {
		t->broken = true;
		loop_remove(io);
	} else {
		loop_change(io, 0);
	}
	client_want_body(t->c);
}

static void
put_progress(struct client *c, const struct api_progress *m)
{
	own_buf b = BUF_INIT(65536);
	bool first = true;

	buf_putc(&b, '{');
	if (m->stream != NULL && *m->stream != '\0') {
		json_put_key(&b, "stream", &first);
		json_put_str(&b, m->stream);
		/* the line's end is part of the text */
		if (m->stream[strlen(m->stream) - 1] != '\n') {
			b.used--;
			buf_puts(&b, "\\n\"");
		}
	}
	if (m->status != NULL && *m->status != '\0') {
		json_put_key(&b, "status", &first);
		json_put_str(&b, m->status);
	}
	if (m->id != NULL && *m->id != '\0') {
		json_put_key(&b, "id", &first);
		json_put_str(&b, m->id);
	}
	buf_puts(&b, "}\r\n");
	if (!first)
		stream_put(c, b.data, b.used);
}

static void
put_error_detail(struct client *c, const struct err *e)
{
	own_buf b = BUF_INIT(8192);

	buf_puts(&b, "{\"errorDetail\":{\"message\":");
	json_put_str(&b, e->text);
	buf_puts(&b, "},\"error\":");
	json_put_str(&b, e->text);
	buf_puts(&b, "}\r\n");
	stream_put(c, b.data, b.used);
}

static void
on_progress(struct client *c, struct answer *a)
{
	if (a->err != NULL && !c->started) {
		reply_error(c, a->err);
		return;
	}
	stream_begin(c, 200, "application/json");
	if (a->err != NULL)
		put_error_detail(c, a->err);
	else
		put_progress(c, a->msg);
	if (!a->more)
		stream_end(c);
}

int
transfer_upload(struct client *c, unsigned no, const void *msg, void (*fn)(struct client *c, struct answer *a), struct err *e)
{
	static const struct stream_ops ops = { .on_body = upload_body, .on_splice = upload_splice, .on_body_end = upload_body_end, .on_close = transfer_close };
	own_fd theirs = -1;
	struct transfer *t = transfer_new(c, true, on_pipe_writable, &theirs, e);

	if (t == NULL)
		return -1;
	c->stream = t;
	c->ops = &ops;
	return client_call(c, no, msg, &theirs, 1, fn, e);
}

static int
start_upload(struct client *c, unsigned no, const void *msg, struct err *e)
{
	return transfer_upload(c, no, msg, on_progress, e);
}

int
handle_image_load(struct client *c, struct err *e)
{
	struct api_load m = { .quiet = query_bool(c, "quiet", false) };

	if (*query_str(c, "platform") != '\0')
		return err_set(e, ERR_UNSUPPORTED, "loading a single platform is not implemented by Bulwark yet");
	return start_upload(c, NO_image_load, &m, e);
}

int
handle_image_create(struct client *c, struct err *e)
{
	const char *source = query_str(c, "fromSrc");
	struct container_config *config = arena_alloc(&c->arena, sizeof *config);
	struct api_import m = {
		.repo = (char *)(uintptr_t)query_str(c, "repo"), .tag = (char *)(uintptr_t)query_str(c, "tag"),
		.message = (char *)(uintptr_t)query_str(c, "message"), .platform = (char *)(uintptr_t)query_str(c, "platform"), .config = config,
	};

	if (config == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (*query_str(c, "fromImage") != '\0')
		return err_set(e, ERR_UNSUPPORTED, "pulling from registries is not implemented by Bulwark yet; use docker load or docker import");
	if (*source == '\0')
		return err_set(e, ERR_INVALID, "either fromImage or fromSrc is needed");
	if (strcmp(source, "-") != 0)
		return err_set(e, ERR_UNSUPPORTED, "importing from a URL is not implemented by Bulwark yet");
	for (size_t i = 0; i < c->query.n; i++)
		if (strcmp(c->query.v[i].key, "changes") == 0 && change_apply(config, &c->arena, c->query.v[i].value, e) < 0)
			return -1;
	return start_upload(c, NO_image_import, &m, e);
}

/* ---- download ---- */

static void
download_pump(struct client *c)
{
	struct transfer *t = c->stream;

	while (c->out.used < OUT_HIGH) {
		char block[65536];
		ssize_t n = read(t->io.fd, block, sizeof block);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_change(&t->io, EPOLLIN);
			client_flush(c);
			return;
		}
		if (n <= 0) {
			/* all writers are gone: only with the broker's word is it the end of the image */
			loop_remove(&t->io);
			if (t->answered) {
				stream_begin(c, 200, t->type);
				stream_end(c);
			} else {
				client_flush(c);
			}
			return;
		}
		stream_begin(c, 200, t->type);
		if (c->dead)
			return;
		stream_open_chunk(c);
		buf_put(&c->out, block, (size_t)n);
		stream_close_chunk(c);
	}
	loop_change(&t->io, 0);
	client_flush(c);
	if (!c->dead)
		client_want_drain(c);
}

static void
on_pipe_readable(struct loop_io *io, uint32_t events)
{
	struct transfer *t = (struct transfer *)(void *)((char *)io - offsetof(struct transfer, io));

	if (t->c->want_drain || t->waits)
		/* the hang-up is seen again when the client has read */
		loop_remove(io);
	else
		download_pump(t->c);
}

static void
download_drain(struct client *c)
{
	struct transfer *t = c->stream;
	struct err e = ERR_INIT;

	if (t->io.loop == NULL && loop_add(c->w->loop, &t->io, EPOLLIN, &e) < 0) {
		stream_abort(c);
		return;
	}
	download_pump(c);
}

static void
on_saved(struct client *c, struct answer *a)
{
	if (a->err != NULL) {
		if (c->started)
			log_err(LOG_ERROR, a->err, "a download broke off");
		reply_error(c, a->err);
		return;
	}
	transfer_end(c);
}

void
transfer_end(struct client *c)
{
	struct transfer *t = c->stream;

	t->answered = true;
	if (!c->want_drain)
		download_pump(c);
}

void
transfer_begin(struct client *c)
{
	struct transfer *t = c->stream;
	struct err e = ERR_INIT;

	t->waits = false;
	if (t->io.loop != NULL)
		loop_change(&t->io, EPOLLIN);
	else if (loop_add(c->w->loop, &t->io, EPOLLIN, &e) < 0)
		reply_error(c, &e);
}

int
transfer_download(struct client *c, unsigned no, const void *msg, const char *type, bool wait, void (*fn)(struct client *c, struct answer *a), struct err *e)
{
	static const struct stream_ops ops = { .on_drain = download_drain, .on_close = transfer_close };
	own_fd theirs = -1;
	struct transfer *t = transfer_new(c, false, on_pipe_readable, &theirs, e);

	if (t == NULL)
		return -1;
	c->stream = t;
	c->ops = &ops;
	c->eof_cancels = true;
	t->type = type;
	t->waits = wait;
	if (wait)
		loop_change(&t->io, 0);
	return client_call(c, no, msg, &theirs, 1, fn, e);
}

static int
start_download(struct client *c, unsigned no, const void *m, const char *type, struct err *e)
{
	return transfer_download(c, no, m, type, false, on_saved, e);
}

int
handle_image_save(struct client *c, struct err *e)
{
	char *refs[1] = { c->name };
	struct api_save m = { .refs = { 1, refs } };

	return start_download(c, NO_image_save, &m, "application/x-tar", e);
}

int
handle_images_save(struct client *c, struct err *e)
{
	struct api_save m = { 0 };

	for (size_t i = 0; i < c->query.n; i++)
		if (strcmp(c->query.v[i].key, "names") == 0 && !strs_add(&m.refs, &c->arena, c->query.v[i].value))
			return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (m.refs.n == 0)
		return err_set(e, ERR_INVALID, "no image was named");
	return start_download(c, NO_image_save, &m, "application/x-tar", e);
}

/* ---- containers ---- */

int
handle_container_changes(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	/* (the JSON is made by who reads the files) */
	return start_download(c, NO_container_changes, &m, "application/json", e);
}

int
handle_container_export(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return start_download(c, NO_container_export, &m, "application/octet-stream", e);
}
