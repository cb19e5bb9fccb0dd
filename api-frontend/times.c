#include "times.h"

#include "checked.h"
#include "text.h"

#include <string.h>

#define SECOND INT64_C(1000000000)

static bool
parse_seconds(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	int64_t seconds = 0, fraction = 0, scale = SECOND;

	if (negative)
		s++;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (ckd_mul(&seconds, seconds, 10) || ckd_add(&seconds, seconds, *s - '0'))
			return false;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++) {
			scale /= 10;
			fraction += scale * (*s - '0');
		}
	if (*s != '\0' || ckd_mul(&seconds, seconds, SECOND) || ckd_add(&seconds, seconds, fraction))
		return false;
	*ret = negative ? -seconds : seconds;
	return true;
}

/* Go's durations: 1h30m, 1.5s, 300ms */
static bool
parse_duration(const char *s, int64_t *ret)
{
	static const struct { const char *name; double ns; } units[] = {
		{ "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 },
	};
	double total = 0;

	if (*s == '\0')
		return false;
	while (*s != '\0') {
		double v = 0, scale = 1;
		size_t n, i;

		if (*s < '0' || *s > '9')
			return false;
		for (; *s >= '0' && *s <= '9'; s++)
			v = v * 10 + (*s - '0');
		if (*s == '.')
			for (s++; *s >= '0' && *s <= '9'; s++)
				v += (scale /= 10) * (*s - '0');
		n = strcspn(s, "0123456789");
		for (i = 0; i < sizeof units / sizeof units[0]; i++)
			if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
				break;
		if (i == sizeof units / sizeof units[0])
			return false;
		total += v * units[i].ns;
		s += n;
	}
	if (total > 9e18)
		return false;
	*ret = (int64_t)total;
	return true;
}

bool
time_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	int64_t back;

	*ret_ns = 0;
	if (*text == '\0' || parse_seconds(text, ret_ns) || text_to_time(text, ret_ns))
		return true;
	if (!parse_duration(text, &back))
		return false;
	*ret_ns = now_ns - back;
	return true;
}
