// The text for each end of a connection, and the user's next step.

const refusals = {
  400: ['Invalid request', 'The server did not accept the request of this page.'],
  403: ['You may not open this desktop', 'You are logged in, but you have no access to this desktop.'],
  404: ['Desktop not found', 'The server has no desktop for you at this address.'],
  429: ['Too many connections', 'You have reached the limit of open connections. Close one and try again.'],
  500: ['Server error', 'An error occurred on the server while it opened the connection.'],
  502: [
    'The desktop does not answer',
    'The server could not connect to the desktop, which may be switched off.',
  ],
  503: ['No desktop is available', 'All desktops are down or busy, or the server is about to stop.'],
  504: ['The desktop took too long', 'The desktop did not answer in time.'],
};

const endings = {
  1000: ['The desktop ended the connection', 'The desktop was shut down, restarted or closed.'],
  1001: [
    'The server closed the connection',
    'The server is restarting, or the connection was idle for too long.',
  ],
  1005: ['The connection was closed', 'The server gave no reason.'],
  1006: ['The connection was lost', 'The network or the server failed.'],
  1008: [
    'Ended by the application',
    'The application closed your connection. Perhaps you logged out in another window.',
  ],
  1011: ['The connection to the desktop failed', 'The server lost its connection to the desktop.'],
};

const notLoggedIn = {
  state: 'refused',
  title: 'You are not logged in',
  text: 'Your session has ended. Log in again to return to the desktop.',
  icon: 'lock',
  login: true,
  retry: false,
};

/** The end of an open connection, by the reason that the server gives with 1008: `revalidate` checks the login of an open tunnel. */
const loginEndings = {
  'the login has ended': {
    state: 'disconnected',
    title: 'You have been logged out',
    text: 'You logged out in another window, or your login has expired. Log in to return to the desktop.',
    icon: 'lock',
    login: true,
    retry: false,
  },
  'another user has logged in': {
    title: 'Another user has logged in',
    text: 'This browser is now logged in as another user. Connect again to open the desktop of that user.',
    icon: 'lock',
    retry: false,
    action: 'Connect again',
  },
  'the login could not be checked': {
    title: 'Your login could not be checked',
    text: 'The server could not find out whether you are still logged in.',
    retry: true,
  },
};

const loggedInAgain = {
  title: 'Your login has changed',
  text: 'You logged in again in another window.',
  icon: 'lock',
  retry: true,
};

/** The end of an open connection whose user has other rights now. */
function rightsChanged(session) {
  const may =
    session?.viewOnly === undefined
      ? 'Your rights here have changed.'
      : session.viewOnly
        ? 'From now on you can only watch: keys and pointer no longer reach the desktop.'
        : 'From now on you may use keys and pointer.';
  return {
    title: 'Your role has changed',
    text: may,
    icon: session?.viewOnly ? 'eye' : 'people',
    retry: true,
  };
}

/** The reason of Close 1001 after a time without input. */
const idleReason = /^no key or pointer event for (\d+(?:\.\d+)?) s/;

/** Seconds as text, in minutes if the number of minutes is whole. */
function inWords(seconds) {
  const [number, unit] = seconds >= 60 && seconds % 60 === 0 ? [seconds / 60, 'minute'] : [seconds, 'second'];
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}

/** The server has closed the desktop for want of input: the user decides when to continue. */
function inputIdle(seconds) {
  return {
    title: 'Are you still there?',
    text: `No key and no movement for ${inWords(seconds)}, so the server closed your connection. The desktop keeps running.`,
    icon: 'clock',
    retry: false,
    action: 'Continue',
    detail: undefined,
  };
}

/** The server could not log in to the VNC server. The page has no password to try again with. */
const loginRejected = {
  state: 'refused',
  title: 'The desktop’s VNC server rejected the server’s login',
  text: 'You are logged in, but the server could not log in to the desktop in your place. Tell the administrator.',
  icon: 'lock',
  retry: false,
  action: 'Try again',
};

/** The end of a tunnel by the option `vnc`; undefined for any other end. */
function endOfRights({ code, reason, connected }, session) {
  if (code === 4502 && /\bVNC server\b/.test(reason))
    return { ...loginRejected, text: quoted(loginRejected.text, reason) };
  const idle = code === 1001 ? idleReason.exec(reason) : null;
  if (idle !== null) return inputIdle(Number(idle[1]));
  if (code !== 1008) return undefined;
  if (/\brights\b.*\bchanged\b/.test(reason)) return rightsChanged(session);
  if (/^the (client|VNC server|backend) /.test(reason))
    return {
      state: connected ? 'disconnected' : 'refused',
      title: 'The connection was not plain VNC',
      text: quoted('The server checks what your page sends to the desktop, and could not read it.', reason),
      icon: 'barred',
      retry: false,
    };
  return undefined;
}

