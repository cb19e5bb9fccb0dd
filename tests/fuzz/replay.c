/* replay DIR: fuzz_edge over its corpus where no fuzzer is built, each file also cut short and with bytes changed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int fuzz_missed(void);

static void
replay(const char *path)
{
	static uint8_t data[65536], changed[65536];
	FILE *f = fopen(path, "rb");
	size_t n, step;

	if (f == NULL)
		return;
	n = fread(data, 1, sizeof data, f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	/* at most some two hundred places of each */
	step = n / 200 + 1;
	for (size_t i = 0; i < n; i += step) {
		LLVMFuzzerTestOneInput(data, i);
		memcpy(changed, data, n);
		changed[i] ^= (uint8_t)(1u << (i % 8));
		LLVMFuzzerTestOneInput(changed, n);
	}
}

int
main(int argc, char **argv)
{
	DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
	char path[4096];

	if (d == NULL) {
		fprintf(stderr, "no corpus\n");
		return 1;
	}
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] != '.') {
			(void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
			replay(path);
		}
	closedir(d);
	return fuzz_missed() == 0 ? 0 : 1;
}
