#include "logopts.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a value may be. */
enum kind { END, ANY, BOOL, SIZE, RAM, FILES, COUNT, POSITIVE, LEVEL, WAIT, WORD };
struct log_option { const char *key; enum kind kind; const char *words; };

#define COMMON { "labels", ANY, NULL }, { "labels-regex", ANY, NULL }, { "env", ANY, NULL }, { "env-regex", ANY, NULL }
#define TAG { "tag", ANY, NULL }

static const struct log_option builtin[] = {
	{ "mode", ANY, NULL }, { "max-buffer-size", RAM, NULL }, { "cache-disabled", BOOL, NULL }, { "cache-max-size", SIZE, NULL },
	{ "cache-max-file", FILES, NULL }, { "cache-compress", BOOL, NULL }, { NULL, END, NULL } };
static const struct log_option none_options[] = { { NULL, END, NULL } };
static const struct log_option file_options[] = { { "max-size", SIZE, NULL }, { "max-file", FILES, NULL }, { "compress", BOOL, NULL }, COMMON, TAG,
	{ NULL, END, NULL } };
static const struct log_option local_options[] = { { "max-size", SIZE, NULL }, { "max-file", FILES, NULL }, { "compress", BOOL, NULL }, { NULL, END, NULL } };
static const struct log_option syslog_options[] = { { "syslog-address", ANY, NULL }, { "syslog-facility", ANY, NULL }, { "syslog-format", ANY, NULL },
	{ "syslog-tls-ca-cert", ANY, NULL }, { "syslog-tls-cert", ANY, NULL }, { "syslog-tls-key", ANY, NULL }, { "syslog-tls-skip-verify", ANY, NULL },
	COMMON, TAG, { NULL, END, NULL } };
static const struct log_option journald_options[] = { COMMON, TAG, { NULL, END, NULL } };
static const struct log_option gelf_options[] = { { "gelf-address", ANY, NULL }, { "gelf-compression-type", WORD, "gzip zlib none" },
	{ "gelf-compression-level", LEVEL, NULL }, { "gelf-tcp-max-reconnect", COUNT, NULL }, { "gelf-tcp-reconnect-delay", COUNT, NULL }, COMMON, TAG,
	{ NULL, END, NULL } };
static const struct log_option fluentd_options[] = { { "fluentd-address", ANY, NULL }, { "fluentd-async", BOOL, NULL }, { "fluentd-async-connect", BOOL, NULL },
	{ "fluentd-async-reconnect-interval", WAIT, NULL }, { "fluentd-buffer-limit", RAM, NULL }, { "fluentd-max-retries", COUNT, NULL },
	{ "fluentd-request-ack", BOOL, NULL }, { "fluentd-retry-wait", WAIT, NULL }, { "fluentd-sub-second-precision", BOOL, NULL },
	{ "fluentd-read-timeout", WAIT, NULL }, { "fluentd-write-timeout", WAIT, NULL }, COMMON, TAG, { NULL, END, NULL } };
static const struct log_option splunk_options[] = { { "splunk-url", ANY, NULL }, { "splunk-token", ANY, NULL }, { "splunk-source", ANY, NULL },
	{ "splunk-sourcetype", ANY, NULL }, { "splunk-index", ANY, NULL }, { "splunk-capath", ANY, NULL }, { "splunk-caname", ANY, NULL },
	{ "splunk-insecureskipverify", BOOL, NULL }, { "splunk-format", ANY, NULL }, { "splunk-verify-connection", BOOL, NULL }, { "splunk-gzip", BOOL, NULL },
	{ "splunk-gzip-level", ANY, NULL }, { "splunk-index-acknowledgment", BOOL, NULL }, COMMON, TAG, { NULL, END, NULL } };
static const struct log_option awslogs_options[] = { { "awslogs-region", ANY, NULL }, { "awslogs-group", ANY, NULL }, { "awslogs-stream", ANY, NULL },
	{ "awslogs-create-group", BOOL, NULL }, { "awslogs-create-stream", BOOL, NULL }, { "awslogs-datetime-format", ANY, NULL },
	{ "awslogs-multiline-pattern", ANY, NULL }, { "awslogs-credentials-endpoint", ANY, NULL }, { "awslogs-endpoint", ANY, NULL },
	{ "awslogs-force-flush-interval-seconds", POSITIVE, NULL }, { "awslogs-max-buffered-events", POSITIVE, NULL }, { "awslogs-format", ANY, NULL }, TAG,
	{ NULL, END, NULL } };
