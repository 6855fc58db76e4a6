// `npm run bench:micro`: measures our parts and those of `ws`, each alone. Before measuring, the results are compared once.
import { Buffer, isUtf8 } from 'node:buffer';
import console from 'node:console';
import { randomFillSync } from 'node:crypto';
import process from 'node:process';
import { Bench } from 'tinybench';
import { Receiver, Sender } from 'ws';
import { fair, hash, roundRobin, sticky } from '../../dist/balance/strategies.js';
import { FrameDecoder } from '../../dist/frames/decoder.js';
import { frameHeader } from '../../dist/frames/encoder.js';
import { OPCODE } from '../../dist/frames/opcodes.js';
import { Utf8Checker, wholeCharacters } from '../../dist/frames/utf8.js';
import { ClientMessages } from '../../dist/vnc/client-messages.js';

const CHUNK = 65_536;
const time = process.argv.includes('--quick') ? 20 : 500;
const timing = { time, warmupTime: time / 2 };

/** A chunk full of masked frames of `size` bytes, and the frames' payload. */
function framesOf(size) {
  const payload = randomFillSync(Buffer.alloc(size));
  const count = Math.max(1, Math.floor(CHUNK / (size + 14)));
  const options = { fin: true, rsv1: false, opcode: OPCODE.binary, mask: true, readOnly: true };
  const one = () => Buffer.concat(Sender.frame(payload, options));
  return {
    frames: Buffer.concat(Array.from({ length: count }, one)),
    payload: Buffer.concat(Array.from({ length: count }, () => payload)),
  };
}

/** Repetitions of a step that is too short for the clock. */
const TIMES = 1000;
function times(run) {
  return () => {
    for (let at = 0; at < TIMES; at++) run();
  };
}

const noControl = { ping() {}, pong() {}, close() {} };

function check(name, got, wanted) {
  if (Buffer.compare(got, wanted) !== 0) throw new Error(`WRONG CONTENT: ${name}`);
}

async function decoders(size) {
  const { frames, payload } = framesOf(size);
  const bench = new Bench({ name: `decoder: 64 KiB of frames of ${size} B`, ...timing });
  const chunk = Buffer.alloc(frames.length);

  const decoder = new FrameDecoder(noControl);
  const receiver = new Receiver({ isServer: true });
  let messages = [];
  receiver.on('message', (message) => messages.push(message));
  const decode = () => decoder.decode(chunk);
  const receive = () => {
    messages = [];
    receiver.write(chunk);
    return messages;
  };

  // Both decoders unmask in place, so each run gets a fresh copy.
  frames.copy(chunk);
  check('decoder', decode(), payload);
  frames.copy(chunk);
  check('ws Receiver', Buffer.concat(receive()), payload);
  bench.add('ours', () => {
    frames.copy(chunk);
    decode();
  });
  bench.add('ws Receiver', () => {
    frames.copy(chunk);
    receive();
  });
  bench.add('the copy alone', () => frames.copy(chunk));
  await bench.run();
  show(bench, frames.length);
}

async function encoders(size) {
  const payload = randomFillSync(Buffer.alloc(size));
  const options = { fin: true, rsv1: false, opcode: OPCODE.binary, mask: false, readOnly: false };
  check('encoder', frameHeader(OPCODE.binary, size), Sender.frame(payload, options)[0]);
  const bench = new Bench({ name: `encoder: the header of ${size} B`, ...timing });
  bench.add(
    'ours',
    times(() => frameHeader(OPCODE.binary, payload.length)),
  );
  bench.add(
    'ws Sender',
    times(() => Sender.frame(payload, options)),
  );
  await bench.run();
  show(bench, undefined, TIMES);
}

