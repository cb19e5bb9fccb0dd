#include "tar.h"

#include "checked.h"
#include "rec.h"
#include "text.h"

#include <string.h>

/* Offsets in a header block. */
enum { AT_NAME = 0, AT_MODE = 100, AT_UID = 108, AT_GID = 116, AT_SIZE = 124, AT_MTIME = 136, AT_SUM = 148, AT_TYPE = 156, AT_LINK = 157,
	AT_MAGIC = 257, AT_MAJOR = 329, AT_MINOR = 337, AT_PREFIX = 345, AT_GNU_SPARSE = 386, AT_GNU_EXTENDED = 482, AT_GNU_REAL = 483, AT_STAR_TRAILER = 508 };

/* What pax records, long names and a sparse map said about the entry that follows. */
struct extra {
	const char *path, *link, *sparse_name;
	bool has_size, has_uid, has_gid, has_mtime, has_real;
	uint64_t size, uid, gid, real;
	int64_t mtime_s;
	uint32_t mtime_ns;
	int sparse_major, sparse_minor;   /* -1: none */
	struct { size_t n; struct tar_piece *v; } pieces;
	struct { size_t n; struct tar_xattr *v; } xattrs;
	bool offset_open;
	uint64_t offset;
};

void
tar_init(struct tar *t, struct source *in)
{
	*t = (struct tar){ .in = in, .arena = { .max = (size_t)16 << 20 } };
}

void
tar_done(struct tar *t)
{
	arena_done(&t->arena);
}

static int
bad_header(struct err *e)
{
	return err_set(e, ERR_INVALID, "archive/tar: invalid tar header");
}

static int
cut_short(struct err *e)
{
	return err_set(e, ERR_INVALID, "unexpected EOF");
}

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_LIMIT, "archive/tar: header field too long");
}

static int
meta(struct tar *t, size_t n, struct err *e)
{
	if (t->on_meta != NULL && t->on_meta(t->ctx, t->in->buf + t->in->at, n, e) < 0)
		return -1;
	source_pass(t->in, n);
	return 0;
}

/* Copies the next block and passes it. 1, or 0 if the stream ends exactly here. */
static int
next_block(struct tar *t, unsigned char block[TAR_BLOCK], struct err *e)
{
	int64_t have = source_want(t->in, TAR_BLOCK, e);

	if (have < 0)
		return -1;
	if (have == 0)
		return 0;
	if (have < TAR_BLOCK)
		return cut_short(e);
	memcpy(block, t->in->buf + t->in->at, TAR_BLOCK);
	return meta(t, TAR_BLOCK, e) < 0 ? -1 : 1;
}

static bool
all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* ---- fields ---- */

static bool
octal(const unsigned char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	while (i < n && (p[i] == ' ' || p[i] == 0))
		i++;
	for (; i < n && p[i] != ' ' && p[i] != 0; i++) {
		if (p[i] < '0' || p[i] > '7' || v > UINT64_MAX >> 3)
			return false;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	*ret = v;
	return true;
}

/* Octal text or, with the first bit set, a big-endian two's complement number. */
static bool
number(const unsigned char *p, size_t n, int64_t *ret)
{
	uint64_t v;

	if ((p[0] & 0x80) == 0) {
		if (!octal(p, n, &v) || v > INT64_MAX)
			return false;
		*ret = (int64_t)v;
		return true;
	}
	bool negative = (p[0] & 0x40) != 0;

	v = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = negative ? (unsigned char)~p[i] : p[i];

		if (i == 0)
			c &= 0x7f;
		if (v >> 56 != 0)
			return false;
		v = v << 8 | c;
	}
	if (v > INT64_MAX)
		return false;
	*ret = negative ? ~(int64_t)v : (int64_t)v;
	return true;
}

static bool
positive(const unsigned char *p, size_t n, uint64_t *ret)
{
	int64_t v;

	if (!number(p, n, &v) || v < 0)
		return false;
	*ret = (uint64_t)v;
	return true;
}

static bool
checksum_ok(const unsigned char *b)
{
	uint64_t want;
	int64_t u = 0, s = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		unsigned char c = i >= AT_SUM && i < AT_SUM + 8 ? ' ' : b[i];

		u += c;
		s += (signed char)c;
	}
	return octal(b + AT_SUM, 8, &want) && ((int64_t)want == u || (int64_t)want == s);
}

