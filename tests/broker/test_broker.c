/* A broker against stand-ins: the lives of containers, and what is left of them after crashes at any step. */
#include "stand.h"

#include "msg/api.h"
#include "msg/run.h"
#include "msg/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#define REF(x) &(struct api_ref){ .ref = (char *)(uintptr_t)(x) }

static int
setup(void **state)
{
	struct stand *s = malloc(sizeof *s);

	stand_open(s);
	stand_image(s, NULL);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	stand_close(*state);
	free(*state);
	return 0;
}

static struct container *
inspect(struct stand *s, const char *ref)
{
	assert_int_equal(stand_call(s, NO_container_inspect, REF(ref), NULL, 0), 0);
	return s->msg;
}

static void
a_container_lives_and_dies(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct api_wait wait = { .ref = (char *)(uintptr_t)"web", .condition = (char *)(uintptr_t)"not-running" };

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_string_equal(inspect(s, "web")->state->status, "created");
	assert_int_equal(stand_call(s, NO_container_start, REF("/web"), NULL, 0), 0);
	assert_true(inspect(s, id)->state->running);
	assert_string_equal(((struct container *)s->msg)->network_settings->networks.v[0].ip_address, "172.17.0.2");
	assert_int_equal(s->endpoints, 1);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), -1);
	assert_int_equal(s->err.code, ERR_NOT_MODIFIED);
	stand_send(s, NO_container_wait, &wait);
	stand_run(s, 10);
	assert_false(s->done);
	assert_int_equal(s->n_more, 1);
	stand_exit(s, id, 7);
	stand_run(s, 20);
	assert_true(s->done);
	assert_int_equal(((struct api_waited *)s->msg)->status, 7);
	assert_string_equal(inspect(s, id)->state->status, "exited");
	assert_int_equal(s->endpoints, 0);
	assert_int_equal(stand_call(s, NO_container_remove, &(struct api_remove){ .ref = id }, NULL, 0), 0);
	assert_int_equal(s->rws.n, 0);
	assert_int_equal(stand_call(s, NO_container_inspect, REF(id), NULL, 0), -1);
	assert_int_equal(s->err.code, ERR_NOT_FOUND);
	assert_int_equal(stand_rows(s, DB_CONTAINERS), 0);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
names_and_ids_are_found_or_refused_in_the_known_words(void **state)
{
	struct stand *s = *state;
	char a[65], b[65], text[400];

	assert_non_null(stand_create(s, "one", NULL, a));
	assert_null(stand_create(s, "one", NULL, b));
	snprintf(text, sizeof text, "Conflict. The container name \"/one\" is already in use by container \"%s\". You have to remove (or rename) that "
	    "container to be able to reuse that name.", a);
	assert_string_equal(s->err.text, text);
	assert_null(stand_create(s, "x", NULL, b));
	assert_int_equal(s->err.code, ERR_INVALID);
	assert_string_equal(inspect(s, "one")->id, a);
	a[12] = '\0';
	inspect(s, a);
	assert_int_equal(stand_call(s, NO_container_inspect, REF("none"), NULL, 0), -1);
	assert_string_equal(s->err.text, "No such container: none");
	assert_int_equal(stand_call(s, NO_container_inspect, REF(""), NULL, 0), -1);
	assert_int_equal(s->err.code, ERR_INVALID);
	assert_int_equal(stand_call(s, NO_image_inspect, REF("nosuch"), NULL, 0), -1);
	assert_string_equal(s->err.text, "No such image: nosuch:latest");
}

static void
defaults_are_filled_in(void **state)
{
	struct stand *s = *state;
	char id[65], short_id[13];
	struct host_config h = { .memory = 64 << 20 };
	struct container *c;

	assert_non_null(stand_create(s, NULL, &h, id));
	c = inspect(s, id);
	snprintf(short_id, sizeof short_id, "%.12s", id);
	assert_string_equal(c->config->hostname, short_id);
	assert_string_equal(c->host_config->network_mode, "bridge");
	assert_string_equal(c->host_config->log_config->type, "json-file");
	assert_string_equal(c->host_config->restart_policy->name, "no");
	assert_true(c->host_config->memory_swap == 128 << 20);
	assert_int_equal(c->host_config->pids_limit.v, 4096);
	assert_int_equal(c->host_config->shm_size, 64 << 20);
	assert_true(c->host_config->masked_paths.n > 5);
	assert_string_equal(c->path, "sh");
}

