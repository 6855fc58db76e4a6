import { once } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import { connect, type ClientError, type ConnectOptions } from '../../../src/client/index.js';
import { certificate } from '../../support/certificate.js';
import { descriptors, watchComplaints, watchDials, watchTimers } from '../../support/leftovers.js';
import { passTo, startProxyDouble } from '../../support/proxy-double.js';
import { closedPort, startTlsTunnel, startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { accepting, failed, setProxyEnvironment, startByHand } from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

const { cert: ca } = certificate();

async function echoed(url: string, options: ConnectOptions): Promise<void> {
  const stream = connect(url, options);
  stream.write('through the proxy');
  let got = '';
  for await (const chunk of stream) {
    got += String(chunk);
    if (got.length === 17) stream.end();
  }
  expect(got).toBe('through the proxy');
}

/** The error of a failed attempt; also checks that no socket remains and no password is shown. */
async function refusal(url: string, options: ConnectOptions): Promise<ClientError> {
  const complaints = watchComplaints();
  const timers = watchTimers();
  const dials = watchDials();
  const stream = connect(url, options);
  const closed = new Promise((resolve) => stream.once('close', resolve));
  const error = await failed(stream);
  await closed;
  await until(() => timers() === 0 && [...dials].every(({ destroyed }) => destroyed));
  expect(complaints).toEqual([]);
  expect(`${error.stack}${JSON.stringify(error)}${String(error.cause)}`).not.toContain('secret');
  return error;
}

describe('CONNECT', () => {
  test('opens tunnels for ws: and for wss:, with credentials', async () => {
    const plain = await startTunnel();
    const tls = await startTlsTunnel();
    for (const [url, to, options] of [
      [`ws://desk.example:8080/tunnel`, plain.port, {}],
      [`wss://localhost/tunnel`, tls, { tls: { ca } }],
      [`wss://127.0.0.1:8443/tunnel`, tls, { tls: { ca } }],
    ] as const) {
      const proxy = await startProxyDouble(passTo(to));
      await echoed(url, { ...options, proxy: `http://ann:s%3Acret@127.0.0.1:${proxy.port}` });
      const authority = new URL(url.replace('ws', 'http')).host;
      const [head = ''] = proxy.asked;
      expect(head).toMatch(new RegExp(`^CONNECT ${authority}(:443)? HTTP/1.1\r\n`));
      const basic = Buffer.from('ann:s:cret').toString('base64');
      expect(head).toContain(`Proxy-Authorization: Basic ${basic}\r\n`);
      expect(head).not.toMatch(/^(cookie|authorization|sec-websocket)/im);
    }
  });

  test('is sent over TLS to an https proxy', async () => {
    const { port } = await startTunnel();
    const proxy = await startProxyDouble(passTo(port), { tls: certificate() });
    await echoed('ws://desk.example/tunnel', { proxy: proxy.url, proxyTls: { ca } });
    const behind = await startProxyDouble(passTo(await startTlsTunnel()), { tls: certificate() });
    await echoed('wss://localhost/tunnel', { proxy: behind.url, proxyTls: { ca }, tls: { ca } });
    const untrusted = await refusal('wss://localhost/tunnel', { proxy: behind.url, proxyTls: { ca } });
    expect(untrusted).toMatchObject({ code: 'WSTUNNEL_TLS' });
    const error = await refusal('ws://desk.example/tunnel', { proxy: proxy.url });
    expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_UNREACHABLE' });
    expect(error.message).toMatch(/self-signed/);
  });

  test("the certificate for wss: must be the server's and not the proxy's", async () => {
    // Both names resolve to loopback, and the certificate is valid for one name only.
    const tls = await startTlsTunnel();
    const proxy = await startProxyDouble(passTo(tls));
    for (const host of ['127.0.0.9', 'desk.example', '[::9]']) {
      const options = { proxy: `http://localhost:${proxy.port}`, tls: { ca } };
      const error = await refusal(`wss://${host}/tunnel`, options);
      expect(error).toMatchObject({ code: 'WSTUNNEL_TLS' });
    }
    expect(proxy.asked).toHaveLength(3);
  });

  test('407 has a separate error code', async () => {
    const proxy = await startProxyDouble((client) => {
      client.send(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="office"\r\nContent-Length: 3\r\n\r\nno!',
      );
    });
    const error = await refusal('ws://desk.example/', { proxy: `http://ann:secret@127.0.0.1:${proxy.port}` });
    expect(error).toMatchObject({
      ...{ code: 'WSTUNNEL_PROXY_AUTH', status: 407, again: false },
      headers: { 'proxy-authenticate': 'Basic realm="office"' },
    });
    expect(error.message).toBe(
      `the proxy 127.0.0.1:${proxy.port} requires a valid user and password: 407 Proxy Authentication Required`,
    );
  });

  test.each(['403 Forbidden', '502 Bad Gateway', '302 Found', '101 Switching Protocols', '204 No Content'])(
    'a proxy that answers %s is reported as refusing',
    async (status) => {
      const proxy = await startProxyDouble((client, head) => {
        // The proxy answers with the server's handshake headers, so that only the status is wrong.
        client.send(accepting(head).replace('101 Switching Protocols', status));
      });
      const error = await refusal('ws://desk.example/', { proxy: proxy.url, bearer: 'secret' });
      expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_REFUSED', status: Number(status.slice(0, 3)) });
      expect(error.message).toBe(`the proxy 127.0.0.1:${proxy.port} refused: ${status}`);
      await until(() => proxy.sockets.size === 0);
    },
  );

  test.each([
    'SSH-2.0-x\r\n\r\n',
    '\r\n\r\n',
    'HTTP/1.1 200\r\nnonsense\r\n\r\n',
    '\x1b[31mHTTP/1.1 9 \x07\r\n\r\n',
  ])('a proxy that answers %j is not a proxy', async (answer) => {
    const proxy = await startProxyDouble((client) => client.send(answer));
    const error = await refusal('ws://desk.example/', { proxy: proxy.url });
    expect(error.code).toMatch(/^WSTUNNEL_PROXY_(REFUSED|UNREACHABLE)$/);
    // eslint-disable-next-line no-control-regex
    expect(error.message).not.toMatch(/[\x00-\x1f]|NaN/);
  });

  test('a proxy that does not listen is an error', async () => {
    const port = await closedPort();
    const error = await refusal('ws://desk.example/', { proxy: `http://ann:secret@127.0.0.1:${port}` });
    expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_UNREACHABLE', again: true });
    expect(error.message).toBe(
      `the proxy 127.0.0.1:${port} could not be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  test.each(['ws:', 'wss:'])(
    'a proxy that stalls is abandoned after connectTimeout, for %s',
    async (scheme) => {
      const proxy = await startProxyDouble(() => undefined);
      const before = descriptors();
      const error = await refusal(`${scheme}//desk.example/`, { proxy: proxy.url, connectTimeout: 0.1 });
      expect(error).toMatchObject({ code: 'WSTUNNEL_CONNECT_TIMEOUT' });
      await until(() => proxy.sockets.size === 0 && descriptors() <= before);
    },
  );

  test('an https proxy that stalls is abandoned as well', async () => {
    const proxy = await startProxyDouble(() => undefined, { tls: certificate() });
    const options = { proxy: proxy.url, proxyTls: { ca }, connectTimeout: 0.2 };
    expect(await refusal('ws://desk.example/', options)).toMatchObject({ code: 'WSTUNNEL_CONNECT_TIMEOUT' });
    await until(() => proxy.sockets.size === 0);
  });

  test('an abort while the proxy stalls frees everything', async () => {
    const proxy = await startProxyDouble(() => undefined);
    const controller = new AbortController();
    const stream = connect('ws://desk.example/', { proxy: proxy.url, signal: controller.signal });
    const error = failed(stream);
    await until(() => proxy.asked.length === 1);
    controller.abort();
    expect(await error).toMatchObject({ name: 'AbortError' });
    await until(() => proxy.sockets.size === 0);
  });

  test('a proxy that dies before its answer, within it, or within the handshake is an error', async () => {
    for (const [said, code] of [
      ['', 'WSTUNNEL_PROXY_UNREACHABLE'],
      ['HTTP/1.1 200 Conn', 'WSTUNNEL_PROXY_UNREACHABLE'],
      ['HTTP/1.1 200 OK\r\n\r\n', 'WSTUNNEL_UNREACHABLE'],
    ] as const) {
      for (const die of ['end', 'resetAndDestroy'] as const) {
        const proxy = await startProxyDouble((client) => {
          client.socket.write(said, () => client.socket[die]());
        });
        const error = await refusal('ws://desk.example/', { proxy: proxy.url });
        expect(error, `${said} ${die}`).toMatchObject({ code });
        expect(error.message, `${said} ${die}`).toMatch(/ closed the connection without an answer$/);
      }
    }
  });

  test('a proxy that dies during an open tunnel is an error', async () => {
    const { port, tunnel } = await startTunnel();
    const proxy = await startProxyDouble(passTo(port));
    const stream = connect('ws://desk.example/tunnel', { proxy: proxy.url });
    await once(stream, 'connect');
    const error = failed(stream);
    for (const socket of proxy.sockets) socket.destroy();
    expect(await error).toMatchObject({ code: 'WSTUNNEL_CLOSED', closeCode: 1006 });
    await until(() => tunnel.stats().open === 0);
  });
});

describe("issue 12, case 19: a proxy's endless answer to CONNECT", () => {
  /** More than the buffers of both kernels together, and far less than an unbounded answer. */
  const MOST = 32 * 1024 ** 2;
  const endings = {
    'in one header': (at: number) => (at === 0 ? 'X-More: x' : 'x'.repeat(60_000)),
    'in many headers': (at: number) => `X-More-${at}: ${'x'.repeat(1000)}\r\n`.repeat(60),
    'in its status line': () => 'x'.repeat(60_000),
  };
  const ways = [
    ['http:', 'ws:'],
    ['http:', 'wss:'],
    ['https:', 'ws:'],
    ['https:', 'wss:'],
  ] as const;

  test.each(
    Object.entries(endings).flatMap(([name, more]) =>
      ways.map((way) => ({ name, more, to: way[0], for: way[1] })),
    ),
  )('$name, from a proxy at $to, for $for: an error, and the connection is closed', async (one) => {
    let written = 0;
    const serve: Parameters<typeof startProxyDouble>[0] = ({ socket }) => {
      socket.write(one.name === 'in its status line' ? 'HTTP/1.1 200 ' : 'HTTP/1.1 200 OK\r\n');
      const pump = () => {
        for (let goesOn = true; goesOn && socket.writable && written < 2 * MOST;) {
          const block = one.more(written);
          written += block.length;
          goesOn = socket.write(block);
        }
      };
      socket.on('drain', pump);
      pump();
    };
    const proxy = await startProxyDouble(serve, one.to === 'https:' ? { tls: certificate() } : {});
    const options = { proxy: proxy.url, proxyTls: { ca }, connectTimeout: 60 };
    const error = await refusal(`${one.for}//desk.example/`, options);
    expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_UNREACHABLE' });
    expect(error.message).toMatch(/the header of its answer is too long$/);
    await until(() => proxy.sockets.size === 0);
    expect(written).toBeLessThan(MOST);
  });

  test('a long answer that ends opens the tunnel', async () => {
    const { port } = await startTunnel();
    const long = `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(12_000)}\r\n\r\n`;
    for (const tls of [{}, { tls: certificate() }]) {
      const proxy = await startProxyDouble(passTo(port, long), tls);
      await echoed('ws://desk.example/tunnel', { proxy: proxy.url, proxyTls: { ca } });
    }
  });

  test('endless blank lines are not an answer', async () => {
    const proxy = await startProxyDouble(({ socket }) => {
      const pump = () => {
        while (socket.writable && socket.write('\r\n'.repeat(30_000)));
      };
      socket.on('drain', pump);
      pump();
    });
    const error = await refusal('ws://desk.example/', { proxy: proxy.url, connectTimeout: 60 });
    expect(error.message).toBe(`the proxy 127.0.0.1:${proxy.port} does not answer in HTTP`);
  });
});

describe('forward mode', () => {
  test('sends the upgrade request with credentials for the proxy', async () => {
    const proxy = await startProxyDouble((client, head) => client.send(accepting(head)));
    const stream = connect('ws://desk.example:8080/vnc?token=a', {
      ...{ proxy: `http://ann:secret@127.0.0.1:${proxy.port}`, proxyMode: 'forward', cookies: { sid: '1' } },
    });
    await once(stream, 'connect');
    const [head = ''] = proxy.asked;
    expect(head).toMatch(/^GET http:\/\/desk\.example:8080\/vnc\?token=a HTTP\/1\.1\r\n/);
    expect(head).toMatch(/^host: desk\.example:8080\r$/im);
    expect(head).toMatch(/^cookie: sid=1\r$/im);
    expect(head).toMatch(/^upgrade: websocket\r$/im);
    expect(head).toMatch(/^connection: upgrade\r$/im);
    expect(head).toContain(`Basic ${Buffer.from('ann:secret').toString('base64')}`);
    stream.destroy();
  });

  test('works over TLS to the proxy, whose certificate must name the proxy', async () => {
    const proxy = await startProxyDouble((client, head) => client.send(accepting(head)), {
      tls: certificate(),
    });
    const options = { proxy: `https://localhost:${proxy.port}`, proxyMode: 'forward' } as const;
    const stream = connect('ws://desk.example/vnc', { ...options, proxyTls: { ca } });
    await once(stream, 'connect');
    expect(proxy.asked[0]).toMatch(/^GET http:\/\/desk\.example\/vnc HTTP/);
    stream.destroy();
    const error = await refusal('ws://desk.example/vnc', options);
    expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_UNREACHABLE' });
    expect(error.message).toMatch(/self-signed/);
  });

  test('is refused for wss:, since the proxy would read everything', () => {
    for (const proxy of ['http://127.0.0.1:1', false] as const)
      expect(() => connect('wss://desk.example/', { proxy, proxyMode: 'forward' })).toThrow(
        /proxyMode can be "forward" for ws: only/,
      );
  });

  test('a proxy that refuses, stalls or does not listen is an error', async () => {
    const options = { proxyMode: 'forward', connectTimeout: 10 } as const;
    const unwilling = await startProxyDouble((client) =>
      client.send('HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n'),
    );
    expect(await refusal('ws://desk.example/', { ...options, proxy: unwilling.url })).toMatchObject({
      code: 'WSTUNNEL_PROXY_AUTH',
    });
    const stripping = await startProxyDouble((client) =>
      client.send('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n'),
    );
    expect(await refusal('ws://desk.example/', { ...options, proxy: stripping.url })).toMatchObject({
      ...{ code: 'WSTUNNEL_REFUSED', status: 426 },
    });
    const stalling = await startProxyDouble(() => undefined);
    expect(
      await refusal('ws://desk.example/', { ...options, proxy: stalling.url, connectTimeout: 0.2 }),
    ).toMatchObject({
      code: 'WSTUNNEL_CONNECT_TIMEOUT',
    });
    await until(() => stalling.sockets.size === 0);
    const gone = `http://127.0.0.1:${await closedPort()}`;
    expect(await refusal('ws://desk.example/', { ...options, proxy: gone })).toMatchObject({
      code: 'WSTUNNEL_PROXY_UNREACHABLE',
    });
  });
});

describe('proxies of the environment', () => {
  const refusing = () => startProxyDouble((client) => client.send('HTTP/1.1 403 No\r\n\r\n'));
  const asks = async (url: string, environment: Record<string, string>, options: ConnectOptions = {}) => {
    setProxyEnvironment(environment);
    return refusal(url, { connectTimeout: 5, ...options });
  };

  test('HTTPS_PROXY applies to wss:, HTTP_PROXY to ws:, ALL_PROXY to both, and lower case wins', async () => {
    const [one, two] = [await refusing(), await refusing()];
    const silent = `127.0.0.1:${await closedPort()}`;
    const via = ({ port }: { port: number }) => `the proxy 127.0.0.1:${port} refused: 403 No`;
    const both = { HTTP_PROXY: one.url, HTTPS_PROXY: two.url, ALL_PROXY: `http://${silent}` };
    expect((await asks('ws://desk.example/', both)).message).toBe(via(one));
    expect((await asks('wss://desk.example/', both)).message).toBe(via(two));
    expect((await asks('ws://desk.example/', { ALL_PROXY: two.url })).message).toBe(via(two));
    const lower = { http_proxy: two.url, HTTP_PROXY: one.url };
    expect((await asks('ws://desk.example/', lower)).message).toBe(via(two));
    // A proxy without a scheme.
    const bare = { HTTP_PROXY: `127.0.0.1:${one.port}` };
    expect((await asks('ws://desk.example/', bare)).message).toBe(via(one));
  });

  test('issue 13, case 1: a proxy without a scheme is contacted without TLS, also for wss:', async () => {
    const [one, two] = [await refusing(), await refusing()];
    const via = ({ port }: { port: number }) => `the proxy 127.0.0.1:${port} refused: 403 No`;
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'])
      expect((await asks('wss://desk.example/', { [name]: `127.0.0.1:${one.port}` })).message).toBe(via(one));
    const proxy = `ann:secret@127.0.0.1:${two.port}`;
    for (const url of ['wss://desk.example/', 'ws://desk.example/'])
      expect((await asks(url, {}, { proxy })).message).toBe(via(two));
    const basic = `Proxy-Authorization: Basic ${btoa('ann:secret')}`;
    expect(two.asked.map((head) => head.includes(basic))).toEqual([true, true]);
  });

  test('NO_PROXY names hosts that are reached directly', async () => {
    const proxy = await refusing();
    const { url } = await startByHand((peer) => peer.send('HTTP/1.1 404 No\r\n\r\n'));
    for (const name of ['NO_PROXY', 'no_proxy'])
      expect(await asks(url, { HTTP_PROXY: proxy.url, [name]: 'a.example,127.0.0.1' })).toMatchObject({
        status: 404,
      });
    expect(await asks(url, { HTTP_PROXY: proxy.url, NO_PROXY: 'a.example' })).toMatchObject({ status: 403 });
    expect(await asks(url, { HTTP_PROXY: proxy.url }, { proxy: false })).toMatchObject({ status: 404 });
  });

  test('issue 13, case 2: NO_PROXY accepts ranges, subdomains and IPv6 addresses', async () => {
    const proxy = await refusing();
    const { port } = await startByHand((peer) => peer.send('HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n'));
    for (const [host, list] of [
      ['127.0.0.1', '10.0.0.0/8,127.0.0.0/8'],
      ['127.0.0.1', `127.0.0.1:${port}`],
      ['localhost', '.localhost'],
    ])
      for (const name of ['NO_PROXY', 'no_proxy']) {
        const found = await asks(`ws://${host}:${port}/`, { HTTP_PROXY: proxy.url, [name]: list! });
        expect(found, list).toMatchObject({ status: 404 });
      }
    const other = { HTTP_PROXY: proxy.url, NO_PROXY: '10.0.0.0/8,127.0.0.1:1' };
    expect(await asks(`ws://127.0.0.1:${port}/`, other)).toMatchObject({ status: 403 });
    const wide = await closedPort();
    const bare = { HTTP_PROXY: proxy.url, NO_PROXY: '::1' };
    expect(await asks(`ws://[::1]:${wide}/`, bare)).toMatchObject({ code: 'WSTUNNEL_UNREACHABLE' });
  });

  test('an invalid proxy is an error that does not show its password', () => {
    setProxyEnvironment({ ALL_PROXY: 'socks5://ann:secret@127.0.0.1:1080' });
    expect(() => connect('ws://desk.example/')).toThrow(
      /^wstunnel: the environment's proxy \(ALL_PROXY\) must be an http: or https: URL, or false; got 'socks5:\/\/\*\*\*@127\.0\.0\.1:1080'$/,
    );
  });
});
