/* What a seccomp profile in the Docker engine's format must keep, beyond its types (system call names stay unchecked: those
   this kernel does not know are skipped when the filter is made). */
#pragma once
#include "err.h"

struct seccomp_profile;
int seccomp_check(const struct seccomp_profile *p, struct err *e) must_check;