static void
what_is_not_built_is_refused(void **state)
{
	struct stand *s = *state;
	char id[65];
	char *link[] = { (char *)(uintptr_t)"a:b" };
	struct host_config links = { .links = { 1, link } }, privileged = { .privileged = true };

	assert_null(stand_create(s, NULL, &links, id));
	assert_int_equal(s->err.code, ERR_INVALID);
	assert_string_equal(s->err.text, "could not get container for a: No such container: a");
	assert_null(stand_create(s, NULL, &privileged, id));
	assert_string_equal(s->err.text, "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when "
	    "running privileged mode");
	assert_int_equal(s->rws.n, 0);
	assert_int_equal(s->b.ctr_by_id.n, 0);
}

static void
a_failed_start_leaves_it_created(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct container *c;

	assert_non_null(stand_create(s, "web", NULL, id));
	snprintf(s->run_error, sizeof s->run_error, "exec: \"nosuch\": executable file not found in $PATH");
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), -1);
	c = inspect(s, "web");
	assert_string_equal(c->state->status, "created");
	assert_int_equal(c->state->exit_code, 127);
	assert_int_equal(s->cancels, 1);
	assert_int_equal(s->endpoints, 0);
	s->run_error[0] = '\0';
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
}

static void
a_taken_port_is_said_and_undone(void **state)
{
	struct stand *s = *state;
	char a[65], b[65];
	struct port_binding binding = { .host_port = (char *)(uintptr_t)"18120" };
	struct port_map map = { .port = (char *)(uintptr_t)"80/tcp", .bindings = { 1, &binding } };
	struct host_config h = { .port_bindings = { 1, &map } };

	assert_non_null(stand_create(s, "aa", &h, a));
	assert_non_null(stand_create(s, "bb", &h, b));
	assert_int_equal(stand_call(s, NO_container_start, REF("aa"), NULL, 0), 0);
	assert_string_equal(inspect(s, "aa")->network_settings->ports.v[0].bindings.v[0].host_port, "18120");
	assert_int_equal(stand_call(s, NO_container_start, REF("bb"), NULL, 0), -1);
	assert_non_null(strstr(s->err.text, "driver failed programming external connectivity on endpoint bb ("));
	assert_non_null(strstr(s->err.text, "): Bind for 0.0.0.0:18120 failed: port is already allocated"));
	assert_string_equal(inspect(s, "bb")->state->status, "created");
	assert_int_equal(s->opened, 1);
	stand_exit(s, a, 0);
	stand_run(s, 20);
	assert_int_equal(stand_call(s, NO_container_start, REF("bb"), NULL, 0), 0);
	assert_int_equal(s->opened, 2);
}

static void
a_port_that_cannot_be_opened_takes_the_start_back(void **state)
{
	struct stand *s = *state;
	char a[65];
	struct port_binding binding = { .host_port = (char *)(uintptr_t)"18120" };
	struct port_map map = { .port = (char *)(uintptr_t)"80/tcp", .bindings = { 1, &binding } };
	struct host_config h = { .port_bindings = { 1, &map } };

	assert_non_null(stand_create(s, "aa", &h, a));
	s->fail_open = true;
	assert_int_equal(stand_call(s, NO_container_start, REF("aa"), NULL, 0), -1);
	assert_string_equal(s->err.text, "no memory for ports");
	assert_int_equal(s->cancels, 1);
	assert_int_equal(s->endpoints, 0);
	assert_false(inspect(s, "aa")->state->running);
	s->fail_open = false;
	assert_int_equal(stand_call(s, NO_container_start, REF("aa"), NULL, 0), 0);
	assert_true(inspect(s, "aa")->state->running);
}

static void
a_range_takes_the_next_free_port(void **state)
{
	struct stand *s = *state;
	char a[65];
	struct port_binding binding = { .host_port = (char *)(uintptr_t)"5000-5001" };
	struct port_map map = { .port = (char *)(uintptr_t)"80/tcp", .bindings = { 1, &binding } };
	struct host_config h = { .port_bindings = { 1, &map } };

	assert_non_null(stand_create(s, "aa", &h, a));
	assert_non_null(stand_create(s, "bb", &h, a));
	assert_non_null(stand_create(s, "cc", &h, a));
	assert_int_equal(stand_call(s, NO_container_start, REF("aa"), NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_container_start, REF("bb"), NULL, 0), 0);
	assert_string_equal(inspect(s, "bb")->network_settings->ports.v[0].bindings.v[0].host_port, "5001");
	assert_int_equal(stand_call(s, NO_container_start, REF("cc"), NULL, 0), -1);
	assert_non_null(strstr(s->err.text, "all ports are allocated"));
}

