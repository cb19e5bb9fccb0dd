#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

bool
text_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (s == NULL || *s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

bool
text_is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return s[n] == '\0';
}

bool
text_is_id(const char *s)
{
	return s != NULL && text_is_hex(s, 64);
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
text_is_name(const char *s, size_t max)
{
	size_t n = 0;

	if (s == NULL || !is_alnum(s[0]))
		return false;
	for (; s[n] != '\0'; n++)
		if (n >= max || !(is_alnum(s[n]) || s[n] == '_' || s[n] == '.' || s[n] == '-'))
			return false;
	return true;
}

void
text_hex(char *out, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

bool
text_random(void *bytes, size_t n)
{
	return getrandom(bytes, n, 0) == (ssize_t)n;
}

void
text_random_id(char out[65])
{
	unsigned char raw[32];

	/* a short id of digits alone could be taken for a number by tools: draw again, as the Docker engine does */
	do {
		if (!text_random(raw, sizeof raw))
			__builtin_trap();
		text_hex(out, raw, sizeof raw);
	} while (strspn(out, "0123456789") >= 12);
}

bool
text_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n >= size) {
		dst[0] = '\0';
		return false;
	}
	memcpy(dst, src, n + 1);
	return true;
}

bool
text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

void
text_time(char *out, int64_t ns)
{
	time_t sec = (time_t)(ns / 1000000000);
	long frac = (long)(ns % 1000000000);
	struct tm tm;
	size_t n;

	if (ns == 0) {
		strcpy(out, "0001-01-01T00:00:00Z");
		return;
	}
	if (frac < 0) {
		frac += 1000000000;
		sec--;
	}
	gmtime_r(&sec, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	if (frac != 0) {
		n += (size_t)snprintf(out + n, 12, ".%09ld", frac);
		while (out[n - 1] == '0')
			n--;
	}
	strcpy(out + n, "Z");
}

static bool
digits(const char **p, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		char c = (*p)[i];

		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	*p += n;
	*ret = v;
	return true;
}

bool
text_to_time(const char *s, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int year, month, frac_digits = 0, oh = 0, om = 0, sign = 0;
	int64_t frac = 0, sec;

	if (!digits(&s, 4, &year) || *s++ != '-' || !digits(&s, 2, &month) || *s++ != '-' || !digits(&s, 2, &tm.tm_mday) ||
	    (*s != 'T' && *s != 't'))
		return false;
	s++;
	if (!digits(&s, 2, &tm.tm_hour) || *s++ != ':' || !digits(&s, 2, &tm.tm_min) || *s++ != ':' || !digits(&s, 2, &tm.tm_sec))
		return false;
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++)
			if (frac_digits < 9) {
				frac = frac * 10 + (*s - '0');
				frac_digits++;
			}
		if (frac_digits == 0)
			return false;
		for (; frac_digits < 9; frac_digits++)
			frac *= 10;
	}
	if (*s == '+' || *s == '-') {
		sign = *s++ == '+' ? 1 : -1;
		if (!digits(&s, 2, &oh) || *s++ != ':' || !digits(&s, 2, &om))
			return false;
	} else if (*s == 'Z' || *s == 'z') {
		s++;
	} else {
		return false;
	}
	if (*s != '\0' || month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	if (year == 1) {
		*ret_ns = 0;
		return true;
	}
	if (year < 1900 || year > 2200)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	sec = (int64_t)timegm(&tm) - sign * (oh * 3600 + om * 60);
	*ret_ns = sec * 1000000000 + frac;
	return true;
}

bool
text_to_ip4(const char *s, uint32_t *ret)
{
	uint32_t addr = 0;

	for (int part = 0; part < 4; part++) {
		unsigned v = 0, n = 0;

		for (; *s >= '0' && *s <= '9' && n < 3; s++, n++)
			v = v * 10 + (unsigned)(*s - '0');
		if (n == 0 || v > 255 || (n > 1 && s[-(int)n] == '0'))
			return false;
		addr = addr << 8 | v;
		if (part < 3 && *s++ != '.')
			return false;
	}
	if (*s != '\0')
		return false;
	*ret = addr;
	return true;
}

bool
text_to_cidr4(const char *s, uint32_t *ret_addr, unsigned *ret_prefix)
{
	char addr[16];
	const char *slash = strchr(s, '/');
	uint64_t prefix;

	if (slash == NULL || (size_t)(slash - s) >= sizeof addr)
		return false;
	memcpy(addr, s, (size_t)(slash - s));
	addr[slash - s] = '\0';
	if (!text_to_u64(slash + 1, 32, &prefix) || !text_to_ip4(addr, ret_addr))
		return false;
	*ret_prefix = (unsigned)prefix;
	return true;
}

void
text_ip4(char out[16], uint32_t addr)
{
	snprintf(out, 16, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
}

int
text_to_signal(const char *s)
{
	static const char *const names[] = {
		[1] = "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
		"TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
		"IO", "PWR", "SYS",
	};
	uint64_t n;

	if (text_to_u64(s, 64, &n))
		return (int)n;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (int i = 1; i <= 31; i++)
		if (strcasecmp(s, names[i]) == 0)
			return i;
	if (strcasecmp(s, "IOT") == 0)
		return 6;
	if (strcasecmp(s, "CLD") == 0)
		return 17;
	if (strcasecmp(s, "POLL") == 0)
		return 29;
	if (strncasecmp(s, "RTMIN", 5) == 0 && (s[5] == '\0' || (s[5] == '+' && text_to_u64(s + 6, 15, &n))))
		return 34 + (s[5] == '\0' ? 0 : (int)n);
	if (strncasecmp(s, "RTMAX", 5) == 0 && (s[5] == '\0' || (s[5] == '-' && text_to_u64(s + 6, 14, &n))))
		return 64 - (s[5] == '\0' ? 0 : (int)n);
	return 0;
}
