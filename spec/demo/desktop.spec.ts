import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { constants, createInflate } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Font } from '../../demo/desktop/draw/font.js';
import { contains, type Rect } from '../../demo/desktop/draw/rect.js';
import { Region } from '../../demo/desktop/draw/region.js';
import { Surface } from '../../demo/desktop/draw/surface.js';
import { layout, startDesktop, type Desktop } from '../../demo/desktop/index.js';
import { nativeFormat, writeFormat, type PixelFormat } from '../../demo/desktop/rfb/pixelformat.js';
import { Scene } from '../../demo/desktop/scene/scene.js';
import { Stage } from '../../demo/desktop/scene/stage.js';

const RAW = 0;
const ZLIB = 6;
const CURSOR = -239;
const ENTER = 0xff0d;
const BACKSPACE = 0xff08;
const CONTROL = 0xffe3;
const BLUE = 0x4c6ef5;

/** A viewer that is small enough to trust: decodes Raw, Zlib and the cursor into a picture. */
class Client {
  received = 0;
  updates = 0;
  cutText = '';
  cursor: Buffer | undefined;
  width = 0;
  height = 0;
  name = '';
  picture: number[] = [];
  format: PixelFormat = nativeFormat;
  readonly closed: Promise<unknown>;
  readonly #inflate = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });
  #held = Buffer.alloc(0);
  #more = () => {};

