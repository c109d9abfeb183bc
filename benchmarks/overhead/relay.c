/* The least that a proxy can be, made as busy as another one: what a queue before one core costs by itself.
 *
 *   relay PORT ENGINE_PORT SPIN_NS
 *
 * Each client has an engine connection of its own. What comes from one side is sent to the other, each piece after
 * SPIN_NS of this thread's CPU time were burnt. It parses nothing: a piece that a socket does not take whole ends it.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 8192, BUFFER = 65536 };

static int other[DESCRIPTORS];
static char buffer[BUFFER];

static long long cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int open_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void watch(int epoll, int fd) {
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
}

static void take_client(int epoll, int listening, int engine_port) {
    int one = 1, client = accept(listening, NULL, NULL), engine = open_to(engine_port);
    if (client < 0 || engine < 0 || client >= DESCRIPTORS || engine >= DESCRIPTORS) {
        perror("relay: open");
        exit(1);
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    other[client] = engine;
    other[engine] = client;
    watch(epoll, client);
    watch(epoll, engine);
}

static void pass_on(int fd, long long spin_ns) {
    if (other[fd] == 0) return; /* its other end went in this very round */
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) {
        int engine = other[fd];
        other[fd] = other[engine] = 0;
        close(engine);
        close(fd);
        return;
    }
    for (long long until = cpu_ns() + spin_ns; cpu_ns() < until;) {}
    if (send(other[fd], buffer, got, MSG_NOSIGNAL) != got) {
        perror("relay: send");
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count != 4) return 64;
    int one = 1, epoll = epoll_create1(0), listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    struct epoll_event events[256];
    long long spin_ns = atoll(arguments[3]);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 1024)) {
        perror("relay: listen");
        return 1;
    }
    watch(epoll, listening);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listening) take_client(epoll, listening, atoi(arguments[2]));
            else pass_on(fd, spin_ns);
        }
    }
}
