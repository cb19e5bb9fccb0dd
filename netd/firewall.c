/*
 * Netlink encodings follow linux/netfilter/nf_tables.h. In the table (family ip):
 *
 *   map ports_any { proto . port : address . port }    published on every local address
 *   map ports_ip  { proto . address . port : ... }     published on one
 *   set reaches   { source . proto . address . port }  links between containers that are kept apart
 *   chain raw      prerouting -300: nobody reaches a container's address but through its bridge or a published port, and
 *                  nobody on a bridge reaches the host's loopback addresses
 *   chain pre      prerouting dstnat, chain out: output dstnat: published ports
 *   chain post     postrouting srcnat: masquerading
 *   chain forward  forward: what may pass between bridges and the world
 */
#include "firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define MSG(type) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (type)))
#define REG NFT_REG32_00      /* the first of the 4-byte registers */
/* type ids of nft(8), for its listing only */
#define TYPE_ADDR 7u
#define TYPE_PROTO 12u
#define TYPE_PORT 13u

struct rule { struct nl *nl; size_t list; };

static void
message(struct nl *nl, uint16_t type, uint16_t flags, bool ack)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0 };

	nl_message(nl, MSG(type), flags, &g, sizeof g, ack);
}

static void
batch(struct nl *nl, uint16_t type)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_message(nl, type, 0, &g, sizeof g, false);
}

static void
chain(struct nl *nl, const char *name, const char *type, uint32_t hook, int32_t priority)
{
	size_t h;

	message(nl, NFT_MSG_NEWCHAIN, NLM_F_CREATE, true);
	nl_str(nl, NFTA_CHAIN_TABLE, FW_TABLE);
	nl_str(nl, NFTA_CHAIN_NAME, name);
	h = nl_nest(nl, NFTA_CHAIN_HOOK);
	nl_be32(nl, NFTA_HOOK_HOOKNUM, hook);
	nl_be32(nl, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nl_end(nl, h);
	nl_be32(nl, NFTA_CHAIN_POLICY, NF_ACCEPT);
	nl_str(nl, NFTA_CHAIN_TYPE, type);
}

static void
set(struct nl *nl, const char *name, uint32_t id, uint32_t key_type, uint32_t key_len, bool map)
{
	message(nl, NFT_MSG_NEWSET, NLM_F_CREATE, true);
	nl_str(nl, NFTA_SET_TABLE, FW_TABLE);
	nl_str(nl, NFTA_SET_NAME, name);
	nl_be32(nl, NFTA_SET_FLAGS, map ? NFT_SET_MAP : 0);
	nl_be32(nl, NFTA_SET_KEY_TYPE, key_type);
	nl_be32(nl, NFTA_SET_KEY_LEN, key_len);
	if (map) {
		nl_be32(nl, NFTA_SET_DATA_TYPE, TYPE_ADDR << 6 | TYPE_PORT);
		nl_be32(nl, NFTA_SET_DATA_LEN, 8);
	}
	nl_be32(nl, NFTA_SET_ID, id);
}

static struct rule
rule_begin(struct nl *nl, const char *chain_name)
{
	struct rule r = { .nl = nl };

	message(nl, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, true);
	nl_str(nl, NFTA_RULE_TABLE, FW_TABLE);
	nl_str(nl, NFTA_RULE_CHAIN, chain_name);
	r.list = nl_nest(nl, NFTA_RULE_EXPRESSIONS);
	return r;
}

static void
rule_end(struct rule *r)
{
	nl_end(r->nl, r->list);
}

struct expr { size_t elem, data; };

static struct expr
expr_begin(struct rule *r, const char *name)
{
	struct expr x;

	x.elem = nl_nest(r->nl, NFTA_LIST_ELEM);
	nl_str(r->nl, NFTA_EXPR_NAME, name);
	x.data = nl_nest(r->nl, NFTA_EXPR_DATA);
	return x;
}

static void
expr_end(struct rule *r, struct expr x)
{
	nl_end(r->nl, x.data);
	nl_end(r->nl, x.elem);
}

static void
meta(struct rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = expr_begin(r, "meta");

	nl_be32(r->nl, NFTA_META_DREG, reg);
	nl_be32(r->nl, NFTA_META_KEY, key);
	expr_end(r, x);
}

static void
ct(struct rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = expr_begin(r, "ct");

	nl_be32(r->nl, NFTA_CT_DREG, reg);
	nl_be32(r->nl, NFTA_CT_KEY, key);
	expr_end(r, x);
}

static void
payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct expr x = expr_begin(r, "payload");

	nl_be32(r->nl, NFTA_PAYLOAD_DREG, reg);
	nl_be32(r->nl, NFTA_PAYLOAD_BASE, base);
	nl_be32(r->nl, NFTA_PAYLOAD_OFFSET, offset);
	nl_be32(r->nl, NFTA_PAYLOAD_LEN, len);
	expr_end(r, x);
}

