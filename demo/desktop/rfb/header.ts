import type { Rect } from '../draw/rect.js';

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.6.1 */
export function updateHeader(rectangles: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(rectangles, 2);
  return bytes;
}

export function rectangleHeader(part: Rect, encoding: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(part.x, 0);
  bytes.writeUInt16BE(part.y, 2);
  bytes.writeUInt16BE(part.width, 4);
  bytes.writeUInt16BE(part.height, 6);
  bytes.writeInt32BE(encoding, 8);
  return bytes;
}
