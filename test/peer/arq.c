#include "arq.h"

#include <string.h>

enum {
  ACK_DELAY = 20,
  NAK_INTERVAL = 100,
  NAK_IGNORE = 50,
  RESEND_FIRST = 500,
  RESEND_MOST = 2000
};
#define NEVER INT64_MAX

void arq_reset(struct arq *a, unsigned window) {
  memset(a, 0, sizeof *a);
  a->window = window < SLOTS ? window : SLOTS;
  a->ack_due = a->nak_due = a->resend_due = NEVER;
  a->resend_after = RESEND_FIRST;
  a->last_nak_at = -NAK_IGNORE;
}

bool arq_room(const struct arq *a) { return a->count < a->window; }
bool arq_ready(const struct arq *a) { return a->sent < a->count; }

static struct slot *slot_at(struct arq *a, unsigned index) {
  return &a->slots[(uint16_t)(a->base + index) % SLOTS];
}

void arq_queue(struct arq *a, uint8_t type, const uint8_t *body, size_t length) {
  struct slot *s = slot_at(a, a->count++);
  s->type = type;
  s->length = (uint16_t)length;
  if (length > 0) memcpy(s->body, body, length);
}

static void acknowledged(struct arq *a) {
  a->unacknowledged = 0;
  a->ack_due = NEVER;
}

void arq_stamp(struct arq *a, struct frame *f) {
  acknowledged(a);
  f->seq = (uint16_t)(a->base + a->sent_most);
  f->ack = a->expected;
}

static void go_back(struct arq *a, int64_t now) {
  a->sent = 0;
  a->resend_due = now + a->resend_after;
}

static void take_ack(struct arq *a, const struct frame *f, int64_t now) {
  uint16_t advance = (uint16_t)(f->ack - a->base);
  if (advance > a->sent_most) return;
  if (advance > 0) {
    for (unsigned i = 0; i < advance; i++) memset(slot_at(a, i)->body, 0, MAX_BODY);
    a->base = f->ack;
    a->count -= advance;
    a->sent = a->sent > advance ? a->sent - advance : 0;
    a->sent_most -= advance;
    a->resend_after = RESEND_FIRST;
    a->resend_due = a->sent_most == 0 ? NEVER : now + a->resend_after;
  }
  if ((f->flags & FLAG_N) != 0 && a->sent_most > 0 &&
      (f->ack != a->last_nak || now - a->last_nak_at >= NAK_IGNORE)) {
    a->last_nak = f->ack;
    a->last_nak_at = now;
    go_back(a, now);
  }
}

bool arq_receive(struct arq *a, const struct frame *f, int64_t now) {
  take_ack(a, f, now);
  bool reliable = (f->flags & FLAG_R) != 0;
  uint16_t ahead = (uint16_t)(f->seq - a->expected);
  if (ahead > 0 && ahead < 0x8000) {
    if (!a->gap) a->nak_due = now;
    a->gap = true;
    return !reliable;
  }
  if (!reliable) return true;
  if (ahead != 0) {
    a->ack_due = now;
    return false;
  }
  a->expected++;
  a->gap = false;
  a->nak_due = NEVER;
  if (++a->unacknowledged >= RECEIVE_WINDOW / 4) a->ack_due = now;
  else if (a->ack_due == NEVER) a->ack_due = now + ACK_DELAY;
  return true;
}

bool arq_send(struct arq *a, int64_t now, transmit t) {
  if (!arq_ready(a)) return false;
  struct slot *s = slot_at(a, a->sent);
  struct frame f = {.type = s->type, .flags = FLAG_R, .body = s->body, .length = s->length};
  f.seq = (uint16_t)(a->base + a->sent);
  f.ack = a->expected;
  acknowledged(a);
  a->sent++;
  if (a->sent > a->sent_most) a->sent_most = a->sent;
  if (a->resend_due == NEVER) a->resend_due = now + a->resend_after;
  t(&f);
  return true;
}

void arq_tick(struct arq *a, int64_t now, transmit t) {
  if (now >= a->resend_due) {
    a->resend_after = a->resend_after * 2 < RESEND_MOST ? a->resend_after * 2 : RESEND_MOST;
    go_back(a, now);
  }
  bool nak = a->gap && now >= a->nak_due;
  if (!nak && now < a->ack_due) return;
  if (nak) a->nak_due = now + NAK_INTERVAL;
  struct frame f = {.type = ACK, .flags = nak ? FLAG_N : 0};
  arq_stamp(a, &f);
  t(&f);
}
