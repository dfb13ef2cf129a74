/* The benchmark's load client: thousands of Socket.IO clients (websocket only) in one thread; bench/run.py starts it.
 *
 *   load -p PORT -k PIDS -m fanout  -n 1000 -b 40 -R 8         the server broadcasts b messages to n members, R times
 *   load -p PORT -k PIDS -m fanout  -n 10 -b 500 -R 100 -S 1   the same while S of the members do not read
 *   load -p PORT -k PIDS -m chat    -s 64 -r 64 -w 4 -t 4      s senders in r rooms, each w messages ahead of its acks
 *   load -p PORT -k PIDS -m chat -D -n 1000 -s 8 -r 1 -t 4     the same, but ahead of the deliveries instead
 *   load -p PORT -k PIDS -m rate    -n 500 -s 1 -q 20 -t 5     q messages a second, whatever the server does
 *   load -p PORT -k PIDS -m connect -n 3000 -c 64              connects n clients, c at a time
 *
 *   -k PID,…    processes whose CPU time and memory are read (/proc), the server first
 *   -T FILE     access tokens, one a line, dealt out to the clients in turn
 *   -x          speak the gateway's contract (liveId, message, clientMessageId) instead of the bench's own events
 *   -N 3        connect to the namespaces / and /streaming too
 *   -P PORT     where the senders connect to: another node;    -j  senders do not join the room
 *   -O NUMBER   the first room is s<NUMBER>;                   -H SECONDS  (connect) stay for so long
 *   -W SECONDS  of warm-up before the measured time
 *
 * Answers one line of JSON. Times are of CLOCK_MONOTONIC; a message carries the moment it was sent at.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS "/chat"
#define SECOND 1000000000ull
#define RING 4096 /* messages of one sender whose moments are remembered, by ack id */
#define TEXT "the quick brown fox jumps over the lazy dog the quick brown " /* makes about 200 bytes of JSON */
#define MAX_PIDS 8

/* ---- clients -------------------------------------------------------------------------------------------------- */

enum state { UNUSED, CONNECTING, WAIT_HTTP, WAIT_OPEN, WAIT_CONNECT, WAIT_JOIN, READY, DEAD };
enum role { MEMBER, SENDER, TRIGGER };

typedef struct {
  int fd, room;
  enum state state;
  enum role role;
  char joins, slow, waiting; /* waiting: answers to CONNECT that have not come */
  uint32_t ack;
  char *in;
  size_t in_len, in_cap; /* a frame that has come in part */
  char *out;
  size_t out_len, out_off, out_cap; /* what the kernel has not taken */
  uint64_t *sent_at;                /* RING of moments, only senders */
} client;

static client *clients;
static int count, n_ready, n_dead;

static int poller, port, sender_port, contract, namespaces = 1, first_room = 1;
static char **tokens;
static int n_tokens;

static uint64_t deliveries, acks, sent, bursts_done, reads;
static int measuring, refill_on_ack;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void fail(const char *what, const char *text, size_t length) {
  fprintf(stderr, "%s: %.*s\n", what, (int)(length < 300 ? length : 300), text);
  exit(2);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

/* ---- latencies: a histogram with 32 steps for each power of two ----------------------------------------------- */

typedef struct {
  uint32_t bucket[64 * 64];
  uint64_t max;
} histogram;
static histogram ack_times, delivery_times;

static void record(histogram *h, uint64_t value) {
  int e = value < 64 ? 0 : 63 - __builtin_clzll(value) - 5;
  h->bucket[e * 64 + (e ? (value >> e) & 63 : value)]++;
  if (value > h->max) h->max = value;
}

static double percentile_us(const histogram *h, double part) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < 64 * 64; i++) total += h->bucket[i];
  for (int i = 0; i < 64 * 64; i++) {
    seen += h->bucket[i];
    if (seen && seen >= total * part) return (double)((uint64_t)(i % 64) << (i / 64)) / 1e3;
  }
  return 0;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static void watch(client *c, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u32 = c - clients};
  if (epoll_ctl(poller, operation, c->fd, &event)) die("epoll_ctl");
}

