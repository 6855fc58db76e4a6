import { listen, type Listener } from '../../client/listen.js';
import { readUrl } from '../../client/url.js';
import { isLoopback, shownAddress } from '../address.js';
import { CommandError, EXIT, SIGNALLED } from '../exit.js';
import { reasonOf } from '../files.js';
import { messageLine, say, type Io, type Signal } from '../io.js';
import { StatusLine } from '../listen/status.js';
import { bytes, tunnels } from '../listen/units.js';
import type { ConnectPlan } from './arguments.js';
import { failureOf, lineOf } from './failures.js';

/** Seconds that open tunnels have to end after SIGTERM. */
const DRAIN = 10;

/** A local port, each connection in a tunnel of its own. Resolves to the exit code once a signal has ended it. */
export async function runLocal(
  io: Io,
  { url, local = 0, options }: ConnectPlan,
  isVerbose: boolean,
): Promise<number> {
  const listener = await start({ url, local, options });
  const status = new StatusLine(io, () => listener.stats());
  const print = (line: string) => status.print(messageLine(line));
  follow(listener, print, isVerbose);
  const shown = shownOf(listener);
  print(`listening on ${shownAddress(shown)} for ${readUrl(url).shown}`);
  if (!isLoopback(shown)) print('beware: whoever reaches this port goes through the tunnel with your login');
  status.begin();
  try {
    return await untilSignalled(io, listener);
  } finally {
    status.end();
  }
}

async function start({ url, local = 0, options }: ConnectPlan): Promise<Listener> {
  try {
    return await listen(local, url, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw failureOf(error);
    const where = typeof local === 'object' && 'path' in local ? { socket: local.path } : (local as object);
    throw new CommandError(EXIT.listen, `can't listen on ${shownAddress(where)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function follow(listener: Listener, print: (line: string) => void, isVerbose: boolean): void {
  listener.on('fail', (error) => print(lineOf(error)));
  if (!isVerbose) return;
  listener.on('retry', (error, seconds) => print(`${lineOf(error)}; again in ${seconds.toFixed(1)} s`));
  listener.on('open', ({ id }) => print(`open    ${id}`));
  listener.on('close', ({ id, code, reason, bytesIn, bytesOut, duration }) => {
    const why = `${code}${reason === '' ? '' : ` ${reason}`}`;
    print(`close   ${id}: ${why}; ${bytes(bytesIn)} in, ${bytes(bytesOut)} out, ${duration.toFixed(1)} s`);
  });
}

function shownOf({ address }: Listener): { host?: string; port?: number; socket?: string } {
  return typeof address === 'string' ? { socket: address } : { host: address.address, port: address.port };
}

/** The first one drains, the second one ends it at once. */
function untilSignalled(io: Io, listener: Listener): Promise<number> {
  return new Promise((resolve) => {
    let isDraining = false;
    const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (signal: Signal) => {
      const end = (code: number) => {
        stop();
        resolve(code);
      };
      if (isDraining) {
        end(SIGNALLED[signal]);
        return;
      }
      isDraining = true;
      const { open } = listener.stats();
      if (open > 0 && io.stderr.isTTY) say(io, `closing ${tunnels(open)}; once more ends it at once`);
      void listener.close({ timeout: DRAIN }).then(() => end(EXIT.ok));
    });
  });
}
