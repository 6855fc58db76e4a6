import type { ElementHandle, Page } from 'playwright-core';

/** The desktop as a page shows it. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Four bytes for each pixel. */
  readonly bytes: Buffer;
}

/** What the canvas in `#screen` shows; a picture without pixels while there is none. */
export async function pictureOf(page: Page): Promise<Picture> {
  const canvas = await page.$('#screen > :not([data-hidden]) canvas');
  return canvas ? pixelsOf(canvas) : { width: 0, height: 0, bytes: Buffer.alloc(0) };
}

/** Also of a canvas that has left the page. */
export async function pixelsOf(canvas: ElementHandle): Promise<Picture> {
  const { width, height, base64 } = await canvas.evaluate((element) => {
    const { width, height } = element as HTMLCanvasElement;
    const context = (element as HTMLCanvasElement).getContext('2d');
    const data = width > 0 && height > 0 ? context?.getImageData(0, 0, width, height).data : undefined;
    let text = '';
    for (const byte of data ?? []) text += String.fromCharCode(byte);
    return { width, height, base64: btoa(text) };
  });
  return { width, height, bytes: Buffer.from(base64, 'base64') };
}

/** The number of pixels of which a channel differs by more than the tolerance; all pixels for pictures of different sizes. */
export function differences(one: Picture, other: Picture, tolerance = 0): number {
  if (one.width !== other.width || one.height !== other.height)
    return Math.max(one.bytes.length, other.bytes.length) / 4;
  let count = 0;
  for (let at = 0; at < one.bytes.length; at += 4)
    for (let channel = 0; channel < 4; channel++)
      if (Math.abs((one.bytes[at + channel] ?? 0) - (other.bytes[at + channel] ?? 0)) > tolerance) {
        count++;
        break;
      }
  return count;
}
