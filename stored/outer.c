#include "outer.h"

#include "fd.h"
#include "json.h"
#include "tar.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct member {
	char *name;           /* cleaned */
	char *link;           /* cleaned target of a link (old archives share layers so), else NULL */
	unsigned no;
	uint64_t size;
	bool compressed;
};

struct outer {
	int dir;
	uint64_t limit, written;
	struct tar tar;
	struct arena *arena;
	struct { size_t n; struct member *v; } members;
};

/* ---- spooling ---- */

static int
spool(struct outer *o, struct member *m, const struct tar_entry *t, struct err *e)
{
	char name[16];
	own_fd fd = -1;
	const unsigned char *p;
	int64_t n;

	snprintf(name, sizeof name, "%u", m->no);
	fd = openat(o->dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "spool a file of the archive");
	while ((n = tar_data(&o->tar, &p, e)) > 0) {
		if (m->size == 0)
			m->compressed = source_is_compressed(p, (size_t)n);
		m->size += (uint64_t)n;
		o->written += (uint64_t)n;
		if (o->written > o->limit)
			return err_sys(e, ENOSPC, "write");
		if (fd_write_all(fd, p, (size_t)n) < 0)
			return err_sys(e, errno, "write");
	}
	return n < 0 ? -1 : 0;
}

/* A link's target is relative to the directory that the link is in (a hard link's to the top). */
static char *
link_target(struct outer *o, const char *name, const struct tar_entry *t)
{
	char joined[2 * TAR_PATH_MAX + 2], path[TAR_PATH_MAX + 1];
	const char *slash = strrchr(name, '/');
	int n = t->type == TAR_SYMLINK && slash != NULL && t->link[0] != '/' ?
	    snprintf(joined, sizeof joined, "%.*s/%s", (int)(slash - name), name, t->link) :
	    snprintf(joined, sizeof joined, "%s", t->link);

	if (n < 0 || (size_t)n >= sizeof joined || tar_clean_path(joined, path) < 0)
		return NULL;
	return arena_str(o->arena, path);
}