static void
stop_kills_after_its_timeout(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct api_stop stop = { .ref = (char *)(uintptr_t)"web", .timeout = { true, 0 } };

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	s->signal_ignored = true;
	assert_int_equal(stand_call(s, NO_container_stop, &stop, NULL, 0), 0);
	assert_int_equal(inspect(s, "web")->state->exit_code, 137);
	assert_int_equal(stand_call(s, NO_container_stop, &stop, NULL, 0), -1);
	assert_int_equal(s->err.code, ERR_NOT_MODIFIED);
}

static void
restart_policy_counts_and_gives_up(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct restart_policy p = { .name = (char *)(uintptr_t)"on-failure", .maximum_retry = 1 };
	struct host_config h = { .restart_policy = &p };

	assert_non_null(stand_create(s, "web", &h, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	stand_exit(s, id, 1);
	stand_run(s, 20);
	assert_string_equal(inspect(s, "web")->state->status, "restarting");
	stand_run(s, 200);
	assert_string_equal(inspect(s, "web")->state->status, "running");
	assert_int_equal(((struct container *)s->msg)->restart_count, 1);
	stand_exit(s, id, 1);
	stand_run(s, 20);
	assert_string_equal(inspect(s, "web")->state->status, "exited");
}

static void
removed_automatically_with_its_anonymous_volume(void **state)
{
	struct stand *s = *state;
	char id[65];
	char *binds[] = { (char *)(uintptr_t)"/anon", (char *)(uintptr_t)"named:/n" };
	struct host_config h = { .auto_remove = true, .binds = { 2, binds } };

	assert_non_null(stand_create(s, "web", &h, id));
	assert_int_equal(s->volumes.n, 2);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	stand_exit(s, id, 0);
	stand_run(s, 50);
	assert_int_equal(s->b.ctr_by_id.n, 0);
	assert_int_equal(s->rws.n, 0);
	assert_int_equal(s->volumes.n, 1);
	assert_non_null(index_get(&s->volumes, "named"));
}

static void
a_volume_in_use_is_not_removed(void **state)
{
	struct stand *s = *state;
	char id[65], text[200];
	char *binds[] = { (char *)(uintptr_t)"named:/n" };
	struct host_config h = { .binds = { 1, binds } };
	struct api_volume_remove rm = { .name = (char *)(uintptr_t)"named" };

	assert_non_null(stand_create(s, "web", &h, id));
	assert_int_equal(stand_call(s, NO_volume_remove, &rm, NULL, 0), -1);
	snprintf(text, sizeof text, "remove named: volume is in use - [%s]", id);
	assert_string_equal(s->err.text, text);
	assert_int_equal(stand_call(s, NO_container_remove, &(struct api_remove){ .ref = id, .volumes = true }, NULL, 0), 0);
	assert_int_equal(s->volumes.n, 1);
	assert_int_equal(stand_call(s, NO_volume_remove, &rm, NULL, 0), 0);
	assert_int_equal(s->volumes.n, 0);
}

static void
an_image_in_use_is_not_removed(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct api_image_remove rm = { .ref = (char *)(uintptr_t)"busybox" };

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_image_remove, &rm, NULL, 0), -1);
	assert_non_null(strstr(s->err.text, "conflict: unable to remove repository reference \"busybox:latest\" (must force) - container "));
	rm.force = true;
	assert_int_equal(stand_call(s, NO_image_remove, &rm, NULL, 0), 0);
	assert_int_equal(((struct api_image_removed *)s->msg)->deleted.n, 1);
	/* its layers stay as long as the container needs them */
	stand_run(s, 10);
	assert_int_equal(s->layers.n, 1);
	assert_int_equal(stand_call(s, NO_container_remove, &(struct api_remove){ .ref = id }, NULL, 0), 0);
	stand_run(s, 10);
	assert_int_equal(s->layers.n, 0);
}

/* ---- crashes ---- */
static void
an_interrupted_create_is_undone(void **state)
{
	struct stand *s = *state;
	char *binds[] = { (char *)(uintptr_t)"named:/n" };
	struct host_config h = { .binds = { 1, binds } };
	struct container_config k = { .image = (char *)(uintptr_t)"busybox" };
	struct api_create m = { .name = (char *)(uintptr_t)"web", .config = &k, .host_config = &h };

	s->mute_volume = true;
	stand_send(s, NO_container_create, &m);
	stand_run(s, 20);
	assert_int_equal(s->rws.n, 1);
	assert_int_equal(s->volumes.n, 1);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 1);
	s->mute_volume = false;
	stand_crash(s);
	stand_start(s);
	stand_run(s, 20);
	assert_int_equal(s->rws.n, 0);
	assert_int_equal(s->volumes.n, 0);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
	assert_int_equal(s->b.ctr_by_id.n, 0);
}

