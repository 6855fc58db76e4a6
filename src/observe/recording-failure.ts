import { messageOf } from '../errors.js';

const reported = new WeakSet<object>();

/** The data of tunnels whose recording could not start. */
const notStarted = new WeakSet<object>();

/** Reports a failed recording, once for each error: `fileRecorder()` reports its error before the tunnel catches the same error. */
export function reportRecordingFailure(what: string, error: unknown, report = warn): void {
  if (typeof error === 'object' && error !== null) {
    if (reported.has(error)) return;
    reported.add(error);
  }
  report(`${what} failed: ${messageOf(error)}`);
}

/**
 * Called by a function for the option `record` that returns undefined because its recorder failed: for the tunnel, undefined alone means
 * that no recording was wanted.
 */
export function noteFailedStart(tunnel: object): void {
  notStarted.add(tunnel);
}

export function hasFailedStart(tunnel: object): boolean {
  return notStarted.has(tunnel);
}

function warn(message: string): void {
  process.emitWarning(`wstunnel: ${message}`, { code: 'WSTUNNEL_RECORD' });
}
