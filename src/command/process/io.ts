import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { cut, onOneLine } from '../../helpers/one-line.js';
import type { SIGNALLED } from '../exit.js';
import { isIgnoredByParent, isOnTerminal, outlivesTerminal } from './terminal.js';

/** The signals that a command listens to. */
export type Signal = keyof typeof SIGNALLED;

/** What the process is to a command; a test gives its own. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** Messages go here: standard output belongs to the bytes of `connect --stdio`. */
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls the listener at each of these signals, in place of the process's end. Returns what stops that. */
  onSignal(signals: readonly Signal[], listener: (signal: Signal) => void): () => void;
  /** Was the terminal closed on which this was started? Its SIGHUP means the end, everybody else's a look at the files. */
  isTerminalGone(): boolean;
  /** Was it started by nohup, by a shell that ignores SIGHUP, or without a terminal? Then SIGHUP is not its end. */
  outlivesTerminal(): boolean;
  /** Do programs that it starts get the signals of its terminal (Ctrl-C) as well? */
  isOnTerminal(): boolean;
  /** In a background process: to be called once the command is ready. */
  readonly onReady?: () => void;
  /** The name that the command was called by, where that is not its own. */
  readonly calledAs?: string;
}

export function processIo(): Io {
  // Now: what the parent ignores may change, and the parent itself.
  const outlives = outlivesTerminal();
  const isIgnored = isIgnoredByParent();
  // Who closes our output (`| head`) is told nothing more; a write there must not end the process with a stack.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return {
    calledAs: basename(process.argv[1] ?? ''),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    onSignal: (signals, listener) => {
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
    isTerminalGone: () => {
      if (!process.stderr.isTTY || isIgnored) return false;
      try {
        writeSync(process.stderr.fd, '');
        return false;
      } catch {
        return true;
      }
    },
    outlivesTerminal: () => outlives,
    isOnTerminal,
  };
}

/** In characters: a server or a proxy may say why it refuses in 16 KiB. */
const MAX_MESSAGE = 2000;

/** A message as one line; what others have chosen in it can't make it two. */
export function messageLine(text: string): string {
  return `express-wstunnel: ${String(onOneLine(cut(text, MAX_MESSAGE)))}`;
}

export function printMessage(io: Io, text: string): void {
  io.stderr.write(`${messageLine(text)}\n`);
}
