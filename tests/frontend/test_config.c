#include "cmocka_all.h"

#include "json.h"
#include "options.h"

#include <string.h>

#define ARGS(...) (char *[]){ __VA_ARGS__, NULL }

/* Configuration from arguments and file; the error's text, or "". */
static const char *
configure(char *const *args, const char *file, struct arena *a, struct engine_config *c)
{
	static struct err e;
	struct settings s = { .file = NULL };
	int n = 0;

	e = (struct err)ERR_INIT;
	while (args != NULL && args[n] != NULL)
		n++;
	if (args_parse(n, args, a, &s, &e) < 0 || (file != NULL && file_parse(file, strlen(file), a, &s, &e) < 0) || config_build(&s, a, c, &e) < 0)
		return e.text;
	return "";
}

static void
defaults_are_secure(void **state)
{
	own_arena a = ARENA_INIT;
	struct engine_config c;

	assert_string_equal(configure(NULL, NULL, &a, &c), "");
	assert_true(c.no_new_privileges && !c.icc && c.iptables && c.ip_masq && c.allow_host_userns && !c.live_restore);
	assert_string_equal(c.hosts.v[0], "unix:///var/run/docker.sock");
	assert_string_equal(kvs_get(&c.log_opts, "max-size"), "10m");
	assert_string_equal(kvs_get(&c.log_opts, "max-file"), "3");
	assert_string_equal(c.default_cgroupns_mode, "private");
	assert_int_equal(c.default_pids_limit, 4096);
	assert_int_equal(c.shutdown_timeout, 15);
	assert_string_equal(c.forbidden_roots.v[0], "/var/lib/docker");
}

static void
flags_have_all_forms(void **state)
{
	own_arena a = ARENA_INIT;
	struct engine_config c;

	assert_string_equal(configure(ARGS("-Dl", "warn", "--data-root=/a", "--exec-root", "/b", "-H", "unix:///x", "-H=unix:///y", "-Hfd://", "--icc=true",
	    "-H", "", "--log-opt", "max-size=1m", "--default-ulimit", "nofile=1:2", "--default-shm-size=1g"), "", &a, &c), "");
	assert_true(c.debug && c.icc);
	assert_string_equal(c.log_level, "warn");
	assert_string_equal(c.data_root, "/a");
	assert_int_equal(c.hosts.n, 3);
	assert_int_equal(c.default_ulimits.v[0].hard, 2);
	assert_int_equal(c.default_shm_size, 1 << 30);
}

static void
flag_errors_name_the_flag(void **state)
{
	own_arena a = ARENA_INIT;
	struct engine_config c;

	assert_non_null(strstr(configure(ARGS("--foo"), NULL, &a, &c), "unknown flag: --foo"));
	assert_non_null(strstr(configure(ARGS("-Z"), NULL, &a, &c), "unknown shorthand flag: 'Z' in -Z"));
	assert_non_null(strstr(configure(ARGS("--mtu"), NULL, &a, &c), "flag needs an argument: --mtu"));
	assert_non_null(strstr(configure(ARGS("--icc=maybe"), NULL, &a, &c), "--icc"));
	assert_non_null(strstr(configure(ARGS("word"), NULL, &a, &c), "accepts no arguments"));
}

static void
file_errors_name_the_key(void **state)
{
	own_arena a = ARENA_INIT;
	struct engine_config c;

	assert_string_equal(configure(NULL, "{\"a\":1,\"b\":2}", &a, &c), "the following directives don't match any configuration option: a, b");
	assert_string_equal(configure(NULL, "{\"nonsense\":{\"debug\":true}}", &a, &c), "the following directives don't match any configuration option: nonsense");
	assert_string_equal(configure(ARGS("--debug"), "{\"debug\":true}", &a, &c),
	    "the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)");
	assert_non_null(strstr(configure(NULL, "{\"hosts\":\"x\"}", &a, &c), "hosts"));
	assert_non_null(strstr(configure(NULL, "{\"log-opts\":{\"max-file\":5}}", &a, &c), "log-opts"));
	assert_non_null(strstr(configure(NULL, "{\"debug\":true,\"debug\":false}", &a, &c), "duplicate"));
	assert_non_null(strstr(configure(NULL, "[]", &a, &c), "cannot unmarshal array"));
	assert_non_null(strstr(configure(NULL, "{", &a, &c), "invalid JSON"));
}

static void
empty_values_count_as_absent(void **state)
{
	own_arena a = ARENA_INIT;
	struct engine_config c;

	assert_string_equal(configure(NULL, "", &a, &c), "");
	assert_string_equal(configure(NULL, "\xef\xbb\xbf{\"mtu\":0,\"bip\":\"\",\"hosts\":[],\"iptables\":true}", &a, &c), "");
	assert_int_equal(c.mtu, 1500);
}

static void
what_is_not_built_is_refused_unless_harmless(void **state)
{
	own_arena a = ARENA_INIT;
	struct engine_config c;

	assert_string_equal(configure(NULL, "{\"ipv6\":false,\"storage-driver\":\"overlay2\",\"userland-proxy\":true,\"runtimes\":{},\"selinux-enabled\":false}", &a, &c), "");
	assert_string_equal(configure(NULL, "{\"ipv6\":true}", &a, &c), "ipv6 is not implemented by Bulwark yet");
	assert_string_equal(configure(ARGS("--tlsverify"), NULL, &a, &c), "tlsverify is not implemented by Bulwark yet");
	assert_string_equal(configure(NULL, "{\"storage-driver\":\"zfs\"}", &a, &c), "storage-driver is not implemented by Bulwark yet");
	assert_non_null(strstr(configure(ARGS("-H", "tcp://0.0.0.0:2375"), NULL, &a, &c), "not implemented"));
	assert_non_null(strstr(configure(ARGS("-g", "/x"), NULL, &a, &c), "use data-root"));
	assert_string_equal(configure(ARGS("--containerd=/run/containerd/containerd.sock"), NULL, &a, &c), "");
	assert_int_equal(c.warnings.n, 1);
}

