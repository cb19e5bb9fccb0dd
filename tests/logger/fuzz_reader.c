/* What a hostile monitor could have written into a log file, as the logger reads it; and what an endpoint could answer. */
#include "logger.h"

#include "fd.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

void
ship_kick(struct ship *s)
{
}

static void
answers(const uint8_t *data, size_t n)
{
	static const char *const keys[] = { "__type", "access_token", "private_key", "expectedSequenceToken" };
	own_buf b = BUF_INIT((size_t)1 << 20), quoted = BUF_INIT((size_t)1 << 20);
	char out[64];

	buf_put(&b, data, n);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (json_text(buf_cstr(&b), keys[i], out, sizeof out) && strlen(out) >= sizeof out)
			abort();
	(void)is_json(data, n);
	/* what we write as a string is one */
	put_json(&quoted, data, n);
	if (!quoted.failed && !is_json(quoted.data, quoted.used))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct log_reader r = { .most = 4 };
	struct err e = ERR_INIT;
	struct log_frame f;
	uint64_t last = 0;
	int fds[3], got;

	if (n > (size_t)1 << 16)
		return 0;
	answers(data, n);
	for (int i = 0; i < 3; i++) {
		fds[i] = memfd_create("log", MFD_CLOEXEC);
		if (fds[i] < 0 || (n > 0 && fd_write_all(fds[i], data, n) < 0))
			abort();
	}
	r.seq = n > 0 ? data[0] % 4 : 0;
	last = r.seq;
	reader_begin(&r, fds, 3, -1, NULL, &e);
	do {
		size_t budget = (size_t)1 << 20;

		while ((got = reader_next(&r, &f, &budget)) > 0) {
			/* numbers rise, whatever stands there */
			if (f.seq <= last || f.n > FRAME_TEXT_MAX)
				abort();
			last = f.seq;
		}
	} while (got < 0);
	if (!reader_at_end(&r))
		abort();
	for (int i = 0; i < 3; i++)
		fd_close(&fds[i]);
	reader_done(&r);
	return 0;
}