static void lose(client *c) {
  if (c->state == DEAD) return;
  if (c->state == READY) n_ready--;
  c->state = DEAD;
  if (!c->slow) n_dead++; /* that the slow ones are dropped is what we want to see */
  close(c->fd);
}

static void flush_out(client *c) {
  while (c->out_off < c->out_len) {
    ssize_t taken = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
    if (taken < 0) {
      if (errno != EAGAIN) lose(c);
      return;
    }
    c->out_off += taken;
  }
  c->out_len = c->out_off = 0;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void put(client *c, const char *bytes, size_t n) {
  int queued = c->out_len > c->out_off;
  if (!queued) {
    ssize_t taken = send(c->fd, bytes, n, MSG_NOSIGNAL);
    if (taken == (ssize_t)n) return;
    if (taken < 0 && errno != EAGAIN) {
      lose(c);
      return;
    }
    if (taken < 0) taken = 0;
    bytes += taken;
    n -= taken;
  }
  if (c->out_len + n > c->out_cap) {
    c->out_cap = (c->out_len + n) * 2;
    c->out = realloc(c->out, c->out_cap);
  }
  memcpy(c->out + c->out_len, bytes, n);
  c->out_len += n;
  if (!queued) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void put_text(client *c, const char *text, size_t n) {
  static const uint8_t mask[4] = {0x3a, 0x51, 0xc7, 0x19};
  static char frame[8192];
  size_t head = 2;
  if (n > sizeof frame - 8) fail("too long", text, n);
  frame[0] = (char)0x81;
  if (n < 126) {
    frame[1] = 0x80 | n;
  } else {
    frame[1] = (char)(0x80 | 126);
    frame[2] = n >> 8;
    frame[3] = n & 255;
    head = 4;
  }
  memcpy(frame + head, mask, 4);
  head += 4;
  for (size_t i = 0; i < n; i++) frame[head + i] = text[i] ^ mask[i & 3];
  put(c, frame, head + n);
}

#define PUT(c, ...)                                       \
  do {                                                    \
    char text_[6000];                                     \
    int n_ = snprintf(text_, sizeof text_, __VA_ARGS__);  \
    put_text(c, text_, n_);                               \
  } while (0)

/* ---- what clients say ----------------------------------------------------------------------------------------- */

static void say_upgrade(client *c) {
  static const char request[] =
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load/1.0\r\n"
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  c->state = WAIT_HTTP;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
  put(c, request, sizeof request - 1);
}

static void say_connect(client *c) {
  const char *token = n_tokens ? tokens[(c - clients) % n_tokens] : "x";
  c->state = WAIT_CONNECT;
  c->waiting = namespaces;
  if (namespaces > 1) {
    PUT(c, "40{\"token\":\"%s\"}", token);
    PUT(c, "40/streaming,{\"token\":\"%s\"}", token);
  }
  PUT(c, "40" NS ",{\"token\":\"%s\"}", token);
}

static void say_join(client *c) {
  c->state = WAIT_JOIN;
  PUT(c, "42" NS ",0[\"chat:join-room\",{\"%s\":\"s%d\"}]", contract ? "liveId" : "streamKey", c->room);
}

static void say_message(client *c) {
  int who = c - clients;
  uint32_t id = ++c->ack;
  unsigned long long moment = now();
  c->sent_at[id % RING] = moment;
  sent++;
  if (contract)
    PUT(c, "42" NS ",%u[\"chat:send-message\",{\"liveId\":\"s%d\",\"message\":\"" TEXT "\",\"clientMessageId\":\"t%llu.%u\"}]",
        id, c->room, moment, id);
  else
    PUT(c, "42" NS ",%u[\"chat:send-message\",{\"streamKey\":\"s%d\",\"text\":\"" TEXT "\",\"nonce\":\"n-%08x\",\"kind\":\"text\","
        "\"ts\":%llu,\"user\":{\"id\":\"u%05d\",\"name\":\"viewer_%05d\",\"color\":\"#7fb2ff\"}}]",
        id, c->room, id, moment, who, who);
}

static void say_burst(client *c, int messages) {
  PUT(c, "42" NS ",%u[\"bench:burst\",{\"streamKey\":\"s%d\",\"n\":%d,\"text\":\"" TEXT "\"}]", ++c->ack, c->room, messages);
}

/* ---- what clients hear ---------------------------------------------------------------------------------------- */

static void become_ready(client *c) {
  c->state = READY;
  n_ready++;
}

static void heard_event(const char *text, size_t n) {
  static const char event[] = "42" NS ",[\"chat:message\",";
  if (n < sizeof event || memcmp(text, event, sizeof event - 1)) return; /* who came, who left, greetings */
  deliveries++;
  if (!measuring) return;
  const char *key = contract ? "\"clientMessageId\":\"t" : "\"ts\":";
  const char *found = memmem(text, n, key, strlen(key));
  uint64_t moment = found ? strtoull(found + strlen(key), 0, 10) : 0;
  if (moment) record(&delivery_times, now() - moment);
}

static void heard_ack(client *c, const char *text, size_t n) {
  uint32_t id = atoi(text + 3 + strlen(NS));
  if (!memmem(text, n, "\"ok\":true", 9)) fail("refused", text, n);
  acks++;
  if (c->role == TRIGGER) bursts_done++;
  if (c->role != SENDER) return;
  if (measuring) record(&ack_times, now() - c->sent_at[id % RING]);
  if (refill_on_ack) say_message(c);
}

static void heard(client *c, const char *text, size_t n) {
  if (n == 1 && text[0] == '2') {
    put_text(c, "3", 1);
    return;
  }
  if (c->state == WAIT_OPEN) {
    say_connect(c);
    return;
  }
  if (n < 2 || text[0] != '4') return;
  if (text[1] == '4') fail("connect refused", text, n);
  if (c->state == WAIT_CONNECT && text[1] == '0' && --c->waiting == 0) {
    if (c->joins)
      say_join(c);
    else
      become_ready(c);
  } else if (c->state == WAIT_JOIN && text[1] == '3') {
    if (!memmem(text, n, "\"ok\":true", 9)) fail("join refused", text, n);
    become_ready(c);
  } else if (text[1] == '2') {
    heard_event(text, n);
  } else if (c->state == READY && text[1] == '3') {
    heard_ack(c, text, n);
  }
}

/* The frames that are complete; how many bytes that was. */
static size_t parse(client *c, const char *bytes, size_t n) {
  size_t done = 0;
  while (c->state != DEAD && n - done >= 2) {
    const uint8_t *b = (const uint8_t *)bytes + done;
    size_t head = 2;
    uint64_t length = b[1] & 127;
    if (length == 126) {
      if (n - done < 4) break;
      length = b[2] << 8 | b[3];
      head = 4;
    } else if (length == 127) {
      if (n - done < 10) break;
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | b[i];
      head = 10;
    }
    if (n - done < head + length) break;
    int kind = b[0] & 15;
    if (kind == 8) {
      lose(c);
      return n;
    }
    if (kind == 1) heard(c, (const char *)b + head, length);
    done += head + length;
  }
  return done;
}

static void receive(client *c, char *bytes, size_t n) {
  size_t done = 0;
  if (c->in_len) {
    if (c->in_len + n > c->in_cap) {
      c->in_cap = (c->in_len + n) * 2;
      c->in = realloc(c->in, c->in_cap);
    }
    memcpy(c->in + c->in_len, bytes, n);
    c->in_len += n;
    bytes = c->in;
    n = c->in_len;
  }
  if (c->state == WAIT_HTTP) {
    char *end = memmem(bytes, n, "\r\n\r\n", 4);
    if (end) {
      if (memcmp(bytes, "HTTP/1.1 101", 12)) fail("handshake", bytes, n);
      c->state = WAIT_OPEN;
      done = end + 4 - bytes;
    }
  }
  if (c->state != WAIT_HTTP) done += parse(c, bytes + done, n - done);
  if (c->state == DEAD) return;
  size_t left = n - done;
  if (bytes == c->in) {
    memmove(c->in, c->in + done, left);
  } else if (left) {
    if (left > c->in_cap) {
      c->in_cap = left * 2 + 512;
      c->in = realloc(c->in, c->in_cap);
    }
    memcpy(c->in, bytes + done, left);
  }
  c->in_len = left;
}

static void open_client(client *c) {
  int one = 1, small = 65536;
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons(c->role == MEMBER ? port : sender_port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
  };
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  /* What a slow one does not read must pile up at the server, not in this machine's kernel. */
  if (c->slow) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
  c->state = CONNECTING;
  watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void pump(int ms) {
  static struct epoll_event events[1024];
  static char bytes[1 << 18];
  int n = epoll_wait(poller, events, 1024, ms);
  for (int i = 0; i < n; i++) {
    client *c = &clients[events[i].data.u32];
    if (c->state == DEAD) continue;
    if (c->state == CONNECTING) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error)
        lose(c);
      else
        say_upgrade(c);
      continue;
    }
    if (events[i].events & EPOLLOUT) flush_out(c);
    if (c->state != DEAD && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
      if (got > 0) {
        reads++;
        receive(c, bytes, got);
      } else if (got == 0 || errno != EAGAIN) {
        lose(c);
      }
    }
  }
}

static void pump_for(double seconds) {
  uint64_t end = now() + seconds * SECOND;
  while (now() < end) pump(20);
}

/* ---- the watched processes ------------------------------------------------------------------------------------ */

static int pids[MAX_PIDS], n_pids;

typedef struct {
  double user[MAX_PIDS], system[MAX_PIDS], rss[MAX_PIDS]; /* s, s, bytes */
} account;

static account look(void) {
  account a = {0};
  for (int i = 0; i < n_pids; i++) {
    char path[64], line[2048];
    unsigned long user = 0, system = 0;
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    line[fread(line, 1, sizeof line - 1, file)] = 0;
    fclose(file);
    char *rest = strrchr(line, ')');
    if (rest)
      sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
             &user, &system, &pages);
    a.user[i] = user / (double)sysconf(_SC_CLK_TCK);
    a.system[i] = system / (double)sysconf(_SC_CLK_TCK);
    a.rss[i] = pages * (double)sysconf(_SC_PAGESIZE);
  }
  return a;
}

