/* The benchmark's load client: thousands of Socket.IO clients (websocket only) in one thread; bench/run.py starts it.
 *
 *   load -p PORT -k PIDS -m fanout  -n 1000 -b 40 -R 8         the server broadcasts b messages to n members, R times
 *   load -p PORT -k PIDS -m fanout  -n 10 -b 500 -R 100 -S 1   the same while S of the members do not read
 *   load -p PORT -k PIDS -m chat    -s 64 -r 64 -w 4 -t 4      s senders in r rooms, each with w messages without an ack
 *   load -p PORT -k PIDS -m chat -D -n 1000 -s 8 -r 1 -t 4     the same, but with w messages that are not delivered yet
 *   load -p PORT -k PIDS -m rate    -n 500 -s 1 -q 20 -t 5     q messages a second, independently of the answers
 *   load -p PORT -k PIDS -m rate    -n 500 -s 1 -q 20 -u 10    the same, while 10 members a second leave and others join
 *   load -p PORT -k PIDS -m connect -n 3000 -c 64              connects n clients, c at a time
 *   load -p PORT -k PIDS -m storm   -n 3000 -s 20 -r 20 -q 20  n clients lose their connections at once and reconnect,
 *                                                              while s others send in r rooms; -t limits it
 *
 *   -k PID,…    processes whose CPU time and memory are read (/proc), the server first
 *   -K PID      Redis;  -G PID  PostgreSQL, with the CPU time of all its processes
 *   -T FILE     access tokens, one per line, which the clients use in turn
 *   -x          use the gateway's events (liveId, message, clientMessageId) instead of the bench's own
 *   -N 3        connect to the namespaces / and /streaming too
 *   -P PORT     of the senders: another node;                  -j  senders do not join the room
 *   -O NUMBER   the first room is s<NUMBER>;                   -H SECONDS  (connect) stay connected for so long
 *   -W SECONDS  of warm-up before the measurement;             -h ADDRESS  of the server; default 127.0.0.1
 *   -z          offer permessage-deflate; compressed messages are counted but not parsed, so they have no latency
 *
 * Prints one line of JSON. Times are of CLOCK_MONOTONIC; each message contains the time at which it was sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
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
#define RING 4096 /* messages of one sender whose times are stored, by ack id */
#define OFFSET 160 /* the maximum bytes of the offset of an event */
#define MAX_PIDS 8

/* Typical messages of a show in Korea, about 60 bytes each; the number of the message is appended. */
static const char *const texts[] = {
    "안녕하세요 이거 색상 다른 것도 있나요",    "배송은 언제쯤 받아볼 수 있을까요?",
    "ㅋㅋㅋㅋ 너무 예뻐요 사고 싶다 😍",        "재입고 언제 되나요? 기다리는 중이에요",
    "저 방금 두 개 주문했어요 감사합니다",      "이 가격 실화인가요 무료배송 맞죠?",
    "사이즈 M 하고 L 중에 뭐가 나을까요",       "라이브 한정 쿠폰은 어디서 받나요",
};
#define TEXTS (sizeof texts / sizeof *texts)

/* ---- clients -------------------------------------------------------------------------------------------------- */

enum state { UNUSED, AWAY, CONNECTING, WAIT_HTTP, WAIT_OPEN, WAIT_CONNECT, WAIT_JOIN, READY, DEAD };
enum role { MEMBER, SENDER, TRIGGER };

typedef struct {
  int fd, room;
  enum state state;
  enum role role;
  char joins, slow, waiting; /* waiting: the number of missing answers to CONNECT */
  uint32_t ack;
  char *in;
  size_t in_len, in_cap; /* a frame that was received in part */
  char *out;
  size_t out_len, out_off, out_cap; /* bytes that are not written yet */
  uint64_t *sent_at;                /* RING of times, only for senders */
  uint64_t due, since;              /* when a client that is AWAY tries again; since when it is not ready */
  int tries;
  char pid[32], sid[32], *offset; /* for recovery, in a storm */
} client;

static client *clients;
static int count, n_ready, n_dead;

static int poller, port, sender_port, contract, deflate, storm, namespaces = 1, first_room = 1;
static in_addr_t address;
static char **tokens;
static int n_tokens;

static uint64_t deliveries, acks, sent, bursts_done, reads, bytes_in, refused, recovered, joined_anew, not_stored;
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
static histogram ack_times, delivery_times, join_times;

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

