#include "module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "sha256.h"

enum { PING_AFTER = 500, DEAD_AFTER = 2000, LOW_WATER = 8192, KEY_HEADER = 72, REFERENCE = 16 };
enum { CAN_READ = 1, CAN_DISCARD = 2, CAN_COMMAND = 4, CAN_EVENT = 8 };
enum { DONE = 0, UNKNOWN_COMMAND = 1, BAD_ARGUMENT = 2 };

static const uint8_t epoch[8] = {0x00, 0x11, 0x22, 0x33, 0xaa, 0xbb, 0xcc, 0xdd};

static struct {
  struct line line;
  char id[129];
  enum { IDLE, GREETED, OPEN } state;
  uint8_t nonce[8];
  struct arq arq;
  size_t max_body;
  struct block blocks[MAX_BLOCKS];
  unsigned count;
  uint64_t next_number;
  bool zeroized, running;
  /* Totals since the session began. */
  uint64_t credit_blocks, credit_bytes, used_blocks, used_bytes;
  /* The block that is being sent; its bytes stay until it is, released or not. */
  struct block sending;
  bool is_sending, sending_gone;
  size_t sent;
  int64_t heard_at, sent_at, telemetry_at, telemetry_ms;
  /* What has come of a frame so far, and whether it is too long already. */
  uint8_t partial[MAX_WIRE];
  size_t filled;
  bool skipping;
  int64_t now;
} m;

static void transmit_frame(const struct frame *f) {
  uint8_t wire[MAX_WIRE];
  m.sent_at = m.now;
  m.line.put(wire, frame_write(f, wire));
}

static void send_frame(uint8_t type, const uint8_t *body, size_t length) {
  struct frame f = {.type = type, .body = body, .length = length};
  arq_stamp(&m.arq, &f);
  transmit_frame(&f);
}

static size_t bytes_of(uint32_t bits) { return (bits + 7) / 8; }

void module_init(struct line line, const char *id) {
  m.line = line;
  m.running = true;
  m.telemetry_ms = 1000;
  module_identity(id);
  module_reset();
}

void module_identity(const char *id) { snprintf(m.id, sizeof m.id, "%s", id); }

static void finish_sending(void) {
  if (m.is_sending && m.sending_gone) {
    memset(m.sending.bytes, 0, bytes_of(m.sending.bits));
    free(m.sending.bytes);
  }
  m.is_sending = m.sending_gone = false;
}

void module_reset(void) {
  m.state = IDLE;
  arq_reset(&m.arq, 1);
  finish_sending();
  m.credit_blocks = m.credit_bytes = m.used_blocks = m.used_bytes = 0;
  for (unsigned i = 0; i < m.count; i++) m.blocks[i].offered = false;
}

bool module_distil(uint32_t bits, uint64_t *number) {
  size_t length = bytes_of(bits);
  if (m.count == MAX_BLOCKS || length > MAX_BLOCK_BYTES) return false;
  struct block *b = &m.blocks[m.count];
  b->bytes = malloc(length + 32);
  if (b->bytes == NULL) return false;
  b->number = m.next_number++;
  b->bits = bits;
  b->offered = false;
  /* Not random, so that a test can tell what must arrive. */
  for (size_t at = 0; at < length; at += 32) {
    char text[48];
    int size = snprintf(text, sizeof text, "%llu %zu", (unsigned long long)b->number, at);
    sha256((const uint8_t *)text, (size_t)size, b->bytes + at);
  }
  if (bits % 8 != 0) b->bytes[length - 1] &= (uint8_t)(0xff << (8 - bits % 8));
  *number = b->number;
  m.count++;
  return true;
}

void module_each(void (*call)(const struct block *b)) {
  for (unsigned i = 0; i < m.count; i++) call(&m.blocks[i]);
}

/* Takes a block out of memory. */
static void let_go(const uint8_t *reference) {
  if (memcmp(reference, epoch, 8) != 0) return;
  for (unsigned i = 0; i < m.count; i++) {
    struct block *b = &m.blocks[i];
    if (b->number != get64(reference + 8)) continue;
    if (m.is_sending && m.sending.number == b->number) {
      m.sending_gone = true;
    } else {
      memset(b->bytes, 0, bytes_of(b->bits));
      free(b->bytes);
    }
    memmove(b, b + 1, (m.count - i - 1) * sizeof *b);
    m.count--;
    return;
  }
}

static size_t put_text(uint8_t *body, size_t at, uint8_t tag, const char *text) {
  size_t length = strlen(text);
  body[at] = tag;
  body[at + 1] = (uint8_t)length;
  memcpy(body + at + 2, text, length);
  return at + 2 + length;
}