static void print_cpu(const account *a, const account *b, double per) { /* µs for each of `per`, of each process */
  printf("\"cpu_us\":[");
  for (int i = 0; i < n_pids; i++)
    printf("%s%.3f", i ? "," : "", per ? (b->user[i] + b->system[i] - a->user[i] - a->system[i]) * 1e6 / per : 0);
  printf("],\"system_us\":[");
  for (int i = 0; i < n_pids; i++) printf("%s%.3f", i ? "," : "", per ? (b->system[i] - a->system[i]) * 1e6 / per : 0);
  printf("],\"cpu_s\":[");
  for (int i = 0; i < n_pids; i++)
    printf("%s%.2f", i ? "," : "", b->user[i] + b->system[i] - a->user[i] - a->system[i]);
  printf("],\"rss_mb\":%.2f}\n", b->rss[0] / 1e6);
}

/* ---- the modes ------------------------------------------------------------------------------------------------ */

static void open_all(int at_once) {
  uint64_t end = now() + 120 * SECOND;
  for (int next = 0; n_ready + n_dead < count;) {
    while (next < count && next - n_ready - n_dead < at_once) open_client(&clients[next++]);
    pump(50);
    if (now() > end) fail("opening takes too long", "", 0);
  }
  if (n_dead) fail("clients were dropped while they connected", "", 0);
}

