import { describe, expect, test } from 'vitest';
import { runCommand, startCommand } from '../support/command.js';
import { requestTunnel, statusOf } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';

const NATIVE = [
  ...['null', 'file://', 'tauri://localhost', 'capacitor://localhost', 'ionic://localhost', 'app://desk'],
  ...[
    'chrome-extension://aapocclcgogkmnckokdopfmhonfmgoek',
    'moz-extension://0b1c2d3e-0000-4000-8000-000000000000',
  ],
];

function statusFrom(port: number, origin: string): Promise<number> {
  return statusOf(port, '/', { Host: `127.0.0.1:${port}`, Origin: origin });
}

describe('issue 12, case 30: origins of native apps and browser extensions', () => {
  test('--origin admits the listed origin and no other', async () => {
    const { port: target } = await startEcho();
    for (const origin of NATIVE) {
      const { port } = await startCommand([
        '0',
        String(target),
        '--origin',
        `https://desk.example,${origin}`,
      ]);
      const passing = (await Promise.all(NATIVE.map((one) => statusFrom(port, one)))).map(
        (status) => status === 101,
      );
      expect(NATIVE.filter((_, index) => passing[index])).toEqual([origin]);
      expect(await statusFrom(port, 'https://desk.example')).toBe(101);
      expect(await statusFrom(port, `http://127.0.0.1:${port}`)).toBe(403);
    }
  });

  test('the default admits no native app and no browser extension', async () => {
    const { port: target } = await startEcho();
    const { port } = await startCommand(['0', String(target)]);
    for (const origin of NATIVE) expect(await statusFrom(port, origin), origin).toBe(403);
  });

  test('with --origin null a warning at the start says that every site can open tunnels', async () => {
    const { program } = await startCommand(['0', '1', '--origin', 'null']);
    await program.prints(/warning: pages of every site may open tunnels.*--origin has "null"/);
  });

  test.each(['ftp://a.b', 'ws://a.b', 'tauri://localhost/x', 'app://*', 'data://x', '://x', 'app:x'])(
    '--origin %s is refused at the start',
    async (origin) => {
      const { code, stderr } = await runCommand(['0', '5900', '--origin', origin]);
      expect({ code, names: stderr.includes(origin) }).toEqual({ code: 2, names: true });
    },
  );
});

describe('issue 13, case 7: the report of a refused page names the option that admits it', () => {
  /** The line about a refused page of https://desk.example, without --verbose. */
  async function reportOf(args: readonly string[], headers: Record<string, string>): Promise<string> {
    const { port: target } = await startEcho();
    const { port, program } = await startCommand([...args, '--listen', '0', String(target)]);
    for (let i = 0; i < 2; i++) {
      const client = requestTunnel(port, '/', { Origin: 'https://desk.example', ...headers });
      expect((await client.answer()).status).toBe(403);
    }
    const [line = ''] = await program.prints(/^.*was refused.*$/m);
    expect(program.output.match(/was refused/g)).toHaveLength(1);
    return line;
  }

  test('an origin missing from --origin: the report names --origin', async () => {
    expect(await reportOf(['--origin', 'https://other.example'], { Host: 'desk.example' })).toBe(
      'express-wstunnel: a page of "https://desk.example" was refused: --origin https://desk.example allows its pages',
    );
  });

  test('a proxy that changes the Host header: the report names --origin', async () => {
    expect(await reportOf([], { Host: '127.0.0.1:6080' })).toMatch(
      /refused: the request was for the host 127\.0\.0\.1:6080; --origin https:\/\/desk\.example allows its pages/,
    );
  });

  test('a proxy that sends X-Forwarded-Host: the report names --trust-proxy with the address', async () => {
    const headers = { Host: '127.0.0.1:6080', 'X-Forwarded-Host': 'desk.example' };
    expect(await reportOf([], headers)).toMatch(/if 127\.0\.0\.1 is your proxy, --trust-proxy 127\.0\.0\.1/);
  });

  test('a proxy that keeps the Host header: the report names --name', async () => {
    expect(await reportOf([], { Host: 'desk.example' })).toMatch(
      /start with --name desk\.example \(or --origin\)/,
    );
  });

  test('each of these options admits the page', async () => {
    const { port: target } = await startEcho();
    const forwarded = { Host: '127.0.0.1:6080', 'X-Forwarded-Host': 'desk.example' };
    for (const [args, headers] of [
      [['--origin', 'https://desk.example'], { Host: '127.0.0.1:6080' }],
      [['--trust-proxy', '127.0.0.1', '--name', 'desk.example'], forwarded],
      [['--name', 'desk.example'], { Host: 'desk.example' }],
    ] as const) {
      const { port, program } = await startCommand([...args, '--listen', '0', String(target)]);
      const client = requestTunnel(port, '/', { Origin: 'https://desk.example', ...headers });
      expect((await client.answer()).status).toBe(101);
      expect(program.output).not.toContain('was refused');
    }
  });

  test('--origin refuses a client without an Origin header with 400, and reports it once', async () => {
    const { port: target } = await startEcho();
    const { port, program } = await startCommand(['0', String(target), '--origin', 'https://desk.example']);
    for (let i = 0; i < 2; i++) expect(await statusOf(port, '/')).toBe(400);
    await program.prints(/a client without an Origin header was refused/);
    expect(program.output.match(/was refused/g)).toHaveLength(1);
  });
});