static void
an_interrupted_start_is_undone(void **state)
{
	struct stand *s = *state;
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	s->mute_endpoint = true;
	stand_send(s, NO_container_start, REF("web"));
	stand_run(s, 20);
	assert_string_equal(stand_ctr_of(s, id)->state, "prepared");
	s->mute_endpoint = false;
	stand_crash(s);
	stand_start(s);
	stand_run(s, 20);
	assert_null(stand_ctr_of(s, id));
	assert_int_equal(s->endpoints, 0);
	assert_string_equal(inspect(s, "web")->state->status, "created");
	assert_int_equal(((struct container *)s->msg)->state->exit_code, 0);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
}

static void
a_start_that_succeeded_unheard_is_adopted(void **state)
{
	struct stand *s = *state;
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	s->mute_start = true;
	stand_send(s, NO_container_start, REF("web"));
	stand_run(s, 20);
	s->mute_start = false;
	stand_crash(s);
	stand_start(s);
	stand_run(s, 20);
	assert_string_equal(inspect(s, "web")->state->status, "running");
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
the_runtime_dies_in_a_start_that_it_finishes(void **state)
{
	struct stand *s = *state;
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	s->mute_start = true;
	stand_send(s, NO_container_start, REF("web"));
	stand_run(s, 20);
	s->mute_start = false;
	stand_kill(s, "run");
	stand_run(s, 20);
	assert_false(s->done);
	stand_connect(s, "run");
	stand_run(s, 20);
	assert_true(s->done);
	assert_int_equal(s->err.code, ERR_NONE);
	assert_true(inspect(s, "web")->state->running);
}

static void
requests_wait_for_a_peer_that_comes_back(void **state)
{
	struct stand *s = *state;
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	stand_kill(s, "run");
	stand_run(s, 10);
	stand_send(s, NO_container_start, REF("web"));
	stand_run(s, 20);
	assert_false(s->done);
	stand_connect(s, "run");
	stand_run(s, 30);
	assert_true(s->done);
	assert_int_equal(s->err.code, ERR_NONE);
}

static void
an_exit_while_the_broker_was_dead_is_reported(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct container *c;

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	stand_crash(s);
	stand_exit(s, id, 7);
	stand_start(s);
	stand_run(s, 20);
	c = inspect(s, "web");
	assert_string_equal(c->state->status, "exited");
	assert_int_equal(c->state->exit_code, 7);
}

static void
what_runs_goes_on_over_a_crash(void **state)
{
	struct stand *s = *state;
	char id[65], other[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	stand_crash(s);
	stand_start(s);
	assert_string_equal(inspect(s, "web")->state->status, "running");
	assert_int_equal(s->endpoints, 1);
	/* its address is not given to another one */
	assert_non_null(stand_create(s, "two", NULL, other));
	assert_int_equal(stand_call(s, NO_container_start, REF("two"), NULL, 0), 0);
	assert_string_equal(inspect(s, "two")->network_settings->ip_address, "172.17.0.3");
}

static void
a_reboot_ends_containers_and_policies_bring_them_back(void **state)
{
	struct stand *s = *state;
	char a[65], b[65];
	struct restart_policy p = { .name = (char *)(uintptr_t)"always" };
	struct host_config h = { .restart_policy = &p };

	assert_non_null(stand_create(s, "plain", NULL, a));
	assert_non_null(stand_create(s, "policy", &h, b));
	assert_int_equal(stand_call(s, NO_container_start, REF("plain"), NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_container_start, REF("policy"), NULL, 0), 0);
	stand_crash(s);
	memset(s->ctrs, 0, sizeof s->ctrs);
	stand_start(s);
	stand_run(s, 300);
	assert_string_equal(inspect(s, "plain")->state->status, "exited");
	assert_int_equal(((struct container *)s->msg)->state->exit_code, 255);
	assert_string_equal(inspect(s, "policy")->state->status, "running");
}

/* An operation that has no say in whether a container runs does not keep it from being found dead. */
static void
a_reboot_in_the_middle_of_something_ends_containers_too(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct restart_policy p = { .name = (char *)(uintptr_t)"always" };
	struct host_config h = { .restart_policy = &p }, wish = { .memory = 64 << 20, .memory_swap = -1 };
	struct api_update m = { .host = &wish };
	struct api_stop stop = { .ref = (char *)(uintptr_t)"stopped", .timeout = { true, 100 } };

	assert_non_null(stand_create(s, "plain", NULL, id));
	assert_non_null(stand_create(s, "policy", &h, id));
	assert_non_null(stand_create(s, "stopped", NULL, id));
	assert_non_null(stand_create(s, "removed", NULL, id));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(stand_call(s, NO_container_start, REF(((const char *[]){ "plain", "policy", "stopped", "removed" })[i]), NULL, 0), 0);
	s->mute_update = s->signal_ignored = s->mute_signal = true;
	m.ref = (char *)(uintptr_t)"plain";
	stand_send(s, NO_container_update, &m);
	m.ref = (char *)(uintptr_t)"policy";
	stand_send(s, NO_container_update, &m);
	stand_send(s, NO_container_stop, &stop);
	stand_send(s, NO_container_remove, &(struct api_remove){ .ref = (char *)(uintptr_t)"removed", .force = true });
	stand_run(s, 30);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 4);
	stand_crash(s);
	memset(s->ctrs, 0, sizeof s->ctrs);
	s->mute_update = s->signal_ignored = s->mute_signal = false;
	stand_start(s);
	stand_run(s, 300);
	assert_string_equal(inspect(s, "plain")->state->status, "exited");
	assert_string_equal(inspect(s, "policy")->state->status, "running");
	assert_string_equal(inspect(s, "stopped")->state->status, "exited");
	assert_int_equal(stand_call(s, NO_container_inspect, REF("removed"), NULL, 0), -1);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
an_interrupted_remove_is_finished(void **state)
{
	struct stand *s = *state;
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	stand_kill(s, "store");
	stand_run(s, 10);
	stand_send(s, NO_container_remove, &(struct api_remove){ .ref = id });
	stand_run(s, 20);
	assert_false(s->done);
	stand_crash(s);
	stand_start(s);
	stand_run(s, 30);
	assert_int_equal(s->rws.n, 0);
	assert_int_equal(s->b.ctr_by_id.n, 0);
	assert_int_equal(stand_rows(s, DB_CONTAINERS), 0);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
an_interrupted_restart_is_finished(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct api_stop m = { .ref = (char *)(uintptr_t)"web" };

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	s->mute_endpoint = true;
	stand_send(s, NO_container_restart, &m);
	stand_run(s, 30);
	assert_string_equal(stand_ctr_of(s, id)->state, "prepared");
	s->mute_endpoint = false;
	stand_crash(s);
	stand_start(s);
	stand_run(s, 50);
	assert_string_equal(inspect(s, "web")->state->status, "running");
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
a_damaged_record_is_left_out_and_nothing_is_taken_for_rubbish(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct err e = ERR_INIT;

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(db_begin(s->b.db, true, &e), 0);
	assert_int_equal(db_put_blob(s->b.db, DB_CONTAINERS, id, "garbage", 7, &e), 0);
	assert_int_equal(db_commit(s->b.db, &e), 0);
	stand_crash(s);
	stand_start(s);
	stand_run(s, 20);
	assert_int_equal(s->b.ctr_by_id.n, 0);
	assert_int_equal(s->rws.n, 1);
	assert_non_null(stand_create(s, "web", NULL, id));
}

static void
rubbish_in_the_store_goes_and_volumes_come_back(void **state)
{
	struct stand *s = *state;
	struct api_filters none = { 0 };

	stand_crash(s);
	stand_put(&s->rws, "lost");
	stand_put(&s->volumes, "precious");
	stand_start(s);
	stand_run(s, 20);
	assert_int_equal(s->rws.n, 0);
	assert_int_equal(s->volumes.n, 1);
	assert_int_equal(stand_call(s, NO_volume_list, &none, NULL, 0), 0);
	assert_string_equal(((struct api_volumes *)s->msg)->items.v[0].name, "precious");
}

static void
an_exec_runs_and_its_code_is_kept(void **state)
{
	struct stand *s = *state;
	char id[65], exec[65];
	char *cmd[] = { (char *)(uintptr_t)"true" };
	struct exec_config k = { .ref = (char *)(uintptr_t)"web", .cmd = { 1, cmd } };
	struct api_exec_start start = { .detach = true };

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_exec_create, &k, NULL, 0), -1);
	assert_int_equal(s->err.code, ERR_CONFLICT);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_exec_create, &k, NULL, 0), 0);
	snprintf(exec, sizeof exec, "%s", ((struct api_created *)s->msg)->id);
	start.id = exec;
	assert_int_equal(stand_call(s, NO_exec_start, &start, NULL, 0), 0);
	stand_run(s, 20);
	assert_int_equal(stand_call(s, NO_exec_inspect, REF(exec), NULL, 0), 0);
	assert_int_equal(((struct exec_state *)s->msg)->exit_code.v, 3);
	stand_crash(s);
	stand_start(s);
	assert_int_equal(stand_call(s, NO_exec_inspect, REF(exec), NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_exec_start, &start, NULL, 0), -1);
}

