/* Contents of a container's /etc/hosts and /etc/resolv.conf. */
#include "broker.h"
#include "create.h"
#include "lifecycle.h"
#include "links.h"
#include "text.h"

static const char standard_hosts[] =
	"127.0.0.1\tlocalhost\n"
	"::1\tlocalhost ip6-localhost ip6-loopback\n"
	"fe00::\tip6-localnet\n"
	"ff00::\tip6-mcastprefix\n"
	"ff02::1\tip6-allnodes\n"
	"ff02::2\tip6-allrouters\n";

static void
put_own_name(struct buf *b, const struct ctr *c, const char *address)
{
	const char *host = text_or_empty(c->rec.config->hostname), *domain = text_or_empty(c->rec.config->domainname);

	if (host[0] == '\0')
		return;
	if (domain[0] != '\0')
		buf_printf(b, "%s\t%s.%s %s\n", address, host, domain, host);
	else
		buf_printf(b, "%s\t%s\n", address, host);
}

int
etc_hosts(struct ctr *c, struct arena *a, char **ret, struct err *e)
{
	own_buf b = BUF_INIT(65000);
	const struct host_config *h = c->rec.host_config;
	char gateway[16];

	buf_puts(&b, standard_hosts);
	for (size_t i = 0; i < h->extra_hosts.n; i++) {
		const char *s = h->extra_hosts.v[i], *colon = strchr(s, ':');
		const char *address = colon + 1;

		text_ip4(gateway, c->b->ipam.own);
		if (strcmp(address, "host-gateway") == 0)
			address = gateway;
		buf_printf(&b, "%s\t%.*s\n", address, (int)(colon - s), s);
	}
	links_hosts(c, &b);
	for (size_t i = 0; i < c->rec.network_settings->networks.n; i++)
		if (net_is_attached(&c->rec.network_settings->networks.v[i]))
			put_own_name(&b, c, text_or_empty(c->rec.network_settings->networks.v[i].ip_address));
	if (text_same(h->network_mode, "host"))
		put_own_name(&b, c, "127.0.1.1");
	*ret = arena_str(a, buf_cstr(&b));
	return *ret != NULL && !b.failed ? 0 : err_set(e, ERR_LIMIT, "/etc/hosts is too long");
}

static bool
is_loopback(const char *address, size_t n)
{
	return (n > 4 && strncmp(address, "127.", 4) == 0) || (n == 3 && strncmp(address, "::1", 3) == 0);
}

/* One line of the host's file; a server on its loopback cannot be reached from another network namespace. */
static void
put_line(struct buf *b, const char *line, size_t n, const struct strs *dns, const struct strs *search, const struct strs *options, bool private,
    size_t *servers)
{
	size_t word = strcspn(line, " \t\n");

	if (word == 10 && strncmp(line, "nameserver", 10) == 0) {
		const char *address = line + word + strspn(line + word, " \t");
		size_t len = strcspn(address, " \t\r\n");

		if (dns->n > 0 || (private && is_loopback(address, len)))
			return;
		/* an IPv6 server is out of reach of a network without IPv6 */
		if (private && memchr(address, ':', len) != NULL)
			return;
		(*servers)++;
	} else if ((word == 6 && strncmp(line, "search", 6) == 0) || (word == 6 && strncmp(line, "domain", 6) == 0)) {
		if (search->n > 0)
			return;
	} else if (word == 7 && strncmp(line, "options", 7) == 0) {
		if (options->n > 0)
			return;
	} else if (private && n > 0 && line[0] == '#') {
		return;
	}
	buf_put(b, line, n);
	buf_putc(b, '\n');
}

static void
put_list(struct buf *b, const char *word, const struct strs *s)
{
	if (s->n == 0 || (s->n == 1 && strcmp(s->v[0], ".") == 0))
		return;
	buf_puts(b, word);
	for (size_t i = 0; i < s->n; i++)
		buf_printf(b, " %s", s->v[i]);
	buf_putc(b, '\n');
}

static char *own_address[] = { (char *)(uintptr_t)"127.0.0.11" };
static const struct strs own_server = { 1, own_address };

int
etc_resolv_conf(struct ctr *c, struct arena *a, char **ret, struct err *e)
{
	own_buf b = BUF_INIT(65000);
	const struct host_config *h = c->rec.host_config;
	const struct engine_config *g = c->b->config;
	const struct strs *dns = h->dns.n > 0 ? &h->dns : &g->dns, *search = h->dns_search.n > 0 ? &h->dns_search : &g->dns_search,
	    *options = h->dns_options.n > 0 ? &h->dns_options : &g->dns_opts;
	bool private = !text_same(h->network_mode, "host"), named = net_has_names(c);
	size_t servers = named ? 1 : dns->n;

	/* the engine's own resolver, which knows the servers that were asked for */
	if (named)
		dns = &own_server;
	for (size_t i = 0; i < dns->n; i++)
		buf_printf(&b, "nameserver %s\n", dns->v[i]);
	for (const char *p = text_or_empty(g->resolv_conf); *p != '\0';) {
		size_t n = strcspn(p, "\n");

		put_line(&b, p, n, dns, search, options, private, &servers);
		p += n + (p[n] == '\n' ? 1 : 0);
	}
	if (servers == 0 && private && !text_same(h->network_mode, "none"))
		buf_puts(&b, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	put_list(&b, "search", search);
	put_list(&b, "options", options);
	if (named && options->n == 0)
		buf_puts(&b, "options ndots:0\n");
	*ret = arena_str(a, buf_cstr(&b));
	return *ret != NULL && !b.failed ? 0 : err_set(e, ERR_LIMIT, "/etc/resolv.conf is too long");
}
