/* Patterns of strangers, for texts of strangers: linear in the text, whatever the pattern. Nothing here allocates. */
#pragma once
#include "err.h"

#include <stdbool.h>

/* A regular expression search: . [..] ( ) | * + ? {n,m} ^ $ and escapes. */
int pattern_search(const char *pattern, const char *text, bool *ret, struct err *e) must_check;
/* A shell pattern where * and ? do not match '/'. */
bool glob_match(const char *pattern, const char *text);
