/* Google Cloud Logging: entries:write, with a token that the service account's key is exchanged for (RFC 7523). */
#include "logger.h"

#include "text.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define SCOPE "https://www.googleapis.com/auth/logging.write"
#define CREDENTIALS "/etc/bulwark/gcp-credentials.json"

struct conf {
	char url[600], token_url[600], email[256], key_id[128], project[128];
	char *key;                 /* PEM */
	char *head, *payload;      /* of a request, up to its entries; of an entry, up to its message */
	char token[4096];
	int64_t token_until;       /* CLOCK_MONOTONIC */
	struct buf body;
};

static int
read_credentials(struct ship *s, struct conf *c, struct err *e)
{
	const char *path = getenv("GOOGLE_APPLICATION_CREDENTIALS");
	char text[16384], key[8192];
	FILE *f = fopen(path != NULL ? path : CREDENTIALS, "re");
	size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	if (n == 0)
		return err_set(e, ERR_UNAVAILABLE, "google: could not find default credentials: neither GOOGLE_APPLICATION_CREDENTIALS of the daemon's environment nor " CREDENTIALS
		    " names any that can be read");
	if (!json_text(text, "client_email", c->email, sizeof c->email) || !json_text(text, "private_key", key, sizeof key))
		return err_set(e, ERR_INVALID, "google: the credentials are not a service account's key");
	(void)json_text(text, "private_key_id", c->key_id, sizeof c->key_id);
	if (!json_text(text, "token_uri", c->token_url, sizeof c->token_url))
		snprintf(c->token_url, sizeof c->token_url, "https://oauth2.googleapis.com/token");
	if (ship_opt(s, "gcp-project") != NULL)
		(void)text_copy(c->project, sizeof c->project, ship_opt(s, "gcp-project"));
	else
		(void)json_text(text, "project_id", c->project, sizeof c->project);
	if (c->project[0] == '\0')
		return err_set(e, ERR_INVALID, "No project was specified and couldn't read project from the metadata server. Please specify a project");
	c->key = arena_str(&s->arena, key);
	memset(text, 0, sizeof text);
	memset(key, 0, sizeof key);
	return c->key != NULL ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

static void
put_member(struct buf *b, const char *key, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	if (b->used > 0 && b->data[b->used - 1] != '{')
		buf_putc(b, ',');
	put_json_str(b, key);
	buf_putc(b, ':');
	put_json_str(b, value);
}

/* What is the same in each request and in each entry. */
static int
prepare(struct ship *s, struct conf *c, struct err *e)
{
	const char *zone = ship_opt(s, "gcp-meta-zone"), *name = ship_opt(s, "gcp-meta-name"), *id = ship_opt(s, "gcp-meta-id");
	bool instance = zone != NULL || name != NULL || id != NULL;
	own_buf b = BUF_INIT((size_t)1 << 20);
	char text[NAME_MAX_ + 2], log[200];

	snprintf(log, sizeof log, "projects/%s/logs/gcplogs-docker-driver", c->project);
	buf_puts(&b, "{");
	put_member(&b, "logName", log);
	buf_printf(&b, ",\"resource\":{\"type\":\"%s\",\"labels\":{", instance ? "gce_instance" : "global");
	put_member(&b, instance ? "instance_id" : "project_id", instance ? id : c->project);
	put_member(&b, "zone", zone);
	buf_puts(&b, "}},\"partialSuccess\":true");
	c->head = arena_str(&s->arena, buf_cstr(&b));
	buf_reset(&b);
	buf_puts(&b, "\"jsonPayload\":{");
	if (instance) {
		buf_puts(&b, "\"instance\":{");
		put_member(&b, "zone", zone);
		put_member(&b, "name", name);
		put_member(&b, "id", id);
		buf_puts(&b, "},");
	}
	buf_puts(&b, "\"container\":{");
	snprintf(text, sizeof text, "/%s", s->target.name);
	put_member(&b, "name", text);
	put_member(&b, "id", s->target.id);
	put_member(&b, "imageName", s->target.image_name);
	put_member(&b, "imageId", s->target.image_id);
	text_time(text, s->target.created);
	put_member(&b, "created", text);
	if (ship_opt(s, "gcp-log-cmd") != NULL && strcmp(ship_opt(s, "gcp-log-cmd"), "true") == 0)
		put_member(&b, "command", s->target.command);
	for (size_t i = 0; i < s->target.attrs.n; i++) {
		buf_puts(&b, i == 0 ? ",\"metadata\":{" : ",");
		put_json_str(&b, s->target.attrs.v[i].key);
		buf_putc(&b, ':');
		put_json_str(&b, s->target.attrs.v[i].value);
	}
	buf_printf(&b, "%s},\"message\":", s->target.attrs.n > 0 ? "}" : "");
	c->payload = b.failed ? NULL : arena_str(&s->arena, buf_cstr(&b));
	return c->head != NULL && c->payload != NULL ? 0 : err_set(e, ERR_LIMIT, "the attributes of the log are too long");
}

static int
open_gcplogs(struct ship *s, struct err *e)
{
	const char *endpoint = getenv("BULWARK_GCPLOGS_ENDPOINT");
	struct conf *c = arena_alloc(&s->arena, sizeof *c);

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	s->conf = c;
	c->body.max = (size_t)16 << 20;
	snprintf(c->url, sizeof c->url, "%.500s/v2/entries:write", endpoint != NULL ? endpoint : "https://logging.googleapis.com");
	return read_credentials(s, c, e) < 0 || prepare(s, c, e) < 0 ? -1 : 0;
}

static void
add_gcplogs(struct ship *s, const struct record *r)
{
	const struct conf *c = s->conf;
	struct buf *b = &s->batch;
	char when[40];

	/* the insertId lets the service drop what comes twice */
	text_time(when, r->time);
	buf_printf(b, "%s{\"timestamp\":\"%s\"", b->used > 0 ? "," : "", when);
	if (r->seq != 0)
		buf_printf(b, ",\"insertId\":\"%.32s-%llu\"", s->target.id, (unsigned long long)r->seq);
	buf_printf(b, ",%s", c->payload);
	put_json(b, r->text, r->n);
	buf_puts(b, "}}");
}

/* ---- the token ---- */
static void
put_base64url(struct buf *b, const void *data, size_t n)
{
	own_buf text = BUF_INIT(16384);

	if (!buf_room(&text, 4 * (n / 3 + 2)))
		return;
	text.used = (size_t)EVP_EncodeBlock(text.data, data, (int)n);
	for (size_t i = 0; i < text.used && text.data[i] != '='; i++)
		buf_putc(b, (char)(text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i]));
}

