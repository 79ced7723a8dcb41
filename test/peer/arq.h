/* QMLP section 2: reliable delivery by go-back-N, without input or output. Times are in ms. */
#ifndef ARQ_H
#define ARQ_H
#include "frame.h"

/* The most frames kept until they are acknowledged. */
#define SLOTS 64
/* How many the node may have outstanding, as told in WELCOME. */
#define RECEIVE_WINDOW 64

struct slot {
  uint8_t type;
  uint16_t length;
  uint8_t body[MAX_BODY];
};

struct arq {
  struct slot slots[SLOTS];
  /* Number of the oldest frame kept, how many there are, how many of them were sent since the last
     going back, and the most of them that were ever sent. */
  uint16_t base;
  unsigned count, sent, sent_most, window;
  uint16_t expected;
  unsigned unacknowledged;
  bool gap;
  int64_t ack_due, nak_due, resend_due, resend_after;
  uint16_t last_nak;
  int64_t last_nak_at;
};

/* Puts a frame on the line. */
typedef void (*transmit)(const struct frame *f);

void arq_reset(struct arq *a, unsigned window);
bool arq_room(const struct arq *a);
/* Whether frames wait that the peer's window lets go. */
bool arq_ready(const struct arq *a);
void arq_queue(struct arq *a, uint8_t type, const uint8_t *body, size_t length);
/* Fills in seq and ack of a frame without R. */
void arq_stamp(struct arq *a, struct frame *f);
/* Takes the header of a valid frame. True: act upon it now. */
bool arq_receive(struct arq *a, const struct frame *f, int64_t now);
/* Sends one reliable frame if one may go. */
bool arq_send(struct arq *a, int64_t now, transmit t);
/* Sends an acknowledgement if one is due, and goes back if none came. */
void arq_tick(struct arq *a, int64_t now, transmit t);
#endif
