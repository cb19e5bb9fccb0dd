/* The default system call profile: what is always allowed, and what follows a capability that the container was granted. */
#pragma once
#include "err.h"

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* CLONE_NEW* flags that make a namespace */
#define FILTER_CLONE_SPACES UINT64_C(0x7e020000)

struct filter_cap {
	unsigned cap;
	const char *const *names;
};
extern const char *const filter_always[];
extern const struct filter_cap filter_caps[];
extern const size_t filter_n_caps;
/* an allow-list: a family that somebody adds to the kernel is refused without a new profile */
extern const int filter_families[];
extern const size_t filter_n_families;
extern const uint64_t filter_personalities[];
extern const size_t filter_n_personalities;

/* filter_newer.c: the highest number of each call table that a profile names; what is above it does not exist for it */
#define FILTER_ARCHS 3
struct filter_newest { uint32_t no[FILTER_ARCHS]; };
void filter_knows(struct filter_newest *n, const char *name);
/* The compiled program, sealed. newest NULL: what is not named falls to the profile's default, whatever it is. */
int filter_export(scmp_filter_ctx ctx, const struct filter_newest *newest, int *ret_memfd, struct err *e) must_check;
