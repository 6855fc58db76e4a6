import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { cut, onOneLine } from '../../helpers/one-line.js';
import type { SIGNALLED } from '../exit.js';
import { isIgnoredByParent, isOnTerminal, outlivesTerminal } from './terminal.js';

/** The signals that a command listens to. */
export type Signal = keyof typeof SIGNALLED;

/** The parts of the process that the commands use; tests pass a fake. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** For messages, since `connect --stdio` needs standard output for the tunnel's bytes. */
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls the listener at each of the signals, which then no longer end the process. Returns a function that removes the listener. */
  onSignal(signals: readonly Signal[], listener: (signal: Signal) => void): () => void;
  /** Is the process's terminal closed? The SIGHUP of a closing terminal ends the command; any other SIGHUP reloads. */
  isTerminalGone(): boolean;
  /** Was the process started by nohup, by a shell that ignores SIGHUP, or without a terminal? Then SIGHUP does not end the process. */
  outlivesTerminal(): boolean;
  /** Does the terminal send its signals (Ctrl-C) to spawned programs as well? */
  isOnTerminal(): boolean;
  /** In a background process: to be called once the command is ready. */
  readonly onReady?: () => void;
  /** The name by which the command was called, such as `websockify`. */
  readonly calledAs?: string;
}

export function processIo(): Io {
  // Read at the start, since the parent, and the signals that the parent ignores, may change later.
  const outlives = outlivesTerminal();
  const isIgnored = isIgnoredByParent();
  // A write must not crash the process when the reader of our output is gone (`| head`).
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

/** The longest message, in characters: a server or a proxy may send a reason of 16 KiB. */
const MAX_MESSAGE = 2000;

/** A message as one line: line breaks in foreign text are escaped. */
export function messageLine(text: string): string {
  return `express-wstunnel: ${String(onOneLine(cut(text, MAX_MESSAGE)))}`;
}

export function printMessage(io: Io, text: string): void {
  io.stderr.write(`${messageLine(text)}\n`);
}
