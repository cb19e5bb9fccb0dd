/*
 * A hostile unpacker in the place of bulwark-unpacker, confined by the very code of the real one. What it is to try is the first word of
 * the stream that it should unpack, or of file "attack" of the container that it should read.
 */
int honest_main(int argc, char **argv);
#define main honest_main
#include "../../stored/unpacker.c"
#undef main

#include "drill.h"
#include "hostile.h"
#include "tar_out.h"

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

/* ---- the jobs that read a container's files: what to try is in file "attack" of its layer ---- */

static bool
escape_tree(const char *what, int layer)
{
	int fd = -1;

	if (strcmp(what, "open_blobs") == 0)
		fd = open("/blobs/sha256", O_RDONLY | O_DIRECTORY);
	else if (strcmp(what, "open_others") == 0)
		fd = open("/rw", O_RDONLY | O_DIRECTORY);
	else if (strcmp(what, "open_layers") == 0)
		fd = openat(UNPACK_DIR, "layers", O_RDONLY | O_DIRECTORY);
	else if (strcmp(what, "open_tmp") == 0)
		fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	else if (strcmp(what, "open_above") == 0)
		fd = openat(layer, "../../../../../../../etc/passwd", O_RDONLY);
	else if (strcmp(what, "write_layer") == 0)
		fd = openat(layer, "written", O_CREAT | O_WRONLY, 0600);
	else if (strcmp(what, "make_dir") == 0)
		fd = mkdirat(layer, "made", 0700) < 0 ? -1 : 0;
	else if (strcmp(what, "remove_file") == 0)
		fd = unlinkat(layer, "attack", 0) < 0 ? -1 : 0;
	else if (strcmp(what, "rename_file") == 0)
		fd = renameat(layer, "attack", layer, "renamed") < 0 ? -1 : 0;
	else if (strcmp(what, "chown_to_host_root") == 0)
		fd = fchownat(layer, ".", 4294967294u, 0, 0) < 0 ? -1 : 0;
	else if (strcmp(what, "become_other") == 0)
		fd = setresuid(33, 33, 33) < 0 ? -1 : 0;
	else
		return false;
	drill_said(fd < 0, what, "it had an effect");
	_exit(1);
}

static bool
lie_tree(const char *what)
{
	static struct store_size sizes[3] = { { .name = (char *)(uintptr_t)"../..", .size = -7 }, { .size = INT64_MAX }, { .size = INT64_MAX } };
	static char junk[65536];
	struct unpack_result r = { 0 };
	struct err e = ERR_INIT;

	if (strcmp(what, "junk") == 0 || strcmp(what, "tar_with_dots") == 0) {
		struct tar_out t;
		const struct stat st = { .st_mode = S_IFREG | 0644 };

		memset(junk, 0xee, sizeof junk);
		tar_out_init(&t, UNPACK_OUT);
		if ((what[0] == 'j' ? tar_out_put(&t, junk, sizeof junk, &e) : tar_out_entry(&t, "../../../../etc/evil", TAR_FILE, &st, NULL, NULL, 0, &e)) < 0 || tar_out_end(&t, &e) < 0)
			_exit(1);
	} else if (strcmp(what, "too_many_sizes") == 0) {
		r.sizes = (struct store_size_list){ 3, sizes };
	} else if (strcmp(what, "strange_sizes") == 0) {
		r.sizes = (struct store_size_list){ 1, sizes };
	} else if (strcmp(what, "breach_of_rules") == 0) {
		r = (struct unpack_result){ .code = ERR_PROTOCOL, .text = (char *)(uintptr_t)"a lie" };
	} else {
		return lie(what);
	}
	_exit(answer(&r, &(struct err)ERR_INIT));
}

static int
tree_main(const char *name)
{
	struct err e = ERR_INIT;
	const struct attack *a;
	struct job *j = NULL;
	char what[64] = "", path[NAME_MAX_ + 32] = "attack";
	int layer, file;

	for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
		if (strcmp(jobs[i].name, name) == 0)
			j = &jobs[i];
	if (j == NULL || confine(j, &e) < 0)
		return 1;
	layer = j->trees[0].fd;
	if (j->measure.rws.n > 0)
		(void)snprintf(path, sizeof path, "%s/upper/attack", j->measure.rws.v[0]);
	file = openat(layer, path, O_RDONLY | O_CLOEXEC);
	(void)!read(file, what, sizeof what - 1);
	what[strcspn(what, " \n")] = '\0';
	a = attack_find(what);
	if (a != NULL) {
		drill_said(a->run() != 0, what, "it had an effect");
		return 1;
	}
	if (!escape_tree(what, layer) && !lie_tree(what))
		drill_said(false, what, "unknown");
	return 1;
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	const struct attack *a;
	char what[64] = "";
	struct job *j = &jobs[0];
	ssize_t n;

	if (argc == 3 && (strcmp(argv[1], "changes") == 0 || strcmp(argv[1], "export") == 0 || strcmp(argv[1], "pack") == 0 ||
	    strcmp(argv[1], "sizes") == 0) && text_to_u64(argv[2], INT64_MAX, &j->limit)) {
		for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
			jobs[i].limit = j->limit;
		log_init("unpacker", LOG_INFO, false);
		json_init();
		return tree_main(argv[1]);
	}
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
