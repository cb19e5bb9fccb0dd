/*
 * System call filters, compiled here, where there is no privilege, and kept as programs in memory files: the default
 * profile once for each capability set, a user's own profile when it is wanted. stage only loads them.
 */
#include "runtime.h"

#include "fd.h"
#include "filter_table.h"
#include "log.h"
#include "text.h"

#include <cap-ng.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OPTIMIZE_TREE 2

static int
add_rule(scmp_filter_ctx ctx, uint32_t action, const char *name, const struct scmp_arg_cmp *args, unsigned n, struct err *e)
{
	int no = seccomp_syscall_resolve_name(name), r;

	if (no == __NR_SCMP_ERROR)
		return 0;   /* unknown here: nothing can call it by that name, as the Docker engine sees it */
	r = seccomp_rule_add_array(ctx, action, no, n, args);
	/* a call that the pseudo-number stands for may not exist on this architecture */
	if (r < 0 && r != -EDOM && r != -EEXIST)
		return err_sys(e, -r, "add a rule for system call %s", name);
	return 0;
}

static int
add_names(scmp_filter_ctx ctx, uint32_t action, const char *const *names, struct err *e)
{
	for (; *names != NULL; names++)
		if (add_rule(ctx, action, *names, NULL, 0, e) < 0)
			return -1;
	return 0;
}

static int
add_default_rules(scmp_filter_ctx ctx, uint64_t caps, struct err *e)
{
	if (add_names(ctx, SCMP_ACT_ALLOW, filter_always, e) < 0)
		return -1;
	for (size_t i = 0; i < filter_n_caps; i++)
		if ((caps >> filter_caps[i].cap & 1) != 0 && add_names(ctx, SCMP_ACT_ALLOW, filter_caps[i].names, e) < 0)
			return -1;
	for (size_t i = 0; i < filter_n_families; i++) {
		struct scmp_arg_cmp arg = SCMP_CMP32(0, SCMP_CMP_EQ, (uint32_t)filter_families[i]);

		if (add_rule(ctx, SCMP_ACT_ALLOW, "socket", &arg, 1, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < filter_n_personalities; i++) {
		struct scmp_arg_cmp arg = SCMP_CMP64(0, SCMP_CMP_EQ, filter_personalities[i]);

		if (add_rule(ctx, SCMP_ACT_ALLOW, "personality", &arg, 1, e) < 0)
			return -1;
	}
	if ((caps >> CAP_SYS_ADMIN & 1) == 0) {
		struct scmp_arg_cmp no_spaces = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, FILTER_CLONE_SPACES, 0);

		/* clone3's flags are in memory, where a filter cannot look: callers fall back to clone */
		if (add_rule(ctx, SCMP_ACT_ALLOW, "clone", &no_spaces, 1, e) < 0 || add_rule(ctx, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL, 0, e) < 0)
			return -1;
	}
	return 0;
}

static int
compile_default(uint64_t caps, int *ret_memfd, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	struct filter_newest newest = { { 0 } };
	int r = ctx != NULL ? 0 : err_set(e, ERR_NO_MEMORY, "system call filter");

	if (r == 0 && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE) < 0)
		log_msg(LOG_DEBUG, "this libseccomp has no binary trees");
#if defined __x86_64__
	if (r == 0 && (seccomp_arch_add(ctx, SCMP_ARCH_X86) < 0 || seccomp_arch_add(ctx, SCMP_ARCH_X32) < 0))
		r = err_set(e, ERR_SYSTEM, "system call filter: architectures");
#elif defined __aarch64__
	if (r == 0 && seccomp_arch_add(ctx, SCMP_ARCH_ARM) < 0)
		r = err_set(e, ERR_SYSTEM, "system call filter: architectures");
#endif
	if (r == 0)
		r = add_default_rules(ctx, caps, e);
	for (size_t i = 0; filter_always[i] != NULL; i++)
		filter_knows(&newest, filter_always[i]);
	for (size_t i = 0; i < filter_n_caps; i++)
		for (size_t k = 0; filter_caps[i].names[k] != NULL; k++)
			filter_knows(&newest, filter_caps[i].names[k]);
	if (r == 0)
		r = filter_export(ctx, &newest, ret_memfd, e);
	seccomp_release(ctx);
	return r;
}

