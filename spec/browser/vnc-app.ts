import express from 'express';
import { wstunnel, type Host, type Tunnel, type VncOptions } from '../../src/index.js';
import { NOVNC } from '../../demo/pages.js';
import type { BrowserPage, BrowserPages } from '../support/browser-page.js';
import { onCleanup } from '../support/cleanup.js';
import { startApp } from '../support/servers.js';

/** What the page of `startVncApp` offers to scripts of a spec. */
export interface VncWindow {
  readonly rfb: { viewOnly: boolean; sendCtrlAltDel(): void; clipboardPasteFrom(text: string): void };
  readonly socket: WebSocket;
}

/** An app with noVNC at `/ROLE` for each role; the page connects at once, without a password. */
export async function startVncApp(
  server: Host,
  roles: Readonly<Record<string, VncOptions>>,
): Promise<{ tunnel: Tunnel; url: string }> {
  const tunnel = wstunnel({
    server,
    // Browsers hide the status of a refused upgrade, and show a close code and a reason.
    refuseWith: 'close',
    vnc: (req) => roles[new URL(req.url ?? '', 'http://localhost').searchParams.get('role') ?? ''],
  });
  onCleanup(() => tunnel.close({ timeout: 0.2 }));
  const { port } = await startApp((app) => {
    app.use('/novnc', express.static(NOVNC, { index: false }));
    app.use('/tunnel', tunnel);
    app.get('/:role', (_req, res) => {
      res.send(PAGE);
    });
  });
  return { tunnel, url: `http://127.0.0.1:${port}` };
}

/** `<body data-state>` is `connected`, or `closed` with the code and the reason as text. Only an operator asks politely to share. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>desk</title><link rel="icon" href="data:,">
<style>body { margin: 0 } #screen { width: 800px; height: 500px }</style>
<div id="screen"></div><p></p>
<script type="module">
import RFB from '/novnc/core/rfb.js';
const role = location.pathname.slice(1);
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/tunnel?role=' + role);
socket.addEventListener('close', ({ code, reason }) => {
  document.querySelector('p').textContent = code + ' ' + reason;
  document.body.dataset.state = 'closed';
});
const rfb = new RFB(document.querySelector('#screen'), socket, { shared: role === 'operator' });
rfb.addEventListener('connect', () => (document.body.dataset.state = 'connected'));
rfb.addEventListener('credentialsrequired', () => (document.body.dataset.state = 'asks'));
Object.assign(window, { rfb, socket });
</script>`;

/** Opens the page of a role. */
export async function openRole(browser: BrowserPages, url: string, role: string): Promise<BrowserPage> {
  const page = await browser.newPage();
  await page.goto(`${url}/${role}`);
  return page;
}

/** Resolves to the close code and the reason on the page, such as `1001 idle`. */
export async function closedOf(page: BrowserPage): Promise<string> {
  await page.waitForSelector('[data-state="closed"]');
  return page.evaluate(() => document.querySelector('p')?.textContent ?? '');
}

/** Resolves when the page has the picture: the text of the xterm. */
export async function showsDesktop(page: BrowserPage): Promise<void> {
  await page.waitForSelector('[data-state="connected"]');
  await page.waitForFunction(() => {
    const { data = new Uint8ClampedArray() } =
      document.querySelector('canvas')?.getContext('2d')?.getImageData(0, 0, 200, 100) ?? {};
    return new Set(new Uint32Array(data.buffer)).size > 1;
  });
}

/** The number of pixels of the xterm that differ from its most frequent colour. */
export function inkOfShell(page: BrowserPage): Promise<number> {
  return page.evaluate(() => {
    const { data = new Uint8ClampedArray() } =
      document.querySelector('canvas')?.getContext('2d')?.getImageData(0, 0, 500, 300) ?? {};
    const counts = new Map<number, number>();
    for (const pixel of new Uint32Array(data.buffer)) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
    return 500 * 300 - Math.max(...counts.values());
  });
}

export function sizeOf(page: BrowserPage): Promise<string> {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    return `${canvas?.width}x${canvas?.height}`;
  });
}

/** Types a line into the xterm as a user does: with the keyboard, the pointer above the xterm. */
export async function typeLine(page: BrowserPage, line: string): Promise<void> {
  await page.bringToFront();
  await page.mouse.click(200, 250);
  await page.keyboard.type(`${line}\n`);
}
