/* CloudWatch Logs: CreateLogGroup, CreateLogStream, PutLogEvents, signed (SigV4) by libcurl. Lines may be joined to events by a pattern. */
#include "logger.h"

#include "log.h"
#include "pattern.h"
#include "text.h"

#include <stdlib.h>

#define EVENT_MAX  ((size_t)262144 - 26)

enum work { PUT, MAKE_STREAM, MAKE_GROUP };
struct conf {
	char url[600], signing[128], user[512], session[4096], pattern[2048], token[256];
	const char *stream;
	bool make_group, make_stream, tried_group;
	enum work work;
	struct buf body;
	int64_t last_ms, first_ms;
	size_t event;              /* bytes of the event that is open in the batch, 0: none */
	uint64_t events;           /* that are in the batch */
};

/* strftime sequences as expressions, as the Docker engine has them */
static const struct { char c; const char *pattern; } dates[] = {
	{ 'a', "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)" }, { 'A', "(Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)" }, { 'w', "[0-6]" },
	{ 'd', "(0[1-9]|[1,2][0-9]|3[0,1])" }, { 'b', "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)" },
	{ 'B', "(January|February|March|April|May|June|July|August|September|October|November|December)" }, { 'm', "(0[1-9]|1[0-2])" },
	{ 'Y', "\\d{4}" }, { 'y', "\\d{2}" }, { 'H', "([0,1][0-9]|2[0-3])" }, { 'I', "(0[0-9]|1[0-2])" }, { 'p', "[A,P]M" }, { 'M', "[0-5][0-9]" },
	{ 'S', "[0-5][0-9]" }, { 'f', "\\d{6}" }, { 'z', "[+-]\\d{4}" }, { 'Z', "[A-Z]{1,4}T" }, { 'j', "(0[0-9][1-9]|[1,2][0-9][0-9]|3[0-5][0-9]|36[0-6])" },
	{ 'L', "\\.\\d{3}" } };

static int
make_pattern(struct ship *s, struct conf *c, struct err *e)
{
	const char *date = ship_opt(s, "awslogs-datetime-format"), *pattern = ship_opt(s, "awslogs-multiline-pattern");
	own_buf b = BUF_INIT(sizeof c->pattern);
	bool found;

	for (; date != NULL && *date != '\0'; date++) {
		size_t i = 0;

		if (*date != '%' || date[1] == '\0') {
			buf_putc(&b, *date);
			continue;
		}
		date++;
		while (i < sizeof dates / sizeof *dates && dates[i].c != *date)
			i++;
		if (i < sizeof dates / sizeof *dates)
			buf_puts(&b, dates[i].pattern);
	}
	if (pattern != NULL)
		buf_puts(&b, pattern);
	if (b.failed || !text_copy(c->pattern, sizeof c->pattern, buf_cstr(&b)) || (c->pattern[0] != '\0' && pattern_search(c->pattern, "", &found, e) < 0))
		return err_set(e, ERR_INVALID, "awslogs could not parse multiline pattern key \"%.200s\"", pattern != NULL ? pattern : ship_opt(s, "awslogs-datetime-format"));
	return 0;
}

/* From the daemon's environment, else /etc/bulwark/aws-credentials, a shared credentials file whose first profile counts. */
static int
find_credentials(struct conf *c, struct err *e)
{
	const char *key = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY"), *session = getenv("AWS_SESSION_TOKEN");
	char line[4200], file_key[200] = "", file_secret[200] = "";
	FILE *f;

	if (key == NULL || secret == NULL) {
		f = fopen("/etc/bulwark/aws-credentials", "re");
		while (f != NULL && fgets(line, sizeof line, f) != NULL) {
			line[strcspn(line, "\r\n")] = '\0';
			(void)sscanf(line, " aws_access_key_id = %199s", file_key);
			(void)sscanf(line, " aws_secret_access_key = %199s", file_secret);
			(void)sscanf(line, " aws_session_token = %4095s", c->session);
		}
		if (f != NULL)
			fclose(f);
		key = file_key;
		secret = file_secret;
	} else if (session != NULL && !text_copy(c->session, sizeof c->session, session)) {
		return err_set(e, ERR_INVALID, "awslogs: the session token is too long");
	}
	if (*key == '\0' || *secret == '\0')
		return err_set(e, ERR_UNAVAILABLE, "NoCredentialProviders: no valid providers in chain: neither the daemon's environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) "
		    "nor /etc/bulwark/aws-credentials has any");
	return (size_t)snprintf(c->user, sizeof c->user, "%s:%s", key, secret) < sizeof c->user ? 0 : err_set(e, ERR_INVALID, "awslogs: the credentials are too long");
}

