#pragma once
#include "edge.h"

int handle_container_list(struct call *call, const void *msg, struct err *e);
int handle_container_inspect(struct call *call, const void *msg, struct err *e);
int handle_system_info(struct call *call, const void *msg, struct err *e);
int handle_system_events(struct call *call, const void *msg, struct err *e);
