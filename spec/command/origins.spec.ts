import { describe, expect, test } from 'vitest';
import { runCommand, startCommand } from '../support/command.js';
import { handshake, RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';

const NATIVE = [
  ...['null', 'file://', 'tauri://localhost', 'capacitor://localhost', 'ionic://localhost', 'app://desk'],
  ...[
    'chrome-extension://aapocclcgogkmnckokdopfmhonfmgoek',
    'moz-extension://0b1c2d3e-0000-4000-8000-000000000000',
  ],
];

async function statusOf(port: number, origin: string): Promise<number> {
  const client = new RawClient(port).send(handshake('/', { Host: `127.0.0.1:${port}`, Origin: origin }));
  return (await client.answer()).status;
}

describe('issue 12, case 30: origins of native apps and extensions', () => {
  test('--origin lets each of them in, and no other', async () => {
    const { port: target } = await startEcho();
    for (const origin of NATIVE) {
      const { port } = await startCommand([
        '0',
        String(target),
        '--origin',
        `https://desk.example,${origin}`,
      ]);
      const passing = (await Promise.all(NATIVE.map((one) => statusOf(port, one)))).map(
        (status) => status === 101,
      );
      expect(NATIVE.filter((_, index) => passing[index])).toEqual([origin]);
      expect(await statusOf(port, 'https://desk.example')).toBe(101);
      expect(await statusOf(port, `http://127.0.0.1:${port}`)).toBe(403);
    }
  });

  test('none of them is let in by default', async () => {
    const { port: target } = await startEcho();
    const { port } = await startCommand(['0', String(target)]);
    for (const origin of NATIVE) expect(await statusOf(port, origin), origin).toBe(403);
  });

  test('null is every site: the start says so', async () => {
    const { program } = await startCommand(['0', '1', '--origin', 'null']);
    await program.prints(/beware: pages of every site may open a tunnel.*--origin has "null"/);
  });

  test.each(['ftp://a.b', 'ws://a.b', 'tauri://localhost/x', 'app://*', 'data://x', '://x', 'app:x'])(
    '--origin %s is refused at the start',
    async (origin) => {
      const { code, stderr } = await runCommand(['0', '5900', '--origin', origin]);
      expect({ code, names: stderr.includes(origin) }).toEqual({ code: 2, names: true });
    },
  );
});
