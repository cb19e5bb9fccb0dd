/* Tag templates. A small part of Go's text/template, read from left to right: what a tag needs, and no loops. */
#include "logplan.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 128

struct tag {
	const char *p;
	const struct tag_facts *facts;
	struct buf value;              /* of the action that is being read */
	struct err *e;
};

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

static int
no_field(struct tag *t, const char *field)
{
	return err_set(t->e, ERR_INVALID, "template: log-tag:1: executing \"log-tag\" at <.%.100s>: can't evaluate field %.100s in type *logger.Info", field, field);
}

/* Go prints a list as [a b] and a map as map[k:v]. */
static void
put_list(struct buf *out, const struct strs *s)
{
	buf_putc(out, '[');
	for (size_t i = 0; s != NULL && i < s->n; i++) {
		if (i > 0)
			buf_putc(out, ' ');
		buf_puts(out, s->v[i]);
	}
	buf_putc(out, ']');
}

static void
put_map(struct buf *out, const struct kvs *m)
{
	buf_puts(out, "map[");
	for (size_t i = 0; m != NULL && i < m->n; i++)
		buf_printf(out, "%s%s:%s", i > 0 ? " " : "", m->v[i].key, m->v[i].value);
	buf_putc(out, ']');
}

static int
put_field(struct tag *t, const char *field)
{
	const struct tag_facts *f = t->facts;
	struct buf *out = &t->value;
	char when[40];
	size_t i;
	const struct { const char *name, *value; int most; } texts[] = {
		{ "ID", f->id, 12 }, { "FullID", f->id, 0 }, { "ContainerID", f->id, 0 }, { "Name", f->name, 0 }, { "ImageID", f->image_id, 12 },
		{ "ImageFullID", f->image_id, 0 }, { "ContainerImageID", f->image_id, 0 }, { "ImageName", f->image_name, 0 },
		{ "ContainerImageName", f->image_name, 0 }, { "DaemonName", "docker", 0 }, { "Hostname", f->hostname, 0 },
		{ "ContainerEntrypoint", f->entrypoint, 0 }, { "LogPath", f->log_path, 0 } };

	for (i = 0; i < sizeof texts / sizeof *texts; i++)
		if (strcmp(field, texts[i].name) == 0) {
			const char *v = or_empty(texts[i].value);

			buf_put(out, v, texts[i].most > 0 ? strnlen(v, (size_t)texts[i].most) : strlen(v));
			return 0;
		}
	if (strcmp(field, "ContainerName") == 0) {
		buf_printf(out, "/%s", or_empty(f->name));
	} else if (strcmp(field, "Command") == 0) {
		buf_puts(out, or_empty(f->entrypoint));
		for (i = 0; f->args != NULL && i < f->args->n; i++)
			buf_printf(out, " %s", f->args->v[i]);
	} else if (strcmp(field, "ContainerArgs") == 0) {
		put_list(out, f->args);
	} else if (strcmp(field, "ContainerEnv") == 0) {
		put_list(out, f->env);
	} else if (strcmp(field, "ContainerLabels") == 0) {
		put_map(out, f->labels);
	} else if (strcmp(field, "ContainerCreated") == 0) {
		text_time(when, f->created);
		buf_puts(out, when);
	} else {
		return no_field(t, field);
	}
	return 0;
}

static void
skip_space(struct tag *t)
{
	while (*t->p == ' ' || *t->p == '\t' || *t->p == '\n' || *t->p == '\r')
		t->p++;
}

static bool
read_word(struct tag *t, char *word)
{
	size_t n = 0;

	while ((*t->p >= 'a' && *t->p <= 'z') || (*t->p >= 'A' && *t->p <= 'Z') || (*t->p >= '0' && *t->p <= '9') || *t->p == '_') {
		if (n + 1 >= WORD_MAX)
			return false;
		word[n++] = *t->p++;
	}
	word[n] = '\0';
	return n > 0;
}

/* (.ExtraAttributes nil).KEY */
static int
put_attribute(struct tag *t)
{
	static const char head[] = "(.ExtraAttributes nil)";
	char key[WORD_MAX];
	const char *v;

	if (!text_starts(t->p, head))
		return err_set(t->e, ERR_UNSUPPORTED, "parentheses in a log tag but (.ExtraAttributes nil).KEY are not implemented by Bulwark yet");
	t->p += sizeof head - 1;
	if (*t->p != '.') {
		put_map(&t->value, t->facts->attrs);
		return 0;
	}
	t->p++;
	if (!read_word(t, key))
		return err_set(t->e, ERR_INVALID, "template: log-tag:1: unexpected <.> in operand");
	v = t->facts->attrs != NULL ? kvs_get(t->facts->attrs, key) : NULL;
	buf_puts(&t->value, v != NULL ? v : "<no value>");
	return 0;
}