static int
open_awslogs(struct ship *s, struct err *e)
{
	const char *region = ship_opt(s, "awslogs-region"), *endpoint = ship_opt(s, "awslogs-endpoint"), *text;
	struct conf *c = arena_alloc(&s->arena, sizeof *c);
	uint64_t n;

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->conf = c;
	s->linger_ns = INT64_C(5000000000);
	if (region == NULL)
		region = getenv("AWS_REGION");
	if (region == NULL || !text_is_name(region, 64))
		return err_set(e, ERR_INVALID, "Cannot determine region for awslogs driver");
	if ((size_t)(endpoint != NULL ? snprintf(c->url, sizeof c->url, "%s", endpoint) :
	    snprintf(c->url, sizeof c->url, "https://logs.%s.amazonaws.com/", region)) >= sizeof c->url)
		return err_set(e, ERR_INVALID, "awslogs-endpoint is too long");
	snprintf(c->signing, sizeof c->signing, "aws:amz:%s:logs", region);
	c->stream = ship_opt(s, "awslogs-stream") != NULL ? ship_opt(s, "awslogs-stream") : s->target.tag;
	c->make_group = ship_opt_bool(s, "awslogs-create-group", false);
	c->make_stream = ship_opt_bool(s, "awslogs-create-stream", true);
	c->body.max = (size_t)8 << 20;
	if ((text = ship_opt(s, "awslogs-force-flush-interval-seconds")) != NULL && text_to_u64(text, 86400, &n))
		s->linger_ns = (int64_t)n * 1000000000;
	return make_pattern(s, c, e) < 0 ? -1 : find_credentials(c, e);
}

/* Does this record begin an event? */
static bool
begins(struct ship *s, const struct log_frame *f)
{
	struct conf *c = s->conf;
	char line[4096];
	size_t n = f->n < sizeof line - 1 ? f->n : sizeof line - 1;
	struct err e = ERR_INIT;
	bool found = true;

	if (c->pattern[0] == '\0')
		return true;
	/* what is looked for stands near the beginning of a line */
	memcpy(line, f->text, n);
	line[n] = '\0';
	return pattern_search(c->pattern, line, &found, &e) < 0 || found;
}

/* A batch spans at most 24 hours. */
static bool
boundary(struct ship *s, const struct log_frame *f, bool full)
{
	const struct conf *c = s->conf;

	return f->time / 1000000 - c->first_ms > INT64_C(23) * 3600 * 1000 || (full && begins(s, f));
}

static void
close_event(struct ship *s)
{
	struct conf *c = s->conf;

	if (c->event > 0)
		buf_printf(&s->batch, "\",\"timestamp\":%lld}", (long long)c->last_ms);
	c->event = 0;
}

static void
add_awslogs(struct ship *s, const struct record *r)
{
	struct conf *c = s->conf;
	const struct log_frame f = { .text = r->text, .n = r->n };
	own_buf text = BUF_INIT(8 * FRAME_TEXT_MAX);
	int64_t ms = r->time / 1000000;

	if (r->n == 0 && c->pattern[0] == '\0')
		return;   /* an event has at least one byte */
	if (s->n_batch == 0) {
		c->event = 0;
		c->events = 0;
		c->first_ms = c->last_ms = ms;
	}
	if (c->event > 0 && (c->event + r->n > EVENT_MAX || begins(s, &f)))
		close_event(s);
	/* in order of time, which a clock that was set back must not disturb */
	if (c->event == 0 && ms > c->last_ms)
		c->last_ms = ms;
	put_json(&text, r->text, r->n);
	if (text.failed || text.used < 2)
		return;
	if (c->event == 0 && ++c->events > 0)
		buf_printf(&s->batch, "%s{\"message\":\"", s->batch.used > 0 ? "," : "");
	if (text.used > 2)
		buf_put(&s->batch, text.data + 1, text.used - 2);
	if (c->pattern[0] != '\0')
		buf_puts(&s->batch, "\\n");
	c->event += r->n + 27;
	if (c->pattern[0] == '\0')
		close_event(s);
}

/* PutLogEvents: those before the end indexes were too old, those from the start index on too new. */
static void
count_rejected(struct ship *s, const char *body)
{
	struct conf *c = s->conf;
	uint64_t end, old = 0, new = 0;

	if (json_num(body, "tooOldLogEventEndIndex", &end))
		old = end;
	if (json_num(body, "expiredLogEventEndIndex", &end) && end > old)
		old = end;
	if (json_num(body, "tooNewLogEventStartIndex", &end) && end < c->events)
		new = c->events - end;
	if (old > c->events)
		old = c->events;
	s->lost += old + new;
	log_msg(LOG_WARN, "%llu events of the log of container %.12s were rejected by CloudWatch as too old or too new", (unsigned long long)(old + new), s->target.id);
}

static void run(struct ship *s, enum work work);

