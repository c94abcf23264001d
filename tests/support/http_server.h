/* A small HTTP/1.0 server on the loopback interface, for tests of downloads: good and bad answers.
 *
 *   /NAME            the file NAME of the folder
 *   /truncated/NAME  announces the whole, sends half, hangs up
 *   /changed/NAME    one bit is flipped
 *   /longer/NAME     some bytes follow
 *   /moved/NAME      302 to /NAME
 *   /silent/NAME     takes the request and says nothing until the server stops
 *   anything else    404 */
#ifndef PARE_TESTS_HTTP_SERVER_H
#define PARE_TESTS_HTTP_SERVER_H

struct http_server;
struct http_server *http_server_start(const char *folder);
void http_server_stop(struct http_server *server); /* frees */
/* "http://127.0.0.1:PORT"; lent. */
const char *http_server_url(const struct http_server *server);
int http_server_n_requests(const struct http_server *server);

#endif
