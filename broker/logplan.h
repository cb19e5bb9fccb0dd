/* What a container's record and its log options say about its log: tag, attributes, and the files that the monitor writes. */
#pragma once
#include "logopts.h"
#include "msg/run.h"

struct ctr;

/* What a tag's template may name; NULLs are "". */
struct tag_facts {
	const char *id, *name, *image_id, *image_name, *hostname, *entrypoint, *log_path;
	const struct strs *args, *env;
	const struct kvs *labels, *attrs;
	int64_t created;
};
/* Go-template subset: literals, {{.Field}}, {{- -}}, {{.Field | upper}}, {{lower .Field}}, {{(.ExtraAttributes nil).KEY}}. Appends to out.
   Errors are ERR_INVALID in the words of text/template, or ERR_UNSUPPORTED for what it has and this has not. */
int tag_expand(const char *template, const struct tag_facts *facts, struct buf *out, struct err *e) must_check;

/* labels, labels-regex, env, env-regex: what of labels and environment goes with the log, sorted by key. */
int log_attributes(const struct kvs *opts, const struct kvs *labels, const struct strs *env, struct arena *a, struct kvs *ret, struct err *e) must_check;
/* The options' texts that only a start needs, tried at create. */
int log_check_texts(const struct kvs *opts, struct err *e) must_check;
/* The tag of a container: its template, or fallback. */
int log_tag(struct ctr *c, const struct kvs *attrs, const char *fallback, struct arena *a, char **ret, struct err *e) must_check;
int log_plan(struct ctr *c, struct arena *a, struct run_log *ret, struct err *e) must_check;
