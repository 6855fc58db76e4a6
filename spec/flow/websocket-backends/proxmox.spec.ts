import { inspect } from 'node:util';
import { expect, test, vi } from 'vitest';
import type { Host } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { onCleanup } from '../../support/cleanup.js';
import { describeWith } from '../../support/programs.js';
import { frame, openRaw, statusOf } from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { accepting, plain, startByHand } from '../../support/websocket-server.js';

const TICKET = 'PVEVNC:6565:secret+ticket/=';
const COOKIE = 'PVEAuthCookie=PVE:ann@pve:secret-cookie';

/** A double of Proxmox: a ticket opens one console, for the user of the cookie, with the subprotocol `binary`. */
async function startProxmox() {
  const tickets = new Set([TICKET]);
  return startByHand(
    async (peer, asked) => {
      const [, path = ''] = asked.split(' ');
      const ticket = new URL(path, 'wss://pve').searchParams.get('vncticket') ?? '';
      const isKnown = asked.includes(`\r\nCookie: ${COOKIE}\r\n`) && tickets.delete(ticket);
      if (!isKnown || !/^sec-websocket-protocol: binary\r$/im.test(asked)) {
        peer.send('HTTP/1.1 401 No ticket\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      peer.send(accepting(asked, { 'Sec-WebSocket-Protocol': 'binary' }), plain(2, 'RFB 003.008\n'));
      for (let next = await peer.frame(); next; next = await peer.frame())
        peer.send(plain(next.opcode, next.payload));
    },
    { tls: certificate() },
  );
}

/** All lines of the log from now on. */
function watchLog(): string[] {
  const lines: string[] = [];
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  onCleanup(() => stderr.mockRestore());
  return lines;
}

describeWith('openssl')('issue 18: a console of Proxmox', () => {
  test.each<['frames' | 'bytes', Host]>([
    ['frames', {}],
    ['bytes', {}],
    ['frames', { passStatus: false }],
    ['frames', { tls: true }],
    ['bytes', { tls: true }],
  ])('in %s mode shows ticket and cookie in no log, event or count, with %o', async (mode, options) => {
    const lines = watchLog();
    const { port: pve } = await startProxmox();
    const path = `/api2/json/nodes/pve/qemu/100/vncwebsocket?port=5900&vncticket=${encodeURIComponent(TICKET)}`;
    const { port, tunnel } = await startTunnel({
      server: () => ({
        url: `wss://localhost:${pve}${path}`,
        ...{ mode, subprotocol: 'binary', headers: { Cookie: COOKIE }, tls: { ca: certificate().cert } },
        ...options,
      }),
      debug: 4,
      closeTimeout: 0.2,
    });
    const events: unknown[] = [];
    for (const name of ['open', 'close', 'refuse', 'backend'] as const)
      tunnel.on(name, (info: unknown) => events.push(info));
    if (options.tls === true) expect(await statusOf(port)).toBe(502);
    else {
      const client = await openRaw(port, '/tunnel', { 'Sec-WebSocket-Protocol': 'binary' });
      expect((await client.payload(12)).toString()).toBe('RFB 003.008\n');
      client.send(frame(2, 'RFB 003.008\n'));
      expect((await client.payload(12)).toString()).toBe('RFB 003.008\n');
      expect(tunnel.end(() => true)).toBe(1);
      await until(() => events.length === 2);
      // The ticket opens no second console.
      expect(await statusOf(port)).toBe(options.passStatus === false ? 502 : 401);
    }
    await until(() => events.some((event) => inspect(event).includes('WSTUNNEL_')));
    const seen = inspect([events, tunnel.stats(), tunnel.tunnels(), lines], {
      depth: 9,
      maxStringLength: 1e6,
    });
    expect(lines.length).toBeGreaterThan(1);
    expect(seen).not.toMatch(/secret/);
  });
});
