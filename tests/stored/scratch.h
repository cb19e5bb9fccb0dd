/* A directory for a fuzz target's files; as root on a tmpfs in a mount namespace of its own. */
#pragma once
int scratch_dir(void);
