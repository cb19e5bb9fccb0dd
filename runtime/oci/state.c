/* ROOT/ID/state.json, and whether what it tells of is still there. */
#include "oci.h"

#include "fd.h"
#include "json.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
oci_dir(const struct oci *o, const char *id, int *ret_fd, struct err *e)
{
	if (!text_is_name(id, 255))
		return err_set(e, ERR_INVALID, "invalid container id format: %.64s", id);
	*ret_fd = fd_open_beneath(o->root_fd, id, O_RDONLY | O_DIRECTORY, 0);
	if (*ret_fd < 0)
		return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "container does not exist") : err_sys(e, errno, "open the container's directory");
	return 0;
}

int64_t
oci_start_time(pid_t pid)
{
	char path[40], text[1024], *at;
	long long started;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (fd_read_text(AT_FDCWD, path, text, sizeof text) <= 0 || (at = strrchr(text, ')')) == NULL || at[1] == '\0' || at[2] == 'Z' || at[2] == 'X')
		return -1;
	/* after the name: state is field 3, the start field 22 */
	for (int i = 0; i < 20 && at != NULL; i++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return -1;
	started = strtoll(at, NULL, 10);
	return started;
}

int
oci_state_write(int dir, const struct oci_state *s, struct err *e)
{
	own_buf b = BUF_INIT((size_t)1 << 20);

	buf_puts(&b, "{\"id\":");
	json_put_str(&b, s->id);
	buf_printf(&b, ",\"pid\":%d,\"started\":%lld,\"bundle\":", s->pid, (long long)s->started);
	json_put_str(&b, s->bundle);
	buf_puts(&b, ",\"annotations\":");
	json_put_kvs(&b, &s->annotations, false);
	buf_puts(&b, "}\n");
	if (b.failed || fd_replace_file(dir, "state.json", b.data, b.used, 0600) < 0)
		return err_sys(e, b.failed ? ENOMEM : errno, "write state.json");
	return 0;
}

int
oci_state_read(struct oci *o, const char *id, struct oci_state *ret, struct err *e)
{
	own_fd dir = -1;
	own_json *v = NULL;
	const char *key;
	json_t *each;
	static char text[(size_t)1 << 20];
	ssize_t n;

	if (oci_dir(o, id, &dir, e) < 0)
		return -1;
	n = fd_read_text(dir, "state.json", text, sizeof text);
	if (n < 0)
		return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "container does not exist") : err_sys(e, errno, "read state.json");
	if (json_parse(text, (size_t)n, &v, e) < 0)
		return -1;
	*ret = (struct oci_state){ .pid = (pid_t)json_integer_value(json_object_get(v, "pid")),
		.started = json_integer_value(json_object_get(v, "started")), .id = arena_str(&o->arena, id),
		.bundle = arena_str(&o->arena, json_string_value(json_object_get(v, "bundle"))) };
	json_object_foreach(json_object_get(v, "annotations"), key, each)
		if (json_is_string(each) && !kvs_set(&ret->annotations, &o->arena, key, json_string_value(each)))
			return err_set(e, ERR_NO_MEMORY, "state.json");
	return ret->id != NULL && ret->bundle != NULL ? 0 : err_set(e, ERR_SYSTEM, "state.json is damaged");
}

const char *
oci_status(struct oci *o, const struct oci_state *s)
{
	char path[300];
	struct stat st;

	if (s->pid <= 0 || oci_start_time(s->pid) != s->started)
		return "stopped";
	snprintf(path, sizeof path, "%s/start", s->id);
	return fstatat(o->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? "created" : "running";
}
