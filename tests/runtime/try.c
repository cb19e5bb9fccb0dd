/* Runs one command in a container by hand: try-runtime COMMAND [ARG...]. */
#include "harness.h"

#include <stdio.h>

int
main(int argc, char **argv)
{
	struct box_spec b;
	struct err e = ERR_INIT;
	static char out[1 << 20];
	int code;

	if (argc < 2 || !rig_up())
		return 2;
	box_init(&b, (const char *const *)(argv + 1));
	setbuf(stdout, NULL);
	code = box_output(&b, out, sizeof out, &e);
	if (code < 0)
		fprintf(stderr, "error: %s\n", e.text);
	printf("%s[exit %d]\n", out, code);
	rig_down();
	return 0;
}