static int64_t
memory_of(struct stand *s, const char *name)
{
	assert_int_equal(stand_call(s, NO_container_inspect, REF(name), NULL, 0), 0);
	return ((struct container *)s->msg)->host_config->memory;
}

static void
an_update_is_whole_or_not_at_all(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct host_config h = { .memory = 64 << 20 }, wish = { .memory = 32 << 20, .memory_swap = -1 };
	struct api_update m = { .ref = (char *)(uintptr_t)"web", .host = &wish };

	assert_non_null(stand_create(s, "web", &h, id));
	/* one that does not run: only the record */
	assert_int_equal(stand_call(s, NO_container_update, &m, NULL, 0), 0);
	assert_int_equal(s->n_updated, 0);
	assert_true(memory_of(s, "web") == 32 << 20);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	wish.memory = 48 << 20;
	assert_int_equal(stand_call(s, NO_container_update, &m, NULL, 0), 0);
	assert_true(s->n_updated == 1 && s->updated[0] == 48 << 20);
	/* what the kernel refuses is taken back */
	snprintf(s->update_error, sizeof s->update_error, "the kernel does not want to");
	wish.memory = 96 << 20;
	assert_int_equal(stand_call(s, NO_container_update, &m, NULL, 0), -1);
	assert_non_null(strstr(s->err.text, "Cannot update container "));
	assert_non_null(strstr(s->err.text, "the kernel does not want to"));
	assert_true(s->n_updated == 3 && s->updated[1] == 96 << 20 && s->updated[2] == 48 << 20);
	assert_true(memory_of(s, "web") == 48 << 20);
	/* and what was under way when the broker died */
	s->mute_update = true;
	stand_send(s, NO_container_update, &m);
	stand_run(s, 20);
	stand_crash(s);
	s->mute_update = false;
	stand_start(s);
	stand_run(s, 50);
	assert_true(s->n_updated == 5 && s->updated[3] == 96 << 20 && s->updated[4] == 48 << 20);
	assert_true(memory_of(s, "web") == 48 << 20);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
events_tell_a_life_in_order(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct api_events all = { .since = 1, .until = 2, .has_until = true };

	assert_int_equal(stand_call(s, NO_system_events, &all, NULL, 0), 0);
	assert_int_equal(s->n_more, 0);
	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	stand_exit(s, id, 3);
	stand_run(s, 20);
	all.until = now_real_ns();
	assert_int_equal(stand_call(s, NO_system_events, &all, NULL, 0), 0);
	/* load, create, network connect, start, network disconnect, die */
	assert_int_equal(s->n_more, 6);
}

static void
a_copy_leaves_nothing_behind(void **state)
{
	struct stand *s = *state;
	struct api_archive stat = { .ref = (char *)(uintptr_t)"web", .op = (char *)(uintptr_t)"stat", .path = (char *)(uintptr_t)"/f" };
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	/* in a sandbox of its own */
	assert_int_equal(stand_call(s, NO_container_archive, &stat, NULL, 0), 0);
	assert_int_equal(s->n_more, 1);
	assert_int_equal(s->deletes, 1);
	stat.path = (char *)(uintptr_t)"/missing";
	assert_int_equal(stand_call(s, NO_container_archive, &stat, NULL, 0), -1);
	assert_int_equal(s->err.code, ERR_NOT_FOUND);
	assert_string_equal(s->err.text, "Could not find the file /missing in container web");
	assert_int_equal(s->deletes, 2);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
	/* beside the container */
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_container_archive, &stat, NULL, 0), -1);
	stat.path = (char *)(uintptr_t)"/f";
	assert_int_equal(stand_call(s, NO_container_archive, &stat, NULL, 0), 0);
	assert_int_equal(s->deletes, 2);
	assert_non_null(stand_ctr_of(s, id));
	assert_string_equal(stand_ctr_of(s, id)->state, "running");
	/* one that takes long does not hold up the container's end */
	s->mute_archive = true;
	stand_send(s, NO_container_archive, &stat);
	stand_run(s, 50);
	assert_int_equal(stand_call(s, NO_container_kill, &(struct api_kill){ .ref = id, .signal = (char *)(uintptr_t)"KILL" }, NULL, 0), 0);
	stand_exit(s, id, 137);
	stand_run(s, 50);
	s->mute_archive = false;
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
}

