import { connect, createServer, type Socket } from 'node:net';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf } from '../../support/servers.js';

/** The limits of one direction. */
export interface LineOptions {
  /** Bytes per second. */
  readonly rate: number;
  /** Capacity of the line in bytes: proxies and kernels on a real path buffer megabytes. */
  readonly holds: number;
}

/** A slow line on loopback. */
export interface SlowLine {
  readonly port: number;
  /** Bytes delivered in each direction. */
  readonly passed: { up: number; down: number };
  /** Stops both directions for good; neither side gets an end. */
  cut(): void;
}

const TICK = 10;

/** Forwards connections to a port, each direction at its rate; `up` is the direction from the connecting side. */
export async function startSlowLine(to: number, up: LineOptions, down: LineOptions = up): Promise<SlowLine> {
  const passed = { up: 0, down: 0 };
  let isCut = false;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const other = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const free = () => {
      socket.destroy();
      other.destroy();
    };
    for (const one of [socket, other]) {
      one.on('error', () => undefined);
      one.on('close', (isFailed) => isFailed && free());
    }
    onCleanup(free);
    throttle(
      socket,
      other,
      up,
      (bytes) => (passed.up += bytes),
      () => isCut,
    );
    throttle(
      other,
      socket,
      down,
      (bytes) => (passed.down += bytes),
      () => isCut,
    );
  });
  await listen(server);
  return { port: portOf(server), passed, cut: () => (isCut = true) };
}

/** A token bucket of one tick. */
function throttle(
  from: Socket,
  to: Socket,
  { rate, holds }: LineOptions,
  count: (bytes: number) => void,
  isCut: () => boolean,
): void {
  const queue: Buffer[] = [];
  let held = 0;
  let isOver = false;
  let since = performance.now();
  let tokens = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    tokens = Math.min(tokens + ((now - since) * rate) / 1000, (rate * 3 * TICK) / 1000 + 1);
    since = now;
    if (isCut()) return;
    while (tokens >= 1 && queue[0] && to.writableLength === 0) {
      const piece = queue[0].subarray(0, Math.floor(tokens));
      if (piece.length === queue[0].length) queue.shift();
      else queue[0] = queue[0].subarray(piece.length);
      tokens -= piece.length;
      held -= piece.length;
      to.write(piece);
      count(piece.length);
    }
    if (held < Math.max(holds, 1)) from.resume();
    if (!isOver || held > 0) return;
    clearInterval(timer);
    if (to.writable) to.end();
  }, TICK);
  from.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    held += chunk.length;
    if (held >= holds) from.pause();
  });
  from.on('end', () => (isOver = true));
  to.on('close', () => clearInterval(timer));
  onCleanup(() => clearInterval(timer));
}