static const struct log_option gcplogs_options[] = { { "gcp-project", ANY, NULL }, { "gcp-log-cmd", ANY, NULL }, { "gcp-meta-zone", ANY, NULL },
	{ "gcp-meta-name", ANY, NULL }, { "gcp-meta-id", ANY, NULL }, COMMON, { NULL, END, NULL } };

/* by name */
static const struct log_driver drivers[] = {
	{ "awslogs", true, awslogs_options },
	{ "fluentd", true, fluentd_options },
	{ "gcplogs", true, gcplogs_options },
	{ "gelf", true, gelf_options },
	{ "journald", true, journald_options },
	{ "json-file", false, file_options },
	{ "local", false, local_options },
	{ "none", false, none_options },
	{ "splunk", true, splunk_options },
	{ "syslog", true, syslog_options },
};
#define N_DRIVERS (sizeof drivers / sizeof *drivers)

const struct log_driver *
log_driver_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < N_DRIVERS; i++)
		if (strcmp(drivers[i].name, name) == 0)
			return &drivers[i];
	return NULL;
}

const struct log_driver *
log_driver_at(unsigned i)
{
	return i < N_DRIVERS ? &drivers[i] : NULL;
}

bool
log_opt_is_secret(const char *key)
{
	return key != NULL && (strcmp(key, "splunk-token") == 0 || strcmp(key, "awslogs-credentials-endpoint") == 0);
}

/* ---- values ---- */
static bool
parse_units(const char *text, double base, int64_t *ret)
{
	char number[32];
	size_t n = strspn(text, "0123456789."), at;
	const char *unit;
	double value;
	char *end;

	if (n == 0 || n >= sizeof number || text[0] == '.' || text[n - 1] == '.')
		return false;
	memcpy(number, text, n);
	number[n] = '\0';
	errno = 0;
	value = strtod(number, &end);
	if (*end != '\0' || errno != 0)
		return false;
	unit = text + n;
	if (*unit == ' ')
		unit++;
	if (*unit != '\0') {
		static const char units[] = "bkmgtp";
		const char *u = strchr(units, *unit | 32);

		if (u == NULL || *u == '\0')
			return false;
		for (at = (size_t)(u - units); at > 0; at--)
			value *= base;
		if (*u == 'b')
			unit++;
		else
			unit += unit[1] == 'i' || unit[1] == 'I' ? 2 : 1;
		if (*u != 'b' && (*unit == 'b' || *unit == 'B'))
			unit++;
		if (*unit != '\0')
			return false;
	}
	if (!(value < (double)(INT64_MAX >> 1)))
		return false;
	*ret = (int64_t)value;
	return true;
}

bool
log_opts_size(const char *text, int64_t *ret)
{
	return parse_units(text, 1000, ret);
}

bool
log_opts_ram(const char *text, int64_t *ret)
{
	return parse_units(text, 1024, ret);
}

bool
log_opts_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" }, *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		*ret = strcmp(text, yes[i]) == 0;
		if (*ret || strcmp(text, no[i]) == 0)
			return true;
	}
	return false;
}

bool
log_opts_duration(const char *text, int64_t *ret_ns)
{
	static const struct { const char *name; double ns; } units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	double sum = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return true;
	}
	if (*text == '\0')
		return false;
	while (*text != '\0') {
		size_t n = strspn(text, "0123456789."), u;
		char number[32];
		char *end;
		double value;

		if (n == 0 || n >= sizeof number)
			return false;
		memcpy(number, text, n);
		number[n] = '\0';
		value = strtod(number, &end);
		if (*end != '\0')
			return false;
		text += n;
		n = strspn(text, "nusmh");
		for (u = 0; u < sizeof units / sizeof *units; u++)
			if (strlen(units[u].name) == n && strncmp(units[u].name, text, n) == 0)
				break;
		if (u == sizeof units / sizeof *units)
			return false;
		sum += value * units[u].ns;
		text += n;
	}
	if (!(sum < 1e18))
		return false;
	*ret_ns = (int64_t)sum;
	return true;
}

