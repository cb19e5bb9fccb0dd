/*
 * A hostile worker in the place of bulwark-worker: same user, same sandbox, and a channel to the broker. Each client sends the
 * name of an attack and a newline; what came of it is answered in one line, if the process still lives.
 */
#include "comp.h"
#include "fd.h"
#include "hostile.h"
#include "msg/api.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int channel = -1;
static struct loop_io io = { .fd = -1 };

static void
say(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
}

/* A whole, honest question to the broker, to see that it still serves. */
static bool
ask_broker(void)
{
	unsigned char in[4096];
	struct pollfd p = { .fd = channel, .events = POLLIN };

	if (packet_send(channel, NO_system_info, 0, 0, 77, 0, NULL, 0, NULL, 0) < 0 || poll(&p, 1, 3000) <= 0)
		return false;
	return recv(channel, in, sizeof in, MSG_DONTWAIT) > 16 && in[2] == 1;
}

static void
attack(int client, const char *name)
{
	const struct attack *a = attack_find(name);
	const struct malformed *m = malformed_find(name);
	char text[128];

	if (strcmp(name, "ping") == 0) {
		say(client, ask_broker() ? "pong\n" : "silence\n");
	} else if (a != NULL) {
		int r = a->run();

		snprintf(text, sizeof text, r == 0 ? "effect\n" : "refused %s\n", strerror(r));
		say(client, text);
	} else if (m != NULL) {
		m->send(channel, NO_container_inspect);
		say(client, packet_cut(channel, 2000) ? "cut off\n" : "not cut off\n");
		_exit(0);
	} else if (strcmp(name, "wrong_side") == 0) {
		packet_send(channel, NO_client_open, 0, 0, 1, 0, NULL, 0, &client, 1);
		say(client, packet_cut(channel, 2000) ? "cut off\n" : "not cut off\n");
		_exit(0);
	} else {
		say(client, "unknown attack\n");
	}
}

static void
on_packet(struct loop_io *l, uint32_t events)
{
	unsigned char data[4096];
	union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int) * 4)]; } control;
	struct iovec iov = { data, sizeof data };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control };
	struct cmsghdr *c;
	char name[64] = "";
	int client = -1;

	if (recvmsg(l->fd, &msg, 0) <= 0)
		_exit(0);
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(&client, CMSG_DATA(c), sizeof client);
	if (client < 0)
		return;
	for (size_t n = 0; n < sizeof name - 1; n++) {
		struct pollfd p = { .fd = client, .events = POLLIN };

		if (poll(&p, 1, 2000) <= 0 || read(client, name + n, 1) != 1 || name[n] == '\n') {
			name[n] = '\0';
			break;
		}
	}
	attack(client, name);
	close(client);
}

static int
start(struct comp *c, const struct ctl_start *m, int *fds, size_t nfds, struct err *e)
{
	c->trees[c->n_trees++] = (struct role_tree){ .fd = fd_take(&fds[0]), .close = true };
	return 0;
}

static int
edge(struct comp *c, const char *name, int fd, struct err *e)
{
	channel = fd;
	io.fd = fd;
	io.on_ready = on_packet;
	return loop_add(c->loop, &io, 1, e);
}

int
main(void)
{
	struct comp c = { .role = ROLE_WORKER, .start = start, .edge = edge };

	return comp_main(&c);
}
