// The login state of the app.

/**
 * Asks the server for the user who is logged in: `{ state: 'in', user, role, isAdmin, viewOnly, inputIdle, desktop, tunnels,
 * isRecorded, hasTerminal, knowsPassword }`, `{ state: 'out' }`, or `{ state: 'unreachable' }`. `inputIdle`: seconds without input after
 * which the server closes the desktop; 0: never.
 */
export async function whoami() {
  try {
    const answer = await fetch('/whoami', {
      headers: { accept: 'application/json' },
      cache: 'no-store',
      signal: window.AbortSignal.timeout(5000),
    });
    if (answer.status === 401) return { state: 'out' };
    if (!answer.ok) return { state: 'unreachable' };
    return { ...(await answer.json()), state: 'in' };
  } catch {
    return { state: 'unreachable' };
  }
}

/** The page for a user whose session has ended. */
export const loginAgain = '/login?expired=1';
