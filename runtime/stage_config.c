/* A container's process as runtime-spec's config.json, for another runtime. The sandbox and its root are made already, so nothing
   but a mount namespace is asked for, and no mount: what is beneath the root comes along. */
#include "stage.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const caps_names[] = { "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON",
	"BPF", "CHECKPOINT_RESTORE" };

static void
put_caps(struct buf *b, uint64_t caps)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	buf_puts(b, ",\"capabilities\":{");
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		bool first = true;

		buf_printf(b, "%s\"%s\":[", i > 0 ? "," : "", sets[i]);
		for (size_t c = 0; c < sizeof caps_names / sizeof *caps_names; c++)
			if ((caps >> c & 1) != 0) {
				buf_printf(b, "%s\"CAP_%s\"", first ? "" : ",", caps_names[c]);
				first = false;
			}
		buf_putc(b, ']');
	}
	buf_putc(b, '}');
}

static void
put_rlimits(struct buf *b, const struct ulimit_rec_list *l)
{
	buf_puts(b, ",\"rlimits\":[");
	for (size_t i = 0; i < l->n; i++) {
		char name[40] = "";

		for (size_t k = 0; l->v[i].name != NULL && l->v[i].name[k] != '\0' && k + 1 < sizeof name; k++)
			name[k] = (char)toupper((unsigned char)l->v[i].name[k]);
		/* -1 is no limit, which is the largest number there */
		buf_printf(b, "%s{\"type\":\"RLIMIT_%s\",\"hard\":%llu,\"soft\":%llu}", i > 0 ? "," : "", name, (unsigned long long)l->v[i].hard,
		    (unsigned long long)l->v[i].soft);
	}
	buf_putc(b, ']');
}

static void
put_texts(struct buf *b, const char *key, char *const *v)
{
	buf_printf(b, ",\"%s\":[", key);
	for (size_t i = 0; v[i] != NULL; i++) {
		if (i > 0)
			buf_putc(b, ',');
		buf_put_quoted(b, v[i]);
	}
	buf_putc(b, ']');
}

static int
put_filter(struct stage *s, struct buf *b, int fd, struct err *e)
{
	char piece[4096];
	ssize_t n;
	off_t at = 0;

	buf_puts(b, ",\"seccomp\":");
	while ((n = pread(fd, piece, sizeof piece, at)) > 0) {
		buf_put(b, piece, (size_t)n);
		at += n;
	}
	(void)s;
	return n < 0 ? err_sys(e, errno, "read the system call filter") : 0;
}

int
stage_config(struct stage *s, const char *dir, int seccomp, struct buf *b, struct err *e)
{
	const struct run_process *p = s->process;
	char **args = arena_array(&s->arena, p->args.n + 1, sizeof *args);

	if (args == NULL)
		return err_set(e, ERR_NO_MEMORY, "arguments");
	for (size_t i = 0; i < p->args.n; i++)
		args[i] = p->args.v[i];
	buf_printf(b, "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"user\":{\"uid\":%u,\"gid\":%u,\"additionalGids\":[", p->tty ? "true" : "false",
	    s->uid, s->gid);
	for (size_t i = 0; i < s->n_groups; i++)
		buf_printf(b, "%s%u", i > 0 ? "," : "", s->groups[i]);
	buf_puts(b, "]}");
	put_texts(b, "args", args);
	put_texts(b, "env", s->env);
	buf_puts(b, ",\"cwd\":");
	buf_put_quoted(b, p->cwd != NULL && *p->cwd != '\0' ? p->cwd : "/");
	put_caps(b, stage_known_caps((uint64_t)p->caps));
	put_rlimits(b, &p->rlimits);
	if (p->apparmor != NULL && *p->apparmor != '\0' && strcmp(p->apparmor, "unconfined") != 0) {
		buf_puts(b, ",\"apparmorProfile\":");
		buf_put_quoted(b, p->apparmor);
	}
	if (p->selinux != NULL && *p->selinux != '\0') {
		buf_puts(b, ",\"selinuxLabel\":");
		buf_put_quoted(b, p->selinux);
	}
	buf_printf(b, ",\"noNewPrivileges\":%s},\"root\":{\"path\":\"%s/root\",\"readonly\":%s}", p->no_new_privileges ? "true" : "false", dir,
	    s->spec->readonly_rootfs ? "true" : "false");
	/* the one mount tells a runtime that there are devices already */
	buf_printf(b, ",\"mounts\":[{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"%s/root/dev\",\"options\":[\"rbind\",\"rprivate\"]}]", dir);
	buf_puts(b, ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]");
	if (seccomp >= 0 && put_filter(s, b, seccomp, e) < 0)
		return -1;
	buf_puts(b, "}}\n");
	return b->failed ? err_set(e, ERR_NO_MEMORY, "config.json") : 0;
}
