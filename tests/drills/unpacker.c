/*
 * A hostile unpacker in the place of bulwark-unpacker, confined by the very code of the real one. What it is to try is the first word of
 * the stream that it should unpack; "none" makes an honest one of it.
 */
int honest_main(int argc, char **argv);
#define main honest_main
#include "../../stored/unpacker.c"
#undef main

#include "drill.h"
#include "hostile.h"

static struct unpack_file layer_files[] = { { .no = 1 } };
static struct unpack_image image = { .config = 0, .layers = { 1, layer_files } };
static struct unpack_result result = { .images = { 1, &image } };

static void
put(const char *name, const char *text_)
{
	int fd = openat(UNPACK_DIR, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	(void)!write(fd, text_, strlen(text_));
	close(fd);
}

/* What the kernel must refuse although the call is one of an unpacker's. */
static bool
escape(const char *what)
{
	int fd = -1;

	if (strcmp(what, "open_above") == 0)
		fd = open("../../../../../../etc/passwd", O_RDONLY);
	else if (strcmp(what, "open_store") == 0)
		fd = open("/../../store/layers", O_RDONLY);
	else if (strcmp(what, "open_proc") == 0)
		fd = open("/proc/self/root/etc/passwd", O_RDONLY);
	else if (strcmp(what, "follow_link_out") == 0)
		fd = symlinkat("/etc/passwd", UNPACK_DIR, "out") < 0 ? -1 : openat(UNPACK_DIR, "out", O_RDONLY);
	else if (strcmp(what, "device") == 0)
		fd = mknodat(UNPACK_DIR, "disk", S_IFBLK | 0600, (dev_t)(254u << 8)) < 0 ? -1 : 0;
	else if (strcmp(what, "chown_to_host_root") == 0)
		fd = fchownat(UNPACK_DIR, ".", 4294967294u, 0, 0) < 0 ? -1 : 0;
	else if (strcmp(what, "become_other") == 0)
		fd = setresuid(33, 33, 33) < 0 ? -1 : 0;
	else if (strcmp(what, "other_descriptors") == 0)
		for (int i = 5; i < 200 && fd < 0; i++)
			fd = fcntl(i, F_GETFD) >= 0 ? i : -1;
	else if (strcmp(what, "beyond_the_limit") == 0)
		fd = (fd = openat(UNPACK_DIR, "big", O_CREAT | O_WRONLY, 0600)) < 0 || ftruncate(fd, (off_t)1 << 50) < 0 ? -1 : 0;
	else
		return false;
	drill_said(fd < 0, what, "it had an effect");
	_exit(1);
}

/* What the kernel allows and stored must not believe. All of it is answered as a success. */
static bool
lie(const char *what)
{
	static char *tags[] = { (char *)(uintptr_t)"../../../etc:latest" };
	bool many = strcmp(what, "many_images") == 0;
	static struct unpack_image images[1024];

	put("0", "{}");
	put("1", "not a layer");
	if (strcmp(what, "endless_answer") == 0 || strcmp(what, "nonsense_answer") == 0) {
		static char junk[65536];

		memset(junk, 0xee, sizeof junk);
		for (unsigned i = 0; i < (what[0] == 'e' ? 1000u : 1u); i++)
			if (write(UNPACK_RESULT, junk, sizeof junk) < 0)
				break;
		_exit(0);
	}
	if (strcmp(what, "no_answer") == 0)
		_exit(0);
	if (strcmp(what, "truncated_answer") == 0) {
		(void)!write(UNPACK_RESULT, "\1\0\0", 3);
		_exit(0);
	}
	if (strcmp(what, "file_that_is_not_there") == 0)
		image.config = 4000;
	else if (strcmp(what, "layer_that_is_not_there") == 0)
		layer_files[0].no = 4000;
	else if (strcmp(what, "fifo_for_a_file") == 0)
		(void)!(unlinkat(UNPACK_DIR, "0", 0) | mknodat(UNPACK_DIR, "0", S_IFIFO | 0600, 0));
	else if (strcmp(what, "link_for_a_file") == 0)
		(void)!(unlinkat(UNPACK_DIR, "0", 0) | symlinkat("../../../broker/state.db", UNPACK_DIR, "0"));
	else if (strcmp(what, "directory_for_a_file") == 0)
		(void)!(unlinkat(UNPACK_DIR, "0", 0) | mkdirat(UNPACK_DIR, "0", 0700));
	else if (strcmp(what, "huge_configuration") == 0)
		(void)!truncate("0", (off_t)1 << 40);
	else if (strcmp(what, "tag_with_dots") == 0) {
		/* an image without layers, which would be fine */
		image.tags = (struct strs){ 1, tags };
		image.layers.n = 0;
		put("0", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
	} else if (strcmp(what, "wrong_digest") == 0)
		put("0", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":"
		    "[\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"]}}");
	else if (strcmp(what, "digest_with_dots") == 0)
		put("0", "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:../../../../../etc\"]}}");
	else if (many)
		for (unsigned i = 0; i < 1024; i++)
			images[i] = image;
	else if (strcmp(what, "extra_files") == 0)
		for (unsigned i = 2; i < 500; i++) {
			char name[32];

			snprintf(name, sizeof name, "extra%u", i);
			put(name, "x");
		}
	else
		return false;
	if (many) {
		result.images.n = 1024;
		result.images.v = images;
	}
	_exit(answer(&result, &(struct err)ERR_INIT));
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	const struct attack *a;
	char what[64] = "";
	struct job *j = &jobs[0];
	ssize_t n;

	/* all but the first child of a load are honest */
	if (argc != 3 || strcmp(argv[1], "outer") != 0 || !text_to_u64(argv[2], INT64_MAX, &j->limit))
		return honest_main(argc, argv);
	log_init("unpacker", LOG_INFO, false);
	json_init();
	if (confine(j, &e) < 0)
		return 1;
	n = read(UNPACK_IN, what, sizeof what - 1);
	what[n > 0 ? n : 0] = '\0';
	what[strcspn(what, " \n")] = '\0';
	a = attack_find(what);
	if (a != NULL) {
		drill_said(a->run() != 0, what, "it had an effect");
		return 1;
	}
	if (!escape(what) && !lie(what))
		drill_said(false, what, "unknown");
	return 1;
}
