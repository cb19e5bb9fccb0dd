/*
 * bulwark-config: reads the daemon's arguments and daemon.json for the supervisor, which must not parse anything (conf.h says
 * how they talk). It has no right at all and ends with its answer.
 */
#include "options.h"

#include "fd.h"
#include "json.h"
#include "msg/conf.h"
#include "role.h"
#include "seccomp_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_FD   (CTL_FD + 1)
#define FILE_MAX  ((size_t)1 << 20)
#define INLINE_MAX ((size_t)48 << 10)

static int
say(char kind, const void *body, size_t n, int fd)
{
	struct iovec iov[2] = { { &kind, 1 }, { (void *)(uintptr_t)body, n } };

	return fd_send(CTL_FD, iov, 2, &fd, fd >= 0 ? 1 : 0, 0) < 0 ? 1 : 0;
}

static int
say_text(char kind, const char *text)
{
	return say(kind, text, strlen(text), -1);
}

static int
read_all(int fd, struct buf *b, struct err *e)
{
	for (;;) {
		ssize_t n;

		if (!buf_room(b, 16384))
			return err_set(e, ERR_LIMIT, "the file is larger than %zu bytes", b->max);
		n = read(fd, b->data + b->used, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read");
		if (n == 0)
			return 0;
		b->used += (size_t)n;
	}
}

static int
read_file(struct settings *s, struct arena *a, struct err *e)
{
	own_buf b = BUF_INIT(FILE_MAX);

	if (fcntl(FILE_FD, F_GETFD) < 0)
		return 0;
	return read_all(FILE_FD, &b, e) < 0 ? -1 : file_parse((const char *)b.data, b.used, a, s, e);
}

/* The supervisor opens what we name. */
static int
ask_file(const char *path, int *ret, struct err *e)
{
	char text[256];
	size_t n_fds = 1;
	ssize_t n;

	*ret = -1;
	if (say(CONF_OPEN, path, strlen(path) + 1, -1) != 0 || (n = fd_receive(CTL_FD, text, sizeof text - 1, ret, &n_fds, 0)) <= 0)
		return err_set(e, ERR_SYSTEM, "the supervisor does not answer");
	text[n] = '\0';
	return *ret >= 0 ? 0 : err_set(e, ERR_INVALID, "open %.128s: %s", path, text);
}

static int
read_seccomp(const struct settings *s, struct arena *a, struct engine_config *c, struct err *e)
{
	const char *path = setting_str(s, OPT_seccomp_profile);
	own_buf b = BUF_INIT(FILE_MAX);
	own_fd fd = -1;

	if (*path == '\0' || strcmp(path, "builtin") == 0 || c->validate)
		return 0;
	/* a floor: a container may ask for it, the whole engine may not */
	if (strcmp(path, "unconfined") == 0)
		return err_set(e, ERR_DENIED, "seccomp-profile unconfined for all containers is refused; use --security-opt seccomp=unconfined for one");
	c->seccomp = arena_alloc(a, sizeof *c->seccomp);
	if (c->seccomp == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (ask_file(path, &fd, e) < 0)
		return err_wrap(e, "opening seccomp profile (%.128s) failed", path);
	if (read_all(fd, &b, e) < 0 || json_read(&seccomp_profile_type, (const char *)b.data, b.used, a, c->seccomp, e) < 0 ||
	    seccomp_check(c->seccomp, e) < 0)
		return err_wrap(e, "decoding seccomp profile %.128s failed", path);
	return 0;
}

/* key = "value" or key=value; NULL if it is missing */
static char *
text_value(const struct buf *b, const char *key, struct arena *a)
{
	size_t n = strlen(key);

	for (const char *p = (const char *)b->data, *end = p + b->used; p < end;) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((line_end != NULL ? line_end : end) - p);

		if (len > n && memcmp(p, key, n) == 0 && strchr(" \t=", p[n]) != NULL) {
			const char *v = p + n, *stop = p + len;

			while (v < stop && strchr(" \t=\"", *v) != NULL)
				v++;
			while (stop > v && strchr(" \t\r\"", stop[-1]) != NULL)
				stop--;
			return arena_strn(a, v, (size_t)(stop - v));
		}
		p += len + 1;
	}
	return NULL;
}

static int
read_text(const char *path, struct buf *b, struct err *e)
{
	own_fd fd = -1;

	return ask_file(path, &fd, e) < 0 ? -1 : read_all(fd, b, e);
}

/* user:role:type:level, of characters that such a label has */
static bool
is_context(const char *s)
{
	size_t colons = 0;

	for (const char *p = s; p != NULL && *p != '\0'; p++)
		colons += *p == ':' ? 1 : 0;
	return s != NULL && colons >= 2 && strlen(s) < 256 && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:,-")] == '\0';
}

/* The labels of containers are the policy's (lxc_contexts), as for the Docker engine. Where the kernel has no SELinux the key changes nothing. */
static int
read_selinux(const struct settings *s, struct arena *a, struct engine_config *c, struct err *e)
{
	own_buf config = BUF_INIT(65536), contexts = BUF_INIT(65536);
	struct err why = ERR_INIT;
	own_fd enforce = -1;
	char path[256];
	char *type;

	if (!setting_bool(s, OPT_selinux_enabled, false) || c->validate)
		return 0;
	if (ask_file("/sys/fs/selinux/enforce", &enforce, &why) < 0)
		return strs_add(&c->warnings, a, "Docker could not enable SELinux on the host system") ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
	if (read_text("/etc/selinux/config", &config, e) < 0)
		return err_wrap(e, "selinux-enabled");
	type = text_value(&config, "SELINUXTYPE", a);
	if (type == NULL || *type == '\0' || strchr(type, '/') != NULL || (size_t)snprintf(path, sizeof path, "/etc/selinux/%s/contexts/lxc_contexts", type) >= sizeof path)
		return err_set(e, ERR_INVALID, "selinux-enabled: /etc/selinux/config names no policy");
	if (read_text(path, &contexts, e) < 0)
		return err_wrap(e, "selinux-enabled");
	c->selinux_process = text_value(&contexts, "process", a);
	c->selinux_file = text_value(&contexts, "file", a);
	if (!is_context(c->selinux_process) || !is_context(c->selinux_file))
		return err_set(e, ERR_INVALID, "selinux-enabled: %s has no labels for process and file", path);
	c->selinux = true;
	return 0;
}

static int
send_record(const struct engine_config *c, struct err *e)
{
	own_buf b = BUF_INIT((size_t)16 << 20);
	own_fd memory = -1;

	if (rec_encode(&engine_config_type, c, &b, e) < 0)
		return -1;
	if (b.used <= INLINE_MAX)
		return say(CONF_RECORD, b.data, b.used, -1) == 0 ? 0 : err_sys(e, errno, "send");
	memory = memfd_create("config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0 || fd_write_all(memory, b.data, b.used) < 0 ||
	    fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 || say(CONF_MEMORY, "", 0, memory) != 0)
		return err_sys(e, errno, "send the configuration");
	return 0;
}

static int
second_pass(struct settings *s, struct arena *a, struct err *e)
{
	struct engine_config *c = arena_alloc(a, sizeof *c);

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (read_file(s, a, e) < 0)
		return err_wrap(e, "unable to configure the Docker daemon with file %.200s", s->file);
	if (config_build(s, a, c, e) < 0 || read_seccomp(s, a, c, e) < 0 || read_selinux(s, a, c, e) < 0)
		return -1;
	return send_record(c, e);
}

static int
first_pass(const struct settings *s)
{
	own_buf b = BUF_INIT(8192);

	buf_put(&b, s->file, strlen(s->file) + 1);
	buf_putc(&b, s->of[OPT_config_file].from_flag ? '1' : '0');
	return say(CONF_FILE, b.data, b.used, -1);
}

int
main(int argc, char **argv)
{
	static struct settings s;
	own_arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	bool first = argc > 1 && strcmp(argv[1], CONF_FIRST_PASS) == 0;
	int skip = first ? 2 : 1;

	json_init();
	if (role_sandbox(ROLE_CONFIG, NULL, 0, &e) < 0)
		return say_text(CONF_ERROR, e.text);
	if (args_parse(argc - skip, argv + skip, &a, &s, &e) < 0)
		return say_text(CONF_ERROR, e.text);
	if (setting_bool(&s, OPT_help, false))
		return say_text(CONF_TEXT, args_help(&a));
	if (setting_bool(&s, OPT_version, false))
		return say_text(CONF_TEXT, "Bulwark version " BULWARK_VERSION " (Docker Engine API 1.50)\n");
	if (first)
		return first_pass(&s);
	return second_pass(&s, &a, &e) < 0 ? say_text(CONF_ERROR, e.text) : 0;
}
