/* A seccomp profile in JSON to a program: what is accepted is one that the kernel could load, and it ends on every path. */
#include "runtime.h"

#include "fd.h"
#include "json.h"
#include "seccomp_check.h"

#include <linux/filter.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_program(const struct sock_filter *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t kind = BPF_CLASS(v[i].code);

		if (kind == BPF_JMP && i + 1 + (v[i].code == (BPF_JMP | BPF_JA) ? v[i].k : v[i].jt > v[i].jf ? v[i].jt : v[i].jf) >= n)
			abort();
		if (kind != BPF_JMP && kind != BPF_RET && i + 1 == n)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct runtime rt;
	static struct sock_filter code[BPF_MAXINSNS];
	own_arena a = ARENA_INIT;
	struct seccomp_profile p = { 0 };
	struct run_process process = { .caps = INT64_C(0xa80425fb), .seccomp_mode = (char *)(uintptr_t)"custom", .seccomp = &p };
	struct err e = ERR_INIT;
	unsigned flags = 0;
	own_fd fd = -1;
	ssize_t got;

	json_init();
	if (json_read(&seccomp_profile_type, (const char *)data, n, &a, &p, &e) < 0 || seccomp_check(&p, &e) < 0)
		return 0;
	if (filter_for(&rt, &process, &fd, &flags, &e) < 0)
		return 0;
	got = pread(fd, code, sizeof code, 0);
	if (got <= 0 || (size_t)got % sizeof *code != 0)
		abort();
	check_program(code, (size_t)got / sizeof *code);
	return 0;
}
