#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "check.h"

struct http_server {
    int socket;
    pthread_t thread;
    char url[64];
    char *folder;
    atomic_int n_requests;
    atomic_bool stop;
};

static void say(int client, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t sent = send(client, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

static void say_header(int client, const char *status, const char *more, size_t n_bytes)
{
    char text[512];
    int n = snprintf(text, sizeof text, "HTTP/1.0 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
                     more, n_bytes);

    say(client, text, (size_t)n);
}

/* Takes "/mode" off the path. */
static bool takes(char **path, const char *mode)
{
    size_t n = strlen(mode);

    if (strncmp(*path, mode, n) != 0 || (*path)[n] != '/')
        return false;
    *path += n;
    return true;
}

static void answer(struct http_server *server, int client, char *path)
{
    bool truncated = takes(&path, "/truncated"), changed = takes(&path, "/changed");
    bool longer = takes(&path, "/longer");
    char more[512], *content = NULL, *full;
    size_t n = 0;

    if (takes(&path, "/silent")) {
        while (!server->stop)
            usleep(10000);
        return;
    }
    if (takes(&path, "/moved")) {
        snprintf(more, sizeof more, "Location: %s%s\r\n", server->url, path);
        say_header(client, "302 Found", more, 0);
        return;
    }
    full = pare_path_join(server->folder, path + 1);
    if (strstr(path, "..") || pare_file_read(&content, &n, full, (size_t)1 << 30, NULL)) {
        say_header(client, "404 Not Found", "", 9);
        say(client, "not found", 9);
    } else {
        if (changed)
            content[n / 2] ^= 1;
        say_header(client, "200 OK", "", longer ? n + 5 : n);
        say(client, content, truncated ? n / 2 : n);
        if (longer)
            say(client, "extra", 5);
    }
    free(content);
    free(full);
}

static void serve(struct http_server *server, int client)
{
    char request[2048] = "", path[1024];
    size_t n = 0;

    while (n < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(client, request + n, sizeof request - 1 - n, 0);

        if (got <= 0)
            return;
        n += (size_t)got;
        request[n] = '\0';
    }
    server->n_requests++;
    if (sscanf(request, "GET %1023s", path) == 1)
        answer(server, client, path);
}

static void *run(void *arg)
{
    struct http_server *server = arg;

    while (!server->stop) {
        struct pollfd wait = {.fd = server->socket, .events = POLLIN};
        int client;

        if (poll(&wait, 1, 20) <= 0)
            continue;
        client = accept(server->socket, NULL, NULL);
        if (client < 0)
            continue;
        serve(server, client);
        shutdown(client, SHUT_WR);
        close(client);
    }
    return NULL;
}

struct http_server *http_server_start(const char *folder)
{
    struct http_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;

    server->folder = strdup(folder);
    server->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (server->socket < 0 || bind(server->socket, (struct sockaddr *)&address, n) != 0 ||
        listen(server->socket, 8) != 0 ||
        getsockname(server->socket, (struct sockaddr *)&address, &n) != 0 ||
        pthread_create(&server->thread, NULL, run, server) != 0)
        fail_msg("cannot start a server on the loopback interface");
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    return server;
}

void http_server_stop(struct http_server *server)
{
    server->stop = true;
    pthread_join(server->thread, NULL);
    close(server->socket);
    free(server->folder);
    free(server);
}

const char *http_server_url(const struct http_server *server)
{
    return server->url;
}

int http_server_n_requests(const struct http_server *server)
{
    return server->n_requests;
}