static void
value(struct nl *nl, uint16_t type, const void *data, size_t n)
{
	size_t v = nl_nest(nl, type);

	nl_attr(nl, NFTA_DATA_VALUE, data, n);
	nl_end(nl, v);
}

static void
compare(struct rule *r, uint32_t op, uint32_t reg, const void *data, size_t n)
{
	struct expr x = expr_begin(r, "cmp");

	nl_be32(r->nl, NFTA_CMP_SREG, reg);
	nl_be32(r->nl, NFTA_CMP_OP, op);
	value(r->nl, NFTA_CMP_DATA, data, n);
	expr_end(r, x);
}

static void
mask(struct rule *r, uint32_t reg, uint32_t bits)
{
	struct expr x = expr_begin(r, "bitwise");
	uint32_t none = 0;

	nl_be32(r->nl, NFTA_BITWISE_SREG, reg);
	nl_be32(r->nl, NFTA_BITWISE_DREG, reg);
	nl_be32(r->nl, NFTA_BITWISE_LEN, 4);
	value(r->nl, NFTA_BITWISE_MASK, &bits, 4);
	value(r->nl, NFTA_BITWISE_XOR, &none, 4);
	expr_end(r, x);
}

static void
verdict(struct rule *r, uint32_t code)
{
	struct expr x = expr_begin(r, "immediate");
	size_t d, v;

	nl_be32(r->nl, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	d = nl_nest(r->nl, NFTA_IMMEDIATE_DATA);
	v = nl_nest(r->nl, NFTA_DATA_VERDICT);
	nl_be32(r->nl, NFTA_VERDICT_CODE, code);
	nl_end(r->nl, v);
	nl_end(r->nl, d);
	expr_end(r, x);
}

/* iifname/oifname op name */
static void
interface(struct rule *r, uint32_t key, uint32_t op, const char *name)
{
	char padded[16] = { 0 };

	memcpy(padded, name, strnlen(name, sizeof padded - 1));
	meta(r, key, NFT_REG_1);
	compare(r, op, NFT_REG_1, padded, sizeof padded);
}

/* ip saddr (offset 12) or daddr (16) within network/prefix */
static void
address(struct rule *r, uint32_t offset, uint32_t network, unsigned prefix)
{
	uint32_t bits = htonl(prefix == 0 ? 0 : UINT32_MAX << (32 - prefix)), net = htonl(network) & bits;

	payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, 4, REG);
	mask(r, REG, bits);
	compare(r, NFT_CMP_EQ, REG, &net, 4);
}

static void
ct_bits(struct rule *r, uint32_t key, uint32_t bits, uint32_t op)
{
	uint32_t none = 0;

	ct(r, key, REG);
	mask(r, REG, bits);
	compare(r, op, REG, &none, 4);
}

static void
ct_has(struct rule *r, uint32_t key, uint32_t bits)
{
	ct_bits(r, key, bits, NFT_CMP_NEQ);
}

static void
masquerade(struct rule *r)
{
	expr_end(r, expr_begin(r, "masq"));
}

/* fib daddr type local dnat to proto . [daddr .] dport map @name */
static void
publish(struct nl *nl, const char *chain_name, const char *map_name, bool with_address)
{
	struct rule r = rule_begin(nl, chain_name);
	struct expr x = expr_begin(&r, "fib");
	uint32_t local = RTN_LOCAL, reg = REG;

	nl_be32(nl, NFTA_FIB_DREG, REG);
	nl_be32(nl, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_be32(nl, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	expr_end(&r, x);
	compare(&r, NFT_CMP_EQ, REG, &local, 4);
	meta(&r, NFT_META_L4PROTO, reg++);
	if (with_address)
		payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, reg++);
	payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, reg);
	x = expr_begin(&r, "lookup");
	nl_str(nl, NFTA_LOOKUP_SET, map_name);
	nl_be32(nl, NFTA_LOOKUP_SREG, REG);
	nl_be32(nl, NFTA_LOOKUP_DREG, REG);
	expr_end(&r, x);
	x = expr_begin(&r, "nat");
	nl_be32(nl, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	nl_be32(nl, NFTA_NAT_FAMILY, NFPROTO_IPV4);
	nl_be32(nl, NFTA_NAT_REG_ADDR_MIN, REG);
	nl_be32(nl, NFTA_NAT_REG_PROTO_MIN, REG + 1);
	expr_end(&r, x);
	rule_end(&r);
}

static void
bridge_rules(struct nl *nl, const struct fw_bridge *b)
{
	struct rule r = rule_begin(nl, "raw");

	interface(&r, NFT_META_IIFNAME, NFT_CMP_EQ, b->name);
	address(&r, 16, 0x7f000000, 8);
	verdict(&r, NF_DROP);
	rule_end(&r);
	/* without masquerading the answers from outside carry the container's address: then the forward chain alone decides */
	if (b->masquerade || b->internal) {
		r = rule_begin(nl, "raw");
		interface(&r, NFT_META_IIFNAME, NFT_CMP_NEQ, b->name);
		interface(&r, NFT_META_IIFNAME, NFT_CMP_NEQ, "lo");
		address(&r, 16, b->network, b->prefix);
		verdict(&r, NF_DROP);
		rule_end(&r);
	}
	if (b->masquerade && !b->internal) {
		r = rule_begin(nl, "post");
		interface(&r, NFT_META_OIFNAME, NFT_CMP_NEQ, b->name);
		address(&r, 12, b->network, b->prefix);
		masquerade(&r);
		rule_end(&r);
	}
	/* the host through a loopback address, and a container through its own published port */
	r = rule_begin(nl, "post");
	interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, b->name);
	address(&r, 12, 0x7f000000, 8);
	masquerade(&r);
	rule_end(&r);
	r = rule_begin(nl, "post");
	interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, b->name);
	address(&r, 12, b->network, b->prefix);
	ct_has(&r, NFT_CT_STATUS, IPS_DST_NAT);
	masquerade(&r);
	rule_end(&r);
}

