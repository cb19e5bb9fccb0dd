/*
 * The profile that confines containers where the host has AppArmor. It is loaded once, before the supervisor gives its
 * capabilities up, by the host's own compiler; one that is there already (an administrator's) is left as it is.
 */
#include "supervisor.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "docker-default"
#define PARSER_MS 20000

/* Everything but: mounting, the kernel's own settings in /proc and /sys, and other processes than those of containers. */
static const char profile[] =
	"profile " NAME " flags=(attach_disconnected,mediate_deleted) {\n"
	"  network,\n"
	"  capability,\n"
	"  file,\n"
	"  umount,\n"
	"  signal (receive) peer=unconfined,\n"
	"  signal (send, receive) peer=" NAME ",\n"
	"  ptrace (trace, read, tracedby, readby) peer=" NAME ",\n"
	"  deny mount,\n"
	/* files that lie in /proc itself, and directories there that are neither a process nor sys */
	"  deny /proc/* w,\n"
	"  deny /proc/{acpi,asound,bus,driver,dynamic_debug,fs,irq,mpt,pressure,scsi,sysvipc,tty}/** w,\n"
	"  deny /proc/sysrq-trigger rwklx,\n"
	"  deny /proc/kcore rwklx,\n"
	/* of /proc/sys what belongs to the container's own namespaces may be written: net, and kernel/{shm,sem,msg}* */
	"  deny /proc/sys/{[^kn],k[^e],n[^e]}** w,\n"
	"  deny /proc/sys/kernel/[^sm]** w,\n"
	"  deny /proc/sys/kernel/s[^he]** w,\n"
	"  deny /proc/sys/kernel/m[^s]** w,\n"
	/* of /sys only the control groups may be written */
	"  deny /sys/[^f]*/** wklx,\n"
	"  deny /sys/f[^s]*/** wklx,\n"
	"  deny /sys/fs/[^c]*/** wklx,\n"
	"  deny /sys/fs/c[^g]*/** wklx,\n"
	"  deny /sys/firmware/** rwklx,\n"
	"  deny /sys/devices/virtual/powercap/** rwklx,\n"
	"  deny /sys/kernel/security/** rwklx,\n"
	"}\n";

static bool
file_has(const char *path, const char *line_start)
{
	FILE *f = fopen(path, "re");
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
		found = strncmp(line, line_start, strlen(line_start)) == 0;
	if (f != NULL)
		fclose(f);
	return found;
}

/* A compiler that hangs is ended. */
static bool
wait_for(pid_t pid)
{
	own_fd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = -1;

	if (pidfd < 0 || poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, PARSER_MS) != 1)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
load(void)
{
	static const char *const places[] = { "/sbin/apparmor_parser", "/usr/sbin/apparmor_parser" };
	int in[2];
	bool done;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		sigset_t none;
		int null = open("/dev/null", O_WRONLY);

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (null < 0 || dup2(in[0], 0) < 0 || dup2(null, 1) < 0)
			_exit(127);
		for (size_t i = 0; i < sizeof places / sizeof *places; i++)
			execle(places[i], "apparmor_parser", "-Kr", (char *)NULL, (char *const[]){ (char *)(uintptr_t)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL });
		_exit(127);
	}
	close(in[0]);
	/* (less than a pipe holds) */
	done = pid > 0 && write(in[1], profile, sizeof profile - 1) == (ssize_t)sizeof profile - 1;
	close(in[1]);
	return pid > 0 && wait_for(pid) && done;
}

bool
apparmor_prepare(void)
{
	if (!file_has("/sys/module/apparmor/parameters/enabled", "Y") || access("/sys/kernel/security/apparmor/profiles", F_OK) < 0)
		return false;
	if (!file_has("/sys/kernel/security/apparmor/profiles", NAME " ") && !load())
		log_msg(LOG_WARN, "the AppArmor profile " NAME " could not be loaded: containers that are confined by it will not start");
	return true;
}
