import { conforms, type Case } from './run.js';
import { frame } from '../support/raw-client.js';

// Sections 1 and 10 of the Autobahn testsuite, with the cases rewritten for a byte tunnel to an echo.
//
// Not checked: that the echo is one message of the type that was sent. A tunnel has no message boundaries, and sends
// messages of the type `frameType`. In 10.1.1 the client chooses the number of frames.

const text = (length: number) => Buffer.alloc(length, '*');
const bytes = (length: number) => Buffer.alloc(length, 0xfe);

const sized = (group: string, opcode: number, payload: (length: number) => Buffer): Case[] =>
  [0, 125, 126, 127, 128, 65535, 65536, 65536].map((length, i) => ({
    name: `${group}.${i + 1} ${length} bytes${i === 7 ? ', in chops of 997' : ''}`,
    frames: [frame(opcode, payload(length))],
    data: payload(length),
    ...(i === 7 ? { chop: 997 } : {}),
  }));

conforms('Autobahn 1.1 text messages', sized('1.1', 1, text));
conforms('Autobahn 1.2 binary messages', sized('1.2', 2, bytes));

const fragments = Array.from({ length: Math.ceil(65536 / 1300) }, (_, i) => {
  const start = i * 1300;
  const payload = text(Math.min(1300, 65536 - start));
  return frame(i === 0 ? 1 : 0, payload, { final: start + 1300 >= 65536 });
});

conforms('Autobahn 10.1 auto fragmentation', [
  { name: '10.1.1 65536 bytes of text in fragments of 1300', frames: fragments, data: text(65536) },
]);
