#include "top.h"

#include "json.h"
#include "routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define COLUMNS_MAX 32
#define TICKS 100          /* USER_HZ is fixed in the kernel's interface */

enum column {
	COL_UID, COL_USER, COL_GID, COL_PID, COL_PPID, COL_C, COL_PCPU, COL_PMEM, COL_STIME, COL_LSTART, COL_ETIME, COL_ETIMES, COL_TTY,
	COL_TIME, COL_CMD, COL_COMM, COL_ARGS, COL_STAT, COL_STATE, COL_NI, COL_PRI, COL_RSS, COL_VSZ, COL_NLWP, COL_F, COL_ADDR, COL_SZ,
	COL_WCHAN,
};

static const struct { const char *name, *title; enum column column; } names[] = {
	{ "uid", "UID", COL_UID }, { "euid", "EUID", COL_UID }, { "ruid", "RUID", COL_UID }, { "user", "USER", COL_USER },
	{ "euser", "EUSER", COL_USER }, { "ruser", "RUSER", COL_USER }, { "uname", "USER", COL_USER }, { "gid", "GID", COL_GID },
	{ "egid", "EGID", COL_GID }, { "rgid", "RGID", COL_GID }, { "group", "GROUP", COL_GID }, { "egroup", "EGROUP", COL_GID },
	{ "pid", "PID", COL_PID }, { "tgid", "TGID", COL_PID }, { "ppid", "PPID", COL_PPID }, { "c", "C", COL_C },
	{ "%cpu", "%CPU", COL_PCPU }, { "pcpu", "%CPU", COL_PCPU }, { "%mem", "%MEM", COL_PMEM }, { "pmem", "%MEM", COL_PMEM },
	{ "stime", "STIME", COL_STIME }, { "start_time", "START", COL_STIME }, { "start", "STARTED", COL_STIME }, { "bsdstart", "START", COL_STIME },
	{ "lstart", "STARTED", COL_LSTART }, { "etime", "ELAPSED", COL_ETIME }, { "etimes", "ELAPSED", COL_ETIMES }, { "tty", "TT", COL_TTY },
	{ "tt", "TT", COL_TTY }, { "tname", "TTY", COL_TTY }, { "time", "TIME", COL_TIME }, { "cputime", "TIME", COL_TIME },
	{ "bsdtime", "TIME", COL_TIME }, { "cmd", "CMD", COL_ARGS }, { "args", "COMMAND", COL_ARGS }, { "command", "COMMAND", COL_ARGS },
	{ "comm", "COMMAND", COL_COMM }, { "ucmd", "CMD", COL_COMM }, { "ucomm", "COMMAND", COL_COMM }, { "stat", "STAT", COL_STAT },
	{ "s", "S", COL_STATE }, { "state", "S", COL_STATE }, { "ni", "NI", COL_NI }, { "nice", "NI", COL_NI }, { "pri", "PRI", COL_PRI },
	{ "rss", "RSS", COL_RSS }, { "rssize", "RSS", COL_RSS }, { "vsz", "VSZ", COL_VSZ }, { "vsize", "VSZ", COL_VSZ }, { "nlwp", "NLWP", COL_NLWP },
	{ "thcount", "THCNT", COL_NLWP }, { "f", "F", COL_F }, { "sz", "SZ", COL_SZ }, { "wchan", "WCHAN", COL_WCHAN },
};

struct table {
	size_t n;
	enum column columns[COLUMNS_MAX];
	char titles[COLUMNS_MAX][64];
};

static int
add(struct table *t, enum column column, const char *title, struct err *e)
{
	if (t->n == COLUMNS_MAX)
		return err_set(e, ERR_INVALID, "Error running ps: too many columns");
	t->columns[t->n] = column;
	(void)snprintf(t->titles[t->n++], sizeof t->titles[0], "%s", title);
	return 0;
}

/* "pid,comm=NAME user": names with commas or blanks between them; "=" gives the rest as title */
static int
add_list(struct table *t, const char *list, struct err *e)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ", ="), i;

		for (i = 0; i < sizeof names / sizeof names[0]; i++)
			if (n > 0 && strlen(names[i].name) == n && strncasecmp(names[i].name, list, n) == 0)
				break;
		if (n > 0 && i == sizeof names / sizeof names[0])
			return err_set(e, ERR_INVALID, "Error running ps: unknown user-defined format specifier \"%.*s\"", (int)(n < 64 ? n : 64), list);
		if (n > 0 && list[n] == '=')
			return add(t, names[i].column, list + n + 1, e);
		if (n > 0 && add(t, names[i].column, names[i].title, e) < 0)
			return -1;
		list += n;
		if (*list != '\0')
			list++;
	}
	return 0;
}

