#include "nl.h"

#include "fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
nl_open(struct nl *nl, int protocol, struct err *e)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	int size = 1 << 20, on = 1;

	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (nl->fd < 0 || bind(nl->fd, (struct sockaddr *)&a, sizeof a) < 0)
		return err_sys(e, errno, "netlink socket");
	(void)setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	(void)setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	nl->seq = 1;
	nl_begin(nl);
	return 0;
}

void
nl_close(struct nl *nl)
{
	fd_close(&nl->fd);
}

void
nl_begin(struct nl *nl)
{
	nl->used = nl->message = 0;
	nl->wanted = 0;
	nl->overflow = false;
	nl->first_seq = nl->seq;
}

/* The header of the open message gets its length. */
static void
close_message(struct nl *nl)
{
	uint32_t n = (uint32_t)(nl->used - nl->message);

	if (nl->used > nl->message)
		memcpy(nl->out + nl->message, &n, sizeof n);
}

static unsigned char *
room(struct nl *nl, size_t n)
{
	size_t aligned = NLMSG_ALIGN(n);
	unsigned char *p = nl->out + nl->used;

	if (nl->overflow || aligned > NL_MAX - nl->used) {
		nl->overflow = true;
		return NULL;
	}
	memset(p, 0, aligned);
	nl->used += aligned;
	return p;
}

void
nl_message(struct nl *nl, uint16_t type, uint16_t flags, const void *head, size_t n, bool ack)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | (ack ? NLM_F_ACK : 0)) };
	unsigned char *p;

	close_message(nl);
	nl->message = nl->used;
	h.nlmsg_seq = nl->seq++;
	nl->wanted += ack ? 1 : 0;
	p = room(nl, sizeof h);
	if (p != NULL)
		memcpy(p, &h, sizeof h);
	nl_raw(nl, head, n);
}

void
nl_raw(struct nl *nl, const void *data, size_t n)
{
	unsigned char *p = room(nl, n);

	if (p != NULL && n > 0)
		memcpy(p, data, n);
}

void
nl_attr(struct nl *nl, uint16_t type, const void *data, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };
	unsigned char *p = n <= UINT16_MAX - NLA_HDRLEN ? room(nl, NLA_HDRLEN + n) : NULL;

	if (p == NULL) {
		nl->overflow = true;
		return;
	}
	memcpy(p, &a, sizeof a);
	if (n > 0)
		memcpy(p + NLA_HDRLEN, data, n);
}

void
nl_str(struct nl *nl, uint16_t type, const char *text)
{
	nl_attr(nl, type, text, strlen(text) + 1);
}

void
nl_u32(struct nl *nl, uint16_t type, uint32_t v)
{
	nl_attr(nl, type, &v, sizeof v);
}

void
nl_be32(struct nl *nl, uint16_t type, uint32_t v)
{
	nl_u32(nl, type, htonl(v));
}

size_t
nl_nest(struct nl *nl, uint16_t type)
{
	size_t at = nl->used;

	nl_attr(nl, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void
nl_end(struct nl *nl, size_t nest)
{
	size_t n = nl->used - nest;
	uint16_t len = (uint16_t)n;

	if (n > UINT16_MAX)
		nl->overflow = true;
	if (!nl->overflow)
		memcpy(nl->out + nest, &len, sizeof len);
}

static int
transmit(struct nl *nl, const char *what, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	close_message(nl);
	if (nl->overflow)
		return err_set(e, ERR_LIMIT, "%s: too large", what);
	do
		n = sendto(nl->fd, nl->out, nl->used, 0, (struct sockaddr *)&kernel, sizeof kernel);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, errno, "%s", what) : 0;
}

static ssize_t
hear(struct nl *nl, unsigned char *in, size_t size)
{
	struct pollfd p = { .fd = nl->fd, .events = POLLIN };
	ssize_t n;

	do {
		/* the kernel answers at once; the bound only keeps a bug from hanging the role */
		if (poll(&p, 1, 5000) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		n = recv(nl->fd, in, size, MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	return n;
}

/* Text of an extended acknowledgement, if there is one. */
static const char *
ext_text(const struct nlmsghdr *h, const struct nlmsgerr *err)
{
	size_t skip = sizeof *err, n;
	const char *text;

	if ((h->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || h->nlmsg_len < NLMSG_HDRLEN + skip)
		return NULL;
	text = nl_find((const unsigned char *)err + skip, h->nlmsg_len - NLMSG_HDRLEN - skip, NLMSGERR_ATTR_MSG, &n);
	return text != NULL && n > 0 && text[n - 1] == '\0' ? text : NULL;
}

static void
one_ack(struct nl *nl, const struct nlmsghdr *h, const char *what, struct err *first)
{
	const struct nlmsgerr *err = NLMSG_DATA(h);

	if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_len < NLMSG_HDRLEN + sizeof *err || (int32_t)(h->nlmsg_seq - nl->first_seq) < 0)
		return;
	if (nl->wanted > 0)
		nl->wanted--;
	if (err->error == 0 || first->code != ERR_NONE)
		return;
	err_sys(first, -err->error, "%s", what);
	if (ext_text(h, err) != NULL) {
		err_set(first, ERR_SYSTEM, "%s: %s", what, ext_text(h, err));
		first->sys = -err->error;
	}
}

int
nl_talk(struct nl *nl, const char *what, struct err *e)
{
	static unsigned char in[32768];
	struct err first = ERR_INIT;

	if (transmit(nl, what, e) < 0)
		return -1;
	while (nl->wanted > 0) {
		ssize_t n = hear(nl, in, sizeof in);

		if (n < 0)
			return err_sys(e, errno, "%s", what);
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)in; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
			one_ack(nl, h, what, &first);
		/* a failed batch of nfnetlink answers only what failed */
		if (first.code != ERR_NONE)
			break;
	}
	nl_begin(nl);
	if (first.code == ERR_NONE)
		return 0;
	*e = first;
	return -1;
}

int
nl_dump(struct nl *nl, const char *what, void (*fn)(void *, uint16_t, const unsigned char *, size_t), void *ctx, struct err *e)
{
	static unsigned char in[65536];
	uint32_t seq = nl->seq - 1;

	if (transmit(nl, what, e) < 0)
		return -1;
	nl_begin(nl);
	for (;;) {
		ssize_t n = hear(nl, in, sizeof in);

		if (n < 0)
			return err_sys(e, errno, "%s", what);
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)in; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != seq)
				continue;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return err_sys(e, -((const struct nlmsgerr *)NLMSG_DATA(h))->error, "%s", what);
			fn(ctx, h->nlmsg_type, NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN);
		}
	}
}

const void *
nl_find(const unsigned char *attrs, size_t n, uint16_t type, size_t *ret_n)
{
	while (n >= NLA_HDRLEN) {
		struct nlattr a;

		memcpy(&a, attrs, sizeof a);
		if (a.nla_len < NLA_HDRLEN || a.nla_len > n)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == type) {
			*ret_n = a.nla_len - NLA_HDRLEN;
			return attrs + NLA_HDRLEN;
		}
		if ((size_t)NLA_ALIGN(a.nla_len) >= n)
			break;
		attrs += NLA_ALIGN(a.nla_len);
		n -= NLA_ALIGN(a.nla_len);
	}
	return NULL;
}
