import { randomBytes } from 'node:crypto';
import { echo, seen, silent, toAll, type Case, type Side } from '../run.js';
import { since } from '../../support/lighttpd-version.js';
import { closeFrame, frame, type RawClient } from '../../support/raw-client.js';
import { until } from '../../support/wait.js';

/** The bytes that an echo returns for the frames, as one text. */
const echoed =
  (length: number, ...frames: Buffer[]) =>
  async (side: Side) => {
    const client = await side.open();
    client.send(...frames);
    return (await client.payload(length)).toString('latin1');
  };

/** The received frames, data joined, and the bytes at the backend. */
const answered =
  (count: number, bytes: number, ...frames: Buffer[]) =>
  async (side: Side) => {
    const client = await side.open();
    client.send(...frames);
    const all: string[] = [];
    for (let i = 0; i < count; i++) all.push(seen(await client.frame()));
    return { all, backend: await (await side.backend().conversation()).has(bytes) };
  };

/** The bytes at the backend and the close code; `stays` if bytes after the frames arrive. */
const broken =
  (...frames: Buffer[]) =>
  async (side: Side) => {
    const client = await side.open();
    client.send(...frames, frame(2, '|'), frame(9, 'alive?'));
    const conversation = await side.backend().conversation();
    const ends = await untilAnswer(side, client);
    if (ends === 'stays') await until(() => conversation.text.endsWith('|'));
    else await conversation.left();
    return { ends, backend: conversation.text };
  };

/** Whether a frame of the given length comes back, or the Close in place of the frame. */
const carried = (length: number) => async (side: Side) => {
  const client = await side.open();
  const bytes = Buffer.alloc(length, 'abcdefg');
  client.send(frame(2, bytes));
  let back = Buffer.alloc(0);
  while (back.length < length) {
    const next = await client.frame();
    if (!next) return 'end';
    if (next.opcode === 8) return `Close ${side.codeOf(next.payload)}`;
    back = Buffer.concat([back, next.payload]);
  }
  return back.equals(bytes) ? 'comes back' : 'other bytes';
};

/** Whether a PING is answered or a Close comes. */
async function untilAnswer(side: Side, client: RawClient): Promise<unknown> {
  for (let next = await client.frame(); next; next = await client.frame()) {
    if (next.opcode === 10 && next.payload.toString() === 'alive?') return 'stays';
    if (next.opcode !== 8) continue;
    client.socket.end();
    return side.codeOf(next.payload);
  }
  return 'end';
}

const quiet = { a: silent };
const text: Pick<Case, 'conf' | 'options'> = {
  conf: ({ a }) => toAll(a!.conf()),
  options: ({ a }) => ({ server: a!.host, frameType: 'text' }),
};