static void welcome(void) {
  uint8_t body[400] = {1, 0};
  put16(body + 2, RECEIVE_WINDOW);
  put32(body + 4, MAX_BODY);
  memcpy(body + 8, m.nonce, 8);
  put32(body + 16, CAN_READ | CAN_DISCARD | CAN_COMMAND | CAN_EVENT);
  put32(body + 20, MAX_BLOCK_BYTES);
  size_t at = put_text(body, 24, 1, m.id);
  at = put_text(body, at, 2, "QKD-B-0001");
  at = put_text(body, at, 3, "peer");
  at = put_text(body, at, 4, "written from the document");
  at = put_text(body, at, 5, "1");
  at = put_text(body, at, 6, "1.0.0");
  send_frame(WELCOME, body, at);
}

static void hello(const struct frame *f) {
  if (f->length < 20) return;
  const uint8_t *b = f->body;
  unsigned window = get16(b + 2);
  uint32_t max_body = get32(b + 4);
  if (window < 1 || window > 1024 || max_body < 64 || max_body > 1048576) return;
  if (m.state != IDLE && memcmp(m.nonce, b + 8, 8) == 0) {
    welcome();
    return;
  }
  module_reset();
  bool common = b[0] <= 1 && b[1] >= 1;
  if (m.zeroized || !common) {
    uint8_t body[11];
    memcpy(body, b + 8, 8);
    body[8] = common ? 3 : 1;
    body[9] = body[10] = 1;
    send_frame(REFUSE, body, sizeof body);
    return;
  }
  memcpy(m.nonce, b + 8, 8);
  m.state = GREETED;
  m.max_body = max_body < MAX_BODY ? max_body : MAX_BODY;
  m.heard_at = m.now;
  arq_reset(&m.arq, window);
  welcome();
}

/* Answers are rare; one that finds no room is lost with the session that is stuck anyway. */
static void answer(uint8_t type, const uint8_t *body, size_t length) {
  if (m.arq.count < SLOTS) arq_queue(&m.arq, type, body, length);
}

static void command(const struct frame *f) {
  if (f->length < 8) return;
  uint16_t code = get16(f->body + 4);
  const uint8_t *argument = f->body + 8;
  size_t given = f->length - 8;
  uint16_t status = DONE;
  if (code == 1) m.running = true;
  else if (code == 2) m.running = false;
  else if (code == 3) {
    double rate = -1;
    if (given >= 8) memcpy(&rate, argument, 8);
    if (!(rate >= 0)) status = BAD_ARGUMENT;
  } else if (code == 5) {
    if (given >= 4 && get32(argument) == 0x5a45524f) {
      m.zeroized = true;
      m.running = false;
      finish_sending();
      for (unsigned i = 0; i < m.count; i++) {
        memset(m.blocks[i].bytes, 0, bytes_of(m.blocks[i].bits));
        free(m.blocks[i].bytes);
      }
      m.count = 0;
    } else {
      status = BAD_ARGUMENT;
    }
  } else if (code == 6) {
    uint32_t ms = given >= 4 ? get32(argument) : 1;
    if (ms == 0 || (ms >= 100 && ms <= 3600000)) m.telemetry_ms = ms;
    else status = BAD_ARGUMENT;
  } else if (code != 4) {
    status = UNKNOWN_COMMAND;
  }
  uint8_t body[8] = {0};
  memcpy(body, f->body, 4);
  put16(body + 4, status);
  answer(RESULT, body, sizeof body);
}

static void references(const struct frame *f) {
  if (f->length == 0 || f->length % REFERENCE != 0) return;
  for (size_t at = 0; at < f->length; at += REFERENCE) {
    const uint8_t *reference = f->body + at;
    if (f->type != READ) {
      let_go(reference);
      continue;
    }
    for (unsigned i = 0; i < m.count; i++) {
      bool same = memcmp(reference, epoch, 8) == 0 && m.blocks[i].number == get64(reference + 8);
      bool under_way = m.is_sending && m.sending.number == m.blocks[i].number;
      if (same && !under_way) m.blocks[i].offered = false;
    }
  }
  if (f->type == RELEASE) answer(RELEASED, f->body, f->length);
  if (f->type == DISCARD) answer(DISCARDED, f->body, f->length);
}

static void act(const struct frame *f) {
  switch (f->type) {
    case CREDIT:
      if (f->length < 12) return;
      m.credit_blocks = get32(f->body);
      m.credit_bytes = get64(f->body + 4);
      return;
    case RELEASE:
    case DISCARD:
    case READ:
      references(f);
      return;
    case COMMAND:
      command(f);
      return;
    case PING:
      send_frame(PONG, f->body, f->length < 4 ? f->length : 4);
      return;
    case BYE:
      module_reset();
      return;
    default:
      if (!type_known(f->type)) send_frame(UNKNOWN, &f->type, 1);
  }
}