/* ---- pax records ---- */

static bool
pax_time(const char *s, int64_t *ret_s, uint32_t *ret_ns)
{
	bool negative = *s == '-';
	char whole[24];
	size_t n = strcspn(s + negative, ".");
	uint64_t v, ns = 0, scale = 100000000;

	if (n >= sizeof whole)
		return false;
	memcpy(whole, s + negative, n);
	whole[n] = '\0';
	if (!text_to_u64(whole, INT64_MAX / 2, &v))
		return false;
	s += negative + n;
	for (s += *s == '.'; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return false;
		ns += (uint64_t)(*s - '0') * scale;
		scale /= 10;
	}
	*ret_s = negative ? -(int64_t)v : (int64_t)v;
	*ret_ns = (uint32_t)ns;
	if (negative && ns > 0) {
		*ret_s -= 1;
		*ret_ns = 1000000000 - (uint32_t)ns;
	}
	return true;
}

static int
add_piece(struct tar *t, struct extra *x, uint64_t offset, uint64_t n, struct err *e)
{
	struct tar_piece *p;

	if (x->pieces.n >= TAR_SPARSE_MAX)
		return err_set(e, ERR_LIMIT, "archive/tar: more than %d parts of a sparse file", TAR_SPARSE_MAX);
	p = list_add(&x->pieces, &t->arena, sizeof *p);
	if (p == NULL)
		return no_memory(e);
	*p = (struct tar_piece){ offset, n };
	return 0;
}

/* GNU.sparse.map of format 0.1: "offset,size,offset,size" */
static int
pax_map(struct tar *t, struct extra *x, const char *s, struct err *e)
{
	uint64_t v[2];

	while (*s != '\0') {
		for (unsigned i = 0; i < 2; i++) {
			char word[24];
			size_t n = strcspn(s, ",");

			if (n >= sizeof word)
				return bad_header(e);
			memcpy(word, s, n);
			word[n] = '\0';
			if (!text_to_u64(word, INT64_MAX, &v[i]))
				return bad_header(e);
			s += n + (s[n] == ',');
		}
		if (add_piece(t, x, v[0], v[1], e) < 0)
			return -1;
	}
	return 0;
}

static int
pax_sparse(struct tar *t, struct extra *x, const char *key, const char *value, struct err *e)
{
	uint64_t v = 0;

	if (strcmp(key, "name") == 0) {
		x->sparse_name = value;
		return 0;
	}
	if (strcmp(key, "map") == 0) {
		x->pieces.n = 0;
		return pax_map(t, x, value, e);
	}
	if (!text_to_u64(value, INT64_MAX, &v))
		return bad_header(e);
	if (strcmp(key, "major") == 0) {
		x->sparse_major = v > 1 ? 99 : (int)v;
	} else if (strcmp(key, "minor") == 0) {
		x->sparse_minor = v > 1 ? 99 : (int)v;
	} else if (strcmp(key, "realsize") == 0 || strcmp(key, "size") == 0) {
		x->real = v;
		x->has_real = true;
	} else if (strcmp(key, "offset") == 0) {
		if (x->offset_open)
			return bad_header(e);
		x->offset = v;
		x->offset_open = true;
	} else if (strcmp(key, "numbytes") == 0) {
		if (!x->offset_open)
			return bad_header(e);
		x->offset_open = false;
		return add_piece(t, x, x->offset, v, e);
	}
	return 0;
}

static int
pax_xattr(struct tar *t, struct extra *x, const char *name, const char *value, size_t n, struct err *e)
{
	struct tar_xattr *at = NULL;

	for (size_t i = 0; i < x->xattrs.n; i++)
		if (strcmp(x->xattrs.v[i].name, name) == 0)
			at = &x->xattrs.v[i];
	if (at == NULL) {
		if (name[0] == '\0' || strlen(name) > 255 || x->xattrs.n >= 256)
			return err_set(e, ERR_LIMIT, "archive/tar: too many or too long extended attributes");
		at = list_add(&x->xattrs, &t->arena, sizeof *at);
		if (at == NULL)
			return no_memory(e);
	}
	*at = (struct tar_xattr){ name, (const unsigned char *)value, n };
	return 0;
}

