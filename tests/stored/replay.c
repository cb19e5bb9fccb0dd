/* Runs a fuzz target over files: the corpus as a test, where libFuzzer is not. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input { unsigned char *data; size_t n; };

static struct input
load(const char *path)
{
	struct input in = { malloc((size_t)4 << 20), 0 };
	FILE *f = fopen(path, "rb");

	if (in.data == NULL || f == NULL) {
		perror(path);
		exit(1);
	}
	in.n = fread(in.data, 1, (size_t)4 << 20, f);
	fclose(f);
	return in;
}

int
main(int argc, char **argv)
{
	struct input *in = calloc((size_t)argc, sizeof *in);

	/* all first: a target may lock itself in */
	for (int i = 1; i < argc; i++)
		in[i] = load(argv[i]);
	for (int i = 1; i < argc; i++) {
		LLVMFuzzerTestOneInput(in[i].data, in[i].n);
		/* and cut short, at a few places */
		for (size_t n = in[i].n / 7 + 1; n < in[i].n; n += in[i].n / 7 + 1)
			LLVMFuzzerTestOneInput(in[i].data, n);
		free(in[i].data);
	}
	free(in);
	return 0;
}
