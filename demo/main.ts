import { ADMINISTRATOR } from './administrator.js';
import { startDemo, type DemoOptions } from './app.js';
import { HELP, readArguments, shownHost, UsageError, type Arguments, type Target } from './arguments.js';
import { startDesktop } from './desktop/index.js';
import type { Carried } from './desktop/scene/traffic.js';
import { startReplicas } from './replicas/index.js';

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
  const { host, port = DEFAULT_PORT, username, password, adminPassword, record, desktop, replicas } = given;
  let running: Running | undefined;
  // The chart on the desktop shows the bytes that the tunnels carry.
  const traffic = () => running?.carried() ?? { bytesIn: 0, bytesOut: 0 };
  const embedded = given.vnc === undefined ? await startDesktop({ traffic }) : undefined;
  const close = async () => {
    await running?.close();
    // Otherwise the embedded desktop would keep the process alive.
    await embedded?.close();
  };
  try {
    const vnc = given.vnc ?? { host: embedded?.host ?? host, port: embedded?.port ?? 0 };
    const tries = given.port === undefined ? TRIES : 1;
    const recording = record === undefined ? {} : { record };
    const options = { host, port, tries, username, password, adminPassword, desktop, ...recording };
    running =
      // readArguments() excludes --spawn with --replicas.
      replicas === 1 || typeof vnc === 'function'
        ? await startOne({ ...options, vnc })
        : await startSeveral(options, vnc, replicas, close);
  } catch (error) {
    await close();
    throw explained(error, given);
  }

  const moved = port !== 0 && running.port !== port ? `   (port ${port} is in use)` : '';
  console.log(`
  express-wstunnel demo

    open      http://${shownHost(host)}:${running.port}/${moved}
    user      ${username}
    password  ${given.isRandom ? password : '(as given by --password)'}
    admin     ${given.isAdminRandom ? adminPassword : '(as given by --admin-password)'}   (the password of the user ${ADMINISTRATOR})
    desktop   ${desktop}${record === undefined ? '' : `\n    record    ${record}`}
${running.more}
  Ctrl-C ends it.
`);

  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close());
}

/** The demo as one process or several. */
interface Running {
  readonly port: number;
  /** More lines for people. */
  readonly more: string;
  carried(): Carried;
  close(): Promise<void>;
}

async function startOne(options: DemoOptions): Promise<Running> {
  const demo = await startDemo(options);
  return { port: demo.port, more: '', carried: () => demo.tunnel.stats(), close: () => demo.close() };
}

async function startSeveral(
  options: Omit<DemoOptions, 'vnc'>,
  vnc: Target,
  count: number,
  close: () => Promise<void>,
): Promise<Running> {
  const say = (line: string) => console.log(`  ${line}`);
  const failed = () => {
    process.exitCode = 1;
    void close();
  };
  const replicas = await startReplicas({ ...options, vnc, count, say, failed });
  const { redis, processes } = replicas;
  const lines = [
    ...processes.map(
      ({ port, pid }, index) =>
        `replica ${index + 1} http://${shownHost(options.host)}:${port}/   (process ${pid})`,
    ),
    `redis     REDISCLI_AUTH=${redis.password} redis-cli -p ${redis.port}`,
  ];
  const more = lines.map((line) => `    ${line}\n`).join('');
  return { port: replicas.port, more, carried: () => replicas.carried(), close: () => replicas.close() };
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
