#include "frame.h"

#include <string.h>

#include "bytes.h"

uint32_t crc32(const uint8_t *data, size_t length) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < length; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

size_t cobs_encode(const uint8_t *in, size_t length, uint8_t *out) {
  size_t at = 0, written = 0;
  for (;;) {
    size_t code = written++;
    uint8_t run = 1;
    while (at < length && in[at] != 0 && run < 0xff) {
      out[written++] = in[at++];
      run++;
    }
    out[code] = run;
    if (at == length) return written;
    /* A full group stands for no zero. */
    if (run < 0xff) at++;
    /* A zero that ends the frame is said by one more, empty group. */
    if (at == length && run < 0xff) {
      out[written++] = 1;
      return written;
    }
  }
}

long cobs_decode(const uint8_t *in, size_t length, uint8_t *out, size_t room) {
  size_t at = 0, written = 0;
  while (at < length) {
    uint8_t code = in[at];
    size_t run = (size_t)code - 1;
    if (code == 0 || at + code > length || written + run > room) return -1;
    memcpy(out + written, in + at + 1, run);
    written += run;
    at += code;
    if (code < 0xff && at < length) {
      if (written == room) return -1;
      out[written++] = 0;
    }
  }
  return (long)written;
}

/* With S, KEY and MORE have a CRC over their beginning and their length. */
static uint32_t frame_crc(const uint8_t *plain, size_t length) {
  uint8_t start[SHORT_CRC + 4];
  bool key = plain[0] == KEY || plain[0] == MORE;
  if (!key || !(plain[1] & FLAG_S)) return crc32(plain, length);
  size_t covered = length < SHORT_CRC ? length : SHORT_CRC;
  memcpy(start, plain, covered);
  put32(start + covered, (uint32_t)length);
  return crc32(start, covered + 4);
}

size_t frame_write(const struct frame *f, uint8_t *out) {
  uint8_t plain[MAX_PLAIN];
  plain[0] = f->type;
  plain[1] = f->flags;
  put16(plain + 2, f->seq);
  put16(plain + 4, f->ack);
  if (f->length > 0) memcpy(plain + 6, f->body, f->length);
  put32(plain + 6 + f->length, frame_crc(plain, 6 + f->length));
  size_t length = cobs_encode(plain, f->length + OVERHEAD, out);
  out[length] = 0;
  return length + 1;
}

bool frame_read(const uint8_t *plain, size_t length, struct frame *f) {
  if (length < OVERHEAD || frame_crc(plain, length - 4) != get32(plain + length - 4)) return false;
  f->type = plain[0];
  f->flags = plain[1];
  f->seq = get16(plain + 2);
  f->ack = get16(plain + 4);
  f->body = plain + 6;
  f->length = length - OVERHEAD;
  return true;
}

bool type_known(uint8_t type) {
  return (type >= HELLO && type <= UNKNOWN) || (type >= CREDIT && type <= READ) ||
         type == TELEMETRY || type == EVENT || type == COMMAND || type == RESULT;
}

bool type_reliable(uint8_t type) {
  return type_known(type) && type >= CREDIT && type != TELEMETRY;
}
