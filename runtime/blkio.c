/* Limits of block devices: a weight for all, weights and rates of single ones. Paths become numbers here: a rate counts for the device
   that the name meant when the container started (or was updated). */
#include "runtime.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NO_WEIGHT "Your kernel does not support Block I/O weight or the cgroup is not mounted"

static int
numbers_of(const char *path, char *out, size_t size, struct err *e)
{
	struct stat st;

	if (path == NULL || *path != '/')
		return err_set(e, ERR_INVALID, "invalid device path: %.200s", path != NULL ? path : "");
	if (stat(path, &st) < 0)
		return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID, "stat %.400s: %s", path, errno == ENOENT ? "no such file or directory" : strerror(errno));
	snprintf(out, size, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

/* 10..1000 to 1..10000, as every OCI runtime does it */
static int64_t
to_two(int64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

static int
weight(struct box *b, int64_t w, struct err *e)
{
	struct err first = ERR_INIT;
	const char *controller = b->rt->v2 ? "io" : "blkio";

	if (cg_put_num(b, controller, b->rt->v2 ? "io.bfq.weight" : "blkio.weight", w, &first) == 0)
		return 0;
	if (cg_put_num(b, controller, b->rt->v2 ? "io.weight" : "blkio.bfq.weight", b->rt->v2 ? to_two(w) : w, e) == 0)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, NO_WEIGHT);
}

static int
weight_of_device(struct box *b, const struct weight_device *d, struct err *e)
{
	static const char *const one[] = { "blkio.weight_device", "blkio.bfq.weight_device" }, *const two[] = { "io.bfq.weight", "io.weight" };
	char device[32], text[64];

	if (numbers_of(d->path, device, sizeof device, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (d->weight > 0)
			snprintf(text, sizeof text, "%s %lld", device, (long long)(b->rt->v2 && i == 1 ? to_two(d->weight) : d->weight));
		else
			snprintf(text, sizeof text, "%s %s", device, !b->rt->v2 && i == 0 ? "0" : "default");
		*e = (struct err)ERR_INIT;
		if (cg_put(b, b->rt->v2 ? "io" : "blkio", b->rt->v2 ? two[i] : one[i], text, e) == 0)
			return 0;
		if (e->code != ERR_UNSUPPORTED)
			return -1;
	}
	return err_set(e, ERR_UNSUPPORTED, "Your kernel does not support Block I/O weight_device or the cgroup is not mounted");
}

static int
rates(struct box *b, const struct throttle_device_list *l, const char *one, const char *two, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		char device[32], text[96];

		if (numbers_of(l->v[i].path, device, sizeof device, e) < 0)
			return -1;
		if (!b->rt->v2)
			snprintf(text, sizeof text, "%s %lld", device, (long long)l->v[i].rate);
		else if (l->v[i].rate == 0)
			snprintf(text, sizeof text, "%s %s=max", device, two);
		else
			snprintf(text, sizeof text, "%s %s=%lld", device, two, (long long)l->v[i].rate);
		if (cg_put(b, b->rt->v2 ? "io" : "blkio", b->rt->v2 ? "io.max" : one, text, e) < 0)
			return -1;
	}
	return 0;
}

int
cg_blkio(struct box *b, const struct run_limits *l, struct err *e)
{
	if (l->blkio_weight != 0 && weight(b, l->blkio_weight, e) < 0)
		return -1;
	for (size_t i = 0; i < l->blkio_weight_device.n; i++)
		if (weight_of_device(b, &l->blkio_weight_device.v[i], e) < 0)
			return -1;
	return rates(b, &l->blkio_read_bps, "blkio.throttle.read_bps_device", "rbps", e) < 0 ||
	    rates(b, &l->blkio_write_bps, "blkio.throttle.write_bps_device", "wbps", e) < 0 ||
	    rates(b, &l->blkio_read_iops, "blkio.throttle.read_iops_device", "riops", e) < 0 ||
	    rates(b, &l->blkio_write_iops, "blkio.throttle.write_iops_device", "wiops", e) < 0 ? -1 : 0;
}