export const FRAMES: Case[] = [
  {
    name: 'binary and text frames from the client are the same bytes',
    observe: echoed(6, frame(1, 'one'), frame(2, 'two')),
  },
  { name: 'frames to the client are binary under frame-type binary', observe: answered(1, 1, frame(1, 'x')) },
  {
    name: 'frames to the client are text under frame-type text',
    ...text,
    observe: answered(1, 1, frame(2, 'x')),
  },
  {
    name: 'empty frames are nothing',
    observe: echoed(
      2,
      frame(2, ''),
      frame(1, ''),
      frame(2, 'ok'),
      frame(2, '', { final: false }),
      frame(0, ''),
    ),
  },
  {
    name: 'fragments are one stream',
    observe: echoed(9, frame(2, 'one', { final: false }), frame(0, 'two', { final: false }), frame(0, 'six')),
  },
  {
    name: 'control frames between fragments',
    backends: quiet,
    observe: answered(
      2,
      9,
      frame(2, 'one', { final: false }),
      frame(9, 'between'),
      frame(0, 'two', { final: false }),
      frame(10, 'unasked'),
      frame(9, 'again'),
      frame(0, 'end'),
    ),
  },
  {
    name: 'ping: its payload comes back, empty, of 125 bytes, and in a run',
    backends: quiet,
    observe: answered(4, 0, frame(9), frame(9, 'p'.repeat(125)), frame(9, '1'), frame(9, '2')),
  },
  {
    name: 'pong: one that nobody asked for is ignored',
    observe: echoed(1, frame(10, 'x'), frame(10), frame(2, 'y')),
  },
  {
    name: 'masks: of zeros, and another for each frame',
    observe: echoed(
      9,
      frame(2, 'one', { mask: Buffer.alloc(4) }),
      frame(2, 'two', { mask: Buffer.from([255, 0, 1, 254]) }),
      frame(2, 'six', { mask: Buffer.from([1, 2, 3, 4]) }),
    ),
  },
  {
    name: 'a frame cut into single bytes',
    observe: async (side) => {
      const client = await side.open();
      client.socket.setNoDelay(true);
      for (const byte of frame(2, Buffer.alloc(130, 'x'))) {
        client.send(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return (await client.payload(130)).toString();
    },
  },
  ...[125, 126, 127, 2000, 2047, 4096, 5000, 6143, 8200, 65536].map((length): Case => ({
    name: `a frame of ${length} bytes`,
    observe: carried(length),
  })),
  // Issue 13, case 15: the bit 0x0800 of a length of 16 bits. noVNC sends pieces of 10,240 bytes.
  ...[2048, 3000, 4095, 6144, 6200, 8191, 10_240, 12_287, 65_535].map((length): Case => ({
    name: `a frame of ${length} bytes, whose length has the bit 0x0800`,
    observe: carried(length),
    differs: {
      subject: 'data frames of 2,048 to 4,095 bytes',
      lighttpd: since({ '1.4.69': 'comes back', '1.4.83': 'Close 1002' }),
      ours: 'comes back',
    },
  })),
  {
    name: 'lengths that are written longer than they need',
    backends: quiet,
    observe: broken(
      Buffer.concat([Buffer.from([0x82, 0xfe, 0, 2, 0, 0, 0, 0]), Buffer.from('ok')]),
      Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Buffer.from('ok')]),
    ),
    differs: {
      subject: 'broken frames',
      lighttpd: { ends: 'stays', backend: 'okok|' },
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a frame of 8 MiB comes back whole, whatever is behind it',
    observe: async (side) => {
      const client = await side.open();
      const bytes = randomBytes(8 << 20);
      client.send(frame(2, bytes), frame(2, 'tail'));
      const back = await client.payload(bytes.length + 4);
      return {
        whole: back.subarray(0, bytes.length).equals(bytes),
        tail: back.toString('latin1', bytes.length),
      };
    },
  },
  {
    name: 'a frame of 8 MiB flows before it is complete',
    observe: async (side) => {
      const client = await side.open();
      const whole = frame(2, Buffer.alloc(8 << 20, 'x'));
      client.send(whole.subarray(0, 4 << 20));
      const before = (await client.payload(1 << 20)).length;
      client.send(whole.subarray(4 << 20));
      return before >= 1 << 20;
    },
  },
  {
    name: 'some MB from the backend',
    backends: {
      a: (socket) => {
        socket.once('data', () => socket.write(Buffer.alloc(5_000_000, 'abcdefghijk')));
      },
    },
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'go'));
      return (await client.payload(5_000_000)).equals(Buffer.alloc(5_000_000, 'abcdefghijk'));
    },
  },
  {
    name: 'text: characters of UTF-8 pass both ways',
    ...text,
    observe: async (side) => {
      const client = await side.open();
      client.send(frame(1, 'häß€😀'));
      const next = await client.frame();
      return [next?.opcode, next?.payload.toString('utf8')];
    },
  },
  {
    name: 'text: a character that the backend sends in two pieces',
    ...text,
    backends: {
      a: (socket) => {
        socket.once('data', () => {
          const bytes = Buffer.from('a€b');
          socket.write(bytes.subarray(0, 2));
          setTimeout(() => socket.write(bytes.subarray(2)), 100);
        });
      },
    },
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'go'));
      const frames = [await client.frame(), await client.frame()];
      return {
        all: Buffer.concat(frames.map((one) => one!.payload)).toString('utf8'),
        each: frames.map((one) => one!.payload.toString('utf8')),
      };
    },
    differs: {
      subject: 'text that is not UTF-8',
      lighttpd: { all: 'a€b', each: ['a�', '��b'] },
      ours: { all: 'a€b', each: ['a', '€b'] },
    },
  },
  {
    name: 'text: bytes of the backend that are no UTF-8',
    ...text,
    backends: {
      a: (socket) => void socket.once('data', () => socket.write(Buffer.from([0x61, 0xff, 0x62]))),
    },
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'go'));
      await side
        .backend()
        .conversation()
        .then((one) => one.has(2));
      client.send(frame(9, 'alive?'));
      return untilAnswer(side, client);
    },
    differs: { subject: 'text that is not UTF-8', lighttpd: 'stays', ours: 1011 },
  },
  {
    name: 'text: a text frame of the client that is no UTF-8',
    backends: quiet,
    observe: broken(frame(1, Buffer.from([0x61, 0xff]))),
    differs: {
      subject: 'text that is not UTF-8',
      lighttpd: { ends: 'stays', backend: 'aÿ|' },
      ours: { ends: 1007, backend: 'a' },
    },
  },
  {
    name: 'reserved bits',
    backends: quiet,
    observe: broken(frame(2, 'x', { rsv: 4 })),
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': { ends: 'stays', backend: 'x|' }, '1.4.83': { ends: 1002, backend: '' } }),
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a reserved opcode',
    backends: quiet,
    observe: broken(frame(3, 'x')),
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': { ends: 1000, backend: '' }, '1.4.83': { ends: 1002, backend: '' } }),
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a frame without a mask',
    backends: quiet,
    observe: broken(frame(2, 'x', { mask: null })),
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': { ends: 1000, backend: '' }, '1.4.83': { ends: 1002, backend: '' } }),
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a continuation of nothing',
    backends: quiet,
    observe: broken(frame(0, 'x')),
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': { ends: 'stays', backend: 'x|' }, '1.4.83': { ends: 1002, backend: '' } }),
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a new message inside a fragmented one',
    backends: quiet,
    observe: broken(frame(2, 'x', { final: false }), frame(2, 'y')),
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': { ends: 'stays', backend: 'xy|' }, '1.4.83': { ends: 1002, backend: '' } }),
      ours: { ends: 1002, backend: 'x' },
    },
  },
  {
    name: 'a control frame in fragments',
    backends: quiet,
    observe: broken(frame(9, 'x', { final: false })),
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': { ends: 'stays', backend: '|' }, '1.4.83': { ends: 1002, backend: '' } }),
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a control frame of 126 bytes',
    backends: quiet,
    observe: broken(frame(10, 'x'.repeat(126))),
    differs: {
      subject: 'broken frames',
      lighttpd: { ends: 'stays', backend: '|' },
      ours: { ends: 1002, backend: '' },
    },
  },
  {
    name: 'a length with its top bit set',
    backends: quiet,
    observe: async (side) => {
      const client = await side.open();
      client.send(Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), 'data');
      const conversation = await side.backend().conversation();
      return (await conversation.has(4)) === 'data' ? 'passes' : side.close(client);
    },
    differs: {
      subject: 'broken frames',
      lighttpd: since({ '1.4.69': 'passes', '1.4.83': 1002 }),
      ours: 1002,
    },
  },
  {
    name: 'ping-interval: sends PINGs with no deadline for the PONG',
    backends: quiet,
    conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.ping-interval = 1`,
    options: ({ a }) => ({ server: a!.host, pingInterval: 1, pongTimeout: 0 }),
    observe: async (side) => {
      const client = await side.open();
      return [(await client.frame())?.opcode, (await client.frame())?.opcode];
    },
  },
  {
    name: 'ping-interval: the payload of a PING',
    backends: quiet,
    conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.ping-interval = 1`,
    options: ({ a }) => ({ server: a!.host, pingInterval: 1 }),
    observe: async (side) => seen(await (await side.open()).frame()),
    differs: { subject: 'the payload of a PING', lighttpd: 'ping ping', ours: 'ping ' },
  },
  {
    name: 'ping-interval: a client that never answers',
    backends: quiet,
    conf: ({ a }) => `${toAll(a!.conf())}\nwstunnel.ping-interval = 1`,
    options: ({ a }) => ({ server: a!.host, pingInterval: 1, pongTimeout: 0.5 }),
    observe: async (side) => {
      const client = await side.open();
      return [(await client.frame())?.opcode, (await client.frame())?.opcode ?? 'cut off'];
    },
    differs: { subject: 'PINGs', lighttpd: [9, 9], ours: [9, 'cut off'] },
  },
  {
    name: 'many small frames in one write keep their order',
    backends: { a: echo },
    observe: async (side) => {
      const client = await side.open();
      const bytes = randomBytes(5000);
      client.send(...Array.from(bytes, (byte) => frame(2, Buffer.from([byte]))));
      return (await client.payload(5000)).equals(bytes);
    },
  },
  {
    name: 'frames behind a Close are not read',
    backends: quiet,
    observe: async (side) => {
      const client = await side.open();
      client.send(closeFrame(1000), frame(2, 'late'));
      const conversation = await side.backend().conversation();
      await conversation.left();
      return conversation.text;
    },
  },
];
