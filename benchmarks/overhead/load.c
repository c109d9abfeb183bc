/* A load generator that costs little: keep-alive connections, each with one request in flight, until ANSWERS are in.
 *
 *   load PORT CONNECTIONS ANSWERS REQUEST_FILE APART_US
 *
 * Sends the bytes of REQUEST_FILE, with another number in the place of 16 @ each time. Connections begin APART_US after one another, so that streams with the
 * same interval do not beat in step. Prints {"answers":N,"bad":N}; an answer is bad unless its status is 200 and, for a
 * chunked one, its last event is [DONE].
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 8192, BUFFER = 65536, TAIL = 32, DIGITS = 16 };

struct connection {
    char buffer[BUFFER + 1];
    int used;      /* bytes of the head, later of the tail that is kept of a stream */
    int streaming;
    int good;
};

static struct connection *all[CONNECTIONS * 4];
static char request[BUFFER], *number; /* where the number goes, NULL for none */
static int request_size, started, wanted, answers, bad;

static void find_number(void) {
    number = memmem(request, request_size, "@@@@@@@@@@@@@@@@", DIGITS);
}

static void write_number(void) {
    static unsigned long long last; /* of the clock at first: no other run has the same */
    char digits[DIGITS + 1];
    if (!last) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        last = now.tv_sec * 1000000000ULL + now.tv_nsec;
    }
    sprintf(digits, "%016llx", ++last);
    memcpy(number, digits, DIGITS);
}

static void ask(int fd) {
    if (started >= wanted) return;
    started++;
    if (number) write_number();
    if (send(fd, request, request_size, MSG_NOSIGNAL) != request_size) {
        perror("load: send");
        exit(1);
    }
}

static void finish(int fd, int good) {
    struct connection *c = all[fd];
    answers++;
    bad += !good;
    c->used = c->streaming = 0;
    ask(fd);
}

static void read_stream(int fd) {
    struct connection *c = all[fd];
    if (c->used >= 5 && memcmp(c->buffer + c->used - 5, "0\r\n\r\n", 5) == 0) {
        int from = c->used > TAIL * 2 ? c->used - TAIL * 2 : 0;
        finish(fd, c->good && memmem(c->buffer + from, c->used - from, "data: [DONE]", 12) != NULL);
    } else if (c->used > TAIL) {
        memmove(c->buffer, c->buffer + c->used - TAIL, TAIL);
        c->used = TAIL;
    }
}

static void read_whole(int fd) {
    struct connection *c = all[fd];
    char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
    if (end == NULL) return;
    c->good = memcmp(c->buffer, "HTTP/1.1 200", 12) == 0;
    *end = 0;
    char *length = strcasestr(c->buffer, "\ncontent-length:");
    int whole = (int)(end - c->buffer) + 4 + (length ? atoi(length + 16) : 0);
    *end = '\r';
    if (length == NULL) {
        c->streaming = 1;
        read_stream(fd);
    } else if (c->used >= whole) {
        finish(fd, c->good && c->used == whole);
    }
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    int one = 1, connections = atoi(arguments[2]), apart_us = atoi(arguments[5]);
    int epoll = epoll_create1(0), file = open(arguments[4], O_RDONLY);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    struct epoll_event events[256], interest = {.events = EPOLLIN};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wanted = atoi(arguments[3]);
    request_size = file < 0 ? -1 : (int)read(file, request, sizeof request);
    if (request_size <= 0 || connections > CONNECTIONS) return 64;
    find_number();
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
            perror("load: connect");
            return 1;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        all[fd] = calloc(1, sizeof(struct connection));
        interest.data.fd = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
        ask(fd);
        if (apart_us) usleep(apart_us);
    }
    while (answers < wanted) {
        int ready = epoll_wait(epoll, events, 256, 20000);
        if (ready == 0) {
            fprintf(stderr, "load: nothing came for 20 s\n");
            return 1;
        }
        for (int i = 0; i < ready; i++) {
            struct connection *c = all[events[i].data.fd];
            ssize_t got = read(events[i].data.fd, c->buffer + c->used, BUFFER - c->used);
            if (got <= 0) {
                fprintf(stderr, "load: the peer closed a connection\n");
                return 1;
            }
            c->used += got;
            if (c->streaming) read_stream(events[i].data.fd); else read_whole(events[i].data.fd);
        }
    }
    printf("{\"answers\":%d,\"bad\":%d}\n", answers, bad);
    return 0;
}
