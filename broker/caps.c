#include "caps.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* by number, as in <linux/capability.h> */
static const char *const names[] = { "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE" };
#define N_NAMES (sizeof names / sizeof *names)
_Static_assert(N_NAMES == 41, "CAPS_ALL follows this list");

/* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP */
const uint64_t caps_default = 0xa80425fb;

int
cap_number(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < N_NAMES; i++)
		if (strcasecmp(name, names[i]) == 0)
			return (int)i;
	return -1;
}

static bool
is_all(const char *name)
{
	return strcasecmp(name, "ALL") == 0 || strcasecmp(name, "CAP_ALL") == 0;
}

int
caps_normalize(struct strs *list, struct arena *a, const char *what, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		int n = cap_number(list->v[i]);
		char *shown;

		if (n < 0 && !is_all(list->v[i]))
			return err_set(e, ERR_INVALID, "invalid %s: unknown capability: \"%s%s\"", what,
			    strncasecmp(list->v[i], "CAP_", 4) == 0 ? "" : "CAP_", list->v[i]);
		shown = n < 0 ? arena_str(a, "ALL") : arena_printf(a, "CAP_%s", names[n]);
		if (shown == NULL)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		list->v[i] = shown;
	}
	return 0;
}

int
caps_apply(const struct strs *add, const struct strs *drop, uint64_t *ret, struct err *e)
{
	uint64_t added = 0, dropped = 0, base = caps_default;
	bool add_all = false, drop_all = false;

	for (size_t i = 0; i < add->n; i++) {
		int n = cap_number(add->v[i]);

		if (is_all(add->v[i]))
			add_all = true;
		else if (n < 0)
			return err_set(e, ERR_INVALID, "invalid CapAdd: unknown capability: \"%s\"", add->v[i]);
		else
			added |= UINT64_C(1) << n;
	}
	for (size_t i = 0; i < drop->n; i++) {
		int n = cap_number(drop->v[i]);

		if (is_all(drop->v[i]))
			drop_all = true;
		else if (n < 0)
			return err_set(e, ERR_INVALID, "invalid CapDrop: unknown capability: \"%s\"", drop->v[i]);
		else
			dropped |= UINT64_C(1) << n;
	}
	/* as the Docker engine: "add ALL" minus the dropped ones; "drop ALL" leaves the added ones; else default - drop + add */
	if (add_all)
		*ret = CAPS_ALL & ~dropped;
	else if (drop_all)
		*ret = added;
	else
		*ret = (base & ~dropped) | added;
	return 0;
}
