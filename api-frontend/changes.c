#include "changes.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NO_MEMORY, "out of memory");
}

static int
needs_value(const char *name, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s requires at least one argument", name);
}

/* ---- words ---- */

static const char *
env_value(const struct strs *env, const char *name, size_t n)
{
	for (size_t i = env->n; i > 0; i--)
		if (strncmp(env->v[i - 1], name, n) == 0 && env->v[i - 1][n] == '=')
			return env->v[i - 1] + n + 1;
	return NULL;
}

static size_t
name_length(const char *s)
{
	size_t n = 0;

	while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || s[n] == '_' || (n > 0 && s[n] >= '0' && s[n] <= '9'))
		n++;
	return n;
}

/* s stands behind a '$': writes what $NAME, ${NAME}, ${NAME:-word} or ${NAME:+word} is and returns where the text goes on; NULL: it is
   none of them. A '$' that no name follows stays. */
static const char *
put_variable(struct buf *out, const struct strs *env, const char *s)
{
	bool braces = *s == '{';
	const char *name = braces ? s + 1 : s, *value, *end;
	size_t n = name_length(name);

	if (n == 0 && !braces) {
		buf_putc(out, '$');
		return s;
	}
	value = env_value(env, name, n);
	if (!braces) {
		buf_puts(out, value != NULL ? value : "");
		return name + n;
	}
	end = strchr(name + n, '}');
	if (n == 0 || end == NULL)
		return NULL;
	if (name[n] == '}') {
		buf_puts(out, value != NULL ? value : "");
	} else if (name[n] == ':' && (name[n + 1] == '-' || name[n + 1] == '+')) {
		bool set = value != NULL && *value != '\0';

		if (name[n + 1] == '-' && set)
			buf_puts(out, value);
		else if ((name[n + 1] == '+') == set)
			buf_put(out, name + n + 2, (size_t)(end - (name + n + 2)));
	} else {
		return NULL;
	}
	return end + 1;
}

/* Up to the next white space (all: to the end), quotes and backslashes undone, variables of env put in. *p moves on. NULL with e set: a
   bad substitution, or no memory. */
static char *
take_word(const char **p, bool all, const struct strs *env, struct arena *a, struct err *e)
{
	own_buf out = BUF_INIT((size_t)REC_STR_MAX);
	const char *s = *p;
	char quote = '\0', *word;

	while (*s != '\0' && (all || quote != '\0' || (*s != ' ' && *s != '\t'))) {
		if (*s == '\\' && s[1] != '\0' && quote != '\'') {
			buf_putc(&out, s[1]);
			s += 2;
		} else if (quote != '\0' ? *s == quote : (*s == '"' || *s == '\'')) {
			quote = quote != '\0' ? '\0' : *s;
			s++;
		} else if (*s == '$' && quote != '\'') {
			const char *next = put_variable(&out, env, s + 1);

			if (next == NULL) {
				err_set(e, ERR_INVALID, "failed to process \"%.200s\": unsupported modifier or missing '}' in substitution", *p);
				return NULL;
			}
			s = next;
		} else {
			buf_putc(&out, *s++);
		}
	}
	word = out.failed ? NULL : arena_strn(a, out.used > 0 ? (const char *)out.data : "", out.used);
	if (word == NULL)
		err_set(e, ERR_LIMIT, "a value is too long");
	*p = s;
	return word;
}

/* The next word; NULL at the end, or with e set. */
static char *
next_word(const char **p, const struct strs *env, struct arena *a, struct err *e)
{
	*p += strspn(*p, " \t");
	return **p != '\0' ? take_word(p, false, env, a, e) : NULL;
}

/* ["a","b"]; false if it is not that. */
static bool
json_words(const char *value, struct arena *a, struct strs *ret)
{
	own_json *v = NULL;
	struct err ignored = ERR_INIT;
	json_t *each;
	size_t i;

	*ret = (struct strs){ 0 };
	if (value[0] != '[' || json_parse(value, strlen(value), &v, &ignored) < 0 || !json_is_array(v))
		return false;
	json_array_foreach(v, i, each)
		if (!json_is_string(each) || !strs_add(ret, a, json_string_value(each)))
			return false;
	return true;
}

static int
set_command(struct strs *to, struct arena *a, const char *value, struct err *e)
{
	if (json_words(value, a, to))
		return 0;
	*to = (struct strs){ 0 };
	return strs_add(to, a, "/bin/sh") && strs_add(to, a, "-c") && strs_add(to, a, value) ? 0 : no_memory(e);
}

