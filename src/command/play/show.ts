import { setTimeout as delay } from 'node:timers/promises';
import { MAX_TIMEOUT } from '../../helpers/max-timeout.js';
import type { RecordingReader } from '../../record/file/recording-reader.js';
import { bytes } from '../output/units.js';
import { printMessage, type Io } from '../process/io.js';
import { shown, shownDuration, shownStart } from './list.js';
import { writeOut } from './output.js';
import type { RecordingFacts } from './recording-facts.js';
import { SafeTerminal } from './safe-terminal.js';

const KINDS: Readonly<Record<RecordingFacts['kind'], string>> = {
  vnc: 'a VNC desktop',
  terminal: 'a terminal',
  other: 'neither VNC nor text',
};

/** Plays what the terminal showed, with the recorded pauses divided by `speed`. */
export async function playTerminal(
  io: Io,
  reader: RecordingReader,
  speed: number,
  signal: AbortSignal,
): Promise<void> {
  const terminal = new SafeTerminal();
  const start = performance.now();
  try {
    for await (const { direction, ms, bytes } of reader.records()) {
      if (direction !== 'out') continue;
      await until(start + ms / speed, signal);
      await writeOut(io, terminal.pass(bytes));
    }
  } finally {
    if (io.stdout.isTTY === true) io.stdout.write(terminal.reset());
  }
}

/** A timer has a maximum delay: a longer pause needs several timers. */
async function until(due: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  for (let left = due - performance.now(); left > 0; left = due - performance.now())
    await delay(Math.min(left, MAX_TIMEOUT), undefined, { signal });
}

/** The line above a terminal that is played. */
export function announce(io: Io, facts: RecordingFacts): void {
  const by = facts.user === undefined ? facts.address : `${facts.user} at ${facts.address}`;
  printMessage(
    io,
    `${facts.file}: ${shownStart(facts)} UTC, ${shownDuration(facts)}, ${shown(by)}, ${shown(facts.backend)}`,
  );
}

/** A description of a recording that a terminal can't show. */
export async function summarize(io: Io, facts: RecordingFacts): Promise<void> {
  const { reason } = facts;
  const rows: (readonly [string, string])[] = [
    ['start', `${shownStart(facts)} UTC`],
    ['duration', shownDuration(facts)],
    ['size', `${bytes(facts.size)} (${bytes(facts.bytesOut)} to the client, ${sentOf(facts)})`],
    ['user', shown(facts.user ?? '-')],
    ['address', shown(facts.address)],
    ['backend', shown(facts.backend)],
    ['url', shown(facts.url)],
    ['state', `${facts.state}${reason === undefined ? '' : `: ${shown(reason)}`}`],
    ['content', KINDS[facts.kind]],
  ];
  await writeOut(io, `${rows.map(([name, text]) => `${name.padEnd(10)}${text}`).join('\n')}\n`);
  printMessage(io, adviceFor(facts));
}

function sentOf({ direction, bytesIn }: RecordingFacts): string {
  return direction === 'both' ? `${bytes(bytesIn)} from the client` : 'the client is not recorded';
}

function adviceFor({ kind }: RecordingFacts): string {
  return kind === 'vnc'
    ? 'to play the desktop in a browser, add --listen 6080 --web novnc; for other players, convert with --to fbs or --to novnc'
    : 'these bytes are not text for a terminal: write them to a file with --to raw --output FILE';
}
