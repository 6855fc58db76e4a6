import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { listen, portOf } from '../support/servers.js';

/** A proxy that serves the port under a prefix, and removes the prefix. Resolves to the proxy's port. */
export async function startPrefixProxy(prefix: string, port: number): Promise<number> {
  const inner = (url = '') => url.slice(prefix.length);
  const proxy = createServer((req, res) => {
    if (req.url?.startsWith(`${prefix}/`) !== true) {
      res.writeHead(404).end();
      return;
    }
    const { method, headers } = req;
    const backend = request({ port, host: '127.0.0.1', method, headers, path: inner(req.url) }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    backend.on('error', () => res.destroy());
    req.pipe(backend);
  });
  proxy.on('upgrade', (req, socket) => {
    if (req.url?.startsWith(`${prefix}/`) !== true) {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const backend = connect(port, '127.0.0.1');
    const lines = req.rawHeaders.flatMap((name, at, all) => (at % 2 ? [] : `${name}: ${all[at + 1] ?? ''}`));
    backend.write([`GET ${inner(req.url)} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    backend.pipe(socket).pipe(backend);
    for (const one of [backend, socket])
      one.on('error', () => undefined).on('close', () => [backend, socket].forEach((end) => end.destroy()));
  });
  await listen(proxy);
  return portOf(proxy);
}