static int
default_for(struct runtime *rt, uint64_t caps, int *ret_memfd, struct err *e)
{
	uint64_t relevant = 0;
	struct program *p;
	int fd;

	/* only these make a difference */
	for (size_t i = 0; i < filter_n_caps; i++)
		relevant |= UINT64_C(1) << filter_caps[i].cap;
	caps &= relevant;
	for (p = rt->programs; p != NULL && p->caps != caps; p = p->next)
		;
	if (p == NULL) {
		fd = -1;
		if (compile_default(caps, &fd, e) < 0)
			return -1;
		p = calloc(1, sizeof *p);
		if (p == NULL) {
			close(fd);
			return err_set(e, ERR_NO_MEMORY, "system call filter");
		}
		*p = (struct program){ .next = rt->programs, .caps = caps, .memfd = fd };
		rt->programs = p;
	}
	fd = fcntl(p->memfd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(e, errno, "system call filter");
	*ret_memfd = fd;
	return 0;
}

static int
action_of(const char *name, const struct opt *errno_ret, uint32_t *ret, struct err *e)
{
	static const struct { const char *name; uint32_t action; } rows[] = {
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD }, { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS }, { "SCMP_ACT_TRAP", SCMP_ACT_TRAP }, { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	};
	int64_t value = errno_ret != NULL && errno_ret->set ? errno_ret->v : EPERM;

	if (value < 0 || value > 4095)
		return err_set(e, ERR_INVALID, "seccomp: invalid errnoRet %lld", (long long)value);
	for (size_t i = 0; name != NULL && i < sizeof rows / sizeof *rows; i++)
		if (strcmp(name, rows[i].name) == 0) {
			*ret = rows[i].action;
			return 0;
		}
	if (name != NULL && strcmp(name, "SCMP_ACT_ERRNO") == 0)
		*ret = SCMP_ACT_ERRNO((uint32_t)value);
	else if (name != NULL && strcmp(name, "SCMP_ACT_TRACE") == 0)
		*ret = SCMP_ACT_TRACE((uint32_t)value);
	else if (name != NULL && strcmp(name, "SCMP_ACT_NOTIFY") == 0)
		return err_set(e, ERR_UNSUPPORTED, "seccomp: SCMP_ACT_NOTIFY needs a listener, which Bulwark does not have");
	else
		return err_set(e, ERR_INVALID, "invalid seccomp profile: unknown action \"%s\"", name != NULL ? name : "");
	return 0;
}

static int
cap_of(const char *name)
{
	char lower[64];
	size_t n = 0;

	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (; name[n] != '\0' && n + 1 < sizeof lower; n++)
		lower[n] = (char)tolower((unsigned char)name[n]);
	lower[n] = '\0';
	return capng_name_to_capability(lower);
}

static bool
has_cap(uint64_t caps, const char *name)
{
	int c = cap_of(name);

	return c >= 0 && c < 64 && (caps >> c & 1) != 0;
}

static bool
kernel_is_at_least(const char *text)
{
	struct utsname u;
	unsigned a = 0, b = 0, x = 0, y = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &x, &y) != 2 || sscanf(text, "%u.%u", &a, &b) < 1)
		return false;
	return x > a || (x == a && y >= b);
}

#if defined __x86_64__
static const char native_arch[] = "amd64", native_scmp[] = "SCMP_ARCH_X86_64";
#elif defined __aarch64__
static const char native_arch[] = "arm64", native_scmp[] = "SCMP_ARCH_AARCH64";
#else
static const char native_arch[] = "", native_scmp[] = "";
#endif

bool
filter_is_native(const char *arch)
{
	return arch != NULL && strcmp(arch, native_scmp) == 0;
}