/* What nobody may begin is dropped before established connections pass: connection tracking may still know one between two who had
   these addresses before. */
static void
begin_rule(struct nl *nl, const struct fw_bridge *b)
{
	struct rule r = rule_begin(nl, "forward");
	unsigned char original = IP_CT_DIR_ORIGINAL;

	interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, b->name);
	if (b->icc)
		interface(&r, NFT_META_IIFNAME, NFT_CMP_NEQ, b->name);
	ct(&r, NFT_CT_DIRECTION, REG);
	compare(&r, NFT_CMP_EQ, REG, &original, 1);
	if (!b->internal)
		ct_bits(&r, NFT_CT_STATUS, IPS_DST_NAT, NFT_CMP_EQ);
	verdict(&r, NF_DROP);
	rule_end(&r);
}

static void
forward_rules(struct nl *nl, const struct fw_bridge *b, size_t n)
{
	struct rule r;
	struct expr x;

	/* ip saddr . meta l4proto . ip daddr . th dport @reaches accept */
	r = rule_begin(nl, "forward");
	payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, REG);
	meta(&r, NFT_META_L4PROTO, REG + 1);
	payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, REG + 2);
	payload(&r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG + 3);
	x = expr_begin(&r, "lookup");
	nl_str(nl, NFTA_LOOKUP_SET, "reaches");
	nl_be32(nl, NFTA_LOOKUP_SREG, REG);
	expr_end(&r, x);
	verdict(&r, NF_ACCEPT);
	rule_end(&r);
	for (size_t i = 0; i < n; i++)
		begin_rule(nl, &b[i]);
	r = rule_begin(nl, "forward");
	ct_has(&r, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	verdict(&r, NF_ACCEPT);
	rule_end(&r);
	for (size_t i = 0; i < n; i++) {
		if (!b[i].internal) {
			r = rule_begin(nl, "forward");
			interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, b[i].name);
			ct_has(&r, NFT_CT_STATUS, IPS_DST_NAT);
			verdict(&r, NF_ACCEPT);
			rule_end(&r);
		}
		r = rule_begin(nl, "forward");
		interface(&r, NFT_META_OIFNAME, NFT_CMP_EQ, b[i].name);
		if (b[i].icc)
			interface(&r, NFT_META_IIFNAME, NFT_CMP_NEQ, b[i].name);
		verdict(&r, NF_DROP);
		rule_end(&r);
		if (b[i].internal) {
			r = rule_begin(nl, "forward");
			interface(&r, NFT_META_IIFNAME, NFT_CMP_EQ, b[i].name);
			interface(&r, NFT_META_OIFNAME, NFT_CMP_NEQ, b[i].name);
			verdict(&r, NF_DROP);
			rule_end(&r);
		}
	}
}

static void
named(struct nl *nl, uint16_t type, uint16_t flags, uint16_t attr)
{
	message(nl, type, flags, true);
	nl_str(nl, attr, FW_TABLE);
}

