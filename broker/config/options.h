/*
 * The daemon's options: one table of all flags and daemon.json keys of the Docker engine. Whatever their source, values are
 * kept as texts (a switch is "true" or "false", a map's entry is "key=value"), so checks are written once.
 */
#pragma once
#include "msg/ctl.h"
#include "rec.h"

enum option_kind {
	KIND_BOOL, KIND_INT, KIND_STR,
	KIND_SIZE,      /* "64m"; a number too in the file */
	KIND_LIST,
	KIND_MAP,       /* name=value */
	KIND_BOOLS,     /* name=bool */
	KIND_ULIMITS,   /* name=soft:hard */
	KIND_RUNTIMES,  /* name=path, and arguments after 0x1f each */
	KIND_OBJECT,    /* only whether it is empty counts */
};
enum option_status {
	BUILT,
	NOT_BUILT,      /* text: the values that change nothing, separated by '|' */
	NO_EFFECT,      /* accepted with a warning; text: why ("" = silently) */
	REMOVED,        /* text: what to use instead */
};

#define OPTIONS(O) \
	/* id                      flag                          short key                        kind     status     text */ \
	O(config_file,             "config-file",                0,   NULL,                        STR,     BUILT,     NULL) \
	O(validate,                "validate",                   0,   NULL,                        BOOL,    BUILT,     NULL) \
	O(version,                 "version",                    'v', NULL,                        BOOL,    BUILT,     NULL) \
	O(help,                    "help",                       'h', NULL,                        BOOL,    BUILT,     NULL) \
	O(debug,                   "debug",                      'D', "debug",                     BOOL,    BUILT,     NULL) \
	O(log_level,               "log-level",                  'l', "log-level",                 STR,     BUILT,     NULL) \
	O(log_format,              "log-format",                 0,   "log-format",                STR,     BUILT,     NULL) \
	O(raw_logs,                "raw-logs",                   0,   "raw-logs",                  BOOL,    NO_EFFECT, "") \
	O(pidfile,                 "pidfile",                    'p', "pidfile",                   STR,     BUILT,     NULL) \
	O(data_root,               "data-root",                  0,   "data-root",                 STR,     BUILT,     NULL) \
	O(graph,                   "graph",                      'g', "graph",                     STR,     REMOVED,   "use data-root") \
	O(exec_root,               "exec-root",                  0,   "exec-root",                 STR,     BUILT,     NULL) \
	O(group,                   "group",                      'G', "group",                     STR,     BUILT,     NULL) \
	O(shutdown_timeout,        "shutdown-timeout",           0,   "shutdown-timeout",          INT,     BUILT,     NULL) \
	O(experimental,            "experimental",               0,   "experimental",              BOOL,    BUILT,     NULL) \
	O(features,                "feature",                    0,   "features",                  BOOLS,   BUILT,     NULL) \
	O(labels,                  "label",                      0,   "labels",                    LIST,    BUILT,     NULL) \
	O(live_restore,            "live-restore",               0,   "live-restore",              BOOL,    BUILT,     NULL) \
	O(init,                    "init",                       0,   "init",                      BOOL,    BUILT,     NULL) \
	O(init_path,               "init-path",                  0,   "init-path",                 STR,     NOT_BUILT, "") \
	O(rootless,                "rootless",                   0,   "rootless",                  BOOL,    NOT_BUILT, "false") \
	O(oom_score_adjust,        "oom-score-adjust",           0,   "oom-score-adjust",          INT,     REMOVED,   "set OOMScoreAdjust in the service's unit") \
	O(restart,                 "restart",                    'r', NULL,                        BOOL,    NO_EFFECT, "containers have restart policies of their own") \
	O(hosts,                   "host",                       'H', "hosts",                     LIST,    BUILT,     NULL) \
	O(tls,                     "tls",                        0,   "tls",                       BOOL,    NOT_BUILT, "false") \
	O(tlsverify,               "tlsverify",                  0,   "tlsverify",                 BOOL,    NOT_BUILT, "") \
	O(tlscacert,               "tlscacert",                  0,   "tlscacert",                 STR,     NOT_BUILT, "") \
	O(tlscert,                 "tlscert",                    0,   "tlscert",                   STR,     NOT_BUILT, "") \
	O(tlskey,                  "tlskey",                     0,   "tlskey",                    STR,     NOT_BUILT, "") \
	O(api_cors_header,         "api-cors-header",            0,   "api-cors-header",           STR,     REMOVED,   "use a proxy that adds the header") \
	O(authorization_plugins,   "authorization-plugin",       0,   "authorization-plugins",     LIST,    NOT_BUILT, "") \
	O(metrics_addr,            "metrics-addr",               0,   "metrics-addr",              STR,     NOT_BUILT, "") \
	O(diagnostic_port,         "network-diagnostic-port",    0,   "network-diagnostic-port",   INT,     NOT_BUILT, "0") \
	O(runtimes,                "add-runtime",                0,   "runtimes",                  RUNTIMES, BUILT,    NULL) \
	O(default_runtime,         "default-runtime",            0,   "default-runtime",           STR,     BUILT,     NULL) \
	O(containerd,              "containerd",                 0,   "containerd",                STR,     NO_EFFECT, "there is no containerd behind this engine") \
	O(cri_containerd,          "cri-containerd",             0,   "cri-containerd",            BOOL,    NOT_BUILT, "false") \
	O(containerd_ns,           "containerd-namespace",       0,   "containerd-namespace",      STR,     NO_EFFECT, "there is no containerd behind this engine") \
	O(containerd_plugins_ns,   "containerd-plugins-namespace", 0, NULL,                        STR,     NO_EFFECT, "there is no containerd behind this engine") \
	O(exec_opts,               "exec-opt",                   0,   "exec-opts",                 LIST,    BUILT,     NULL) \
	O(cgroup_parent,           "cgroup-parent",              0,   "cgroup-parent",             STR,     BUILT,     NULL) \
	O(cgroupns_mode,           "default-cgroupns-mode",      0,   "default-cgroupns-mode",     STR,     BUILT,     NULL) \
	O(ipc_mode,                "default-ipc-mode",           0,   "default-ipc-mode",          STR,     BUILT,     NULL) \
	O(shm_size,                "default-shm-size",           0,   "default-shm-size",          SIZE,    BUILT,     NULL) \
	O(ulimits,                 "default-ulimit",             0,   "default-ulimits",           ULIMITS, BUILT,     NULL) \
	O(cpu_rt_period,           "cpu-rt-period",              0,   "cpu-rt-period",             INT,     BUILT,     NULL) \
	O(cpu_rt_runtime,          "cpu-rt-runtime",             0,   "cpu-rt-runtime",            INT,     BUILT,     NULL) \
	O(seccomp_profile,         "seccomp-profile",            0,   "seccomp-profile",           STR,     BUILT,     NULL) \
	O(no_new_privileges,       "no-new-privileges",          0,   "no-new-privileges",         BOOL,    BUILT,     NULL) \
	O(selinux_enabled,         "selinux-enabled",            0,   "selinux-enabled",           BOOL,    BUILT,     "") \
	O(userns_remap,            "userns-remap",               0,   "userns-remap",              STR,     BUILT,     NULL) \
	O(cdi_spec_dirs,           "cdi-spec-dir",               0,   "cdi-spec-dirs",             LIST,    NOT_BUILT, "") \
	O(generic_resources,       "node-generic-resource",      0,   "node-generic-resources",    LIST,    NOT_BUILT, "") \
	O(log_driver,              "log-driver",                 0,   "log-driver",                STR,     BUILT,     NULL) \
	O(log_opts,                "log-opt",                    0,   "log-opts",                  MAP,     BUILT,     NULL) \
	O(insecure_registries,     "insecure-registry",          0,   "insecure-registries",       LIST,    NOT_BUILT, "") \
	O(registry_mirrors,        "registry-mirror",            0,   "registry-mirrors",          LIST,    NOT_BUILT, "") \
	O(nondistributable,        "allow-nondistributable-artifacts", 0, "allow-nondistributable-artifacts", LIST, NO_EFFECT, "they are always allowed") \
	O(max_downloads,           "max-concurrent-downloads",   0,   "max-concurrent-downloads",  INT,     BUILT,     NULL) \
	O(max_uploads,             "max-concurrent-uploads",     0,   "max-concurrent-uploads",    INT,     BUILT,     NULL) \
	O(max_attempts,            "max-download-attempts",      0,   "max-download-attempts",     INT,     BUILT,     NULL) \
	O(legacy_registry,         "disable-legacy-registry",    0,   "disable-legacy-registry",   BOOL,    REMOVED,   "v1 registries are never used") \
	O(http_proxy,              "http-proxy",                 0,   "http-proxy",                STR,     NOT_BUILT, "") \
	O(https_proxy,             "https-proxy",                0,   "https-proxy",               STR,     NOT_BUILT, "") \
	O(no_proxy,                "no-proxy",                   0,   "no-proxy",                  STR,     NOT_BUILT, "") \
	O(builder,                 NULL,                         0,   "builder",                   OBJECT,  NOT_BUILT, "") \
	O(storage_driver,          "storage-driver",             's', "storage-driver",            STR,     NOT_BUILT, "overlay2") \
	O(storage_opts,            "storage-opt",                0,   "storage-opts",              LIST,    BUILT,     NULL) \
	O(bridge,                  "bridge",                     'b', "bridge",                    STR,     BUILT,     NULL) \
	O(bip,                     "bip",                        0,   "bip",                       STR,     BUILT,     NULL) \
	O(bip6,                    "bip6",                       0,   "bip6",                      STR,     NOT_BUILT, "") \
	O(fixed_cidr,              "fixed-cidr",                 0,   "fixed-cidr",                STR,     BUILT,     NULL) \
	O(fixed_cidr_v6,           "fixed-cidr-v6",              0,   "fixed-cidr-v6",             STR,     NOT_BUILT, "") \
	O(default_gateway,         "default-gateway",            0,   "default-gateway",           STR,     BUILT,     NULL) \
	O(default_gateway_v6,      "default-gateway-v6",         0,   "default-gateway-v6",        STR,     NOT_BUILT, "") \
	O(address_pools,           "default-address-pool",       0,   "default-address-pools",     OBJECT,  NOT_BUILT, "") \
	O(network_opts,            "default-network-opt",        0,   "default-network-opts",      OBJECT,  NOT_BUILT, "") \
	O(mtu,                     "mtu",                        0,   "mtu",                       INT,     BUILT,     NULL) \
	O(control_plane_mtu,       "network-control-plane-mtu",  0,   "network-control-plane-mtu", INT,     NO_EFFECT, "") \
	O(icc,                     "icc",                        0,   "icc",                       BOOL,    BUILT,     NULL) \
	O(ip,                      "ip",                         0,   "ip",                        STR,     BUILT,     NULL) \
	O(iptables,                "iptables",                   0,   "iptables",                  BOOL,    BUILT,     NULL) \
	O(ip6tables,               "ip6tables",                  0,   "ip6tables",                 BOOL,    NO_EFFECT, "") \
	O(ip_forward,              "ip-forward",                 0,   "ip-forward",                BOOL,    BUILT,     NULL) \
	O(ip_forward_no_drop,      "ip-forward-no-drop",         0,   "ip-forward-no-drop",        BOOL,    NO_EFFECT, "") \
	O(ip_masq,                 "ip-masq",                    0,   "ip-masq",                   BOOL,    BUILT,     NULL) \
	O(ipv6,                    "ipv6",                       0,   "ipv6",                      BOOL,    NOT_BUILT, "false") \
	O(userland_proxy,          "userland-proxy",             0,   "userland-proxy",            BOOL,    NO_EFFECT, "") \
	O(userland_proxy_path,     "userland-proxy-path",        0,   "userland-proxy-path",       STR,     NO_EFFECT, "published ports need no proxy here") \
	O(direct_routing,          "allow-direct-routing",       0,   "allow-direct-routing",      BOOL,    NOT_BUILT, "false") \
	O(dns,                     "dns",                        0,   "dns",                       LIST,    BUILT,     NULL) \
	O(dns_opts,                "dns-opt",                    0,   "dns-opts",                  LIST,    BUILT,     NULL) \
	O(dns_search,              "dns-search",                 0,   "dns-search",                LIST,    BUILT,     NULL) \
	O(host_gateway_ips,        "host-gateway-ip",            0,   "host-gateway-ips",          LIST,    NOT_BUILT, "") \
	O(host_gateway_ip,         NULL,                         0,   "host-gateway-ip",           STR,     NOT_BUILT, "") \
	O(advertise_addr,          "swarm-default-advertise-addr", 0, "swarm-default-advertise-addr", STR,  NOT_BUILT, "") \
	O(cluster_store,           "cluster-store",              0,   "cluster-store",             STR,     REMOVED,   "external key-value stores are gone; use swarm mode") \
	O(cluster_store_opts,      "cluster-store-opt",          0,   "cluster-store-opts",        OBJECT,  REMOVED,   "external key-value stores are gone; use swarm mode") \
	O(cluster_advertise,       "cluster-advertise",          0,   "cluster-advertise",         STR,     REMOVED,   "external key-value stores are gone; use swarm mode") \
	O(exec_driver,             "exec-driver",                'e', "exec-driver",               STR,     REMOVED,   "there is one way to run containers") \
	O(deprecated_key_path,     NULL,                         0,   "deprecated-key-path",       STR,     NO_EFFECT, "") \
	/* the floor, only in the file: what no message can lower */ \
	O(allowed_roots,           NULL,                         0,   "allowed-mount-roots",       LIST,    BUILT,     NULL) \
	O(forbidden_roots,         NULL,                         0,   "forbidden-mount-roots",     LIST,    BUILT,     NULL) \
	O(allow_host_userns,       NULL,                         0,   "allow-host-userns",         BOOL,    BUILT,     NULL) \
	O(pids_limit,              NULL,                         0,   "default-pids-limit",        INT,     BUILT,     NULL)

