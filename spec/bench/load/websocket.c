/* The server's side of the opening handshake, for a backend that speaks WebSocket (RFC 6455 section 4.2). */
#include <ctype.h>
#include "load.h"

static uint32_t turn(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

/* SHA-1 (RFC 3174) of a short text: this file must compile without OpenSSL. */
static void sha1(const char *text, size_t length, uint8_t digest[20]) {
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  uint8_t blocks[192] = {0};
  size_t size = (length + 9 + 63) / 64 * 64;
  if (size > sizeof blocks) fail(1, "the Sec-WebSocket-Key is too long");
  memcpy(blocks, text, length);
  blocks[length] = 0x80;
  for (int byte = 0; byte < 8; byte++) blocks[size - 1 - byte] = (uint8_t)((uint64_t)length * 8 >> (8 * byte));
  for (const uint8_t *block = blocks; block < blocks + size; block += 64) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int at = 0; at < 16; at++)
      w[at] = (uint32_t)block[4 * at] << 24 | block[4 * at + 1] << 16 | block[4 * at + 2] << 8 | block[4 * at + 3];
    for (int at = 16; at < 80; at++) w[at] = turn(w[at - 3] ^ w[at - 8] ^ w[at - 14] ^ w[at - 16], 1);
    for (int at = 0; at < 80; at++) {
      uint32_t f = at < 20 ? (b & c) | (~b & d) : at >= 40 && at < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
      static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
      uint32_t next = turn(a, 5) + f + e + k[at / 20] + w[at];
      e = d, d = c, c = turn(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  for (int at = 0; at < 20; at++) digest[at] = (uint8_t)(h[at / 4] >> (24 - 8 * (at % 4)));
}

static void base64(const uint8_t digest[20], char to[29]) {
  static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int at = 0; at < 7; at++) {
    uint32_t three = digest[3 * at] << 16 | digest[3 * at + 1] << 8 | (at < 6 ? digest[3 * at + 2] : 0);
    for (int letter = 0; letter < 4; letter++) to[4 * at + letter] = LETTERS[three >> (18 - 6 * letter) & 63];
  }
  to[27] = '=';
  to[28] = 0;
}

/* Returns the size of the 101 response; 0 while the head of the request is incomplete. */
size_t write_answer(char *to, size_t size, const char *request, size_t length) {
  static const char NAME[] = "\r\nSec-WebSocket-Key:";
  char text[128], accept[29];
  uint8_t digest[20];
  if (!memmem(request, length, "\r\n\r\n", 4)) return 0;
  const char *key = NULL;
  for (const char *at = request; !key && at + sizeof NAME < request + length; at++)
    if (strncasecmp(at, NAME, sizeof NAME - 1) == 0) key = at + sizeof NAME - 1;
  if (!key) fail(1, "the request to the backend has no Sec-WebSocket-Key: %.*s", (int)length, request);
  while (*key == ' ') key++;
  size_t used = strcspn(key, "\r ");
  int joined = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)used, key);
  sha1(text, joined, digest);
  base64(digest, accept);
  return snprintf(to, size,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Accept: %s\r\n\r\n",
                  accept);
}

/* Waits for the request of a new connection. */
void answer_handshake(struct end *end) {
  char request[8192], text[256];
  size_t length = 0, size = 0;
  while (size == 0) {
    ssize_t got = recv(end->fd, request + length, sizeof request - 1 - length, 0);
    if (got <= 0) fail(1, "no request reached the backend: %s", got < 0 ? strerror(errno) : "end of stream");
    length += got;
    request[length] = 0;
    size = write_answer(text, sizeof text, request, length);
  }
  if (send(end->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) fail(1, "the backend's answer was not accepted");
}
