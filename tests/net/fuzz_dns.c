/* A question of a container, what is answered to it, and a stranger's answer to it. */
#include "dns_message.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint32_t addresses[3] = { 1, 2, 3 };
	static unsigned char out[DNS_MAX], again[DNS_MAX];
	struct dns_question q, r;
	uint32_t address;
	size_t len;
	int code;

	if (n > DNS_MAX)
		return 0;
	code = dns_parse(data, n, &q);
	if (code < 0)
		return 0;
	len = dns_reply(out, q.room, data, &q, code, addresses, code == DNS_OK ? 3 : 0, code == DNS_OK ? "web.mynet" : NULL);
	assert(len <= q.room && q.end <= len);
	if (code != DNS_OK)
		return 0;
	assert(dns_answers(out, len, q.id, data, &q));
	(void)dns_answers(data, n, q.id, data, &q);
	(void)dns_reverse(q.name, &address);
	/* what we answer, as a question, says the same */
	memcpy(again, out, len);
	again[2] &= 0x79;
	memset(again + 6, 0, 6);
	assert(dns_parse(again, q.end, &r) == DNS_OK && strcmp(r.name, q.name) == 0 && r.type == q.type);
	return 0;
}
