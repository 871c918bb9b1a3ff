// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes in, a TCP connection out, with TLS (1.2 and up, forward secrecy) where it is asked for. The far end says
// nothing that would acknowledge: what is known is how much its kernel has (SIOCOUTQ), and at the end, that it read up
// to our FIN, when it closes without a reset. Its sink's thread, which may wait here while it connects.
//
// A far end that has vanished (no reset, no answer) is given up after DEAD_MS (TCP_USER_TIMEOUT, RFC 5482): keep-alive
// would not see it while bytes are under way.
#include "ship/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"

#define CONNECT_NS 5000000000ull
#define DEAD_MS 30000
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20" // of TLS 1.2; all of 1.3 have forward secrecy

struct wire {
	struct wire_config config;
	char host[256], port[8];
	SSL_CTX *context; // NULL: plain
	SSL *tls;
	int fd; // -1: not connected
	bool finished;
	uint64_t sent; // plain
};

static bool say(char why[WIRE_TEXT], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(char why[WIRE_TEXT], const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(why, WIRE_TEXT, format, args);
	va_end(args);
	return false;
}

// What OpenSSL has to say of its last call.
static bool say_tls(char why[WIRE_TEXT], const char *what, const SSL *tls)
{
	long verified = tls ? SSL_get_verify_result(tls) : X509_V_OK;
	unsigned long e = ERR_get_error();
	const char *reason = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
			     : e                   ? ERR_reason_error_string(e)
						   : NULL;
	ERR_clear_error();
	return say(why, "%s: %s", what, reason ? reason : errno ? strerror(errno) : "the far end closed");
}

static bool split(const char *server, char host[256], char port[8])
{
	const char *colon = strrchr(server, ':'), *from = server, *end = colon;
	if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) < 1 ||
	    atoi(colon + 1) > 65535 || strlen(colon + 1) > 5)
		return false;
	if (*server == '[') {
		from++;
		end--;
		if (end <= from || *end != ']')
			return false;
	} else if (memchr(server, ':', (size_t)(colon - server))) {
		return false; // IPv6 stands in brackets
	}
	if (end <= from || end - from > 255)
		return false;
	snprintf(host, 256, "%.*s", (int)(end - from), from);
	snprintf(port, 8, "%s", colon + 1);
	return true;
}

bool wire_server(const char *text)
{
	char host[256], port[8];
	return split(text, host, port);
}

// ---- certificates ------------------------------------------------------------------------------------------------

static bool context(struct wire *w, char why[WIRE_TEXT])
{
	const struct wire_config *c = &w->config;
	const char *key = *c->key ? c->key : c->cert;
	SSL_CTX *x = w->context = SSL_CTX_new(TLS_client_method());
	if (!x || !SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) || !SSL_CTX_set_cipher_list(x, CIPHERS))
		return say_tls(why, "TLS", NULL);
	SSL_CTX_set_verify(x, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF); // what it says means nothing, so neither does its end
	SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!(*c->ca ? SSL_CTX_load_verify_locations(x, c->ca, NULL) : SSL_CTX_set_default_verify_paths(x)))
		return say_tls(why, *c->ca ? c->ca : "the system's certificates", NULL);
	if (*c->cert && SSL_CTX_use_certificate_chain_file(x, c->cert) != 1)
		return say_tls(why, c->cert, NULL);
	if (*c->cert && SSL_CTX_use_PrivateKey_file(x, key, SSL_FILETYPE_PEM) != 1) // says also whose it is
		return say_tls(why, key, NULL);
	return true;
}

// RFC 5425 5.2: the server's name is checked, a wildcard stands for whole labels.
static bool begin_tls(struct wire *w)
{
	const char *name = *w->config.name ? w->config.name : w->host;
	uint8_t address[16];
	bool ip = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
	w->tls = SSL_new(w->context);
	if (!w->tls || !SSL_set_fd(w->tls, w->fd))
		return false;
	X509_VERIFY_PARAM *p = SSL_get0_param(w->tls);
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return ip ? X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1
		  : SSL_set1_host(w->tls, name) == 1 && SSL_set_tlsext_host_name(w->tls, name) == 1;
}

// ---- connecting --------------------------------------------------------------------------------------------------

// False: time is over.
static bool await(int fd, short what, uint64_t deadline_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct pollfd p = {fd, what, 0};
	return now < deadline_ns && poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1) > 0;
}

static int dial(const struct addrinfo *a, uint64_t deadline_ns)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
	socklen_t len = sizeof(error);
	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
		error = errno;
		if (error == EINPROGRESS && !await(fd, POLLOUT, deadline_ns))
			error = ETIMEDOUT;
		else if (error == EINPROGRESS)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

