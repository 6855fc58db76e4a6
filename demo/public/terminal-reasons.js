// The text for each end of a connection to a shell, and the user's next step.

const loggedOut = {
  title: 'You are not logged in',
  text: 'You logged out in another window, or your login has expired. The shell has ended.',
  icon: 'lock',
  login: true,
  retry: false,
};

const trainee = {
  title: 'No terminal for trainees',
  text: 'You are a trainee now, and a trainee only watches the desktop. The shell has ended.',
  icon: 'barred',
  retry: false,
};

const refusals = {
  429: ['Too many terminals', 'You have reached the limit of open terminals. Close one and try again.', true],
  500: ['The shell could not be started', 'An error occurred on the server.', false],
  502: ['The shell could not be started', 'The server could not start a shell.', false],
  503: ['The server is busy', 'It has reached its limit of terminals, or is about to stop.', true],
};

const quoted = (text, reason) => (reason ? `${text} The server says: “${reason}”.` : text);

/**
 * Explains the end of a connection by its close code and reason. `session` is the answer of `whoami()`, if the page has asked.
 *
 * @returns {{ title: string, text: string, icon: string, retry: boolean, login?: boolean, action?: string, detail?: string }}
 */
export function explain({ code, reason, opened }, session) {
  if (code === 1000)
    return {
      title: 'The shell has ended',
      text: 'You left the shell, or it was closed.',
      icon: 'terminal',
      retry: false,
      action: 'New shell',
    };
  if (session?.state === 'out') return loggedOut;
  if (session?.state === 'in' && session.role === 'trainee') return trainee;
  const refusal = refusals[code - 4000];
  if (refusal !== undefined) {
    const [title, text, retry] = refusal;
    return { title, text: quoted(text, reason), icon: 'unplugged', retry };
  }
  if (!opened && session?.state === 'unreachable')
    return {
      title: 'The server cannot be reached',
      text: 'The server is down, or your network connection is interrupted.',
      icon: 'unplugged',
      retry: true,
    };
  if (!opened)
    return {
      title: 'The connection was refused',
      text: quoted('You are logged in, but the server did not open the terminal.', reason),
      icon: 'barred',
      retry: code < 4000,
    };
  if (code === 1008)
    return {
      title: 'Ended by the application',
      text: quoted('The application closed your terminal.', reason),
      icon: 'unplugged',
      retry: false,
    };
  return {
    title: 'The connection was lost',
    text: quoted('The network or the server failed.', reason),
    icon: 'unplugged',
    detail: `Close code ${code}`,
    retry: true,
  };
}
