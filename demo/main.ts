import { parseArgs } from 'node:util';
import type { Request } from 'express';
import type { ServerOption } from 'express-wstunnel';
import { startDemo } from './app.js';
import { startDesktop } from './desktop/index.js';
import { desktopOf, missingForDesktops } from './spawned.js';

const DEFAULT_PASSWORD = 'demo';

const HELP = `A noVNC page behind a login, on express-wstunnel.

  npm run demo                              the embedded desktop
  npm run demo -- --vnc 127.0.0.1:5900      a real VNC server
  npm run demo -- --vnc /run/vnc.sock       one on a unix socket
  npm run demo -- --spawn                   a real desktop for each login (Xvnc)

  --host ADDRESS      where to listen (127.0.0.1)
  --port PORT         (8080; 0 takes a free one)
  --user NAME         (demo)
  --password TEXT     (demo, on loopback only)
`;

class UsageError extends Error {}

try {
  await main();
} catch (error) {
  const known = error instanceof UsageError || (error as { code?: string }).code !== undefined;
  console.error(known ? (error as Error).message : error);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      vnc: { type: 'string' },
      spawn: { type: 'boolean', default: false },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      user: { type: 'string', default: 'demo' },
      password: { type: 'string', default: DEFAULT_PASSWORD },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const { host, user: username, password } = values;
  const port = readPort(values.port, 0);
  if (password === DEFAULT_PASSWORD && !isLoopback(host))
    throw new UsageError(
      `${host} can be reached from outside: choose a password of your own with --password.`,
    );

  if (values.spawn && values.vnc !== undefined) throw new UsageError('Give either --vnc or --spawn.');
  const missing = values.spawn ? missingForDesktops() : undefined;
  if (missing !== undefined) throw new UsageError(missing);

  const embedded = values.vnc === undefined && !values.spawn ? await startDesktop() : undefined;
  const vnc = embedded ? { host: embedded.host, port: embedded.port } : readTarget(values.vnc);
  const desktop = values.spawn ? 'a desktop of its own' : (values.vnc ?? 'embedded desktop');
  const demo = await startDemo({ host, port, username, password, vnc, desktop });

  const shown = host.includes(':') ? `[${host}]` : host;
  console.log(`
  express-wstunnel demo

    open      http://${shown}:${demo.port}/
    user      ${username}
    password  ${password === DEFAULT_PASSWORD ? password : '(the one you gave)'}
    desktop   ${desktop}

  Ctrl-C ends it.
`);

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      void demo.close().then(() => embedded?.close());
    });
}

/** Without an address each login has its own. */
function readTarget(text: string | undefined): ServerOption<Request> {
  if (text === undefined) return desktopOf;
  if (text.startsWith('/')) return { socket: text };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text);
  if (!match) throw new UsageError(`--vnc takes host:port or the path of a unix socket, not "${text}".`);
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port: readPort(match[3] ?? '', 1) };
}

function readPort(text: string, least: number): number {
  const port = Number(text);
  if (text === '' || !Number.isInteger(port) || port < least || port > 65535)
    throw new UsageError(`"${text}" is no port: give a number from ${least} to 65535.`);
  return port;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