/* Schedule a reconnect as the official clients do: after a second at first, then twice as long each time, at most 5 s. */
static void back_off(client *c) {
  double seconds = c->tries > 2 ? 5 : 1 << c->tries;
  c->tries++;
  c->due = now() + (seconds * (0.5 + drand48())) * SECOND;
  c->state = AWAY;
  c->in_len = c->out_len = c->out_off = 0;
}

static void lose(client *c) {
  if (c->state == DEAD) return;
  if (storm && c->role == MEMBER && c->state != READY) {
    close(c->fd);
    refused++;
    back_off(c);
    return;
  }
  if (c->state == READY) n_ready--;
  c->state = DEAD;
  if (!c->slow) n_dead++; /* slow clients are expected to be dropped */
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

/* ---- sending -------------------------------------------------------------------------------------------------- */

static void say_upgrade(client *c) {
#define HEAD                                                                                               \
  "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load/1.0\r\n"     \
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
  static const char plain[] = HEAD KEY;
  static const char offering[] = HEAD "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" KEY;
  c->state = WAIT_HTTP;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
  put(c, deflate ? offering : plain, strlen(deflate ? offering : plain));
}

static void say_connect(client *c) {
  const char *token = n_tokens ? tokens[(c - clients) % n_tokens] : "x";
  c->state = WAIT_CONNECT;
  c->waiting = namespaces;
  if (namespaces > 1) {
    PUT(c, "40{\"token\":\"%s\"}", token);
    PUT(c, "40/streaming,{\"token\":\"%s\"}", token);
  }
  if (c->pid[0] && c->offset)
    PUT(c, "40" NS ",{\"token\":\"%s\",\"pid\":\"%s\",\"offset\":\"%s\"}", token, c->pid, c->offset);
  else
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
    PUT(c, "42" NS ",%u[\"chat:send-message\",{\"liveId\":\"s%d\",\"message\":\"%s %llu\",\"clientMessageId\":\"t%llu.%u\"}]",
        id, c->room, texts[sent % TEXTS], (unsigned long long)sent, moment, id);
  else
    PUT(c, "42" NS ",%u[\"chat:send-message\",{\"streamKey\":\"s%d\",\"text\":\"%s %llu\",\"nonce\":\"n-%08x\","
        "\"kind\":\"text\",\"ts\":%llu,\"user\":{\"id\":\"u%05d\",\"name\":\"viewer_%05d\",\"color\":\"#7fb2ff\"}}]",
        id, c->room, texts[sent % TEXTS], (unsigned long long)sent, id, moment, who, who);
}

static void say_burst(client *c, int messages) {
  PUT(c, "42" NS ",%u[\"bench:burst\",{\"streamKey\":\"s%d\",\"n\":%d,\"text\":\"%s\"}]", ++c->ack, c->room, messages,
      texts[0]);
}

/* ---- receiving ------------------------------------------------------------------------------------------------ */

static void become_ready(client *c) {
  if (c->since) record(&join_times, now() - c->since);
  c->since = c->tries = 0;
  c->state = READY;
  n_ready++;
}

/* Copy the string value of a key; "" if it is not there or too long. */
static void copy_value(char *into, size_t size, const char *text, size_t n, const char *key) {
  const char *found = memmem(text, n, key, strlen(key)), *end;
  into[0] = 0;
  if (!found) return;
  found += strlen(key);
  end = memchr(found, '"', text + n - found);
  if (!end || (size_t)(end - found) >= size) return;
  memcpy(into, found, end - found);
  into[end - found] = 0;
}

/* Handle the answer to CONNECT: after a lost connection the socket was recovered, or is a new one, which must join. */
static void connected(client *c, const char *text, size_t n) {
  char sid[sizeof c->sid];
  copy_value(sid, sizeof sid, text, n, "\"sid\":\"");
  int same = storm && c->sid[0] && !strcmp(sid, c->sid);
  memcpy(c->sid, sid, sizeof sid);
  copy_value(c->pid, sizeof c->pid, text, n, "\"pid\":\"");
  if (same) recovered++;
  if (c->joins && !same) {
    if (c->since) joined_anew++;
    say_join(c);
  } else {
    become_ready(c);
  }
}

static void keep_offset(client *c, const char *text, size_t n) {
  if (n < 4 || text[n - 2] != '"') return;
  const char *begin = memrchr(text, '"', n - 2);
  if (!begin || text + n - 2 - begin > OFFSET) return;
  if (!c->offset) c->offset = calloc(1, OFFSET + 1);
  memcpy(c->offset, begin + 1, text + n - 3 - begin);
  c->offset[text + n - 3 - begin] = 0;
}

static void heard_event(client *c, const char *text, size_t n) {
  static const char event[] = "42" NS ",[\"chat:message\",";
  if (n < sizeof event || memcmp(text, event, sizeof event - 1)) return; /* other events */
  deliveries++;
  if (storm && c->role == MEMBER) {
    keep_offset(c, text, n);
    return;
  }
  if (!measuring) return;
  const char *key = contract ? "\"clientMessageId\":\"t" : "\"ts\":";
  const char *found = memmem(text, n, key, strlen(key));
  uint64_t moment = found ? strtoull(found + strlen(key), 0, 10) : 0;
  if (moment) record(&delivery_times, now() - moment);
}

static void heard_ack(client *c, const char *text, size_t n) {
  uint32_t id = atoi(text + 3 + strlen(NS));
  if (storm && memmem(text, n, "\"retryable\":true", 16)) {
    not_stored++;
    return;
  }
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
    connected(c, text, n);
  } else if (c->state == WAIT_JOIN && text[1] == '3') {
    if (memmem(text, n, "\"ok\":true", 9)) {
      become_ready(c);
    } else if (memmem(text, n, "\"retryable\":true", 16)) {
      refused++;
      say_join(c); /* the server answered late */
    } else {
      fail("join refused", text, n);
    }
  } else if (text[1] == '2') {
    heard_event(c, text, n);
  } else if (c->state == READY && text[1] == '3') {
    heard_ack(c, text, n);
  }
}

