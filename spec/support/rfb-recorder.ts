import { connect } from 'node:net';
import { startBackend } from './servers.js';

/** The messages that a viewer has sent to a VNC server without a password, RFC 6143 section 7.5. */
export interface Recorder {
  readonly port: number;
  /** `+` and `-` before a keysym in hexadecimal: pressed and released. */
  readonly keys: string[];
  readonly pointers: { readonly buttons: number; readonly x: number; readonly y: number }[];
  /** The latest list. */
  encodings: number[];
}

/** Version, security type and ClientInit. */
const GREETING = 12 + 1 + 1;

/** Relays between a tunnel and a VNC server, and records the messages. */
export async function startRecorder(target: { host: string; port: number }): Promise<Recorder> {
  const recorder: Recorder = { port: 0, keys: [], pointers: [], encodings: [] };
  const { port } = await startBackend((socket) => {
    const server = connect(target.port, target.host);
    for (const end of [server, socket]) end.on('error', () => undefined);
    socket.on('close', () => server.destroy());
    server.pipe(socket);
    socket.pipe(server);
    let skip = GREETING;
    let held = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (skip > held.length) return;
      held = held.subarray(skip);
      skip = 0;
      for (let length = lengthOf(held); length <= held.length; length = lengthOf(held)) {
        record(recorder, held.subarray(0, length));
        held = held.subarray(length);
      }
    });
  });
  return Object.assign(recorder, { port });
}

/** The length of the first message; infinite while unknown. */
function lengthOf(bytes: Buffer): number {
  const type = bytes[0];
  if (type === 0) return 20;
  if (type === 2) return bytes.length < 4 ? Infinity : 4 + 4 * bytes.readUInt16BE(2);
  if (type === 3) return 10;
  if (type === 4) return 8;
  if (type === 5) return 6;
  if (type === 6) return bytes.length < 8 ? Infinity : 8 + bytes.readUInt32BE(4);
  return Infinity;
}

function record(recorder: Recorder, bytes: Buffer): void {
  const type = bytes[0];
  if (type === 2)
    recorder.encodings = Array.from({ length: bytes.readUInt16BE(2) }, (_, at) =>
      bytes.readInt32BE(4 + 4 * at),
    );
  if (type === 4) recorder.keys.push(`${bytes[1] === 0 ? '-' : '+'}${bytes.readUInt32BE(4).toString(16)}`);
  if (type === 5)
    recorder.pointers.push({ buttons: bytes[1] ?? 0, x: bytes.readUInt16BE(2), y: bytes.readUInt16BE(4) });
}
