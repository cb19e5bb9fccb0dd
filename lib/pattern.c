/* Regular expressions of strangers: compiled to a small program that is run over all its states at once, so the time is
   bounded by the lengths of pattern and text, whatever the pattern. */
#include "pattern.h"

#include <string.h>

#define CODE_MAX 512
#define DEPTH_MAX 16
#define ATOMS_MAX (4 * CODE_MAX)   /* that are read, also those that make no instruction and are read again: (((){255}){255}){255} */

enum op { OP_CHAR, OP_ANY, OP_CLASS, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_MATCH };
struct insn { enum op op; unsigned char c; int x, y; unsigned char set[32]; };
struct program { struct insn code[CODE_MAX]; int n; };
struct parser { const char *p; struct program *out; int depth, atoms; bool bad; };

static int
emit(struct parser *s, enum op op)
{
	if (s->out->n >= CODE_MAX - 1) {
		s->bad = true;
		return 0;
	}
	s->out->code[s->out->n] = (struct insn){ .op = op };
	return s->out->n++;
}

/* Makes room for one instruction at place `at`; jumps are relative, so what moves as a whole stays right. */
static void
insert(struct parser *s, int at, enum op op)
{
	if (s->out->n >= CODE_MAX - 1) {
		s->bad = true;
		return;
	}
	memmove(&s->out->code[at + 1], &s->out->code[at], (size_t)(s->out->n - at) * sizeof s->out->code[0]);
	s->out->code[at] = (struct insn){ .op = op };
	s->out->n++;
}

static void
set_add(struct insn *i, unsigned low, unsigned high)
{
	for (unsigned c = low; c <= high; c++)
		i->set[c / 8] |= (unsigned char)(1u << (c % 8));
}

static void
set_escape(struct insn *i, char c)
{
	switch (c) {
	case 'd':
		set_add(i, '0', '9');
		break;
	case 'w':
		set_add(i, '0', '9');
		set_add(i, 'a', 'z');
		set_add(i, 'A', 'Z');
		set_add(i, '_', '_');
		break;
	case 's':
		set_add(i, ' ', ' ');
		set_add(i, '\t', '\r');
		break;
	default:
		set_add(i, (unsigned char)c, (unsigned char)c);
	}
}

static void
parse_class(struct parser *s)
{
	struct insn *i = &s->out->code[emit(s, OP_CLASS)];
	bool negated = *s->p == '^', first = true;

	if (negated)
		s->p++;
	while (*s->p != '\0' && (*s->p != ']' || first)) {
		unsigned low = (unsigned char)*s->p++;

		first = false;
		if (low == '\\' && *s->p != '\0') {
			set_escape(i, *s->p++);
			continue;
		}
		if (*s->p == '-' && s->p[1] != ']' && s->p[1] != '\0') {
			unsigned high = (unsigned char)s->p[1];

			s->p += 2;
			if (high < low)
				s->bad = true;
			else
				set_add(i, low, high);
		} else {
			set_add(i, low, low);
		}
	}
	if (*s->p != ']')
		s->bad = true;
	else
		s->p++;
	for (unsigned k = 0; negated && k < sizeof i->set; k++)
		i->set[k] = (unsigned char)~i->set[k];
}

static void parse_alternatives(struct parser *s);

static void
parse_atom(struct parser *s)
{
	char c = *s->p++;

	if (++s->atoms > ATOMS_MAX) {
		s->bad = true;
		return;
	}
	switch (c) {
	case '(':
		if (++s->depth > DEPTH_MAX) {
			s->bad = true;
			return;
		}
		if (s->p[0] == '?' && s->p[1] == ':')
			s->p += 2;
		parse_alternatives(s);
		s->depth--;
		if (*s->p == ')')
			s->p++;
		else
			s->bad = true;
		break;
	case '[':
		parse_class(s);
		break;
	case '.':
		emit(s, OP_ANY);
		break;
	case '^':
		emit(s, OP_BEGIN);
		break;
	case '$':
		emit(s, OP_END);
		break;
	case '*': case '+': case '?': case ')':
		s->bad = true;
		break;
	case '\\':
		if (*s->p == '\0')
			s->bad = true;
		else
			set_escape(&s->out->code[emit(s, OP_CLASS)], *s->p++);
		break;
	default:
		s->out->code[emit(s, OP_CHAR)].c = (unsigned char)c;
	}
}

/* The instructions from start to the end may be left out, or (star) repeated too. */
static void
make_optional(struct parser *s, int start, bool star)
{
	int n = s->out->n - start, at;

	insert(s, start, OP_SPLIT);
	s->out->code[start].x = 1;
	s->out->code[start].y = n + (star ? 2 : 1);
	if (star) {
		at = emit(s, OP_JUMP);
		s->out->code[at].x = -(n + 1);
	}
}

