import { VncFilter } from '../../../src/vnc/vnc-filter.js';
import { parseClient, passingPart, VIEW_TYPES } from '../../support/rfb-oracle.js';
import { bytesOf, FilterRun, rfb } from '../../support/rfb.js';
import type { Random } from '../../support/random.js';
import { cutRandomly, mutate } from './frames.js';

const GREETING = bytesOf(rfb.version(), 1, 1);
const NOTHING = Buffer.alloc(0);

interface Outcome {
  readonly passed: Buffer;
  readonly reason: string | undefined;
}

/** Sends chunks through a filter, and checks the rules that apply to every input. */
function filtered(viewOnly: boolean, chunks: readonly Buffer[]): Outcome {
  const reasons: string[] = [];
  const filter = new VncFilter({ isLoggedIn: true, viewOnly, watchesInput: !viewOnly });
  filter.start({ sendToClient: () => undefined, end: (ending) => reasons.push(ending.reason) });
  filter.in(Buffer.from(GREETING));
  const parts: Buffer[] = [];
  let sent = 0;
  let passed = 0;
  for (const piece of chunks) {
    const wasEnded = reasons.length > 0;
    const out = Buffer.from(filter.in(Buffer.from(piece)));
    sent += piece.length;
    passed += out.length;
    if (wasEnded && out.length > 0) throw new Error('bytes passed after the end');
    if (passed > sent) throw new Error('more bytes passed than were sent');
    parts.push(out);
  }
  if (reasons.length > 1) throw new Error('the tunnel was ended twice');
  return { passed: Buffer.concat(parts), reason: reasons[0] };
}

function assertView(stream: Buffer, { passed, reason }: Outcome): void {
  // The filter reads only the first 32 encodings for extended buttons.
  const ours = parseView(stream);
  if (ours.isInvalid !== (reason !== undefined)) throw new Error(`ended: ${reason}`);
  if (!passed.subarray(0, ours.passed.length).equals(ours.passed)) throw new Error('other messages passed');
  // An incomplete message at the end may have begun to pass.
  const begun = passed.subarray(ours.passed.length);
  if (begun.length > 0 && (ours.isInvalid || !VIEW_TYPES.includes(begun[0]!)))
    throw new Error('a part of a forbidden or invalid message passed');
  // A server reads only these messages in the bytes that passed.
  for (const server of [{ knowsButtons: true }, { knowsButtons: false, mostEncodings: 32 }]) {
    const read = parseClient(passed, server);
    if (read.isInvalid || read.messages.some(({ type }) => !VIEW_TYPES.includes(type)))
      throw new Error('a server reads a forbidden message');
    if (read.rest.length > 0 && !VIEW_TYPES.includes(read.rest[0]!))
      throw new Error('a server has begun to read a forbidden message');
  }
}

/** The messages of a stream, with each SetEncodings reduced to the encodings that pass. */
function parseView(stream: Buffer): { passed: Buffer; isInvalid: boolean } {
  const parts: Buffer[] = [];
  let knowsButtons = false;
  for (let at = 0; ;) {
    const announced = knowsButtons ? rfb.setEncodings(-316) : NOTHING;
    const { messages, isInvalid } = parseClient(bytesOf(announced, stream.subarray(at)), { knowsButtons });
    const found = messages.slice(announced.length > 0 ? 1 : 0);
    const end = found.findIndex(({ type }) => type === 2);
    const read = end < 0 ? found : found.slice(0, end + 1);
    for (const { bytes } of read) {
      parts.push(passingPart(bytes));
      at += bytes.length;
    }
    if (end < 0) return { passed: Buffer.concat(parts), isInvalid };
    const encodings = parts.at(-1)!;
    knowsButtons = false;
    for (let i = 4; i < encodings.length; i += 4) knowsButtons ||= encodings.readInt32BE(i) === -316;
  }
}

/** Sends the stream through filters, whole and cut; throws for a broken rule. Returns the reason of the end. */
export function checkClientStream(random: Random, stream: Buffer): string | undefined {
  const whole = filtered(true, [stream]);
  assertView(stream, whole);
  const cut = filtered(true, cutRandomly(random, stream));
  if (cut.reason !== whole.reason || !cut.passed.equals(whole.passed)) throw new Error('cut elsewhere');
  const watched = filtered(false, cutRandomly(random, stream));
  const all = parseClient(stream, { knowsButtons: true });
  if (all.isInvalid !== (watched.reason !== undefined)) throw new Error(`watched: ${watched.reason}`);
  if (!all.isInvalid && !watched.passed.equals(stream)) throw new Error('watched: bytes are missing');
  return whole.reason;
}

const SERVER = [
  [rfb.version(), bytesOf(2, 2, 1), Buffer.alloc(16), Buffer.alloc(4)],
  [rfb.version('RFB 003.003\n'), Buffer.from([0, 0, 0, 2]), Buffer.alloc(16), Buffer.alloc(4)],
  [rfb.version('RFB 003.007\n'), bytesOf(1, 1)],
];
const CLIENT = [
  [rfb.version(), Buffer.from([2]), Buffer.alloc(16), Buffer.from([0])],
  [rfb.version('RFB 003.003\n'), Buffer.alloc(16), Buffer.from([0])],
  [rfb.version('RFB 003.007\n'), Buffer.from([1]), Buffer.from([0])],
];

/** The bytes of a client up to ClientInit. In the handshakes above, a server of 3.3 asks for VNC authentication. */
function handshakeSize(passed: Buffer): number {
  if (passed[10] === 0x33) return 29;
  return passed[12] === 2 ? 30 : 14;
}

/** A handshake in any order, occasionally with wrong bytes; throws for a broken rule. `log` gets the bytes, in order. */
export function checkHandshake(random: Random, log: Buffer[]): void {
  const kind = random.below(SERVER.length);
  const tunnel = new FilterRun({ viewOnly: true });
  const queues = { out: SERVER[kind]!.slice(), in: [...CLIENT[kind]!, rfb.key(), rfb.updateRequest()] };
  for (let turns = random.between(1, 14); turns > 0; turns--) {
    const side = random.oneIn(4) === (turns % 2 === 0) ? 'in' : 'out';
    let bytes = queues[side].shift() ?? NOTHING;
    if (random.oneIn(30)) bytes = mutate(random, bytes);
    if (random.oneIn(40)) bytes = random.bytes(random.between(1, 60));
    log.push(bytes);
    for (const piece of cutRandomly(random, bytes)) tunnel[side](piece);
  }
  const passed = Buffer.concat(tunnel.backend);
  if (tunnel.endings.length > 1) throw new Error('the tunnel was ended twice');
  // The bytes of a key may pass inside another message: as the response, or as a pixel format.
  const messages = parseClient(passed.subarray(handshakeSize(passed)), { knowsButtons: true });
  if (messages.isInvalid || messages.messages.some(({ type }) => !VIEW_TYPES.includes(type)))
    throw new Error('a forbidden message passed');
  if (tunnel.endings.length === 0 && !tunnel.filter.isOutOpen && passed.length > 30)
    throw new Error('too many bytes passed');
}