async function splitters(name, text) {
  const all = Buffer.from(text.repeat(Math.ceil(CHUNK / Buffer.byteLength(text)) + 1));
  // Cut at any byte, as chunks are.
  const chunk = all.subarray(0, CHUNK);
  const checker = new Utf8Checker();
  if (!checker.push(chunk)) throw new Error('WRONG CONTENT: splitter');
  const bench = new Bench({ name: `UTF-8: 64 KiB of ${name}`, ...timing });
  bench.add('ours: check and split', () => {
    new Utf8Checker().push(chunk);
    return wholeCharacters(chunk);
  });
  const whole = chunk.subarray(0, wholeCharacters(chunk));
  bench.add('isUtf8, as ws checks a message', () => isUtf8(whole));
  await bench.run();
  show(bench, CHUNK);
}

/** Messages of a VNC client, as noVNC sends them while the pointer moves. */
const UPDATE_REQUEST = Buffer.from('03010000000004000300', 'hex');
const VNC_MIXES = {
  'update requests': () => UPDATE_REQUEST,
  'pointer events': (at) => Buffer.from([5, 0, at >> 8, at & 255, 0, 9]),
  'both in turn': (at) => (at % 2 ? Buffer.from([5, 0, at >> 8, at & 255, 0, 9]) : UPDATE_REQUEST),
  fences: () => Buffer.concat([Buffer.from('f800000000000001', 'hex'), Buffer.alloc(56, 55)]),
};

async function vncFilters(name, messageOf) {
  const messages = [];
  for (let size = 0, at = 0; size < CHUNK; at++) size += messages[messages.push(messageOf(at)) - 1].length;
  const whole = Buffer.concat(messages);
  const watched = messages.filter((message) => message[0] !== 5);
  const chunk = Buffer.alloc(whole.length);
  const bench = new Bench({ name: `VNC filter: 64 KiB of ${name}`, ...timing });
  for (const viewOnly of [true, false]) {
    const filter = new ClientMessages(viewOnly);
    whole.copy(chunk);
    check(name, filter.in(chunk), viewOnly ? Buffer.concat(watched) : whole);
    // The filter moves bytes inside the chunk, so each run gets a fresh copy.
    bench.add(viewOnly ? 'viewOnly' : 'watches the input', () => {
      whole.copy(chunk);
      filter.in(chunk);
    });
  }
  bench.add('the copy alone', () => whole.copy(chunk));
  await bench.run();
  show(bench, whole.length);
}

async function strategies(count) {
  const hosts = Array.from({ length: count }, (_, at) => ({
    id: `127.0.0.1:${at + 1}`,
    host: { port: at + 1, weight: 1 + (at % 3) },
    load: at % 7,
    up: true,
  }));
  let turn = 0;
  const request = {
    all: hosts,
    authority: 'app.example',
    path: '/vnc',
    stickyKey: () => `10.0.${(turn >> 8) & 255}.${turn++ & 255}`,
  };
  const bench = new Bench({ name: `strategies: one of ${count} hosts`, ...timing });
  for (const [name, strategy] of Object.entries({ fair, roundRobin, hash, sticky })) {
    const made = strategy();
    if (!hosts.includes(made.pick(hosts, request))) throw new Error(`WRONG CONTENT: ${name}`);
    bench.add(
      name,
      times(() => made.pick(hosts, request)),
    );
  }
  await bench.run();
  show(bench, undefined, TIMES);
}

function show(bench, bytes, runs = 1) {
  const rows = bench.tasks.map(({ name, result }) => {
    if (result.error) throw result.error;
    const µs = (result.latency.p50 * 1000) / runs;
    return { name, µs: µs.toFixed(3), ...(bytes && { 'MB/s': Math.round(bytes / µs) }) };
  });
  console.log(bench.name);
  console.table(rows);
}

for (const size of [65_000, 1024, 64]) await decoders(size);
for (const size of [64, 1024, CHUNK]) await encoders(size);
await splitters('ASCII', 'The quick brown fox jumps over the lazy dog. ');
await splitters('mixed text', 'Grüße aus Köln, 你好, \u{1F600}. ');
for (const [name, messageOf] of Object.entries(VNC_MIXES)) await vncFilters(name, messageOf);
for (const count of [3, 100]) await strategies(count);
