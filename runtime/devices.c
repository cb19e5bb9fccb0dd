/*
 * What a container without a user namespace may open: with cgroup v1 a list in its devices group, with v2 a small program on its
 * group. Everything is denied but making nodes, the devices that every container has, and what was asked for.
 */
#include "runtime.h"

#include "fd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ANY (-1)
#define RULES_MAX 1024
#define INSNS_PER_RULE 12

struct rule {
	char type;                   /* a, b, c */
	int64_t major, minor;        /* ANY: all */
	unsigned access;             /* BPF_DEVCG_ACC_* */
};
struct rules {
	struct rule v[RULES_MAX];
	size_t n;
};

static const struct rule usual[] = {
	{ 'c', ANY, ANY, BPF_DEVCG_ACC_MKNOD }, { 'b', ANY, ANY, BPF_DEVCG_ACC_MKNOD },
#define RWM (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)
	{ 'c', 1, 3, RWM }, { 'c', 1, 5, RWM }, { 'c', 1, 7, RWM }, { 'c', 1, 8, RWM }, { 'c', 1, 9, RWM },   /* null zero full random urandom */
	{ 'c', 5, 0, RWM }, { 'c', 5, 1, RWM }, { 'c', 5, 2, RWM }, { 'c', 136, ANY, RWM },                   /* tty console ptmx pts */
};

static int
add(struct rules *r, struct rule rule, struct err *e)
{
	if (r->n == RULES_MAX)
		return err_set(e, ERR_LIMIT, "too many devices");
	r->v[r->n++] = rule;
	return 0;
}

static bool
parse_access(const char *text, unsigned *ret)
{
	*ret = 0;
	for (; *text != '\0'; text++) {
		unsigned bit = *text == 'r' ? BPF_DEVCG_ACC_READ : *text == 'w' ? BPF_DEVCG_ACC_WRITE : *text == 'm' ? BPF_DEVCG_ACC_MKNOD : 0u;

		if (bit == 0)
			return false;
		*ret |= bit;
	}
	return *ret != 0;
}

static bool
parse_number(const char *text, int64_t *ret)
{
	uint64_t v;

	if (strcmp(text, "*") == 0) {
		*ret = ANY;
		return true;
	}
	if (!text_to_u64(text, INT32_MAX, &v))
		return false;
	*ret = (int64_t)v;
	return true;
}

/* "c 1:3 rw", "a *:* rwm" */
static int
parse_rule(const char *text, struct rules *r, struct err *e)
{
	char type[2], major_[16], minor_[16], access_[8];
	struct rule rule;
	int end = -1;

	if (sscanf(text, "%1[abc] %15[0-9*]:%15[0-9*] %7[rwm]%n", type, major_, minor_, access_, &end) != 4 || end < 0 || text[end] != '\0' ||
	    !parse_number(major_, &rule.major) || !parse_number(minor_, &rule.minor) || !parse_access(access_, &rule.access))
		return err_set(e, ERR_INVALID, "invalid device cgroup rule format: '%.100s'", text);
	rule.type = *type;
	return add(r, rule, e);
}

