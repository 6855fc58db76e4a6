import { startDemo, type Demo } from './app.js';
import { HELP, readArguments, shownHost, UsageError, type Arguments } from './arguments.js';
import { startDesktop } from './desktop/index.js';

const DEFAULT_PORT = 8080;
/** The number of ports to try without --port. */
const TRIES = 20;

try {
  const given = readArguments(process.argv.slice(2));
  if (given) await main(given);
  else console.log(HELP);
} catch (error) {
  const known = error instanceof UsageError || (error as { code?: string }).code !== undefined;
  console.error(known ? (error as Error).message : error);
  process.exitCode = 1;
}

async function main(given: Arguments): Promise<void> {
  const { host, port = DEFAULT_PORT, username, password, desktop } = given;
  let demo: Demo | undefined;
  // The chart on the desktop shows the bytes that the tunnel carries.
  const traffic = () => demo?.tunnel.stats() ?? { bytesIn: 0, bytesOut: 0 };
  const embedded = given.vnc === undefined ? await startDesktop({ traffic }) : undefined;
  try {
    const vnc = given.vnc ?? { host: embedded?.host ?? host, port: embedded?.port ?? 0 };
    const tries = given.port === undefined ? TRIES : 1;
    demo = await startDemo({ host, port, tries, username, password, vnc, desktop });
  } catch (error) {
    // Otherwise the embedded desktop would keep the process alive.
    await embedded?.close();
    throw explained(error, given);
  }

  const moved = port !== 0 && demo.port !== port ? `   (port ${port} is in use)` : '';
  console.log(`
  express-wstunnel demo

    open      http://${shownHost(host)}:${demo.port}/${moved}
    user      ${username}
    password  ${given.isRandom ? password : '(as given by --password)'}
    desktop   ${desktop}

  Ctrl-C ends it.
`);

  const started = demo;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      void started.close().then(() => embedded?.close());
    });
}

function explained(error: unknown, { host, port }: Arguments): unknown {
  const { code } = error as { code?: string };
  const [ports, are] =
    port === undefined
      ? [`Ports ${DEFAULT_PORT} to ${DEFAULT_PORT + TRIES - 1} of ${host}`, 'are']
      : [`Port ${port} of ${host}`, 'is'];
  const way = 'choose another one with --port; --port 0 takes any free one.';
  if (code === 'EADDRINUSE') return new UsageError(`${ports} ${are} in use: ${way}`);
  if (code === 'EACCES') return new UsageError(`${ports} ${are} reserved for root: ${way}`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new UsageError(`"${host}" is not an address of this machine: choose another one with --host.`);
  return error;
}
