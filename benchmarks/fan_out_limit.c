/* The limit of the fan-out: one thread, one write of the same bytes to each client. It answers any request with the head of a stream, waits for a line
   on its standard input ("<chunks a second> <seconds> <bytes>"), writes that often to everybody, and prints the processor time that took.
   cc -O2 -o fan_out_limit fan_out_limit.c */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 6000 };
static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: ready\n\n";
static int clients[CLIENTS_MAX];
static int count;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024)) return 1;
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  char line[128], request[4096];
  for (;;) {
    struct pollfd ready[2] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    poll(ready, 2, -1);
    if (ready[0].revents && count < CLIENTS_MAX) {
      int client = accept(listener, NULL, NULL);
      if (read(client, request, sizeof request) <= 0) return 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      if (write(client, HEAD, sizeof HEAD - 1) < 0) return 1;
      fcntl(client, F_SETFL, O_NONBLOCK);
      clients[count++] = client;
    }
    if (!ready[1].revents) continue;
    if (!fgets(line, sizeof line, stdin)) return 0;
    double rate, seconds;
    int bytes;
    if (sscanf(line, "%lf %lf %d", &rate, &seconds, &bytes) != 3) return 1;
    char *chunk = malloc(bytes + 1);
    memset(chunk, 'x', bytes);
    chunk[bytes - 1] = '\n';
    long written = 0;
    double began = now(), used = cpu();
    for (long turn = 0; turn < (long)(rate * seconds); turn++) {
      double wait = began + turn / rate - now();
      if (wait > 0) usleep(wait * 1e6);
      for (int i = 0; i < count; i++)
        if (write(clients[i], chunk, bytes) == bytes) written++;
    }
    printf("{\"written\": %ld, \"cpu_s\": %f, \"seconds\": %f}\n", written, cpu() - used, now() - began);
    fflush(stdout);
    free(chunk);
    for (int i = 0; i < count; i++) close(clients[i]);
    count = 0;
  }
}
