/* After a start of the broker, and whenever a peer comes (back): what is recorded is compared with what is there. */
#pragma once
#include "peers.h"

/* Asks the new peer for what it has; it is set ready once that was worked off. */
void recover_peer(struct peer *p);
/* The journal, once all peers were compared for the first time; then the restart policies. */
void recover_all(struct broker *b);
/* Lets containers that were started with policies come up again. */
void recover_policies(struct broker *b);
