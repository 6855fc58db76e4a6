import type { Socket } from 'node:net';
import { echo, seesEnds, silent, toAll, type Case, type Side } from '../run.js';
import { since } from '../../support/lighttpd-version.js';
import { closeFrame, frame } from '../../support/raw-client.js';
import { sleep, until } from '../../support/wait.js';

const once = (act: (socket: Socket) => unknown) => ({
  a: (socket: Socket) => void socket.once('data', () => act(socket)),
});

/** Sends `go` to the backend; returns the bytes before the end, and the end. */
async function endOf(side: Side): Promise<{ data: string; end: string }> {
  const client = (await side.open()).send(frame(2, 'go'));
  let data = '';
  for (;;) {
    const next = await client.frame();
    if (!next) return { data, end: 'no Close' };
    if (next.opcode === 8) return { data, end: `close ${side.codeOf(next.payload)}` };
    data += next.payload.toString('latin1');
  }
}

/** Sends a Close; returns the answer and the bytes at the backend. */
const closes =
  (...parts: Buffer[]) =>
  async (side: Side) => {
    const client = await side.open();
    await side.backend().conversation();
    client.send(...parts);
    const answer = await side.close(client);
    await client.ended();
    client.socket.end();
    const conversation = await side.backend().conversation();
    return { answer, left: await conversation.left(), backend: conversation.text };
  };

const quiet = { a: silent };

/** More bytes than the kernel and both tunnels can queue. */
const MANY = 96 << 20;

/** Writes as fast as the other end accepts. */
class Pour {
  readonly #socket: Socket;
  readonly #bytes: Buffer;
  #sent = 0;
  wasHeld = false;

  constructor(socket: Socket, bytes: Buffer) {
    this.#socket = socket;
    this.#bytes = bytes;
    socket.on('drain', this.#write);
    this.#write();
  }

  /** No more bytes are accepted. */
  async stalled(): Promise<void> {
    for (let before = -1; before !== this.#sent;) {
      before = this.#sent;
      await sleep(200);
    }
    this.wasHeld = this.#sent < this.#bytes.length;
  }

  readonly #write = () => {
    let goesOn = true;
    while (goesOn && this.#sent < this.#bytes.length) {
      const chunk = this.#bytes.subarray(this.#sent, this.#sent + 65536);
      this.#sent += chunk.length;
      goesOn = this.#socket.write(chunk);
    }
  };
}

