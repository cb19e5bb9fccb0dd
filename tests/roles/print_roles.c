/* Prints the role table: as JSON for the test that compares it with running processes, or (--markdown) as it stands in
   docs/security.md. */
#include "role.h"

#include <cap-ng.h>
#include <stdio.h>
#include <string.h>

static const char *const landlock_names[] = { [LANDLOCK_NONE] = "none", [LANDLOCK_EMPTY] = "no file", [LANDLOCK_TREES] = "its trees" };

static void
print_caps(uint64_t caps)
{
	bool first = true;

	if (caps == ROLE_CAPS_ALL) {
		printf("all");
		return;
	}
	for (unsigned c = 0; c < 64; c++)
		if ((caps >> c & 1) != 0) {
			char name[64];
			const char *s = capng_capability_to_name(c);
			size_t i;

			for (i = 0; s != NULL && s[i] != '\0' && i < sizeof name - 1; i++)
				name[i] = (char)(s[i] >= 'a' && s[i] <= 'z' ? s[i] - 32 : s[i]);
			name[i] = '\0';
			printf("%s%s", first ? "" : ", ", name);
			first = false;
		}
	if (first)
		printf("none");
}

static void
markdown(void)
{
	printf("| process | program | runs as | host capabilities | in its own namespace | no_new_privs | Landlock | system calls |\n");
	printf("|---|---|---|---|---|---|---|---|\n");
	for (int r = 0; r < ROLE_COUNT; r++) {
		const struct role_row *row = &role_table[r];
		size_t n = 0;

		while (row->syscalls != NULL && row->syscalls[n] != NULL)
			n++;
		printf("| %s | `%s` | %s | ", row->name, row->binary, row->image_root ? "root of the image ids" : row->user != NULL ? row->user : "root");
		print_caps(row->caps);
		printf(" | ");
		print_caps(row->ns_caps);
		printf(" | %s | %s | ", row->no_new_privs ? "yes" : "no", landlock_names[row->landlock]);
		if (row->syscalls == NULL)
			printf("%s |\n", r == ROLE_SUPERVISOR || row->unfiltered ? "all" : "all but a deny-list");
		else
			printf("%zu allowed |\n", n);
	}
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--markdown") == 0) {
		markdown();
		return 0;
	}
	printf("[\n");
	for (int r = 0; r < ROLE_COUNT; r++) {
		const struct role_row *row = &role_table[r];

		printf(" {\"name\": \"%s\", \"binary\": \"%s\", \"user\": \"%s\", \"image_root\": %s, \"caps\": %llu, \"ns_caps\": %llu, \"nnp\": %s, \"landlock\": \"%s\", "
		       "\"filter\": %s, \"nofile\": %llu, \"may_dump\": %s}%s\n", row->name, row->binary, row->user != NULL ? row->user : "root",
		    row->image_root ? "true" : "false", (unsigned long long)row->caps, (unsigned long long)row->ns_caps, row->no_new_privs ? "true" : "false",
		    landlock_names[row->landlock], row->syscalls != NULL || r == ROLE_RUNTIME ? "true" : "false",
		    (unsigned long long)row->nofile, row->may_dump ? "true" : "false", r + 1 < ROLE_COUNT ? "," : "");
	}
	printf("]\n");
	return 0;
}
