/* Checked integer arithmetic with the names of C23 <stdckdint.h>: each returns true on overflow. */
#pragma once
#define ckd_add(r, a, b) __builtin_add_overflow((a), (b), (r))
#define ckd_sub(r, a, b) __builtin_sub_overflow((a), (b), (r))
#define ckd_mul(r, a, b) __builtin_mul_overflow((a), (b), (r))