/* host, host:port, [v6]:port */
static bool
parse_host(const char *text, size_t n, struct log_address *ret)
{
	const char *end = text + n, *colon;
	uint64_t port;
	char number[8];

	if (n > 0 && text[0] == '[') {
		const char *close = memchr(text, ']', n);

		if (close == NULL || (size_t)(close - text - 1) >= sizeof ret->host)
			return false;
		memcpy(ret->host, text + 1, (size_t)(close - text - 1));
		text = close + 1;
		if (text == end)
			return true;
		if (*text != ':')
			return false;
		colon = text;
	} else {
		colon = memchr(text, ':', n);
		n = (size_t)((colon != NULL ? colon : end) - text);
		if (n >= sizeof ret->host)
			return false;
		memcpy(ret->host, text, n);
		if (colon == NULL)
			return true;
	}
	n = (size_t)(end - colon - 1);
	if (n == 0 || n >= sizeof number)
		return false;
	memcpy(number, colon + 1, n);
	number[n] = '\0';
	if (!text_to_u64(number, 65535, &port) || port == 0)
		return false;
	ret->port = (int)port;
	return true;
}

bool
log_address_parse(const char *text, struct log_address *ret)
{
	const char *sep = strstr(text, "://");
	size_t n;

	*ret = (struct log_address){ .port = 0 };
	if (sep == NULL || sep == text || (size_t)(sep - text) >= sizeof ret->proto)
		return false;
	memcpy(ret->proto, text, (size_t)(sep - text));
	for (char *p = ret->proto; *p != '\0'; p++)
		if ((*p < 'a' || *p > 'z') && *p != '+')
			return false;
	for (const char *p = sep; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '"' || *p == '@')
			return false;
	text = sep + 3;
	n = strcspn(text, "/?#");
	if (text[n] != '\0') {
		ret->has_path = true;
		if (!text_copy(ret->path, sizeof ret->path, text + n))
			return false;
	}
	return parse_host(text, n, ret);
}

/* ---- checks ---- */
static int
not_bool(const char *value, struct err *e)
{
	return err_set(e, ERR_INVALID, "strconv.ParseBool: parsing \"%.100s\": invalid syntax", value);
}

static int
check_value(const struct log_option *o, const char *driver, const char *value, struct err *e)
{
	uint64_t n;
	int64_t size;
	bool yes;

	switch (o->kind) {
	case BOOL:
		if (value[0] == '\0' && (text_starts(o->key, "fluentd-") || text_starts(o->key, "awslogs-") || text_starts(o->key, "cache-")))
			return 0;
		if (log_opts_bool(value, &yes))
			return 0;
		if (strcmp(o->key, "cache-disabled") == 0)
			return err_set(e, ERR_INVALID, "invalid value for option %s: %.100s", o->key, value);
		return not_bool(value, e);
	case SIZE:
		if (strcmp(value, "-1") == 0)   /* without bound */
			return 0;
		if (!log_opts_size(value, &size))
			return err_set(e, ERR_INVALID, "invalid size: '%.100s'", value);
		return size > 0 ? 0 : err_set(e, ERR_INVALID, "max-size must be a positive number");
	case RAM:
		return log_opts_ram(value, &size) || (value[0] == '\0' && text_starts(o->key, "fluentd-")) ? 0 :
		    err_set(e, ERR_INVALID, "error parsing option %s: invalid size: '%.100s'", o->key, value);
	case FILES:
		if (!text_to_u64(value, INT32_MAX, &n))
			return err_set(e, ERR_INVALID, "strconv.Atoi: parsing \"%.100s\": invalid syntax", value);
		if (n < 1)
			return err_set(e, ERR_INVALID, "max-file cannot be less than 1");
		return n <= 1000 ? 0 : err_set(e, ERR_INVALID, "max-file cannot be more than 1000");
	case COUNT:
		if (text_to_u64(value, INT32_MAX, &n) || (value[0] == '\0' && text_starts(o->key, "fluentd-")))
			return 0;
		return err_set(e, ERR_INVALID, "unknown value \"%.100s\" for log opt \"%s\" for %s log driver", value, o->key, driver);
	case POSITIVE:
		if (text_to_u64(value, INT32_MAX, &n) && n > 0)
			return 0;
		return err_set(e, ERR_INVALID, "must specify a positive integer for log opt '%s': %.100s", o->key, value);
	case LEVEL:
		if (strcmp(value, "-1") == 0 || text_to_u64(value, 9, &n))
			return 0;
		return err_set(e, ERR_INVALID, "unknown value \"%.100s\" for log opt \"%s\" for %s log driver", value, o->key, driver);
	case WAIT:
		return value[0] == '\0' || log_opts_duration(value, &size) ? 0 : err_set(e, ERR_INVALID, "time: invalid duration \"%.100s\"", value);
	case WORD:
		for (const char *w = o->words; *w != '\0';) {
			size_t len = strcspn(w, " ");

			if (strlen(value) == len && strncmp(value, w, len) == 0)
				return 0;
			w += len + (w[len] == ' ');
		}
		return err_set(e, ERR_INVALID, "unknown value \"%.100s\" for log opt \"%s\" for %s log driver", value, o->key, driver);
	case END: case ANY:
		break;
	}
	return 0;
}

