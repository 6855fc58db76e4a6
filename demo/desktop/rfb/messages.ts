import { rect, type Rect } from '../draw/rect.js';
import { readFormat, type PixelFormat } from './pixelformat.js';
import { ProtocolError, type ByteReader } from './reader.js';

export type ClientMessage =
  | { readonly type: 'SetPixelFormat'; readonly format: PixelFormat }
  | { readonly type: 'SetEncodings'; readonly encodings: readonly number[] }
  | { readonly type: 'FramebufferUpdateRequest'; readonly incremental: boolean; readonly area: Rect }
  | { readonly type: 'KeyEvent'; readonly down: boolean; readonly keysym: number }
  | { readonly type: 'PointerEvent'; readonly buttons: number; readonly x: number; readonly y: number }
  | { readonly type: 'ClientCutText'; readonly text: string };

const MAX_ENCODINGS = 1024;
const MAX_CUT_TEXT = 64 * 1024;
/** A longer text is cut; a text above this limit, in bytes, is a protocol error. */
const MAX_SKIPPED = 16 * 1024 * 1024;

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.5 */
export async function readMessage(reader: ByteReader): Promise<ClientMessage> {
  const type = (await reader.read(1)).readUInt8(0);
  switch (type) {
    case 0:
      return { type: 'SetPixelFormat', format: readFormat((await reader.read(19)).subarray(3)) };
    case 2:
      return { type: 'SetEncodings', encodings: await encodings(reader) };
    case 3: {
      const bytes = await reader.read(9);
      const [x, y, width, height] = [1, 3, 5, 7].map((at) => bytes.readUInt16BE(at));
      return {
        type: 'FramebufferUpdateRequest',
        incremental: bytes.readUInt8(0) !== 0,
        area: rect(x ?? 0, y ?? 0, width ?? 0, height ?? 0),
      };
    }
    case 4: {
      const bytes = await reader.read(7);
      return { type: 'KeyEvent', down: bytes.readUInt8(0) !== 0, keysym: bytes.readUInt32BE(3) };
    }
    case 5: {
      const bytes = await reader.read(5);
      const [x, y] = [bytes.readUInt16BE(1), bytes.readUInt16BE(3)];
      return { type: 'PointerEvent', buttons: bytes.readUInt8(0), x, y };
    }
    case 6:
      return { type: 'ClientCutText', text: await cutText(reader) };
    default:
      // The length of an unknown message is unknown, so no later message can be found.
      throw new ProtocolError(`message type ${type}`);
  }
}

async function encodings(reader: ByteReader): Promise<number[]> {
  const count = (await reader.read(3)).readUInt16BE(1);
  if (count > MAX_ENCODINGS) throw new ProtocolError(`${count} encodings`);
  const bytes = await reader.read(4 * count);
  return Array.from({ length: count }, (_, at) => bytes.readInt32BE(4 * at));
}

async function cutText(reader: ByteReader): Promise<string> {
  const length = (await reader.read(7)).readUInt32BE(3);
  if (length > MAX_SKIPPED) throw new ProtocolError(`${length} bytes of text`);
  const kept = Math.min(length, MAX_CUT_TEXT);
  const text = (await reader.read(kept)).toString('latin1');
  await reader.skip(length - kept);
  return text;
}

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.6.4 */
export function serverCutText(text: string): Buffer {
  // The protocol's text is Latin-1: other characters become question marks.
  const body = Buffer.from(text.slice(0, MAX_CUT_TEXT).replace(/[^\n -~\u00a0-\u00ff]/gu, '?'), 'latin1');
  const head = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}
