/* A mock engine that costs little and always the same: one thread, epoll, HTTP/1.1 keep-alive.
 *
 *   engine PORT [INTERVAL_US]
 *
 * POST without "stream":true   a JSON body of 330 bytes
 * POST with it                 64 events, one each INTERVAL_US (5 ms), each a chunk and a write of its own; then usage if it was asked
 *                              for, [DONE] and the last chunk in one write; with token ids if they were asked for
 * POST to a path that ends in /render   the JSON body, counted for nothing: vllm-router has each prompt rendered first
 * GET /                        what was done since the last one: {"requests":N,"chunks":N}
 * GET anything else            the same without beginning anew: proxies that look after their engines disturb nothing
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 16384, BUFFER = 65536, CHUNKS = 64, ANSWER = 330 };

struct connection {
    char *buffer;
    int used;
    int chunk;       /* events sent, -1 when not streaming */
    int wants_usage;
    int wants_ids;
    long long due_ns;
    int next;        /* the connection whose event is due after this one */
};

static struct connection all[CONNECTIONS];
static int first = -1, last = -1; /* every stream has the same interval: who is put in last is due last */
static int timer;
static long long requests, chunks, interval_ns = 5000000;
enum { PLAIN, IDS, FIRST_IDS, KINDS };
static char answer[1024], event_chunks[KINDS][512];
static int answer_size, event_sizes[KINDS];

static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                                  "transfer-encoding: chunked\r\n\r\n";
static const char DONE[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
static const char USAGE[] = "data: {\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\","
                            "\"created\":1790000000,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":64,"
                            "\"total_tokens\":128,\"completion_tokens\":64}}\n\n";

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void send_all(int fd, const char *bytes, int size) {
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0) return; /* the reader left: its close is seen by the next read */
        bytes += sent;
        size -= sent;
    }
}

static void make_answers(void) {
    static const char before[] = "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\","
                                 "\"created\":1790000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":"
                                 "{\"role\":\"assistant\",\"content\":\"";
    static const char after[] = "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":64,\"total_tokens\":80,"
                                "\"completion_tokens\":16}}";
    char body[ANSWER + 1], event[400];
    int text = ANSWER - (int)(sizeof before - 1) - (int)(sizeof after - 1);
    memcpy(body, before, sizeof before - 1);
    memset(body + sizeof before - 1, 'a', text);
    memcpy(body + sizeof before - 1 + text, after, sizeof after);
    answer_size = sprintf(answer,
                          "HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: application/json\r\n"
                          "content-length: %d\r\n\r\n%s",
                          ANSWER, body);
    static const char *in_choice[KINDS] = {"", ",\"token_ids\":[10001]", ",\"token_ids\":[10001]"};
    static const char *behind[KINDS] = {"", "", ",\"prompt_token_ids\":[1,2,3,4,5,6,7,8]"};
    for (int kind = 0; kind < KINDS; kind++) {
        int size = sprintf(event,
                           "data: {\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\","
                           "\"created\":1790000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                           "\" word\"},\"logprobs\":null,\"finish_reason\":null%s}]%s}\n\n",
                           in_choice[kind], behind[kind]);
        event_sizes[kind] = sprintf(event_chunks[kind], "%x\r\n%s\r\n", size, event);
    }
}

