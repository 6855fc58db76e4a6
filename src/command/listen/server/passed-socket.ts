import { fstatSync } from 'node:fs';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST = 3;

/**
 * Requires a socket that systemd (socket activation) or another parent process has passed. The parent removes the path of a unix
 * socket.
 *
 * @throws an Error if the descriptor is not a socket passed to this process
 */
export function requirePassedSocket(
  fd: number,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  checkPassed(fd, environment);
  if (!isSocket(fd)) throw new Error('this process was not started with a socket at this descriptor');
}

/** systemd sets the pid and the number of sockets; under a wrapper (npx), the pid is the wrapper's. */
function checkPassed(
  fd: number,
  { LISTEN_PID: pid, LISTEN_FDS: count }: Readonly<Record<string, string | undefined>>,
): void {
  if (pid === undefined || count === undefined) return;
  if (pid !== String(process.pid))
    throw new Error(`the passed sockets are for process ${pid}: start express-wstunnel itself, without npx`);
  const last = FIRST + Number(count) - 1;
  if (fd < FIRST || fd > last)
    throw new Error(
      last > FIRST ? `the passed sockets are fd:${FIRST} to fd:${last}` : `the passed socket is fd:${FIRST}`,
    );
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
