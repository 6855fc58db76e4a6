// The kinds of sessions of the soak test. Each kind opens a tunnel, transfers random bytes, ends in its own way, and returns the bytes
// that must have arrived at each end.
import { Buffer } from 'node:buffer';
import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { UPDATE, WISH } from './backends.mjs';
import { frame } from './wire.mjs';

const size = () => 2 ** randomInt(4, 18) + randomInt(0, 1000);

/** Sends `bytes` in frames of random sizes. */
function sendFrames(wire, bytes) {
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, randomInt(1, 2 ** randomInt(4, 16)));
    wire.send(frame(2, bytes.subarray(at, at + length)));
    at += length;
  }
}

/** The bytes for the backend: the request, and `more` random bytes. */
function wishing(session, mode, more = 0) {
  const wish = Buffer.alloc(WISH);
  wish.write(mode);
  wish.writeUInt32BE(session.id, 4);
  session.up = Buffer.concat([wish, randomBytes(more)]);
  return session.up;
}

async function echoAll(session, wire, bytes) {
  sendFrames(wire, bytes);
  await wire.until(() => wire.length >= session.up.length, 'the echo');
}

async function leave(wire, code = 1000) {
  wire.sendClose(code);
  await wire.closed();
}

const viewed = ['client-closed', 1000];

/**
 * By name: `path` below the mount path; `causes`: the causes of a planned end, each with its close code; `run` resolves when the
 * client has seen the end. `all`: the directions in which every byte must arrive before a planned end. `weight`: the relative frequency.
 */
