/* A directory for a fuzz target's files; as root on a tmpfs of its own, which is also the process' root from then on. */
#pragma once
int scratch_dir(void);
