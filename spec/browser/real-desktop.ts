import { Program } from '../support/programs.js';
import { closedPort } from '../support/servers.js';

/** A real desktop: an X server, a terminal and a VNC server for it, on loopback. */
export interface RealDesktop {
  readonly port: number;
  /** For `DISPLAY`. */
  readonly display: string;
}

/** `password` is the VNC server's password. */
export async function startRealDesktop(password?: string): Promise<RealDesktop> {
  // Xvfb chooses a free display and writes its number to descriptor 3.
  const server = new Program('Xvfb', ['-displayfd', '3', '-screen', '0', '800x500x24', '-nolisten', 'tcp']);
  const [, number = ''] = await server.prints(/^(\d+)\n/m);
  const display = `:${number}`;
  new Program('xterm', ['-geometry', '100x30+0+0', '-e', 'sh'], { DISPLAY: display, PS1: '$ ' });
  const port = await closedPort();
  const vnc = new Program('x11vnc', [
    ...['-display', display, '-rfbport', String(port)],
    ...['-localhost', '-forever', '-shared', '-noxdamage', '-norc'],
    ...(password === undefined ? ['-nopw'] : ['-passwd', password]),
  ]);
  await vnc.prints(/PORT=\d+/);
  return { port, display };
}

/** TigerVNC's X server, which viewers can resize; on request with a terminal in the corner. */
export async function startXvnc({ withTerminal = false } = {}): Promise<RealDesktop> {
  const port = await closedPort();
  const server = new Program('Xvnc', [
    ...['-displayfd', '3', '-rfbport', String(port), '-localhost', '-SecurityTypes', 'None'],
    ...['-geometry', '800x500'],
  ]);
  const [, number = ''] = await server.prints(/^(\d+)\n/m);
  const display = `:${number}`;
  if (withTerminal)
    new Program('xterm', ['-geometry', '60x20+0+0', '-e', 'sh'], { DISPLAY: display, PS1: '$ ' });
  return { port, display };
}
