/* The pattern of each flow, and the frames that carry it (RFC 6455 section 5). */
#include "load.h"

/* Most bytes that a client sends ahead of the backend: more than any kernel queues, but few enough that a relay which
   queues without limit can deliver all of them within the deadline. */
#define AHEAD (8 * 1024 * 1024)

uint8_t pattern[PERIOD + SPAN];
uint64_t all_sent, all_got;

uint64_t next_random(void) {
  static uint64_t state = 0x9e3779b97f4a7c15;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

void make_pattern(void) {
  for (size_t at = 0; at < sizeof pattern; at++)
    pattern[at] = at < PERIOD ? (uint8_t)(next_random() >> 32) : pattern[at - PERIOD];
}

const uint8_t *due(const struct flow *flow, uint64_t at) { return pattern + (flow->start + at) % PERIOD; }

void check(struct tunnel *tunnel, struct flow *flow, const uint8_t *bytes, size_t length) {
  if (memcmp(bytes, due(flow, flow->got), length) != 0 || flow->got + length > flow->sent)
    fail(2, "WRONG CONTENT %s tunnel %d, in the %zu bytes from byte %llu",
         flow == &tunnel->up ? "up" : "down", (int)(tunnel - tunnels), length, (unsigned long long)flow->got);
  flow->got += length;
  all_got += length;
}

void mask(uint8_t *to, const uint8_t *from, size_t length, uint32_t key, unsigned phase) {
  uint8_t keys[16];
  for (int at = 0; at < 16; at++) keys[at] = (uint8_t)(key >> (8 * ((phase + at) & 3)));
  uint64_t word, wide;
  memcpy(&wide, keys, 8);
  for (; length >= 8; length -= 8, to += 8, from += 8) {
    memcpy(&word, from, 8);
    word ^= wide;
    memcpy(to, &word, 8);
  }
  for (size_t at = 0; at < length; at++) to[at] = from[at] ^ keys[at];
}

size_t write_header(uint8_t *to, uint8_t first, uint64_t length, enum kind from, uint32_t key) {
  size_t at = 0;
  int extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  to[at++] = first;
  to[at++] = (from == CLIENT ? 0x80 : 0) | (extended == 0 ? (uint8_t)length : extended == 2 ? 126 : 127);
  for (int byte = extended - 1; byte >= 0; byte--) to[at++] = (uint8_t)(length >> (8 * byte));
  for (int byte = 0; from == CLIENT && byte < 4; byte++) to[at++] = (uint8_t)(key >> (8 * byte));
  return at;
}

bool is_ahead(const struct tunnel *tunnel) { return tunnel->up.sent - tunnel->up.got > AHEAD; }

/* Does the relay speak WebSocket with this end? */
bool is_framed(const struct end *end) { return end->kind == CLIENT ? !opt.raw : opt.websocket; }

static uint64_t next_frame(struct end *end) {
  struct tunnel *tunnel = end->tunnel;
  if (end->kind == BACKEND) {
    uint64_t allowed = stopped && !echoes ? 0 : tunnel->down.limit - tunnel->down.sent;
    return opt.write < allowed ? opt.write : allowed;
  }
  uint64_t allowed = is_ahead(tunnel) ? 0 : tunnel->up.limit - tunnel->up.sent;
  if (stopped) return 0;
  if (giant_begun) return 0;
  if (opt.giant && measures) {
    giant_begun = true;
    return opt.giant;
  }
  return opt.frame < allowed ? opt.frame : allowed;
}

void fill_stage(struct end *end) {
  struct tunnel *tunnel = end->tunnel;
  struct flow *flow = end->kind == CLIENT ? &tunnel->up : &tunnel->down;
  size_t at = 0;
  if (!end->stage) {
    bool is_bulk = end->kind == CLIENT ? sends_up : sends_down;
    end->stage_size = (opt.frame < SPAN && !is_bulk ? opt.frame : SPAN) + 2 * MAX_HEADER;
    end->stage = malloc(end->stage_size);
  }
  while (at + MAX_HEADER < end->stage_size) {
    if (end->frame_left == 0) {
      if (end->pong_due) {
        end->pong_due = false;
        at += write_header(end->stage + at, 0x8a, 0, end->kind, 0);
        continue;
      }
      end->frame_left = next_frame(end);
      if (end->frame_left == 0) break;
      end->key = (uint32_t)next_random() | 1;
      end->phase = 0;
      at += write_header(end->stage + at, 0x82, end->frame_left, end->kind, end->key);
    }
    size_t length = end->stage_size - at;
    if (length > SPAN) length = SPAN;
    if (length > end->frame_left) length = end->frame_left;
    if (end->kind == CLIENT) mask(end->stage + at, due(flow, flow->sent), length, end->key, end->phase);
    else memcpy(end->stage + at, due(flow, flow->sent), length);
    end->phase = (end->phase + length) & 3;
    end->frame_left -= length;
    flow->sent += length;
    all_sent += length;
    at += length;
  }
  end->stage_length = at;
  end->stage_at = 0;
}

/* Reads the header of a frame, once the header is complete. */
static void read_header(struct end *end) {
  const uint8_t *head = end->head;
  if (end->head_length < 2) return;
  unsigned extended = (head[1] & 0x7f) == 126 ? 2 : (head[1] & 0x7f) == 127 ? 8 : 0;
  unsigned masked = end->kind == BACKEND ? 4 : 0;
  if (end->head_length < 2 + extended + masked) return;
  uint64_t size = extended ? 0 : head[1] & 0x7f;
  for (unsigned at = 2; at < 2 + extended; at++) size = size << 8 | head[at];
  uint8_t opcode = head[0] & 0x0f;
  if (opcode == 8) fail(1, "the relay closed tunnel %d", (int)(end->tunnel - tunnels));
  if ((head[0] & 0x70) || (head[1] & 0x80) != (masked ? 0x80 : 0) || (opcode > 2 && opcode < 9) || opcode > 10 || opcode == 1)
    fail(2, "WRONG CONTENT: not a binary frame of a %s: %02x %02x", masked ? "client" : "server", head[0], head[1]);
  if (opcode == 9) {
    if (size > 0) fail(1, "a PING with a payload");
    end->pong_due = true;
  }
  end->key_in = 0;
  for (unsigned at = 0; at < masked; at++) end->key_in |= (uint32_t)head[2 + extended + at] << (8 * at);
  end->phase_in = 0;
  end->payload_left = size;
  end->head_length = 0;
}

/* The relay's frames: binary, and masked if they go to the backend. Payload is checked on arrival. */
void feed(struct end *end, uint8_t *bytes, size_t length) {
  struct tunnel *tunnel = end->tunnel;
  while (length > 0) {
    if (end->payload_left > 0) {
      size_t part = end->payload_left < length ? end->payload_left : length;
      if (end->kind == BACKEND) {
        mask(bytes, bytes, part, end->key_in, end->phase_in);
        end->phase_in = (end->phase_in + part) & 3;
      }
      if ((end->head[0] & 0x08) == 0) check(tunnel, end->kind == CLIENT ? &tunnel->down : &tunnel->up, bytes, part);
      end->payload_left -= part;
      bytes += part;
      length -= part;
      continue;
    }
    end->head[end->head_length++] = *bytes++;
    length--;
    read_header(end);
  }
}
