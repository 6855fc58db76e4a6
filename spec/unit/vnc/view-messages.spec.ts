import { describe, expect, test } from 'vitest';
import { bytesOf, greeted, rfb, s32, u16 } from '../../support/rfb.js';

const request = rfb.updateRequest();

const VIEW = {
  SetPixelFormat: rfb.setPixelFormat(),
  SetEncodings: rfb.setEncodings(7, -239, -316),
  'SetEncodings without encodings': rfb.setEncodings(),
  FramebufferUpdateRequest: request,
  EnableContinuousUpdates: rfb.continuousUpdates(),
  Fence: rfb.fence(),
  'a Fence without payload': rfb.fence(Buffer.alloc(0)),
  'a Fence of 64 bytes': rfb.fence(Buffer.alloc(64, 4)),
};

const MORE = {
  KeyEvent: rfb.key(),
  PointerEvent: rfb.pointer(),
  'a PointerEvent with bit 7': rfb.pointer(0x80),
  ClientCutText: rfb.cutText(),
  'an empty ClientCutText': rfb.cutText(''),
  'extended ClientCutText': rfb.extendedCutText(),
  xvp: rfb.xvp(),
  SetDesktopSize: rfb.setDesktopSize(),
  'SetDesktopSize without screens': rfb.setDesktopSize(0),
  'SetDesktopSize of 255 screens': rfb.setDesktopSize(255),
  'a QEMU key': rfb.qemuKey(),
  'QEMU audio: enable': rfb.qemuAudio(0),
  'QEMU audio: disable': rfb.qemuAudio(1),
  'QEMU audio: format': rfb.qemuAudio(2),
};

/** Sends the message between two requests, cut at each place, in one chunk and byte by byte. */
function passedOf(message: Buffer, viewOnly: boolean): Set<string> {
  const all = bytesOf(request, message, request);
  const passed = new Set<string>();
  const cuts = Array.from({ length: all.length }, (_, at) => [all.subarray(0, at), all.subarray(at)]);
  for (const chunks of [...cuts, [...all].map((byte) => Buffer.from([byte]))]) {
    const run = greeted({ viewOnly, watchesInput: true });
    for (const chunk of chunks) run.in(chunk);
    expect(run.endings).toEqual([]);
    passed.add(Buffer.concat(run.backend).toString('hex'));
  }
  return passed;
}

describe('viewOnly', () => {
  test.each(Object.entries(VIEW))('%s passes, wherever it is cut', (_, message) => {
    expect(passedOf(message, true)).toEqual(new Set([bytesOf(request, message, request).toString('hex')]));
  });

  test.each(Object.entries(MORE))('%s does not pass, wherever it is cut', (_, message) => {
    expect(passedOf(message, true)).toEqual(new Set([bytesOf(request, request).toString('hex')]));
  });

  test('a PointerEvent has 7 bytes if its mask has bit 7 and the client has announced extended buttons', () => {
    const run = greeted({ viewOnly: true });
    const encodings = rfb.setEncodings(0, -316, 7);
    expect(run.in(bytesOf(encodings, rfb.extendedPointer(), rfb.pointer(0x7f), request))).toEqual(
      bytesOf(encodings, request),
    );
    expect(run.in(bytesOf(rfb.setEncodings(7), rfb.pointer(0x80), request))).toEqual(
      bytesOf(rfb.setEncodings(7), request),
    );
  });

  test('of more than 32 encodings the first 32 pass, as older servers read the others as messages', () => {
    // The 33rd and 34th encoding are a KeyEvent: the letter a.
    const hidden = Array.from({ length: 40 }, (_, at) => (at < 32 ? at : at % 2 ? 0x61 : 0x04010000));
    const wanted = bytesOf(rfb.setEncodings(...hidden.slice(0, 32)), request).toString('hex');
    const all = rfb.setEncodings(...hidden);
    for (let at = 0; at <= all.length; at++) {
      const run = greeted({ viewOnly: true });
      run.in(all.subarray(0, at));
      run.in(bytesOf(all.subarray(at), request));
      expect(Buffer.concat(run.backend).toString('hex')).toBe(wanted);
      expect(run.endings).toEqual([]);
    }
  });
});

describe('watching the input only', () => {
  test.each(Object.entries({ ...VIEW, ...MORE }))('%s passes, wherever it is cut', (_, message) => {
    expect(passedOf(message, false)).toEqual(new Set([bytesOf(request, message, request).toString('hex')]));
  });

  test('a chunk passes without a copy, and so does a chunk in viewOnly of which everything passes', () => {
    for (const viewOnly of [false, true]) {
      const { filter } = greeted({ viewOnly, watchesInput: true });
      const chunk = bytesOf(rfb.setEncodings(1, 2), request, rfb.fence());
      expect(filter.in(chunk)).toBe(chunk);
    }
  });
});

const INVALID: [string, Buffer][] = [
  ...[1, 7, 8, 11, 149, 249, 252, 253, 254].map((type): [string, Buffer] => [
    `unknown client message ${type}`,
    bytesOf(type, Buffer.alloc(20)),
  ]),
  ['client message 2 (SetEncodings) has 1025 encodings', bytesOf(2, 0, u16(1025), Buffer.alloc(4100))],
  ['client message 6 (ClientCutText) has an invalid length: -3', bytesOf(6, 0, 0, 0, s32(-3), 0, 0, 0)],
  ['client message 248 (Fence) has 65 bytes of payload', rfb.fence(Buffer.alloc(65))],
  ['client message 255 (QEMU) has an unknown submessage: 2', bytesOf(255, 2, Buffer.alloc(10))],
  ['client message 255 (QEMU audio) has an unknown operation: 3', rfb.qemuAudio(3)],
];

test.each(INVALID)('ends the tunnel: %s', (reason, message) => {
  for (const viewOnly of [false, true])
    for (let at = 0; at < 13; at++) {
      const run = greeted({ viewOnly, watchesInput: true });
      run.in(bytesOf(request, message.subarray(0, at)));
      run.in(bytesOf(message.subarray(at), request));
      expect(run.endings).toEqual([{ cause: 'vnc-error', code: 1008, reason }]);
      // With viewOnly not even the head of the message passes.
      const passed = Buffer.concat(run.backend);
      if (viewOnly) expect(passed).toEqual(request);
      expect(run.in(request)).toHaveLength(0);
      expect(run.out(request)).toHaveLength(0);
      expect(run.filter.isInOpen || run.filter.isOutOpen).toBe(false);
      expect(run.endings).toHaveLength(1);
    }
});

test('a clipboard of 1 GiB is dropped in constant memory, and the message after it passes', () => {
  for (const length of [2 ** 30, -(2 ** 30)]) {
    const { filter } = greeted({ viewOnly: true });
    const chunk = Buffer.alloc(2 ** 20, 4);
    filter.in(bytesOf(6, 0, 0, 0, s32(length)));
    const before = process.memoryUsage().arrayBuffers;
    for (let left = 2 ** 30; left > 0; left -= chunk.length) expect(filter.in(chunk)).toHaveLength(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    expect(filter.in(Buffer.from(request))).toEqual(request);
  }
});
