import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { beforeEach, describe, expect, test } from 'vitest';
import { connect, type ClientError, type ConnectOptions } from '../../../src/client/index.js';
import { certificate } from '../../support/certificate.js';
import { files, runCommand } from '../../support/command.js';
import { passTo, startProxyDouble } from '../../support/proxy-double.js';
import { listen, portOf } from '../../support/servers.js';
import { failed, setProxyEnvironment, startByHand } from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

const { cert: ca } = certificate();
const NO = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n';

const refusal = (url: string, options: ConnectOptions): Promise<ClientError> => failed(connect(url, options));

/** A server that answers 404 and records the Host headers and SNI names of its clients. */
async function startNamed() {
  const names: { sni: string; host: string }[] = [];
  const server = createTlsServer(certificate(), (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    socket.once('data', (head: Buffer) => {
      const sni = String(socket.servername);
      names.push({ sni, host: /^host: (.*)$/im.exec(head.toString())?.[1]?.trim() ?? 'none' });
      socket.end(NO);
    });
  });
  server.on('tlsClientError', () => undefined);
  await listen(server);
  return { port: portOf(server), names };
}

describe('issue 13, case 14: a server reached under another name', () => {
  test.each(['desk.example', 'desk.example:8443', '[2001:db8::1]', '[2001:db8::1]:80', 'DESK.example'])(
    "hostHeader %s becomes the Host header, and the connection goes to the URL's host",
    async (hostHeader) => {
      const heads: string[] = [];
      const { url } = await startByHand((peer, head) => {
        heads.push(head);
        peer.send(NO);
      });
      expect(await refusal(url, { hostHeader })).toMatchObject({ code: 'WSTUNNEL_REFUSED', status: 404 });
      expect(heads.map((head) => head.match(/^host: .*$/gim))).toEqual([[`host: ${hostHeader}`]]);
    },
  );

  test('tls.servername is the SNI name, and the certificate must be for it', async () => {
    const { port, names } = await startNamed();
    const url = `wss://127.0.0.1:${port}/`;
    const found = await refusal(url, {
      hostHeader: 'desk.example',
      tls: { ca, servername: 'localhost' },
    });
    expect(found).toMatchObject({ status: 404 });
    expect(names).toEqual([{ sni: 'localhost', host: 'desk.example' }]);
    const wrong = await refusal(url, { tls: { ca, servername: 'desk.example' } });
    expect(wrong).toMatchObject({ code: 'WSTUNNEL_TLS' });
    expect(wrong.message).toMatch(/desk\.example\. is not in the cert's altnames/);
  });

  test('a proxy gets the host of the URL', async () => {
    const { port, names } = await startNamed();
    const proxy = await startProxyDouble(passTo(port));
    const options = { proxy: proxy.url, hostHeader: 'desk.example', tls: { ca, servername: 'localhost' } };
    expect(await refusal('wss://192.0.2.7:8443/', options)).toMatchObject({ status: 404 });
    expect(proxy.asked[0]).toMatch(/^CONNECT 192\.0\.2\.7:8443 HTTP\/1\.1\r\nHost: 192\.0\.2\.7:8443\r\n/i);
    expect(names).toEqual([{ sni: 'localhost', host: 'desk.example' }]);
  });

  test.each(['', 'a b', 'a/b', 'a@b', 'a?b', 'http://a', 'a:b', '::1', 'a\r\nb: c', 5])(
    'hostHeader %j is refused',
    (hostHeader) => {
      const options = { hostHeader } as ConnectOptions;
      expect(() => connect('ws://127.0.0.1:1/', options)).toThrow(/hostHeader must be a host or host:port/);
    },
  );

  test('hostHeader is refused in forward mode, where a proxy would follow it', () => {
    for (const proxy of ['http://127.0.0.1:1', false as const])
      expect(() =>
        connect('ws://127.0.0.1:1/', { proxy, proxyMode: 'forward', hostHeader: 'desk.example' }),
      ).toThrow(
        /hostHeader can't be used with proxyMode "forward": the proxy finds the server by the Host header/,
      );
  });

  test('the command has both options as --host-header and --servername', async () => {
    const { port, names } = await startNamed();
    const { file = '' } = await files({ file: ca });
    const flags = ['--host-header', 'desk.example:8443', '--servername', 'localhost'];
    const args = ['connect', `wss://127.0.0.1:${port}/`, '--direct', '--ca', file, ...flags];
    expect(await runCommand(args)).toMatchObject({ code: 6 });
    expect(names).toEqual([{ sni: 'localhost', host: 'desk.example:8443' }]);
  });
});
