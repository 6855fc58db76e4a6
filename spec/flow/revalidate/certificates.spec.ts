import { createServer as createHttps } from 'node:https';
import { createSecureServer } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { certificate, makeCertificate } from '../../support/certificate.js';
import { connectHttp2, openOverHttp2 } from '../../support/http2.js';
import { requestTunnel, type RawClient } from '../../support/raw-client.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { closeOf, echoTunnel, expectOpen, type Marked } from './site.js';

const ann = makeCertificate({ name: 'ann' });
const bob = makeCertificate({ name: 'bob' });

type Listener = Parameters<typeof createHttps>[1];

/** A site whose users are known by their certificates. */
async function start(make: (listener: NonNullable<Listener>, tls: object) => ReturnType<typeof createHttps>) {
  const revoked = new Set<string>();
  const seen = new Map<string, number>();
  const nameOf = (req: Marked) => {
    const socket = req.socket as TLSSocket;
    return socket.authorized ? String(socket.getPeerCertificate().subject.CN) : undefined;
  };
  const tunnel = await echoTunnel({ user: (req: Marked) => nameOf(req) });
  const listener: Listener = (req, res) => {
    const name = nameOf(req);
    if ((req as Marked).wstunnelCheck) seen.set(String(name), (seen.get(String(name)) ?? 0) + 1);
    if (name === undefined || revoked.has(name)) res.writeHead(403).end();
    else tunnel(req, res, () => res.end());
  };
  const ca = [ann.cert, bob.cert];
  const tls = { ...certificate(), ca, requestCert: true, rejectUnauthorized: false };
  const server = make(listener, tls);
  tunnel.attach(server, { path: '/tunnel' });
  await listen(server);
  return { port: portOf(server), tunnel, revoked, seen };
}

const kinds: [string, Parameters<typeof start>[0], (port: number, own: typeof ann) => Promise<RawClient>][] =
  [
    [
      'https',
      (listener, tls) => createHttps(tls, listener),
      async (port, own) => {
        const socket = connectTls({ port, host: '127.0.0.1', ca: certificate().cert, ...own });
        const client = requestTunnel(socket, '/tunnel', { Cookie: 'theme=dark' });
        expect((await client.answer()).status).toBe(101);
        return client;
      },
    ],
    [
      'HTTP/2',
      (listener, tls) =>
        createSecureServer({ ...tls, allowHTTP1: true }, listener as never) as unknown as ReturnType<
          typeof createHttps
        >,
      async (port, own) => openOverHttp2(await connectHttp2(port, own as object), '/tunnel'),
    ],
  ];

test.each(kinds)(
  'each tunnel is checked with the certificate of its own client: %s',
  async (_name, make, openAs) => {
    const { port, revoked, seen } = await start(make);
    const ofAnn = await openAs(port, ann);
    const ofBob = await openAs(port, bob);
    await until(() => (seen.get('ann') ?? 0) >= 3 && (seen.get('bob') ?? 0) >= 3);
    expect([...seen.keys()].sort()).toEqual(['ann', 'bob']);
    revoked.add('bob');
    expect(await closeOf(ofBob)).toBe('1008 the login has ended');
    await expectOpen(ofAnn);
  },
);