static bool
sign(const char *pem, const void *data, size_t n, unsigned char *out, size_t *out_n)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = key != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 && EVP_DigestSign(ctx, out, out_n, data, n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

static bool
put_assertion(struct conf *c, struct buf *b)
{
	own_buf claims = BUF_INIT(8192), head = BUF_INIT(1024);
	unsigned char signature[1024];
	size_t n = sizeof signature, at;
	int64_t now = now_real_ns() / 1000000000;

	buf_puts(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
	put_member(&head, "kid", c->key_id);
	buf_puts(&head, "}");
	buf_puts(&claims, "{");
	put_member(&claims, "iss", c->email);
	put_member(&claims, "scope", SCOPE);
	put_member(&claims, "aud", c->token_url);
	buf_printf(&claims, ",\"iat\":%lld,\"exp\":%lld}", (long long)now, (long long)now + 3600);
	buf_puts(b, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
	at = b->used;
	put_base64url(b, head.data, head.used);
	buf_putc(b, '.');
	put_base64url(b, claims.data, claims.used);
	if (b->failed || !sign(c->key, b->data + at, b->used - at, signature, &n))
		return false;
	buf_putc(b, '.');
	put_base64url(b, signature, n);
	return !b->failed;
}

static void write_entries(struct ship *s);

static void
fail(struct ship *s, const struct transfer *t, CURLcode code, const char *url, long status)
{
	struct log_address a = { .port = 0 };
	struct err e = ERR_INIT;

	(void)log_address_parse(url, &a);
	if (t == NULL)
		(void)err_set(&e, ERR_UNAVAILABLE, "the service account's key cannot sign");
	else if (code != CURLE_OK)
		transfer_error(t, code, "tcp", a.host, a.port != 0 ? a.port : strcmp(a.proto, "https") == 0 ? 443 : 80, &e);
	else
		(void)err_set(&e, ERR_UNAVAILABLE, "status %ld of %.200s: %.200s", status, a.host, t->reply.used > 0 ? (const char *)t->reply.data : "");
	(void)err_wrap(&e, "unable to connect or authenticate with Google Cloud Logging");
	if (t != NULL && code == CURLE_OK && status == 400 && s->check == NULL && url == ((const struct conf *)s->conf)->url)
		ship_refused(s, &e);
	else
		ship_failed(s, &e);
}

static bool
on_token(struct transfer *t, CURLcode code, long status)
{
	struct ship *s = t->ship;
	struct conf *c = s->conf;
	const char *body = buf_cstr(&t->reply), *seconds = strstr(body, "\"expires_in\"");
	int64_t left = 300;

	s->request = NULL;
	buf_done(&c->body);
	if (code != CURLE_OK || status != 200 || !json_text(body, "access_token", c->token, sizeof c->token)) {
		c->token[0] = '\0';
		fail(s, t, code, c->token_url, status);
		return false;
	}
	if (seconds != NULL)
		left = strtoll(seconds + 12 + strspn(seconds + 12, " :"), NULL, 10);
	c->token_until = now_mono_ns() + (left > 120 ? left - 60 : 60) * 1000000000;
	write_entries(s);
	return false;
}

static bool
on_written(struct transfer *t, CURLcode code, long status)
{
	struct ship *s = t->ship;
	struct conf *c = s->conf;

	s->request = NULL;
	buf_done(&c->body);
	(void)buf_cstr(&t->reply);
	if (code == CURLE_OK && status == 200) {
		ship_sent(s);
		return false;
	}
	if (status == 401)
		c->token[0] = '\0';
	fail(s, t, code, c->url, status);
	return false;
}

static void
start(struct ship *s, struct transfer *t, bool ok)
{
	struct conf *c = s->conf;

	s->request = t;
	if (ok) {
		transfer_tls(t, NULL, NULL, NULL, false);
		transfer_post(t, c->body.data, c->body.used);
		ok = transfer_start(t);
	}
	if (ok)
		return;
	transfer_free(t);
	s->request = NULL;
	fail(s, NULL, CURLE_OK, c->url, 0);
}

static void
ask_token(struct ship *s)
{
	struct conf *c = s->conf;
	struct transfer *t = transfer_new(s, c->token_url, on_token);

	buf_done(&c->body);
	start(s, t, t != NULL && put_assertion(c, &c->body) && transfer_header(t, "Content-Type: application/x-www-form-urlencoded"));
}

static void
write_entries(struct ship *s)
{
	struct conf *c = s->conf;
	struct transfer *t;
	char when[40];

	if (c->token[0] == '\0' || now_mono_ns() > c->token_until) {
		ask_token(s);
		return;
	}
	t = transfer_new(s, c->url, on_written);
	buf_done(&c->body);
	buf_printf(&c->body, "%s,\"entries\":[", c->head);
	if (s->check == NULL) {
		buf_put(&c->body, s->batch.data, s->batch.used);
		buf_puts(&c->body, "]}");
	} else {
		text_time(when, now_real_ns());
		buf_printf(&c->body, "{\"timestamp\":\"%s\",\"textPayload\":\"ping\"}],\"dryRun\":true}", when);
	}
	start(s, t, t != NULL && !c->body.failed && transfer_header(t, "Authorization: Bearer %s", c->token) && transfer_header(t, "Content-Type: application/json"));
}

const struct driver driver_gcplogs = { .name = "gcplogs", .open = open_gcplogs, .add = add_gcplogs, .send = write_entries, .check = write_entries,
	.records = 1000, .bytes = (size_t)1 << 20, .linger_ns = INT64_C(200000000) };
