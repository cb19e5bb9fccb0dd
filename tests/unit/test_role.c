/* What the filter of a role lets through of a call that has many meanings. */
#include "role.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The signal that ended a mounter that gave this command to bpf(2), or 0. */
static int
ended_by(int command)
{
	struct err e = ERR_INIT;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (role_seccomp(ROLE_MOUNTER, &e) < 0)
			_exit(1);
		(void)syscall(SYS_bpf, command, NULL, 0);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
a_mounter_loads_device_programs_and_nothing_else(void **state)
{
#ifdef BULWARK_SANITIZED
	skip();   /* no filters in this build */
#endif
	assert_int_equal(ended_by(BPF_PROG_LOAD), 0);
	assert_int_equal(ended_by(BPF_PROG_ATTACH), 0);
	for (int command = 0; command < 64; command++)
		if (command != BPF_PROG_LOAD && command != BPF_PROG_ATTACH)
			assert_int_equal(ended_by(command), SIGSYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_mounter_loads_device_programs_and_nothing_else) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