bool
filter_applies(const struct seccomp_rule *r, uint64_t caps)
{
	const struct seccomp_filter *in = r->includes, *out = r->excludes;

	for (size_t i = 0; in != NULL && i < in->caps.n; i++)
		if (!has_cap(caps, in->caps.v[i]))
			return false;
	if (in != NULL && in->arches.n > 0 && !strs_has(&in->arches, native_arch))
		return false;
	if (in != NULL && in->min_kernel != NULL && *in->min_kernel != '\0' && !kernel_is_at_least(in->min_kernel))
		return false;
	for (size_t i = 0; out != NULL && i < out->caps.n; i++)
		if (has_cap(caps, out->caps.v[i]))
			return false;
	if (out != NULL && strs_has(&out->arches, native_arch))
		return false;
	return out == NULL || out->min_kernel == NULL || *out->min_kernel == '\0' || !kernel_is_at_least(out->min_kernel);
}

static int
compare_of(const struct seccomp_arg *a, struct scmp_arg_cmp *ret, struct err *e)
{
	static const struct { const char *name; enum scmp_compare op; } rows[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_LE", SCMP_CMP_LE }, { "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT }, { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};

	for (size_t i = 0; a->op != NULL && i < sizeof rows / sizeof *rows; i++)
		if (strcmp(a->op, rows[i].name) == 0) {
			*ret = (struct scmp_arg_cmp){ .arg = (unsigned)a->index, .op = rows[i].op, .datum_a = (uint64_t)a->value,
				.datum_b = (uint64_t)a->value_two };
			return a->index >= 0 && a->index <= 5 ? 0 : err_set(e, ERR_INVALID, "invalid seccomp profile: argument %lld", (long long)a->index);
		}
	return err_set(e, ERR_INVALID, "invalid seccomp profile: unknown operator \"%s\"", a->op != NULL ? a->op : "");
}

/* Conditions on different arguments are joined by "and"; if one argument has several, each is a rule of its own. */
static int
add_custom(scmp_filter_ctx ctx, uint32_t action, const char *name, const struct seccomp_rule *r, struct err *e)
{
	struct scmp_arg_cmp args[16];
	unsigned seen[6] = { 0 };
	bool twice = false;
	size_t n = r->args.n;

	for (size_t i = 0; i < n; i++) {
		if (i == 16 || compare_of(&r->args.v[i], &args[i], e) < 0)
			return i == 16 ? err_set(e, ERR_INVALID, "invalid seccomp profile: too many arguments") : -1;
		twice = twice || ++seen[args[i].arg] > 1;
	}
	if (!twice)
		return add_rule(ctx, action, name, args, (unsigned)n, e);
	for (size_t i = 0; i < n; i++)
		if (add_rule(ctx, action, name, &args[i], 1, e) < 0)
			return -1;
	return 0;
}

static int
add_arch(scmp_filter_ctx ctx, const char *name, struct err *e)
{
	char lower[64];
	uint32_t token;
	size_t n = 0;
	int r;

	if (strncmp(name, "SCMP_ARCH_", 10) != 0)
		return err_set(e, ERR_INVALID, "invalid seccomp profile: unknown architecture \"%s\"", name);
	for (name += 10; name[n] != '\0' && n + 1 < sizeof lower; n++)
		lower[n] = (char)tolower((unsigned char)name[n]);
	lower[n] = '\0';
	token = seccomp_arch_resolve_name(lower);
	if (token == 0)
		return err_set(e, ERR_INVALID, "invalid seccomp profile: unknown architecture \"SCMP_ARCH_%s\"", name);
	r = seccomp_arch_add(ctx, token);
	return r < 0 && r != -EEXIST ? err_sys(e, -r, "system call filter: architecture %s", lower) : 0;
}