static int ascending(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b;
  return (x > y) - (x < y);
}

static void run_connect(int n, int at_once, double hold) {
  account before = look();
  uint64_t start = now();
  open_all(at_once);
  double seconds = (now() - start) / 1e9;
  account after = look();
  pump_for(1 > hold ? 1 : hold);
  account settled = look();
  printf("{\"clients\":%d,\"connections_per_s\":%.0f,\"rss_kb_per_connection\":%.2f,\"rss_before_mb\":%.2f,", n,
         n / seconds, (settled.rss[0] - before.rss[0]) / 1e3 / n, before.rss[0] / 1e6);
  print_cpu(&before, &after, n);
}

static void run_fanout(int n, int slow, int burst, int repeats) {
  client *trigger = &clients[n];
  double rates[1000], peak = 0;
  account before = {0};
  uint64_t first = 0, next_look = 0;
  if (repeats > 1000) fail("too many repeats", "", 0);
  for (int i = -3; i < repeats; i++) { /* the first ones warm up */
    if (i == 0) {
      for (int k = 0; k < slow; k++) watch(&clients[k], EPOLL_CTL_MOD, 0);
      before = look();
      peak = before.rss[0];
      first = deliveries;
      reads = 0;
    }
    uint64_t start = now(), end = start + 60 * SECOND, done = bursts_done;
    uint64_t want = deliveries + (uint64_t)(i < 0 ? n : n - slow) * burst;
    say_burst(trigger, burst);
    while ((deliveries < want || bursts_done == done) && now() < end && !n_dead) {
      pump(1000);
      if (slow && i >= 0 && now() > next_look) {
        account a = look();
        if (a.rss[0] > peak) peak = a.rss[0];
        next_look = now() + SECOND / 200;
      }
    }
    if (deliveries < want) fail("messages are missing, or clients were dropped", "", 0);
    if (i >= 0) rates[i] = (double)(n - slow) * burst / ((now() - start) / 1e9);
    pump_for(0.02);
  }
  if (slow) pump_for(1); /* what the server then still holds, or has given up */
  account after = look();
  if (after.rss[0] > peak) peak = after.rss[0];
  qsort(rates, repeats, sizeof *rates, ascending);
  printf("{\"clients\":%d,\"deliveries_per_s\":%.0f,\"frames_per_read\":%.2f,\"growth_mb\":%.2f,", n, rates[repeats / 2],
         (double)(deliveries - first) / reads, (peak - before.rss[0]) / 1e6);
  print_cpu(&before, &after, deliveries - first);
}