/* Handle all complete frames; return their length in bytes. */
static size_t parse(client *c, const char *bytes, size_t n) {
  size_t done = 0;
  while (c->state != DEAD && c->state != AWAY && n - done >= 2) {
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
    if (b[0] & 0x40)
      deliveries++; /* compressed: only frames to a large room are */
    else if (kind == 1)
      heard(c, (const char *)b + head, length);
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
      if (storm && c->role == MEMBER && !memcmp(bytes, "HTTP/1.1 503", 12)) {
        lose(c);
        return;
      }
      if (memcmp(bytes, "HTTP/1.1 101", 12)) fail("handshake", bytes, n);
      if (deflate && !memmem(bytes, n, "permessage-deflate", 18)) fail("not compressed", bytes, n);
      c->state = WAIT_OPEN;
      done = end + 4 - bytes;
    }
  }
  if (c->state != WAIT_HTTP) done += parse(c, bytes + done, n - done);
  if (c->state == DEAD || c->state == AWAY) return;
  size_t rest = n - done;
  if (bytes == c->in) {
    memmove(c->in, c->in + done, rest);
  } else if (rest) {
    if (rest > c->in_cap) {
      c->in_cap = rest * 2 + 512;
      c->in = realloc(c->in, c->in_cap);
    }
    memcpy(c->in, bytes + done, rest);
  }
  c->in_len = rest;
}

