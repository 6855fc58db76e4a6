import { fstatSync } from 'node:fs';
import type { Server } from 'node:net';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST = 3;

/**
 * Listens on a socket that this process was started with: systemd's socket activation, or any program that starts another with a
 * listening socket open. Its path, where it has one, is the other program's to remove.
 *
 * @throws an Error that says what the descriptor is instead.
 */
export function listenOnDescriptor(
  server: Server,
  fd: number,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  checkPassed(fd, environment);
  if (!isSocket(fd)) throw new Error('this process was not started with a socket at this descriptor');
  server.listen({ fd });
}

/** systemd says to which process it passes how many sockets: a wrapper in between (npx) is another process. */
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