/* Variables of the same name are replaced. */
static int
set_env(struct strs *env, struct arena *a, const char *key, const char *value, struct err *e)
{
	char *text = arena_printf(a, "%s=%s", key, value);
	size_t n = strlen(key) + 1;

	if (text == NULL)
		return no_memory(e);
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], text, n) == 0) {
			env->v[i] = text;
			return 0;
		}
	return strs_add(env, a, text) ? 0 : no_memory(e);
}

/* "a=b c=d" or, for one pair, "a b c". */
static int
set_pairs(struct container_config *c, struct arena *a, bool label, const char *value, struct err *e)
{
	const char *p = value;
	/* what was set before this instruction counts */
	struct strs env = { 0 };
	char *word;
	bool old_form;

	for (size_t i = 0; i < c->env.n; i++)
		if (!strs_add(&env, a, c->env.v[i]))
			return no_memory(e);
	word = next_word(&p, &env, a, e);
	old_form = word != NULL && strchr(word, '=') == NULL;
	for (; word != NULL; word = next_word(&p, &env, a, e)) {
		char *eq = strchr(word, '=');
		const char *content;

		if (old_form) {
			while (*p == ' ' || *p == '\t')
				p++;
			if (*p == '\0' && !label)
				return err_set(e, ERR_INVALID, "ENV must have two arguments");
			content = take_word(&p, true, &env, a, e);
			if (content == NULL)
				return -1;
		} else if (eq == NULL || eq == word) {
			return err_set(e, ERR_INVALID, "Syntax error - can't find = in \"%.64s\". Must be of the form: name=value", word);
		} else {
			*eq = '\0';
			content = eq + 1;
		}
		if (label ? !kvs_set(&c->labels, a, word, content) : set_env(&c->env, a, word, content, e) < 0)
			return no_memory(e);
	}
	return e->code == ERR_NONE ? 0 : -1;
}

static int
add_set(struct strs *to, struct arena *a, const char *text, struct err *e)
{
	return strs_has(to, text) || strs_add(to, a, text) ? 0 : no_memory(e);
}

static int
set_exposed(struct container_config *c, struct arena *a, const char *value, struct err *e)
{
	const char *p = value;

	for (char *word = next_word(&p, &c->env, a, e); word != NULL; word = next_word(&p, &c->env, a, e)) {
		char *slash = strchr(word, '/'), *end;
		const char *proto = slash != NULL ? slash + 1 : "tcp";
		unsigned long first, last;

		if (slash != NULL)
			*slash = '\0';
		first = last = strtoul(word, &end, 10);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (*end != '\0' || end == word || first < 1 || last > 65535 || first > last ||
		    (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0))
			return err_set(e, ERR_INVALID, "invalid containerPort: %.64s", word);
		for (unsigned long port = first; port <= last; port++) {
			char *text = arena_printf(a, "%lu/%s", port, proto);

			if (text == NULL || c->exposed_ports.n > MANY || add_set(&c->exposed_ports, a, text, e) < 0)
				return no_memory(e);
		}
	}
	return e->code == ERR_NONE ? 0 : -1;
}

static int
set_volumes(struct container_config *c, struct arena *a, const char *value, struct err *e)
{
	struct strs words = { 0 };
	const char *p = value;

	if (!json_words(value, a, &words)) {
		words = (struct strs){ 0 };
		for (char *word = next_word(&p, &c->env, a, e); word != NULL; word = next_word(&p, &c->env, a, e))
			if (!strs_add(&words, a, word))
				return no_memory(e);
		if (e->code != ERR_NONE)
			return -1;
	}
	for (size_t i = 0; i < words.n; i++)
		if (words.v[i][0] == '\0')
			return err_set(e, ERR_INVALID, "VOLUME specified can not be an empty string");
		else if (add_set(&c->volumes, a, words.v[i], e) < 0)
			return -1;
	return 0;
}

static int
set_workdir(struct container_config *c, struct arena *a, const char *value, struct err *e)
{
	value = take_word(&value, true, &c->env, a, e);
	if (value == NULL)
		return -1;
	if (value[0] == '/')
		c->working_dir = arena_str(a, value);
	else
		c->working_dir = arena_printf(a, "%s/%s", c->working_dir != NULL ? c->working_dir : "", value);
	return c->working_dir != NULL ? 0 : no_memory(e);
}

static bool
go_duration(const char *s, int64_t *ret)
{
	double total = 0;

	if (*s == '\0')
		return false;
	while (*s != '\0') {
		char *end;
		double v;

		if (*s < '0' || *s > '9')
			return false;
		v = strtod(s, &end);
		if (strncmp(end, "ms", 2) == 0) {
			total += v * 1e6;
			end += 2;
		} else if (*end == 's' || *end == 'm' || *end == 'h') {
			total += v * (*end == 's' ? 1e9 : *end == 'm' ? 60e9 : 3600e9);
			end++;
		} else {
			return false;
		}
		s = end;
	}
	if (total > 9e18)
		return false;
	*ret = (int64_t)total;
	return true;
}

