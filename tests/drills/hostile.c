#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int
refused(long r)
{
	return r >= 0 ? 0 : errno;
}

static int a_open_shadow(void) { return refused(open("/etc/shadow", O_RDONLY)); }
static int a_open_passwd_for_writing(void) { return refused(open("/etc/passwd", O_WRONLY)); }
static int a_create_in_tmp(void) { return refused(open("/tmp/bulwark-drill-file", O_CREAT | O_WRONLY, 0600)); }
static int a_open_memory_of_init(void) { return refused(open("/proc/1/mem", O_RDWR)); }
static int a_open_root_of_init(void) { return refused(open("/proc/1/root/etc/shadow", O_RDONLY)); }
static int a_socket_inet(void) { return refused(socket(AF_INET, SOCK_STREAM, 0)); }
static int a_socket_packet(void) { return refused(socket(AF_PACKET, SOCK_RAW, 0)); }
static int a_connect_engine(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/var/run/docker.sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? errno : refused(connect(fd, (struct sockaddr *)&a, sizeof a));
}
static int a_exec_shell(void)
{
	char *const argv[] = { (char *)(uintptr_t)"/bin/sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)"exit 0", NULL };

	return refused(execve(argv[0], argv, NULL));
}
static int a_ptrace_parent(void) { return refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)); }
static int a_read_parent_memory(void)
{
	char b[8];
	struct iovec l = { b, sizeof b }, r = { (void *)(uintptr_t)0x400000, sizeof b };

	return refused(syscall(SYS_process_vm_readv, getppid(), &l, 1ul, &r, 1ul, 0ul));
}
static int a_kill_parent(void) { return refused(kill(getppid(), 0)); }
static int a_kill_everybody(void) { return refused(kill(-1, 0)); }
static int a_setuid_root(void) { return refused(setresuid(0, 0, 0)); }
static int a_mount_tmpfs(void) { return refused(mount("none", "/tmp", "tmpfs", 0, NULL)); }
static int a_new_mount_namespace(void) { return refused(unshare(CLONE_NEWNS)); }
static int a_chroot(void) { return refused(chroot("/")); }
static int a_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return refused(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}
static int a_io_uring(void)
{
	struct io_uring_params p = { 0 };

	return refused(syscall(SYS_io_uring_setup, 4u, &p));
}
static int a_load_module(void) { return refused(syscall(SYS_init_module, "", 0ul, "")); }
static int a_kexec(void) { return refused(syscall(SYS_kexec_load, 0ul, 0ul, NULL, 0ul)); }
static int a_set_clock(void)
{
	struct timespec t = { 1, 0 };

	return refused(syscall(SYS_clock_settime, CLOCK_REALTIME, &t));
}
static int a_host_name(void) { return refused(sethostname("taken", 5)); }
static int a_keyring(void) { return refused(syscall(SYS_add_key, "user", "drill", "x", 1ul, -3)); }
static int a_mknod_disk(void) { return refused(mknod("/tmp/bulwark-drill-disk", S_IFBLK | 0600, (8u << 8))); }
static const struct attack attacks[] = {
	{ "open_shadow", a_open_shadow }, { "open_passwd_for_writing", a_open_passwd_for_writing }, { "create_in_tmp", a_create_in_tmp },
	{ "open_memory_of_init", a_open_memory_of_init }, { "open_root_of_init", a_open_root_of_init }, { "socket_inet", a_socket_inet },
	{ "socket_packet", a_socket_packet }, { "connect_engine", a_connect_engine }, { "exec_shell", a_exec_shell },
	{ "ptrace_parent", a_ptrace_parent }, { "read_parent_memory", a_read_parent_memory }, { "kill_parent", a_kill_parent },
	{ "kill_everybody", a_kill_everybody }, { "setuid_root", a_setuid_root }, { "mount_tmpfs", a_mount_tmpfs },
	{ "new_mount_namespace", a_new_mount_namespace }, { "chroot", a_chroot }, { "bpf", a_bpf }, { "io_uring", a_io_uring },
	{ "load_module", a_load_module }, { "kexec", a_kexec }, { "set_clock", a_set_clock }, { "host_name", a_host_name },
	{ "keyring", a_keyring }, { "mknod_disk", a_mknod_disk },
};

const struct attack *
attack_at(size_t i)
{
	return i < sizeof attacks / sizeof *attacks ? &attacks[i] : NULL;
}

const struct attack *
attack_find(const char *name)
{
	for (size_t i = 0; attack_at(i) != NULL; i++)
		if (strcmp(attacks[i].name, name) == 0)
			return &attacks[i];
	return NULL;
}

int
packet_send(int fd, unsigned no, unsigned kind, unsigned flags, uint32_t id, uint32_t len, const void *body, size_t n, const int *fds, size_t nfds)
{
	unsigned char h[16] = { (unsigned char)no, (unsigned char)(no >> 8), (unsigned char)kind, (unsigned char)flags };
	struct iovec iov[2] = { { h, sizeof h }, { (void *)(uintptr_t)body, n } };
	union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int) * 128)]; } control = { 0 };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1 };

	for (unsigned i = 0; i < 4; i++) {
		h[4 + i] = (unsigned char)(id >> (8 * i));
		h[8 + i] = (unsigned char)(len >> (8 * i));
	}
	if (nfds > 0) {
		struct cmsghdr *c;

		m.msg_control = control.space;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int
packet_cut(int fd, int ms)
{
	static unsigned char data[70000];

	for (int waited = 0; waited < ms;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int) * 80)]; } control;
		struct iovec iov = { data, sizeof data };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control };
		ssize_t n;

		if (poll(&p, 1, 20) == 0) {
			waited += 20;
			continue;
		}
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return 1;
		for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c != NULL; c = CMSG_NXTHDR(&m, c))
			for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int got;

				memcpy(&got, CMSG_DATA(c) + i * sizeof got, sizeof got);
				close(got);
			}
	}
	return 0;
}

