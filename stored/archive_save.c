#include "archive_save.h"

#include "fd.h"
#include "json.h"
#include "recipe.h"
#include "tar_out.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct save {
	int store;
	struct tar_out out;
	struct arena arena;
	struct strs done;                /* digests of blobs that were written: images share layers */
	struct buf manifest, index;
};

/* One file of the archive while its content is written. */
struct part { struct save *s; uint64_t left; };

static int
put_part(void *ctx, const void *p, size_t n, struct err *e)
{
	struct part *part = ctx;

	if (n > part->left)
		return err_set(e, ERR_SYSTEM, "a layer is larger than its record says");
	part->left -= n;
	return tar_out_put(&part->s->out, p, n, e);
}

static int
put_dir(struct save *s, const char *name, struct err *e)
{
	const struct stat st = { .st_mode = S_IFDIR | 0755 };

	return tar_out_entry(&s->out, name, TAR_DIR, &st, NULL, NULL, 0, e);
}

/* Does the blob still have to be written? */
static int
is_new(struct save *s, const char *hex, bool *ret, struct err *e)
{
	*ret = !strs_has(&s->done, hex);
	return !*ret || strs_add(&s->done, &s->arena, hex) ? 0 : err_set(e, ERR_NO_MEMORY, "archive");
}

static int
put_blob(struct save *s, const void *data, size_t n, char hex[65], struct err *e)
{
	unsigned char digest[32];
	char name[100];
	bool new;

	if (EVP_Digest(data, n, digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_SYSTEM, "sha256");
	text_hex(hex, digest, sizeof digest);
	if (is_new(s, hex, &new, e) < 0 || !new)
		return new ? -1 : 0;
	snprintf(name, sizeof name, "blobs/sha256/%s", hex);
	return tar_out_file(&s->out, name, data, n, e);
}

/* "sha256:<hex>" */
static int
hex_of(const char *id, const char **ret, struct err *e)
{
	if (id == NULL || !text_starts(id, "sha256:") || !text_is_id(id + 7))
		return err_set(e, ERR_INVALID, "bad id of an image or layer");
	*ret = id + 7;
	return 0;
}

static int
put_layer(struct save *s, const struct image_layer *l, uint64_t *ret_size, struct err *e)
{
	struct part part = { .s = s };
	char name[100], info[128];
	struct stat st = { .st_mode = S_IFREG | 0644 };
	const char *hex;
	own_fd layers = fd_open_beneath(s->store, "layers", O_PATH | O_DIRECTORY, 0), dir = -1;
	bool new;

	if (hex_of(l->diff_id, &hex, e) < 0)
		return -1;
	if (l->dir == NULL || !text_is_id(l->dir) || (dir = fd_open_beneath(layers, l->dir, O_RDONLY | O_DIRECTORY, 0)) < 0)
		return err_set(e, ERR_SYSTEM, "a layer of the image is missing");
	if (fd_read_text(dir, "info", info, sizeof info) < 0 || sscanf(info, "%*s %*u %llu", (unsigned long long *)&part.left) != 1)
		return err_set(e, ERR_SYSTEM, "the record of a layer is damaged");
	*ret_size = part.left;
	if (is_new(s, hex, &new, e) < 0 || !new)
		return new ? -1 : 0;
	snprintf(name, sizeof name, "blobs/sha256/%s", hex);
	st.st_size = (off_t)part.left;
	if (tar_out_entry(&s->out, name, TAR_FILE, &st, NULL, NULL, 0, e) < 0 ||
	    recipe_replay(dir, &(struct recipe_sink){ .put = put_part, .ctx = &part }, e) < 0)
		return -1;
	if (part.left != 0)
		return err_set(e, ERR_SYSTEM, "a layer is smaller than its record says");
	return tar_out_pad(&s->out, *ret_size, e);
}

static void
put_descriptor(struct buf *b, const char *type, const char *hex, uint64_t size)
{
	buf_printf(b, "{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%llu", type, hex, (unsigned long long)size);
}

static int
read_config(struct save *s, const char *hex, struct buf *ret, struct err *e)
{
	char path[100];
	own_fd fd = -1;
	struct stat st;

	snprintf(path, sizeof path, "blobs/sha256/%s", hex);
	fd = fd_open_beneath(s->store, path, O_RDONLY, 0);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size > UNPACK_CONFIG_MAX)
		return err_sys(e, errno, "open the configuration of image %s", hex);
	if (!buf_room(ret, (size_t)st.st_size) || pread(fd, ret->data, (size_t)st.st_size, 0) != st.st_size)
		return err_sys(e, errno, "read the configuration of image %s", hex);
	ret->used = (size_t)st.st_size;
	return 0;
}

