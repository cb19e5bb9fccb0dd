/* Making a container's record from what a client asked for, its image and the engine's defaults. The parts are pure: they
   work on records in an arena and are tested as such. */
#pragma once
#include "edge.h"
#include "msg/api.h"
#include "msg/ctl.h"

struct broker;
struct creation {
	struct broker *b;
	struct arena *a;
	const struct engine_config *engine;
	const struct api_create *m;
	const struct image *image;
	struct container rec;
	struct container_config config;      /* the request's, merged with the image's */
	struct host_config host;
	struct container_state state;
	struct network_settings net;
	struct strs warnings;
	struct strs new_volumes;             /* names that this creation makes */
	struct volume_list volumes;          /* their records */
};

/* create_check.c: what one can say without the image or other containers */
int check_host_config(struct creation *c, struct err *e) must_check;
int check_config(struct creation *c, struct err *e) must_check;
int check_restart(struct host_config *h, struct arena *a, struct err *e) must_check;
int check_not_built(const struct host_config *h, struct err *e) must_check;
int check_log_config(struct log_config *l, const struct engine_config *engine, struct arena *a, struct err *e) must_check;
struct security {
	bool no_new_privileges, label_disable;
	const char *seccomp_mode, *apparmor;
	const char *label_user, *label_role, *label_type, *label_level;      /* NULL: not asked for */
};
int check_security(const struct host_config *h, const struct engine_config *engine, struct security *ret, struct err *e) must_check;
/* create_merge.c: image and request */
int merge_image(struct container_config *c, const struct container_config *image, struct arena *a, struct err *e) must_check;
int merge_env(struct strs *out, const struct strs *base, const struct strs *over, struct arena *a, struct err *e) must_check;
/* create_mounts.c */
struct bind_spec { const char *source, *target, *mode, *propagation; bool volume, read_only, no_copy; };
int parse_bind(const char *text, struct arena *a, struct bind_spec *ret, struct err *e) must_check;
int create_mounts(struct creation *c, struct err *e) must_check;
char *path_clean(struct arena *a, const char *path);       /* absolute, no ".", "..", "//" */
/* create_net.c */
int create_networks(struct creation *c, struct err *e) must_check;
/* "80", "80/tcp", "80-90/udp" */
struct port_range { unsigned first, last; char proto[8]; };
bool parse_port(const char *text, struct port_range *ret);
bool parse_host_port(const char *text, unsigned *first, unsigned *last);
bool is_mac(const char *s);
/* Also at start: the id of the container behind "container:x", or NULL. */
const char *mode_container(const char *mode);

int handle_container_create(struct call *call, const void *msg, struct err *e);