#define OPTION_ID_(id, flag, short_, key, kind, status, text) OPT_##id,
enum option_id { OPTIONS(OPTION_ID_) OPT_COUNT };

struct option_row {
	const char *flag;
	char short_name;
	const char *key;
	enum option_kind kind;
	enum option_status status;
	const char *text;
};
extern const struct option_row option_table[OPT_COUNT];

struct setting {
	bool from_flag, from_file;
	struct strs values, file_values;   /* of the flag, of the file */
};
struct settings {
	struct setting of[OPT_COUNT];
	const char *file;                  /* daemon.json's path */
};

/* args.c: the daemon's arguments, without its name. */
int args_parse(int argc, char *const *argv, struct arena *a, struct settings *s, struct err *e) must_check;
const char *args_help(struct arena *a);
/* file.c: the text of daemon.json (any of the usual byte order marks). */
int file_parse(const char *text, size_t n, struct arena *a, struct settings *s, struct err *e) must_check;
/* build.c: merges, checks, fills in the defaults. The seccomp profile is left to the caller (setting seccomp_profile). */
int config_build(const struct settings *s, struct arena *a, struct engine_config *ret, struct err *e) must_check;

/* The setting's values, from whichever source. NULL: not set. */
const struct strs *setting_values(const struct settings *s, enum option_id id);
/* The last value; "" if not set. */
const char *setting_str(const struct settings *s, enum option_id id);
bool setting_bool(const struct settings *s, enum option_id id, bool otherwise);
/* Checks one text against its kind. */
int option_check(enum option_id id, const char *value, struct err *e) must_check;
bool parse_bool(const char *text, bool *ret);      /* as Go's strconv.ParseBool */
bool parse_size(const char *text, int64_t *ret);   /* "64m", "1GiB", "100" */
