/* config.json: by records; beside them, what this runtime does not do is refused by name, and what nobody knows is ignored. */
#include "oci.h"

#include "fd.h"
#include "json.h"
#include "text.h"

#include <cap-ng.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX ((size_t)4 << 20)

#define REC_SELF struct oci_caps
REC_DEFINE(oci_caps, OCI_CAPS_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_rlimit
REC_DEFINE(oci_rlimit, OCI_RLIMIT_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_user
REC_DEFINE(oci_user, OCI_USER_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_process
REC_DEFINE(oci_process, OCI_PROCESS_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_root
REC_DEFINE(oci_root, OCI_ROOT_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_mount
REC_DEFINE(oci_mount, OCI_MOUNT_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_space
REC_DEFINE(oci_space, OCI_SPACE_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_idmap
REC_DEFINE(oci_idmap, OCI_IDMAP_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_linux
REC_DEFINE(oci_linux, OCI_LINUX_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_config
REC_DEFINE(oci_config, OCI_CONFIG_FIELDS)
#undef REC_SELF

unsigned
oci_space_flag(const char *type)
{
	static const struct { const char *name; unsigned flag; } rows[] = {
		{ "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "mount", CLONE_NEWNS }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },
		{ "user", CLONE_NEWUSER }, { "cgroup", CLONE_NEWCGROUP },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (type != NULL && strcmp(type, rows[i].name) == 0)
			return rows[i].flag;
	return 0;
}

static bool
is_empty(const json_t *v)
{
	return v == NULL || json_is_null(v) || ((json_is_object(v) || json_is_array(v)) && json_object_size(v) + json_array_size(v) == 0) ||
	    (json_is_string(v) && *json_string_value(v) == '\0');
}

static int
refuse(const json_t *object, const char *where, const char *const *names, struct err *e)
{
	for (; *names != NULL; names++)
		if (!is_empty(json_object_get(object, *names)))
			return err_set(e, ERR_UNSUPPORTED, "%s%s is not implemented by bulwark-oci yet", where, *names);
	return 0;
}

static int
read_groups(const json_t *process, struct arena *a, struct oci_process *p, struct err *e)
{
	const json_t *groups = json_object_get(json_object_get(process, "user"), "additionalGids");
	json_t *each;
	size_t i;

	json_array_foreach(groups, i, each) {
		char *text = arena_printf(a, "%lld", (long long)json_integer_value(each));

		if (!json_is_integer(each) || json_integer_value(each) < 0 || json_integer_value(each) > UINT32_MAX || i >= 1024)
			return err_set(e, ERR_INVALID, "process.user.additionalGids: not a group id");
		if (text == NULL || !strs_add(&p->groups, a, text))
			return err_set(e, ERR_NO_MEMORY, "config.json");
	}
	return 0;
}

static int
check_process(const json_t *v, struct arena *a, struct oci_process *p, struct err *e)
{
	static const char *const unknown[] = { "ioPriority", "scheduler", "execCPUAffinity", "commandLine", NULL };

	if (refuse(v, "process.", unknown, e) < 0 || read_groups(v, a, p, e) < 0)
		return -1;
	if (p->args.n == 0)
		return err_set(e, ERR_INVALID, "process.args must not be empty");
	if (p->cwd == NULL || *p->cwd != '/')
		return err_set(e, ERR_INVALID, "process.cwd must be an absolute path");
	return 0;
}

/* With a user namespace the rules for devices cannot be more than what the kernel says there anyway. */
static int
check_resources(const json_t *linux_, struct oci_linux *l, struct err *e)
{
	const json_t *r = json_object_get(linux_, "resources");
	const char *key;
	json_t *each;

	l->device_rules = !is_empty(json_object_get(r, "devices"));
	json_object_foreach((json_t *)(uintptr_t)r, key, each)
		if (strcmp(key, "devices") != 0 && !is_empty(each))
			return err_set(e, ERR_UNSUPPORTED, "linux.resources.%.32s is not implemented by bulwark-oci yet", key);
	return 0;
}

static int
check_mounts(const json_t *mounts, const struct oci_config *c, struct err *e)
{
	json_t *each;
	size_t i;

	json_array_foreach(mounts, i, each)
		if (!is_empty(json_object_get(each, "uidMappings")) || !is_empty(json_object_get(each, "gidMappings")))
			return err_set(e, ERR_UNSUPPORTED, "mounts: uidMappings is not implemented by bulwark-oci yet");
	for (i = 0; i < c->mounts.n; i++)
		if (c->mounts.v[i].destination == NULL || *c->mounts.v[i].destination != '/')
			return err_set(e, ERR_INVALID, "mounts: a destination must be an absolute path");
	return 0;
}

static int
check_spaces(const struct oci_linux *l, struct err *e)
{
	unsigned seen = 0;

	for (size_t i = 0; i < l->namespaces.n; i++) {
		unsigned flag = oci_space_flag(l->namespaces.v[i].type);

		if (flag == 0)
			return err_set(e, ERR_UNSUPPORTED, "linux.namespaces: \"%.32s\" is not implemented by bulwark-oci yet", text_starts(l->namespaces.v[i].type != NULL ?
			    l->namespaces.v[i].type : "", "time") ? "time" : l->namespaces.v[i].type);
		if ((seen & flag) != 0)
			return err_set(e, ERR_INVALID, "linux.namespaces: \"%s\" is there twice", l->namespaces.v[i].type);
		if (flag == CLONE_NEWNS && l->namespaces.v[i].path != NULL && *l->namespaces.v[i].path != '\0')
			return err_set(e, ERR_UNSUPPORTED, "linux.namespaces: a mount namespace that exists is not joined by bulwark-oci");
		seen |= flag;
	}
	if ((seen & CLONE_NEWNS) == 0)
		return err_set(e, ERR_UNSUPPORTED, "linux.namespaces: a mount namespace is needed");
	if ((l->uids.n > 0 || l->gids.n > 0) && (seen & CLONE_NEWUSER) == 0)
		return err_set(e, ERR_INVALID, "linux.uidMappings without a user namespace");
	return 0;
}

static int
check(const json_t *v, struct arena *a, struct oci_config *c, struct err *e)
{
	static const char *const top[] = { "hooks", "solaris", "windows", "vm", "zos", NULL };
	static const char *const inner[] = { "devices", "netDevices", "cgroupsPath", "intelRdt", "memoryPolicy", "personality", "timeOffsets", NULL };
	const json_t *l = json_object_get(v, "linux");

	if (c->version == NULL || !text_starts(c->version, "1."))
		return err_set(e, ERR_INVALID, "ociVersion \"%.32s\" is not supported", c->version != NULL ? c->version : "");
	if (c->root == NULL || c->root->path == NULL || *c->root->path == '\0')
		return err_set(e, ERR_INVALID, "root.path is missing");
	if (c->process == NULL)
		return err_set(e, ERR_INVALID, "process is missing");
	if (c->linux_ == NULL)
		return err_set(e, ERR_INVALID, "linux is missing");
	if (refuse(v, "", top, e) < 0 || refuse(l, "linux.", inner, e) < 0 || check_resources(l, c->linux_, e) < 0 || check_spaces(c->linux_, e) < 0)
		return -1;
	return check_mounts(json_object_get(v, "mounts"), c, e) < 0 ? -1 : check_process(json_object_get(v, "process"), a, c->process, e);
}

/* The specification's numbers have 64 bits without a sign, ours have one: the same bits, in place. */
static int
parse(const char *text, size_t n, struct arena *a, json_t **ret, struct err *e)
{
	char *copy = arena_strn(a, text, n);
	bool quoted = false;

	if (copy == NULL)
		return err_set(e, ERR_NO_MEMORY, "config.json");
	for (size_t i = 0, len; i < n; i += len) {
		char number[24];
		unsigned long long v;

		len = quoted ? 0 : strspn(copy + i, "0123456789");
		if (len == 0) {
			len = quoted && copy[i] == '\\' && i + 1 < n ? 2 : 1;
			quoted = copy[i] == '"' ? !quoted : quoted;
			continue;
		}
		if (len < 19 || len > 20 || (i > 0 && strchr("-.eE+", copy[i - 1]) != NULL))
			continue;
		errno = 0;
		v = strtoull(copy + i, NULL, 10);
		/* (a few just beyond ours are longer with their sign, and stay too big) */
		if (errno == 0 && v > INT64_MAX && snprintf(number, sizeof number, "%*lld", (int)len, (long long)v) == (int)len)
			memcpy(copy + i, number, len);
	}
	return json_parse(copy, n, ret, e);
}

int
oci_spec_read(const char *text, size_t n, struct arena *a, struct oci_config *ret, struct err *e)
{
	own_json *v = NULL;

	if (parse(text, n, a, &v, e) < 0)
		return -1;
	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "config.json is not an object");
	*ret = (struct oci_config){ 0 };
	return json_to_rec(&oci_config_type, v, "", a, ret, NULL, e) < 0 ? -1 : check(v, a, ret, e);
}

int
oci_process_read(const char *text, size_t n, struct arena *a, struct oci_process *ret, struct err *e)
{
	own_json *v = NULL;

	if (parse(text, n, a, &v, e) < 0)
		return -1;
	*ret = (struct oci_process){ 0 };
	return json_to_rec(&oci_process_type, v, "process", a, ret, NULL, e) < 0 ? -1 : check_process(v, a, ret, e);
}

int
oci_spec_load(const char *bundle, struct arena *a, struct oci_config *ret, struct err *e)
{
	own_fd dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *text = arena_alloc(a, CONFIG_MAX);
	ssize_t n;

	if (dir < 0)
		return err_sys(e, errno, "open bundle \"%.200s\"", bundle);
	if (text == NULL)
		return err_set(e, ERR_NO_MEMORY, "config.json");
	n = fd_read_text(dir, "config.json", text, CONFIG_MAX);
	if (n < 0)
		return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "JSON specification file config.json not found") : err_sys(e, errno, "read config.json");
	return oci_spec_read(text, (size_t)n, a, ret, e);
}

static int
caps_of(const struct strs *s, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < s->n; i++) {
		char lower[64];
		size_t n = 0;
		int c;

		for (const char *p = s->v[i] + (strncasecmp(s->v[i], "CAP_", 4) == 0 ? 4 : 0); p[n] != '\0' && n + 1 < sizeof lower; n++)
			lower[n] = (char)tolower((unsigned char)p[n]);
		lower[n] = '\0';
		c = capng_name_to_capability(lower);
		if (c < 0 || c > 63)
			return err_set(e, ERR_INVALID, "process.capabilities: unknown capability \"%.64s\"", s->v[i]);
		*ret |= UINT64_C(1) << c;
	}
	return 0;
}

static int
plan_caps(const struct oci_caps *k, struct run_process *ret, struct err *e)
{
	uint64_t bounding, effective, permitted;

	if (k == NULL)
		return 0;
	if (caps_of(&k->bounding, &bounding, e) < 0 || caps_of(&k->effective, &effective, e) < 0 || caps_of(&k->permitted, &permitted, e) < 0)
		return -1;
	if (k->ambient.n > 0 || k->inheritable.n > 0)
		return err_set(e, ERR_UNSUPPORTED, "process.capabilities.%s is not implemented by bulwark-oci yet", k->ambient.n > 0 ? "ambient" : "inheritable");
	if (effective != permitted || permitted != bounding)
		return err_set(e, ERR_UNSUPPORTED, "process.capabilities: bounding, effective and permitted that differ are not implemented by bulwark-oci yet");
	ret->caps = (int64_t)bounding;
	return 0;
}

int
oci_process_plan(const struct oci_config *c, const struct oci_process *p, struct run_process *ret, struct err *e)
{
	static struct ulimit_rec limits[64];
	static char names[64][32];

	*ret = (struct run_process){ .args = p->args, .env = p->env, .cwd = p->cwd, .no_new_privileges = p->no_new_privileges, .tty = p->terminal,
		.oom_score_adj = p->oom_score_adj, .apparmor = p->apparmor, .selinux = p->selinux, .seccomp = c->linux_->seccomp,
		.seccomp_mode = (char *)(uintptr_t)(c->linux_->seccomp != NULL ? "custom" : "unconfined") };
	for (size_t i = 0; i < p->rlimits.n; i++) {
		const char *type = p->rlimits.v[i].type;

		if (type == NULL || !text_starts(type, "RLIMIT_"))
			return err_set(e, ERR_INVALID, "process.rlimits: unknown type \"%.32s\"", type != NULL ? type : "");
		for (size_t k = 0; k + 1 < sizeof names[i] && k + 7 <= strlen(type); k++)
			names[i][k] = (char)tolower((unsigned char)type[7 + k]);
		limits[i] = (struct ulimit_rec){ .name = names[i], .hard = p->rlimits.v[i].hard, .soft = p->rlimits.v[i].soft };
	}
	ret->rlimits = (struct ulimit_rec_list){ p->rlimits.n, limits };
	return plan_caps(p->capabilities, ret, e);
}
