import { listen, type Listener } from '../../client/listener.js';
import { readTunnelUrl } from '../../client/url/tunnel-url.js';
import { deferred } from '../../helpers/deferred.js';
import { bindError } from '../../sockets/bind-error.js';
import { listenPathFault } from '../../sockets/socket-path.js';
import { isLoopback, shownAddress, type BindAddress } from '../command-line/bind-and-target.js';
import { DEFAULT_DRAIN } from '../drain.js';
import { CommandError, EXIT, SIGNALLED } from '../exit.js';
import { reasonOf } from '../files.js';
import { messageLine, printMessage, type Io, type Signal } from '../process/io.js';
import { StatusLine } from '../output/status-line.js';
import { bytes, tunnels } from '../output/units.js';
import type { ConnectPlan } from './connect-plan.js';
import { commandErrorOf, failureLine } from './failure-messages.js';
import { runProgram } from './run-program.js';

/**
 * Listens on a local port, and opens a tunnel for each connection. Resolves to the exit code after a signal; with a program, to the
 * program's exit code. Calls `onListening` once the port accepts connections.
 */
export async function runLocal(
  io: Io,
  plan: ConnectPlan,
  isVerbose: boolean,
  onListening: () => void = () => undefined,
): Promise<number> {
  // Before `listen`, since the terminal may close at any time.
  const stopIgnoring =
    plan.program === undefined && io.outlivesTerminal()
      ? io.onSignal(['SIGHUP'], () => undefined)
      : () => undefined;
  try {
    const listener = await start(plan);
    return await (plan.program
      ? runWith(io, listener, plan.program, isVerbose ? plan.url : undefined)
      : run(io, listener, plan.url, isVerbose, onListening));
  } finally {
    stopIgnoring();
  }
}

async function run(
  io: Io,
  listener: Listener,
  url: string,
  isVerbose: boolean,
  onListening: () => void,
): Promise<number> {
  const status = new StatusLine(io, () => listener.stats());
  const print = (line: string) => status.print(messageLine(line));
  printEvents(listener, print, isVerbose);
  const ended = untilSignalled(io, listener);
  printAddress(listener, url, print);
  onListening();
  status.begin();
  try {
    return await ended;
  } finally {
    status.end();
  }
}

/** Runs the program. The program owns the terminal: without `verboseUrl` only failures are printed. */
async function runWith(
  io: Io,
  listener: Listener,
  program: readonly string[],
  verboseUrl: string | undefined,
): Promise<number> {
  const print = (line: string) => printMessage(io, line);
  printEvents(listener, print, verboseUrl !== undefined);
  if (verboseUrl !== undefined) printAddress(listener, verboseUrl, print);
  try {
    return await runProgram(io, program, environmentFor(listener));
  } finally {
    // The program's last bytes may still be queued. A signal ends the wait for them.
    const signalled = deferred();
    const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], () => signalled.resolve());
    await Promise.race([listener.close({ grace: DEFAULT_DRAIN, timeout: 1 }), signalled.promise]);
    stop();
  }
}

async function start({ url, local = 0, options }: ConnectPlan): Promise<Listener> {
  const where: BindAddress =
    typeof local === 'object' && 'path' in local ? { socket: local.path } : (local as object);
  const fault = where.socket === undefined ? undefined : listenPathFault(where.socket);
  if (fault !== undefined)
    throw new CommandError(EXIT.listen, `can't listen on ${shownAddress(where)}: ${fault}`);
  try {
    return await listen(local, url, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw commandErrorOf(error);
    const reason = where.socket === undefined ? error : bindError(error, where.socket);
    throw new CommandError(EXIT.listen, `can't listen on ${shownAddress(where)}: ${reasonOf(reason)}`, {
      cause: error,
    });
  }
}

function printAddress(listener: Listener, url: string, print: (line: string) => void): void {
  const shown = shownOf(listener);
  print(`listening on ${shownAddress(shown)} for ${readTunnelUrl(url).shown}`);
  if (!isLoopback(shown)) print('warning: everyone who can reach this port uses the tunnel with your login');
}

/** Variables for the program's environment: with `--local 0`, the program can't know the port otherwise. */
function environmentFor(listener: Listener): Record<string, string> {
  const shown = shownOf(listener);
  return {
    WSTUNNEL_LOCAL: shownAddress(shown),
    ...(shown.port !== undefined && { WSTUNNEL_LOCAL_PORT: String(shown.port) }),
  };
}

function printEvents(listener: Listener, print: (line: string) => void, isVerbose: boolean): void {
  listener.on('fail', (error) => print(failureLine(error)));
  if (!isVerbose) return;
  listener.on('retry', (error, seconds) =>
    print(`${failureLine(error)}; retrying in ${seconds.toFixed(1)} s`),
  );
  listener.on('open', ({ id }) => print(`open    ${id}`));
  listener.on('close', ({ id, code, reason, bytesIn, bytesOut, duration }) => {
    const why = `${code}${reason === '' ? '' : ` ${reason}`}`;
    print(`close   ${id}: ${why}; ${bytes(bytesIn)} in, ${bytes(bytesOut)} out, ${duration.toFixed(1)} s`);
  });
}

function shownOf({ address }: Listener): { host?: string; port?: number; socket?: string } {
  return typeof address === 'string' ? { socket: address } : { host: address.address, port: address.port };
}

/** Resolves to the exit code. The first signal drains the tunnels; the second signal ends the command at once. */
function untilSignalled(io: Io, listener: Listener): Promise<number> {
  const signals: Signal[] = io.outlivesTerminal() ? ['SIGTERM', 'SIGINT'] : ['SIGTERM', 'SIGINT', 'SIGHUP'];
  const ended = deferred<number>();
  let isDraining = false;
  const stop = io.onSignal(signals, (signal: Signal) => {
    if (isDraining) ended.resolve(SIGNALLED[signal]);
    else {
      isDraining = true;
      const { open } = listener.stats();
      if (open > 0 && io.stderr.isTTY)
        printMessage(io, `closing ${tunnels(open)}; signal again to end at once`);
      void listener.close({ timeout: DEFAULT_DRAIN }).then(() => ended.resolve(EXIT.ok));
    }
  });
  return ended.promise.finally(stop);
}
