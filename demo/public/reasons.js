// Puts the end of a connection into words, and says what may be done about it.

const refusals = {
  400: ['The request was not accepted', 'The server did not accept how this page asked for the desktop.'],
  403: ['You may not open this desktop', 'You are logged in, but this desktop is not open to you.'],
  404: ['There is no such desktop', 'The server has no desktop for you at this address.'],
  429: [
    'Too many connections',
    'You have as many connections as the server allows. Close one and try again.',
  ],
  500: [
    'The server ran into a problem',
    'Something went wrong on the server while it opened the connection.',
  ],
  502: [
    'The desktop does not answer',
    'The server tried to reach the desktop and failed. It may be switched off.',
  ],
  503: [
    'No desktop is free right now',
    'The desktop is down, or the server is about to stop. It may be back soon.',
  ],
  504: ['The desktop took too long', 'The server waited for the desktop, but it did not answer in time.'],
};

const endings = {
  1000: ['The desktop ended the connection', 'It was shut down, restarted, or closed from its own side.'],
  1001: [
    'The server closed the connection',
    'It is going away for a restart, or the connection was idle too long.',
  ],
  1005: ['The connection was closed', 'The other side closed it without saying why.'],
  1006: ['The connection was lost', 'The network or the server went away without a word.'],
  1008: [
    'Ended by the application',
    'It closed your connection, for instance because you logged out elsewhere.',
  ],
  1011: ['The desktop’s connection failed', 'The server lost its own connection to the desktop.'],
};

const notLoggedIn = {
  state: 'refused',
  title: 'You are not logged in (any more)',
  text: 'Your session is over, so the desktop is closed to you. Log in again to get back to it.',
  icon: 'lock',
  login: true,
  retry: false,
};

const quoted = (text, reason) => (reason ? `${text} The server says: “${reason}”.` : text);

/** A refusal by HTTP status: `refuseWith: 'close'` closes with 4000 + status. */
function refused(status, reason) {
  if (status === 401) return notLoggedIn;
  const [title, text] = refusals[status] ?? [
    `The connection was refused (${status})`,
    'The server did not open the connection.',
  ];
  // A fault of the request remains; one of the server or of the desktop may pass, and nobody refused anything.
  const passes = status >= 500 || status === 429;
  const [state, icon] = passes ? ['unavailable', 'unplugged'] : ['refused', 'barred'];
  return { state, icon, title, text: quoted(text, reason), retry: passes };
}

const statusOf = (code) => (code >= 4400 && code <= 4599 ? code - 4000 : undefined);

/** Whether `/whoami` should be asked before (or after) showing the outcome. */
export const worthAsking = ({ code, connected, security, viewerError, timedOut, byUser }) =>
  !byUser &&
  !viewerError &&
  !timedOut &&
  security === undefined &&
  code < 4000 &&
  (!connected || code === 1008);

/**
 * Explains an outcome of `openConnection`. `session` is the answer of `whoami()`, if it was asked.
 *
 * @returns {{ state: 'disconnected' | 'unavailable' | 'refused', title: string, text: string, icon: string, retry: boolean,
 *   login?: boolean, action?: string, detail?: string }}
 */
export function explain(outcome, session) {
  const { code, reason, connected, opened } = outcome;
  const state = connected || outcome.byUser ? 'disconnected' : 'unavailable';
  const detail = code > 0 && !outcome.byUser ? `Close code ${code}` : undefined;
  const because = (words) => ({ state, detail, icon: 'unplugged', ...words });

  if (outcome.byUser) {
    return because({
      title: 'You are disconnected',
      text: 'You ended the connection. The desktop keeps running and waits for you.',
      icon: 'disconnect',
      retry: false,
    });
  }
  if (outcome.security !== undefined) {
    return because({
      state: 'refused',
      title: 'The desktop turned you down',
      text: `It did not accept the password, or it takes no more visitors. It says: “${outcome.security}”.`,
      icon: 'lock',
      retry: false,
      action: 'Try again',
      detail: undefined,
    });
  }
  if (outcome.timedOut) {
    return because({
      title: 'The desktop took too long',
      text: 'It was reached, but showed nothing for a long time.',
      retry: true,
      detail: undefined,
    });
  }
  if (outcome.viewerError) {
    return because({
      title: 'The viewer lost the thread',
      text: 'The other side sent something that is no VNC, or a kind of it that this viewer does not know.',
      icon: 'barred',
      retry: connected,
      detail: undefined,
    });
  }

  const status = statusOf(code);
  if (status !== undefined) return because(refused(status, reason));
  if (session?.state === 'out') return because(notLoggedIn);
  if (code >= 4000) {
    return because({
      state: connected ? state : 'refused',
      title: 'Ended by the application',
      text: quoted('The application closed your connection.', reason),
      retry: false,
    });
  }
  if (!connected && session?.state === 'unreachable') {
    return because({
      title: 'The server cannot be reached',
      text: 'It is down for the moment, or your network is.',
      retry: true,
    });
  }
  if (!opened) {
    return because({
      state: 'refused',
      title: 'The connection was refused',
      text:
        'You are logged in, but the server did not open the connection to the desktop. ' +
        'Browsers hide its exact answer; the server’s log has it.',
      icon: 'barred',
      retry: true,
    });
  }
  const [title, text] = endings[code] ?? [
    'The connection was closed',
    'The two sides did not understand each other.',
  ];
  return because({
    state: code === 1008 && !connected ? 'refused' : state,
    title,
    text: quoted(connected ? text : `${text} The desktop was not on the screen yet.`, reason),
    retry: code !== 1008,
  });
}