static bool
on_reply(struct transfer *t, CURLcode code, long status)
{
	struct ship *s = t->ship;
	struct conf *c = s->conf;
	struct log_address a = { .port = 0 };
	const char *body = buf_cstr(&t->reply);
	char type[160];
	struct err e = ERR_INIT;

	s->request = NULL;
	buf_done(&c->body);
	(void)json_text(body, "__type", type, sizeof type);
	if (code != CURLE_OK) {
		(void)log_address_parse(c->url, &a);
		transfer_error(t, code, "tcp", a.host, a.port != 0 ? a.port : strcmp(a.proto, "https") == 0 ? 443 : 80, &e);
		ship_failed(s, &e);
	} else if (status == 200 || strstr(type, "ResourceAlreadyExistsException") != NULL || strstr(type, "DataAlreadyAcceptedException") != NULL) {
		if (strstr(body, "\"rejectedLogEventsInfo\"") != NULL)
			count_rejected(s, body);
		(void)json_text(body, "nextSequenceToken", c->token, sizeof c->token);
		if (c->work == MAKE_GROUP)
			run(s, MAKE_STREAM);
		else if (c->work == MAKE_STREAM && s->check == NULL)
			run(s, PUT);
		else
			ship_sent(s);
	} else if (strstr(type, "InvalidSequenceTokenException") != NULL && json_text(body, "expectedSequenceToken", c->token, sizeof c->token)) {
		(void)err_set(&e, ERR_UNAVAILABLE, "awslogs: another sequence token is expected");
		ship_failed(s, &e);
	} else if (strstr(type, "ResourceNotFoundException") != NULL && c->work == PUT && c->make_stream && !c->tried_group) {
		c->tried_group = true;
		run(s, MAKE_STREAM);
	} else if (strstr(type, "ResourceNotFoundException") != NULL && c->work == MAKE_STREAM && c->make_group) {
		run(s, MAKE_GROUP);
	} else {
		(void)err_set(&e, ERR_UNAVAILABLE, "failed to %s: %ld %.100s: %.200s", c->work == PUT ? "put log events" : "create Cloudwatch log stream", status, type, body);
		if (c->work == PUT && strstr(type, "InvalidParameterException") != NULL)
			ship_refused(s, &e);
		else
			ship_failed(s, &e);
	}
	return false;
}

static void
fill_body(struct ship *s, struct conf *c)
{
	struct buf *b = &c->body;

	buf_puts(b, "{\"logGroupName\":");
	put_json_str(b, ship_opt(s, "awslogs-group"));
	if (c->work != MAKE_GROUP) {
		buf_puts(b, ",\"logStreamName\":");
		put_json_str(b, c->stream);
	}
	if (c->work == PUT) {
		if (c->token[0] != '\0') {
			buf_puts(b, ",\"sequenceToken\":");
			put_json_str(b, c->token);
		}
		buf_puts(b, ",\"logEvents\":[");
		buf_put(b, s->batch.data, s->batch.used);
		buf_putc(b, ']');
	}
	buf_putc(b, '}');
}

static void
run(struct ship *s, enum work work)
{
	static const char *const targets[] = { [PUT] = "PutLogEvents", [MAKE_STREAM] = "CreateLogStream", [MAKE_GROUP] = "CreateLogGroup" };
	struct conf *c = s->conf;
	struct transfer *t = transfer_new(s, c->url, on_reply);
	struct err e = ERR_INIT;
	bool ok;

	c->work = work;
	buf_done(&c->body);
	fill_body(s, c);
	ok = t != NULL && !c->body.failed && transfer_header(t, "Content-Type: application/x-amz-json-1.1") &&
	    transfer_header(t, "X-Amz-Target: Logs_20140328.%s", targets[work]) && (c->session[0] == '\0' || transfer_header(t, "X-Amz-Security-Token: %s", c->session)) &&
	    (work != PUT || ship_opt(s, "awslogs-format") == NULL || transfer_header(t, "x-amzn-logs-format: json/emf"));
	if (ok) {
		(void)curl_easy_setopt(t->easy, CURLOPT_AWS_SIGV4, c->signing);
		(void)curl_easy_setopt(t->easy, CURLOPT_USERPWD, c->user);
		transfer_tls(t, NULL, NULL, NULL, false);
		transfer_post(t, c->body.data, c->body.used);
		s->request = t;
		ok = transfer_start(t);
	}
	if (ok)
		return;
	transfer_free(t);
	s->request = NULL;
	(void)err_set(&e, ERR_NO_MEMORY, "awslogs: no request can be made");
	ship_failed(s, &e);
}

static void
finish_awslogs(struct ship *s)
{
	close_event(s);
}

static void
send_awslogs(struct ship *s)
{
	((struct conf *)s->conf)->tried_group = false;
	if (s->batch.used == 0)
		ship_sent(s);
	else
		run(s, PUT);
}

static void
check_awslogs(struct ship *s)
{
	if (((struct conf *)s->conf)->make_stream)
		run(s, MAKE_STREAM);
	else
		ship_sent(s);
}

const struct driver driver_awslogs = { .name = "awslogs", .open = open_awslogs, .add = add_awslogs, .finish = finish_awslogs, .send = send_awslogs,
	.check = check_awslogs, .boundary = boundary, .records = 9000, .bytes = (size_t)500 << 10 };
