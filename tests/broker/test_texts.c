/* The broker's pure parts: names, references, ports, binds, capabilities, environment, addresses, filters. */
#include "broker.h"
#include "caps.h"
#include "create.h"
#include "limits.h"
#include "filters.h"
#include "index.h"
#include "ipam.h"
#include "names.h"
#include "refs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <stdlib.h>

static struct arena arena;

static int
teardown(void **state)
{
	arena_done(&arena);
	return 0;
}

static void
name_needs_two_good_characters(void **state)
{
	assert_true(name_is_valid("ab"));
	assert_true(name_is_valid("a_.-9"));
	assert_false(name_is_valid("a"));
	assert_false(name_is_valid("-ab"));
	assert_false(name_is_valid("a/b"));
	assert_false(name_is_valid(""));
}

static void
random_name_is_adjective_and_surname(void **state)
{
	char name[64];
	bool found;
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 100; i++) {
		name_random(name, sizeof name, i % 6);
		assert_int_equal(pattern_search("^[a-z]+_[a-z]+[0-9]?$", name, &found, &e), 0);
		assert_true(found);
		assert_true(name_is_valid(name));
	}
}

static void
check_ref(const char *text, const char *full)
{
	struct image_ref r;
	struct err e = ERR_INIT;

	if (full == NULL) {
		assert_int_equal(ref_parse(text, &r, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		return;
	}
	assert_int_equal(ref_parse(text, &r, &e), 0);
	assert_string_equal(r.full, full);
}

static void
reference_is_brought_to_its_short_form(void **state)
{
	check_ref("busybox", "busybox:latest");
	check_ref("busybox:1", "busybox:1");
	check_ref("docker.io/library/busybox", "busybox:latest");
	check_ref("docker.io/user/app:x", "user/app:x");
	check_ref("library/busybox", "busybox:latest");
	check_ref("localhost:5000/app", "localhost:5000/app:latest");
	check_ref("reg.example.com/a/b:t", "reg.example.com/a/b:t");
	check_ref("a__b/c-d--e", "a__b/c-d--e:latest");
	check_ref("x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void
bad_reference_is_refused(void **state)
{
	check_ref("", NULL);
	check_ref("BAD", NULL);
	check_ref("a:b:c", NULL);
	check_ref("a/", NULL);
	check_ref("/a", NULL);
	check_ref("a..b", NULL);
	check_ref("a_", NULL);
	check_ref("a:-x", NULL);
	check_ref("x@sha256:short", NULL);
	check_ref("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL);
}

static void
port_with_range_and_protocol(void **state)
{
	struct port_range r;
	unsigned a, b;

	assert_true(parse_port("80", &r));
	assert_int_equal(r.first, 80);
	assert_string_equal(r.proto, "tcp");
	assert_true(parse_port("80-90/udp", &r));
	assert_int_equal(r.last, 90);
	assert_false(parse_port("0", &r));
	assert_false(parse_port("90-80", &r));
	assert_false(parse_port("80/icmp", &r));
	assert_false(parse_port("65536", &r));
	assert_false(parse_port("80 ", &r));
	assert_true(parse_host_port("5000-5005", &a, &b));
	assert_int_equal(b, 5005);
	assert_true(parse_host_port("", &a, &b));
	assert_int_equal(a, 0);
	assert_false(parse_host_port("x", &a, &b));
}

static void
bind_in_all_its_forms(void **state)
{
	struct bind_spec s;
	struct err e = ERR_INIT;

	assert_int_equal(parse_bind("/src:/dst", &arena, &s, &e), 0);
	assert_false(s.volume);
	assert_false(s.read_only);
	assert_string_equal(s.source, "/src");
	assert_int_equal(parse_bind("/src/../a//b/:/x/./y:ro,rslave", &arena, &s, &e), 0);
	assert_string_equal(s.source, "/a/b");
	assert_string_equal(s.target, "/x/y");
	assert_true(s.read_only);
	assert_string_equal(s.propagation, "rslave");
	assert_int_equal(parse_bind("vol:/dst:nocopy,z", &arena, &s, &e), 0);
	assert_true(s.volume);
	assert_true(s.no_copy);
	assert_int_equal(parse_bind("/anonymous", &arena, &s, &e), 0);
	assert_null(s.source);
	assert_true(s.volume);
}

static void
bad_bind_is_refused(void **state)
{
	static const char *const bad[] = { "", ":/x", "/a:", "/a:b", "/a:/b:xx", "/a:/b:ro,rw", "/a:/b:ro:x", "./a:/b", "v!:/b", "/a:ro", "/a:/",
		"/a:/b:nocopy", "vol:/b:shared" };
	struct bind_spec s;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(parse_bind(bad[i], &arena, &s, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

static uint64_t
caps_of(const char *add, const char *drop)
{
	struct strs a = { 0 }, d = { 0 };
	struct err e = ERR_INIT;
	uint64_t caps = 0;

	if (add != NULL)
		assert_true(strs_add(&a, &arena, add));
	if (drop != NULL)
		assert_true(strs_add(&d, &arena, drop));
	assert_int_equal(caps_apply(&a, &d, &caps, &e), 0);
	return caps;
}

static void
capability_arithmetic_of_the_docker_engine(void **state)
{
	assert_true(caps_of(NULL, NULL) == 0xa80425fb);
	assert_true(caps_of(NULL, "ALL") == 0);
	assert_true(caps_of("CHOWN", "all") == 1);
	assert_true(caps_of("ALL", "MKNOD") == (CAPS_ALL & ~(UINT64_C(1) << 27)));
	assert_true(caps_of("cap_net_admin", NULL) == (0xa80425fb | 1u << 12));
	assert_true(caps_of(NULL, "CAP_CHOWN") == (0xa80425fb & ~UINT64_C(1)));
}

static void
unknown_capability_is_named(void **state)
{
	struct strs a = { 0 };
	struct err e = ERR_INIT;

	assert_true(strs_add(&a, &arena, "NOSUCH"));
	assert_int_equal(caps_normalize(&a, &arena, "CapAdd", &e), -1);
	assert_string_equal(e.text, "invalid CapAdd: unknown capability: \"CAP_NOSUCH\"");
}

static void
environment_overrides_in_place_and_removes(void **state)
{
	struct strs base = { 0 }, over = { 0 }, out;
	struct err e = ERR_INIT;

	assert_true(strs_add(&base, &arena, "PATH=/bin") && strs_add(&base, &arena, "A=1") && strs_add(&base, &arena, "B=2"));
	assert_true(strs_add(&over, &arena, "A=9") && strs_add(&over, &arena, "B") && strs_add(&over, &arena, "C="));
	assert_int_equal(merge_env(&out, &base, &over, &arena, &e), 0);
	assert_int_equal(out.n, 3);
	assert_string_equal(out.v[0], "PATH=/bin");
	assert_string_equal(out.v[1], "A=9");
	assert_string_equal(out.v[2], "C=");
}

static void
entrypoint_discards_the_images_command(void **state)
{
	char *cmd[] = { (char *)(uintptr_t)"c" }, *entry[] = { (char *)(uintptr_t)"e" }, *empty[] = { (char *)(uintptr_t)"" };
	struct container_config image = { .cmd = { 1, cmd }, .entrypoint = { 1, entry } }, k = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(merge_image(&k, &image, &arena, &e), 0);
	assert_int_equal(k.cmd.n, 1);
	assert_int_equal(k.entrypoint.n, 1);
	k = (struct container_config){ .entrypoint = { 1, empty } };
	assert_int_equal(merge_image(&k, &image, &arena, &e), 0);
	assert_int_equal(k.cmd.n, 0);
	assert_string_equal(k.entrypoint.v[0], "");
}

static void
addresses_lowest_first_and_not_at_once_again(void **state)
{
	struct address_pool p;
	struct err e = ERR_INIT;
	uint32_t a, b, c;
	char mac[18];

	assert_int_equal(ipam_init(&p, "172.17.0.1/16", NULL, NULL, &e), 0);
	assert_int_equal(ipam_take(&p, &a, &e), 0);
	assert_int_equal(a, 0xac110002);
	assert_int_equal(ipam_take(&p, &b, &e), 0);
	assert_int_equal(b, 0xac110003);
	ipam_give_back(&p, a);
	assert_int_equal(ipam_take(&p, &c, &e), 0);
	assert_int_equal(c, 0xac110004);
	assert_false(ipam_take_this(&p, b));
	assert_true(ipam_take_this(&p, 0xac110063));
	ipam_mac(mac, a);
	assert_string_equal(mac, "02:42:ac:11:00:02");
	ipam_done(&p);
}

static void
a_small_pool_gives_all_and_then_says_so(void **state)
{
	struct address_pool p;
	struct err e = ERR_INIT;
	uint32_t a;

	assert_int_equal(ipam_init(&p, "10.0.0.1/29", "10.0.0.4/31", NULL, &e), 0);
	assert_int_equal(ipam_take(&p, &a, &e), 0);
	assert_int_equal(a, 0x0a000004);
	assert_int_equal(ipam_take(&p, &a, &e), 0);
	assert_int_equal(ipam_take(&p, &a, &e), -1);
	ipam_give_back(&p, 0x0a000004);
	assert_int_equal(ipam_take(&p, &a, &e), 0);
	assert_int_equal(a, 0x0a000004);
	ipam_done(&p);
	assert_int_equal(ipam_init(&p, "10.0.0.1/24", "10.1.0.0/25", NULL, &e), -1);
	assert_int_equal(ipam_init(&p, "10.0.0.1/24", NULL, "10.0.1.1", &e), -1);
}

static bool
found(const char *pattern, const char *text)
{
	struct err e = ERR_INIT;
	bool ret = false;

	assert_int_equal(pattern_search(pattern, text, &ret, &e), 0);
	return ret;
}

static void
patterns_search(void **state)
{
	struct err e = ERR_INIT;
	bool ret;
	char evil[400];

	assert_true(found("b", "abc"));
	assert_false(found("^b", "abc"));
	assert_true(found("^/w-ps-[ab]$", "/w-ps-a"));
	assert_false(found("^/w-ps-[ab]$", "/w-ps-c"));
	assert_true(found("a.*z", "xxa123z"));
	assert_true(found("^(foo|bar)+$", "foobarfoo"));
	assert_false(found("^(foo|bar)+$", "foobaz"));
	assert_true(found("x?y", "y"));
	assert_true(found("[^a-c]", "abcd"));
	assert_false(found("[^a-d]", "abcd"));
	assert_true(found("a\\.b", "a.b"));
	assert_false(found("a\\.b", "axb"));
	assert_true(found("\\d+$", "abc42"));
	assert_true(found("", "anything"));
	assert_true(found("a||b", "x"));
	assert_int_equal(pattern_search("(", "x", &ret, &e), -1);
	assert_int_equal(pattern_search("[a", "x", &ret, &e), -1);
	assert_int_equal(pattern_search("*", "x", &ret, &e), -1);
	/* copies of nothing are not free */
	assert_int_equal(pattern_search("((((((((((){255}){255}){255}){255}){255}){255}){255}){255}){255})", "x", &ret, &e), -1);
	assert_int_equal(pattern_search("((((((x{0}){255}){255}){255}){255}){255})", "x", &ret, &e), -1);
	/* what makes backtracking matchers run for ever */
	memset(evil, 'a', sizeof evil - 1);
	evil[sizeof evil - 1] = '\0';
	assert_false(found("^(a+)+(a*)*b$", evil));
}

static void
globs_stop_at_slashes(void **state)
{
	assert_true(glob_match("w/*:v2", "w/repo:v2"));
	assert_true(glob_match("busy*", "busybox"));
	assert_false(glob_match("*", "a/b"));
	assert_true(glob_match("?usybox", "busybox"));
	assert_false(glob_match("busy", "busybox"));
}

static void
filters_all_keys_any_value(void **state)
{
	char *values[] = { (char *)(uintptr_t)"a=1", (char *)(uintptr_t)"b" };
	struct filter one = { .key = (char *)(uintptr_t)"label", .values = { 2, values } };
	struct filter_list f = { 1, &one };
	struct kvs labels = { 0 };
	static const char *const known[] = { "label", NULL }, *const other[] = { "id", NULL };
	struct err e = ERR_INIT;

	assert_true(kvs_set(&labels, &arena, "a", "1"));
	assert_false(filter_labels(&f, &labels));
	assert_true(kvs_set(&labels, &arena, "b", "x"));
	assert_true(filter_labels(&f, &labels));
	assert_int_equal(filters_check(&f, known, &e), 0);
	assert_int_equal(filters_check(&f, other, &e), -1);
	assert_string_equal(e.text, "invalid filter 'label'");
	assert_true(filter_exact(&f, "status", "anything"));
}

static void
index_finds_exact_and_prefix(void **state)
{
	struct index x = { 0 };
	struct err e = ERR_INIT;
	char keys[200][8];
	size_t first;

	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof keys[i], "%03d", (i * 37) % 200);
		assert_int_equal(index_put(&x, keys[i], keys[i], &e), 0);
	}
	assert_int_equal(index_put(&x, "001", NULL, &e), -1);
	assert_string_equal(index_get(&x, "123"), "123");
	assert_null(index_get(&x, "12"));
	assert_int_equal(index_prefix(&x, "12", &first), 10);
	assert_string_equal(x.v[first].key, "120");
	index_del(&x, "120");
	assert_int_equal(index_prefix(&x, "12", &first), 9);
	assert_int_equal(x.n, 199);
	index_done(&x);
}

static void
limits_are_checked_in_the_docker_engines_words(void **state)
{
	static const struct { struct host_config h; const char *text; } cases[] = {
		{ { .memory = 1000 }, "Minimum memory limit allowed is 6MB" },
		{ { .memory = 64 << 20, .memory_swap = 32 << 20 }, "Minimum memoryswap limit should be larger than memory limit, see usage" },
		{ { .memory_swap = 32 << 20 }, "You should always set the Memory limit when using Memoryswap limit, see usage" },
		{ { .memory_swappiness = { true, 101 } }, "Invalid value: 101, valid memory swappiness range is 0-100" },
		{ { .nano_cpus = 1000000000, .cpu_period = 1000 }, "Conflicting options: Nano CPUs and CPU Period cannot both be set" },
		{ { .nano_cpus = 5000000000 }, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available" },
		{ { .cpu_quota = 10 }, "CPU cfs quota can not be less than 1ms (i.e. 1000)" },
		{ { .cpuset_cpus = (char *)(uintptr_t)"0-7" }, "Requested CPUs are not available - requested 0-7, available: 0-1" },
		{ { .blkio_weight = 5 }, "Range of blkio weight is from 10 to 1000" },
		{ { .oom_score_adj = 1001 }, "Invalid value 1001, range for oom score adj is [-1000, 1000]" },
		{ { .shm_size = -1 }, "SHM size can not be less than 0" },
	};
	static const struct host_facts all = { .ncpu = 2, .cgroup = { true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true } };
	static const struct host_facts none = { .ncpu = 2 };
	struct host_config fine = { .memory = 64 << 20 }, much = { .memory = 64 << 20, .pids_limit = { true, 5 }, .oom_kill_disable = 1, .blkio_weight = 500 };
	struct host_config more = { .memory_swap = 64 << 20 }, realtime = { .cpu_rt_runtime = 1000 };
	struct strs warnings = { 0 };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct host_config h = cases[i].h;

		assert_int_equal(check_limits(&h, &all, false, &warnings, &arena, &e), -1);
		assert_string_equal(e.text, cases[i].text);
	}
	assert_int_equal(check_limits(&fine, &all, false, &warnings, &arena, &e), 0);
	assert_true(fine.memory_swap == 128 << 20);
	assert_int_equal(warnings.n, 0);
	/* an update says nothing about what it leaves out */
	assert_int_equal(check_limits(&more, &all, true, &warnings, &arena, &e), 0);
	/* what the kernel has not is taken out, and said */
	assert_int_equal(check_limits(&much, &none, false, &warnings, &arena, &e), 0);
	assert_true(much.memory == 0 && much.memory_swap == 0 && much.pids_limit.v == -1 && much.oom_kill_disable == 0 && much.blkio_weight == 0);
	assert_int_equal(warnings.n, 4);
	assert_string_equal(warnings.v[1], "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
	assert_int_equal(check_limits(&realtime, &none, false, &warnings, &arena, &e), -1);
	assert_string_equal(e.text, "kernel does not support CPU real-time scheduler");
}

static void
path_is_cleaned(void **state)
{
	assert_string_equal(path_clean(&arena, "/a/./b//c/../d/"), "/a/b/d");
	assert_string_equal(path_clean(&arena, "/../.."), "/");
	assert_string_equal(path_clean(&arena, "/"), "/");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_needs_two_good_characters), cmocka_unit_test(random_name_is_adjective_and_surname),
		cmocka_unit_test(reference_is_brought_to_its_short_form), cmocka_unit_test(bad_reference_is_refused),
		cmocka_unit_test(port_with_range_and_protocol), cmocka_unit_test(bind_in_all_its_forms), cmocka_unit_test(bad_bind_is_refused),
		cmocka_unit_test(capability_arithmetic_of_the_docker_engine), cmocka_unit_test(unknown_capability_is_named),
		cmocka_unit_test(environment_overrides_in_place_and_removes), cmocka_unit_test(entrypoint_discards_the_images_command),
		cmocka_unit_test(addresses_lowest_first_and_not_at_once_again), cmocka_unit_test(a_small_pool_gives_all_and_then_says_so),
		cmocka_unit_test(patterns_search), cmocka_unit_test(globs_stop_at_slashes), cmocka_unit_test(filters_all_keys_any_value),
		cmocka_unit_test(index_finds_exact_and_prefix), cmocka_unit_test(limits_are_checked_in_the_docker_engines_words),
		cmocka_unit_test(path_is_cleaned),
	};

	return cmocka_run_group_tests_name("broker texts", tests, NULL, teardown);
}
