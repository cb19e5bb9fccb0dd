/* Starts a role as the supervisor does, for tests that run as root. */
#pragma once
#include "edge.h"
#include "loop.h"
#include "msg/ctl.h"
#include "role.h"

struct started {
	pid_t pid;
	struct edge *ctl, *edge;
};

struct start_conf {
	enum role role;
	const char *binary;
	uid_t uid;                 /* ignored for a role of its own user namespace */
	const struct ctl_start *start;
	const int *fds;
	size_t nfds;
	const struct edge_table *table;
	const char *edge_name;
};

/* -1: the role did not start (its log says why). */
int role_start(struct loop *l, const struct start_conf *conf, struct started *ret, struct err *e) must_check;
void role_end(struct started *s);          /* by closing its channel */
void role_kill(struct started *s);         /* SIGKILL */
/* A user namespace with one range. */
int make_userns(uint32_t inside, uint32_t outside, uint32_t count);
/* A fresh directory beneath /tmp; removed by test_dir_remove. */
void test_dir_make(char *path, size_t size, const char *what);
void test_dir_remove(const char *path);
