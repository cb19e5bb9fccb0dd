/* The command line, in the forms that dockerd takes: --x=v, --x v, -x v, -xv, -x=v, -D, --switch=false, -Dl debug. */
#include "options.h"

#include <stdio.h>
#include <string.h>

static bool
is_switch(enum option_id id)
{
	return option_table[id].kind == KIND_BOOL;
}

static int
find_long(const char *name, size_t n)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (option_table[i].flag != NULL && strlen(option_table[i].flag) == n && memcmp(option_table[i].flag, name, n) == 0)
			return i;
	return -1;
}

static int
find_short(char c)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (option_table[i].short_name == c)
			return i;
	return -1;
}

static int
add(struct arena *a, struct settings *s, enum option_id id, const char *value, struct err *e)
{
	struct setting *one = &s->of[id];

	if (option_check(id, value, e) < 0)
		return err_wrap(e, "invalid argument \"%.128s\" for \"--%s\" flag", value, option_table[id].flag);
	/* an empty host equals none */
	if (id == OPT_hosts && *value == '\0')
		return 0;
	one->from_flag = true;
	if (one->values.n >= 1024 || !strs_add(&one->values, a, value))
		return err_set(e, ERR_LIMIT, "too many --%s", option_table[id].flag);
	return 0;
}

static int
take_long(int argc, char *const *argv, int *at, struct arena *a, struct settings *s, struct err *e)
{
	const char *name = argv[*at] + 2, *eq = strchr(name, '=');
	size_t n = eq != NULL ? (size_t)(eq - name) : strlen(name);
	int id = find_long(name, n);

	if (id < 0)
		return err_set(e, ERR_INVALID, "unknown flag: --%.*s\nSee 'bulwarkd --help'.", (int)(n < 128 ? n : 128), name);
	if (eq != NULL)
		return add(a, s, (enum option_id)id, eq + 1, e);
	if (is_switch((enum option_id)id))
		return add(a, s, (enum option_id)id, "true", e);
	if (*at + 1 >= argc)
		return err_set(e, ERR_INVALID, "flag needs an argument: --%s\nSee 'bulwarkd --help'.", option_table[id].flag);
	return add(a, s, (enum option_id)id, argv[++*at], e);
}

static int
take_short(int argc, char *const *argv, int *at, struct arena *a, struct settings *s, struct err *e)
{
	for (const char *p = argv[*at] + 1; *p != '\0'; p++) {
		int id = find_short(*p);

		if (id < 0)
			return err_set(e, ERR_INVALID, "unknown shorthand flag: '%c' in %.64s\nSee 'bulwarkd --help'.", *p, argv[*at]);
		if (p[1] == '=')
			return add(a, s, (enum option_id)id, p + 2, e);
		if (is_switch((enum option_id)id)) {
			if (add(a, s, (enum option_id)id, "true", e) < 0)
				return -1;
			continue;
		}
		if (p[1] != '\0')
			return add(a, s, (enum option_id)id, p + 1, e);
		if (*at + 1 >= argc)
			return err_set(e, ERR_INVALID, "flag needs an argument: '%c' in %.64s\nSee 'bulwarkd --help'.", *p, argv[*at]);
		return add(a, s, (enum option_id)id, argv[++*at], e);
	}
	return 0;
}

int
args_parse(int argc, char *const *argv, struct arena *a, struct settings *s, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];
		int r;

		if (strcmp(arg, "--") == 0 && i + 1 == argc)
			break;
		if (arg[0] != '-' || arg[1] == '\0' || strcmp(arg, "--") == 0)
			return err_set(e, ERR_INVALID, "\"bulwarkd\" accepts no arguments.\nSee 'bulwarkd --help'.");
		r = arg[1] == '-' ? take_long(argc, argv, &i, a, s, e) : take_short(argc, argv, &i, a, s, e);
		if (r < 0)
			return -1;
	}
	s->file = s->of[OPT_config_file].from_flag ? setting_str(s, OPT_config_file) : "/etc/docker/daemon.json";
	return 0;
}

const char *
args_help(struct arena *a)
{
	static const char *const kinds[] = { [KIND_BOOL] = "", [KIND_INT] = "int", [KIND_STR] = "string", [KIND_SIZE] = "bytes", [KIND_LIST] = "list",
		[KIND_MAP] = "map", [KIND_BOOLS] = "map", [KIND_ULIMITS] = "ulimit", [KIND_RUNTIMES] = "runtime", [KIND_OBJECT] = "value" };
	own_buf b = BUF_INIT(65536);

	buf_puts(&b, "Usage:  bulwarkd [OPTIONS]\n\nA privilege-separated container engine.\n\nOptions:\n");
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_table[i];

		if (row->flag == NULL || row->status == REMOVED)
			continue;
		if (row->short_name != 0)
			buf_printf(&b, "  -%c, --%s %s\n", row->short_name, row->flag, kinds[row->kind]);
		else
			buf_printf(&b, "      --%s %s%s\n", row->flag, kinds[row->kind], row->status == NOT_BUILT ? "  (not implemented yet)" : "");
	}
	return arena_str(a, buf_cstr(&b));
}