static int
add_arches(scmp_filter_ctx ctx, const struct seccomp_profile *p, struct err *e)
{
	for (size_t i = 0; i < p->architectures.n; i++)
		if (add_arch(ctx, p->architectures.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < p->arch_map.n; i++) {
		const struct seccomp_arch_map *m = &p->arch_map.v[i];

		if (!filter_is_native(m->architecture))
			continue;
		for (size_t k = 0; k < m->sub_architectures.n; k++)
			if (add_arch(ctx, m->sub_architectures.v[k], e) < 0)
				return -1;
	}
	return 0;
}

static int
take_flags(const struct seccomp_profile *p, unsigned *ret_flags, struct err *e)
{
	for (size_t i = 0; i < p->flags.n; i++) {
		const char *f = p->flags.v[i];

		if (strcmp(f, "SECCOMP_FILTER_FLAG_LOG") == 0)
			*ret_flags |= SECCOMP_FILTER_FLAG_LOG;
		else if (strcmp(f, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") == 0)
			*ret_flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else if (strcmp(f, "SECCOMP_FILTER_FLAG_TSYNC") != 0)   /* there is one thread */
			return err_set(e, ERR_INVALID, "seccomp flag %s is not supported", f);
	}
	return 0;
}

static int
add_profile(scmp_filter_ctx ctx, const struct seccomp_profile *p, uint32_t otherwise, uint64_t caps, struct filter_newest *newest, struct err *e)
{
	for (size_t i = 0; i < p->syscalls.n; i++) {
		const struct seccomp_rule *r = &p->syscalls.v[i];
		uint32_t action;

		if (action_of(r->action, &r->errno_ret, &action, e) < 0)
			return -1;
		if (!filter_applies(r, caps))
			continue;
		if (r->name != NULL && *r->name != '\0')
			filter_knows(newest, r->name);
		for (size_t k = 0; k < r->names.n; k++)
			filter_knows(newest, r->names.v[k]);
		if (action == otherwise)
			continue;
		if (r->name != NULL && *r->name != '\0' && add_custom(ctx, action, r->name, r, e) < 0)
			return -1;
		for (size_t k = 0; k < r->names.n; k++)
			if (add_custom(ctx, action, r->names.v[k], r, e) < 0)
				return -1;
	}
	return 0;
}

static int
compile_profile(const struct seccomp_profile *p, uint64_t caps, int *ret_memfd, unsigned *ret_flags, struct err *e)
{
	struct filter_newest newest = { { 0 } };
	uint32_t otherwise;
	scmp_filter_ctx ctx;
	int r;

	if (action_of(p->default_action, &p->default_errno_ret, &otherwise, e) < 0 || take_flags(p, ret_flags, e) < 0)
		return -1;
	ctx = seccomp_init(otherwise);
	if (ctx == NULL)
		return err_set(e, ERR_NO_MEMORY, "system call filter");
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
	r = add_arches(ctx, p, e);
	if (r == 0)
		r = add_profile(ctx, p, otherwise, caps, &newest, e);
	if (r == 0)
		r = filter_export(ctx, otherwise == SCMP_ACT_ALLOW || otherwise == SCMP_ACT_LOG ? NULL : &newest, ret_memfd, e);
	seccomp_release(ctx);
	return r;
}

int
filter_for(struct runtime *rt, const struct run_process *p, int *ret_memfd, unsigned *ret_flags, struct err *e)
{
	const char *mode = p->seccomp_mode != NULL ? p->seccomp_mode : "default";

	*ret_memfd = -1;
	*ret_flags = 0;
	if (strcmp(mode, "unconfined") == 0)
		return 0;
	if (strcmp(mode, "custom") == 0) {
		if (p->seccomp == NULL)
			return err_set(e, ERR_PROTOCOL, "no seccomp profile");
		return compile_profile(p->seccomp, (uint64_t)p->caps, ret_memfd, ret_flags, e);
	}
	if (strcmp(mode, "default") != 0 && *mode != '\0')
		return err_set(e, ERR_INVALID, "invalid seccomp mode: %s", mode);
	return default_for(rt, (uint64_t)p->caps, ret_memfd, e);
}

int
filter_monitor(int *ret_memfd, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (ctx == NULL)
		return err_set(e, ERR_NO_MEMORY, "system call filter");
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
	r = add_names(ctx, SCMP_ACT_ALLOW, role_table[ROLE_MONITOR].syscalls, e);
	if (r == 0)
		r = filter_export(ctx, NULL, ret_memfd, e);
	seccomp_release(ctx);
	return r;
}