static int
apply(struct tag *t, const char *function)
{
	static const char *const others[] = { "and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println", "urlquery", "eq",
		"ge", "gt", "le", "lt", "ne", "json", "split", "join", "title", "pad", "truncate", "if", "range", "with", "define", "template", "block", "end", "else" };
	bool upper = strcmp(function, "upper") == 0;

	if (upper || strcmp(function, "lower") == 0) {
		for (size_t i = 0; i < t->value.used; i++) {
			unsigned char *c = &t->value.data[i];

			if (upper ? *c >= 'a' && *c <= 'z' : *c >= 'A' && *c <= 'Z')
				*c ^= 32;
		}
		return 0;
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(function, others[i]) == 0)
			return err_set(t->e, ERR_UNSUPPORTED, "'%s' in a log tag is not implemented by Bulwark yet", function);
	return err_set(t->e, ERR_INVALID, "template: log-tag:1: function \"%.100s\" not defined", function);
}

static int
read_operand(struct tag *t)
{
	char word[WORD_MAX];

	if (*t->p == '(')
		return put_attribute(t);
	if (*t->p == '"') {
		const char *end = strchr(t->p + 1, '"');

		if (end == NULL)
			return err_set(t->e, ERR_INVALID, "template: log-tag:1: unterminated quoted string");
		buf_put(&t->value, t->p + 1, (size_t)(end - t->p - 1));
		t->p = end + 1;
		return 0;
	}
	if (*t->p != '.')
		return err_set(t->e, ERR_INVALID, "template: log-tag:1: unexpected \"%.10s\" in operand", t->p);
	t->p++;
	if (!read_word(t, word))
		return err_set(t->e, ERR_UNSUPPORTED, "'{{.}}' in a log tag is not implemented by Bulwark yet");
	if (*t->p == '.')
		return no_field(t, word);
	return put_field(t, word);
}

/* What stands between the braces: [function] operand { | function } */
static int
read_action(struct tag *t)
{
	char word[WORD_MAX];

	skip_space(t);
	if (*t->p == '/' && t->p[1] == '*') {
		const char *end = strstr(t->p, "*/");

		if (end == NULL)
			return err_set(t->e, ERR_INVALID, "template: log-tag:1: unclosed comment");
		t->p = end + 2;
		skip_space(t);
		return 0;
	}
	if (read_word(t, word)) {
		skip_space(t);
		/* a name that is none is said before its operand is looked at */
		if (apply(t, word) < 0 || read_operand(t) < 0 || apply(t, word) < 0)
			return -1;
	} else if (text_starts(t->p, "}}")) {
		return err_set(t->e, ERR_INVALID, "template: log-tag:1: missing value for command");
	} else if (read_operand(t) < 0) {
		return -1;
	}
	for (skip_space(t); *t->p == '|'; skip_space(t)) {
		t->p++;
		skip_space(t);
		if (!read_word(t, word))
			return err_set(t->e, ERR_INVALID, "template: log-tag:1: missing value for command");
		if (apply(t, word) < 0)
			return -1;
	}
	return 0;
}

int
tag_expand(const char *template, const struct tag_facts *facts, struct buf *out, struct err *e)
{
	struct tag t = { .p = template, .facts = facts, .value = BUF_INIT(65536), .e = e };

	while (*t.p != '\0') {
		const char *open = strstr(t.p, "{{");
		size_t n = open != NULL ? (size_t)(open - t.p) : strlen(t.p);
		bool trim = open != NULL && open[2] == '-' && (open[3] == ' ' || open[3] == '\t');
		int r;

		while (trim && n > 0 && strchr(" \t\r\n", t.p[n - 1]) != NULL)
			n--;
		buf_put(out, t.p, n);
		if (open == NULL)
			break;
		t.p = open + (trim ? 3 : 2);
		buf_reset(&t.value);
		r = read_action(&t);
		if (r == 0 && t.value.used > 0)
			buf_put(out, t.value.data, t.value.used);
		if (r < 0) {
			buf_done(&t.value);
			return -1;
		}
		trim = *t.p == '-' && text_starts(t.p + 1, "}}");
		if (trim)
			t.p++;
		if (!text_starts(t.p, "}}")) {
			buf_done(&t.value);
			return *t.p == '\0' ? err_set(e, ERR_INVALID, "template: log-tag:1: unclosed action") :
			    err_set(e, ERR_INVALID, "template: log-tag:1: unexpected \"%.10s\" in operand", t.p);
		}
		t.p += 2;
		if (trim)
			skip_space(&t);
	}
	buf_done(&t.value);
	return out->failed ? err_set(e, ERR_LIMIT, "the log tag is too long") : 0;
}
