import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { debuglog } from 'node:util';
import { DEFAULT_SIZE } from './layout.js';
import { ProtocolError } from './rfb/reader.js';
import { Viewer } from './rfb/viewer.js';
import { Scene } from './scene/scene.js';
import { Stage } from './scene/stage.js';
import type { Carried } from './scene/traffic.js';

export { layout, type Layout } from './layout.js';
export type { Rect } from './draw/rect.js';

export interface DesktopOptions {
  readonly host?: string;
  /** Default: 0, any free port. */
  readonly port?: number;
  readonly width?: number;
  readonly height?: number;
  /** The name of the desktop, which viewers receive too. */
  readonly name?: string;
  /** The password that a viewer must know; VNC uses the first 8 characters. Default: every viewer is welcome. */
  readonly password?: string;
  /** Time limit for a viewer's RFB handshake, in seconds. */
  readonly handshakeSeconds?: number;
  /** The bytes that the tunnel has carried so far, for the chart on the desktop. Default: none. */
  readonly traffic?: () => Carried;
}

export interface Desktop {
  readonly host: string;
  readonly port: number;
  readonly screen: {
    readonly width: number;
    readonly height: number;
    /** 0xRRGGBB */
    pixel(x: number, y: number): number;
  };
  readonly viewers: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const HANDSHAKE_SECONDS = 10;
const MIN_SIDE = 320;
const MAX_SIDE = 4096;
const log = debuglog('desktop');

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen({ host, port });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a desktop needs a TCP port');
  return address.port;
}

/** A VNC server with a small desktop that all viewers share. */
export async function startDesktop(options: DesktopOptions = {}): Promise<Desktop> {
  const {
    host = '127.0.0.1',
    port = 0,
    name = 'Demo desktop',
    handshakeSeconds = HANDSHAKE_SECONDS,
  } = options;
  const { width, height } = { ...DEFAULT_SIZE, ...options };
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < MIN_SIDE || side > MAX_SIDE) {
      throw new RangeError(`a desktop is from ${MIN_SIDE} to ${MAX_SIDE} pixels wide and high, not ${side}`);
    }
  }
  const stage = new Stage(new Scene(width, height, name, options.traffic));
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The reader notices the end of the connection. Without a listener, the error would end the process.
    socket.on('error', (error) => log('%s', error.message));
    new Viewer(socket, stage, name, options.password)
      .serve(handshakeSeconds)
      .catch((error: unknown) => log(error instanceof ProtocolError ? error.message : '%o', error))
      .finally(() => socket.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  const bound = await listen(server, host, port);
  server.on('error', (error) => log('%s', error.message));
  const { screen } = stage.scene;
  return {
    host,
    port: bound,
    screen: { width, height, pixel: (x, y) => screen.at(x, y) },
    get viewers() {
      return stage.viewers;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
