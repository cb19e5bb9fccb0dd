/* What the kernel's cgroup and network files say, as the Docker engine's clients want it. Lines that are not understood are left out. */
#include "stats.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

/* The number behind "key " at the start of a line; 0 if there is none. */
static uint64_t
value_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text, *end; *p != '\0'; p = end + 1) {
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return strtoull(p + n + 1, NULL, 10);
		end = strchr(p, '\n');
		if (end == NULL)
			break;
	}
	return 0;
}

static void
put_num(struct buf *b, const char *key, uint64_t v, bool *first)
{
	json_put_key(b, key, first);
	json_put_num(b, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static void
put_some(struct buf *b, const char *key, int64_t v, bool *first)
{
	if (v > 0)
		put_num(b, key, (uint64_t)v, first);
}

static void
put_value(struct buf *b, uint64_t v)
{
	json_put_num(b, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

/* ---- processors ---- */
static void
put_each(struct buf *b, const char *text, bool *first)
{
	char *end;
	bool none = true;

	json_put_key(b, "percpu_usage", first);
	buf_putc(b, '[');
	for (const char *p = text; *p != '\0'; p = end) {
		unsigned long long v = strtoull(p, &end, 10);

		if (end == p)
			break;
		if (!none)
			buf_putc(b, ',');
		none = false;
		put_value(b, v);
	}
	buf_putc(b, ']');
}

void
put_cpu_stats(struct buf *b, const struct api_sample *s)
{
	bool first = true, inner = true, known = s != NULL && s->read != 0 && s->cpu != NULL, two = known && s->two;
	const char *modes = !known || s->cpu_modes == NULL ? "" : s->cpu_modes, *throttle = !known ? "" : two ? s->cpu : s->throttle != NULL ? s->throttle : "";

	buf_putc(b, '{');
	json_put_key(b, "cpu_usage", &first);
	buf_putc(b, '{');
	put_num(b, "total_usage", !known ? 0 : two ? value_of(s->cpu, "usage_usec") * 1000 : strtoull(s->cpu, NULL, 10), &inner);
	if (known && s->cpu_each != NULL)
		put_each(b, s->cpu_each, &inner);
	/* v1 counts these in ticks of 10 ms */
	put_num(b, "usage_in_kernelmode", two ? value_of(s->cpu, "system_usec") * 1000 : value_of(modes, "system") * 10000000, &inner);
	put_num(b, "usage_in_usermode", two ? value_of(s->cpu, "user_usec") * 1000 : value_of(modes, "user") * 10000000, &inner);
	buf_putc(b, '}');
	if (known) {
		put_some(b, "system_cpu_usage", s->system_ns, &first);
		put_some(b, "online_cpus", s->ncpu, &first);
	}
	json_put_key(b, "throttling_data", &first);
	inner = true;
	buf_putc(b, '{');
	put_num(b, "periods", value_of(throttle, "nr_periods"), &inner);
	put_num(b, "throttled_periods", value_of(throttle, "nr_throttled"), &inner);
	put_num(b, "throttled_time", two ? value_of(throttle, "throttled_usec") * 1000 : value_of(throttle, "throttled_time"), &inner);
	buf_puts(b, "}}");
}

/* ---- memory ---- */
static void
put_memory(struct buf *b, const struct api_sample *s)
{
	bool first = true, inner = true;

	buf_putc(b, '{');
	put_some(b, "usage", s->memory, &first);
	put_some(b, "max_usage", s->memory_max, &first);
	if (s->memory_stat != NULL) {
		json_put_key(b, "stats", &first);
		buf_putc(b, '{');
		for (const char *p = s->memory_stat; *p != '\0';) {
			size_t line = strcspn(p, "\n"), key = strcspn(p, " \n");

			if (key > 0 && key < line && p[key + 1] >= '0' && p[key + 1] <= '9') {
				if (!inner)
					buf_putc(b, ',');
				inner = false;
				json_put_strn(b, p, key);
				buf_putc(b, ':');
				put_value(b, strtoull(p + key + 1, NULL, 10));
			}
			p += line + (p[line] == '\n' ? 1 : 0);
		}
		buf_putc(b, '}');
	}
	put_some(b, "failcnt", s->memory_failures, &first);
	put_some(b, "limit", s->memory_limit, &first);
	buf_putc(b, '}');
}

/* ---- block devices ---- */
static void
put_entry(struct buf *b, unsigned long major, unsigned long minor, const char *op, size_t op_n, uint64_t value, bool *none)
{
	if (!*none)
		buf_putc(b, ',');
	*none = false;
	buf_printf(b, "{\"major\":%u,\"minor\":%u,\"op\":", (unsigned)major, (unsigned)minor);
	json_put_strn(b, op, op_n);
	buf_puts(b, ",\"value\":");
	put_value(b, value);
	buf_putc(b, '}');
}

/* v2: "8:0 rbytes=1 wbytes=2 rios=3 ..." */
static void
put_pairs(struct buf *b, unsigned long major, unsigned long minor, const char *p, size_t n, bool *none)
{
	for (const char *end = p + n; p < end; p++) {
		if (strncmp(p, "rbytes=", 7) == 0)
			put_entry(b, major, minor, "read", 4, strtoull(p + 7, NULL, 10), none);
		else if (strncmp(p, "wbytes=", 7) == 0)
			put_entry(b, major, minor, "write", 5, strtoull(p + 7, NULL, 10), none);
		while (p < end && *p != ' ')
			p++;
	}
}

/* v1: "8:0 Read 4096" */
static void
put_devices(struct buf *b, const char *text, bool two)
{
	bool none = true;

	buf_putc(b, '[');
	for (const char *p = text; p != NULL && *p != '\0';) {
		size_t line = strcspn(p, "\n"), at = strcspn(p, " \n"), op;
		char *end;
		unsigned long major = strtoul(p, &end, 10), minor = end > p && *end == ':' ? strtoul(end + 1, &end, 10) : 0;

		if (end == p + at && at > 2 && at < line) {
			op = strcspn(p + at + 1, " \n");
			if (two)
				put_pairs(b, major, minor, p + at + 1, line - at - 1, &none);
			else if (at + 1 + op < line && op < 16)
				put_entry(b, major, minor, p + at + 1, op, strtoull(p + at + 1 + op, NULL, 10), &none);
		}
		p += line + (p[line] == '\n' ? 1 : 0);
	}
	buf_putc(b, ']');
}

static void
put_blkio(struct buf *b, const struct api_sample *s)
{
	static const char *const rest[] = { "io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive",
		"io_time_recursive", "sectors_recursive" };
	bool first = true, known = s->read != 0, one = known && !s->two;

	buf_putc(b, '{');
	json_put_key(b, "io_service_bytes_recursive", &first);
	if (known)
		put_devices(b, s->io_bytes, s->two);
	else
		buf_puts(b, "null");
	json_put_key(b, "io_serviced_recursive", &first);
	if (one)
		put_devices(b, s->io_ops, false);
	else
		buf_puts(b, "null");
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
		json_put_key(b, rest[i], &first);
		buf_puts(b, one ? "[]" : "null");
	}
	buf_putc(b, '}');
}

/* ---- network: "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 ...", two lines of titles before ---- */
static void
put_networks(struct buf *b, const char *text, bool *first)
{
	static const struct { const char *key; unsigned column; } fields[] = { { "rx_bytes", 0 }, { "rx_packets", 1 }, { "rx_errors", 2 },
		{ "rx_dropped", 3 }, { "tx_bytes", 8 }, { "tx_packets", 9 }, { "tx_errors", 10 }, { "tx_dropped", 11 } };
	bool none = true;

	for (const char *p = text; p != NULL && *p != '\0';) {
		size_t line = strcspn(p, "\n"), space = strspn(p, " "), name = strcspn(p + space, ":\n");
		uint64_t v[12] = { 0 };
		bool inner = true;
		char *at = (char *)(uintptr_t)p + space + name + 1;

		if (space + name < line && memchr(p, '|', line) == NULL && !(name == 2 && memcmp(p + space, "lo", 2) == 0)) {
			for (size_t i = 0; i < sizeof v / sizeof *v; i++)
				v[i] = strtoull(at, &at, 10);
			if (none)
				json_put_key(b, "networks", first);
			buf_putc(b, none ? '{' : ',');
			none = false;
			json_put_strn(b, p + space, name);
			buf_puts(b, ":{");
			for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
				put_num(b, fields[i].key, v[fields[i].column], &inner);
			buf_putc(b, '}');
		}
		p += line + (p[line] == '\n' ? 1 : 0);
	}
	if (!none)
		buf_putc(b, '}');
}

void
put_stats(struct buf *b, const struct api_sample *s, const char *cpu, const char *precpu, int64_t pre_read)
{
	bool first = true, inner = true;

	buf_putc(b, '{');
	json_put_key(b, "name", &first);
	json_put_str(b, s->name);
	json_put_key(b, "id", &first);
	json_put_str(b, s->id);
	json_put_key(b, "read", &first);
	json_put_time(b, s->read);
	json_put_key(b, "preread", &first);
	json_put_time(b, pre_read);
	json_put_key(b, "pids_stats", &first);
	buf_putc(b, '{');
	if (s->read != 0) {
		put_some(b, "current", s->pids, &inner);
		put_some(b, "limit", s->pids_limit, &inner);
	}
	buf_putc(b, '}');
	json_put_key(b, "blkio_stats", &first);
	put_blkio(b, s);
	/* num_procs and storage_stats are Windows' */
	buf_puts(b, ",\"num_procs\":0,\"storage_stats\":{},\"cpu_stats\":");
	buf_puts(b, cpu);
	buf_puts(b, ",\"precpu_stats\":");
	buf_puts(b, precpu);
	json_put_key(b, "memory_stats", &first);
	put_memory(b, s);
	if (s->net != NULL)
		put_networks(b, s->net, &first);
	buf_putc(b, '}');
}
