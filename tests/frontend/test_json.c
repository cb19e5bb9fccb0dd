#include "cmocka_all.h"

#include "changes.h"
#include "human.h"
#include "json.h"
#include "logline.h"
#include "msg/api.h"
#include "seccomp_check.h"
#include "times.h"
#include "top.h"

#include <string.h>

static int
read_host(const char *text, struct arena *a, struct host_config *h, struct err *e)
{
	memset(h, 0, sizeof *h);
	return json_read(&host_config_type, text, strlen(text), a, h, e);
}

static void
input_follows_the_tables(void **state)
{
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct host_config h;

	assert_int_equal(read_host("{\"memory\":5,\"Memory\":7,\"Binds\":null,\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"1\"}],\"81/tcp\":null},"
	    "\"Tmpfs\":{\"/x\":\"rw\"},\"ConsoleSize\":[3,4],\"OomKillDisable\":false,\"PidsLimit\":null,\"MemorySwappiness\":-1,"
	    "\"RestartPolicy\":{\"Name\":\"always\"},\"Unknown\":[{}]}", &a, &h, &e), 0);
	assert_int_equal(h.memory, 7);
	assert_null(h.binds.v);
	assert_int_equal(h.port_bindings.n, 2);
	assert_string_equal(h.port_bindings.v[0].bindings.v[0].host_port, "1");
	assert_null(h.port_bindings.v[1].bindings.v);
	assert_string_equal(kvs_get(&h.tmpfs, "/x"), "rw");
	assert_true(h.console_size.a == 3 && h.console_size.b == 4 && h.oom_kill_disable == -1 && !h.pids_limit.set && h.memory_swappiness.v == -1);
	assert_string_equal(h.restart_policy->name, "always");
}

static void
plain_string_is_a_command(void **state)
{
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct container_config c = { 0 };
	static const char text[] = "{\"Cmd\":\"ls\",\"Entrypoint\":[\"\"],\"ExposedPorts\":{\"80/tcp\":{}}}";

	assert_int_equal(json_read(&container_config_type, text, strlen(text), &a, &c, &e), 0);
	assert_string_equal(c.cmd.v[0], "ls");
	assert_int_equal(c.entrypoint.n, 1);
	assert_string_equal(c.exposed_ports.v[0], "80/tcp");
}

