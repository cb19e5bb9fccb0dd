/* The descriptors and the table that msg/dns.h declares. */
#include "msg/dns.h"

#define REC_SELF struct dns_client
REC_DEFINE(dns_client, DNS_CLIENT_FIELDS)
#undef REC_SELF
#define REC_SELF struct dns_id
REC_DEFINE(dns_id, DNS_ID_FIELDS)
#undef REC_SELF
#define REC_SELF struct dns_names
REC_DEFINE(dns_names, DNS_NAMES_FIELDS)
#undef REC_SELF
#define REC_SELF struct dns_links
REC_DEFINE(dns_links, DNS_LINKS_FIELDS)
#undef REC_SELF
EDGE_DEFINE(dns_edge, "dns", DNS_MESSAGES)