typedef struct {
  int members, senders, rooms, window, senders_join, on_delivery;
  double rate, warm_up, seconds; /* rate 0: as fast as it is answered */
} traffic;

static void run_traffic(const traffic *t) {
  client *senders = clients + t->members;
  uint64_t begin = now() + t->warm_up * SECOND, end = begin + t->seconds * SECOND;
  uint64_t hearers = t->members / t->rooms + (t->senders_join ? t->senders / t->rooms : 0);
  uint64_t base = deliveries, deliveries0 = 0, acks0 = 0, ahead = (uint64_t)t->senders * t->window;
  uint64_t step = t->rate ? SECOND / t->rate : 0, due = now();
  account before = {0};
  int next = 0;
  if (!hearers) hearers = 1;
  refill_on_ack = !t->rate && !t->on_delivery;
  if (!t->rate)
    for (uint64_t i = 0; i < ahead; i++) say_message(&senders[i % t->senders]);
  while (now() < end) {
    if (!measuring && now() >= begin) {
      measuring = 1;
      before = look();
      deliveries0 = deliveries;
      acks0 = acks;
      begin = now();
    }
    if (t->rate) {
      for (; now() >= due; due += step) say_message(&senders[next++ % t->senders]);
      uint64_t wait = due - now();
      pump(wait < SECOND ? wait / 1000000 : 0);
    } else {
      pump(20);
      if (t->on_delivery)
        while (sent < ahead + (deliveries - base) / hearers) say_message(&senders[next++ % t->senders]);
    }
    if (n_dead) fail("clients were dropped", "", 0);
  }
  account after = look();
  double seconds = (now() - begin) / 1e9, heard_messages = deliveries - deliveries0, answered = acks - acks0;
  measuring = refill_on_ack = 0;
  double cpu = after.user[0] + after.system[0] - before.user[0] - before.system[0];
  printf("{\"clients\":%d,\"seconds\":%.2f,\"messages_per_s\":%.0f,\"deliveries_per_s\":%.0f,\"ack_p50_us\":%.0f,"
         "\"ack_p99_us\":%.0f,\"delivery_p50_us\":%.0f,\"delivery_p99_us\":%.0f,\"cpu_us_per_delivery\":%.3f,",
         count, seconds, answered / seconds, heard_messages / seconds, percentile_us(&ack_times, .5),
         percentile_us(&ack_times, .99), percentile_us(&delivery_times, .5), percentile_us(&delivery_times, .99),
         heard_messages ? cpu * 1e6 / heard_messages : 0);
  print_cpu(&before, &after, answered);
}

