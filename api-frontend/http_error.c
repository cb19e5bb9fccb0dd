/* The only place that turns an error class into a status. */
#include "client.h"

int
http_status_of(enum err_code code)
{
	static const int status[ERR_CODE_COUNT] = {
		[ERR_NONE] = 500, [ERR_INVALID] = 400, [ERR_NOT_FOUND] = 404, [ERR_CONFLICT] = 409, [ERR_DENIED] = 403,
		[ERR_NOT_MODIFIED] = 304, [ERR_LIMIT] = 500, [ERR_NO_MEMORY] = 500, [ERR_UNSUPPORTED] = 501,
		[ERR_UNAVAILABLE] = 503, [ERR_PROTOCOL] = 500, [ERR_SYSTEM] = 500,
	};

	return (unsigned)code < ERR_CODE_COUNT ? status[code] : 500;
}

const char *
http_reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 204: return "No Content";
	case 301: return "Moved Permanently";
	case 304: return "Not Modified";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 413: return "Request Entity Too Large";
	case 414: return "Request URI Too Long";
	case 417: return "Expectation Failed";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: return "Internal Server Error";
	}
}