static void open_client(client *c) {
  int one = 1, small = 65536;
  struct sockaddr_in where = {
      .sin_family = AF_INET,
      .sin_port = htons(c->role == MEMBER ? port : sender_port),
      .sin_addr.s_addr = address,
  };
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  /* Data that a slow client does not read must collect in the server, not in the kernel of this machine. */
  if (c->slow) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (connect(c->fd, (void *)&where, sizeof where) && errno != EINPROGRESS) die("connect");
  c->state = CONNECTING;
  watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void pump(int ms) {
  static struct epoll_event events[1024];
  static char bytes[1 << 18];
  int n = epoll_wait(poller, events, 1024, ms);
  for (int i = 0; i < n; i++) {
    client *c = &clients[events[i].data.u32];
    if (c->state == DEAD || c->state == AWAY) continue;
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
    if (c->state != DEAD && c->state != AWAY && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
      if (got > 0) {
        reads++;
        bytes_in += got;
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

/* ---- the measured processes ----------------------------------------------------------------------------------- */

static int pids[MAX_PIDS], n_pids, redis_pid, postgres_pid;

typedef struct {
  double user, system, gone, rss; /* s, s, s of children that have ended, bytes */
} process;

typedef struct {
  process of[MAX_PIDS];
  double redis, postgres; /* s */
} account;

static process look_at(int pid) {
  char path[64], line[2048];
  unsigned long user = 0, system = 0;
  long gone_user = 0, gone_system = 0, pages = 0;
  process found = {0};
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return found;
  line[fread(line, 1, sizeof line - 1, file)] = 0;
  fclose(file);
  char *rest = strrchr(line, ')');
  if (rest)
    sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u %*u %ld", &user,
           &system, &gone_user, &gone_system, &pages);
  double ticks = sysconf(_SC_CLK_TCK);
  found.user = user / ticks;
  found.system = system / ticks;
  found.gone = (gone_user + gone_system) / ticks;
  found.rss = pages * (double)sysconf(_SC_PAGESIZE);
  return found;
}

/* Return the CPU time of all threads of a process in s, to the nanosecond; /proc/<pid>/stat has a resolution of 10 ms. */
static double exact(int pid) {
  char path[300];
  unsigned long long all = 0, one;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *threads = opendir(path);
  if (!threads) return 0;
  for (struct dirent *thread; (thread = readdir(threads));) {
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread->d_name);
    FILE *file = thread->d_name[0] == '.' ? 0 : fopen(path, "r");
    if (!file) continue;
    if (fscanf(file, "%llu", &one) == 1) all += one;
    fclose(file);
  }
  closedir(threads);
  return all / 1e9;
}

/* Return the CPU time of a process and its children in s, including children that have ended. */
static double family(int pid) {
  char path[64];
  int child;
  double seconds = exact(pid) + look_at(pid).gone;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
  FILE *file = fopen(path, "r");
  if (!file) return seconds;
  while (fscanf(file, "%d", &child) == 1) seconds += exact(child);
  fclose(file);
  return seconds;
}

static account look(void) {
  account a = {0};
  for (int i = 0; i < n_pids; i++) a.of[i] = look_at(pids[i]);
  if (redis_pid) a.redis = family(redis_pid);
  if (postgres_pid) a.postgres = family(postgres_pid);
  return a;
}

static double spent(const account *a, const account *b, int i) {
  double seconds = b->of[i].user + b->of[i].system - a->of[i].user - a->of[i].system;
  return seconds > 0 ? seconds : 0; /* sums of rounded numbers can be slightly negative */
}

static void print_cpu(const account *a, const account *b, double seconds, double per) {
  /* for each process the µs per unit of `per` and the share of a core */
  printf("\"cpu_us\":[");
  for (int i = 0; i < n_pids; i++) printf("%s%.3f", i ? "," : "", per ? spent(a, b, i) * 1e6 / per : 0);
  printf("],\"system_us\":[");
  for (int i = 0; i < n_pids; i++)
    printf("%s%.3f", i ? "," : "", per ? (b->of[i].system - a->of[i].system) * 1e6 / per : 0);
  printf("],\"cpu_percent\":[");
  for (int i = 0; i < n_pids; i++) printf("%s%.1f", i ? "," : "", spent(a, b, i) / seconds * 100);
  printf("],\"cpu_s\":[");
  for (int i = 0; i < n_pids; i++) printf("%s%.2f", i ? "," : "", spent(a, b, i));
  printf("],\"redis_us\":%.2f,\"postgres_us\":%.2f,\"rss_mb\":%.2f}\n", per ? (b->redis - a->redis) * 1e6 / per : 0,
         per ? (b->postgres - a->postgres) * 1e6 / per : 0, b->of[0].rss / 1e6);
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
         n / seconds, (settled.of[0].rss - before.of[0].rss) / 1e3 / n, before.of[0].rss / 1e6);
  print_cpu(&before, &after, seconds, n);
}

static void run_fanout(int n, int slow, int burst, int repeats) {
  client *trigger = &clients[n];
  double rates[1000], peak = 0;
  account before = {0};
  uint64_t first = 0, next_look = 0, began = 0;
  if (repeats > 1000) fail("too many repeats", "", 0);
  for (int i = -3; i < repeats; i++) { /* the first ones warm up */
    if (i == 0) {
      for (int k = 0; k < slow; k++) watch(&clients[k], EPOLL_CTL_MOD, 0);
      before = look();
      peak = before.of[0].rss;
      first = deliveries;
      reads = 0;
      began = now();
    }
    uint64_t start = now(), end = start + 60 * SECOND, done = bursts_done;
    uint64_t want = deliveries + (uint64_t)(i < 0 ? n : n - slow) * burst;
    say_burst(trigger, burst);
    while ((deliveries < want || bursts_done == done) && now() < end && !n_dead) {
      pump(1000);
      if (slow && i >= 0 && now() > next_look) {
        account a = look();
        if (a.of[0].rss > peak) peak = a.of[0].rss;
        next_look = now() + SECOND / 200;
      }
    }
    if (deliveries < want) fail("messages are missing, or clients were dropped", "", 0);
    if (i >= 0) rates[i] = (double)(n - slow) * burst / ((now() - start) / 1e9);
    pump_for(0.02);
  }
  if (slow) pump_for(1); /* then the server still holds the data, or has dropped the clients */
  account after = look();
  if (after.of[0].rss > peak) peak = after.of[0].rss;
  qsort(rates, repeats, sizeof *rates, ascending);
  printf("{\"clients\":%d,\"deliveries_per_s\":%.0f,\"frames_per_read\":%.2f,\"growth_mb\":%.2f,", n, rates[repeats / 2],
         (double)(deliveries - first) / reads, (peak - before.of[0].rss) / 1e6);
  print_cpu(&before, &after, (now() - began) / 1e9, deliveries - first);
}

typedef struct {
  int members, senders, rooms, window, senders_join, on_delivery;
  double rate, churn, warm_up, seconds; /* rate 0: as fast as the answers come */
} traffic;

/* Disconnect one member, and connect another, which joins. */
static void replace_one(client *c) {
  if (c->state != READY) return;
  n_ready--;
  close(c->fd);
  c->in_len = c->out_len = c->out_off = 0;
  c->since = now();
  open_client(c);
}

static void run_traffic(const traffic *t) {
  client *senders = clients + t->members;
  uint64_t begin = now() + t->warm_up * SECOND, end = begin + t->seconds * SECOND;
  uint64_t hearers = t->members / t->rooms + (t->senders_join ? t->senders / t->rooms : 0);
  uint64_t base = deliveries, deliveries0 = 0, acks0 = 0, ahead = (uint64_t)t->senders * t->window;
  uint64_t step = t->rate ? SECOND / t->rate : 0, due = now(), bytes0 = 0;
  uint64_t churn_step = t->churn ? SECOND / t->churn : 0, churn_due = now();
  account before = {0};
  int next = 0, next_left = 0;
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
      joined_anew = 0;
      bytes0 = bytes_in;
      begin = now();
    }
    for (; t->churn && now() >= churn_due; churn_due += churn_step) replace_one(&clients[next_left++ % t->members]);
    if (t->rate) {
      for (; now() >= due; due += step) say_message(&senders[next++ % t->senders]);
      uint64_t wait = due - now();
      pump(wait < SECOND ? wait / 1000000 : 0); /* handles members that leave and join between two messages */
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
  double cpu = spent(&before, &after, 0);
  printf("{\"clients\":%d,\"seconds\":%.2f,\"messages_per_s\":%.0f,\"deliveries_per_s\":%.0f,\"ack_p50_us\":%.0f,"
         "\"ack_p99_us\":%.0f,\"delivery_p50_us\":%.0f,\"delivery_p99_us\":%.0f,\"cpu_us_per_delivery\":%.3f,"
         "\"bytes_per_delivery\":%.1f,\"joins_per_s\":%.1f,\"join_p50_us\":%.0f,\"join_p99_us\":%.0f,",
         count, seconds, answered / seconds, heard_messages / seconds, percentile_us(&ack_times, .5),
         percentile_us(&ack_times, .99), percentile_us(&delivery_times, .5), percentile_us(&delivery_times, .99),
         heard_messages ? cpu * 1e6 / heard_messages : 0, heard_messages ? (bytes_in - bytes0) / heard_messages : 0,
         joined_anew / seconds, percentile_us(&join_times, .5), percentile_us(&join_times, .99));
  print_cpu(&before, &after, seconds, answered);
}

/* All members lose their connections at once and reconnect as the official clients do, while the senders send. */
static void run_storm(const traffic *t) {
  client *senders = clients + t->members;
  uint64_t step = SECOND / t->rate, due = now(), begin = now(), drop = begin + t->warm_up * SECOND, last = 0;
  uint64_t end = drop + t->seconds * SECOND;
  double quiet_p99 = 0, quiet_redis = 0, quiet_postgres = 0;
  account before = look();
  int next = 0, dropped = 0;
  measuring = 1;
  while (now() < end && (!dropped || n_ready < count)) {
    if (!dropped && now() >= drop) {
      quiet_p99 = percentile_us(&delivery_times, .99);
      memset(&delivery_times, 0, sizeof delivery_times);
      account quiet = before;
      before = look();
      drop = now();
      quiet_redis = (before.redis - quiet.redis) * SECOND / (drop - begin);
      quiet_postgres = (before.postgres - quiet.postgres) * SECOND / (drop - begin);
      dropped = 1;
      for (int i = 0; i < t->members; i++) {
        static const struct linger reset = {.l_onoff = 1};
        client *c = &clients[i];
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(c->fd);
        n_ready--;
        c->since = drop;
        back_off(c);
      }
    }
    for (; now() >= due; due += step) say_message(&senders[next++ % t->senders]);
    pump(1);
    if (dropped && now() - last > SECOND / 100) {
      last = now();
      for (int i = 0; i < t->members; i++)
        if (clients[i].state == AWAY && clients[i].due <= last) open_client(&clients[i]);
    }
    if (n_dead) fail("others were dropped", "", 0);
  }
  account after = look();
  double seconds = (now() - drop) / 1e9;
  int back = n_ready - t->senders;
  after.redis -= quiet_redis * seconds; /* what the senders cost before: the rest is for those who return */
  after.postgres -= quiet_postgres * seconds;
  printf("{\"clients\":%d,\"back\":%d,\"seconds\":%.2f,\"recovered\":%llu,\"joined_anew\":%llu,\"refused\":%llu,"
         "\"not_stored\":%llu,"
         "\"join_p50_us\":%.0f,\"join_p99_us\":%.0f,\"quiet_p99_us\":%.0f,\"delivery_p50_us\":%.0f,\"delivery_p99_us\":%.0f,"
         "\"quiet_redis_percent\":%.2f,\"quiet_postgres_percent\":%.2f,",
         t->members, back, seconds, (unsigned long long)recovered, (unsigned long long)joined_anew,
         (unsigned long long)refused, (unsigned long long)not_stored, percentile_us(&join_times, .5), percentile_us(&join_times, .99), quiet_p99,
         percentile_us(&delivery_times, .5), percentile_us(&delivery_times, .99), quiet_redis * 100,
         quiet_postgres * 100);
  print_cpu(&before, &after, seconds, back);
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
  address = htonl(INADDR_LOOPBACK);
  int at_once = 64, burst = 40, repeats = 8, slow = 0, option;
  double hold = 0;
  traffic t = {.senders = 1, .rooms = 1, .window = 4, .senders_join = 1, .warm_up = 1, .seconds = 4};
  while ((option = getopt(argc, argv, "m:p:P:n:s:r:w:t:c:k:K:G:b:R:S:q:u:T:xzjDN:H:W:O:h:")) != -1) switch (option) {
      case 'm': mode = optarg; break;
      case 'p': port = atoi(optarg); break;
      case 'P': sender_port = atoi(optarg); break;
      case 'n': t.members = atoi(optarg); break;
      case 's': t.senders = atoi(optarg); break;
      case 'r': t.rooms = atoi(optarg); break;
      case 'w': t.window = atoi(optarg); break;
      case 't': t.seconds = atof(optarg); break;
      case 'q': t.rate = atof(optarg); break;
      case 'u': t.churn = atof(optarg); break;
      case 'K': redis_pid = atoi(optarg); break;
      case 'G': postgres_pid = atoi(optarg); break;
      case 'z': deflate = 1; break;
      case 'h': address = inet_addr(optarg); break;
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
  storm = !strcmp(mode, "storm");
  int connects = !strcmp(mode, "connect"), fans = !strcmp(mode, "fanout");
  int others = connects ? 0 : fans ? 1 : t.senders;
  if (t.window * 2 > RING || t.rooms < 1 || (connects && !t.members) || (storm && t.rate <= 0)) return 1;
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
  else if (storm)
    run_storm(&t);
  else
    run_traffic(&t);
  return 0;
}
