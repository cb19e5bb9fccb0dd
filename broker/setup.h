#pragma once
#include "broker.h"

/* Database, records, journal, networks, listening sockets (taken over). dir becomes the current directory. */
int broker_open(struct broker *b, struct loop *l, const struct engine_config *config, int dir, int *sockets, size_t n_sockets, struct err *e)
    must_check;
/* Gives everything back, as if the process had died: nothing is written but what was committed. */
void broker_close(struct broker *b);
int broker_configure(struct broker *b, const struct engine_config *config, struct err *e) must_check;