int
fw_build(struct nl *nl, const struct fw_bridge *b, size_t n, bool fresh, struct err *e)
{
	nl_begin(nl);
	batch(nl, NFNL_MSG_BATCH_BEGIN);
	named(nl, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME);
	if (fresh) {
		/* made first, so that removing it never fails */
		named(nl, NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME);
		named(nl, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME);
		set(nl, "ports_any", 1, TYPE_PROTO << 6 | TYPE_PORT, 8, true);
		set(nl, "ports_ip", 2, TYPE_PROTO << 12 | TYPE_ADDR << 6 | TYPE_PORT, 12, true);
		set(nl, "reaches", 3, TYPE_ADDR << 18 | TYPE_PROTO << 12 | TYPE_ADDR << 6 | TYPE_PORT, 16, false);
	} else {
		named(nl, NFT_MSG_DELRULE, 0, NFTA_RULE_TABLE);   /* all rules of the table */
	}
	chain(nl, "raw", "filter", NF_INET_PRE_ROUTING, -300);
	chain(nl, "pre", "nat", NF_INET_PRE_ROUTING, -100);
	chain(nl, "out", "nat", NF_INET_LOCAL_OUT, -100);
	chain(nl, "post", "nat", NF_INET_POST_ROUTING, 100);
	chain(nl, "forward", "filter", NF_INET_FORWARD, 0);
	publish(nl, "pre", "ports_ip", true);
	publish(nl, "pre", "ports_any", false);
	publish(nl, "out", "ports_ip", true);
	publish(nl, "out", "ports_any", false);
	for (size_t i = 0; i < n; i++)
		bridge_rules(nl, &b[i]);
	forward_rules(nl, b, n);
	batch(nl, NFNL_MSG_BATCH_END);
	return nl_talk(nl, "build the firewall table", e);
}

int
fw_remove(struct nl *nl, struct err *e)
{
	nl_begin(nl);
	batch(nl, NFNL_MSG_BATCH_BEGIN);
	named(nl, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME);
	named(nl, NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME);
	batch(nl, NFNL_MSG_BATCH_END);
	return nl_talk(nl, "remove the firewall table", e);
}

static void
element(struct nl *nl, const struct fw_port *p, bool with_data)
{
	unsigned char key[12] = { p->proto };
	unsigned char data[8] = { 0 };
	uint32_t ip = htonl(p->host_ip), to = htonl(p->to_ip);
	uint16_t port = htons(p->host_port), to_port = htons(p->to_port);
	size_t n = 4, elem;

	if (p->host_ip != 0) {
		memcpy(key + n, &ip, 4);
		n += 4;
	}
	memcpy(key + n, &port, 2);
	memcpy(data, &to, 4);
	memcpy(data + 4, &to_port, 2);
	elem = nl_nest(nl, NFTA_LIST_ELEM);
	value(nl, NFTA_SET_ELEM_KEY, key, n + 4);
	if (with_data)
		value(nl, NFTA_SET_ELEM_DATA, data, sizeof data);
	nl_end(nl, elem);
}

static void
element_of(struct nl *nl, const char *name, bool open)
{
	message(nl, open ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, open ? NLM_F_CREATE | NLM_F_EXCL : 0, true);
	nl_str(nl, NFTA_SET_ELEM_LIST_TABLE, FW_TABLE);
	nl_str(nl, NFTA_SET_ELEM_LIST_SET, name);
}

int
fw_reaches(struct nl *nl, const struct fw_reach *p, size_t n, bool open, struct err *e)
{
	size_t list;

	if (n == 0)
		return 0;
	nl_begin(nl);
	batch(nl, NFNL_MSG_BATCH_BEGIN);
	element_of(nl, "reaches", open);
	list = nl_nest(nl, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < n; i++) {
		unsigned char key[16] = { 0 };
		uint32_t from = htonl(p[i].from), to = htonl(p[i].to);
		uint16_t port = htons(p[i].port);
		size_t elem = nl_nest(nl, NFTA_LIST_ELEM);

		memcpy(key, &from, 4);
		key[4] = p[i].proto;
		memcpy(key + 8, &to, 4);
		memcpy(key + 12, &port, 2);
		value(nl, NFTA_SET_ELEM_KEY, key, sizeof key);
		nl_end(nl, elem);
	}
	nl_end(nl, list);
	batch(nl, NFNL_MSG_BATCH_END);
	return nl_talk(nl, open ? "open links" : "close links", e);
}

int
fw_ports(struct nl *nl, const struct fw_port *p, size_t n, bool open, struct err *e)
{
	if (n == 0)
		return 0;
	nl_begin(nl);
	batch(nl, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < n; i++) {
		size_t list;

		element_of(nl, p[i].host_ip != 0 ? "ports_ip" : "ports_any", open);
		list = nl_nest(nl, NFTA_SET_ELEM_LIST_ELEMENTS);
		element(nl, &p[i], open);
		nl_end(nl, list);
	}
	batch(nl, NFNL_MSG_BATCH_END);
	return nl_talk(nl, open ? "publish ports" : "close ports", e);
}