static int
pax_record(struct tar *t, struct extra *x, char *key, char *value, size_t n, struct err *e)
{
	static const char xattr[] = "SCHILY.xattr.", sparse[] = "GNU.sparse.";
	bool clean = memchr(value, 0, n) == NULL;

	if (text_starts(key, xattr))
		return pax_xattr(t, x, key + sizeof xattr - 1, value, n, e);
	if (!clean)
		return strcmp(key, "path") == 0 || strcmp(key, "linkpath") == 0 ? bad_header(e) : 0;
	if (strcmp(key, "path") == 0) {
		x->path = n > 0 ? value : NULL;
	} else if (strcmp(key, "linkpath") == 0) {
		x->link = n > 0 ? value : NULL;
	} else if (strcmp(key, "size") == 0) {
		x->has_size = n > 0;
		return n == 0 || text_to_u64(value, INT64_MAX, &x->size) ? 0 : bad_header(e);
	} else if (strcmp(key, "uid") == 0) {
		x->has_uid = n > 0;
		return n == 0 || text_to_u64(value, INT64_MAX, &x->uid) ? 0 : bad_header(e);
	} else if (strcmp(key, "gid") == 0) {
		x->has_gid = n > 0;
		return n == 0 || text_to_u64(value, INT64_MAX, &x->gid) ? 0 : bad_header(e);
	} else if (strcmp(key, "mtime") == 0) {
		x->has_mtime = n > 0;
		return n == 0 || pax_time(value, &x->mtime_s, &x->mtime_ns) ? 0 : bad_header(e);
	} else if (text_starts(key, sparse)) {
		return pax_sparse(t, x, key + sizeof sparse - 1, value, e);
	}
	return 0;
}

/* "LEN key=value\n", LEN counting itself. */
static int
pax_records(struct tar *t, struct extra *x, char *p, size_t n, struct err *e)
{
	while (n > 0) {
		char *space = memchr(p, ' ', n < 20 ? n : 20), *equals;
		uint64_t len;

		if (space == NULL)
			return bad_header(e);
		*space = '\0';
		if (!text_to_u64(p, TAR_META_MAX, &len) || len > n || len < (uint64_t)(space - p) + 2 || p[len - 1] != '\n')
			return bad_header(e);
		p[len - 1] = '\0';
		equals = memchr(space + 1, '=', (size_t)(p + len - 1 - (space + 1)));
		if (equals == NULL || equals == space + 1)
			return bad_header(e);
		*equals = '\0';
		if (pax_record(t, x, space + 1, equals + 1, (size_t)(p + len - 1 - (equals + 1)), e) < 0)
			return -1;
		p += len;
		n -= (size_t)len;
	}
	return 0;
}

