#include "seccomp_check.h"

#include "msg/types.h"

#include <string.h>

static bool
one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (s != NULL && strcmp(s, *list) == 0)
			return true;
	return false;
}

static const char *const actions[] = { "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO",
	"SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", NULL };
static const char *const operators[] = { "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
	"SCMP_CMP_MASKED_EQ", NULL };

static int
check_rule(const struct seccomp_rule *r, struct err *e)
{
	if (r->name != NULL && *r->name != '\0' && r->names.n > 0)
		return err_set(e, ERR_INVALID, "both 'name' and 'names' are specified, use only 'names'");
	if ((r->name == NULL || *r->name == '\0') && r->names.n == 0)
		return err_set(e, ERR_INVALID, "a rule names no system call");
	if (!one_of(r->action, actions))
		return err_set(e, ERR_INVALID, "invalid action \"%.64s\"", r->action != NULL ? r->action : "");
	for (size_t i = 0; i < r->args.n; i++) {
		if (!one_of(r->args.v[i].op, operators))
			return err_set(e, ERR_INVALID, "invalid operator \"%.64s\"", r->args.v[i].op != NULL ? r->args.v[i].op : "");
		if (r->args.v[i].index < 0)
			return err_set(e, ERR_INVALID, "invalid argument index %lld", (long long)r->args.v[i].index);
	}
	return 0;
}

int
seccomp_check(const struct seccomp_profile *p, struct err *e)
{
	if (!one_of(p->default_action, actions))
		return err_set(e, ERR_INVALID, "invalid default action \"%.64s\"", p->default_action != NULL ? p->default_action : "");
	if (p->architectures.n > 0 && p->arch_map.n > 0)
		return err_set(e, ERR_INVALID, "both 'architectures' and 'archMap' are specified in the seccomp profile, use either one");
	for (size_t i = 0; i < p->syscalls.n; i++)
		if (check_rule(&p->syscalls.v[i], e) < 0)
			return -1;
	return 0;
}