static void
an_interrupted_copy_is_undone(void **state)
{
	struct stand *s = *state;
	struct api_archive stat = { .ref = (char *)(uintptr_t)"web", .op = (char *)(uintptr_t)"stat", .path = (char *)(uintptr_t)"/f" };
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	s->mute_archive = true;
	stand_send(s, NO_container_archive, &stat);
	stand_run(s, 50);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 1);
	assert_int_equal(s->deletes, 0);
	stand_crash(s);
	s->mute_archive = false;
	stand_start(s);
	assert_true(s->deletes > 0);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
}

/* What only the engine itself writes into an endpoint is not taken from a request. */
static void
an_endpoint_of_a_request_is_not_attached(void **state)
{
	struct stand *s = *state;
	static const char *const networks[] = { "none", "bridge" };

	for (size_t i = 0; i < 2; i++) {
		struct endpoint n = { .network = (char *)(uintptr_t)networks[i], .link = (char *)(uintptr_t)"x", .ifname = (char *)(uintptr_t)"eth7",
			.ip_address = (char *)(uintptr_t)"172.17.0.99", .endpoint_id = (char *)(uintptr_t)"x", .gateway = (char *)(uintptr_t)"1.2.3.4" };
		struct container_config k = { .image = (char *)(uintptr_t)"busybox" };
		struct host_config h = { .network_mode = n.network };
		struct api_create m = { .name = n.network, .config = &k, .host_config = &h, .networks = { 1, &n } };

		assert_int_equal(stand_call(s, NO_container_create, &m, NULL, 0), 0);
		n = inspect(s, networks[i])->network_settings->networks.v[0];
		assert_true(n.link == NULL && n.ifname == NULL && n.ip_address == NULL && n.endpoint_id == NULL && n.gateway == NULL);
	}
	stand_crash(s);
	stand_start(s);
	assert_int_equal(s->endpoints, 0);
}

