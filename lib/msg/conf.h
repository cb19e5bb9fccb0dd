/*
 * What the supervisor and its configuration parser say to each other, over one SOCK_SEQPACKET socket (the parser's CTL_FD),
 * one packet each. The parser (ROLE_CONFIG) has no right at all; it is started twice, with the daemon's own arguments.
 *
 *   first pass (argv[1] is CONF_FIRST_PASS, the daemon's arguments follow)
 *     CONF_FILE  path NUL '0'|'1'     which daemon.json, and whether it was named on the command line; the end
 *   second pass (descriptor CTL_FD + 1: that file, missing if there is none)
 *     CONF_OPEN  path NUL             a file that must be opened for it; the answer is "d" with the descriptor, or why not
 *     CONF_RECORD bytes               the engine_config; the end
 *     CONF_MEMORY                     the same in a sealed memfd, which comes along; the end
 *   in both
 *     CONF_ERROR text                 what is wrong; the end
 *     CONF_TEXT  text                 to be printed (version, help); the end
 */
#pragma once

#define CONF_FIRST_PASS "--first-pass"
#define CONF_FILE   'f'
#define CONF_OPEN   's'
#define CONF_RECORD 'c'
#define CONF_MEMORY 'm'
#define CONF_ERROR  'e'
#define CONF_TEXT   'v'