static const struct log_option *
find_option(const struct log_option *list, const char *key)
{
	for (; list->kind != END; list++)
		if (strcmp(list->key, key) == 0)
			return list;
	return NULL;
}

static bool
has(const struct kvs *opts, const char *key)
{
	const char *v = kvs_get(opts, key);

	return v != NULL && v[0] != '\0';
}

static int
check_json_file(const struct kvs *opts, struct err *e)
{
	const char *compress = kvs_get(opts, "compress"), *size = kvs_get(opts, "max-size"), *files = kvs_get(opts, "max-file");
	bool yes = false;

	if (compress != NULL && log_opts_bool(compress, &yes) && yes && (files == NULL || strcmp(files, "1") == 0 || size == NULL || strcmp(size, "-1") == 0))
		return err_set(e, ERR_INVALID, "compress cannot be true when max-file is less than 2 or max-size is not set");
	return 0;
}

static int
check_local(const struct kvs *opts, struct err *e)
{
	const char *compress = kvs_get(opts, "compress"), *files = kvs_get(opts, "max-file");
	bool yes = true;

	if (compress != NULL)
		(void)log_opts_bool(compress, &yes);
	if (yes && files != NULL && strcmp(files, "1") == 0)
		return err_set(e, ERR_INVALID, "compression cannot be enabled when max file count is 1");
	return 0;
}

static int
check_syslog(const struct kvs *opts, struct err *e)
{
	static const char facilities[] = " kern user mail daemon auth syslog lpr news uucp cron authpriv ftp local0 local1 local2 local3 local4 local5 local6 local7 ";
	const char *address = kvs_get(opts, "syslog-address"), *facility = kvs_get(opts, "syslog-facility"), *format = kvs_get(opts, "syslog-format");
	struct log_address a;
	char word[32];
	uint64_t n;

	if (has(opts, "syslog-address")) {
		static const char *const protos[] = { "udp", "tcp", "tcp+tls", "unix", "unixgram" };
		size_t i = 0;

		if (!log_address_parse(address, &a))
			return err_set(e, ERR_INVALID, "syslog-address should be in form proto://address, got %.200s", address);
		while (i < sizeof protos / sizeof *protos && strcmp(a.proto, protos[i]) != 0)
			i++;
		if (i == sizeof protos / sizeof *protos || (i >= 3 ? !a.has_path || a.host[0] != '\0' : a.host[0] == '\0'))
			return err_set(e, ERR_INVALID, "syslog-address should be in form proto://address, got %.200s", address);
	}
	if (has(opts, "syslog-facility") && !text_to_u64(facility, 23, &n) &&
	    ((size_t)snprintf(word, sizeof word, " %s ", facility) >= sizeof word || strstr(facilities, word) == NULL))
		return err_set(e, ERR_INVALID, "invalid syslog facility");
	if (has(opts, "syslog-format") && strcmp(format, "rfc3164") != 0 && strcmp(format, "rfc5424") != 0 && strcmp(format, "rfc5424micro") != 0)
		return err_set(e, ERR_INVALID, "Invalid syslog format");
	return 0;
}

static int
check_gelf(const struct kvs *opts, struct err *e)
{
	struct log_address a;

	if (!has(opts, "gelf-address"))
		return err_set(e, ERR_INVALID, "gelf-address is a required parameter");
	if (!log_address_parse(kvs_get(opts, "gelf-address"), &a) || (strcmp(a.proto, "udp") != 0 && strcmp(a.proto, "tcp") != 0))
		return err_set(e, ERR_INVALID, "gelf: endpoint needs to be TCP or UDP");
	if (a.host[0] == '\0' || a.port == 0)
		return err_set(e, ERR_INVALID, "gelf: please provide gelf-address as proto://host:port");
	if (strcmp(a.proto, "tcp") == 0 && (kvs_get(opts, "gelf-compression-type") != NULL || kvs_get(opts, "gelf-compression-level") != NULL))
		return err_set(e, ERR_INVALID, "compression is only supported on UDP");
	if (strcmp(a.proto, "udp") == 0 && (kvs_get(opts, "gelf-tcp-max-reconnect") != NULL || kvs_get(opts, "gelf-tcp-reconnect-delay") != NULL))
		return err_set(e, ERR_INVALID, "\"gelf-tcp-max-reconnect\" and \"gelf-tcp-reconnect-delay\" are only supported for TCP");
	return 0;
}

