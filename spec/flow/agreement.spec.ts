import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Program } from '../support/programs.js';
import { openRaw } from '../support/raw-client.js';
import { startBackend, startTunnel } from '../support/servers.js';

/** The port of a tunnel in a process of its own. */
async function startElsewhere(...args: string[]): Promise<number> {
  const program = new Program(process.execPath, [join(import.meta.dirname, 'agreement-server.mjs'), ...args]);
  const [, port = ''] = await program.prints(/PORT=(\d+)/);
  return Number(port);
}

test.each(['sticky', 'hash'] as const)(
  'balance: %s chooses the same host in every process, whatever the order of the hosts, and with no shared state',
  async (balance) => {
    const greet = (name: string) => startBackend((socket) => socket.end(name));
    const backends = await Promise.all(['a', 'b', 'c', 'd'].map(greet));
    const ports = backends.map(({ port }) => String(port));
    const server = backends.map(({ port }) => ({ port }));
    const stickyKey = {
      stickyKey: (req: { headers: object }) => (req.headers as { 'x-key': string })['x-key'],
    };
    const { port: here } = await startTunnel({ server, balance, ...(balance === 'sticky' && stickyKey) });
    const there = await startElsewhere(balance, ...ports);
    const reversed = await startElsewhere(balance, ...ports.toReversed());
    const chosen = async (port: number, key: string) => {
      const headers = balance === 'sticky' ? { 'X-Key': key } : { Host: `${key}.example` };
      const client = await openRaw(port, '/tunnel', { ...headers, Origin: undefined });
      const name = (await client.payload(1)).toString();
      client.socket.destroy();
      return name;
    };
    const keys = Array.from({ length: 24 }, (_, index) => `desk-${index}`);
    const seen = new Set<string>();
    for (const key of keys) {
      const names = [await chosen(here, key), await chosen(there, key), await chosen(reversed, key)];
      expect(new Set(names).size, `${key}: ${names.join()}`).toBe(1);
      seen.add(names[0]!);
    }
    expect(seen.size).toBeGreaterThan(2);
  },
);
