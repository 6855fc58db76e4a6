import { userInfo } from 'node:os';
import { startDemo, type DemoOptions } from './app.js';
import {
  HELP,
  makePassword,
  readArguments,
  shownHost,
  UsageError,
  type Arguments,
  type Target,
} from './arguments.js';
import { startDesktop } from './desktop/index.js';
import type { Carried } from './desktop/scene/traffic.js';
import { startReplicas } from './replicas/index.js';
import { ADMINISTRATOR, TRAINEE } from './roles.js';
import { Tmux } from './terminal/tmux.js';

const DEFAULT_PORT = 8080;
/** The number of ports to try without --port. */
const TRIES = 20;

/** The exit codes of the package's command: 2 for wrong arguments, 1 for other errors. */
const FAILED = 1;
const WRONG_ARGUMENTS = 2;

let given: Arguments | undefined;
try {
  given = readArguments(process.argv.slice(2));
  if (given) await main(given);
  else console.log(HELP);
} catch (error) {
  const known = error instanceof UsageError || (error as { code?: string }).code !== undefined;
  console.error(known ? (error as Error).message : error);
  process.exitCode = given === undefined ? WRONG_ARGUMENTS : FAILED;
}

async function main(given: Arguments): Promise<void> {
  const { host, port = DEFAULT_PORT, username, password, adminPassword, traineePassword } = given;
  const { inputIdle, record, desktop, replicas, tls } = given;
  let running: Running | undefined;
  // The chart on the desktop shows the bytes that the tunnels carry.
  const traffic = () => running?.carried() ?? { bytesIn: 0, bytesOut: 0 };
  // Only the tunnel knows the password of the embedded desktop. VNC uses 8 characters.
  const secret = makePassword().slice(0, 9).replace('-', '');
  const embedded = given.vnc === undefined ? await startDesktop({ traffic, password: secret }) : undefined;
  const vncPassword = embedded ? secret : given.vncPassword;
  const close = async () => {
    await running?.close();
    // Otherwise the embedded desktop would keep the process alive.
    await embedded?.close();
  };
  try {
    const vnc = given.vnc ?? { host: embedded?.host ?? host, port: embedded?.port ?? 0 };
    const tries = given.port === undefined ? TRIES : 1;
    const options = {
      ...{ host, port, tries, username, password, adminPassword, traineePassword, inputIdle, desktop },
      ...(record !== undefined && { record }),
      ...(vncPassword !== undefined && { vncPassword }),
      ...(tls && { tls }),
    };
    running =
      // readArguments() excludes --spawn with --replicas.
      replicas === 1 || typeof vnc === 'function'
        ? await startOne({ ...options, vnc, ...(given.terminal && { terminal: {} }) })
        : await startSeveral(options, vnc, replicas, close);
  } catch (error) {
    await close();
    throw explained(error, given);
  }

  say(given, running);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close());
}

/** Prints where the demo is, and its logins. */
function say(given: Arguments, running: Running): void {
  const { port = DEFAULT_PORT, username, password, adminPassword, traineePassword, desktop, record } = given;
  const url = `http${given.tls ? 's' : ''}://${shownHost(given.host)}:${running.port}/`;
  const moved = port !== 0 && running.port !== port ? `   (port ${port} is in use)` : '';
  const shown = (isRandom: boolean, text: string, option: string) =>
    isRandom ? text : `(as given by ${option})`;
  const admin = shown(given.isAdminRandom, adminPassword, '--admin-password');
  const trainee = shown(given.isTraineeRandom, traineePassword, '--trainee-password');
  console.log(`
  express-wstunnel demo

    open      ${url}${moved}
    user      ${username}
    password  ${shown(given.isRandom, password, '--password')}
    trainee   ${trainee}   (the password of the user ${TRAINEE}, who only watches)
    admin     ${admin}   (the password of the user ${ADMINISTRATOR})
    desktop   ${desktop}${record === undefined ? '' : `\n    record    ${record}`}${given.terminal ? terminalLines(url) : ''}
${running.more}
  Ctrl-C ends it.
`);
}

function terminalLines(url: string): string {
  const kept = Tmux.isInstalled()
    ? ''
    : '\n              tmux is not installed: a shell ends when its page is reloaded.';
  return `
    terminal  ${url}terminal/

    WARNING   --terminal: whoever logs in as an operator or the administrator has a shell that runs as
              you, ${userInfo().username}, with all your files. Do not give the passwords to anybody.${kept}`;
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
