import { assertLikeWs, assertSame, decodeByWs, decodeChecked } from '../../fault/fuzz/decoding.js';
import { cutRandomly, frameStream, mutate } from '../../fault/fuzz/frames.js';
import { checkClientStream, checkHandshake } from '../../fault/fuzz/rfb-rules.js';
import { clientStream } from '../../fault/fuzz/rfb-streams.js';
import { Duplex } from 'node:stream';
import { TunnelError } from '../../../src/errors.js';
import { loginToBackend } from '../../../src/vnc/backend-login.js';
import { HandshakeCut } from '../../../src/vnc/handshake-bytes.js';
import { bytesOf, rfb, s32 } from '../../support/rfb.js';
import type { Random } from '../../support/random.js';
import { allow, type Target } from './target.js';

/** The bytes of a VNC server during a login, step by step. */
const LOGINS: readonly (readonly Buffer[])[] = [
  [rfb.version(), bytesOf(2, 2, 1), Buffer.alloc(16, 7), Buffer.alloc(4)],
  [rfb.version(), bytesOf(1, 1), Buffer.alloc(4)],
  [rfb.version(), bytesOf(1, 2), Buffer.alloc(16, 7), s32(1), s32(5), Buffer.from('wrong')],
  [rfb.version(), bytesOf(0), s32(3), Buffer.from('no!')],
  [rfb.version(), bytesOf(1, 19), bytesOf(0, 2), bytesOf(0), bytesOf(1), s32(256), Buffer.alloc(4)],
  [rfb.version('RFB 003.003\n'), s32(2), Buffer.alloc(16, 7), Buffer.alloc(4)],
  [rfb.version('RFB 003.007\n'), bytesOf(1, 1)],
];

/** A VNC server that sends its bytes regardless of the input, then ends. */
function server(random: Random, said: Buffer): Duplex {
  const pieces = cutRandomly(random, said);
  return new Duplex({
    read() {
      this.push(pieces.shift() ?? null);
    },
    write: (_chunk, _encoding, done) => done(),
  });
}

/** Frames and RFB: bytes of a connection, in any pieces. */
export const wire: Target[] = [
  {
    name: 'frames: the decoder, whole and cut, and against ws',
    share: 260,
    check(random, note) {
      const stream = frameStream(random);
      note(stream);
      const whole = decodeChecked([stream]);
      assertSame(whole, decodeChecked(cutRandomly(random, stream)), 'cut elsewhere');
      assertLikeWs(whole, decodeByWs([stream]));
    },
  },
  {
    name: 'RFB: messages of a client, whole and cut',
    share: 170,
    check(random, note) {
      const stream = random.oneIn(3) ? mutate(random, clientStream(random)) : clientStream(random);
      note(stream);
      checkClientStream(random, stream);
    },
  },
  {
    name: 'RFB: greetings of both sides, in any order',
    share: 80,
    check(random, note) {
      const log: Buffer[] = [];
      try {
        checkHandshake(random, log);
      } catch (error) {
        note(Buffer.concat(log));
        throw error;
      }
    },
  },
  {
    name: 'RFB: logins to VNC servers',
    share: 10,
    async check(random, note) {
      const whole = Buffer.concat(random.pick(LOGINS));
      const said = random.oneIn(4) ? whole : mutate(random, mutate(random, whole));
      note(said);
      const login = { username: 'ann', password: 'geheim' };
      const socket = server(random, said);
      socket.on('error', () => undefined);
      try {
        await loginToBackend(socket, login, undefined, never);
      } catch (error) {
        allow(error, TunnelError, HandshakeCut);
        if ((error as Error).message.includes('geheim'))
          throw new Error('the password is in a message', { cause: error });
        if (!socket.destroyed) throw new Error('the connection stays open', { cause: error });
      } finally {
        socket.destroy();
      }
    },
  },
];

const never = new AbortController().signal;
