/* The limit of the machine: speaks just enough for load.c and writes a ready frame to every socket; bench/run.py starts it.
 *
 *   c_limit --port PORT
 *
 * No limits, no checks, no care: what it costs beyond the kernel's send() is nothing worth mentioning.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 20000
#define MAX_ROOMS 4096

typedef struct {
  int upgraded, room;
  char in[1024];
  int in_len;
  char *out; /* what the kernel has not taken */
  int out_len, out_off;
} client;

static client *clients[MAX_SOCKETS]; /* by file descriptor */
static int *members[MAX_ROOMS], n_members[MAX_ROOMS], cap_members[MAX_ROOMS];
static int poller;
static unsigned sequence;

static void watch(int fd, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  epoll_ctl(poller, operation, fd, &event);
}

static void flush_out(int fd) {
  client *c = clients[fd];
  while (c->out_off < c->out_len) {
    ssize_t taken = send(fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
    if (taken <= 0) return;
    c->out_off += taken;
  }
  free(c->out);
  c->out = 0;
  c->out_len = c->out_off = 0;
  watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void put(int fd, const char *bytes, int n) {
  client *c = clients[fd];
  int queued = c->out_len;
  ssize_t taken = queued ? 0 : send(fd, bytes, n, MSG_NOSIGNAL);
  if (taken < 0) taken = 0;
  if (taken == n) return;
  c->out = realloc(c->out, c->out_len + n - taken);
  memcpy(c->out + c->out_len, bytes + taken, n - taken);
  c->out_len += n - taken;
  if (!queued) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static int make_frame(char *frame, const char *text, int n) {
  int head = 2;
  frame[0] = (char)0x81;
  if (n < 126) {
    frame[1] = n;
  } else {
    frame[1] = 126;
    frame[2] = n >> 8;
    frame[3] = n;
    head = 4;
  }
  memcpy(frame + head, text, n);
  return head + n;
}

static void put_text(int fd, const char *text) {
  char frame[2048];
  put(fd, frame, make_frame(frame, text, strlen(text)));
}

static void broadcast(int room, const char *moment) {
  char text[1024], frame[1100];
  int n = snprintf(text, sizeof text,
                   "42/chat,[\"chat:message\",{\"id\":\"m-%u\",\"streamKey\":\"s%d\",\"user\":{\"id\":\"u00000\","
                   "\"name\":\"viewer_00000\",\"color\":\"#7fb2ff\"},\"text\":\"안녕하세요 이거 색상 다른 것도 있나요\","
                   "\"kind\":\"text\",\"createdAt\":\"2026-11-21T00:00:00Z\",\"ts\":%s}]",
                   ++sequence, room, moment);
  int length = make_frame(frame, text, n);
  for (int i = 0; i < n_members[room]; i++) put(members[room][i], frame, length);
}

static void join(int fd, int room) {
  if (n_members[room] == cap_members[room]) {
    cap_members[room] = cap_members[room] * 2 + 16;
    members[room] = realloc(members[room], cap_members[room] * sizeof(int));
  }
  members[room][n_members[room]++] = fd;
  clients[fd]->room = room;
}

static void heard(int fd, const char *text) {
  char answer[256];
  if (!strncmp(text, "40", 2)) put_text(fd, "40/chat,{\"sid\":\"x\"}");
  if (strncmp(text, "42/chat,", 8)) return;
  int id = atoi(text + 8);
  const char *key = strstr(text, "\"streamKey\":\"s"), *found;
  int room = key ? atoi(key + 14) : 0;
  if (room < 0 || room >= MAX_ROOMS) return;
  if (strstr(text, "join-room")) {
    join(fd, room);
  } else if (strstr(text, "send-message") && (found = strstr(text, "\"ts\":"))) {
    char moment[32];
    snprintf(moment, sizeof moment, "%llu", strtoull(found + 5, 0, 10));
    broadcast(room, moment);
  } else if ((found = strstr(text, "\"n\":"))) {
    for (int i = atoi(found + 4); i > 0; i--) broadcast(room, "0");
  }
  snprintf(answer, sizeof answer, "43/chat,%d[{\"ok\":true,\"id\":\"m-%u\"}]", id, sequence);
  put_text(fd, answer);
}

static void upgrade(int fd) {
  client *c = clients[fd];
  static const char head[] =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  if (!strstr(c->in, "\r\n\r\n")) return;
  c->upgraded = 1;
  c->in_len = 0;
  put(fd, head, sizeof head - 1);
  put_text(fd, "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}");
}

static void parse(int fd) {
  client *c = clients[fd];
  int done = 0;
  while (c->in_len - done >= 6) {
    uint8_t *b = (uint8_t *)c->in + done;
    int length = b[1] & 127, head = 6;
    char text[1024];
    if (length == 126) {
      length = b[2] << 8 | b[3];
      head = 8;
    }
    if (c->in_len - done < head + length) break;
    for (int i = 0; i < length; i++) text[i] = b[head + i] ^ b[head - 4 + (i & 3)];
    text[length] = 0;
    if ((b[0] & 15) == 1) heard(fd, text);
    done += head + length;
  }
  memmove(c->in, c->in + done, c->in_len - done);
  c->in_len -= done;
}

static void forget(int fd) {
  client *c = clients[fd];
  int *list = members[c->room], *n = &n_members[c->room];
  for (int i = 0; i < *n; i++)
    if (list[i] == fd) {
      list[i] = list[--*n];
      break;
    }
  free(c->out);
  free(c);
  clients[fd] = 0;
  close(fd);
}

static void receive(int fd) {
  client *c = clients[fd];
  int got = recv(fd, c->in + c->in_len, sizeof c->in - 1 - c->in_len, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    forget(fd);
    return;
  }
  c->in_len += got;
  c->in[c->in_len] = 0;
  if (c->upgraded)
    parse(fd);
  else
    upgrade(fd);
}

static void accept_all(int listener) {
  int one = 1, fd;
  while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
    if (fd >= MAX_SOCKETS) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    clients[fd] = calloc(1, sizeof(client));
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
  }
}

int main(int argc, char **argv) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons(argc > 2 ? atoi(argv[2]) : 0),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
  struct epoll_event events[512];
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
    perror("bind");
    return 1;
  }
  poller = epoll_create1(0);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    int n = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        accept_all(listener);
        continue;
      }
      if (clients[fd] && events[i].events & EPOLLOUT) flush_out(fd);
      if (clients[fd] && events[i].events & EPOLLIN) receive(fd);
    }
  }
}
