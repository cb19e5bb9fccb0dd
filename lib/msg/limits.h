/* Bounds that the tables share. */
#pragma once
#include "rec.h"

#define ID_MAX    64
#define NAME_MAX_ 255
#define PATH_MAX_ 4096
#define MANY      4096
