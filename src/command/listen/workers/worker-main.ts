// The program of a worker; the supervisor starts it with the command line of the command.
import { messageOf } from '../../../errors.js';
import { readArgs } from '../../command-line/args.js';
import type { DrainTimes } from '../../drain.js';
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
import { isStoreMessage, linkToSupervisor } from './worker-store.js';

/** Time between two reports for the status line, in ms. */
const REPORT_PERIOD = 1000;
/** Time for the supervisor's message after a SIGTERM to all processes, in ms. */
const SIGNAL_TIME = 1000;

const channel = new SupervisorChannel();
const io = new WorkerIo();
/** The sockets of this worker, which arrive before the start. */
const handles: unknown[] = [];
let running: ListenProcess | undefined;
let isEnding = false;
const borrowed = new BorrowedSockets(() => running?.servers ?? []);

/** Drains once: systemd and a terminal signal this process as well as the supervisor, and the supervisor then sends a message. */
function drainOnce(times: DrainTimes | undefined): void {
  if (isEnding) return;
  isEnding = true;
  // For the lines of the supervisor at this signal and at later ones.
  if (running) reportTotals(running);
  channel.send({ kind: 'ending' });
  if (!running) process.exit(EXIT.ok);
  const { linger, ...others } = times ?? { ...running.end.times, linger: 0 };
  if (linger === 0) borrowed.releaseAll();
  // The supervisor ends `linger`, at the same time for all workers.
  running.end.drain({ ...others, linger: linger > 0 ? Infinity : 0 });
}

/**
 * For this worker alone, without `linger`: the other workers accept the connections. If systemd signals all processes, the message of
 * the supervisor arrives meanwhile.
 */
function drainAlone(): void {
  const { linger = 0 } = running?.end.times ?? {};
  if (linger === 0) drainOnce(undefined);
  else setTimeout(() => drainOnce(undefined), SIGNAL_TIME);
}

function closePorts(): void {
  borrowed.releaseAll();
  running?.end.closePorts();
}

/** Reports the open tunnels now and then every second. */
function reportTotals({ totals }: ListenProcess): void {
  const report = () => channel.sendOrDrop({ kind: 'totals', totals: totals() });
  report();
  setInterval(report, REPORT_PERIOD).unref();
}

async function run(start: WorkerStart): Promise<number> {
  try {
    const given = readWebsockify(readArgs(process.argv.slice(2), withWebsockify(LISTEN_FLAGS)));
    const read = () => readPlan(given, start.isForAll);
    running = new ListenProcess(io, read(), read, {
      number: start.worker,
      link: linkToSupervisor(),
      outlets: new WorkerOutlets(channel, start),
      handles,
      cookieKey: Buffer.from(start.cookieKey, 'base64'),
      ticketKeys: Buffer.from(start.ticketKeys, 'base64'),
      onShared: (isUp) => channel.send({ kind: 'shared', isUp }),
      onReady: (addresses) => channel.send({ kind: 'ready', ...addresses }),
      onReload: (errors) => channel.send({ kind: 'reloaded', errors }),
    });
    if (start.isOnTerminal) reportTotals(running);
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
  else if (message.kind === 'metrics')
    channel.send({ kind: 'metrics', id: message.id, page: running?.metrics() ?? '' });
  else if (message.kind === 'drain') drainOnce(message.times);
  else if (!running) process.exit(EXIT.ok);
  else if (message.kind === 'hurry') running.end.hurry();
  else if (message.kind === 'cut') running.end.cut(EXIT.ok);
  else closePorts();
}

process.on('message', (message, handle: unknown) => {
  if (!isStoreMessage(message)) receive(message as ToWorker, handle);
});
// After the death of the supervisor, no other process would end this one.
process.on('disconnect', () => {
  drainOnce(undefined);
  closePorts();
});
process.on('SIGTERM', drainAlone);
// Ignored here: the supervisor gets these signals as well, and sends messages.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
