#pragma once
#include "state.h"

/* Makes the three predefined networks' records if they are missing; their ids stay. */
int networks_init(struct broker *b, struct err *e) must_check;
