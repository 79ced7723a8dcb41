/* QMLP section 1: COBS, CRC-32 and the frame. */
#ifndef FRAME_H
#define FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest body this module sends or takes. */
#define MAX_BODY 1024
#define OVERHEAD 10
#define MAX_PLAIN (MAX_BODY + OVERHEAD)
/* Encoded: one byte more for each 254, one at the start, and the 0x00. */
#define MAX_WIRE (MAX_PLAIN + MAX_PLAIN / 254 + 3)

enum { FLAG_R = 1, FLAG_N = 2, FLAG_S = 4 };
/* So many bytes of a frame a short CRC covers. */
#define SHORT_CRC 94

enum type {
  HELLO = 0x01, WELCOME, REFUSE, PING, PONG, ACK, BYE, UNKNOWN,
  CREDIT = 0x10, KEY, MORE, RELEASE, RELEASED, DISCARD, DISCARDED, READ,
  TELEMETRY = 0x20, EVENT,
  COMMAND = 0x30, RESULT
};

struct frame {
  uint8_t type, flags;
  uint16_t seq, ack;
  const uint8_t *body;
  size_t length;
};

uint32_t crc32(const uint8_t *data, size_t length);
/* Both return the length written; decoding -1 if it is not COBS or does not fit. */
size_t cobs_encode(const uint8_t *in, size_t length, uint8_t *out);
long cobs_decode(const uint8_t *in, size_t length, uint8_t *out, size_t room);

/* Writes a frame with its 0x00; out has MAX_WIRE bytes. */
size_t frame_write(const struct frame *f, uint8_t *out);
/* Reads a decoded frame; false if it is too short or its CRC is wrong. */
bool frame_read(const uint8_t *plain, size_t length, struct frame *f);
/* Whether the table of section 4 has R for this type, and whether it has the type at all. */
bool type_reliable(uint8_t type);
bool type_known(uint8_t type);
#endif