/* The image in manifest.json, as docker load reads it. */
static void
list_docker(struct save *s, const struct image *image, const char *hex)
{
	struct buf *m = &s->manifest;

	buf_puts(m, m->used == 0 ? "[" : ",");
	buf_printf(m, "{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":", hex);
	json_put_strs(m, &image->repo_tags, true);
	buf_puts(m, ",\"Layers\":[");
	for (size_t i = 0; i < image->layers.n; i++)
		buf_printf(m, "%s\"blobs/sha256/%s\"", i > 0 ? "," : "", image->layers.v[i].diff_id + 7);
	buf_puts(m, "]}");
}

static void
list_index(struct save *s, const char *hex, uint64_t size, const char *tag)
{
	struct buf *x = &s->index;
	const char *colon = tag != NULL ? strrchr(tag, ':') : NULL;

	if (x->used == 0)
		buf_puts(x, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[");
	else
		buf_puts(x, ",");
	put_descriptor(x, "application/vnd.oci.image.manifest.v1+json", hex, size);
	if (tag != NULL) {
		char full[1200];

		/* the reference in full, as other tools want it */
		snprintf(full, sizeof full, "%s%s", strchr(tag, '/') == NULL ? "docker.io/library/" :
		    strcspn(tag, ".:") < strcspn(tag, "/") || text_starts(tag, "localhost/") ? "" : "docker.io/", tag);
		buf_puts(x, ",\"annotations\":{\"io.containerd.image.name\":");
		json_put_str(x, full);
		buf_puts(x, ",\"org.opencontainers.image.ref.name\":");
		json_put_str(x, colon != NULL ? colon + 1 : tag);
		buf_puts(x, "}");
	}
	buf_puts(x, "}");
}

static int
put_image(struct save *s, const struct image *image, struct err *e)
{
	own_buf config = BUF_INIT(UNPACK_CONFIG_MAX), manifest = BUF_INIT((size_t)1 << 20);
	char config_hex[65], manifest_hex[65];
	const char *hex;

	if (hex_of(image->id, &hex, e) < 0 || read_config(s, hex, &config, e) < 0)
		return -1;
	if (put_blob(s, config.data, config.used, config_hex, e) < 0)
		return -1;
	if (strcmp(config_hex, hex) != 0)
		return err_set(e, ERR_SYSTEM, "the configuration of image %s is damaged", hex);
	buf_puts(&manifest, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":");
	put_descriptor(&manifest, "application/vnd.oci.image.config.v1+json", hex, config.used);
	buf_puts(&manifest, "},\"layers\":[");
	for (size_t i = 0; i < image->layers.n; i++) {
		uint64_t size = 0;

		if (put_layer(s, &image->layers.v[i], &size, e) < 0)
			return -1;
		buf_puts(&manifest, i > 0 ? "," : "");
		put_descriptor(&manifest, "application/vnd.oci.image.layer.v1.tar", image->layers.v[i].diff_id + 7, size);
		buf_puts(&manifest, "}");
	}
	buf_puts(&manifest, "]}");
	if (manifest.failed || put_blob(s, manifest.data, manifest.used, manifest_hex, e) < 0)
		return manifest.failed ? err_set(e, ERR_NO_MEMORY, "manifest") : -1;
	list_docker(s, image, hex);
	if (image->repo_tags.n == 0)
		list_index(s, manifest_hex, manifest.used, NULL);
	for (size_t i = 0; i < image->repo_tags.n; i++)
		list_index(s, manifest_hex, manifest.used, image->repo_tags.v[i]);
	return 0;
}

static int
put_all(struct save *s, const struct store_save *what, struct err *e)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

	if (put_dir(s, "blobs/", e) < 0 || put_dir(s, "blobs/sha256/", e) < 0)
		return -1;
	for (size_t i = 0; i < what->images.n; i++)
		if (put_image(s, &what->images.v[i], e) < 0)
			return -1;
	buf_puts(&s->index, "]}");
	buf_puts(&s->manifest, "]");
	if (s->index.failed || s->manifest.failed)
		return err_set(e, ERR_NO_MEMORY, "archive");
	if (tar_out_file(&s->out, "index.json", s->index.data, s->index.used, e) < 0 ||
	    tar_out_file(&s->out, "manifest.json", s->manifest.data, s->manifest.used, e) < 0 ||
	    tar_out_file(&s->out, "oci-layout", layout, sizeof layout - 1, e) < 0)
		return -1;
	return tar_out_end(&s->out, e);
}

int
save_images(int store, int out, const struct store_save *what, struct err *e)
{
	struct save s = { .store = store, .manifest = BUF_INIT((size_t)4 << 20),
		.index = BUF_INIT((size_t)4 << 20) };
	int r;

	if (what->images.n == 0)
		return err_set(e, ERR_INVALID, "no image to save");
	tar_out_init(&s.out, out);
	r = put_all(&s, what, e);
	tar_out_done(&s.out);
	buf_done(&s.manifest);
	buf_done(&s.index);
	arena_done(&s.arena);
	return r;
}
