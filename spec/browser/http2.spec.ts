import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express, { type Request } from 'express';
import session from 'express-session';
import { expect, test } from 'vitest';
import { startBrowser } from '../support/browser.js';
import { onCleanup } from '../support/cleanup.js';
import { startHttp2 } from '../support/http2.js';
import { describeWith } from '../support/programs.js';
import { makeTunnel, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

/** Sends a number of bytes and returns the echo. */
const echoOnPage = (length: number) =>
  new Promise<string>((resolve) => {
    const socket = new WebSocket(`wss://${location.host}/tunnel`, 'binary');
    socket.binaryType = 'arraybuffer';
    let got = 0;
    socket.onopen = () => socket.send(new Uint8Array(length).fill(7));
    socket.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data as ArrayBuffer);
      if (bytes.some((byte) => byte !== 7)) resolve('wrong bytes');
      got += bytes.length;
      if (got === length) socket.close(1000);
    };
    socket.onclose = ({ code, wasClean }) =>
      resolve(`${got} bytes, ${code}, ${wasClean}, ${document.cookie}`);
  });

interface NetLog {
  readonly constants: { readonly logEventTypes: Record<string, number> };
  readonly events: readonly { readonly type: number; readonly params?: { readonly headers?: unknown } }[];
}

describeWith('chromium', 'openssl')('over HTTP/2', () => {
  test('a page of an Express app opens the tunnel by extended CONNECT', async () => {
    const { port: backend } = await startEcho();
    const versions: unknown[] = [];
    const tunnel = makeTunnel({ server: { port: backend } });
    const app = express();
    app.use(session({ secret: 's', resave: false, saveUninitialized: false, cookie: { secure: true } }));
    app.get('/', (req, res) => {
      (req.session as unknown as { user: string }).user = 'ann';
      res.send('<!doctype html><title>page</title>');
    });
    app.use(
      '/tunnel',
      (req: Request, res, next) => {
        if ((req.session as unknown as { user?: string }).user !== 'ann') return void res.sendStatus(401);
        versions.push(req.secure);
        res.cookie('tunnel', 'was-here', { secure: true });
        next();
      },
      tunnel,
    );
    const { port } = await startHttp2(app);
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-netlog-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const log = join(folder, 'net.json');
    const context = await startBrowser(undefined, [
      '--ignore-certificate-errors',
      `--log-net-log=${log}`,
      '--net-log-capture-mode=IncludeSensitive',
    ]);
    const page = await context.newPage();
    await page.goto(`https://localhost:${port}/`);
    expect(await page.title()).toBe('page');
    expect(await page.evaluate(echoOnPage, 300_000)).toBe('300000 bytes, 1000, true, tunnel=was-here');
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats()).toMatchObject({ opened: 1, closed: { 1000: 1 } });
    expect(versions).toEqual([true]);

    // A client without a login is refused, and the page learns no more than over HTTP/1.1.
    await context.clearCookies();
    expect(await page.evaluate(echoOnPage, 1)).toBe('0 bytes, 1006, false, ');

    // The log is written at the end of the process.
    await context.browser()?.close();
    const { constants, events } = JSON.parse(await readFile(log, 'utf8')) as NetLog;
    const sent = events
      .filter(({ type }) => type === constants.logEventTypes['HTTP2_SESSION_SEND_HEADERS'])
      .map(({ params }) => JSON.stringify(params?.headers));
    const connects = sent.filter((headers) => headers.includes(':method: CONNECT'));
    expect(connects).toHaveLength(2);
    for (const headers of connects) {
      expect(headers).toContain(':protocol: websocket');
      expect(headers).toContain(':path: /tunnel');
    }
  });
});