/* ---- the command line ----------------------------------------------------------------------------------------- */

static void read_tokens(const char *path) {
  FILE *file = fopen(path, "r");
  char line[4096];
  if (!file) die(path);
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    tokens = realloc(tokens, (n_tokens + 1) * sizeof *tokens);
    tokens[n_tokens++] = strdup(line);
  }
  fclose(file);
}

int main(int argc, char **argv) {
  const char *mode = "fanout";
  int at_once = 64, burst = 40, repeats = 8, slow = 0, option;
  double hold = 0;
  traffic t = {.senders = 1, .rooms = 1, .window = 4, .senders_join = 1, .warm_up = 1, .seconds = 4};
  while ((option = getopt(argc, argv, "m:p:P:n:s:r:w:t:c:k:b:R:S:q:T:xjDN:H:W:O:")) != -1) switch (option) {
      case 'm': mode = optarg; break;
      case 'p': port = atoi(optarg); break;
      case 'P': sender_port = atoi(optarg); break;
      case 'n': t.members = atoi(optarg); break;
      case 's': t.senders = atoi(optarg); break;
      case 'r': t.rooms = atoi(optarg); break;
      case 'w': t.window = atoi(optarg); break;
      case 't': t.seconds = atof(optarg); break;
      case 'q': t.rate = atof(optarg); break;
      case 'W': t.warm_up = atof(optarg); break;
      case 'j': t.senders_join = 0; break;
      case 'D': t.on_delivery = 1; break;
      case 'c': at_once = atoi(optarg); break;
      case 'b': burst = atoi(optarg); break;
      case 'R': repeats = atoi(optarg); break;
      case 'S': slow = atoi(optarg); break;
      case 'T': read_tokens(optarg); break;
      case 'x': contract = 1; break;
      case 'N': namespaces = atoi(optarg); break;
      case 'H': hold = atof(optarg); break;
      case 'O': first_room = atoi(optarg); break;
      case 'k':
        for (char *pid = strtok(optarg, ","); pid && n_pids < MAX_PIDS; pid = strtok(0, ",")) pids[n_pids++] = atoi(pid);
        break;
      default: return 1;
    }
  if (!sender_port) sender_port = port;
  int connects = !strcmp(mode, "connect"), fans = !strcmp(mode, "fanout");
  int others = connects ? 0 : fans ? 1 : t.senders;
  if (t.window * 2 > RING || t.rooms < 1 || (connects && !t.members)) return 1;
  count = t.members + others;
  clients = calloc(count, sizeof *clients);
  poller = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    client *c = &clients[i];
    c->room = first_room + (i < t.members ? i : i - t.members) % t.rooms;
    c->role = i < t.members ? MEMBER : fans ? TRIGGER : SENDER;
    c->joins = c->role == MEMBER || (c->role == SENDER && t.senders_join);
    c->slow = i < slow;
    if (c->role == SENDER) c->sent_at = calloc(RING, sizeof *c->sent_at);
  }
  if (connects) {
    run_connect(t.members, at_once, hold);
    return 0;
  }
  open_all(at_once);
  pump_for(0.3);
  if (fans)
    run_fanout(t.members, slow, burst, repeats);
  else
    run_traffic(&t);
  return 0;
}
