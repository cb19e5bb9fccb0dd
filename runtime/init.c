/*
 * The first process of a container with --init: starts the program, passes signals on, collects orphans, ends as the program
 * ended. Named as the Docker engine names it: /sbin/docker-init -- program args.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void
run(char **argv, const sigset_t *old)
{
	int code;

	(void)setpgid(0, 0);
	/* in the background it would be stopped by its first read; and this very call would stop it */
	(void)signal(SIGTTOU, SIG_IGN);
	(void)tcsetpgrp(STDIN_FILENO, getpid());
	(void)signal(SIGTTOU, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, old, NULL);
	(void)execvp(argv[0], argv);
	code = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
	fprintf(stderr, "[FATAL] exec %s failed: %s\n", argv[0], strerror(errno));
	_exit(code);
}

/* Collects every child that ended; when it was the program, ends with its status. */
static void
collect(pid_t child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child)
			exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

int
main(int argc, char **argv)
{
	sigset_t all, old;
	pid_t child;
	int at = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

	if (argc <= at)
		return 127;
	sigfillset(&all);
	/* faults of our own are not to be waited for */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);
	if (sigprocmask(SIG_BLOCK, &all, &old) < 0 || (child = fork()) < 0)
		return 126;
	if (child == 0)
		run(argv + at, &old);
	for (;;) {
		int sig = sigwaitinfo(&all, NULL);

		if (sig == SIGCHLD)
			collect(child);
		else if (sig > 0)
			(void)kill(child, sig);
	}
}
