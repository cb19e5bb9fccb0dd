/* Times in queries: Unix seconds with a fraction, as clients send them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* "" gives 0. "1700000000", "1700000000.000000005", "-5" (before the epoch) or RFC 3339; a Go duration ("10m") counts back
   from now. False if it is none of these. */
bool time_parse(const char *text, int64_t now_ns, int64_t *ret_ns);
