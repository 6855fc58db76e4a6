import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';

/** The bit of SIGHUP, signal 1, in the masks of proc(5). */
const SIGHUP_BIT = 1n;

/** Does a terminal send its signals (Ctrl-C, Ctrl-\\) to this process, and to those that it starts? */
export function isOnTerminal(): boolean {
  return [0, 1, 2].some((fd) => isatty(fd));
}

/**
 * Was the process started so that it outlives its terminal?
 *
 * Whether SIGHUP was ignored at the start (nohup, `trap '' HUP`) can't be seen: before any line of ours runs, Node gives every signal
 * that was ignored its default action back (`ResetSignalHandlers` in its src/node.cc), and /proc/self/status shows that. What can be
 * seen is that nohup leaves no terminal on standard output and standard error (POSIX, "nohup"), GNU's and BusyBox's none on standard
 * input either; and that a shell with `trap '' HUP`, our parent, ignores it.
 */
export function outlivesTerminal(): boolean {
  const descriptors = process.platform === 'linux' ? [0, 1, 2] : [1, 2];
  return !descriptors.some((fd) => isatty(fd)) || isIgnoredByParent();
}

/** A child starts with the signals ignored that its parent ignores (POSIX, "exec"). Linux alone tells. */
export function isIgnoredByParent(): boolean {
  try {
    const [, mask = '0'] =
      /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, 'latin1')) ?? [];
    return (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n;
  } catch {
    return false;
  }
}
