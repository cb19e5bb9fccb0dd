/* libcurl on our event loop: HTTP(S) requests, and the connections that link.c asks for (a host's name, TLS and all). */
#include "logger.h"

#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define REPLY_MAX ((size_t)64 << 10)

struct socket_watch { struct loop_io io; struct logger *g; };

static void
harvest(struct logger *g)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(g->multi, &left)) != NULL) {
		struct transfer *t = NULL;
		CURLcode code = m->data.result;
		long status = 0;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		if (!t->fn(t, code, status))
			transfer_free(t);
	}
}

static void
on_socket(struct loop_io *io, uint32_t events)
{
	struct socket_watch *w = (struct socket_watch *)(void *)io;
	struct logger *g = w->g;
	int running, mask = ((events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) | ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
	    ((events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);

	(void)curl_multi_socket_action(g->multi, io->fd, mask, &running);
	harvest(g);
}

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *ours)
{
	struct logger *g = ctx;
	struct socket_watch *w = ours;
	uint32_t events = (what & CURL_POLL_IN) != 0 ? EPOLLIN : 0;
	struct err e = ERR_INIT;

	if ((what & CURL_POLL_OUT) != 0)
		events |= EPOLLOUT;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			loop_remove(&w->io);
		free(w);
		(void)curl_multi_assign(g->multi, fd, NULL);
		return 0;
	}
	if (w != NULL) {
		loop_change(&w->io, events);
		return 0;
	}
	w = calloc(1, sizeof *w);
	if (w == NULL)
		return -1;
	w->g = g;
	w->io = (struct loop_io){ .fd = fd, .on_ready = on_socket };
	if (loop_add(g->loop, &w->io, events, &e) < 0) {
		free(w);
		return -1;
	}
	(void)curl_multi_assign(g->multi, fd, w);
	return 0;
}

static void
on_timer(struct loop_timer *t)
{
	struct logger *g = (struct logger *)(void *)((char *)t - offsetof(struct logger, curl_timer));
	int running;

	(void)curl_multi_socket_action(g->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	harvest(g);
}

static int
set_timer(CURLM *multi, long ms, void *ctx)
{
	struct logger *g = ctx;

	if (ms < 0)
		loop_timer_clear(&g->curl_timer);
	else
		loop_timer_set(g->loop, &g->curl_timer, ms * INT64_C(1000000));
	return 0;
}

int
web_init(struct logger *g, struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (g->multi = curl_multi_init()) == NULL)
		return err_set(e, ERR_SYSTEM, "libcurl does not start");
	g->curl_timer.on_time = on_timer;
	(void)curl_multi_setopt(g->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	(void)curl_multi_setopt(g->multi, CURLMOPT_SOCKETDATA, g);
	(void)curl_multi_setopt(g->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	(void)curl_multi_setopt(g->multi, CURLMOPT_TIMERDATA, g);
	(void)curl_multi_setopt(g->multi, CURLMOPT_MAXCONNECTS, 32L);
	return 0;
}

static size_t
take_reply(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	/* more than that is no answer to us */
	if (t->reply.used + size * n > REPLY_MAX)
		return 0;
	buf_put(&t->reply, data, size * n);
	return size * n;
}

struct transfer *
transfer_new(struct ship *s, const char *url, bool (*fn)(struct transfer *t, CURLcode code, long status))
{
	struct transfer *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->easy = curl_easy_init();
	if (t->easy == NULL) {
		free(t);
		return NULL;
	}
	t->ship = s;
	t->fn = fn;
	t->reply = (struct buf)BUF_INIT(2 * REPLY_MAX);
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, 8000L);
	(void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_reply);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	return t;
}

bool
transfer_header(struct transfer *t, const char *fmt, ...)
{
	char text[8192];
	struct curl_slist *more;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof text || strpbrk(text, "\r\n") != NULL)
		return false;
	more = curl_slist_append(t->headers, text);
	if (more != NULL)
		t->headers = more;
	return more != NULL;
}

void
transfer_tls(struct transfer *t, const char *ca, const char *cert, const char *key, bool skip_verify)
{
	if (ca != NULL)
		(void)curl_easy_setopt(t->easy, CURLOPT_CAINFO, ca);
	if (cert != NULL)
		(void)curl_easy_setopt(t->easy, CURLOPT_SSLCERT, cert);
	if (key != NULL)
		(void)curl_easy_setopt(t->easy, CURLOPT_SSLKEY, key);
	(void)curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, skip_verify ? 0L : 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, skip_verify ? 0L : 2L);
}

void
transfer_post(struct transfer *t, const void *body, size_t n)
{
	(void)curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, 30000L);
	/* (not by an empty header: it would be signed, and not sent) */
	(void)curl_easy_setopt(t->easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 200L);
}

/* The request is for that name, and goes to where the url says. */
bool
transfer_server_name(struct transfer *t, const char *url, const char *name)
{
	struct log_address a;
	char text[700];
	int port;

	if (!log_address_parse(url, &a) || strpbrk(name, "/:@?# ") != NULL)
		return false;
	port = a.port != 0 ? a.port : strcmp(a.proto, "https") == 0 ? 443 : 80;
	snprintf(text, sizeof text, "%.250s:%d:%s:%d", name, port, a.host, port);
	t->connect_to = curl_slist_append(NULL, text);
	snprintf(text, sizeof text, "%s://%.250s:%d%s", a.proto, name, port, a.path);
	return t->connect_to != NULL && curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to) == CURLE_OK &&
	    curl_easy_setopt(t->easy, CURLOPT_URL, text) == CURLE_OK;
}

bool
transfer_start(struct transfer *t)
{
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	return curl_multi_add_handle(t->ship->g->multi, t->easy) == CURLM_OK;
}

void
transfer_free(struct transfer *t)
{
	if (t == NULL)
		return;
	(void)curl_multi_remove_handle(t->ship->g->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	buf_done(&t->reply);
	free(t);
}

void
transfer_error(const struct transfer *t, CURLcode code, const char *proto, const char *host, int port, struct err *e)
{
	char why[128];
	long no = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &no);
	if (code == CURLE_COULDNT_RESOLVE_HOST) {
		(void)err_set(e, ERR_UNAVAILABLE, "dial %s: lookup %s: no such host", proto, host);
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		(void)err_set(e, ERR_UNAVAILABLE, "dial %s %s:%d: i/o timeout", proto, host, port);
	} else if (code == CURLE_COULDNT_CONNECT) {
		snprintf(why, sizeof why, "%s", no != 0 ? strerror((int)no) : "connection failed");
		why[0] = (char)tolower((unsigned char)why[0]);
		(void)err_set(e, ERR_UNAVAILABLE, "dial %s %s:%d: connect: %s", proto, host, port, why);
	} else {
		(void)err_set(e, ERR_UNAVAILABLE, "%s:%d: %s", host, port, t->why[0] != '\0' ? t->why : curl_easy_strerror(code));
	}
}
