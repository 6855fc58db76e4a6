import type { Socket } from 'node:net';
import { CHALLENGE_LENGTH, isRightAnswer, makeChallenge } from './authentication.js';
import { nativeFormat, writeFormat } from './pixelformat.js';
import { ProtocolError, type ByteReader } from './reader.js';

const NONE = 1;
const VNC_AUTHENTICATION = 2;
type Version = '3.3' | '3.7' | '3.8';

function versionOf(text: string): Version {
  const [, major, minor] = /^RFB (\d{3})\.(\d{3})\n$/.exec(text) ?? [];
  if (Number(major) !== 3) throw new ProtocolError('unsupported version of RFB');
  // https://www.rfc-editor.org/rfc/rfc6143#section-7.1.1 (other numbers, such as 3.5, mean 3.3)
  return minor === '008' ? '3.8' : minor === '007' ? '3.7' : '3.3';
}

const failure = (reason: string): Buffer => {
  const bytes = Buffer.from(`\0\0\0\0\0\0\0\0${reason}`);
  bytes.writeUInt32BE(1, 0);
  bytes.writeUInt32BE(bytes.length - 8, 4);
  return bytes;
};

const end = (socket: Socket, last: Buffer): Promise<void> => new Promise((done) => socket.end(last, done));

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.1 up to and with ClientInit. Without a password, every viewer is welcome. */
export async function handshake(socket: Socket, reader: ByteReader, password?: string): Promise<void> {
  socket.write('RFB 003.008\n');
  const version = versionOf((await reader.read(12)).toString('latin1'));
  const type = password === undefined ? NONE : VNC_AUTHENTICATION;
  if (version === '3.3') {
    socket.write(Buffer.from([0, 0, 0, type]));
  } else {
    socket.write(Buffer.from([1, type]));
    const chosen = (await reader.read(1)).readUInt8(0);
    if (chosen !== type) {
      if (version === '3.8') await end(socket, failure('this desktop offers no other security type'));
      throw new ProtocolError(`security type ${chosen}`);
    }
  }
  if (password !== undefined) await authenticate(socket, reader, version, password);
  // Only 3.8 answers None with a SecurityResult: https://www.rfc-editor.org/rfc/rfc6143#appendix-A
  if (password !== undefined || version === '3.8') socket.write(Buffer.alloc(4));
  // ClientInit: the desktop is shared whatever the viewer asks for.
  await reader.read(1);
}

async function authenticate(
  socket: Socket,
  reader: ByteReader,
  version: Version,
  password: string,
): Promise<void> {
  const challenge = makeChallenge();
  socket.write(challenge);
  if (isRightAnswer(password, challenge, await reader.read(CHALLENGE_LENGTH))) return;
  const words = failure('the password is wrong');
  // Only 3.8 gives a reason.
  await end(socket, version === '3.8' ? words : words.subarray(0, 4));
  throw new ProtocolError('wrong password');
}

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.3.2 */
export function serverInit(width: number, height: number, name: string): Buffer {
  const label = Buffer.from(name);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(width, 0);
  head.writeUInt16BE(height, 2);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(label.length);
  return Buffer.concat([head, writeFormat(nativeFormat), length, label]);
}
