import { messageOf } from '../errors.js';

const reported = new WeakSet<object>();

/** Reports a failed recording, once for each error: `fileRecorder()` reports its error before the tunnel catches the same error. */
export function reportRecordingFailure(what: string, error: unknown, report = warn): void {
  if (typeof error === 'object' && error !== null) {
    if (reported.has(error)) return;
    reported.add(error);
  }
  report(`${what} failed: ${messageOf(error)}`);
}

function warn(message: string): void {
  process.emitWarning(`wstunnel: ${message}`, { code: 'WSTUNNEL_RECORD' });
}
