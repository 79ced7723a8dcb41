/* The module's side of QMLP: sections 3 and 4. No input or output: see main.c. */
#ifndef MODULE_H
#define MODULE_H
#include "arq.h"

#define MAX_BLOCKS 1024
#define MAX_BLOCK_BYTES 1048576

struct block {
  uint64_t number;
  uint32_t bits;
  uint8_t *bytes;
  bool offered;
};

/* Puts bytes on the line; tells how many bytes wait to leave. */
struct line {
  void (*put)(const uint8_t *bytes, size_t length);
  size_t (*waiting)(void);
};

void module_init(struct line line, const char *id);
void module_identity(const char *id);
/* Stores the next block; false if there is no room. */
bool module_distil(uint32_t bits, uint64_t *number);
/* Calls for each block that is held, oldest first. */
void module_each(void (*call)(const struct block *b));
/* Bytes from the line. */
void module_take(const uint8_t *bytes, size_t length, int64_t now);
/* Sends what may be sent; to be called often. */
void module_pump(int64_t now);
/* As after a power cycle: the session is forgotten, the keys are not. */
void module_reset(void);
void module_event(uint8_t severity, uint16_t code, const char *text);
/* For tests of the other side: any frame, right in its CRC and its numbers. */
void module_odd(uint8_t type, uint8_t flags, const uint8_t *body, size_t length);
#endif