export const ENDS: Case[] = [
  { name: 'the client closes with 1000', backends: quiet, observe: closes(closeFrame(1000)) },
  {
    name: 'the client closes with a code of its own',
    backends: quiet,
    observe: closes(closeFrame(4001, 'enough')),
    differs: {
      subject: 'the answer to a Close',
      lighttpd: { answer: 1000, left: 'end', backend: '' },
      ours: { answer: 4001, left: 'end', backend: '' },
    },
  },
  {
    name: 'the client closes without a code',
    backends: quiet,
    observe: closes(closeFrame()),
    differs: {
      subject: 'the answer to a Close',
      lighttpd: { answer: 1000, left: 'end', backend: '' },
      ours: { answer: 1005, left: 'end', backend: '' },
    },
  },
  {
    name: 'the Close has its code as two bytes',
    backends: quiet,
    observe: async (side) => {
      const client = (await side.open()).send(closeFrame(1000));
      return (await client.frame())?.payload.toString('hex');
    },
    differs: {
      subject: 'the code in a Close',
      lighttpd: since({ '1.4.69': '31303030', '1.4.83': '03e8' }),
      ours: '03e8',
    },
  },
  {
    name: 'the client closes right behind its data',
    backends: quiet,
    observe: closes(frame(2, 'last words'), closeFrame(1000)),
    differs: {
      subject: 'data right before a Close',
      lighttpd: { answer: 1000, left: 'end', backend: '' },
      ours: { answer: 1000, left: 'end', backend: 'last words' },
    },
  },
  {
    name: 'the client closes when its data has arrived',
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'words'));
      await client.payload(5);
      client.send(closeFrame(1000));
      const answer = await side.close(client);
      client.socket.end();
      const conversation = await side.backend().conversation();
      return { answer, left: await conversation.left(), backend: conversation.text };
    },
  },
  {
    name: 'the client ends without a Close: its last data and the end reach the backend',
    ...seesEnds,
    backends: quiet,
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'last words'));
      client.socket.end();
      const conversation = await side.backend().conversation();
      return { left: await conversation.left(), backend: conversation.text };
    },
  },
  {
    name: 'half-close: the client ends, and what the backend answers to that',
    // Since 1.4.83 lighttpd has a race: the answer arrives sometimes only.
    before: '1.4.83',
    ...seesEnds,
    backends: {
      a: (socket) => void socket.on('end', () => socket.end('the answer')),
    },
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'question'));
      client.socket.end();
      return (await client.payload(10)).toString();
    },
  },
  {
    name: 'the client resets: the backend is left',
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'x'));
      await client.payload(1);
      client.socket.resetAndDestroy();
      const conversation = await side.backend().conversation();
      await conversation.left();
      return conversation.text;
    },
  },
  {
    name: 'the backend ends',
    backends: once((socket) => socket.end()),
    observe: endOf,
    differs: {
      subject: 'a backend that ends',
      lighttpd: since({
        '1.4.69': { data: '', end: 'no Close' },
        '1.4.83': { data: '', end: 'close 1001' },
      }),
      ours: { data: '', end: 'close 1000' },
    },
  },
  {
    name: 'the backend ends behind its data: all of it is delivered',
    backends: once((socket) => socket.end('last words')),
    observe: async (side) => (await endOf(side)).data,
  },
  {
    name: 'the backend ends behind 3 MB: all of it is delivered',
    backends: once((socket) => socket.end(Buffer.alloc(3_000_000, 'x'))),
    observe: async (side) => (await endOf(side)).data.length,
  },
  {
    name: 'the backend ends at once, with a banner',
    backends: { a: (socket) => socket.end('banner') },
    observe: async (side) => {
      const client = await side.open();
      return (await client.payload(6)).toString();
    },
  },
  {
    name: 'the backend resets',
    backends: once((socket) => socket.resetAndDestroy()),
    observe: async (side) => (await endOf(side)).end,
    differs: {
      subject: 'a backend that fails',
      lighttpd: since({ '1.4.69': 'close 1001', '1.4.83': 'close 1011' }),
      ours: 'close 1011',
    },
  },
  {
    name: 'half-close: the backend ends and would still listen',
    backends: once((socket) => socket.end('bye')),
    observe: async (side) => {
      const client = (await side.open()).send(frame(2, 'go'));
      await client.payload(3);
      await side.close(client);
      client.socket.end();
      await client.closed();
      return (await side.backend().conversation()).left();
    },
  },
  {
    name: 'a backend that stalls: the client is not read without end, and all arrives in the end',
    backends: quiet,
    observe: async (side) => {
      const client = await side.open();
      const { socket } = await side.backend().conversation();
      let received = 0;
      socket.removeAllListeners('data').pause();
      const bytes = frame(2, Buffer.alloc(MANY, 'x'));
      const pour = new Pour(client.socket, bytes);
      await pour.stalled();
      socket.on('data', (chunk: Buffer) => (received += chunk.length)).resume();
      await until(() => received === MANY);
      // lighttpd 1.4.69 sometimes stops reading the client, and sometimes queues all bytes.
      return side.is === 'lighttpd' || pour.wasHeld;
    },
  },
  {
    name: 'a client that stalls: the backend is not read without end, and all arrives in the end',
    backends: quiet,
    observe: async (side) => {
      const client = await side.open();
      const { socket } = await side.backend().conversation();
      // The test counts bytes and does not parse frames.
      const before = client.socket.bytesRead;
      client.socket.removeAllListeners('data').pause();
      const pour = new Pour(socket, Buffer.alloc(MANY, 'x'));
      await pour.stalled();
      client.socket.on('data', () => undefined).resume();
      await until(() => client.socket.bytesRead - before >= MANY);
      return { 'was held': pour.wasHeld };
    },
  },
  {
    name: 'a silent client: lighttpd has server.max-read-idle',
    backends: { a: echo },
    conf: ({ a }) => `${toAll(a!.conf())}\nserver.max-read-idle = 1`,
    options: ({ a }) => ({ server: a!.host }),
    observe: async (side) => {
      const client = await side.open();
      if (side.is === 'lighttpd') return (await client.frame()) === undefined ? 'no Close' : 'Close';
      // lighttpd drops the tunnel within 2.5 seconds.
      await sleep(2500);
      client.send(frame(2, 'still here'));
      return (await client.payload(10)).toString();
    },
    differs: {
      subject: 'a silent client',
      lighttpd: since({ '1.4.69': 'Close', '1.4.74': 'no Close' }),
      ours: 'still here',
    },
  },
];
