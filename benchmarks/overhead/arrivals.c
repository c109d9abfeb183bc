/* An open-loop load generator: calls arrive when they arrive, whether those before them are answered or not.
 *
 *   arrivals PORT CONNECTIONS RATE ANSWERS WARM REQUEST_FILE
 *
 * RATE calls a second at random (exponential gaps, the same ones in every run). A call's latency counts from its
 * arrival, so that one that has to wait for a free connection, or for this program, is not told to be fast. The first
 * WARM answers are not counted: a proxy opens its own connections then. Prints
 * {"bad":N,"p50_us":..,"p90_us":..,"p99_us":..,"p999_us":..}; an answer is bad unless its status is 200.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1024, BUFFER = 65536 };

struct connection {
    char buffer[BUFFER + 1];
    int used;
    long long arrived_ns;
};

static struct connection *all[CONNECTIONS * 4];
static int idle[CONNECTIONS], idle_count;
static char request[BUFFER];
static int request_size, wanted, warm, arrived, sent, answers, bad;
static long long *arrivals_ns; /* when each call arrives */
static unsigned *latencies_ns;

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void plan_arrivals(double rate) {
    unsigned short seed[3] = {1, 2, 3};
    double at_ns = now_ns() + 1e8;
    for (int i = 0; i < wanted; i++) {
        at_ns += -log(1 - erand48(seed)) * 1e9 / rate;
        arrivals_ns[i] = (long long)at_ns;
    }
}

/* Send what has arrived as far as there are free connections. */
static void send_arrived(void) {
    long long now = now_ns();
    while (arrived < wanted && arrivals_ns[arrived] <= now) arrived++;
    while (sent < arrived && idle_count > 0) {
        int fd = idle[--idle_count];
        all[fd]->arrived_ns = arrivals_ns[sent++];
        all[fd]->used = 0;
        if (send(fd, request, request_size, MSG_NOSIGNAL) != request_size) {
            perror("arrivals: send");
            exit(1);
        }
    }
}

static void read_answer(int fd) {
    struct connection *c = all[fd];
    ssize_t got = read(fd, c->buffer + c->used, BUFFER - c->used);
    if (got <= 0) {
        fprintf(stderr, "arrivals: the peer closed a connection\n");
        exit(1);
    }
    c->used += got;
    c->buffer[c->used] = 0;
    char *end = strstr(c->buffer, "\r\n\r\n");
    if (end == NULL) return;
    char *length = strcasestr(c->buffer, "\ncontent-length:");
    if (c->used < (int)(end - c->buffer) + 4 + (length ? atoi(length + 16) : 0)) return;
    bad += memcmp(c->buffer, "HTTP/1.1 200", 12) != 0;
    if (answers >= warm) latencies_ns[answers - warm] = (unsigned)(now_ns() - c->arrived_ns);
    answers++;
    idle[idle_count++] = fd;
}

static int ascending(const void *one, const void *other) {
    unsigned a = *(const unsigned *)one, b = *(const unsigned *)other;
    return (a > b) - (a < b);
}

static double percentile_us(double share) {
    return latencies_ns[(int)(share * (wanted - warm - 1))] / 1e3;
}

int main(int count, char **arguments) {
    if (count != 7) return 64;
    int one = 1, connections = atoi(arguments[2]), epoll = epoll_create1(0), file = open(arguments[6], O_RDONLY);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    struct epoll_event events[256], interest = {.events = EPOLLIN, .data.fd = timer};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    warm = atoi(arguments[5]);
    wanted = atoi(arguments[4]) + warm;
    request_size = file < 0 ? -1 : (int)read(file, request, sizeof request);
    if (request_size <= 0 || connections > CONNECTIONS || wanted <= warm || warm < 0) return 64;
    arrivals_ns = calloc(wanted, sizeof *arrivals_ns);
    latencies_ns = calloc(wanted, sizeof *latencies_ns);
    prctl(PR_SET_TIMERSLACK, 1);
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &interest);
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
            perror("arrivals: connect");
            return 1;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        all[fd] = calloc(1, sizeof(struct connection));
        interest.data.fd = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
        idle[idle_count++] = fd;
    }
    plan_arrivals(atof(arguments[3]));
    while (answers < wanted) {
        if (arrived < wanted) {
            struct itimerspec when = {.it_value = {arrivals_ns[arrived] / 1000000000LL, arrivals_ns[arrived] % 1000000000LL}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        }
        int ready = epoll_wait(epoll, events, 256, 20000);
        if (ready == 0) {
            fprintf(stderr, "arrivals: nothing came for 20 s\n");
            return 1;
        }
        for (int i = 0; i < ready; i++) {
            long long expired;
            if (events[i].data.fd != timer) read_answer(events[i].data.fd);
            else if (read(timer, &expired, sizeof expired) < 0) continue; /* it was set anew meanwhile */
        }
        send_arrived();
    }
    qsort(latencies_ns, wanted - warm, sizeof *latencies_ns, ascending);
    printf("{\"bad\":%d,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f}\n", bad, percentile_us(0.5),
           percentile_us(0.9), percentile_us(0.99), percentile_us(0.999));
    return 0;
}