/* {2}, {2,}, {2,5}; anything else is a brace. Returns its length, or 0. */
static int
parse_bounds(const char *p, int *low, int *high)
{
	const char *at = p + 1;

	if (*at < '0' || *at > '9')
		return 0;
	for (*low = 0; *at >= '0' && *at <= '9' && *low < 1000; at++)
		*low = *low * 10 + (*at - '0');
	*high = *low;
	if (*at == ',') {
		at++;
		for (*high = *at == '}' ? -1 : 0; *at >= '0' && *at <= '9' && *high < 1000; at++)
			*high = *high * 10 + (*at - '0');
	}
	return *at == '}' ? (int)(at + 1 - p) : 0;
}

/* The atom's text is read again for each copy. */
static void
parse_bounded(struct parser *s, const char *atom, int start, int low, int high)
{
	const char *end = s->p;

	if (high > 255 || low > 255 || (high >= 0 && high < low)) {
		s->bad = true;
		return;
	}
	s->out->n = start;
	for (int i = 0; !s->bad && i < (high < 0 ? low + 1 : high); i++) {
		int copy = s->out->n;

		s->p = atom;
		parse_atom(s);
		if (i >= low)
			make_optional(s, copy, high < 0);
	}
	s->p = end;
}

static void
parse_repeat(struct parser *s)
{
	int start = s->out->n, at, low, high, len;
	const char *atom = s->p;

	parse_atom(s);
	if (!s->bad && *s->p == '{' && (len = parse_bounds(s->p, &low, &high)) > 0) {
		parse_bounded(s, atom, start, low, high);
		s->p += len;
	}
	while (!s->bad && (*s->p == '*' || *s->p == '+' || *s->p == '?')) {
		char c = *s->p++;

		if (c == '+') {
			int n = s->out->n - start;

			at = emit(s, OP_SPLIT);
			s->out->code[at].x = -n;
			s->out->code[at].y = 1;
		} else {
			make_optional(s, start, c == '*');
		}
	}
}

static void
parse_alternatives(struct parser *s)
{
	int start = s->out->n;

	while (!s->bad && *s->p != '\0' && *s->p != ')' && *s->p != '|')
		parse_repeat(s);
	if (*s->p == '|' && !s->bad) {
		int n = s->out->n - start, jump;

		s->p++;
		if (++s->depth > DEPTH_MAX * 4) {
			s->bad = true;
			return;
		}
		insert(s, start, OP_SPLIT);
		s->out->code[start].x = 1;
		s->out->code[start].y = n + 2;
		jump = emit(s, OP_JUMP);
		parse_alternatives(s);
		s->depth--;
		s->out->code[jump].x = s->out->n - jump;
	}
}

struct states { int n; int v[CODE_MAX]; bool in[CODE_MAX]; };

static void
follow(const struct program *p, struct states *s, int start, bool at_begin, bool at_end)
{
	int stack[CODE_MAX * 2], n = 0;

	stack[n++] = start;
	while (n > 0) {
		int pc = stack[--n];
		const struct insn *i;

		if (pc < 0 || pc >= p->n || s->in[pc])
			continue;
		s->in[pc] = true;
		i = &p->code[pc];
		if (i->op == OP_JUMP) {
			stack[n++] = pc + i->x;
		} else if (i->op == OP_SPLIT) {
			stack[n++] = pc + i->y;
			stack[n++] = pc + i->x;
		} else if ((i->op == OP_BEGIN && at_begin) || (i->op == OP_END && at_end)) {
			stack[n++] = pc + 1;
		} else if (i->op != OP_BEGIN && i->op != OP_END) {
			s->v[s->n++] = pc;
		}
	}
}

static bool
search(const struct program *p, const char *text)
{
	struct states a = { 0 }, b = { 0 }, *now = &a, *next = &b, *swap;

	for (const char *t = text;; t++) {
		follow(p, now, 0, t == text, *t == '\0');
		next->n = 0;
		memset(next->in, 0, sizeof next->in);
		for (int k = 0; k < now->n; k++) {
			const struct insn *i = &p->code[now->v[k]];
			unsigned char c = (unsigned char)*t;

			if (i->op == OP_MATCH)
				return true;
			if (c != '\0' && (i->op == OP_ANY || (i->op == OP_CHAR && i->c == c) ||
			    (i->op == OP_CLASS && (i->set[c / 8] >> (c % 8) & 1) != 0)))
				follow(p, next, now->v[k] + 1, false, t[1] == '\0');
		}
		if (*t == '\0')
			return false;
		swap = now;
		now = next;
		next = swap;
	}
}

int
pattern_search(const char *pattern, const char *text, bool *ret, struct err *e)
{
	struct program p;
	struct parser s = { .p = pattern, .out = &p };

	p.n = 0;
	parse_alternatives(&s);
	if (s.bad || *s.p != '\0' || s.out->n >= CODE_MAX - 1)
		return err_set(e, ERR_INVALID, "invalid pattern '%.200s'", pattern);
	emit(&s, OP_MATCH);
	*ret = search(&p, text);
	return 0;
}

bool
glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *back = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			back = text;
		} else if ((*pattern == '?' && *text != '/') || (*pattern == *text && *pattern != '\0')) {
			pattern++;
			text++;
		} else if (star != NULL && *back != '/') {
			pattern = star + 1;
			text = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
