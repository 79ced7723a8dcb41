/* A QKD module behind a pseudo-terminal, told by lines on standard input what to do. See README.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "module.h"

/* As in module.c. */
#define EPOCH "00112233aabbccdd"

static const char *link_path;
static int master = -1, slave = -1;
static uint8_t out[65536];
static size_t out_length;
/* Transmitted bytes are damaged with this probability, in 1/2^32; and the state of the generator. */
static uint32_t damage, noise = 1;

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t draw(void) {
  noise ^= noise << 13;
  noise ^= noise >> 17;
  noise ^= noise << 5;
  return noise;
}

static void flush(void) {
  while (out_length > 0 && master >= 0) {
    ssize_t went = write(master, out, out_length);
    if (went <= 0) return;
    memmove(out, out + went, out_length - (size_t)went);
    out_length -= (size_t)went;
  }
}

static void put(const uint8_t *bytes, size_t length) {
  if (master < 0 || out_length + length > sizeof out) return;
  memcpy(out + out_length, bytes, length);
  for (size_t i = 0; damage > 0 && i < length; i++) {
    if (draw() < damage) out[out_length + i] ^= (uint8_t)(1u << (draw() & 7));
  }
  out_length += length;
  flush();
}

static size_t waiting(void) { return out_length; }

static void unplug(void) {
  unlink(link_path);
  if (slave >= 0) close(slave);
  if (master >= 0) close(master);
  master = slave = -1;
  out_length = 0;
}

static bool plug(void) {
  if (master >= 0) return true;
  master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return false;
  const char *name = ptsname(master);
  /* Kept open, so that the master sees no hang-up when the node closes its end. */
  slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  struct termios t;
  if (slave < 0 || tcgetattr(slave, &t) != 0) return false;
  cfmakeraw(&t);
  if (tcsetattr(slave, TCSANOW, &t) != 0) return false;
  unlink(link_path);
  return symlink(name, link_path) == 0;
}

static size_t read_hex(const char *text, uint8_t *bytes, size_t room) {
  size_t length = 0;
  unsigned value;
  while (length < room && sscanf(text + 2 * length, "%2x", &value) == 1) bytes[length++] = (uint8_t)value;
  return length;
}

static void print_name(const struct block *b) {
  printf(" " EPOCH "/%llu", (unsigned long long)b->number);
}

/* The newest block, with its key: of a module for tests, which makes no secrets. */
static const struct block *newest;
static void find_newest(const struct block *b) { newest = b; }

static void print_newest(void) {
  module_each(find_newest);
  printf("ok " EPOCH "/%llu %lu ", (unsigned long long)newest->number, (unsigned long)newest->bits);
  for (size_t i = 0; i < (newest->bits + 7) / 8; i++) printf("%02x", newest->bytes[i]);
  printf("\n");
}

static void obey(char *line) {
  char word[200] = "";
  unsigned long a = 0, b = 0;
  int at = 0;
  uint8_t bytes[16384];
  if (sscanf(line, "distil %lu", &a) == 1) {
    uint64_t number;
    if (module_distil((uint32_t)a, &number)) print_newest();
    else printf("error no room\n");
  } else if (strcmp(line, "can") == 0) {
    printf("ok distil held unplug plug restart identity frame raw\n");
  } else if (strcmp(line, "held") == 0) {
    printf("ok");
    module_each(print_name);
    printf("\n");
  } else if (strcmp(line, "unplug") == 0) {
    unplug();
    printf("ok\n");
  } else if (strcmp(line, "plug") == 0) {
    printf(plug() ? "ok\n" : "error no terminal\n");
  } else if (strcmp(line, "restart") == 0) {
    module_reset();
    out_length = 0;
    printf("ok\n");
  } else if (sscanf(line, "identity %128s", word) == 1) {
    module_identity(word);
    module_reset();
    printf("ok\n");
  } else if (sscanf(line, "noise %lu %lu", &a, &b) == 2) {
    /* In 10^-6 of the bytes. */
    damage = (uint32_t)(a * 4294ul);
    noise = b > 0 ? (uint32_t)b : 1;
    printf("ok\n");
  } else if (sscanf(line, "event %lu %lu %199[^\n]", &a, &b, word) >= 2) {
    module_event((uint8_t)a, (uint16_t)b, word);
    printf("ok\n");
  } else if (sscanf(line, "frame %lu %lu %n", &a, &b, &at) >= 2) {
    module_odd((uint8_t)a, (uint8_t)b, bytes, read_hex(line + at, bytes, MAX_BODY));
    printf("ok\n");
  } else if (sscanf(line, "raw %n", &at) >= 0 && at > 0) {
    put(bytes, read_hex(line + at, bytes, sizeof bytes));
    printf("ok\n");
  } else {
    printf("error not understood\n");
  }
  fflush(stdout);
}

/* Each line: a frame without COBS and CRC-checked, and the same on the line, both in hex. */
static int vectors(void) {
  static char line[8192], plain_text[4096], wire_text[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "%4095s %4095s", plain_text, wire_text) != 2) return 1;
    uint8_t plain[2048], wire[2048], made[MAX_WIRE], decoded[MAX_PLAIN];
    size_t plain_length = read_hex(plain_text, plain, sizeof plain);
    size_t wire_length = read_hex(wire_text, wire, sizeof wire);
    struct frame f;
    long length = cobs_decode(wire, wire_length - 1, decoded, sizeof decoded);
    bool good = length == (long)plain_length && memcmp(decoded, plain, plain_length) == 0 &&
                frame_read(decoded, (size_t)length, &f);
    if (good) {
      size_t size = frame_write(&f, made);
      good = size == wire_length && memcmp(made, wire, size) == 0;
    }
    printf(good ? "ok\n" : "bad\n");
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--vectors") == 0) return vectors();
  if (argc != 2) {
    fprintf(stderr, "usage: %s PATH | --vectors\n", argv[0]);
    return 64;
  }
  link_path = argv[1];
  signal(SIGPIPE, SIG_IGN);
  module_init((struct line){.put = put, .waiting = waiting}, "QKD-A-0001");
  if (!plug()) {
    fprintf(stderr, "no pseudo-terminal\n");
    return 69;
  }
  printf("ok ready\n");
  fflush(stdout);
  static char text[40000];
  size_t filled = 0;
  for (;;) {
    struct pollfd fds[2] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = master, .events = (short)(POLLIN | (out_length > 0 ? POLLOUT : 0))}};
    poll(fds, master >= 0 ? 2 : 1, 5);
    if (fds[0].revents != 0) {
      ssize_t got = read(STDIN_FILENO, text + filled, sizeof text - 1 - filled);
      if (got <= 0) break;
      filled += (size_t)got;
      text[filled] = 0;
      char *begin = text, *end;
      while ((end = strchr(begin, '\n')) != NULL) {
        *end = 0;
        obey(begin);
        begin = end + 1;
      }
      filled -= (size_t)(begin - text);
      memmove(text, begin, filled);
    }
    if (master >= 0) {
      uint8_t chunk[4096];
      ssize_t got = read(master, chunk, sizeof chunk);
      if (got > 0) module_take(chunk, (size_t)got, now_ms());
    }
    module_pump(now_ms());
    flush();
  }
  unplug();
  return 0;
}