static int
add_node(const struct device_mapping *d, int node, struct rules *r, struct err *e)
{
	const char *perms = d->cgroup_permissions != NULL && *d->cgroup_permissions != '\0' ? d->cgroup_permissions : "rwm";
	struct rule rule;
	struct stat st;

	if (fstat(node, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		return err_set(e, ERR_INVALID, "error gathering device information while adding custom device \"%s\": not a device node",
		    d->path_on_host != NULL ? d->path_on_host : "");
	rule = (struct rule){ .type = S_ISCHR(st.st_mode) ? 'c' : 'b', .major = major(st.st_rdev), .minor = minor(st.st_rdev) };
	if (!parse_access(perms, &rule.access))
		return err_set(e, ERR_INVALID, "invalid device permissions \"%.32s\"", perms);
	return add(r, rule, e);
}

/* ---- cgroup v1 ---- */

static int
put(int fd, const char *text, struct err *e)
{
	return write(fd, text, strlen(text)) < 0 ? err_sys(e, errno, "device rule \"%s\"", text) : 0;
}

static int
apply_v1(struct box *b, const struct rules *r, struct err *e)
{
	own_fd deny = cg_open(b->rt, b, "devices", "devices.deny", O_WRONLY), allow = cg_open(b->rt, b, "devices", "devices.allow", O_WRONLY);

	if (deny < 0 || allow < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "the devices cgroup is not available: a container without a user namespace would not be "
		    "kept from the host's devices") : err_sys(e, errno, "open the devices cgroup");
	if (put(deny, "a", e) < 0)
		return -1;
	for (size_t i = 0; i < r->n; i++) {
		const struct rule *k = &r->v[i];
		char text[64], numbers[2][16];

		snprintf(numbers[0], sizeof numbers[0], k->major == ANY ? "*" : "%lld", (long long)k->major);
		snprintf(numbers[1], sizeof numbers[1], k->minor == ANY ? "*" : "%lld", (long long)k->minor);
		snprintf(text, sizeof text, "%c %s:%s %s%s%s", k->type, numbers[0], numbers[1], (k->access & BPF_DEVCG_ACC_READ) != 0 ? "r" : "",
		    (k->access & BPF_DEVCG_ACC_WRITE) != 0 ? "w" : "", (k->access & BPF_DEVCG_ACC_MKNOD) != 0 ? "m" : "");
		if (put(allow, text, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- cgroup v2 ---- */

struct program_text {
	struct bpf_insn v[RULES_MAX * INSNS_PER_RULE + 16];
	size_t n;
};

static void
insn(struct program_text *p, struct bpf_insn i)
{
	p->v[p->n++] = i;
}

/* r2 type, r3 access, r4 major, r5 minor; each check that fails goes on to the next rule */
static void
put_rule(struct program_text *p, const struct rule *k)
{
	size_t jumps[4], n = 0;

	if (k->type != 'a') {
		jumps[n++] = p->n;
		insn(p, (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = k->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK });
	}
	/* nothing is wanted that the rule does not give */
	insn(p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 3 });
	insn(p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 1, .imm = (int)(7u & ~k->access) });
	jumps[n++] = p->n;
	insn(p, (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 1, .imm = 0 });
	if (k->major != ANY) {
		jumps[n++] = p->n;
		insn(p, (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 4, .imm = (int)k->major });
	}
	if (k->minor != ANY) {
		jumps[n++] = p->n;
		insn(p, (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 5, .imm = (int)k->minor });
	}
	insn(p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 });
	insn(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
	for (size_t i = 0; i < n; i++)
		p->v[jumps[i]].off = (int16_t)(p->n - jumps[i] - 1);
}

static int
apply_v2(struct box *b, const struct rules *r, struct err *e)
{
	static struct program_text p;
	own_fd group = cg_open(b->rt, b, NULL, ".", O_RDONLY | O_DIRECTORY), program = -1;
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE }, attach = { .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI };

	if (group < 0)
		return err_sys(e, errno, "open the control group");
	p.n = 0;
	insn(&p, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = offsetof(struct bpf_cgroup_dev_ctx, access_type) });
	insn(&p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 2 });
	insn(&p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 2, .imm = 0xffff });
	insn(&p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = 3, .imm = 16 });
	insn(&p, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 4, .src_reg = 1, .off = offsetof(struct bpf_cgroup_dev_ctx, major) });
	insn(&p, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 5, .src_reg = 1, .off = offsetof(struct bpf_cgroup_dev_ctx, minor) });
	for (size_t i = 0; i < r->n; i++)
		put_rule(&p, &r->v[i]);
	insn(&p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 });
	insn(&p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
	load.insns = (uint64_t)(uintptr_t)p.v;
	load.insn_cnt = (unsigned)p.n;
	load.license = (uint64_t)(uintptr_t)"Apache-2.0";
	program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if (program < 0)
		return err_sys(e, errno, "load the container's device program");
	attach.target_fd = (unsigned)group;
	attach.attach_bpf_fd = (unsigned)program;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0 ? err_sys(e, errno, "attach the container's device program") : 0;
}

int
cg_devices(struct box *b, const struct run_spec *spec, const int *nodes, struct err *e)
{
	static struct rules r;

	r.n = 0;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (add(&r, usual[i], e) < 0)
			return -1;
	for (size_t i = 0; i < spec->devices.n; i++)
		if (add_node(&spec->devices.v[i], nodes[i], &r, e) < 0)
			return -1;
	for (size_t i = 0; i < spec->device_cgroup_rules.n; i++)
		if (parse_rule(spec->device_cgroup_rules.v[i], &r, e) < 0)
			return -1;
	/* a new group may what its parent may: everything */
	if (spec->privileged)
		return 0;
	return b->rt->v2 ? apply_v2(b, &r, e) : apply_v1(b, &r, e);
}
