/* Names of images as users write them: [registry/]path[:tag][@digest], brought to the short form that is shown. */
#pragma once
#include "err.h"

#include <stdbool.h>

struct image_ref {
	char repo[512];      /* "busybox", "user/app", "localhost:5000/app" */
	char tag[130];       /* "latest" if none was given and there is no digest */
	char digest[80];     /* "sha256:...", or "" */
	char full[730];      /* repo:tag, or repo@digest */
	bool tagged;         /* the tag was given */
};
/* ERR_INVALID in the Docker engine's words. */
int ref_parse(const char *text, struct image_ref *ret, struct err *e) must_check;
/* Only a repository: no tag, no digest. */
bool ref_is_tag(const char *tag);
