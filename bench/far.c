/* A slow network on one machine: two network namespaces and a link with delay and loss; bench/stage.py starts it.
 *
 *   far DELAY_MS LOSS_PERCENT
 *
 * Each direction of the link takes DELAY_MS and loses LOSS_PERCENT of the packets, like netem, which many kernels do not
 * have. Prints "ready FD": the namespace of the servers, 10.77.0.1, is /proc/<pid>/fd/FD, that of the clients, 10.77.0.2,
 * is /proc/<pid>/ns/net. The link is not visible outside the two. Ends with its parent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 65536 /* packets on the link in one direction; more are lost */
#define PACKET 1600

typedef struct {
  uint64_t due;
  int length;
  char *bytes;
} packet;

typedef struct {
  int from, to;
  uint32_t head, tail;
  packet queue[QUEUE];
} direction;

static direction directions[2];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Move this process to a new namespace and return its device. */
static int make_side(const char *ours, const char *theirs) {
  char command[256];
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  if (unshare(CLONE_NEWNET)) die("unshare");
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (device < 0) die("/dev/net/tun");
  strcpy(request.ifr_name, "far0");
  if (ioctl(device, TUNSETIFF, &request)) die("TUNSETIFF");
  snprintf(command, sizeof command,
           "ip link set lo up && ip address add %s peer %s dev far0 && ip link set far0 mtu 1500 qlen 10000 up", ours, theirs);
  if (system(command)) exit(1);
  return device;
}

static void take(direction *d, double loss, uint64_t delay) {
  char bytes[PACKET];
  ssize_t n;
  while ((n = read(d->from, bytes, sizeof bytes)) > 0) {
    packet *p = &d->queue[d->tail % QUEUE];
    if (drand48() < loss || d->tail - d->head == QUEUE) continue;
    p->due = now() + delay;
    p->length = n;
    p->bytes = malloc(n);
    memcpy(p->bytes, bytes, n);
    d->tail++;
  }
}

/* Deliver the packets that are due; return in how many ms the next one is. */
static int deliver(direction *d) {
  for (; d->head != d->tail; d->head++) {
    packet *p = &d->queue[d->head % QUEUE];
    uint64_t moment = now();
    if (p->due > moment) return (p->due - moment) / 1000000 + 1;
    if (write(d->to, p->bytes, p->length) < 0) { /* a full device loses it, as a router would */
    }
    free(p->bytes);
  }
  return 1000;
}

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  uint64_t delay = atof(argv[1]) * 1e6;
  double loss = atof(argv[2]) / 100;
  pid_t parent = getppid();
  int servers = make_side("10.77.0.1", "10.77.0.2");
  int namespace = open("/proc/self/ns/net", O_RDONLY);
  int clients = make_side("10.77.0.2", "10.77.0.1");
  directions[0].from = directions[1].to = servers;
  directions[0].to = directions[1].from = clients;
  printf("ready %d\n", namespace);
  fflush(stdout);
  while (getppid() == parent) {
    int first = deliver(&directions[0]), second = deliver(&directions[1]);
    struct pollfd both[2] = {{.fd = servers, .events = POLLIN}, {.fd = clients, .events = POLLIN}};
    poll(both, 2, first < second ? first : second);
    for (int i = 0; i < 2; i++) take(&directions[i], loss, delay);
  }
  return 0;
}
