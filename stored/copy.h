/*
 * The archiver's parts: one copy of files out of a container (a tar stream to a pipe) or into it. All of this runs within the
 * container's user and mount namespaces, with the container's root as its own, so that the kernel resolves names and links as it
 * does for the container, and nothing else has a name. The container runs meanwhile and may exchange whatever it likes.
 */
#pragma once
#include "msg/archive.h"
#include "tar.h"

#include <sys/stat.h>

#define COPY_PATH_MAX 4200
#define COPY_IDLE     600            /* seconds: a copy in which nothing moves for so long ends itself */

/* Where a path of the API leads: its last component may be a link, which is meant itself. */
struct copy_place {
	char abs[COPY_PATH_MAX];         /* from "/", without "..", with the trailing "/" or "/." that it was asked with */
	char name[COPY_PATH_MAX];        /* last component as asked; "/" and "." are possible */
	const char *base;                /* in abs, what to look up in dir: "" means dir itself */
	int dir;                         /* O_PATH */
	struct stat st;
};

/* copy_path.c */
/* Fills abs and name only. */
int copy_clean(struct copy_place *p, const char *path, struct err *e) must_check;
/* ERR_NOT_FOUND if nothing is there. */
int copy_find(struct copy_place *p, const char *path, struct err *e) must_check;
/* What the API tells of it; texts live in the arena. */
int copy_describe(const struct copy_place *p, struct arena *a, struct api_archived *ret, struct err *e) must_check;
/* openat2: links are followed as the container would, those of /proc are not. -1 with errno. */
int copy_open(int dir, const char *path, int flags) must_check;
/* Something moved: the clock starts again. */
void copy_moved(void);

/* copy_out.c: writes what is at p to the pipe */
int copy_out(const struct copy_place *p, int pipe, struct err *e) must_check;

/* copy_in.c: the directory that an archive is to be unpacked in, checked to be one that may be written; then its unpacking */
struct copy_ids { bool set; uid_t uid; gid_t gid; };
int copy_target(const char *path, struct copy_place *p, struct err *e) must_check;
int copy_in(const struct copy_place *p, int pipe, bool no_overwrite, bool host, const struct copy_ids *ids, struct err *e) must_check;

/* copy_user.c: "user[:group]" by the container's own files */
int copy_user(const char *user, struct copy_ids *ret, struct err *e) must_check;
