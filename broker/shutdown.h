#pragma once
#include "edge.h"

struct broker;
/* The supervisor wants the engine to end: containers are stopped unless live restore keeps them; call is answered then. */
void shutdown_begin(struct broker *b, struct call *call);