static void
a_network_whose_record_is_gone_keeps_nothing_else_from_recovery(void **state)
{
	struct stand *s = *state;
	struct host_config on_it = { .network_mode = (char *)(uintptr_t)"mine" };
	struct err e = ERR_INIT;
	char id[65], network[65];

	assert_int_equal(stand_call(s, NO_network_create, &(struct api_network_create){ .name = (char *)(uintptr_t)"mine" }, NULL, 0), 0);
	snprintf(network, sizeof network, "%s", ((struct api_created *)s->msg)->id);
	assert_non_null(stand_create(s, "on", &on_it, id));
	assert_non_null(stand_create(s, "off", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("on"), NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_container_start, REF("off"), NULL, 0), 0);
	assert_int_equal(s->endpoints, 2);
	assert_int_equal(db_begin(s->b.db, true, &e), 0);
	assert_int_equal(db_del(s->b.db, DB_NETWORKS, network, &e), 0);
	assert_int_equal(db_commit(s->b.db, &e), 0);
	stand_crash(s);
	stand_start(s);
	assert_int_equal(s->endpoints, 1);
	assert_true(inspect(s, "on")->state->running);
}

/* An operation that holds a container is no different from a pause, also when it ends badly. */
static void
a_commit_holds_health_checks_and_lets_them_go_on(void **state)
{
	struct stand *s = *state;
	char *test[] = { (char *)(uintptr_t)"CMD", (char *)(uintptr_t)"true" };
	struct health_config health = { .test = { 2, test }, .interval = 3600000000000, .timeout = 3600000000000 };
	struct container_config k = { .image = (char *)(uintptr_t)"busybox", .healthcheck = &health };
	struct api_create m = { .name = (char *)(uintptr_t)"web", .config = &k };
	struct api_commit commit = { .ref = m.name, .pause = true };
	struct err e = ERR_INIT;

	assert_int_equal(stand_call(s, NO_container_create, &m, NULL, 0), 0);
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	assert_non_null(ctr_find(&s->b, "web", &e)->health);
	assert_int_equal(stand_call(s, NO_container_commit, &commit, NULL, 0), -1);
	assert_string_equal(inspect(s, "web")->state->status, "running");
	assert_non_null(ctr_find(&s->b, "web", &e)->health);
	s->mute_commit = true;
	stand_send(s, NO_container_commit, &commit);
	stand_run(s, 30);
	assert_null(ctr_find(&s->b, "web", &e)->health);
	stand_crash(s);
	s->mute_commit = false;
	stand_start(s);
	stand_run(s, 30);
	assert_string_equal(inspect(s, "web")->state->status, "running");
	assert_non_null(ctr_find(&s->b, "web", &e)->health);
	assert_int_equal(stand_rows(s, DB_JOURNAL), 0);
}

