/* A system call profile as runtime-spec's linux.seccomp, for a container that another runtime makes: it loads the filter itself. */
#include "runtime.h"

#include "fd.h"
#include "filter_table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)4 << 20)

static void
put_names(struct buf *b, const char *const *names)
{
	buf_puts(b, "{\"names\":[");
	for (size_t i = 0; names[i] != NULL; i++) {
		if (i > 0)
			buf_putc(b, ',');
		buf_put_quoted(b, names[i]);
	}
	buf_puts(b, "],\"action\":\"SCMP_ACT_ALLOW\"}");
}

static void
put_arg(struct buf *b, const char *name, uint64_t value, const char *op)
{
	buf_printf(b, ",{\"names\":[\"%s\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":%llu,\"valueTwo\":0,\"op\":\"%s\"}]}", name,
	    (unsigned long long)value, op);
}

/* The rules of filter.c's add_default_rules. */
static void
put_default(struct buf *b, uint64_t caps)
{
	buf_printf(b, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":%d,\"architectures\":[", EPERM);
#if defined __x86_64__
	buf_puts(b, "\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"");
#elif defined __aarch64__
	buf_puts(b, "\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_ARM\"");
#endif
	buf_puts(b, "],\"syscalls\":[");
	put_names(b, filter_always);
	for (size_t i = 0; i < filter_n_caps; i++)
		if ((caps >> filter_caps[i].cap & 1) != 0) {
			buf_putc(b, ',');
			put_names(b, filter_caps[i].names);
		}
	for (size_t i = 0; i < filter_n_families; i++)
		put_arg(b, "socket", (uint64_t)filter_families[i], "SCMP_CMP_EQ");
	for (size_t i = 0; i < filter_n_personalities; i++)
		put_arg(b, "personality", filter_personalities[i], "SCMP_CMP_EQ");
	if ((caps >> CAP_SYS_ADMIN & 1) == 0) {
		put_arg(b, "clone", FILTER_CLONE_SPACES, "SCMP_CMP_MASKED_EQ");
		buf_printf(b, ",{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%d}", ENOSYS);
	}
	buf_puts(b, "]}");
}

static void
put_list(struct buf *b, const struct strs *s, bool *first)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!*first)
			buf_putc(b, ',');
		*first = false;
		buf_put_quoted(b, s->v[i]);
	}
}

static void
put_rule(struct buf *b, const struct seccomp_rule *r)
{
	bool first = true;

	buf_puts(b, "{\"names\":[");
	put_list(b, &r->names, &first);
	if (r->name != NULL && *r->name != '\0')
		put_list(b, &(struct strs){ 1, (char **)(uintptr_t)&r->name }, &first);
	buf_puts(b, "],\"action\":");
	buf_put_quoted(b, r->action);
	if (r->errno_ret.set)
		buf_printf(b, ",\"errnoRet\":%lld", (long long)r->errno_ret.v);
	buf_puts(b, ",\"args\":[");
	for (size_t i = 0; i < r->args.n; i++) {
		const struct seccomp_arg *a = &r->args.v[i];

		buf_printf(b, "%s{\"index\":%lld,\"value\":%llu,\"valueTwo\":%llu,\"op\":", i > 0 ? "," : "", (long long)a->index,
		    (unsigned long long)a->value, (unsigned long long)a->value_two);
		buf_put_quoted(b, a->op);
		buf_putc(b, '}');
	}
	buf_puts(b, "]}");
}

static void
put_profile(struct buf *b, const struct seccomp_profile *p, uint64_t caps)
{
	bool first = true;

	buf_puts(b, "{\"defaultAction\":");
	buf_put_quoted(b, p->default_action);
	if (p->default_errno_ret.set)
		buf_printf(b, ",\"defaultErrnoRet\":%lld", (long long)p->default_errno_ret.v);
	buf_puts(b, ",\"architectures\":[");
	put_list(b, &p->architectures, &first);
	for (size_t i = 0; i < p->arch_map.n; i++)
		if (filter_is_native(p->arch_map.v[i].architecture)) {
			put_list(b, &(struct strs){ 1, &p->arch_map.v[i].architecture }, &first);
			put_list(b, &p->arch_map.v[i].sub_architectures, &first);
		}
	buf_puts(b, "],\"flags\":[");
	first = true;
	put_list(b, &p->flags, &first);
	buf_puts(b, "],\"syscalls\":[");
	first = true;
	for (size_t i = 0; i < p->syscalls.n; i++)
		if (filter_applies(&p->syscalls.v[i], caps)) {
			if (!first)
				buf_putc(b, ',');
			first = false;
			put_rule(b, &p->syscalls.v[i]);
		}
	buf_puts(b, "]}");
}

int
filter_json(const struct run_process *p, int *ret_memfd, struct err *e)
{
	own_buf b = BUF_INIT(TEXT_MAX);
	own_fd fd = -1;

	if (p->seccomp_mode != NULL && strcmp(p->seccomp_mode, "custom") == 0 && p->seccomp != NULL)
		put_profile(&b, p->seccomp, (uint64_t)p->caps);
	else
		put_default(&b, (uint64_t)p->caps);
	if (b.failed)
		return err_set(e, ERR_NO_MEMORY, "system call filter");
	fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || fd_write_all(fd, b.data, b.used) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, errno, "write the system call filter");
	*ret_memfd = fd_take(&fd);
	return 0;
}
