import { Program } from './programs.js';
import { closedPort } from './servers.js';

/** A real desktop: an X server, a terminal and a VNC server for it, on loopback. */
export interface RealDesktop {
  readonly port: number;
}

export async function startRealDesktop(): Promise<RealDesktop> {
  // It chooses a free display and writes its number on descriptor 3.
  const server = new Program('Xvfb', ['-displayfd', '3', '-screen', '0', '800x500x24', '-nolisten', 'tcp']);
  const [, number = ''] = await server.prints(/^(\d+)\n/m);
  const display = `:${number}`;
  new Program('xterm', ['-geometry', '100x30+0+0', '-e', 'sh'], { DISPLAY: display, PS1: '$ ' });
  const port = await closedPort();
  const vnc = new Program('x11vnc', [
    ...['-display', display, '-rfbport', String(port)],
    ...['-localhost', '-forever', '-shared', '-nopw', '-noxdamage', '-norc'],
  ]);
  await vnc.prints(/PORT=\d+/);
  return { port };
}