static void
answers_for_a_worker_that_is_gone_are_dropped(void **state)
{
	struct stand *s = *state;
	char id[65];

	assert_non_null(stand_create(s, "web", NULL, id));
	assert_int_equal(stand_call(s, NO_container_start, REF("web"), NULL, 0), 0);
	s->mute_stats = true;
	stand_send(s, NO_container_stats, REF("web"));
	stand_send(s, NO_volume_usage, NULL);
	stand_run(s, 20);
	assert_int_equal(s->n_muted, 2);
	edge_free(s->api);
	s->api = NULL;
	stand_run(s, 20);
	call_reply(s->muted[0], &(struct api_sample){ .read = 5 }, NULL, 0);
	call_reply(s->muted[1], &(struct store_sizes){ .rws = { 0 } }, NULL, 0);
	s->n_muted = 0;
	stand_run(s, 20);
	assert_true(s->b.peers[PEER_RUN].ready);
}

/* What a worker that was taken over might send: nothing in it but zeroes. */
static void
an_empty_message_of_each_kind_is_answered(void **state)
{
	struct stand *s = *state;

	for (size_t i = 0; i < api_edge.n; i++) {
		const struct edge_row *row = &api_edge.rows[i];
		void *msg;

		if (row->from != EDGE_A)
			continue;
		msg = calloc(1, row->req->size);
		assert_non_null(msg);
		if (row->no == NO_system_events)
			((struct api_events *)msg)->has_until = true;
		(void)stand_call(s, row->no, msg, NULL, 0);
		free(msg);
	}
	assert_non_null(s->api);
}

static void
five_hundred_containers_are_listed_quickly(void **state)
{
	struct stand *s = *state;
	char id[65];
	struct api_list all = { .all = true };
	int64_t start;

	for (int i = 0; i < 500; i++)
		assert_non_null(stand_create(s, NULL, NULL, id));
	start = now_mono_ns();
	assert_int_equal(stand_call(s, NO_container_list, &all, NULL, 0), 0);
	assert_int_equal(((struct api_summaries *)s->msg)->items.n, 500);
	print_message("500 containers listed and decoded in %lld us\n", (long long)(now_mono_ns() - start) / 1000);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_container_lives_and_dies), T(names_and_ids_are_found_or_refused_in_the_known_words), T(defaults_are_filled_in),
		T(what_is_not_built_is_refused), T(a_failed_start_leaves_it_created), T(a_taken_port_is_said_and_undone), T(a_port_that_cannot_be_opened_takes_the_start_back),
		T(a_range_takes_the_next_free_port), T(stop_kills_after_its_timeout), T(restart_policy_counts_and_gives_up),
		T(removed_automatically_with_its_anonymous_volume), T(a_volume_in_use_is_not_removed), T(an_image_in_use_is_not_removed),
		T(an_interrupted_create_is_undone), T(an_interrupted_start_is_undone), T(a_start_that_succeeded_unheard_is_adopted),
		T(the_runtime_dies_in_a_start_that_it_finishes), T(requests_wait_for_a_peer_that_comes_back),
		T(an_exit_while_the_broker_was_dead_is_reported), T(what_runs_goes_on_over_a_crash),
		T(a_reboot_ends_containers_and_policies_bring_them_back), T(a_reboot_in_the_middle_of_something_ends_containers_too), T(an_interrupted_remove_is_finished), T(an_interrupted_restart_is_finished),
		T(a_damaged_record_is_left_out_and_nothing_is_taken_for_rubbish),
		T(rubbish_in_the_store_goes_and_volumes_come_back), T(an_exec_runs_and_its_code_is_kept), T(an_update_is_whole_or_not_at_all), T(events_tell_a_life_in_order),
		T(answers_for_a_worker_that_is_gone_are_dropped), T(a_commit_holds_health_checks_and_lets_them_go_on),
		T(an_endpoint_of_a_request_is_not_attached), T(a_network_whose_record_is_gone_keeps_nothing_else_from_recovery),
		T(a_copy_leaves_nothing_behind), T(an_interrupted_copy_is_undone),
		T(an_empty_message_of_each_kind_is_answered), T(five_hundred_containers_are_listed_quickly),
	};

	return cmocka_run_group_tests_name("broker", tests, NULL, NULL);
}