static void
settings_are_checked(void **state)
{
	static const struct { const char *file, *part; } cases[] = {
		{ "{\"log-level\":\"loud\"}", "invalid logging level: loud" },
		{ "{\"log-format\":\"xml\"}", "invalid log format: xml" },
		{ "{\"labels\":[\"a\"]}", "bad attribute format: a" },
		{ "{\"labels\":[\"a=1\",\"a=2\"]}", "conflict labels for a=1 and a=2" },
		{ "{\"labels\":[\"com.docker.x=1\"]}", "not allowed" },
		{ "{\"bridge\":\"b0\",\"bip\":\"10.0.0.1/24\"}", "You specified -b & --bip, mutually exclusive options" },
		{ "{\"bip\":\"10.0.0.0/24\"}", "not the address of a host" },
		{ "{\"bip\":\"10.0.0.1/24\",\"fixed-cidr\":\"10.0.1.0/25\"}", "fixed-cidr" },
		{ "{\"icc\":false,\"iptables\":false}", "--iptables=false with --icc=false" },
		{ "{\"dns\":[\"x\"]}", "IP address is not correctly formatted: x" },
		{ "{\"dns-search\":[\"a b\"]}", "a b is not a valid domain" },
		{ "{\"log-driver\":\"zzz\"}", "no log driver named 'zzz' is registered" },
		{ "{\"log-opts\":{\"max-files\":\"3\"}}", "unknown log opt 'max-files' for json-file log driver" },
		{ "{\"log-opts\":{\"mode\":\"non-blocking\"}}", "log opt 'mode=non-blocking' is not implemented by Bulwark yet" },
		{ "{\"log-opts\":{\"max-size\":\"x\"}}", "invalid size: 'x'" },
		{ "{\"log-driver\":\"gelf\"}", "gelf-address is a required parameter" },
		{ "{\"log-driver\":\"local\",\"log-opts\":{\"labels\":\"x\"}}", "unknown log opt 'labels' for log driver local" },
		{ "{\"log-driver\":\"splunk\",\"log-opts\":{\"splunk-url\":\"http://x\"}}", "splunk: splunk-token is expected" },
		{ "{\"exec-opts\":[\"x=y\"]}", "unknown option: 'x'" },
		{ "{\"runtimes\":{\"runc\":{\"path\":\"/x\"}}}", "runtime name 'runc' is reserved" },
		{ "{\"runtimes\":{\"a\":{}}}", "either a runtimeType or a path must be configured" },
		{ "{\"runtimes\":{\"a\":{\"path\":\"/x\",\"runtimeType\":\"io.containerd.runc.v2\"}}}", "cannot configure both" },
		{ "{\"runtimes\":{\"a\":{\"runtimeType\":\"io.containerd.kata.v2\"}}}", "no containerd behind" },
		{ "{\"runtimes\":{\"a\":{\"runtimeType\":\"io.containerd.runc.v2\",\"options\":{\"x\":1}}}}", "options are for containerd" },
		{ "{\"runtimes\":{\"a\":{\"path\":\"crun\"}}}", "must be absolute" },
		{ "{\"runtimes\":{\"a b\":{\"path\":\"/x\"}}}", "invalid runtime name" },
		{ "{\"default-runtime\":\"kata\"}", "specified default runtime 'kata' does not exist" },
		{ "{\"default-ulimits\":{\"nofile\":{\"Hard\":1,\"Soft\":2}}}", "soft limit" },
		{ "{\"mtu\":-1}", "invalid default MTU: -1" },
		{ "{\"max-concurrent-downloads\":-1}", "invalid max concurrent downloads: -1" },
		{ "{\"allowed-mount-roots\":[\"../x\"]}", "plain absolute path" },
	};
	own_arena a = ARENA_INIT;
	struct engine_config c;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *text = configure(NULL, cases[i].file, &a, &c);

		if (strstr(text, cases[i].part) == NULL)
			fail_msg("%s: %s", cases[i].file, text);
	}
}

static void
sizes_and_switches(void **state)
{
	int64_t n;
	bool b;

	assert_true(parse_size("64M", &n) && n == 64 << 20);
	assert_true(parse_size("1GiB", &n) && n == 1 << 30);
	assert_true(parse_size("100", &n) && n == 100);
	assert_false(parse_size("x", &n) || parse_size("", &n) || parse_size("1q", &n) || parse_size("0x10", &n) || parse_size("-1", &n));
	assert_true(parse_bool("T", &b) && b && parse_bool("0", &b) && !b);
	assert_false(parse_bool("yes", &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_secure), cmocka_unit_test(flags_have_all_forms), cmocka_unit_test(flag_errors_name_the_flag),
		cmocka_unit_test(file_errors_name_the_key), cmocka_unit_test(empty_values_count_as_absent),
		cmocka_unit_test(what_is_not_built_is_refused_unless_harmless), cmocka_unit_test(settings_are_checked), cmocka_unit_test(sizes_and_switches),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