static int
set_health(struct container_config *c, struct arena *a, const char *value, struct err *e)
{
	struct health_config *h = arena_alloc(a, sizeof *h);
	static const struct strs none;
	const char *p = value;
	char *word;

	if (h == NULL)
		return no_memory(e);
	c->healthcheck = h;
	while ((word = next_word(&p, &none, a, e)) != NULL && strncmp(word, "--", 2) == 0) {
		char *eq = strchr(word, '='), *end;
		int64_t *to = NULL;

		if (eq == NULL)
			return err_set(e, ERR_INVALID, "HEALTHCHECK: missing value for %.64s", word);
		*eq = '\0';
		if (strcmp(word, "--retries") == 0) {
			h->retries = strtol(eq + 1, &end, 10);
			if (*end != '\0' || h->retries < 0)
				return err_set(e, ERR_INVALID, "HEALTHCHECK: bad --retries");
			continue;
		}
		to = strcmp(word, "--interval") == 0 ? &h->interval : strcmp(word, "--timeout") == 0 ? &h->timeout :
		    strcmp(word, "--start-period") == 0 ? &h->start_period : strcmp(word, "--start-interval") == 0 ? &h->start_interval : NULL;
		if (to == NULL || !go_duration(eq + 1, to))
			return err_set(e, ERR_INVALID, "HEALTHCHECK: bad option %.64s", word);
	}
	if (word != NULL && strcasecmp(word, "NONE") == 0)
		return strs_add(&h->test, a, "NONE") ? 0 : no_memory(e);
	while (*p == ' ' || *p == '\t')
		p++;
	if (word == NULL || strcasecmp(word, "CMD") != 0 || *p == '\0')
		return err_set(e, ERR_INVALID, "Unknown type\"%.64s\" in HEALTHCHECK (try CMD)", word != NULL ? word : "");
	struct strs words;

	if (!json_words(p, a, &words))
		return strs_add(&h->test, a, "CMD-SHELL") && strs_add(&h->test, a, p) ? 0 : no_memory(e);
	if (!strs_add(&h->test, a, "CMD"))
		return no_memory(e);
	for (size_t i = 0; i < words.n; i++)
		if (!strs_add(&h->test, a, words.v[i]))
			return no_memory(e);
	return 0;
}

static int
set_text(char **to, const struct strs *env, struct arena *a, const char *value, struct err *e)
{
	*to = take_word(&value, true, env, a, e);
	return *to != NULL ? 0 : -1;
}

int
change_apply(struct container_config *c, struct arena *a, const char *line, struct err *e)
{
	char *copy, *name, *value;
	size_t n;

	while (*line == ' ' || *line == '\t')
		line++;
	copy = arena_str(a, line);
	if (copy == NULL)
		return no_memory(e);
	for (n = strlen(copy); n > 0 && strchr(" \t\r\n", copy[n - 1]) != NULL;)
		copy[--n] = '\0';
	name = copy;
	value = copy + strcspn(copy, " \t");
	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t");
	for (char *p = name; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	if (*value == '\0')
		return needs_value(name, e);
	if (strcmp(name, "CMD") == 0)
		return set_command(&c->cmd, a, value, e);
	if (strcmp(name, "ENTRYPOINT") == 0)
		return set_command(&c->entrypoint, a, value, e);
	if (strcmp(name, "ENV") == 0 || strcmp(name, "LABEL") == 0)
		return set_pairs(c, a, name[0] == 'L', value, e);
	if (strcmp(name, "EXPOSE") == 0)
		return set_exposed(c, a, value, e);
	if (strcmp(name, "VOLUME") == 0)
		return set_volumes(c, a, value, e);
	if (strcmp(name, "USER") == 0)
		return set_text(&c->user, &c->env, a, value, e);
	if (strcmp(name, "WORKDIR") == 0)
		return set_workdir(c, a, value, e);
	if (strcmp(name, "STOPSIGNAL") == 0)
		return set_text(&c->stop_signal, &c->env, a, value, e);
	if (strcmp(name, "HEALTHCHECK") == 0)
		return set_health(c, a, value, e);
	if (strcmp(name, "ONBUILD") == 0)
		return strs_add(&c->on_build, a, value) ? 0 : no_memory(e);
	return err_set(e, ERR_INVALID, "%.64s is not a valid change command", name);
}

bool
change_is(const char *line, const char *name)
{
	size_t n = strlen(name);

	line += strspn(line, " \t");
	return strncasecmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == '\t');
}
