/* The names of a log's files in the container's directory: the present one, NAME.1 (the newest that is full), NAME.2, ..., each but the
   first maybe compressed as NAME.1.gz. Beside them, of the monitor alone: NAME.next, NAME.squeeze and, of a local log, log-number. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define LOGFILE_NAME 128

/* "ID-json.log" or "local.log" into name. */
void logfiles_base(char name[LOGFILE_NAME], const char *format, const char *id);
void logfiles_name(char out[LOGFILE_NAME], const char *base, int i, bool gz);
/* Opens the newest max of at most files files for reading, oldest first; regular files only. Returns how many. */
size_t logfiles_open(int dir, const char *base, int files, int *fds, size_t max);
