/* Drives netd in a network namespace of its own: try_netd PATH-TO-bulwark-netd. Prints what nft and ip show. */
#include "comp.h"
#include "fd.h"
#include "msg/net.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID 880031

static struct err e = ERR_INIT;

static void
die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, e.text);
	exit(1);
}

static int
refuse(struct call *c, const void *msg, struct err *err)
{
	return err_set(err, ERR_DENIED, "no");
}

int
main(int argc, char **argv)
{
	static const edge_fn none[ctl_edge_table_end] = { [NO_ctl_worker] = refuse, [NO_ctl_host_runtime] = refuse, [NO_ctl_logger] = refuse };
	int ctl[2], net[2];
	pid_t pid;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		die("unshare");
	if (system("ip link set lo up") != 0 || edge_pair(ctl, &e) < 0 || edge_pair(net, &e) < 0)
		die("pair");
	pid = fork();
	if (pid == 0) {
		if (role_drop(ROLE_NETD, UID, UID, &e) < 0)
			die("drop");
		dup2(ctl[1], CTL_FD);
		execl(argv[1], "bulwark-netd", (char *)NULL);
		_exit(127);
	}
	close(ctl[1]);
	struct edge_conf cc = { .table = &ctl_edge_table, .side = EDGE_A, .handlers = none, .n_handlers = ctl_edge_table_end, .peer = "netd" };
	struct edge *c = edge_new(NULL, ctl[0], &cc, &e);
	struct engine_config config = { .ip_forward = true, .iptables = true };
	struct ctl_start start = { .config = &config, .run_uid = 1 };
	own_arena a = ARENA_INIT;
	struct none nothing;

	if (c == NULL || edge_call(c, NO_ctl_start, &start, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0)
		die("start");
	struct ctl_edge ce = { .name = (char *)"net" };

	if (edge_call(c, NO_ctl_edge, &ce, &net[1], 1, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0)
		die("edge");
	close(net[1]);
	struct edge_conf nc = { .table = &net_edge, .side = EDGE_A, .peer = "netd" };
	struct edge *n = edge_new(NULL, net[0], &nc, &e);
	struct net_bridge br = { .name = (char *)"docker0", .address = (char *)"172.29.0.1/16", .mtu = 1500, .masquerade = true };
	struct net_state state = { .bridges = { 1, &br } };

	if (n == NULL || edge_call(n, NO_net_sync, &state, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0)
		die("sync");
	/* a namespace with a process in it */
	pid_t inside = fork();

	if (inside == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	usleep(100000);
	char path[64], cmd[512];

	snprintf(path, sizeof path, "/proc/%d/ns/net", inside);
	int ns = open(path, O_RDONLY | O_CLOEXEC);
	struct net_port ports[] = { { .proto = (char *)"tcp", .host_port = 18080, .container_port = 80 },
		{ .proto = (char *)"udp", .host_ip = (char *)"127.0.0.1", .host_port = 5300, .container_port = 53 } };
	struct net_endpoint ep = { .link = (char *)"bw0001", .ifname = (char *)"eth0", .bridge = (char *)"docker0", .address = (char *)"172.29.0.2/16",
		.mac = (char *)"02:42:ac:1d:00:02", .mtu = 1500, .ports = { 2, ports } };

	if (edge_call(n, NO_net_endpoint_create, &ep, &ns, 1, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0)
		die("endpoint");
	/* reserved: a client is refused at once, a listener finds the port taken */
	if (system("timeout 1 busybox nc 127.0.0.1 18080 </dev/null; echo \"before it is open: $? (1 is refused)\"; busybox nc -l -p 18080; echo \"listener: $?\"") != 0)
		printf("?\n");
	struct net_name link = { .name = ep.link }, unknown = { .name = (char *)"bw9999" };

	if (edge_call(n, NO_net_endpoint_open, &link, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0 ||
	    edge_call(n, NO_net_endpoint_open, &link, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0 ||
	    edge_call(n, NO_net_endpoint_open, &unknown, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0)
		die("open");
	struct net_endpoint second = ep;

	second.link = (char *)"bw0002";
	if (edge_call(n, NO_net_endpoint_create, &second, &ns, 1, &a, &nothing, NULL, 0, NULL, 3000, &e) == 0)
		die("a port was given twice");
	printf("refused: %s\n", e.text);
	snprintf(cmd, sizeof cmd, "nft list ruleset; ip -d link show; bridge -d link show | head -4; nsenter --net=/proc/%d/ns/net sh -c 'ip link set lo up; ip link set eth0 up; "
	    "ip addr add 172.29.0.2/16 dev eth0; ip route add default via 172.29.0.1; ip link; (while :; do echo hello | timeout 15 busybox nc -l -p 80 >/dev/null; done) & echo $! >/tmp/netd_try_pid; sleep 0.3'", inside);
	if (system(cmd) != 0)
		printf("set-up failed\n");
	if (system("for a in 127.0.0.1 172.29.0.1; do sleep 0.2; busybox nc -w 2 $a 18080 </dev/null; done") != 0)
		printf("not reached\n");
	struct net_port pick = { .proto = (char *)"tcp", .container_port = 81 }, picked;

	if (edge_call(n, NO_net_port_pick, &pick, NULL, 0, &a, &picked, NULL, 0, NULL, 3000, &e) < 0)
		die("pick");
	printf("picked %lld\n", (long long)picked.host_port);
	if (edge_call(n, NO_net_endpoint_remove, &ep, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0 ||
	    edge_call(n, NO_net_clear, NULL, NULL, 0, &a, &nothing, NULL, 0, NULL, 3000, &e) < 0)
		die("clear");
	if (system("kill $(cat /tmp/netd_try_pid); rm /tmp/netd_try_pid; nft list ruleset; ip link show") != 0)
		printf("?\n");
	kill(inside, SIGKILL);
	kill(pid, SIGKILL);
	return 0;
}
