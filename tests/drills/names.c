/* Prints the names of all attacks and malformations, for the scripts. */
#include "hostile.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && strcmp(argv[1], "attacks") == 0 && attack_at(i) != NULL; i++)
		puts(attack_at(i)->name);
	for (size_t i = 0; argc > 1 && strcmp(argv[1], "malformed") == 0 && malformed_at(i) != NULL; i++)
		puts(malformed_at(i)->name);
	return 0;
}
