/* syslog: RFC 3164, RFC 5424 and the C library's own form, over udp, tcp, tcp with TLS (RFC 5425 frames for RFC 5424), and local sockets. */
#include "logger.h"

#include "text.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum format { UNIX, RFC3164, RFC5424, MICRO };
struct conf {
	enum format format;
	unsigned facility;
	bool octets;                   /* RFC 5425: the length in front */
	int pid;
};

static unsigned
facility_of(const char *name)
{
	static const char *const names[] = { "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		NULL, NULL, NULL, NULL, "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7" };
	uint64_t n;

	if (name == NULL)
		return 3;
	if (text_to_u64(name, 23, &n))
		return (unsigned)n;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return i;
	return 3;
}

/* Without an address: where the C library would write to. */
static void
find_local(struct log_address *a)
{
	static const char *const paths[] = { "/dev/log", "/var/run/syslog", "/var/run/log" };

	*a = (struct log_address){ .proto = "unixgram", .has_path = true };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (access(paths[i], F_OK) == 0 || i == 2) {
			(void)text_copy(a->path, sizeof a->path, paths[access(paths[i], F_OK) == 0 ? i : 0]);
			break;
		}
}

static int
open_syslog(struct ship *s, struct err *e)
{
	const char *address = ship_opt(s, "syslog-address"), *format = ship_opt(s, "syslog-format");
	struct conf *c = arena_alloc(&s->arena, sizeof *c);
	struct link *l = &s->link;

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->conf = c;
	c->facility = facility_of(ship_opt(s, "syslog-facility"));
	c->format = format == NULL ? UNIX : strcmp(format, "rfc3164") == 0 ? RFC3164 : strcmp(format, "rfc5424") == 0 ? RFC5424 : MICRO;
	c->pid = (int)getpid();
	if (address == NULL)
		find_local(&l->address);
	else if (!log_address_parse(address, &l->address))
		return err_set(e, ERR_INVALID, "syslog-address should be in form proto://address, got %.200s", address);
	l->tls = strcmp(l->address.proto, "tcp+tls") == 0;
	l->dgram = strcmp(l->address.proto, "udp") == 0 || strcmp(l->address.proto, "unixgram") == 0;
	if (!l->address.has_path && l->address.port == 0)
		l->address.port = 514;
	c->octets = l->tls && (c->format == RFC5424 || c->format == MICRO);
	l->ca = ship_opt(s, "syslog-tls-ca-cert");
	l->cert = ship_opt(s, "syslog-tls-cert");
	l->key = ship_opt(s, "syslog-tls-key");
	/* as in the Docker engine that it is there is enough */
	l->skip_verify = kvs_get(&s->target.options, "syslog-tls-skip-verify") != NULL;
	return 0;
}

static void
put_head(struct ship *s, const struct record *r, struct buf *b)
{
	const struct conf *c = s->conf;
	unsigned priority = c->facility << 3 | (r->err ? 3 : 6);
	time_t seconds = (time_t)(r->time / 1000000000);
	char when[64];
	struct tm tm;

	if (c->format == UNIX || c->format == RFC3164) {
		(void)localtime_r(&seconds, &tm);
		(void)strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
		if (c->format == UNIX)
			buf_printf(b, "<%u>%s %s[%d]: ", priority, when, s->target.tag, c->pid);
		else
			buf_printf(b, "<%u>%s %s %s[%d]: ", priority, when, s->target.hostname, s->target.tag, c->pid);
		return;
	}
	(void)gmtime_r(&seconds, &tm);
	(void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	if (c->format == MICRO)
		snprintf(when + 19, sizeof when - 19, ".%06lldZ", (long long)(r->time / 1000 % 1000000));
	else
		snprintf(when + 19, sizeof when - 19, "Z");
	buf_printf(b, "<%u>1 %s %s %s %d %s - ", priority, when, s->target.hostname, s->target.tag, c->pid, s->target.tag);
}

static void
add_syslog(struct ship *s, const struct record *r)
{
	const struct conf *c = s->conf;
	struct buf line = BUF_INIT(FRAME_TEXT_MAX + 16384);

	put_head(s, r, &line);
	buf_put(&line, r->text, r->n);
	if (line.used == 0 || line.data[line.used - 1] != '\n')
		buf_putc(&line, '\n');
	s->batch.failed |= line.failed;
	if (s->link.dgram)
		buf_put_u32(&s->batch, (uint32_t)line.used);
	else if (c->octets)
		buf_printf(&s->batch, "%zu ", line.used);
	if (line.used > 0)
		buf_put(&s->batch, line.data, line.used);
	buf_done(&line);
}

static void
send_syslog(struct ship *s)
{
	link_send(&s->link);
}

static void
check_syslog(struct ship *s)
{
	link_check(&s->link);
}

const struct driver driver_syslog = { .name = "syslog", .open = open_syslog, .add = add_syslog, .send = send_syslog, .check = check_syslog,
	.records = 2048, .bytes = (size_t)256 << 10 };
