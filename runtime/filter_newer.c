/*
 * Calls that are newer than a profile: who wrote it could not know them. They answer "no such call", as an older kernel would, so that
 * programs fall back to what they did before; "not permitted" would be an error to them. Put before the filter that libseccomp made.
 */
#include "filter_table.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define X32_BIT 0x40000000u

static const struct { uint32_t scmp, audit; bool x32; } archs[FILTER_ARCHS] = {
#if defined __x86_64__
	{ SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, false }, { SCMP_ARCH_X32, AUDIT_ARCH_X86_64, true }, { SCMP_ARCH_X86, AUDIT_ARCH_I386, false },
#elif defined __aarch64__
	{ SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, false }, { SCMP_ARCH_ARM, AUDIT_ARCH_ARM, false },
#endif
};

void
filter_knows(struct filter_newest *n, const char *name)
{
	for (size_t i = 0; i < FILTER_ARCHS; i++) {
		int no = archs[i].scmp != 0 ? seccomp_syscall_resolve_name_arch(archs[i].scmp, name) : -1;

		if (no >= 0 && (uint32_t)no > n->no[i])
			n->no[i] = (uint32_t)no;
	}
}

struct code { struct sock_filter v[BPF_MAXINSNS]; size_t n; };

static void
put(struct code *c, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (c->n < BPF_MAXINSNS)
		c->v[c->n] = (struct sock_filter){ .code = code, .k = k, .jt = jt, .jf = jf };
	c->n++;
}

/* One call table: six instructions, which leave to what follows them what they do not answer. */
static void
put_arch(struct code *c, uint32_t audit, bool x32, uint32_t newest)
{
	uint16_t in_table = BPF_JMP | BPF_JGE | BPF_K;

	put(c, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	put(c, BPF_JMP | BPF_JEQ | BPF_K, audit, 0, 4);
	put(c, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	put(c, in_table, X32_BIT, x32 ? 0 : 2, x32 ? 2 : 0);
	put(c, BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1);
	put(c, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
}

int
filter_export(scmp_filter_ctx ctx, const struct filter_newest *newest, int *ret_memfd, struct err *e)
{
	static struct code c;
	own_fd made = memfd_create("filter", MFD_CLOEXEC), fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;
	int r;

	if (fd < 0 || made < 0)
		return err_sys(e, errno, "memory file for a system call filter");
	r = seccomp_export_bpf(ctx, made);
	if (r < 0)
		return err_sys(e, -r, "compile the system call filter");
	c.n = 0;
	for (size_t i = 0; newest != NULL && i < FILTER_ARCHS; i++)
		if (newest->no[i] != 0 && seccomp_arch_exist(ctx, archs[i].scmp) == 0)
			put_arch(&c, archs[i].audit, archs[i].x32, newest->no[i]);
	n = pread(made, c.v + c.n, (BPF_MAXINSNS - c.n) * sizeof *c.v, 0);
	if (n < 0 || lseek(made, 0, SEEK_END) != n)
		return err_set(e, ERR_LIMIT, "the system call filter is too long");
	if (fd_write_all(fd, c.v, c.n * sizeof *c.v + (size_t)n) < 0)
		return err_sys(e, errno, "write the system call filter");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, errno, "seal the system call filter");
	*ret_memfd = fd_take(&fd);
	return 0;
}