/* a record of one string "x" */
static const unsigned char one_string[5] = { 1, 0, 0, 0, 'x' };

static void m_unknown_number(int fd, unsigned no) { packet_send(fd, 9999, 0, 0, 1, 5, one_string, 5, NULL, 0); }
static void m_number_zero(int fd, unsigned no) { packet_send(fd, 0, 0, 0, 1, 5, one_string, 5, NULL, 0); }
static void m_unknown_kind(int fd, unsigned no) { packet_send(fd, no, 77, 0, 1, 5, one_string, 5, NULL, 0); }
static void m_unknown_flags(int fd, unsigned no) { packet_send(fd, no, 0, 0x80, 1, 5, one_string, 5, NULL, 0); }
static void m_trailing_byte(int fd, unsigned no) { packet_send(fd, no, 0, 0, 1, 6, "\1\0\0\0xy", 6, NULL, 0); }
static void m_truncated_body(int fd, unsigned no) { packet_send(fd, no, 0, 0, 1, 3, one_string, 3, NULL, 0); }
static void m_length_lies_high(int fd, unsigned no) { packet_send(fd, no, 0, 0, 1, 500, one_string, 5, NULL, 0); }
static void m_length_lies_low(int fd, unsigned no) { packet_send(fd, no, 0, 0, 1, 1, one_string, 5, NULL, 0); }
static void m_no_header(int fd, unsigned no) { send(fd, "abc", 3, MSG_NOSIGNAL); }
static void m_string_too_long(int fd, unsigned no) { packet_send(fd, no, 0, 0, 1, 5, "\xff\xff\xff\x7fx", 5, NULL, 0); }
static void m_string_with_nul(int fd, unsigned no) { packet_send(fd, no, 0, 0, 1, 7, "\3\0\0\0a\0b", 7, NULL, 0); }
static void m_reply_not_asked_for(int fd, unsigned no) { packet_send(fd, no, 1, 0, 12345, 0, NULL, 0, NULL, 0); }
static void m_error_not_asked_for(int fd, unsigned no) { packet_send(fd, no, 2, 0, 12345, 0, NULL, 0, NULL, 0); }
static void m_reserved_not_zero(int fd, unsigned no)
{
	unsigned char h[21] = { (unsigned char)no, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 9, 9, 9, 9, 1, 0, 0, 0, 'x' };

	send(fd, h, sizeof h, MSG_NOSIGNAL);
}
static void m_surplus_descriptors(int fd, unsigned no)
{
	int fds[80];

	for (size_t i = 0; i < 80; i++)
		fds[i] = fd;
	packet_send(fd, no, 0, 0, 1, 5, one_string, 5, fds, 80);
}
static void m_oversized(int fd, unsigned no)
{
	size_t n = 120000;
	unsigned char *b = calloc(1, n);

	if (b != NULL)
		packet_send(fd, no, 0, 0, 1, (uint32_t)n, b, n, NULL, 0);
	free(b);
}
static void m_unsealed_memory(int fd, unsigned no)
{
	int mem = memfd_create("drill", MFD_CLOEXEC);

	(void)!ftruncate(mem, 100000);
	packet_send(fd, no, 0, 1, 1, 100000, NULL, 0, &mem, 1);
	close(mem);
}
static void m_memory_flag_without_memory(int fd, unsigned no) { packet_send(fd, no, 0, 1, 1, 100000, NULL, 0, NULL, 0); }

static const struct malformed malformations[] = {
	{ "unknown_number", m_unknown_number }, { "number_zero", m_number_zero }, { "unknown_kind", m_unknown_kind },
	{ "unknown_flags", m_unknown_flags }, { "trailing_byte", m_trailing_byte }, { "truncated_body", m_truncated_body },
	{ "length_lies_high", m_length_lies_high }, { "length_lies_low", m_length_lies_low }, { "no_header", m_no_header },
	{ "string_too_long", m_string_too_long }, { "string_with_nul", m_string_with_nul }, { "reply_not_asked_for", m_reply_not_asked_for },
	{ "error_not_asked_for", m_error_not_asked_for }, { "reserved_not_zero", m_reserved_not_zero },
	{ "surplus_descriptors", m_surplus_descriptors }, { "oversized", m_oversized }, { "unsealed_memory", m_unsealed_memory },
	{ "memory_flag_without_memory", m_memory_flag_without_memory },
};

const struct malformed *
malformed_at(size_t i)
{
	return i < sizeof malformations / sizeof *malformations ? &malformations[i] : NULL;
}

const struct malformed *
malformed_find(const char *name)
{
	for (size_t i = 0; malformed_at(i) != NULL; i++)
		if (strcmp(malformations[i].name, name) == 0)
			return &malformations[i];
	return NULL;
}