static bool shake_hands(struct wire *w, uint64_t deadline_ns, char why[WIRE_TEXT])
{
	errno = 0;
	if (!begin_tls(w))
		return say_tls(why, "TLS", NULL);
	for (int rc; (rc = SSL_connect(w->tls)) != 1;) {
		int e = SSL_get_error(w->tls, rc);
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return say_tls(why, "TLS", w->tls);
		if (!await(w->fd, e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ns))
			return say(why, "TLS: no answer in 5 s");
	}
	return true;
}

bool wire_open(struct wire *w, char why[WIRE_TEXT])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV}, *all = NULL;
	int rc, one = 1, dead = DEAD_MS;
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + CONNECT_NS;
	if (w->fd >= 0)
		return true;
	if ((rc = getaddrinfo(w->host, w->port, &hints, &all)) != 0)
		return say(why, "%s: %s", w->host, gai_strerror(rc));
	rc = -EHOSTUNREACH;
	for (const struct addrinfo *a = all; a && rc < 0; a = a->ai_next)
		rc = dial(a, deadline);
	freeaddrinfo(all);
	if (rc < 0)
		return say(why, "%s: %s", w->config.server, strerror(-rc));
	w->fd = rc;
	w->sent = 0;
	w->finished = false;
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(w->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof(dead));
	if (w->context && !shake_hands(w, deadline, why)) {
		wire_close(w);
		return false;
	}
	return true;
}

// ---- bytes -------------------------------------------------------------------------------------------------------

static long write_tls(struct wire *w, const void *bytes, size_t n, char why[WIRE_TEXT])
{
	size_t went = 0;
	errno = 0;
	int rc = SSL_write_ex(w->tls, bytes, n, &went), e = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(w->tls, rc);
	if (rc == 1)
		return (long)went;
	if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ)
		return 0;
	say_tls(why, w->config.server, w->tls);
	return -1;
}

long wire_write(struct wire *w, const void *bytes, size_t n, char why[WIRE_TEXT])
{
	if (w->tls)
		return write_tls(w, bytes, n, why);
	ssize_t went = send(w->fd, bytes, n, MSG_NOSIGNAL);
	if (went < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (went < 0) {
		say(why, "%s: %s", w->config.server, strerror(errno));
		return -1;
	}
	w->sent += (uint64_t)went;
	return went;
}

// 1: something came; 0: nothing has; -1: it has closed; -2: it failed.
static int hear(struct wire *w)
{
	char rest[512];
	if (!w->tls) {
		ssize_t n = recv(w->fd, rest, sizeof(rest), MSG_DONTWAIT);
		return n > 0 ? 1 : n == 0 ? -1 : errno == EAGAIN || errno == EINTR ? 0 : -2;
	}
	size_t n;
	errno = 0;
	int rc = SSL_read_ex(w->tls, rest, sizeof(rest), &n), e = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(w->tls, rc);
	if (rc == 1)
		return 1;
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : e == SSL_ERROR_ZERO_RETURN ? -1 : -2;
}

// What it says means nothing here.
static int listen_to(struct wire *w)
{
	int heard = 1;
	for (unsigned i = 0; i < 64 && heard > 0; i++)
		heard = hear(w);
	return heard;
}

bool wire_alive(struct wire *w, char why[WIRE_TEXT])
{
	int heard = listen_to(w);
	if (heard >= 0)
		return true;
	if (heard == -1)
		return say(why, "%s: it closed the connection", w->config.server);
	return w->tls ? say_tls(why, w->config.server, w->tls) : say(why, "%s: %s", w->config.server, strerror(errno));
}

uint64_t wire_sent(const struct wire *w)
{
	return w->tls ? BIO_number_written(SSL_get_wbio(w->tls)) : w->sent;
}

uint64_t wire_arrived(const struct wire *w)
{
	int left = 0;
	uint64_t sent = wire_sent(w);
	if (w->fd < 0 || ioctl(w->fd, SIOCOUTQ, &left) < 0 || (uint64_t)left > sent)
		return 0;
	return sent - (uint64_t)left;
}

int wire_finish(struct wire *w)
{
	if (!w->finished && w->tls)
		SSL_shutdown(w->tls);
	if (!w->finished)
		shutdown(w->fd, SHUT_WR);
	w->finished = true;
	int heard = listen_to(w);
	return heard == -1 ? 1 : heard == -2 ? -1 : 0;
}

void wire_close(struct wire *w)
{
	SSL_free(w->tls);
	w->tls = NULL;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	ERR_clear_error();
}

struct wire *wire_new(const struct wire_config *c, char why[WIRE_TEXT])
{
	struct wire *w = calloc(1, sizeof(*w));
	if (!w) {
		say(why, "no memory");
		return NULL;
	}
	w->config = *c;
	w->fd = -1;
	bool right = split(c->server, w->host, w->port) || say(why, "%s: \"host:port\" is expected", c->server);
	if (right && (!c->tls || context(w, why)))
		return w;
	wire_free(w);
	return NULL;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	wire_close(w);
	SSL_CTX_free(w->context);
	free(w);
}
