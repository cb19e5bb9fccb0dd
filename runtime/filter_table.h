/* The default system call profile: what is always allowed, and what follows a capability that the container was granted. */
#pragma once
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
