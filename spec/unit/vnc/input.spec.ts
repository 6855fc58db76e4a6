import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { bytesOf, FilterRun, greeted, rfb } from '../../support/rfb.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

/** Is the message input for a client that has sent `before`? */
function isInput(message: Buffer, before: Uint8Array = Buffer.alloc(0), viewOnly = false): boolean {
  const seen = new Set<boolean>();
  for (let at = 0; at <= message.length; at++) {
    const run = greeted({ watchesInput: true, viewOnly });
    run.in(Buffer.from(before));
    vi.advanceTimersByTime(1000);
    const idleSince = run.filter.lastInput;
    run.in(message.subarray(0, at));
    run.in(message.subarray(at));
    seen.add(run.filter.lastInput !== idleSince);
    if (run.filter.lastInput !== idleSince) expect(run.filter.lastInput).toBe(performance.now());
  }
  expect(seen.size).toBe(1);
  return seen.has(true);
}

test('keys and the pointer are input, also where they do not pass', () => {
  for (const viewOnly of [false, true]) {
    expect(isInput(rfb.key(), undefined, viewOnly)).toBe(true);
    expect(isInput(rfb.key(), rfb.key(), viewOnly)).toBe(true);
    expect(isInput(rfb.qemuKey(), undefined, viewOnly)).toBe(true);
    expect(isInput(rfb.pointer(), undefined, viewOnly)).toBe(true);
  }
});

test('a pointer event is input if the position or a button changes', () => {
  expect(isInput(rfb.pointer(0, 1, 2), rfb.pointer(0, 1, 2))).toBe(false);
  expect(isInput(rfb.pointer(1, 1, 2), rfb.pointer(0, 1, 2))).toBe(true);
  expect(isInput(rfb.pointer(0, 1, 3), rfb.pointer(0, 1, 2))).toBe(true);
  expect(isInput(rfb.pointer(0, 2, 2), rfb.pointer(0, 1, 2))).toBe(true);
  const before = bytesOf(rfb.setEncodings(-316), rfb.extendedPointer(0x80, 1));
  expect(isInput(rfb.extendedPointer(0x80, 0), before)).toBe(true);
});

test.each(
  Object.entries({
    SetPixelFormat: rfb.setPixelFormat(),
    SetEncodings: rfb.setEncodings(5, 5),
    FramebufferUpdateRequest: rfb.updateRequest(),
    ClientCutText: rfb.cutText(rfb.key().toString('latin1')),
    'extended ClientCutText': rfb.extendedCutText(rfb.key()),
    EnableContinuousUpdates: rfb.continuousUpdates(),
    Fence: rfb.fence(rfb.key()),
    xvp: rfb.xvp(),
    SetDesktopSize: rfb.setDesktopSize(),
    'QEMU audio': rfb.qemuAudio(2),
  }),
)('%s is no input', (_, message) => {
  expect(isInput(message)).toBe(false);
});

test('the time runs from the start of the tunnel, and is unknown where nobody asks for it', () => {
  vi.advanceTimersByTime(5000);
  const run = new FilterRun({ isLoggedIn: true, watchesInput: true });
  expect(run.filter.lastInput).toBe(performance.now());
  vi.advanceTimersByTime(5000);
  run.in(bytesOf(rfb.version(), 1, 1));
  expect(run.filter.lastInput).toBe(performance.now() - 5000);
  const watcher = greeted({ viewOnly: true });
  watcher.in(rfb.key());
  expect(watcher.filter.lastInput).toBeUndefined();
});
