// The program of a worker; the supervisor starts it with the command line of the command.
import { messageOf } from '../../../errors.js';
import { readArgs } from '../../command-line/args.js';
import { CommandError, EXIT, messagesOf } from '../../exit.js';
import { ListenProcess } from '../listen-process.js';
import { LISTEN_FLAGS } from '../settings/listen-flags.js';
import { readPlan } from '../settings/read-plan.js';
import { readWebsockify, withWebsockify } from '../settings/websockify-flags.js';
import { BorrowedSockets } from './borrowed-sockets.js';
import { SupervisorChannel } from './supervisor-channel.js';
import { WorkerIo } from './worker-io.js';
import type { ToWorker, WorkerStart } from './worker-messages.js';
import { WorkerOutlets } from './worker-outlets.js';

/** Time between two reports for the status line, in ms. */
const REPORT_PERIOD = 1000;

const channel = new SupervisorChannel();
const io = new WorkerIo();
/** The sockets of this worker, which arrive before the start. */
const handles: unknown[] = [];
let running: ListenProcess | undefined;
let isEnding = false;
/** The number of `drain` messages from the supervisor. */
let drains = 0;
const borrowed = new BorrowedSockets(() => running?.servers ?? []);

/** Drains once: systemd and a terminal signal this process as well as the supervisor, and the supervisor then sends a message. */
function endOnce(): void {
  if (isEnding) return;
  isEnding = true;
  channel.send({ kind: 'ending' });
  borrowed.releaseAll();
  if (running) io.raise('SIGTERM');
  else process.exit(EXIT.ok);
}

/** At a second signal, the supervisor sends a second message, which ends this process at once. */
function drain(): void {
  drains++;
  if (drains === 1) endOnce();
  else io.raise('SIGTERM');
}

async function run(start: WorkerStart): Promise<number> {
  try {
    const given = readWebsockify(readArgs(process.argv.slice(2), withWebsockify(LISTEN_FLAGS)));
    const read = () => readPlan(given, start.isForAll);
    running = new ListenProcess(io, read(), read, {
      outlets: new WorkerOutlets(channel, start),
      handles,
      cookieKey: Buffer.from(start.cookieKey, 'base64'),
      ticketKeys: Buffer.from(start.ticketKeys, 'base64'),
      onReady: (addresses) => channel.send({ kind: 'ready', ...addresses }),
      onReload: (errors) => channel.send({ kind: 'reloaded', errors }),
    });
    const { totals } = running;
    if (start.isOnTerminal)
      setInterval(() => channel.sendOrDrop({ kind: 'totals', totals: totals() }), REPORT_PERIOD).unref();
    return await running.run();
  } catch (error) {
    const isKnown = error instanceof CommandError;
    const exitCode = isKnown ? error.exitCode : EXIT.failed;
    channel.send({
      kind: 'failed',
      exitCode,
      lines: isKnown ? messagesOf(error) : [`unexpected: ${messageOf(error)}`],
    });
    return exitCode;
  }
}

function receive(message: ToWorker, handle: unknown): void {
  if (message.kind === 'start')
    void run(message).then(async (code) => {
      await channel.flush();
      process.exit(code);
    });
  else if (message.kind === 'socket') {
    if (running) borrowed.borrow(message.owner, message.index, handle);
    else handles[message.index] = handle;
  } else if (message.kind === 'release') borrowed.release(message.owner);
  else if (message.kind === 'reload') io.raise('SIGHUP');
  else drain();
}

process.on('message', (message, handle: unknown) => receive(message as ToWorker, handle));
// After the death of the supervisor, no other process would end this one.
process.on('disconnect', endOnce);
process.on('SIGTERM', endOnce);
// Ignored here: the supervisor gets these signals as well, and sends messages.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
