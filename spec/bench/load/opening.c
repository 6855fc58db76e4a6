/* The opening handshake of one tunnel after another. */
#include <sys/time.h>
#include "load.h"

/* RFC 6455's own example: a fixed key has a known answer. */
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

int write_request(char *to, size_t size) {
  return snprintf(to, size,
                  "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Origin: %s://127.0.0.1:%d\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "Sec-WebSocket-Version: 13\r\n%s%s\r\n",
                  opt.path, opt.relay, opt.tls ? "https" : "http", opt.relay, opt.header, *opt.header ? "\r\n" : "");
}

int write_page_request(char *to, size_t size) {
  return snprintf(to, size, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s%s\r\n", opt.page,
                  opt.relay, opt.header, *opt.header ? "\r\n" : "");
}

/* The length of the response's head; 0 while the head is incomplete. */
size_t check_answer(const char *text, size_t length) {
  const char *end = memmem(text, length, "\r\n\r\n", 4);
  if (!end) return 0;
  if (length < 12 || memcmp(text, "HTTP/1.1 101", 12) != 0)
    fail(1, "the relay answered %.*s", (int)strcspn(text, "\r"), text);
  if (!memmem(text, end - text, ACCEPT, sizeof ACCEPT - 1)) fail(2, "WRONG CONTENT: Sec-WebSocket-Accept");
  return end + 4 - text;
}

/* A whole response: the page of all relays, which begins with a title and ends with a thousand letters. */
void check_page(const char *text, size_t length) {
  static const char TITLE[] = "\r\n\r\n<title>a page of the app</title>\n";
  if (length < 12 || memcmp(text, "HTTP/1.1 200", 12) != 0)
    fail(1, "the relay answered the request of a page: %.*s", (int)length, text);
  const char *page = memmem(text, length, TITLE, sizeof TITLE - 1);
  size_t at = page ? page + sizeof TITLE - 1 - text : 0, letters = 0;
  while (page && at + letters < length && text[at + letters] == 'x') letters++;
  if (letters != 1000 || text[length - 1] != '\n' || at + letters + 1 != length)
    fail(2, "WRONG CONTENT: the page: %.*s", (int)length, text);
}

/* With a WebSocket backend also the backend's end: the relay answers after the backend. */
void open_client(struct tunnel *tunnel) {
  struct timeval patience = {10, 0};
  int at = (int)(tunnel - tunnels);
  tunnel->client = (struct end){.kind = CLIENT, .fd = dial(), .tunnel = tunnel};
  setsockopt(tunnel->client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
#ifdef WITH_TLS
  if (opt.tls) tunnel->client.ssl = secure(tunnel->client.fd);
#endif
  if (!opt.raw) {
    char text[8192];
    size_t length = 0, head = 0;
    int size = write_request(text, sizeof text);
    if (transmit(&tunnel->client, text, size) != size) fail(1, "the request was not accepted");
    if (opt.websocket) accept_backend(tunnel);
    while (head == 0) {
      ssize_t got = receive(&tunnel->client, text + length, sizeof text - length);
      if (got <= 0) fail(1, "no answer to handshake %d: %s", at, got < 0 ? strerror(errno) : "end of stream");
      length += got;
      head = check_answer(text, length);
    }
    feed(&tunnel->client, (uint8_t *)text + head, length - head);
  }
}

void accept_backend(struct tunnel *tunnel) {
  struct timeval patience = {10, 0};
  tunnel->backend = (struct end){.kind = BACKEND, .fd = accept_one(0), .tunnel = tunnel};
  if (tunnel->backend.fd < 0) fail(1, "no connection to the backend after handshake %d", (int)(tunnel - tunnels));
  setsockopt(tunnel->backend.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (opt.websocket) answer_handshake(&tunnel->backend);
}

void set_up(struct tunnel *tunnel) {
  make_nonblocking(tunnel->client.fd);
  make_nonblocking(tunnel->backend.fd);
  tunnel->up.start = next_random() % PERIOD;
  tunnel->down.start = next_random() % PERIOD;
}

void open_tunnel(struct tunnel *tunnel) {
  open_client(tunnel);
  if (!opt.websocket) accept_backend(tunnel);
  set_up(tunnel);
}

void open_tunnels(void) {
  tunnels = calloc(opt.tunnels, sizeof *tunnels);
  for (int at = 0; at < opt.tunnels; at++) open_tunnel(&tunnels[at]);
  for (int at = 0; at < opt.tunnels; at++) {
    settle_events(&tunnels[at].client);
    settle_events(&tunnels[at].backend);
  }
}
