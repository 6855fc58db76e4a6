import type { Duplex } from 'node:stream';
import { FrameDecoder } from '../../../src/frames/decoder.js';
import type { Random } from '../random.js';
import { frame } from '../raw-client.js';
import { deferred } from '../wait.js';
import { plain, plainClose } from '../websocket-server.js';
import { readSlowly, writeAll, type Load } from './ends.js';
import { BLOCK, StreamCheck, StreamSource, tunnelOf } from './stream.js';

/** The backend's end of a tunnel as `runBackend`, by frames: with fragments, PINGs, and a closing handshake. */
export async function runFrameBackend(
  socket: Duplex,
  { seed, up, down, largest }: Load,
  random: Random,
  endsFirst: (tunnel: number) => boolean,
): Promise<number> {
  const known = deferred<number>();
  const over = deferred<unknown>();
  let start = Buffer.alloc(0);
  let check: StreamCheck | undefined;
  let hasClosed = false;
  const close = () => {
    if (!hasClosed) socket.write(plainClose(1000));
    hasClosed = true;
  };
  const decoder = new FrameDecoder({
    ping: (payload) => socket.write(plain(10, payload)),
    pong: () => over.resolve(new Error('a PONG without a PING reached the backend')),
    close: () => {
      close();
      socket.end();
    },
  });
  const read = (chunk: Buffer) => {
    let bytes = decoder.decode(Buffer.from(chunk));
    if (decoder.failure) throw new Error(decoder.failure.reason);
    if (!check) {
      start = Buffer.concat([start, bytes]);
      if (start.length < BLOCK) return;
      const tunnel = tunnelOf(start);
      if (tunnel === undefined) throw new Error(`no stream begins so: ${start.toString('hex', 0, 32)}`);
      check = new StreamCheck({ seed, tunnel, direction: 'up' });
      bytes = start;
      known.resolve(tunnel);
    }
    check.push(bytes);
  };
  readSlowly(socket, random, (chunk) => {
    try {
      read(chunk);
    } catch (error) {
      over.resolve(error);
      socket.destroy();
    }
  });
  socket.on('end', () => over.resolve(undefined));
  socket.on('close', () => over.resolve(new Error('a backend lost its connection')));
  const tunnel = await Promise.race([
    known.promise,
    over.promise.then((error) => Promise.reject(error as Error)),
  ]);
  const source = new StreamSource({ seed, tunnel, direction: 'down' });
  let isFragmented = false;
  const write = (bytes: Buffer) => {
    const final = !random.oneIn(4);
    socket.write(frame(isFragmented ? 0 : 2, bytes, { final, mask: null }));
    isFragmented = !final;
  };
  await writeAll(socket, source, down, random, write, largest);
  if (endsFirst(tunnel)) close();
  const wrong = await over.promise;
  if (wrong !== undefined) throw wrong as Error;
  if (check?.position !== up) throw new Error(`tunnel ${tunnel}: ${check?.position} of ${up} bytes up`);
  return tunnel;
}
