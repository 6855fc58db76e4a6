/* Sockets on 127.0.0.1, and TLS over them. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include "load.h"

int poller, listener;

void arm(struct end *end, uint32_t events) {
  if (end->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = end};
  if (epoll_ctl(poller, end->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd, &event) < 0)
    fail(1, "epoll_ctl: %s", strerror(errno));
  end->events = events;
}

static struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial_with(int flags) {
  struct sockaddr_in address = loopback(opt.relay);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
  if (fd < 0) fail(1, "socket: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
    fail(1, "connect: %s", strerror(errno));
  return fd;
}

int dial(void) { return dial_with(0); }

int dial_without_waiting(void) { return dial_with(SOCK_NONBLOCK); }

void listen_as_backend(void) {
  struct sockaddr_in address = loopback(opt.backend);
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct timeval patience = {10, 0};
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
    fail(1, "the backend can't listen on %d: %s", opt.backend, strerror(errno));
}

int accept_one(int flags) {
  int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

#ifdef WITH_TLS
SSL *secure(int fd) {
  static SSL_CTX *context;
  if (!context) {
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) != 1) fail(1, "the TLS handshake failed");
  return ssl;
}

static ssize_t tls_result(SSL *ssl, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(ssl, result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
  return -1;
}
#endif

/* A kernel may let a system call end before a process of higher priority runs: beside a measured end, calls are short. */
static size_t call_size(size_t wanted) {
  const size_t most = opt.beside ? 32 * 1024 : SPAN + 2 * MAX_HEADER;
  return wanted < most ? wanted : most;
}

ssize_t receive(struct end *end, void *to, size_t most) {
  most = call_size(most);
#ifdef WITH_TLS
  if (end->ssl) return tls_result(end->ssl, SSL_read(end->ssl, to, (int)most));
#endif
  return recv(end->fd, to, most, 0);
}

ssize_t transmit(struct end *end, const void *from, size_t length) {
  length = call_size(length);
#ifdef WITH_TLS
  if (end->ssl) return tls_result(end->ssl, SSL_write(end->ssl, from, (int)length));
#endif
  return send(end->fd, from, length, MSG_NOSIGNAL);
}