static int
add_member(struct outer *o, const struct tar_entry *t, struct err *e)
{
	char path[TAR_PATH_MAX + 1];
	struct member *m;

	if (t->type != TAR_FILE && t->type != TAR_SYMLINK && t->type != TAR_HARD_LINK)
		return 0;
	if (tar_clean_path(t->name, path) < 0)
		return err_set(e, ERR_INVALID, "invalid tar entry: \"%.200s\" is outside of the archive", t->name);
	if (o->members.n >= UNPACK_FILES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d files in the archive", UNPACK_FILES_MAX);
	m = list_add(&o->members, o->arena, sizeof *m);
	if (m == NULL || (m->name = arena_str(o->arena, path)) == NULL)
		return err_set(e, ERR_NO_MEMORY, "list of the archive's files");
	m->no = (unsigned)o->members.n - 1;
	if (t->type == TAR_FILE)
		return spool(o, m, t, e);
	m->link = link_target(o, path, t);
	return 0;
}

/* The last member of that name counts, as if all had been unpacked. */
static const struct member *
find(const struct outer *o, const char *name)
{
	char path[TAR_PATH_MAX + 1];

	if (name == NULL || tar_clean_path(name, path) < 0)
		return NULL;
	for (unsigned hops = 0; hops < 8; hops++) {
		const struct member *m = NULL;

		for (size_t i = o->members.n; i-- > 0 && m == NULL;)
			if (strcmp(o->members.v[i].name, path) == 0)
				m = &o->members.v[i];
		if (m == NULL || m->link == NULL)
			return m;
		memcpy(path, m->link, strlen(m->link) + 1);
	}
	return NULL;
}

static int
read_json(struct outer *o, const struct member *m, json_t **ret, struct err *e)
{
	char name[16], *text;
	ssize_t n;
	int r;

	if (m->size > UNPACK_CONFIG_MAX)
		return err_set(e, ERR_LIMIT, "%s of the archive is too large", m->name);
	snprintf(name, sizeof name, "%u", m->no);
	text = malloc((size_t)m->size + 1);
	if (text == NULL)
		return err_set(e, ERR_NO_MEMORY, "%s", m->name);
	n = fd_read_text(o->dir, name, text, (size_t)m->size + 1);
	r = n < 0 ? err_sys(e, errno, "read %s", m->name) : json_parse(text, (size_t)n, ret, e);
	free(text);
	return r;
}

/* ---- what is in it ---- */

static int
missing(const char *name, struct err *e)
{
	return err_set(e, ERR_INVALID, "invalid archive: does not contain %.200s", name != NULL ? name : "a named file");
}

static int
add_layer(struct outer *o, struct unpack_image *image, const char *name, struct err *e)
{
	const struct member *m = find(o, name);
	struct unpack_file *f;

	if (m == NULL)
		return missing(name, e);
	if (image->layers.n >= 256)
		return err_set(e, ERR_LIMIT, "an image with more than 256 layers");
	f = list_add(&image->layers, o->arena, sizeof *f);
	if (f == NULL)
		return err_set(e, ERR_NO_MEMORY, "layers");
	*f = (struct unpack_file){ .no = m->no, .compressed = m->compressed };
	return 0;
}

static struct unpack_image *
add_image(struct outer *o, struct unpack_result *ret, const char *config, struct err *e)
{
	const struct member *m = find(o, config);
	struct unpack_image *image;

	if (m == NULL) {
		missing(config, e);
		return NULL;
	}
	if (ret->images.n >= 1024 || (image = list_add(&ret->images, o->arena, sizeof *image)) == NULL) {
		err_set(e, ERR_LIMIT, "too many images in the archive");
		return NULL;
	}
	image->config = m->no;
	return image;
}

static int
add_tag(struct outer *o, struct unpack_image *image, const char *tag, struct err *e)
{
	if (strlen(tag) > 1024 || image->tags.n >= 1024)
		return err_set(e, ERR_LIMIT, "too many or too long names of an image");
	return strs_add(&image->tags, o->arena, tag) ? 0 : err_set(e, ERR_NO_MEMORY, "names");
}

/* manifest.json: [{"Config": name, "RepoTags": [...], "Layers": [name, ...]}] */
static int
docker_manifest(struct outer *o, const json_t *list, struct unpack_result *ret, struct err *e)
{
	size_t i, j;
	json_t *item, *s;

	if (!json_is_array(list))
		return err_set(e, ERR_INVALID, "invalid manifest.json: not a list");
	json_array_foreach(list, i, item) {
		struct unpack_image *image = add_image(o, ret, json_string_value(json_member(item, "Config")), e);

		if (image == NULL)
			return -1;
		json_array_foreach(json_member(item, "Layers"), j, s)
			if (add_layer(o, image, json_string_value(s), e) < 0)
				return -1;
		json_array_foreach(json_member(item, "RepoTags"), j, s)
			if (json_is_string(s) && add_tag(o, image, json_string_value(s), e) < 0)
				return -1;
	}
	return 0;
}

/* A descriptor's blob, or NULL. */
static const struct member *
blob_of(const struct outer *o, const json_t *descriptor, char path[96])
{
	const char *digest = json_string_value(json_member(descriptor, "digest"));

	if (digest == NULL || !text_starts(digest, "sha256:") || !text_is_id(digest + 7))
		return NULL;
	snprintf(path, 96, "blobs/sha256/%s", digest + 7);
	return find(o, path);
}

static const char *
machine(void)
{
#if defined(__aarch64__)
	return "arm64";
#else
	return "amd64";
#endif
}

static bool
platform_fits(const json_t *descriptor)
{
	const json_t *p = json_member(descriptor, "platform");
	const char *os = json_string_value(json_member(p, "os")), *arch = json_string_value(json_member(p, "architecture"));

	return (os == NULL || strcmp(os, "linux") == 0) && (arch == NULL || strcmp(arch, machine()) == 0);
}

static int
oci_manifest(struct outer *o, const json_t *manifest, const char *tag, struct unpack_result *ret, struct err *e)
{
	char path[96];
	const struct member *m = blob_of(o, json_member(manifest, "config"), path);
	struct unpack_image *image;
	size_t i;
	json_t *d;

	if (m == NULL)
		return missing("an image's configuration", e);
	image = add_image(o, ret, m->name, e);
	if (image == NULL || (tag != NULL && add_tag(o, image, tag, e) < 0))
		return -1;
	json_array_foreach(json_member(manifest, "layers"), i, d) {
		m = blob_of(o, d, path);
		if (m == NULL)
			return missing("an image's layer", e);
		if (add_layer(o, image, m->name, e) < 0)
			return -1;
	}
	return 0;
}

static const char *
oci_name(const json_t *descriptor)
{
	const json_t *a = json_member(descriptor, "annotations");
	const char *name = json_string_value(json_member(a, "io.containerd.image.name"));

	if (name == NULL)
		name = json_string_value(json_member(a, "org.opencontainers.image.ref.name"));
	/* a bare tag is not a name */
	return name != NULL && strpbrk(name, "/:") != NULL ? name : NULL;
}

/* index.json, or an index that it names: manifests for this machine. */
static int
oci_index(struct outer *o, const json_t *index, const char *outer_tag, unsigned depth, struct unpack_result *ret, struct err *e)
{
	size_t i;
	json_t *d;

	if (depth > 3)
		return err_set(e, ERR_INVALID, "invalid archive: indexes within indexes");
	json_array_foreach(json_member(index, "manifests"), i, d) {
		const char *tag = oci_name(d) != NULL ? oci_name(d) : outer_tag;
		own_json *doc = NULL;
		char path[96];
		const struct member *m = blob_of(o, d, path);
		int r;

		if (!platform_fits(d))
			continue;
		if (m == NULL) {
			if (depth > 0)
				continue;   /* other platforms' parts are often left out */
			return missing("a manifest that its index names", e);
		}
		if (read_json(o, m, &doc, e) < 0)
			return -1;
		r = json_member(doc, "manifests") != NULL ? oci_index(o, doc, tag, depth + 1, ret, e) : oci_manifest(o, doc, tag, ret, e);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int
inventory(struct outer *o, struct unpack_result *ret, struct err *e)
{
	const struct member *m = find(o, "manifest.json");
	own_json *doc = NULL;

	if (m != NULL)
		return read_json(o, m, &doc, e) < 0 ? -1 : docker_manifest(o, doc, ret, e);
	m = find(o, "index.json");
	if (m == NULL)
		return err_set(e, ERR_INVALID, "invalid archive: does not contain a manifest.json");
	if (read_json(o, m, &doc, e) < 0 || oci_index(o, doc, NULL, 0, ret, e) < 0)
		return -1;
	return ret->images.n > 0 ? 0 : err_set(e, ERR_INVALID, "invalid archive: no image for linux/%s", machine());
}

int
outer_unpack(int dir, struct source *in, uint64_t limit, struct arena *a, struct unpack_result *ret, struct err *e)
{
	struct outer o = { .dir = dir, .limit = limit, .arena = a };
	struct tar_entry t;
	int r;

	tar_init(&o.tar, in);
	if (source_want(in, 1, e) == 0)
		r = err_set(e, ERR_INVALID, "unexpected EOF");
	else
		while ((r = tar_next(&o.tar, &t, e)) > 0 && (r = add_member(&o, &t, e)) == 0)
			;
	if (r == 0)
		r = tar_tail(&o.tar, e);   /* the writer must not get a broken pipe for its padding */
	if (r == 0)
		r = inventory(&o, ret, e);
	tar_done(&o.tar);
	return r;
}

int
image_config_read(const char *text, size_t n, struct arena *a, struct oci_config *ret, struct err *e)
{
	if (json_read(&oci_config_type, text, n, a, ret, e) < 0)
		return err_wrap(e, "invalid image configuration");
	if (ret->rootfs == NULL)
		return err_set(e, ERR_INVALID, "invalid image configuration: no rootfs");
	for (size_t i = 0; i < ret->rootfs->diff_ids.n; i++) {
		const char *id = ret->rootfs->diff_ids.v[i];

		if (!text_starts(id, "sha256:") || !text_is_id(id + 7))
			return err_set(e, ERR_INVALID, "invalid image configuration: bad diff id");
	}
	if (ret->os != NULL && ret->os[0] != '\0' && strcmp(ret->os, "linux") != 0)
		return err_set(e, ERR_INVALID, "cannot load %s image on linux", ret->os);
	return 0;
}
