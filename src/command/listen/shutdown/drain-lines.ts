import { softTime, type DrainTimes } from '../../drain.js';
import { tunnels } from '../../output/units.js';

/** The line at the first signal; undefined if nothing is left to wait for. On a terminal it names the effect of the next signal. */
export function drainLine(open: number, times: DrainTimes, isOnTerminal: boolean): string | undefined {
  if (open === 0 && times.linger === 0) return undefined;
  if (softTime(times) === 0) return closingLine(`closing ${tunnels(open)}`, times, isOnTerminal);
  const { grace, spread, drain, linger } = times;
  const most = open === 0 ? linger : Math.max(grace + spread + drain, linger);
  return `draining: ${tunnels(open)}, up to ${most} s${isOnTerminal ? '; signal again to close them now' : ''}`;
}

/** The line at the second signal, when the tunnels get their Closes at once. */
export function hurryLine(open: number, times: DrainTimes, isOnTerminal: boolean): string {
  return closingLine(`closing ${tunnels(open)} now`, times, isOnTerminal);
}

/** The line at the last signal. */
export function cutLine(open: number): string {
  return open === 0 ? 'ending at once' : `ending at once: ${tunnels(open)} cut`;
}

/** The line at the deadline. */
export function lateLine(open: number, { drain }: DrainTimes): string {
  return `${tunnels(open)} cut, still open ${drain} s after the Close (--drain)`;
}

function closingLine(what: string, { drain }: DrainTimes, isOnTerminal: boolean): string {
  return isOnTerminal ? `${what}; signal again to end at once` : `${what}, up to ${drain} s`;
}