export const KINDS = {
  echo: {
    weight: 6,
    all: ['up', 'down'],
    end: viewed,
    async run(session, wire) {
      await echoAll(session, wire, wishing(session, 'e', size()));
      session.down = session.up;
      await leave(wire);
    },
  },
  record: {
    weight: 3,
    path: 'record/',
    all: ['up', 'down'],
    isRecorded: true,
    end: viewed,
    async run(session, wire) {
      await KINDS.echo.run(session, wire);
    },
  },
  upload: {
    weight: 3,
    all: ['up'],
    end: viewed,
    // The Close follows the bytes at once: all of them must still reach the backend.
    async run(session, wire) {
      sendFrames(wire, wishing(session, 's', size()));
      await leave(wire);
    },
  },
  download: {
    weight: 3,
    all: ['up', 'down'],
    end: ['backend-ended', 1000],
    async run(session, wire) {
      session.down = randomBytes(size());
      sendFrames(wire, wishing(session, 'd'));
      await wire.closed();
    },
  },
  slow: {
    all: ['up', 'down'],
    end: ['backend-ended', 1000],
    async run(session, wire, { pause }) {
      session.down = randomBytes(1_500_000);
      sendFrames(wire, wishing(session, 'd'));
      for (let times = 0; times < 4 && !wire.isEnded; times++) {
        wire.stream.pause();
        await sleep(pause);
        wire.stream.resume();
        await sleep(20);
      }
      await wire.closed();
    },
  },
  reset: {
    weight: 2,
    end: ['client-lost', 1006],
    async run(session, wire) {
      session.down = randomBytes(size());
      sendFrames(wire, wishing(session, 'k', 1000));
      await wire.until(() => wire.length > 0, 'bytes');
      wire.reset();
    },
  },
  vanish: {
    end: ['client-ended', 1006],
    async run(session, wire) {
      await echoAll(session, wire, wishing(session, 'e', 500));
      session.down = session.up;
      wire.stream.end();
      await wire.until(() => wire.isEnded, 'the end');
    },
  },
  'backend-reset': {
    end: ['backend-failed', 1011],
    async run(session, wire) {
      session.down = randomBytes(size());
      sendFrames(wire, wishing(session, 'r'));
      await wire.closed();
    },
  },
  1009: {
    end: ['frame-too-large', 1009],
    async run(session, wire) {
      await echoAll(session, wire, wishing(session, 'e', 100));
      session.down = session.up;
      const huge = frame(2, Buffer.from('x'), { length: 70_000 });
      huge.writeBigUInt64BE(2n ** 60n, 2);
      wire.send(huge);
      await wire.closed();
    },
  },
  1002: {
    end: ['protocol-error', 1002],
    async run(session, wire) {
      await echoAll(session, wire, wishing(session, 'e', 100));
      session.down = session.up;
      wire.send(frame(2, Buffer.from('x'), { rsv: 4 }));
      await wire.closed();
    },
  },
  1007: {
    path: 'text/',
    end: ['not-utf8', 1007],
    async run(session, wire) {
      wire.send(frame(1, wishing(session, 's')));
      wire.send(frame(1, Buffer.from([0xff, 0xfe])));
      await wire.closed();
    },
  },
  idle: {
    path: 'idle/',
    all: ['up', 'down'],
    end: ['idle', 1001],
    async run(session, wire) {
      await echoAll(session, wire, wishing(session, 'e', 100));
      session.down = session.up;
      await wire.closed();
    },
  },
  'logged-out': {
    all: ['up', 'down'],
    end: ['login-ended', 1008],
    async run(session, wire, { logOut }) {
      await echoAll(session, wire, wishing(session, 'e', 100));
      session.down = session.up;
      await logOut();
      await wire.closed();
    },
  },
  ended: {
    all: ['up', 'down'],
    end: ['ended-by-app', 1008],
    async run(session, wire, { ask }) {
      await echoAll(session, wire, wishing(session, 'e', 100));
      session.down = session.up;
      await ask('end', { user: session.user });
      await wire.closed();
    },
  },
  long: {
    weight: 2,
    all: ['up', 'down'],
    end: viewed,
    // Outlives logins' checks, restarts of Redis, reloads and clock steps.
    async run(session, wire, { isPaused, seconds }) {
      const first = wishing(session, 'e', 50);
      await echoAll(session, wire, first);
      const until = performance.now() + seconds * 1000;
      while (performance.now() < until && !isPaused() && !wire.isEnded && wire.code === undefined) {
        const more = randomBytes(randomInt(1, 3000));
        session.up = Buffer.concat([session.up, more]);
        await echoAll(session, wire, more);
        await sleep(400);
      }
      session.down = session.up;
      await leave(wire);
    },
  },
  vnc: {
    weight: 2,
    path: 'vnc/',
    end: viewed,
    async run(session, wire, { faults }) {
      await wire.until(() => wire.length >= 12, 'the version');
      wire.send(frame(2, Buffer.from('RFB 003.008\n')));
      await wire.until(() => wire.length >= 14, 'security types');
      wire.send(frame(2, Buffer.from([1])));
      await wire.until(() => wire.length >= 18, 'the result');
      wire.send(frame(2, Buffer.from([1])));
      const start = 18 + 20 + 8;
      await wire.until(() => wire.length >= start, 'ServerInit');
      const rounds = randomInt(1, 30);
      const key = Buffer.from('0401000000000061', 'hex');
      const pointer = Buffer.from('050100010001', 'hex');
      const request = Buffer.from('03000000000000080008', 'hex');
      for (let left = rounds; left > 0; left--)
        wire.send(frame(2, Buffer.concat([key, request, pointer, key])));
      await wire.until(() => wire.length >= start + rounds * UPDATE, 'updates');
      const bytes = wire.bytes();
      const expected = Buffer.alloc(rounds * UPDATE, bytes.subarray(start - 4, start));
      if (!wire.isEnded && !bytes.subarray(start).equals(expected)) faults.push('vnc: other bytes arrived');
      await leave(wire);
    },
  },
  frames: {
    weight: 2,
    path: 'frames/',
    end: viewed,
    async run(session, wire) {
      session.up = randomBytes(size());
      session.down = session.up;
      session.isFrames = true;
      sendFrames(wire, session.up);
      await wire.until(() => wire.length >= session.up.length, 'the echo');
      await leave(wire);
    },
  },
};

/** Kinds that also run over the command, which has one target and no login. */
export const PLAIN = ['echo', 'upload', 'download', 'reset', 'backend-reset', 'vanish'];

const chosen = Object.entries(KINDS).flatMap(([name, { weight = 1 }]) => Array(weight).fill(name));

export const anyKind = () => chosen[randomInt(chosen.length)];