static int
check_fluentd(const struct kvs *opts, struct err *e)
{
	const char *address = kvs_get(opts, "fluentd-address");
	struct log_address a = { .port = 0 };

	if (has(opts, "fluentd-async") && has(opts, "fluentd-async-connect"))
		return err_set(e, ERR_INVALID, "conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect");
	if (!has(opts, "fluentd-address"))
		return 0;
	if (strstr(address, "://") == NULL) {
		char with[320];

		if ((size_t)snprintf(with, sizeof with, "tcp://%s", address) >= sizeof with || !log_address_parse(with, &a) || a.has_path)
			return err_set(e, ERR_INVALID, "invalid fluentd-address (%.200s)", address);
		return 0;
	}
	if (!log_address_parse(address, &a))
		return err_set(e, ERR_INVALID, "invalid fluentd-address (%.200s)", address);
	if (strcmp(a.proto, "unix") == 0)
		return a.has_path && a.host[0] == '\0' ? 0 : err_set(e, ERR_INVALID, "path is empty");
	if (strcmp(a.proto, "tcp") != 0 && strcmp(a.proto, "tls") != 0)
		return err_set(e, ERR_INVALID, "unsupported scheme: '%s'", a.proto);
	if (a.has_path)
		return err_set(e, ERR_INVALID, "should not contain a path element");
	return 0;
}

/* http(s)://host[:port][/] */
static bool
is_base_url(const char *text)
{
	struct log_address a;

	return log_address_parse(text, &a) && (strcmp(a.proto, "http") == 0 || strcmp(a.proto, "https") == 0) && a.host[0] != '\0' &&
	    (!a.has_path || strcmp(a.path, "/") == 0);
}

static int
check_splunk(const struct kvs *opts, struct err *e)
{
	const char *format = kvs_get(opts, "splunk-format"), *level = kvs_get(opts, "splunk-gzip-level");
	uint64_t n;

	if (kvs_get(opts, "splunk-url") == NULL)
		return err_set(e, ERR_INVALID, "splunk: splunk-url is expected");
	if (!is_base_url(kvs_get(opts, "splunk-url")))
		return err_set(e, ERR_INVALID, "splunk: expected format scheme://dns_name_or_ip:port for splunk-url");
	if (!has(opts, "splunk-token"))
		return err_set(e, ERR_INVALID, "splunk: splunk-token is expected");
	for (const char *p = kvs_get(opts, "splunk-token"); *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, ERR_INVALID, "splunk: splunk-token is not a token");
	if (level != NULL && strcmp(level, "-1") != 0 && !text_to_u64(level, 9, &n))
		return err_set(e, ERR_INVALID, "not supported level '%.100s' for splunk-gzip-level (supported values between -1 and 9)", level);
	if (format != NULL && strcmp(format, "inline") != 0 && strcmp(format, "json") != 0 && strcmp(format, "raw") != 0)
		return err_set(e, ERR_INVALID, "Unknown format specified %.100s, supported formats are inline, json and raw", format);
	return 0;
}

static int
check_awslogs(const struct kvs *opts, struct err *e)
{
	const char *format = kvs_get(opts, "awslogs-format");

	if (!has(opts, "awslogs-group"))
		return err_set(e, ERR_INVALID, "must specify a value for log opt 'awslogs-group'");
	if (kvs_get(opts, "awslogs-credentials-endpoint") != NULL)
		return err_set(e, ERR_UNSUPPORTED, "log opt 'awslogs-credentials-endpoint' is not implemented by Bulwark yet");
	if (kvs_get(opts, "awslogs-datetime-format") != NULL && kvs_get(opts, "awslogs-multiline-pattern") != NULL)
		return err_set(e, ERR_INVALID, "you cannot configure log opt 'awslogs-datetime-format' and 'awslogs-multiline-pattern' at the same time");
	if (format != NULL && format[0] != '\0' && strcmp(format, "json/emf") != 0)
		return err_set(e, ERR_INVALID, "unsupported log format '%.100s'", format);
	if (format != NULL && format[0] != '\0' && (kvs_get(opts, "awslogs-datetime-format") != NULL || kvs_get(opts, "awslogs-multiline-pattern") != NULL))
		return err_set(e, ERR_INVALID, "you cannot configure log opt '%s' or '%s' when log opt 'awslogs-format' is set to 'json/emf'",
		    "awslogs-datetime-format", "awslogs-multiline-pattern");
	return 0;
}

