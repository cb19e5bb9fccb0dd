/* Descriptors over a socket: those asked for arrive, the others do not stay. */
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned
open_now(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
what_has_no_room_is_closed(void **state)
{
	static const size_t sent[] = { 0, 1, 2, 3, FD_PASS_MAX };
	int fds[FD_PASS_MAX], pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (size_t i = 0; i < FD_PASS_MAX; i++)
		fds[i] = pair[0];
	for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
		unsigned before = open_now();
		int fd = -1;
		size_t n = 1;
		char word = 0;

		assert_int_equal(fd_send(pair[0], &(struct iovec){ "r", 1 }, 1, fds, sent[i], 0), 1);
		assert_int_equal(fd_receive(pair[1], &word, 1, &fd, &n, 0), 1);
		assert_int_equal(word, 'r');
		assert_int_equal(n, sent[i] > 0);
		assert_int_equal(open_now(), before + n);
		if (n == 1)
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		fd_close(&fd);
	}
	close(pair[0]);
	close(pair[1]);
}

static void
ends_and_errors(void **state)
{
	int fds[FD_PASS_MAX + 1] = { 0 }, pair[2];
	size_t n = 0;
	char word;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fd_send(pair[0], NULL, 0, fds, FD_PASS_MAX + 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fd_receive(pair[1], &word, 1, NULL, &n, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(pair[0]);
	assert_int_equal(fd_receive(pair[1], &word, 1, NULL, &n, 0), 0);
	/* no SIGPIPE */
	assert_int_equal(fd_send(pair[1], &(struct iovec){ &word, 1 }, 1, NULL, 0, 0), -1);
	assert_int_equal(errno, EPIPE);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_has_no_room_is_closed), cmocka_unit_test(ends_and_errors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
