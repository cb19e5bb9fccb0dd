/* Names that are made up, and the rule for those that are given. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ : two characters at least */
bool name_is_valid(const char *name);
/* adjective_surname; from the third try on with a digit behind it. */
void name_random(char *out, size_t size, unsigned attempt);
