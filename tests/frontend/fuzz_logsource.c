/* A whole log file of any form, read as `docker logs` and the logger read it, from the front and from the end. */
#include "fuzz.h"

#include "fd.h"
#include "json.h"
#include "logsource.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t
read_all(struct log_source *s)
{
	own_buf out = BUF_INIT((size_t)1 << 22);
	struct log_line l;
	size_t n = 0;

	while (log_source_read(s) > 0) {
		while (log_source_next(s, &l)) {
			buf_reset(&out);
			log_line_text(&l, &out);
			log_line_put_time(&l, &out);
			log_line_put_attrs(&l, &out);
			n++;
		}
		log_source_taken(s);
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct log_source s = LOG_SOURCE_INIT;
	int fd = memfd_create("log", MFD_CLOEXEC);
	int64_t tail = n > 0 ? data[n - 1] % 8 : 0;
	struct err e = ERR_INIT;

	json_init();
	if (fd < 0 || fd_write_all(fd, data, n) < 0)
		abort();
	log_source_open(&s, dup(fd));
	(void)read_all(&s);
	log_source_open(&s, fd);
	if (log_source_tail(&s, &tail, &e) == 0)
		(void)read_all(&s);
	log_source_done(&s);
	return 0;
}
