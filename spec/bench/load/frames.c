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

size_t write_header(uint8_t *to, uint8_t first, uint64_t length, uint32_t key) {
  size_t at = 0;
  int extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  to[at++] = first;
  to[at++] = 0x80 | (extended == 0 ? (uint8_t)length : extended == 2 ? 126 : 127);
  for (int byte = extended - 1; byte >= 0; byte--) to[at++] = (uint8_t)(length >> (8 * byte));
  for (int byte = 0; byte < 4; byte++) to[at++] = (uint8_t)(key >> (8 * byte));
  return at;
}

bool is_ahead(const struct tunnel *tunnel) { return tunnel->up.sent - tunnel->up.got > AHEAD; }

static uint64_t next_frame(struct tunnel *tunnel) {
  uint64_t allowed = is_ahead(tunnel) ? 0 : tunnel->up.limit - tunnel->up.sent;
  if (stopped) return 0;
  if (giant_begun) return 0;
  if (opt.giant && measures) {
    giant_begun = true;
    return opt.giant;
  }
  return opt.frame < allowed ? opt.frame : allowed;
}

void fill_stage(struct tunnel *tunnel) {
  size_t at = 0;
  if (!tunnel->stage) {
    tunnel->stage_size = (opt.frame < SPAN && !sends_up ? opt.frame : SPAN) + 2 * MAX_HEADER;
    tunnel->stage = malloc(tunnel->stage_size);
  }
  while (at + MAX_HEADER < tunnel->stage_size) {
    if (tunnel->frame_left == 0) {
      if (tunnel->pong_due) {
        tunnel->pong_due = false;
        at += write_header(tunnel->stage + at, 0x8a, 0, 0);
        continue;
      }
      tunnel->frame_left = next_frame(tunnel);
      if (tunnel->frame_left == 0) break;
      tunnel->key = (uint32_t)next_random() | 1;
      tunnel->phase = 0;
      at += write_header(tunnel->stage + at, 0x82, tunnel->frame_left, tunnel->key);
    }
    size_t length = tunnel->stage_size - at;
    if (length > SPAN) length = SPAN;
    if (length > tunnel->frame_left) length = tunnel->frame_left;
    mask(tunnel->stage + at, due(&tunnel->up, tunnel->up.sent), length, tunnel->key, tunnel->phase);
    tunnel->phase = (tunnel->phase + length) & 3;
    tunnel->frame_left -= length;
    tunnel->up.sent += length;
    all_sent += length;
    at += length;
  }
  tunnel->stage_length = at;
  tunnel->stage_at = 0;
}

/* The relay's frames: binary, unmasked. Payload is checked on arrival. */
void feed(struct tunnel *tunnel, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    if (tunnel->payload_left > 0) {
      size_t part = tunnel->payload_left < length ? tunnel->payload_left : length;
      if ((tunnel->head[0] & 0x08) == 0) check(tunnel, &tunnel->down, bytes, part);
      tunnel->payload_left -= part;
      bytes += part;
      length -= part;
      continue;
    }
    tunnel->head[tunnel->head_length++] = *bytes++;
    length--;
    if (tunnel->head_length < 2) continue;
    const uint8_t *head = tunnel->head;
    unsigned extended = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
    if (tunnel->head_length < 2 + extended) continue;
    uint64_t size = extended ? 0 : head[1];
    for (unsigned at = 2; at < 2 + extended; at++) size = size << 8 | head[at];
    uint8_t opcode = head[0] & 0x0f;
    if (opcode == 8) fail(1, "the relay closed tunnel %d", (int)(tunnel - tunnels));
    if ((head[0] & 0x70) || (head[1] & 0x80) || (opcode > 2 && opcode < 9) || opcode > 10 || opcode == 1)
      fail(2, "WRONG CONTENT: not a binary frame of a server: %02x %02x", head[0], head[1]);
    if (opcode == 9) {
      if (size > 0) fail(1, "a PING with a payload");
      tunnel->pong_due = true;
    }
    tunnel->payload_left = size;
    tunnel->head_length = 0;
  }
}