static void frame_came(const uint8_t *wire, size_t length) {
  uint8_t plain[MAX_PLAIN];
  struct frame f;
  long size = cobs_decode(wire, length, plain, sizeof plain);
  if (size < 0 || !frame_read(plain, (size_t)size, &f)) return;
  if (f.type == HELLO) {
    hello(&f);
    return;
  }
  if (m.state == IDLE) return;
  if (type_known(f.type) && ((f.flags & FLAG_R) != 0) != type_reliable(f.type)) return;
  m.heard_at = m.now;
  m.state = OPEN;
  if (arq_receive(&m.arq, &f, m.now)) act(&f);
}

void module_take(const uint8_t *bytes, size_t length, int64_t now) {
  m.now = now;
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] == 0) {
      if (!m.skipping && m.filled > 0) frame_came(m.partial, m.filled);
      m.filled = 0;
      m.skipping = false;
    } else if (m.filled < sizeof m.partial) {
      m.partial[m.filled++] = bytes[i];
    } else {
      m.skipping = true;
    }
  }
}

static bool begin_block(void) {
  for (unsigned i = 0; i < m.count; i++) {
    struct block *b = &m.blocks[i];
    if (b->offered) continue;
    size_t length = bytes_of(b->bits);
    if (m.used_blocks + 1 > m.credit_blocks || m.used_bytes + length > m.credit_bytes) return false;
    m.used_blocks++;
    m.used_bytes += length;
    b->offered = true;
    uint8_t body[MAX_BODY] = {0};
    memcpy(body, epoch, 8);
    put64(body + 8, b->number);
    put32(body + 16, b->bits);
    body[20] = 1 | 2 | 4;
    put32(body + 24, 31000);
    put32(body + 28, b->bits * 2);
    put64(body + 32, 1700000000000);
    sha256(b->bytes, length, body + 40);
    size_t first = m.max_body > KEY_HEADER ? m.max_body - KEY_HEADER : 0;
    if (first > length) first = length;
    memcpy(body + KEY_HEADER, b->bytes, first);
    arq_queue(&m.arq, KEY, body, KEY_HEADER + first);
    m.sending = *b;
    m.is_sending = first < length;
    m.sent = first;
    return true;
  }
  return false;
}

static void continue_block(void) {
  size_t length = bytes_of(m.sending.bits), piece = length - m.sent;
  if (piece > m.max_body) piece = m.max_body;
  arq_queue(&m.arq, MORE, m.sending.bytes + m.sent, piece);
  m.sent += piece;
  if (m.sent == length) finish_sending();
}

static void telemetry(void) {
  uint8_t body[64] = {1};
  put16(body + 2, 3);
  put64(body + 4, 1700000000000);
  /* qber as f32, two detectors as u32, fill of the buffer as f64. */
  float qber = 0.031f;
  double fill = (double)m.count / MAX_BLOCKS;
  uint8_t *p = body + 12;
  memcpy(p, (uint8_t[]){1, 0, 0x12, 1}, 4);
  memcpy(p + 4, &qber, 4);
  memcpy(p + 8, (uint8_t[]){6, 0, 0x32, 2}, 4);
  put32(p + 12, 1200);
  put32(p + 16, 1180);
  memcpy(p + 20, (uint8_t[]){12, 0, 0x13, 1}, 4);
  memcpy(p + 24, &fill, 8);
  send_frame(TELEMETRY, body, 44);
}

void module_pump(int64_t now) {
  m.now = now;
  if (m.state == IDLE) return;
  if (now - m.heard_at >= DEAD_AFTER) {
    module_reset();
    return;
  }
  if (m.state != OPEN) return;
  arq_tick(&m.arq, now, transmit_frame);
  while (m.line.waiting() < LOW_WATER) {
    if (!arq_ready(&m.arq) && arq_room(&m.arq)) {
      if (m.is_sending) continue_block();
      else begin_block();
    }
    if (!arq_send(&m.arq, now, transmit_frame)) break;
  }
  if (m.telemetry_ms > 0 && now - m.telemetry_at >= m.telemetry_ms) {
    m.telemetry_at = now;
    telemetry();
  } else if (now - m.sent_at >= PING_AFTER) {
    send_frame(PING, (const uint8_t[4]){0}, 4);
  }
}

void module_event(uint8_t severity, uint16_t code, const char *text) {
  uint8_t body[12 + 256] = {severity};
  size_t length = strlen(text) < 256 ? strlen(text) : 256;
  put16(body + 2, code);
  memcpy(body + 12, text, length);
  if (m.state == OPEN) answer(EVENT, body, 12 + length);
}

void module_odd(uint8_t type, uint8_t flags, const uint8_t *body, size_t length) {
  if (flags & FLAG_R) {
    answer(type, body, length);
  } else {
    send_frame(type, body, length);
  }
}
