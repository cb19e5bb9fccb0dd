/* What the hostile programs share: what they found goes to the engine's log, one line "drill: ok NAME" or "drill: not ok NAME # WHY" each. */
#pragma once
#include "edge.h"
#include "loop.h"
#include "role.h"

#include <stdbool.h>

void drill_said(bool good, const char *name, const char *why);
/* Tries each common attack in a child of its own that first closes the role's sandbox. Call before the own sandbox. except:
   names of those that the role may do, NULL at the end. */
void drill_common(enum role role, const struct role_tree *trees, size_t n, const char *const *except);
/* This is the how-manieth life of the program? Counted in dir. */
unsigned drill_life(int dir);
/* The path of a directory. */
int drill_dir(int dir, char *path, size_t size);
/* Sends malformation number "at" on a raw channel and says whether it was cut off. False: there is none of that number. */
bool drill_malformed(int channel, unsigned no, unsigned at, const char *edge);
/* A request that must be refused, and one that must not be. */
void drill_refused(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, const char *name);
bool drill_works(struct edge *edge, unsigned no, const void *msg, const int *fds, size_t nfds, int *ret_fds, size_t max_fds, const char *name);
