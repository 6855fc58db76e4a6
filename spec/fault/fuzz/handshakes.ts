import { frameStream, mutate } from './frames.js';
import type { Random } from '../../support/random.js';
import { KEY } from '../../support/raw-client.js';

const LINES = [
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${KEY}`,
  'Origin: http://127.0.0.1',
  'Sec-WebSocket-Protocol: binary, other',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
];

const ODD = [
  'Upgrade: h2c',
  'Upgrade: websocket, h2c',
  'Connection: keep-alive, Upgrade',
  'Connection: close',
  'Sec-WebSocket-Key: short',
  'Sec-WebSocket-Version: 8',
  'Sec-WebSocket-Version: 13, 13',
  'Sec-WebSocket-Protocol: a, a',
  'Sec-WebSocket-Protocol: ,,\u0001',
  'Origin: null',
  'Origin: http://[',
  'Content-Length: 5',
  'Transfer-Encoding: chunked',
  'Expect: 100-continue',
  `X-Long: ${'x'.repeat(3000)}`,
  ' folded: line',
];

const STARTS = [
  'GET /tunnel HTTP/1.1',
  'POST /tunnel HTTP/1.1',
  'GET /tunnel HTTP/1.0',
  'GET /other HTTP/1.1',
];
const PATHS = [
  '/tunnel/%',
  '/tunnel//..',
  '/tunnel?a=b',
  '//tunnel',
  'http://other/tunnel',
  '/tunnel/%00',
  '*',
];

/** An upgrade request: headers in any order, some missing, doubled or odd; sometimes with wrong bytes. */
function request(random: Random): Buffer {
  const lines = LINES.flatMap((line) => (random.oneIn(25) ? [] : random.oneIn(30) ? [line, line] : [line]));
  for (let left = lines.length - 1; left > 0; left--) {
    const other = random.below(left + 1);
    [lines[left], lines[other]] = [lines[other]!, lines[left]!];
  }
  if (random.oneIn(3)) lines.splice(random.below(lines.length + 1), 0, random.pick(ODD));
  let start = random.oneIn(6) ? random.pick(STARTS) : STARTS[0]!;
  if (random.oneIn(12)) start = `GET ${random.pick(PATHS)} HTTP/1.1`;
  const whole = Buffer.from(`${start}\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return random.oneIn(3) ? mutate(random, whole) : whole;
}

/** The bytes of one client: requests, sometimes pipelined, followed by frames or arbitrary bytes. */
export function handshakeStream(random: Random): Buffer {
  const parts = [request(random)];
  while (random.oneIn(5)) parts.push(request(random));
  if (random.oneIn(2)) parts.push(frameStream(random));
  return Buffer.concat(parts);
}