/* The content of a pax header or long name, NUL-terminated, in the entry's arena. */
static int
read_special(struct tar *t, uint64_t size, char **ret, struct err *e)
{
	size_t n, padded;
	int64_t have;
	char *text;

	if (size >= TAR_META_MAX - TAR_BLOCK)
		return err_set(e, ERR_LIMIT, "archive/tar: header field too long");
	n = (size_t)size;
	padded = (n + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	have = source_want(t->in, padded, e);
	if (have < 0)
		return -1;
	if ((uint64_t)have < padded)
		return cut_short(e);
	text = arena_alloc(&t->arena, n + 1);
	if (text == NULL)
		return no_memory(e);
	memcpy(text, t->in->buf + t->in->at, n);
	text[n] = '\0';
	*ret = text;
	return meta(t, padded, e);
}

/* ---- sparse maps ---- */

static int
gnu_pieces(struct tar *t, struct extra *x, const unsigned char *p, unsigned count, struct err *e)
{
	for (unsigned i = 0; i < count; i++, p += 24) {
		uint64_t offset, n;

		if (p[0] == 0)
			return 0;   /* the rest is not used */
		if (!positive(p, 12, &offset) || !positive(p + 12, 12, &n))
			return bad_header(e);
		if (add_piece(t, x, offset, n, e) < 0)
			return -1;
	}
	return 0;
}

static int
gnu_sparse(struct tar *t, struct extra *x, const unsigned char *block, struct err *e)
{
	bool more = block[AT_GNU_EXTENDED] != 0;

	if (!positive(block + AT_GNU_REAL, 12, &x->real) || gnu_pieces(t, x, block + AT_GNU_SPARSE, 4, e) < 0)
		return e->code != ERR_NONE ? -1 : bad_header(e);
	x->has_real = true;
	while (more) {
		unsigned char next[TAR_BLOCK];
		int r = next_block(t, next, e);

		if (r <= 0)
			return r < 0 ? -1 : cut_short(e);
		if (gnu_pieces(t, x, next, 21, e) < 0)
			return -1;
		more = next[504] != 0;
	}
	return 0;
}

/* Format 1.0: the map stands before the content, one decimal number a line, padded to a block. */
struct map_text { unsigned char block[TAR_BLOCK]; size_t at; uint64_t used; };

static int
map_number(struct tar *t, struct map_text *m, uint64_t *ret, struct err *e)
{
	char word[24];
	size_t n = 0;

	for (;;) {
		unsigned char c;

		if (m->at == TAR_BLOCK) {
			int r = next_block(t, m->block, e);

			if (r <= 0)
				return r < 0 ? -1 : cut_short(e);
			m->at = 0;
			m->used += TAR_BLOCK;
		}
		c = m->block[m->at++];
		if (c == '\n')
			break;
		if (n + 1 >= sizeof word)
			return bad_header(e);
		word[n++] = (char)c;
	}
	word[n] = '\0';
	return text_to_u64(word, INT64_MAX, ret) ? 0 : bad_header(e);
}

static int
pax_1_0_map(struct tar *t, struct extra *x, uint64_t *size, struct err *e)
{
	struct map_text m = { .at = TAR_BLOCK };
	uint64_t count, v[2];

	if (map_number(t, &m, &count, e) < 0)
		return -1;
	if (count > TAR_SPARSE_MAX)
		return err_set(e, ERR_LIMIT, "archive/tar: more than %d parts of a sparse file", TAR_SPARSE_MAX);
	x->pieces.n = 0;
	for (uint64_t i = 0; i < count; i++)
		if (map_number(t, &m, &v[0], e) < 0 || map_number(t, &m, &v[1], e) < 0 || add_piece(t, x, v[0], v[1], e) < 0)
			return -1;
	if (m.used > *size)
		return bad_header(e);
	*size -= m.used;
	return 0;
}

static int
check_pieces(const struct extra *x, uint64_t real, uint64_t size, struct err *e)
{
	uint64_t at = 0, sum = 0;

	for (size_t i = 0; i < x->pieces.n; i++) {
		const struct tar_piece *p = &x->pieces.v[i];
		uint64_t end;

		if (p->offset < at || ckd_add(&end, p->offset, p->n) || end > real || ckd_add(&sum, sum, p->n))
			return bad_header(e);
		at = end;
	}
	return sum == size ? 0 : bad_header(e);
}

/* ---- entries ---- */

static char *
field_text(struct tar *t, const unsigned char *p, size_t n)
{
	return arena_strn(&t->arena, (const char *)p, strnlen((const char *)p, n));
}

static char *
header_name(struct tar *t, const unsigned char *b)
{
	char *name = field_text(t, b + AT_NAME, 100), *prefix;
	size_t width = 0;

	if (memcmp(b + AT_MAGIC, "ustar\0" "00", 8) == 0)
		width = memcmp(b + AT_STAR_TRAILER, "tar", 4) == 0 ? 131 : 155;
	if (name == NULL || width == 0 || b[AT_PREFIX] == 0)
		return name;
	prefix = field_text(t, b + AT_PREFIX, width);
	return prefix != NULL ? arena_printf(&t->arena, "%s/%s", prefix, name) : NULL;
}

static bool
has_data(char flag)
{
	/* as Go: links, devices, directories and pipes have none, whatever their size field says */
	return flag < '1' || flag > '6';
}

static enum tar_type
type_of(char flag, const char *name)
{
	switch (flag) {
	case '\0':
		return name[0] != '\0' && name[strlen(name) - 1] == '/' ? TAR_DIR : TAR_FILE;
	case '0': case '7': case 'S':
		return TAR_FILE;
	case '1': case '2': case '3': case '4': case '5': case '6':
		return (enum tar_type)flag;
	default:
		return TAR_OTHER;
	}
}

static int
names(struct tar *t, const struct extra *x, const unsigned char *b, struct tar_entry *ret, struct err *e)
{
	ret->name = x->sparse_name != NULL ? x->sparse_name : x->path != NULL ? x->path : header_name(t, b);
	ret->link = x->link != NULL ? x->link : field_text(t, b + AT_LINK, 100);
	if (ret->name == NULL || ret->link == NULL)
		return no_memory(e);
	if (strlen(ret->name) > TAR_PATH_MAX || strlen(ret->link) > TAR_PATH_MAX)
		return err_set(e, ERR_INVALID, "file name too long");
	return 0;
}

static int
content(struct tar *t, struct extra *x, const unsigned char *b, struct tar_entry *ret, struct err *e)
{
	uint64_t size;

	if (!positive(b + AT_SIZE, 12, &size))
		return bad_header(e);
	if (x->has_size)
		size = x->size;
	if (!has_data(ret->flag))
		size = 0;
	ret->size = size;
	t->pad_left = (unsigned)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
	if (size > INT64_MAX - TAR_BLOCK || x->offset_open)
		return bad_header(e);
	ret->sparse = ret->flag == 'S' || (x->sparse_major == 1 && x->sparse_minor == 0) ||
	    (x->sparse_major <= 0 && (x->pieces.n > 0 || x->sparse_major == 0));
	if (x->sparse_major > 1 || x->sparse_minor > 1)
		return err_set(e, ERR_INVALID, "archive/tar: unknown sparse file format");
	if (ret->type == TAR_FILE && ret->sparse) {
		if (ret->flag == 'S' ? gnu_sparse(t, x, b, e) < 0 : x->sparse_major == 1 && pax_1_0_map(t, x, &size, e) < 0)
			return -1;
		if (!x->has_real || check_pieces(x, x->real, size, e) < 0)
			return e->code != ERR_NONE ? -1 : bad_header(e);
		ret->size = x->real;
		ret->pieces = x->pieces.v;
		ret->n_pieces = x->pieces.n;
	} else {
		ret->sparse = false;
	}
	t->data_left = size;
	return 0;
}

/* As Go, a number that is none counts only where there is a device. */
static int
device(const unsigned char *b, struct tar_entry *ret, struct err *e)
{
	uint64_t major, minor;

	if (ret->type != TAR_CHAR && ret->type != TAR_BLOCK_DEV)
		return 0;
	if (!positive(b + AT_MAJOR, 8, &major) || !positive(b + AT_MINOR, 8, &minor) || major > UINT32_MAX || minor > UINT32_MAX)
		return bad_header(e);
	ret->dev_major = (uint32_t)major;
	ret->dev_minor = (uint32_t)minor;
	return 0;
}

static int
entry(struct tar *t, struct extra *x, const unsigned char *b, struct tar_entry *ret, struct err *e)
{
	uint64_t mode;

	*ret = (struct tar_entry){ .flag = (char)b[AT_TYPE] };
	if (names(t, x, b, ret, e) < 0)
		return -1;
	ret->type = type_of(ret->flag, ret->name);
	if (!octal(b + AT_MODE, 8, &mode) || !positive(b + AT_UID, 8, &ret->uid) || !positive(b + AT_GID, 8, &ret->gid) ||
	    !number(b + AT_MTIME, 12, &ret->mtime_s))
		return bad_header(e);
	ret->mode = (uint32_t)(mode & 07777);
	if (x->has_uid)
		ret->uid = x->uid;
	if (x->has_gid)
		ret->gid = x->gid;
	if (x->has_mtime) {
		ret->mtime_s = x->mtime_s;
		ret->mtime_ns = x->mtime_ns;
	}
	if (device(b, ret, e) < 0 || content(t, x, b, ret, e) < 0)
		return -1;
	ret->xattrs = x->xattrs.v;
	ret->n_xattrs = x->xattrs.n;
	t->entries++;
	return 1;
}

static int
at_end(struct tar *t, struct err *e)
{
	unsigned char block[TAR_BLOCK];
	int r = next_block(t, block, e);

	if (r < 0)
		return -1;
	if (r > 0 && !all_zero(block, sizeof block))
		return bad_header(e);
	t->ended = true;
	return 0;
}

static int
pass_padding(struct tar *t, struct err *e)
{
	int64_t have;

	if (t->pad_left == 0)
		return 0;
	have = source_want(t->in, t->pad_left, e);
	if (have < 0)
		return -1;
	if (have < (int64_t)t->pad_left)
		return cut_short(e);
	if (meta(t, t->pad_left, e) < 0)
		return -1;
	t->pad_left = 0;
	return 0;
}

/* pax headers and long names, which describe the entry that follows */
static int
special(struct tar *t, struct extra *x, const unsigned char *block, struct err *e)
{
	uint64_t size;
	char *text = NULL;

	if (!positive(block + AT_SIZE, 12, &size))
		return bad_header(e);
	if (read_special(t, size, &text, e) < 0)
		return -1;
	switch (block[AT_TYPE]) {
	case 'x':
		return pax_records(t, x, text, (size_t)size, e);
	case 'L':
		x->path = text;
		return 0;
	case 'K':
		x->link = text;
		return 0;
	default:
		return 0;   /* a global pax header: nothing in it concerns an image */
	}
}

int
tar_next(struct tar *t, struct tar_entry *ret, struct err *e)
{
	struct extra x = { .sparse_major = -1, .sparse_minor = -1 };
	unsigned char block[TAR_BLOCK];

	if (t->ended)
		return 0;
	if (tar_skip(t, e) < 0)
		return -1;
	arena_done(&t->arena);
	for (unsigned specials = 0; specials < 64; specials++) {
		int r = next_block(t, block, e);

		if (r < 0)
			return -1;
		if (r == 0) {
			t->ended = true;
			return specials == 0 ? 0 : cut_short(e);
		}
		if (all_zero(block, sizeof block))
			return at_end(t, e);
		if (!checksum_ok(block))
			return bad_header(e);
		if (block[AT_TYPE] != 'x' && block[AT_TYPE] != 'g' && block[AT_TYPE] != 'L' && block[AT_TYPE] != 'K')
			return entry(t, &x, block, ret, e);
		if (special(t, &x, block, e) < 0)
			return -1;
	}
	return bad_header(e);
}

int64_t
tar_data(struct tar *t, const unsigned char **ret, struct err *e)
{
	int64_t have;

	if (t->data_left == 0)
		return pass_padding(t, e);
	have = source_want(t->in, 1, e);
	if (have < 0)
		return -1;
	if (have == 0)
		return cut_short(e);
	if ((uint64_t)have > t->data_left)
		have = (int64_t)t->data_left;
	*ret = t->in->buf + t->in->at;
	source_pass(t->in, (size_t)have);
	t->data_left -= (uint64_t)have;
	return have;
}

int
tar_skip(struct tar *t, struct err *e)
{
	const unsigned char *p;
	int64_t n;

	while ((n = tar_data(t, &p, e)) > 0)
		if (t->on_meta != NULL && t->on_meta(t->ctx, p, (size_t)n, e) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

int
tar_tail(struct tar *t, struct err *e)
{
	int64_t have;

	while ((have = source_want(t->in, 1, e)) > 0)
		if (meta(t, (size_t)have, e) < 0)
			return -1;
	return have < 0 ? -1 : 0;
}

int
tar_clean_path(const char *name, char out[TAR_PATH_MAX + 1])
{
	bool absolute = name[0] == '/';
	size_t used = 0;

	while (*name != '\0') {
		size_t n = strcspn(name, "/");

		if (n == 2 && name[0] == '.' && name[1] == '.') {
			if (used == 0 && !absolute)
				return -1;
			while (used > 0 && out[used - 1] != '/')
				used--;
			if (used > 0)
				used--;
		} else if (n > 0 && !(n == 1 && name[0] == '.')) {
			if (n + (used > 0) > TAR_PATH_MAX - used)
				return -1;
			if (used > 0)
				out[used++] = '/';
			memcpy(out + used, name, n);
			used += n;
		}
		name += n + (name[n] == '/');
	}
	out[used] = '\0';
	return 0;
}