static int
add_names(struct table *t, const char *const *pairs, struct err *e)
{
	for (; *pairs != NULL; pairs++)
		if (add_list(t, *pairs, e) < 0)
			return -1;
	return 0;
}

static const char *const form_f[] = { "uid", "pid", "ppid", "c", "stime", "tty=TTY", "time", "cmd", NULL };
static const char *const form_l[] = { "f", "s", "uid", "pid", "ppid", "c", "pri", "ni", "sz", "wchan", "tty=TTY", "time", "ucmd", NULL };
static const char *const form_u[] = { "user", "pid", "%cpu", "%mem", "vsz", "rss", "tty=TTY", "stat", "start_time", "time", "command", NULL };
static const char *const form_x[] = { "pid", "tty=TTY", "stat", "time", "command", NULL };
static const char *const form_plain[] = { "pid", "tty=TTY", "time", "ucmd", NULL };

struct wish { bool full, longer, user, bsd, own; };

/* One word of options; *rest is what follows an option that takes a value. */
static int
read_word(struct table *t, const char *word, const char **value, struct wish *w, struct err *e)
{
	bool dash = word[0] == '-';

	*value = NULL;
	for (const char *p = word + (dash ? 1 : 0); *p != '\0'; p++) {
		if (*p == 'o' || *p == 'O') {
			w->own = true;
			*value = p + 1;
			return 0;
		}
		if (strchr("eAaTdwHjZyN", *p) != NULL || (!dash && strchr("gr", *p) != NULL))
			continue;
		if (*p == 'f' || *p == 'F')
			w->full = true;
		else if (*p == 'l')
			w->longer = true;
		else if (*p == 'u' && !dash)
			w->user = w->bsd = true;
		else if (*p == 'x' && !dash)
			w->bsd = true;
		else
			return err_set(e, ERR_INVALID, "Error running ps: unsupported option \"%.64s\"", word);
	}
	return 0;
}

static int
read_args(struct table *t, const char *ps_args, struct err *e)
{
	char text[1024], *save = NULL, *word;
	struct wish w = { 0 };
	bool is_list = false;

	if (strlen(ps_args) >= sizeof text)
		return err_set(e, ERR_INVALID, "Error running ps: too many options");
	memcpy(text, ps_args, strlen(ps_args) + 1);
	for (word = strtok_r(text, " \t", &save); word != NULL; word = strtok_r(NULL, " \t", &save)) {
		const char *value = NULL;

		if (is_list) {
			value = word;
		} else if (strncmp(word, "--format=", 9) == 0) {
			value = word + 9;
			w.own = true;
		} else if (strcmp(word, "--forest") == 0 || strcmp(word, "--no-headers") == 0) {
			continue;
		} else if (read_word(t, word, &value, &w, e) < 0) {
			return -1;
		}
		is_list = value != NULL && *value == '\0';
		if (value != NULL && *value != '\0' && add_list(t, value, e) < 0)
			return -1;
	}
	if (w.own)
		return is_list ? err_set(e, ERR_INVALID, "Error running ps: format specification must follow -o") : 0;
	return add_names(t, w.user ? form_u : w.longer ? form_l : w.full ? form_f : w.bsd ? form_x : form_plain, e);
}

static void
put_start(struct buf *out, const struct proc *p, int64_t now, bool whole)
{
	time_t started = (time_t)(p->started / 1000000000), t = (time_t)(now / 1000000000);
	struct tm a, b;
	char text[64];

	gmtime_r(&started, &a);
	gmtime_r(&t, &b);
	if (whole)
		(void)strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &a);
	else if (a.tm_year != b.tm_year)
		(void)strftime(text, sizeof text, "%Y", &a);
	else if (a.tm_yday != b.tm_yday)
		(void)strftime(text, sizeof text, "%b%d", &a);
	else
		(void)strftime(text, sizeof text, "%H:%M", &a);
	buf_puts(out, text);
}

static void
put_duration(struct buf *out, long long seconds, bool hours)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds >= 86400)
		buf_printf(out, "%lld-", seconds / 86400);
	if (hours || seconds >= 3600)
		buf_printf(out, "%02lld:", seconds / 3600 % 24);
	buf_printf(out, "%02lld:%02lld", seconds / 60 % 60, seconds % 60);
}

static void
put_tty(struct buf *out, int64_t tty)
{
	int64_t major = tty >> 8 & 0xfff, minor = (tty & 0xff) | (tty >> 12 & 0xfff00);

	if (tty == 0)
		buf_putc(out, '?');
	else if (major >= 136 && major <= 143)
		buf_printf(out, "pts/%lld", (long long)(minor + (major - 136) * 256));
	else if (major == 4)
		buf_printf(out, "tty%lld", (long long)minor);
	else
		buf_putc(out, '?');
}

