import type { Ending } from '../../src/streams/close-causes.js';
import { VncFilter, type VncRights } from '../../src/vnc/vnc-filter.js';

/** Bytes as hex, with spaces. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

export function u16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => bytes.writeUInt16BE(value, 2 * i));
  return bytes;
}

export function s32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeInt32BE(value | 0, 4 * i));
  return bytes;
}

/** Numbers are single bytes. */
export function bytesOf(...parts: (number | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
}

const VERSION = 'RFB 003.008\n';

/** Messages of a client, written from RFC 6143 section 7.5 and rfbproto. */
export const rfb = {
  version: (text = VERSION) => Buffer.from(text, 'latin1'),
  setPixelFormat: () => bytesOf(hex('00 000000 20 18 00 01 00ff 00ff 00ff 10 08 00 000000')),
  setEncodings: (...encodings: number[]) => bytesOf(2, 0, u16(encodings.length), s32(...encodings)),
  updateRequest: () => bytesOf(3, 1, u16(0, 0, 1024, 768)),
  key: (key = 0x61, down = 1) => bytesOf(4, down, 0, 0, s32(key)),
  pointer: (mask = 0, x = 1, y = 2) => bytesOf(5, mask, u16(x, y)),
  extendedPointer: (mask = 0x80, high = 1) => bytesOf(5, mask | 0x80, u16(3, 4), high),
  cutText: (text = 'text') => bytesOf(6, 0, 0, 0, s32(text.length), Buffer.from(text, 'latin1')),
  extendedCutText: (body: Buffer = hex('01000001')) => bytesOf(6, 0, 0, 0, s32(-body.length), body),
  continuousUpdates: () => bytesOf(150, 1, u16(0, 0, 640, 480)),
  fence: (payload: Buffer = Buffer.from('fence')) => bytesOf(248, 0, 0, 0, s32(1), payload.length, payload),
  xvp: () => hex('fa 00 01 03'),
  setDesktopSize: (screens = 1) => bytesOf(251, 0, u16(800, 600), screens, 0, Buffer.alloc(16 * screens, 4)),
  qemuKey: () => bytesOf(255, 0, u16(1), s32(0x61, 0x1e)),
  qemuAudio: (operation: number) =>
    bytesOf(255, 1, u16(operation), operation === 2 ? hex('03 02 0000ac44') : Buffer.alloc(0)),
};

/** A filter in a tunnel, and what came of it. */
export class FilterRun {
  readonly filter: VncFilter;
  /** The bytes that the backend got. */
  readonly backend: Buffer[] = [];
  /** The bytes that the page got. */
  readonly page: Buffer[] = [];
  readonly endings: Ending[] = [];

  constructor(rights: Partial<VncRights>) {
    this.filter = new VncFilter({ isLoggedIn: false, viewOnly: false, watchesInput: false, ...rights });
    this.filter.start({
      sendToClient: (bytes) => this.page.push(Buffer.from(bytes)),
      end: (ending) => this.endings.push(ending),
    });
  }

  /** Bytes of the page. Returns the bytes for the backend. The filter may change its chunk, so it gets a copy. */
  in(bytes: Buffer): Buffer {
    const passed = Buffer.from(this.filter.in(Buffer.from(bytes)));
    this.backend.push(passed);
    return passed;
  }

  /** Bytes of the backend. Returns the bytes for the page. */
  out(bytes: Buffer): Buffer {
    const before = this.page.length;
    this.page.push(Buffer.from(this.filter.out(Buffer.from(bytes))));
    return Buffer.concat(this.page.slice(before));
  }

  get reason(): string | undefined {
    return this.endings[0]?.reason;
  }
}

/** A filter after the handshake, with a login by the tunnel. */
export function greeted(rights: Partial<VncRights>): FilterRun {
  const run = new FilterRun({ isLoggedIn: true, ...rights });
  run.in(bytesOf(rfb.version(), 1, 1));
  run.backend.length = run.page.length = 0;
  return run;
}