/** The server has given the only place at the desktop to a newer connection of the user. */
const replaced = {
  title: 'Connected elsewhere',
  text: 'You opened this desktop in another window or on another computer, and only one may show it. Connect again to continue here.',
  icon: 'monitor',
  retry: false,
  action: 'Connect here',
};

/** The text for the end of a connection because of its login, or of a newer one of its user; undefined for any other end. */
function endOfLogin({ code, reason, connected }, session) {
  if (code === 4409) return replaced;
  if (!connected || code !== 1008) return undefined;
  const ending = loginEndings[reason];
  if (session?.state === 'out') return { ...loginEndings['the login has ended'], detail: undefined };
  if (ending?.login === true)
    return session?.state === 'in' ? loggedInAgain : { ...ending, detail: undefined };
  return ending;
}

const quoted = (text, reason) => (reason ? `${text} The server says: “${reason}”.` : text);

/** A refusal by HTTP status: with `refuseWith: 'close'`, the close code is 4000 + status. */
function refused(status, reason) {
  if (status === 401) return notLoggedIn;
  const [title, text] = refusals[status] ?? [
    `The connection was refused (${status})`,
    'The server did not open the connection.',
  ];
  // An invalid request stays invalid. A failure of the server or of the desktop, or a limit, may be over soon.
  const passes = status >= 500 || status === 429;
  const [state, icon] = passes ? ['unavailable', 'unplugged'] : ['refused', 'barred'];
  return { state, icon, title, text: quoted(text, reason), retry: passes };
}

const statusOf = (code) => (code >= 4400 && code <= 4599 ? code - 4000 : undefined);

/** Can the answer of `/whoami` explain the outcome better? */
export const worthAsking = ({ code, connected, security, viewerError, timedOut, needsHttps, byUser }) =>
  !byUser &&
  !needsHttps &&
  !viewerError &&
  !timedOut &&
  security === undefined &&
  code < 4000 &&
  (!connected || code === 1008);

/**
 * Explains an outcome of `openConnection`. `session` is the answer of `whoami()`, if the page has asked.
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
      text: 'You ended the connection. The desktop keeps running.',
      icon: 'disconnect',
      retry: false,
    });
  }
  if (outcome.security !== undefined) {
    return because({
      state: 'refused',
      title: 'The desktop refused the login',
      text: `The password is wrong, or the desktop accepts no more viewers. The desktop says: “${outcome.security}”.`,
      icon: 'lock',
      retry: false,
      action: 'Try again',
      detail: undefined,
    });
  }
  if (outcome.needsHttps) {
    return because({
      state: 'refused',
      title: 'This desktop needs https',
      text: 'The VNC server uses encryption (RA2). Browsers allow this only for pages over https or on localhost.',
      icon: 'lock',
      retry: false,
      detail: undefined,
    });
  }
  if (outcome.timedOut) {
    return because({
      title: 'The desktop took too long',
      text: 'The server reached the desktop, but the desktop sent no picture.',
      retry: true,
      detail: undefined,
    });
  }
  if (outcome.viewerError) {
    return because({
      title: 'The viewer could not continue',
      text: 'The desktop sent data that is not VNC, or uses a feature of VNC that this viewer does not know.',
      icon: 'barred',
      retry: connected,
      detail: undefined,
    });
  }

  const rights = endOfRights(outcome, session);
  if (rights !== undefined) return because(rights);
  const login = endOfLogin(outcome, session);
  if (login !== undefined) return because(login);
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
      text: 'The server is down, or your network connection is interrupted.',
      retry: true,
    });
  }
  if (!opened) {
    return because({
      state: 'refused',
      title: 'The connection was refused',
      text:
        'You are logged in, but the server did not open the connection to the desktop. ' +
        'Browsers hide the answer; the server’s log has it.',
      icon: 'barred',
      retry: true,
    });
  }
  const [title, text] = endings[code] ?? [
    'The connection was closed',
    'The server closed the connection with a code that this page does not know.',
  ];
  return because({
    state: code === 1008 && !connected ? 'refused' : state,
    title,
    text: quoted(connected ? text : `${text} The desktop had not appeared yet.`, reason),
    retry: code !== 1008,
  });
}
