/* POST /containers/create: the body's three parts become one message; what needs JSON (seccomp profiles) is parsed here. */
#include "routes.h"
#include "seccomp_check.h"

#include <string.h>
#include <strings.h>

#define NETWORKING_CONFIG_FIELDS(F, O, L) \
	L(endpoint, endpoints, "{EndpointsConfig", 64)
REC_DECLARE(networking_config, NETWORKING_CONFIG_FIELDS)
#define REC_SELF struct networking_config
REC_DEFINE(networking_config, NETWORKING_CONFIG_FIELDS)
#undef REC_SELF

/* --gpus and the like: an engine that has no driver for it says so, with the list of lists as Go prints it. */
static int
no_device_driver(const json_t *request, struct err *e)
{
	own_buf caps = BUF_INIT(400);
	json_t *set, *cap;
	size_t i, k;

	json_array_foreach(json_member(request, "Capabilities"), i, set) {
		buf_puts(&caps, i > 0 ? " [" : "[");
		json_array_foreach(set, k, cap) {
			buf_printf(&caps, "%s%.64s", k > 0 ? " " : "", json_is_string(cap) ? json_string_value(cap) : "");
		}
		buf_putc(&caps, ']');
	}
	set = json_member(request, "Driver");
	return err_set(e, ERR_INVALID, "could not select device driver \"%.64s\" with capabilities: [%s]", json_is_string(set) ? json_string_value(set) : "",
	    buf_cstr(&caps));
}

/* Fields that have no place in the tables must not be dropped in silence. */
static int
refuse_unbuilt(const json_t *host, struct err *e)
{
	json_t *each;
	size_t i;

	json_array_foreach(json_member(host, "DeviceRequests"), i, each)
		return no_device_driver(each, e);
	return 0;
}

/* TmpfsOptions.Options: [["noexec"], ["size", "1g"]], for which the tables have no kind. */
static int
tmpfs_words(struct client *c, const json_t *host, struct host_config *h, struct err *e)
{
	json_t *each, *pair, *word;
	size_t i, k, n;

	json_array_foreach(json_member(host, "Mounts"), i, each) {
		json_t *options = json_member(each, "TmpfsOptions");

		if (i >= h->mounts.n || h->mounts.v[i].tmpfs_options == NULL)
			continue;
		json_array_foreach(json_member(options, "Options"), k, pair) {
			const char *text[2] = { "", NULL };
			char *joined;

			json_array_foreach(pair, n, word) {
				if (n < 2 && json_is_string(word))
					text[n] = json_string_value(word);
			}
			joined = text[1] != NULL ? arena_printf(&c->arena, "%s=%s", text[0], text[1]) : arena_str(&c->arena, text[0]);
			if (joined == NULL || !strs_add(&h->mounts.v[i].tmpfs_options->options, &c->arena, joined))
				return err_set(e, ERR_NO_MEMORY, "out of memory");
		}
	}
	return 0;
}

static int
parse_seccomp(struct client *c, struct host_config *host, struct err *e)
{
	for (size_t i = 0; i < host->security_opt.n; i++) {
		const char *opt = host->security_opt.v[i], *value;
		own_json *v = NULL;

		if (strncmp(opt, "seccomp=", 8) != 0 && strncmp(opt, "seccomp:", 8) != 0)
			continue;
		value = opt + 8;
		if (strcmp(value, "unconfined") == 0 || strcmp(value, "builtin") == 0 || *value == '\0')
			continue;
		host->seccomp = arena_alloc(&c->arena, sizeof *host->seccomp);
		if (host->seccomp == NULL)
			return err_set(e, ERR_NO_MEMORY, "out of memory");
		if (json_parse(value, strlen(value), &v, e) < 0 ||
		    json_to_rec(&seccomp_profile_type, v, "", &c->arena, host->seccomp, NULL, e) < 0 ||
		    seccomp_check(host->seccomp, e) < 0)
			return err_wrap(e, "Decoding seccomp profile failed");
	}
	return 0;
}

static int
parse_parts(struct client *c, const json_t *body, struct api_create *m, struct err *e)
{
	json_t *host = json_member(body, "HostConfig"), *networking = json_member(body, "NetworkingConfig");
	struct networking_config *net = arena_alloc(&c->arena, sizeof *net);

	m->config = arena_alloc(&c->arena, sizeof *m->config);
	m->host_config = arena_alloc(&c->arena, sizeof *m->host_config);
	if (net == NULL || m->config == NULL || m->host_config == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (json_to_rec(&container_config_type, body, "", &c->arena, m->config, NULL, e) < 0)
		return -1;
	if (host != NULL && (json_to_rec(&host_config_type, host, "HostConfig", &c->arena, m->host_config, NULL, e) < 0 || refuse_unbuilt(host, e) < 0 || tmpfs_words(c, host, m->host_config, e) < 0))
		return -1;
	if (networking != NULL && json_to_rec(&networking_config_type, networking, "NetworkingConfig", &c->arena, net, NULL, e) < 0)
		return -1;
	m->networks = net->endpoints;
	return parse_seccomp(c, m->host_config, e);
}

/* Whether any key belongs to Config: the Docker engine asks for one. */
static bool
has_config(const json_t *body)
{
	const char *key;
	json_t *each;

	json_object_foreach((json_t *)(uintptr_t)body, key, each)
		if (strcasecmp(key, "HostConfig") != 0 && strcasecmp(key, "NetworkingConfig") != 0)
			return true;
	return false;
}

int
handle_container_create(struct client *c, struct err *e)
{
	own_json *body = NULL;
	struct api_create m = {
		.name = (char *)(uintptr_t)query_str(c, "name"), .api_version = (int64_t)c->version,
		.platform = (char *)(uintptr_t)(c->version >= 141 ? query_str(c, "platform") : ""),
	};

	if (client_json(c, &body, e) < 0)
		return -1;
	if (!json_is_object(body) && !json_is_null(body))
		return err_set(e, ERR_INVALID, "invalid JSON: json: cannot unmarshal %s into Go value of type container.CreateRequest", json_type_name(body));
	if (!has_config(body))
		return err_set(e, ERR_INVALID, "config cannot be empty in order to create a container");
	if (parse_parts(c, body, &m, e) < 0)
		return -1;
	return client_call_rec(c, NO_container_create, &m, 201, e);
}
