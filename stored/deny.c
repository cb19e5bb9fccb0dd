#include "deny.h"

#include "fd.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define INSNS_PER_DEVICE 10

static unsigned
access_of(const struct mount_denial *d)
{
	return (d->read ? BPF_DEVCG_ACC_READ : 0u) | (d->write ? BPF_DEVCG_ACC_WRITE : 0u);
}

/* The name comes from the kernel: nobody makes files in that file system. */
static int
deny_v1(int proc, int file, const struct mount_denials *d, struct err *e)
{
	static const char name[] = "/devices.deny";
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof link, "self/fd/%d", file);
	n = readlinkat(proc, link, path, sizeof path);
	if (n < (ssize_t)sizeof name || memcmp(path + n - (sizeof name - 1), name, sizeof name - 1) != 0)
		return err_set(e, ERR_PROTOCOL, "not a file that takes devices away");
	for (size_t i = 0; i < d->devices.n; i++) {
		const struct mount_denial *k = &d->devices.v[i];
		char text[64];

		snprintf(text, sizeof text, "%c %lld:%lld %s%s", k->block ? 'b' : 'c', (long long)k->major, (long long)k->minor, k->read ? "r" : "", k->write ? "w" : "");
		if (write(file, text, strlen(text)) < 0)
			return err_sys(e, errno, "device rule \"%s\"", text);
	}
	return 0;
}

/* A program whose answer is "no" for these, "I do not mind" for all else; other programs of the group go on to count. */
static int
deny_v2(int group, const struct mount_denials *d, struct err *e)
{
	struct bpf_insn p[8 + INSNS_PER_DEVICE * MOUNT_DENIALS_MAX];
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE }, attach = { .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI };
	own_fd program = -1;
	unsigned n = 0;

	p[n++] = (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = offsetof(struct bpf_cgroup_dev_ctx, access_type) };
	p[n++] = (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 4, .src_reg = 1, .off = offsetof(struct bpf_cgroup_dev_ctx, major) };
	p[n++] = (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 5, .src_reg = 1, .off = offsetof(struct bpf_cgroup_dev_ctx, minor) };
	for (size_t i = 0; i < d->devices.n; i++) {
		const struct mount_denial *k = &d->devices.v[i];

		p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 2 };
		p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 3, .imm = 0xffff };
		p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 3, .imm = k->block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, .off = 7 };
		p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 4, .imm = (int)k->major, .off = 6 };
		p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 5, .imm = (int)k->minor, .off = 5 };
		p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 2 };
		p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 3, .imm = (int)(access_of(k) << 16) };
		p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 3, .imm = 0, .off = 2 };
		p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 };
		p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	}
	p[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 };
	p[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	load.insns = (uint64_t)(uintptr_t)p;
	load.insn_cnt = n;
	load.license = (uint64_t)(uintptr_t)"Apache-2.0";
	program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if (program < 0)
		return err_sys(e, errno, "load a device program");
	attach.target_fd = (unsigned)group;
	attach.attach_bpf_fd = (unsigned)program;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0 ? err_sys(e, errno, "attach a device program") : 0;
}

int
deny_devices(int proc, int group, uid_t owner, const struct mount_denials *d, struct err *e)
{
	struct statfs fs;
	struct stat st;

	/* (for a group of the host's own this would shut devices for the host) */
	if (fstat(group, &st) < 0 || fstatfs(group, &fs) < 0 || st.st_uid != owner || owner == 0)
		return err_set(e, ERR_PROTOCOL, "not a control group of the runtime");
	if (fs.f_type == CGROUP_SUPER_MAGIC)
		return deny_v1(proc, group, d, e);
	return fs.f_type == CGROUP2_SUPER_MAGIC && S_ISDIR(st.st_mode) ? deny_v2(group, d, e) : err_set(e, ERR_PROTOCOL, "not a control group");
}