static void set_timer(void) {
    struct itimerspec when = {0};
    if (first >= 0) {
        when.it_value.tv_sec = all[first].due_ns / 1000000000LL;
        when.it_value.tv_nsec = all[first].due_ns % 1000000000LL;
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void enqueue(int fd, long long due_ns) {
    all[fd].due_ns = due_ns;
    all[fd].next = -1;
    if (last >= 0) all[last].next = fd; else first = fd;
    last = fd;
}

static void drop(int fd) {
    for (int *link = &first, before = -1; *link >= 0; before = *link, link = &all[*link].next)
        if (*link == fd) {
            if (last == fd) last = before;
            *link = all[fd].next;
            break;
        }
    close(fd);
    free(all[fd].buffer);
    all[fd].buffer = NULL;
}

static void send_due(void) {
    char ending[sizeof USAGE + 64];
    while (first >= 0 && all[first].due_ns <= now_ns()) {
        int fd = first;
        struct connection *c = &all[fd];
        first = c->next;
        if (first < 0) last = -1;
        if (c->chunk < CHUNKS) {
            int kind = !c->wants_ids ? PLAIN : c->chunk ? IDS : FIRST_IDS;
            send_all(fd, event_chunks[kind], event_sizes[kind]);
            c->chunk++;
            chunks++;
            enqueue(fd, c->due_ns + interval_ns);
            continue;
        }
        int size = c->wants_usage ? sprintf(ending, "%x\r\n%s\r\n", (unsigned)(sizeof USAGE - 1), USAGE) : 0;
        size += sprintf(ending + size, "%s", DONE);
        send_all(fd, ending, size);
        c->chunk = -1;
    }
}

/* Serve every whole request that the buffer holds; returns 0 when the bytes make no sense. */
static int serve(int fd) {
    struct connection *c = &all[fd];
    char *end;
    while (c->chunk < 0 && (end = memmem(c->buffer, c->used, "\r\n\r\n", 4)) != NULL) {
        *end = 0;
        char *length = strcasestr(c->buffer, "\ncontent-length:");
        int head = (int)(end - c->buffer) + 4, body = length ? atoi(length + 16) : 0, whole = head + body;
        *end = '\r';
        if (whole > BUFFER) return 0;
        if (c->used < whole) return 1;
        char *at = c->buffer + head;
        if (c->buffer[0] == 'G') {
            char counts[256], said[128];
            int size = sprintf(said, "{\"requests\":%lld,\"chunks\":%lld}", requests, chunks);
            size = sprintf(counts, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s",
                           size, said);
            if (memcmp(c->buffer, "GET / ", 6) == 0) requests = chunks = 0;
            send_all(fd, counts, size);
        } else if (memmem(c->buffer, head, "/render HTTP", 12) != NULL) {
            send_all(fd, answer, answer_size);
        } else if (memmem(at, body, "\"stream\":true", 13) != NULL) {
            requests++;
            c->chunk = 0;
            c->wants_usage = memmem(at, body, "\"include_usage\":true", 20) != NULL;
            c->wants_ids = memmem(at, body, "\"return_token_ids\":true", 23) != NULL;
            send_all(fd, STREAM_HEAD, sizeof STREAM_HEAD - 1);
            enqueue(fd, now_ns() + interval_ns);
        } else {
            requests++;
            send_all(fd, answer, answer_size);
        }
        memmove(c->buffer, c->buffer + whole, c->used - whole);
        c->used -= whole;
    }
    return 1;
}

int main(int count, char **arguments) {
    int one = 1, epoll = epoll_create1(0), listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(arguments[1]) : 0)};
    struct epoll_event events[256], interest = {.events = EPOLLIN};
    if (count > 2) interval_ns = atoll(arguments[2]) * 1000;
    signal(SIGPIPE, SIG_IGN);
    make_answers();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 4096)) {
        perror("engine");
        return 1;
    }
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    interest.data.fd = listening;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &interest);
    interest.data.fd = timer;
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &interest);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listening) {
                int client = accept(listening, NULL, NULL);
                if (client < 0 || client >= CONNECTIONS) {
                    if (client >= 0) close(client);
                    continue;
                }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                all[client] = (struct connection){.buffer = malloc(BUFFER), .chunk = -1, .next = -1};
                interest.data.fd = client;
                epoll_ctl(epoll, EPOLL_CTL_ADD, client, &interest);
            } else if (fd == timer) {
                long long expired;
                if (read(timer, &expired, sizeof expired) < 0 && errno != EAGAIN) return 1;
            } else {
                struct connection *c = &all[fd];
                ssize_t got = read(fd, c->buffer + c->used, BUFFER - c->used);
                if (got <= 0) {
                    drop(fd);
                    continue;
                }
                c->used += got;
                if (!serve(fd)) drop(fd);
            }
        }
        send_due();
        set_timer();
    }
}
