import { createServer as createHttps } from 'node:https';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import express from 'express';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Host } from '../../src/index.js';
import { CHROMIUM, startBrowser } from '../support/browser.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { startHttp2 } from '../support/http2.js';
import { describeWith, Program } from '../support/programs.js';
import { accepts, closedPort, listen, makeTunnel, portOf, startHttp } from '../support/servers.js';
import { until } from '../support/wait.js';
import { startXvnc } from './real-desktop.js';

const NOVNC = fileURLToPath(new URL('..', import.meta.resolve('@novnc/novnc')));

/** The real websockify in front of a VNC server, as the host of a tunnel. */
async function websockify(vnc: number): Promise<Host> {
  const port = await closedPort();
  const program = new Program('websockify', [`127.0.0.1:${port}`, `127.0.0.1:${vnc}`]);
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`it ended: ${program.output}`);
    return accepts({ port });
  });
  return { url: `ws://127.0.0.1:${port}/websockify` };
}

/** A server with TLS that speaks one subprotocol only, in front of a VNC server: `answer` is the status for a request, or 101. */
async function secured(
  vnc: number,
  subprotocol: string,
  answer: (url: URL, headers: NodeJS.Dict<string | string[]>) => number,
) {
  const https = createHttps(certificate());
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol });
  https.on('upgrade', (req, socket, head) => {
    const offered = String(req.headers['sec-websocket-protocol']).split(', ');
    const status = offered.includes(subprotocol)
      ? answer(new URL(req.url ?? '', 'wss://localhost'), req.headers)
      : 400;
    if (status !== 101) return void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    server.handleUpgrade(req, socket, head, (webSocket) => {
      const stream = createWebSocketStream(webSocket);
      const desktop = connect(vnc, '127.0.0.1');
      for (const end of [stream, desktop])
        end.on('error', () => [stream, desktop].map((one) => one.destroy()));
      stream.pipe(desktop).pipe(stream);
    });
  });
  onCleanup(() => {
    for (const one of server.clients) one.terminate();
  });
  await listen(https);
  return `wss://localhost:${portOf(https)}`;
}

/** As Proxmox: a ticket of the query opens one console, for a user with a cookie. */
async function proxmox(vnc: number): Promise<Host> {
  const tickets = new Set(['PVEVNC:secret+/=']);
  const url = await secured(vnc, 'binary', ({ searchParams }, { cookie }) =>
    cookie === 'PVEAuthCookie=PVE:cookie-secret' && tickets.delete(searchParams.get('vncticket') ?? '')
      ? 101
      : 401,
  );
  const query = `port=5900&vncticket=${encodeURIComponent('PVEVNC:secret+/=')}`;
  return {
    url: `${url}/api2/json/nodes/pve/qemu/100/vncwebsocket?${query}`,
    subprotocol: 'binary',
    headers: { Cookie: 'PVEAuthCookie=PVE:cookie-secret' },
    tls: { ca: certificate().cert },
  };
}

/** As KubeVirt: another subprotocol than noVNC's, and a bearer token. */
async function kubevirt(vnc: number): Promise<Host> {
  const url = await secured(vnc, 'plain.kubevirt.io', (_, { authorization }) =>
    authorization === 'Bearer token-secret' ? 101 : 403,
  );
  return {
    url: `${url}/apis/subresources.kubevirt.io/v1/namespaces/lab/virtualmachineinstances/desk/vnc`,
    subprotocol: 'plain.kubevirt.io',
    headers: { Authorization: 'Bearer token-secret' },
    tls: { ca: certificate().cert },
  };
}

/** A page with noVNC, and a tunnel. */
function makeApp(host: Host, offersBinary: boolean) {
  const tunnel = makeTunnel({ server: host, closeTimeout: 2 });
  const events: unknown[] = [];
  for (const name of ['open', 'close', 'refuse', 'backend'] as const)
    tunnel.on(name, (info: unknown) => events.push(info));
  const app = express().set('env', 'test');
  app.use('/novnc', express.static(NOVNC));
  app.get('/', (_, res) => {
    res.send(`<!doctype html><title>desk</title><div id="screen" style="width: 800px; height: 500px"></div>
      <script type="module">
        import RFB from '/novnc/core/rfb.js';
        const url = location.origin.replace('http', 'ws') + '/tunnel';
        const rfb = new RFB(document.querySelector('#screen'), url, { wsProtocols: ${offersBinary ? "['binary']" : '[]'} });
        rfb.addEventListener('disconnect', () => (document.title = 'disconnected'));
      </script>`);
  });
  app.use('/tunnel', tunnel);
  return { app, tunnel, events };
}

/** Resolves when the terminal of the desktop is drawn. */
async function shows(page: Page, name: string): Promise<void> {
  await page.waitForFunction(() => {
    const canvas = document.querySelector('canvas');
    if (document.title === 'disconnected') throw new Error('the desktop has disconnected');
    if (canvas?.width !== 800) return false;
    const { data = new Uint8ClampedArray() } = canvas.getContext('2d')?.getImageData(0, 0, 200, 100) ?? {};
    return new Set(new Uint32Array(data.buffer)).size > 1;
  });
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });
}

const BACKENDS = { websockify, proxmox, kubevirt };

const CASES = (['frames', 'bytes'] as const).flatMap(
  (mode) =>
    [
      ['websockify', mode, 'binary'],
      ['proxmox', mode, 'binary'],
      ['kubevirt', mode, 'binary'],
      ['kubevirt', mode, 'no subprotocol'],
    ] as const,
);

describeWith(
  CHROMIUM ?? 'chromium',
  'Xvnc',
  'xterm',
  'websockify',
  'openssl',
)('issue 18: noVNC and a desktop behind a WebSocket', () => {
  test.each(CASES)(
    '%s in %s mode shows the desktop to a page that offers %s, until end()',
    { timeout: 60_000 },
    async (name, mode, offered) => {
      const { port: vnc } = await startXvnc({ withTerminal: true });
      const { app, tunnel, events } = makeApp({ ...(await BACKENDS[name](vnc)), mode }, offered === 'binary');
      const { port } = await startHttp(app);
      const page = await (await startBrowser()).newPage();
      await page.goto(`http://127.0.0.1:${port}/`);
      await shows(page, `${name}-${mode}-${offered}`);
      expect(tunnel.end(() => true, 1008, 'out')).toBe(1);
      await page.waitForFunction(() => document.title === 'disconnected');
      await until(() => tunnel.stats().open === 0);
      expect(events).toHaveLength(2);
      expect(inspect([events, tunnel.stats()], { depth: 9 })).not.toMatch(/secret/);
    },
  );

  test.each(['frames', 'bytes'] as const)(
    'websockify in %s mode shows the desktop to a page over HTTP/2',
    { timeout: 60_000 },
    async (mode) => {
      const { port: vnc } = await startXvnc({ withTerminal: true });
      const { app, tunnel } = makeApp({ ...(await websockify(vnc)), mode }, false);
      const { server, port } = await startHttp2(app);
      const protocols: unknown[] = [];
      server.on('session', (session) =>
        session.on('stream', (_, headers) => void protocols.push(headers[':protocol'])),
      );
      const page = await (await startBrowser(undefined, ['--ignore-certificate-errors'])).newPage();
      await page.goto(`https://localhost:${port}/`);
      await shows(page, `http2-${mode}`);
      expect(protocols).toContain('websocket');
      expect(tunnel.stats()).toMatchObject({ open: 1 });
    },
  );
});