static void
put_cell(struct buf *out, const struct proc *p, enum column column, int64_t now)
{
	long long age = (now - p->started) / 1000000000, cpu = p->cpu_ticks / TICKS;
	long long tenths = age > 0 ? p->cpu_ticks * 1000 / TICKS / age : 0;

	switch (column) {
	case COL_UID:
	case COL_USER: buf_printf(out, "%lld", (long long)p->uid); return;
	case COL_GID: buf_printf(out, "%lld", (long long)p->gid); return;
	case COL_PID: buf_printf(out, "%lld", (long long)p->pid); return;
	case COL_PPID: buf_printf(out, "%lld", (long long)p->ppid); return;
	case COL_C: buf_printf(out, "%lld", tenths / 10 > 99 ? 99 : tenths / 10); return;
	case COL_PCPU: buf_printf(out, "%lld.%lld", tenths / 10, tenths % 10); return;
	case COL_PMEM: buf_puts(out, "0.0"); return;
	case COL_STIME: put_start(out, p, now, false); return;
	case COL_LSTART: put_start(out, p, now, true); return;
	case COL_ETIME: put_duration(out, age, false); return;
	case COL_ETIMES: buf_printf(out, "%lld", age); return;
	case COL_TTY: put_tty(out, p->tty); return;
	case COL_TIME: put_duration(out, cpu, true); return;
	case COL_CMD:
	case COL_ARGS:
		if (p->args != NULL && *p->args != '\0')
			buf_puts(out, p->args);
		else
			buf_printf(out, "[%s]", p->comm != NULL ? p->comm : "");
		return;
	case COL_COMM: buf_puts(out, p->comm != NULL ? p->comm : ""); return;
	case COL_STAT:
	case COL_STATE: buf_puts(out, p->state != NULL ? p->state : "?"); return;
	case COL_NI: buf_printf(out, "%lld", (long long)p->nice); return;
	case COL_PRI: buf_printf(out, "%lld", (long long)(20 + p->nice)); return;
	case COL_RSS: buf_printf(out, "%lld", (long long)p->rss_kib); return;
	case COL_VSZ: buf_printf(out, "%lld", (long long)p->vsz_kib); return;
	case COL_SZ: buf_printf(out, "%lld", (long long)(p->vsz_kib / 4)); return;
	case COL_NLWP: buf_printf(out, "%lld", (long long)p->threads); return;
	case COL_F: buf_putc(out, '4'); return;
	case COL_ADDR:
	case COL_WCHAN: buf_putc(out, '-'); return;
	}
}

int
top_format(const char *ps_args, const struct api_procs *procs, int64_t now_ns, struct buf *out, struct err *e)
{
	struct table t = { 0 };
	own_buf cell = BUF_INIT(8192);
	bool has_pid = false;

	if (read_args(&t, *ps_args != '\0' ? ps_args : "-ef", e) < 0)
		return -1;
	for (size_t i = 0; i < t.n; i++)
		if (t.columns[i] == COL_PID)
			has_pid = true;
	/* the Docker engine finds the container's rows by it, and scripts rely on that error */
	if (!has_pid)
		return err_set(e, ERR_SYSTEM, "Couldn't find PID field in ps output");
	buf_puts(out, "{\"Titles\":[");
	for (size_t i = 0; i < t.n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		json_put_str(out, t.titles[i]);
	}
	buf_puts(out, "],\"Processes\":[");
	for (size_t k = 0; k < procs->procs.n; k++) {
		buf_puts(out, k > 0 ? ",[" : "[");
		for (size_t i = 0; i < t.n; i++) {
			buf_reset(&cell);
			put_cell(&cell, &procs->procs.v[k], t.columns[i], now_ns);
			if (i > 0)
				buf_putc(out, ',');
			json_put_strn(out, (const char *)cell.data, cell.used);
		}
		buf_putc(out, ']');
	}
	buf_puts(out, "]}");
	return 0;
}

static void
on_procs(struct client *c, struct answer *a)
{
	own_buf b = BUF_INIT((size_t)64 << 20);
	struct err e = ERR_INIT;

	if (a->err != NULL)
		reply_error(c, a->err);
	else if (top_format(query_str(c, "ps_args"), a->msg, now_real_ns(), &b, &e) < 0)
		reply_error(c, &e);
	else
		reply_buf(c, 200, &b);
}

int
handle_container_top(struct client *c, struct err *e)
{
	struct api_ref m = { .ref = c->name };

	return client_call(c, NO_container_top, &m, NULL, 0, on_procs, e);
}
