/* Runs a fuzz target over its corpus, and over each file's beginnings and with single bytes changed, where no fuzzer is built. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
replay(const char *dir, const char *name)
{
	static uint8_t data[65536], changed[65536];
	char path[4096];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return 0;
	n = fread(data, 1, sizeof data, f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	for (size_t i = 0; i < n && i < 2000; i++) {
		LLVMFuzzerTestOneInput(data, i);
		memcpy(changed, data, n);
		changed[i] ^= (uint8_t)(1u << (i % 8));
		LLVMFuzzerTestOneInput(changed, n);
	}
	return 1;
}

int
main(int argc, char **argv)
{
	DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
	int n = 0;

	if (d == NULL) {
		fprintf(stderr, "no corpus\n");
		return 1;
	}
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.')
			n += replay(argv[1], entry->d_name);
	closedir(d);
	printf("%d files\n", n);
	return n > 0 ? 0 : 1;
}