  constructor(readonly socket: Socket) {
    this.closed = new Promise((done) => socket.on('close', done));
    socket.on('error', () => {});
    socket.on('close', () => this.#more());
    socket.on('data', (chunk) => {
      this.received += chunk.length;
      this.#held = Buffer.concat([this.#held, chunk]);
      this.#more();
    });
  }

  static async to(desktop: Desktop): Promise<Client> {
    const socket = connect(desktop.port, desktop.host);
    await once(socket, 'connect');
    return new Client(socket);
  }

  async read(length: number): Promise<Buffer> {
    while (this.#held.length < length) {
      if (this.socket.closed) throw new Error('closed');
      await new Promise<void>((more) => (this.#more = more));
    }
    const bytes = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return bytes;
  }

  send(...bytes: (number | Buffer)[]): void {
    this.socket.write(Buffer.concat(bytes.map((b) => (typeof b === 'number' ? Buffer.from([b]) : b))));
  }

  async hello(version = '3.8', encodings = [RAW]): Promise<this> {
    expect((await this.read(12)).toString()).toBe('RFB 003.008\n');
    this.send(Buffer.from(`RFB 003.00${version.at(-1)}\n`));
    if (version === '3.3') expect([...(await this.read(4))]).toEqual([0, 0, 0, 1]);
    else {
      expect([...(await this.read(2))]).toEqual([1, 1]);
      this.send(1);
    }
    if (version === '3.8') expect([...(await this.read(4))]).toEqual([0, 0, 0, 0]);
    this.send(0);
    const init = await this.read(24);
    [this.width, this.height] = [init.readUInt16BE(0), init.readUInt16BE(2)];
    expect(init.subarray(4, 20)).toEqual(writeFormat(nativeFormat));
    this.name = (await this.read(init.readUInt32BE(20))).toString();
    this.picture = new Array<number>(this.width * this.height).fill(-1);
    this.send(2, 0, u16(encodings.length), ...encodings.map(s32));
    return this;
  }

  request(incremental: boolean, area: Rect = { x: 0, y: 0, width: this.width, height: this.height }): void {
    this.send(3, Number(incremental), u16(area.x), u16(area.y), u16(area.width), u16(area.height));
  }

  /** Reads messages up to and including the next update. */
  async update(): Promise<Rect[]> {
    for (;;) {
      const [type] = await this.read(1);
      if (type === 0) break;
      expect(type).toBe(3);
      this.cutText = (await this.read((await this.read(7)).readUInt32BE(3))).toString('latin1');
    }
    const count = (await this.read(3)).readUInt16BE(1);
    const parts: Rect[] = [];
    for (let at = 0; at < count; at++) {
      const head = await this.read(12);
      const [x = 0, y = 0, width = 0, height = 0] = [0, 2, 4, 6].map((from) => head.readUInt16BE(from));
      const size = (width * height * this.format.bitsPerPixel) / 8;
      const encoding = head.readInt32BE(8);
      if (encoding === CURSOR) {
        this.cursor = await this.read(size + Math.ceil(width / 8) * height);
        continue;
      }
      const bytes = encoding === ZLIB ? await this.#unpack(size) : await this.read(size);
      this.#paint({ x, y, width, height }, bytes);
      parts.push({ x, y, width, height });
    }
    this.updates++;
    return parts;
  }

  /** Reads updates until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      this.request(true);
      await this.update();
    }
  }

  async full(): Promise<void> {
    this.request(false);
    await this.update();
  }

  pixel(x: number, y: number): number {
    return this.picture[y * this.width + x]!;
  }

  crop({ x, y, width, height }: Rect): string {
    return Array.from({ length: height }, (_, row) =>
      this.picture.slice((y + row) * this.width + x, (y + row) * this.width + x + width).join(),
    ).join(';');
  }

  shows(desktop: Desktop): boolean {
    return this.picture.every(
      (pixel, at) => pixel === desktop.screen.pixel(at % this.width, Math.floor(at / this.width)),
    );
  }

  key(keysym: number, down = true): void {
    this.send(4, Number(down), 0, 0, s32(keysym));
  }

  type(text: string): void {
    for (const character of text) {
      this.key(character.charCodeAt(0));
      this.key(character.charCodeAt(0), false);
    }
  }

  pointer(x: number, y: number, buttons: number): void {
    this.send(5, buttons, u16(x), u16(y));
  }

  click(where: Rect): void {
    const [x, y] = [where.x + (where.width >> 1), where.y + (where.height >> 1)];
    for (const buttons of [0, 1, 0]) this.pointer(x, y, buttons);
  }

  cut(text: string): void {
    this.send(6, 0, 0, 0, s32(text.length), Buffer.from(text, 'latin1'));
  }

  async #unpack(size: number): Promise<Buffer> {
    const packed = await this.read((await this.read(4)).readUInt32BE(0));
    this.#inflate.write(packed);
    const parts: Buffer[] = [];
    for (let total = 0; total < size;) {
      const part = this.#inflate.read() as Buffer | null;
      if (part === null) {
        await once(this.#inflate, 'readable');
      } else {
        parts.push(part);
        total += part.length;
      }
    }
    return Buffer.concat(parts);
  }

  #paint({ x, y, width, height }: Rect, bytes: Buffer): void {
    const { bitsPerPixel, bigEndian } = this.format;
    const step = bitsPerPixel / 8;
    expect(bytes.length).toBe(width * height * step);
    for (let at = 0; at < width * height; at++) {
      const value = bigEndian ? bytes.readUIntBE(at * step, step) : bytes.readUIntLE(at * step, step);
      this.picture[(y + Math.floor(at / width)) * this.width + x + (at % width)] = value;
    }
  }
}

const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
const s32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
};

let desktop: Desktop;
const clients: Client[] = [];

async function client(): Promise<Client> {
  const made = await Client.to(desktop);
  clients.push(made);
  return made;
}

const viewer = async (version = '3.8', encodings = [RAW]): Promise<Client> =>
  (await client()).hello(version, encodings);

beforeEach(async () => {
  desktop = await startDesktop({ name: 'Test desktop' });
});

afterEach(async () => {
  for (const each of clients.splice(0)) each.socket.destroy();
  await desktop.close();
});

/** DES as noVNC does it. */
async function encrypt(password: string, challenge: Buffer): Promise<Buffer> {
  const path: string = '../../node_modules/@novnc/novnc/core/crypto/des.js';
  const { DESECBCipher } = (await import(path)) as {
    DESECBCipher: {
      importKey(key: Uint8Array): { encrypt(algorithm: object, data: Uint8Array): Uint8Array };
    };
  };
  const key = Buffer.alloc(8);
  key.write(password);
  return Buffer.from(DESECBCipher.importKey(key).encrypt({ name: 'DES-ECB' }, challenge));
}

/** A viewer that has chosen VNC authentication. */
async function greet(desktop: Desktop, version: string): Promise<Client> {
  const client = await Client.to(desktop);
  await client.read(12);
  client.send(Buffer.from(`RFB 003.00${version.at(-1)}\n`));
  if (version === '3.3') expect([...(await client.read(4))]).toEqual([0, 0, 0, 2]);
  else {
    expect([...(await client.read(2))]).toEqual([1, 2]);
    client.send(2);
  }
  return client;
}

describe('the handshake', () => {
  it.each(['3.8', '3.7', '3.3'])('speaks RFB %s', async (version) => {
    const watching = await viewer(version);
    expect([watching.width, watching.height, watching.name]).toEqual([1024, 640, 'Test desktop']);
    await watching.full();
    expect(desktop.viewers).toBe(1);
  });

  it('takes an unknown minor version for 3.3', async () => {
    const odd = await client();
    await odd.read(12);
    odd.send(Buffer.from('RFB 003.005\n'));
    expect([...(await odd.read(4))]).toEqual([0, 0, 0, 1]);
  });

  it('says why it refuses a security type it did not offer', async () => {
    const wrong = await client();
    await wrong.read(12);
    wrong.send(Buffer.from('RFB 003.008\n'));
    await wrong.read(2);
    wrong.send(2);
    const result = await wrong.read(8);
    expect(result.readUInt32BE(0)).toBe(1);
    expect((await wrong.read(result.readUInt32BE(4))).toString()).toContain('no other security type');
    await wrong.closed;
  });

  it.each(['3.3', '3.7', '3.8'])(
    'with a password takes the right answer from a viewer of version %s',
    async (version) => {
      const secret = await startDesktop({ password: 'sesame42' });
      const client = await greet(secret, version);
      const challenge = await client.read(16);
      client.send(await encrypt('sesame42', challenge));
      expect([...(await client.read(4))]).toEqual([0, 0, 0, 0]);
      client.send(1);
      expect((await client.read(24)).readUInt16BE(0)).toBe(1024);
      await secret.close();
    },
  );

  it.each(['3.3', '3.7', '3.8'])('with a password refuses a wrong answer of version %s', async (version) => {
    const secret = await startDesktop({ password: 'sesame42' });
    const client = await greet(secret, version);
    const challenge = await client.read(16);
    client.send(await encrypt('sesame43', challenge));
    expect([...(await client.read(4))]).toEqual([0, 0, 0, 1]);
    if (version === '3.8')
      expect((await client.read((await client.read(4)).readUInt32BE())).toString()).toBe(
        'the password is wrong',
      );
    await client.closed;
    // A challenge is never used twice.
    expect((await (await greet(secret, version)).read(16)).equals(challenge)).toBe(false);
    await secret.close();
  });

  it('does not wait for ever', async () => {
    const hasty = await startDesktop({ handshakeSeconds: 0.03 });
    const silent = await Client.to(hasty);
    await silent.closed;
    await hasty.close();
  });
});

describe('the picture', () => {
  it.each([
    ['Raw', RAW],
    ['Zlib', ZLIB],
  ])('arrives whole in %s and stays up to date', async (_, encoding) => {
    const watching = await viewer('3.8', [encoding]);
    await watching.full();
    expect(watching.picture.includes(-1)).toBe(false);
    for (let times = 0; times < 3; times++) {
      await watching.until(() => watching.updates > times * 4 && watching.shows(desktop));
    }
  });

  it('is the same in Raw and in Zlib', async () => {
    const [raw, zlib] = [await viewer('3.8', [RAW]), await viewer('3.3', [ZLIB, RAW])];
    await raw.full();
    await zlib.full();
    // A viewer may be one tick late: repeat until both show the same tick.
    while (!(raw.shows(desktop) && zlib.shows(desktop))) {
      for (const each of [raw, zlib]) await each.until(() => each.shows(desktop));
    }
    expect(raw.picture).toEqual(zlib.picture);
    expect(zlib.received).toBeLessThan(raw.received / 4);
  });

  it.each<[string, PixelFormat]>([
    [
      '16 bits, big-endian',
      {
        ...{ bitsPerPixel: 16, depth: 16, bigEndian: true },
        ...{ redMax: 31, greenMax: 63, blueMax: 31, redShift: 11, greenShift: 5, blueShift: 0 },
      },
    ],
    [
      '8 bits',
      {
        ...{ bitsPerPixel: 8, depth: 8, bigEndian: false },
        ...{ redMax: 7, greenMax: 7, blueMax: 3, redShift: 0, greenShift: 3, blueShift: 6 },
      },
    ],
    ['32 bits, red first', { ...nativeFormat, bigEndian: true, redShift: 24, greenShift: 16, blueShift: 8 }],
  ])('honours a pixel format of %s', async (_, format) => {
    const watching = await viewer();
    watching.send(0, 0, 0, 0, writeFormat(format));
    watching.format = format;
    await watching.full();
    const part = (pixel: number, from: number, max: number, to: number): number =>
      Math.round((((pixel >>> from) & 255) * max) / 255) * 2 ** to;
    for (const [x, y] of [
      [20, 620],
      [500, 620],
      [512, 428],
      [300, 50],
    ] as const) {
      const pixel = desktop.screen.pixel(x, y);
      expect(watching.pixel(x, y)).toBe(
        part(pixel, 16, format.redMax, format.redShift) +
          part(pixel, 8, format.greenMax, format.greenShift) +
          part(pixel, 0, format.blueMax, format.blueShift),
      );
    }
  });

  it('goes to nobody who did not ask, and waits until something changed', async () => {
    const [idle, patient, busy] = [await viewer(), await viewer(), await viewer()];
    const still = { x: 480, y: 560, width: 60, height: 60 };
    patient.request(false, still);
    expect(await patient.update()).toEqual([still]);
    patient.request(true, still);
    const before = [idle.received, patient.received];
    await busy.full();
    await busy.until(() => busy.updates > 8);
    expect([idle.received, patient.received]).toEqual(before);
    patient.request(false, { x: 0, y: 0, width: 4, height: 4 });
    expect((await patient.update()).some((part) => contains(part, 3, 3))).toBe(true);
  });

  it('answers a burst of requests with few updates', async () => {
    const greedy = await viewer();
    for (let times = 0; times < 200; times++) greedy.request(false);
    // The answers to the 200 requests come before any update of this key.
    greedy.key('x'.charCodeAt(0));
    await greedy.full();
    await greedy.until(() => greedy.shows(desktop));
    expect(greedy.updates).toBeLessThan(40);
  });

  it('shows a clock that ticks', async () => {
    const watching = await viewer();
    await watching.full();
    const clock = { x: 940, y: 8, width: 70, height: 14 };
    const before = watching.crop(clock);
    await watching.until(() => watching.crop(clock) !== before);
  });

  it('comes with a cursor for viewers that draw it themselves', async () => {
    const watching = await viewer('3.8', [RAW, CURSOR]);
    await watching.full();
    expect(watching.cursor?.subarray(-44).some((bits) => bits !== 0)).toBe(true);
  });
});

describe('keys', () => {
  it('appear in the terminal, and Backspace takes them back', async () => {
    const watching = await viewer();
    await watching.full();
    // The area to the right of the prompt, so that the blinking caret is outside while no text follows.
    const { x, y, width, height } = layout.terminal;
    const typed = { x: x + 152, y: y + 100, width: width - 160, height: height - 110 };
    const body = String(0x1a1f2b);
    const ink = (): number =>
      watching
        .crop(typed)
        .split(/[,;]/)
        .filter((pixel) => pixel !== body).length;
    expect(ink()).toBe(0);
    watching.type('hi WWWW');
    await watching.until(() => ink() > 60);
    for (let times = 0; times < 7; times++) watching.key(BACKSPACE);
    await watching.until(() => ink() === 0);
  });

  it('run commands that only answer with text', async () => {
    const watching = await viewer();
    watching.type('echo bonjour');
    watching.key(ENTER);
    watching.key(CONTROL);
    watching.type('c');
    watching.key(CONTROL, false);
    await watching.full();
    await watching.until(() => watching.cutText !== '');
    expect(watching.cutText).toBe('bonjour');
  });

  it.each([
    ['date', /\d{4} \d\d:\d\d:\d\d/],
    ['whoami', /^guest$/],
    ['uptime', /^up \d+ s$/],
    ['help', /whoami/],
    ['ls', /hello\.txt/],
    ['rm -rf /', /^rm: command not found/],
  ])('answer to %s', (command, answer) => {
    const { terminal } = new Scene(1024, 640, 'Test');
    terminal.type(command);
    terminal.enter();
    expect(terminal.copyable).toMatch(answer);
  });

  it('survive any keysym', async () => {
    const watching = await viewer();
    for (const keysym of [
      0, 0x7f, 0xe9, 0xff00, 0xffbe, 0x01000000, 0x010020ac, 0x0101f600, 0x01110000, -1,
    ]) {
      watching.key(keysym);
      watching.key(keysym, false);
    }
    await watching.full();
    await watching.until(() => watching.shows(desktop));
  });
});

describe('the pointer', () => {
  const middle = { x: layout.canvas.x + 60, y: layout.canvas.y + 40 };

  it('draws on the paper, in the colour of the swatch, until it is cleared', async () => {
    const watching = await viewer();
    await watching.full();
    const paper = watching.crop(layout.canvas);
    const stroke = (): void => {
      watching.pointer(middle.x - 40, middle.y, 1);
      watching.pointer(middle.x + 40, middle.y, 1);
      watching.pointer(middle.x + 40, middle.y, 0);
    };
    stroke();
    await watching.until(() => watching.pixel(middle.x, middle.y) === BLUE);
    watching.click(layout.swatches[2]!);
    stroke();
    await watching.until(() => watching.pixel(middle.x, middle.y) === 0x1fb88f);
    watching.click(layout.clear);
    await watching.until(() => watching.crop(layout.canvas) === paper);
  });

  it('keeps a stroke within the paper', async () => {
    const watching = await viewer();
    await watching.full();
    const outside = { x: layout.canvas.x + 40, y: layout.canvas.y - 6 };
    watching.pointer(outside.x, middle.y, 1);
    watching.pointer(outside.x, outside.y, 1);
    watching.pointer(outside.x, outside.y, 0);
    await watching.until(() => watching.pixel(outside.x, layout.canvas.y + 4) === BLUE);
    expect(watching.pixel(outside.x, outside.y)).toBe(0xffffff);
  });

  it('drags a window by its title to the front', async () => {
    const watching = await viewer();
    await watching.full();
    const badge = { x: layout.sketch.x + 19, y: layout.sketch.y + 17 };
    watching.pointer(badge.x, badge.y, 1);
    watching.pointer(badge.x - 300, badge.y - 120, 1);
    watching.pointer(badge.x - 300, badge.y - 120, 0);
    await watching.until(() => watching.pixel(badge.x - 300, badge.y - 120) === 0xf4705e);
    expect(watching.pixel(layout.sketch.x + layout.sketch.width - 30, layout.sketch.y + 17)).not.toBe(
      0xf6f7fa,
    );
    await watching.until(() => watching.shows(desktop));
  });

  it('is one of each viewer, over windows that all share', async () => {
    const [left, right] = [await viewer(), await viewer('3.8', [ZLIB])];
    await right.full();
    left.pointer(middle.x - 40, middle.y, 1);
    right.pointer(middle.x - 40, middle.y + 30, 1);
    left.pointer(middle.x + 40, middle.y, 1);
    right.pointer(middle.x + 40, middle.y + 30, 1);
    await right.until(
      () => right.pixel(middle.x, middle.y) === BLUE && right.pixel(middle.x, middle.y + 30) === BLUE,
    );
    expect(right.pixel(middle.x, middle.y + 15)).not.toBe(BLUE);
  });
});

describe('the clipboard', () => {
  it('shows the text of a viewer and gives it to another', async () => {
    const [giving, taking] = [await viewer(), await viewer()];
    await giving.full();
    const empty = giving.crop(layout.clipboard);
    giving.cut('Grüße\nfrom the other side');
    await giving.until(() => giving.crop(layout.clipboard) !== empty);
    taking.click(layout.copy);
    await taking.full();
    await taking.until(() => taking.cutText !== '');
    expect(taking.cutText).toBe('Grüße\nfrom the other side');
    expect(giving.cutText).toBe('');
  });

  it('types its text into the terminal', async () => {
    const watching = await viewer();
    watching.cut('echo one\necho two\n');
    watching.click(layout.paste);
    watching.key(CONTROL);
    watching.type('c');
    await watching.full();
    await watching.until(() => watching.cutText !== '');
    expect(watching.cutText).toBe('two');
  });

  it('keeps the first 64 KiB of a longer text', async () => {
    const watching = await viewer();
    watching.cut('x'.repeat(300_000));
    watching.click(layout.copy);
    await watching.full();
    await watching.until(() => watching.cutText !== '');
    expect(watching.cutText).toHaveLength(65_536);
  });
});

describe('a hostile viewer', () => {
  const noise = Buffer.alloc(4 * 1024 * 1024, 0xee);
  it.each<[string, (hostile: Client) => unknown]>([
    ['another protocol', (hostile) => hostile.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    ['another major version', (hostile) => hostile.send(Buffer.from('RFB 004.001\n'))],
    ['a flood instead of a greeting', (hostile) => hostile.send(noise)],
    ['an unknown message', async (hostile) => (await hostile.hello()).send(99)],
    ['a flood', async (hostile) => (await hostile.hello()).send(noise)],
    [
      'a colour map',
      async (hostile) =>
        (await hostile.hello()).send(0, 0, 0, 0, Buffer.from([8, 8, 0, 0]), Buffer.alloc(12)),
    ],
    [
      '24-bit pixels',
      async (hostile) =>
        (await hostile.hello()).send(0, 0, 0, 0, Buffer.from([24, 24, 0, 1]), Buffer.alloc(12)),
    ],
    [
      'colours outside the pixel',
      async (hostile) =>
        (await hostile.hello()).send(0, 0, 0, 0, writeFormat({ ...nativeFormat, redShift: 200 })),
    ],
    ['too many encodings', async (hostile) => (await hostile.hello()).send(2, 0, u16(65535))],
    ['four gigabytes of text', async (hostile) => (await hostile.hello()).send(6, 0, 0, 0, s32(-1))],
    ['half a message', async (hostile) => (await hostile.hello()).socket.end(Buffer.from([4, 1]))],
    ['a reset', async (hostile) => (await hostile.hello()).socket.resetAndDestroy()],
  ])('that sends %s is disconnected alone', async (_, attack) => {
    const good = await viewer();
    await good.full();
    const hostile = await client();
    await attack(hostile);
    await hostile.closed;
    const seen = good.updates;
    await good.until(() => good.updates > seen + 2 && desktop.viewers === 1 && good.shows(desktop));
  });

  it('that never reads costs the others nothing', async () => {
    const [good, deaf] = [await viewer(), await viewer()];
    deaf.socket.pause();
    await good.full();
    for (let times = 0; times < 50; times++) {
      deaf.request(false);
      deaf.cut('x'.repeat(50_000));
      deaf.click(layout.copy);
    }
    const seen = good.updates;
    await good.until(() => good.updates > seen + 5 && good.shows(desktop));
    expect(desktop.viewers).toBe(2);
  });

  it('that floods the desktop with valid messages leaves the others their turn', async () => {
    const [good, busy] = [await viewer(), await viewer()];
    await good.full();
    busy.cut('help\n'.repeat(1000));
    busy.key(CONTROL);
    const paste = Buffer.concat([Buffer.from([4, 1, 0, 0]), s32('v'.charCodeAt(0))]);
    busy.send(Buffer.concat(new Array<Buffer>(4000).fill(paste)));
    const seen = good.updates;
    await good.until(() => good.updates > seen + 5);
    busy.socket.destroy();
    await good.until(() => desktop.viewers === 1 && good.shows(desktop));
  });

  it('that leaves in the middle of a gesture lets go', async () => {
    const good = await viewer();
    await good.full();
    const before = good.crop(layout.clear);
    const leaving = await viewer();
    leaving.pointer(layout.clear.x + 10, layout.clear.y + 10, 1);
    await good.until(() => good.crop(layout.clear) !== before);
    leaving.socket.destroy();
    await good.until(() => good.crop(layout.clear) === before && desktop.viewers === 1);
  });
});

describe('the end', () => {
  it('leaves no sockets', async () => {
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((kind) => /TCP(Server|Socket)Wrap/.test(kind)).length;
    const both = [await viewer(), await client()];
    await both[0]!.full();
    await desktop.close();
    await Promise.all(both.map((each) => each.closed));
    expect(desktop.viewers).toBe(0);
    await vi.waitFor(() => expect(sockets()).toBe(0));
    await expect(Client.to(desktop)).rejects.toThrow('ECONNREFUSED');
  });

  it('may come twice', async () => {
    await Promise.all([desktop.close(), desktop.close()]);
    await desktop.close();
  });

  it('refuses a port that is taken and a size that is none', async () => {
    await expect(startDesktop({ port: desktop.port })).rejects.toThrow('EADDRINUSE');
    await expect(startDesktop({ width: 10 })).rejects.toThrow(RangeError);
  });
});

describe('the parts', () => {
  it('move only while somebody watches', () => {
    vi.useFakeTimers();
    try {
      const stage = new Stage(new Scene(640, 480, 'Test'));
      const damaged = vi.fn();
      stage.wake();
      expect(vi.getTimerCount()).toBe(0);
      stage.join({ damaged });
      const watcher = { damaged: vi.fn() };
      stage.join(watcher);
      vi.advanceTimersByTime(1000);
      expect(damaged.mock.calls.length).toBeGreaterThan(8);
      stage.leave(watcher);
      expect(vi.getTimerCount()).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('have a glyph of its own for every printable character', () => {
    for (const font of [new Font({ cap: 9, stroke: 0.6 }), new Font({ cap: 10, stroke: 0.6, cell: 8 })]) {
      const glyphs = Array.from({ length: 95 }, (_, at) => {
        const surface = new Surface(24, 24);
        font.draw(surface, 4, 16, String.fromCharCode(32 + at), 0xffffff);
        return surface.data.join();
      });
      expect(new Set(glyphs).size).toBe(95);
    }
  });

  it('lose no dirty pixel, however the rectangles are merged', () => {
    const side = fc.integer({ min: 1, max: 12 });
    const place = fc.integer({ min: 0, max: 30 });
    const rects = fc.array(fc.record({ x: place, y: place, width: side, height: side }), { maxLength: 40 });
    fc.assert(
      fc.property(rects, rects, (added, asked) => {
        const region = new Region();
        for (const rect of added) region.add(rect);
        const taken = [...asked.flatMap((bounds) => region.take(bounds)), ...region.takeAll()];
        for (const { x, y, width, height } of added) {
          for (const [px, py] of [
            [x, y],
            [x + width - 1, y + height - 1],
            [x + (width >> 1), y + (height >> 1)],
          ] as const) {
            expect(taken.some((part) => contains(part, px, py))).toBe(true);
          }
        }
      }),
    );
  });
});
