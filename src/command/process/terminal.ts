import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';

/** The bit of SIGHUP, signal 1, in the masks of proc(5). */
const SIGHUP_BIT = 1n;

/** Does a terminal send its signals (Ctrl-C, Ctrl-\\) to this process and to its children? */
export function isOnTerminal(): boolean {
  return [0, 1, 2].some((fd) => isatty(fd));
}

/**
 * Was the process started so that it outlives its terminal?
 *
 * Whether SIGHUP was ignored at the start (nohup, `trap '' HUP`) can't be read: before any JavaScript runs, Node restores the
 * default action of every ignored signal (`ResetSignalHandlers` in its src/node.cc), and /proc/self/status shows the default
 * action. Two facts are visible: nohup leaves no terminal on standard output and standard error (POSIX, "nohup"; with GNU and
 * BusyBox none on standard input either), and a parent shell with `trap '' HUP` ignores the signal.
 */
export function outlivesTerminal(): boolean {
  const descriptors = process.platform === 'linux' ? [0, 1, 2] : [1, 2];
  return !descriptors.some((fd) => isatty(fd)) || isIgnoredByParent();
}

/** Does the parent ignore SIGHUP? A child inherits ignored signals (POSIX, "exec"). Only Linux shows the parent's mask. */
export function isIgnoredByParent(): boolean {
  try {
    const [, mask = '0'] =
      /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, 'latin1')) ?? [];
    return (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n;
  } catch {
    return false;
  }
}