int
log_opts_check(const char *driver, const struct kvs *opts, struct err *e)
{
	static const struct { const char *name; int (*check)(const struct kvs *opts, struct err *e); } more[] = {
		{ "json-file", check_json_file }, { "local", check_local }, { "syslog", check_syslog }, { "gelf", check_gelf }, { "fluentd", check_fluentd },
		{ "splunk", check_splunk }, { "awslogs", check_awslogs } };
	const struct log_driver *d = log_driver_find(driver);
	const char *mode = kvs_get(opts, "mode");

	if (d == NULL)
		return err_set(e, ERR_INVALID, "logger: no log driver named '%.100s' is registered", driver);
	if (strcmp(driver, "none") == 0)
		return opts->n == 0 ? 0 : err_set(e, ERR_INVALID, "unknown log opt '%.100s' for none log driver", opts->v[0].key);
	if (mode != NULL && mode[0] != '\0' && strcmp(mode, "blocking") != 0 && strcmp(mode, "non-blocking") != 0)
		return err_set(e, ERR_INVALID, "logger: logging mode not supported: %.100s", mode);
	if (kvs_get(opts, "max-buffer-size") != NULL && (mode == NULL || strcmp(mode, "non-blocking") != 0))
		return err_set(e, ERR_INVALID, "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
	for (size_t i = 0; i < opts->n; i++) {
		const struct log_option *o = find_option(builtin, opts->v[i].key);

		if (o == NULL && (o = find_option(d->options, opts->v[i].key)) == NULL) {
			if (strcmp(driver, "gcplogs") == 0)
				return err_set(e, ERR_INVALID, "\"%.100s\" is not a valid option for the gcplogs driver", opts->v[i].key);
			if (strcmp(driver, "gelf") == 0)
				return err_set(e, ERR_INVALID, "unknown log opt \"%.100s\" for gelf log driver", opts->v[i].key);
			return strcmp(driver, "local") == 0 ? err_set(e, ERR_INVALID, "unknown log opt '%.100s' for log driver local", opts->v[i].key) :
			    err_set(e, ERR_INVALID, "unknown log opt '%.100s' for %s log driver", opts->v[i].key, driver);
		}
		if (check_value(o, driver, opts->v[i].value != NULL ? opts->v[i].value : "", e) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof more / sizeof *more; i++)
		if (strcmp(driver, more[i].name) == 0)
			return more[i].check(opts, e);
	return 0;
}

/* ---- plan ---- */
static void
plan_of(const struct kvs *opts, const char *size_key, const char *files_key, const char *compress_key, struct log_files_plan *ret)
{
	const char *size = kvs_get(opts, size_key), *files = kvs_get(opts, files_key), *compress = kvs_get(opts, compress_key);
	uint64_t n;

	if (size != NULL && strcmp(size, "-1") == 0)
		ret->size = 0;
	else if (size != NULL)
		(void)log_opts_size(size, &ret->size);
	if (files != NULL && text_to_u64(files, 1000, &n) && n > 0)
		ret->files = (int64_t)n;
	if (compress != NULL)
		(void)log_opts_bool(compress, &ret->compress);
	if (ret->files <= 1 || ret->size <= 0)
		ret->compress = false;
}

void
log_opts_plan(const char *driver, const struct kvs *opts, struct log_files_plan *ret)
{
	const struct log_driver *d = log_driver_find(driver);
	const char *disabled = kvs_get(opts, "cache-disabled");
	bool off = false;

	*ret = (struct log_files_plan){ .format = "none", .files = 1 };
	if (d == NULL || strcmp(driver, "none") == 0)
		return;
	ret->readable = true;
	if (strcmp(driver, "json-file") == 0) {
		ret->format = "json-file";
		plan_of(opts, "max-size", "max-file", "compress", ret);
		return;
	}
	ret->format = "local";
	ret->size = 20 << 20;
	ret->files = 5;
	ret->compress = true;
	if (!d->remote) {
		plan_of(opts, "max-size", "max-file", "compress", ret);
		return;
	}
	if (disabled != NULL)
		(void)log_opts_bool(disabled, &off);
	if (off) {
		/* what is on its way to the endpoint, and no more */
		ret->readable = false;
		ret->compress = false;
		ret->size = 4 << 20;
		ret->files = 2;
		return;
	}
	plan_of(opts, "cache-max-size", "cache-max-file", "cache-compress", ret);
}
