#include "refs.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

static bool
is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_alnum(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool
ref_is_tag(const char *tag)
{
	size_t n = strlen(tag);

	if (n == 0 || n > 128 || tag[0] == '.' || tag[0] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(tag[i]) && tag[i] != '_' && tag[i] != '.' && tag[i] != '-')
			return false;
	return true;
}

/* One component: runs of [a-z0-9], between them one of ".", "_", "__" or any number of "-". */
static bool
is_component(const char *p, size_t n)
{
	size_t i = 0;

	if (n == 0 || !is_lower_or_digit(p[0]) || !is_lower_or_digit(p[n - 1]))
		return false;
	while (i < n) {
		size_t run = 0;

		if (is_lower_or_digit(p[i])) {
			i++;
			continue;
		}
		while (i + run < n && p[i + run] == p[i])
			run++;
		if ((p[i] == '.' && run > 1) || (p[i] == '_' && run > 2) || (p[i] != '.' && p[i] != '_' && p[i] != '-') ||
		    !is_lower_or_digit(p[i + run]))
			return false;
		i += run;
	}
	return true;
}

static bool
is_domain(const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	size_t host = colon != NULL ? (size_t)(colon - p) : n;

	if (host == 0 || !is_alnum(p[0]) || !is_alnum(p[host - 1]))
		return false;
	for (size_t i = 0; i < host; i++)
		if (!is_alnum(p[i]) && p[i] != '.' && p[i] != '-')
			return false;
	for (size_t i = host + 1; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return colon == NULL || host + 1 < n;
}

static int
bad(struct err *e)
{
	return err_set(e, ERR_INVALID, "invalid reference format");
}

/* The part before the first slash is a registry if it looks like a host. */
static size_t
domain_length(const char *repo)
{
	const char *slash = strchr(repo, '/');
	size_t n = slash != NULL ? (size_t)(slash - repo) : 0;

	if (slash == NULL || n == 0)
		return 0;
	if (memchr(repo, '.', n) != NULL || memchr(repo, ':', n) != NULL || (n == 9 && memcmp(repo, "localhost", 9) == 0))
		return n;
	for (size_t i = 0; i < n; i++)
		if (repo[i] >= 'A' && repo[i] <= 'Z')
			return n;
	return 0;
}

static int
check_path(const char *path, struct err *e)
{
	const char *p = path;

	for (const char *c = path; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			return err_set(e, ERR_INVALID, "invalid reference format: repository name (%s%s) must be lowercase",
			    strchr(path, '/') == NULL ? "library/" : "", path);
	for (;;) {
		size_t n = strcspn(p, "/");

		if (!is_component(p, n))
			return bad(e);
		if (p[n] == '\0')
			return 0;
		p += n + 1;
	}
}

int
ref_parse(const char *text, struct image_ref *ret, struct err *e)
{
	char name[1024];
	char *at, *colon, *slash;
	const char *repo = name;
	size_t domain;

	memset(ret, 0, sizeof *ret);
	if (text == NULL || text[0] == '\0' || !text_copy(name, sizeof name, text))
		return bad(e);
	if ((at = strchr(name, '@')) != NULL) {
		*at++ = '\0';
		if (!text_starts(at, "sha256:") || !text_is_id(at + 7))
			return bad(e);
		(void)text_copy(ret->digest, sizeof ret->digest, at);
	}
	slash = strrchr(name, '/');
	colon = strrchr(slash != NULL ? slash : name, ':');
	if (colon != NULL) {
		*colon++ = '\0';
		if (!ref_is_tag(colon))
			return bad(e);
		(void)text_copy(ret->tag, sizeof ret->tag, colon);
		ret->tagged = true;
	}
	if (text_is_id(name))
		return err_set(e, ERR_INVALID, "invalid repository name (%s), cannot specify 64-byte hexadecimal strings", name);
	if (text_starts(repo, "docker.io/") || text_starts(repo, "index.docker.io/"))
		repo = strchr(repo, '/') + 1;
	domain = domain_length(repo);
	if (domain > 0 && !is_domain(repo, domain))
		return bad(e);
	if (check_path(domain > 0 ? repo + domain + 1 : repo, e) < 0)
		return -1;
	if (domain == 0 && text_starts(repo, "library/") && strchr(repo + 8, '/') == NULL)
		repo += 8;
	if (strlen(repo) > 255 || !text_copy(ret->repo, sizeof ret->repo, repo))
		return err_set(e, ERR_INVALID, "repository name must not be more than 255 characters");
	if (ret->tag[0] == '\0' && ret->digest[0] == '\0')
		(void)text_copy(ret->tag, sizeof ret->tag, "latest");
	if (ret->digest[0] != '\0')
		snprintf(ret->full, sizeof ret->full, "%s@%s", ret->repo, ret->digest);
	else
		snprintf(ret->full, sizeof ret->full, "%s:%s", ret->repo, ret->tag);
	return 0;
}