static void
wrong_types_name_the_field(void **state)
{
	static const char *const bad[] = { "{\"Memory\":\"1\"}", "{\"Memory\":1.5}", "{\"Binds\":\"x\"}", "{\"Binds\":[1]}", "{\"Privileged\":1}",
		"{\"PortBindings\":[]}", "{\"Mounts\":[1]}", "{\"ConsoleSize\":[1]}", "{\"Tmpfs\":{\"a\":1}}", "[]", "{\"Memory\":99999999999999999999}" };
	own_arena a = ARENA_INIT;
	struct host_config h;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(read_host(bad[i], &a, &h, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	struct err e = ERR_INIT;

	(void)!read_host("{\"RestartPolicy\":{\"MaximumRetryCount\":\"x\"}}", &a, &h, &e);
	assert_non_null(strstr(e.text, "RestartPolicy.MaximumRetryCount"));
}

static void
documents_have_limits(void **state)
{
	own_arena a = ARENA_INIT;
	struct host_config h;
	struct err e = ERR_INIT;
	char deep[4096];

	memset(deep, '[', 2000);
	deep[2000] = '\0';
	assert_int_equal(read_host(deep, &a, &h, &e), -1);
	assert_int_equal(read_host("{} x", &a, &h, &e), -1);
	assert_string_equal(e.text, "unexpected content after JSON");
	assert_int_equal(read_host(" ", &a, &h, &e), -1);
	assert_string_equal(e.text, "invalid JSON: got EOF while reading request body");
	assert_int_equal(read_host("{", &a, &h, &e), -1);
	assert_int_equal(read_host("{}\n", &a, &h, &e), 0);
	assert_int_equal(read_host("{\"Runtime\":\"\xff\"}", &a, &h, &e), 0);
	assert_string_equal(h.runtime, "\xef\xbf\xbd");
}

static void
output_is_as_go_writes_it(void **state)
{
	own_buf b = BUF_INIT(65536);
	struct mount_point m = { .source = (char *)(uintptr_t)"<&>\"\\\n\x01\xff\xe2\x80\xa8\xc3\xa9", .rw = true };
	struct port_map map = { .port = (char *)(uintptr_t)"80/tcp" };
	struct network_settings n = { .ports = { 1, &map } };

	json_put_rec(&b, &mount_point_type, &m);
	assert_string_equal(buf_cstr(&b), "{\"Source\":\"<&>\\\"\\\\\\n\\u0001\\ufffd\\u2028\xc3\xa9\",\"Destination\":\"\",\"Mode\":\"\",\"RW\":true,\"Propagation\":\"\"}");
	buf_reset(&b);
	json_put_rec(&b, &network_settings_type, &n);
	assert_non_null(strstr(buf_cstr(&b), "\"Ports\":{\"80/tcp\":null}"));
	assert_non_null(strstr(buf_cstr(&b), "\"Networks\":null"));
	buf_reset(&b);
	json_put_num(&b, INT64_MIN);
	json_put_time(&b, 0);
	assert_string_equal(buf_cstr(&b), "-9223372036854775808\"0001-01-01T00:00:00Z\"");
}

static void
what_was_written_reads_back(void **state)
{
	own_arena a = ARENA_INIT;
	own_buf b = BUF_INIT(65536), c = BUF_INIT(65536);
	struct err e = ERR_INIT;
	struct host_config h, again;

	assert_int_equal(read_host("{\"Memory\":7,\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"1\"}]},\"Mounts\":[{\"Type\":\"bind\"}],\"Init\":true}", &a, &h, &e), 0);
	json_put_rec(&b, &host_config_type, &h);
	assert_int_equal(read_host(buf_cstr(&b), &a, &again, &e), 0);
	json_put_rec(&c, &host_config_type, &again);
	assert_string_equal(buf_cstr(&b), buf_cstr(&c));
}

static void
log_lines_are_scanned(void **state)
{
	static const char *const lines[] = {
		"{\"log\":\"a\\\"b\\\\\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.12Z\"}",
		"{\"log\":\"a\\\"b\\\\\\n\",\"stream\":\"stderr\",\"attrs\":{\"k\":\"}\\\"\"},\"time\":\"2026-01-02T03:04:05.12Z\"}",
		"{\"time\":\"2026-01-02T03:04:05.12Z\", \"stream\":\"stderr\", \"log\":\"a\\\"b\\\\\\n\"}",
	};
	own_buf out = BUF_INIT(4096), scratch = BUF_INIT(4096);

	for (size_t i = 0; i < 3; i++) {
		struct log_line l;

		assert_true(log_line_scan(lines[i], strlen(lines[i]), &l, &scratch));
		assert_int_equal(l.stream, LOG_STDERR);
		assert_false(l.partial);
		buf_reset(&out);
		log_line_put_time(&l, &out);
		log_line_text(&l, &out);
		assert_string_equal(buf_cstr(&out), "2026-01-02T03:04:05.120000000Za\"b\\\n");
		assert_true(log_line_ns(&l) % 1000000000 == 120000000);
	}
	struct log_line l;
	static const char unicode[] = "{\"log\":\"\\u00e9\\ud83d\\ude00\\ud800x\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}";

	assert_true(log_line_scan(unicode, strlen(unicode), &l, &scratch));
	assert_true(l.partial);
	buf_reset(&out);
	log_line_text(&l, &out);
	assert_string_equal(buf_cstr(&out), "\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx");
	assert_false(log_line_scan("{\"log\":\"x", 9, &l, &scratch));
}

static void
times_of_queries(void **state)
{
	int64_t t;

	assert_true(time_parse("1700000000.000000005", 0, &t) && t == 1700000000000000005);
	assert_true(time_parse("-5", 0, &t) && t == -5000000000);
	assert_true(time_parse("10m", 600000000000 + 7, &t) && t == 7);
	assert_true(time_parse("2026-01-02T03:04:05Z", 0, &t) && t > 0);
	assert_true(time_parse("", 0, &t) && t == 0);
	assert_false(time_parse("abc", 0, &t));
	assert_false(time_parse("99999999999999999999", 0, &t));
}

static void
states_in_the_engines_words(void **state)
{
	char text[160];
	struct container_state s = { .running = true, .started_at = 1 };

	human_status(text, &s, NULL, INT64_C(200) * 1000000000);
	assert_string_equal(text, "Up 3 minutes");
	s.paused = true;
	human_status(text, &s, NULL, INT64_C(1000000000));
	assert_string_equal(text, "Up Less than a second (Paused)");
	s = (struct container_state){ .started_at = 1, .finished_at = 1, .exit_code = 3 };
	human_status(text, &s, NULL, INT64_C(7200) * 1000000000);
	assert_string_equal(text, "Exited (3) 2 hours ago");
	s = (struct container_state){ .status = (char *)(uintptr_t)"created" };
	human_status(text, &s, NULL, 1);
	assert_string_equal(text, "Created");
}

static void
changes_are_instructions(void **state)
{
	static const char *const good[] = { "CMD [\"a\",\"b\"]", "env A=1 B=\"x y\"", "ENV A 2", "EXPOSE 80 90-91/udp", "LABEL a=b", "USER u",
		"VOLUME /a /b", "WORKDIR /w", "WORKDIR sub", "STOPSIGNAL 9", "HEALTHCHECK --interval=5s CMD true", "ONBUILD RUN x", "ENTRYPOINT sh" };
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct container_config c = { 0 };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (change_apply(&c, &a, good[i], &e) < 0)
			fail_msg("%s: %s", good[i], e.text);
	assert_int_equal(c.cmd.n, 2);
	assert_int_equal(c.env.n, 2);
	assert_string_equal(c.env.v[0], "A=2");
	assert_string_equal(c.env.v[1], "B=x y");
	assert_int_equal(c.exposed_ports.n, 3);
	assert_string_equal(c.working_dir, "/w/sub");
	assert_int_equal(c.healthcheck->interval, 5000000000);
	assert_string_equal(c.entrypoint.v[2], "sh");
	assert_int_equal(change_apply(&c, &a, "RUN x", &e), -1);
	assert_int_equal(change_apply(&c, &a, "ENV", &e), -1);
	assert_int_equal(change_apply(&c, &a, "EXPOSE x", &e), -1);
}

static void
changes_know_variables(void **state)
{
	static const char *const good[] = { "ENV A=1 PATH=/bin", "ENV A=2 B=$A PATH=/x:${PATH} N=${NONE:-d}${A:+s} Q='$A' E=\\$A", "ENV L $A and \"$B\"",
		"WORKDIR /$A", "USER ${B}", "LABEL l=\"$A x\"", "VOLUME /v$A", "EXPOSE 8${A}", "CMD echo $A" };
	static const char *const bad[] = { "ENV X=${A", "ENV X=${A?x}", "ENV X=${}", "USER ${" };
	static const char *const env[] = { "A=2", "PATH=/x:/bin", "B=1", "N=ds", "Q=$A", "E=$A", "L=2 and 1" };
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct container_config c = { 0 };

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (change_apply(&c, &a, good[i], &e) < 0)
			fail_msg("%s: %s", good[i], e.text);
	assert_int_equal(c.env.n, sizeof env / sizeof env[0]);
	for (size_t i = 0; i < c.env.n; i++)
		assert_string_equal(c.env.v[i], env[i]);
	assert_string_equal(c.working_dir, "/2");
	assert_string_equal(c.user, "1");
	assert_string_equal(c.labels.v[0].value, "2 x");
	assert_string_equal(c.volumes.v[0], "/v2");
	assert_string_equal(c.exposed_ports.v[0], "82/tcp");
	assert_string_equal(c.cmd.v[2], "echo $A");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(change_apply(&c, &a, bad[i], &e), -1);
	}
}

static void
top_knows_the_usual_columns(void **state)
{
	own_buf b = BUF_INIT(65536);
	struct err e = ERR_INIT;
	struct proc p = { .pid = 5, .uid = 7, .comm = (char *)(uintptr_t)"sh", .args = (char *)(uintptr_t)"sh -c x" };
	struct api_procs procs = { .procs = { 1, &p } };

	assert_int_equal(top_format("-o pid,comm=NAME", &procs, 0, &b, &e), 0);
	assert_string_equal(buf_cstr(&b), "{\"Titles\":[\"PID\",\"NAME\"],\"Processes\":[[\"5\",\"sh\"]]}");
	buf_reset(&b);
	assert_int_equal(top_format("aux", &procs, 0, &b, &e), 0);
	buf_reset(&b);
	assert_int_equal(top_format("-eo pid,zzz", &procs, 0, &b, &e), -1);
	assert_int_equal(top_format("-o comm", &procs, 0, &b, &e), -1);
	assert_string_equal(e.text, "Couldn't find PID field in ps output");
}

static void
seccomp_profiles_are_checked(void **state)
{
	struct err e = ERR_INIT;
	struct seccomp_profile p = { .default_action = (char *)(uintptr_t)"SCMP_ACT_ERRNO" };
	struct seccomp_rule rule = { .name = (char *)(uintptr_t)"no_such_call", .action = (char *)(uintptr_t)"SCMP_ACT_ALLOW" };

	assert_int_equal(seccomp_check(&p, &e), 0);
	p.syscalls = (struct seccomp_rule_list){ 1, &rule };
	assert_int_equal(seccomp_check(&p, &e), 0);
	rule.action = (char *)(uintptr_t)"ALLOW";
	assert_int_equal(seccomp_check(&p, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_follows_the_tables), cmocka_unit_test(plain_string_is_a_command), cmocka_unit_test(wrong_types_name_the_field),
		cmocka_unit_test(documents_have_limits), cmocka_unit_test(output_is_as_go_writes_it), cmocka_unit_test(what_was_written_reads_back),
		cmocka_unit_test(log_lines_are_scanned), cmocka_unit_test(times_of_queries), cmocka_unit_test(states_in_the_engines_words),
		cmocka_unit_test(changes_are_instructions), cmocka_unit_test(changes_know_variables), cmocka_unit_test(top_knows_the_usual_columns), cmocka_unit_test(seccomp_profiles_are_checked),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
