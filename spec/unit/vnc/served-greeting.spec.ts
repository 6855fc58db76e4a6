import { expect, test } from 'vitest';
import { bytesOf, FilterRun, hex, rfb } from '../../support/rfb.js';

const RIGHTS = { isLoggedIn: true, viewOnly: true };
const SERVED = { '3.8': '01 01 00000000', '3.7': '01 01', '3.3': '00000001' } as const;
const ANSWERS = { '3.8': [1, 0], '3.7': [1, 0], '3.3': [0] } as const;

test.each(Object.keys(SERVED) as (keyof typeof SERVED)[])(
  'a page of version %s is offered None, and its handshake does not reach the backend, wherever it is cut',
  (version) => {
    const greeting = bytesOf(rfb.version(`RFB 003.00${version.slice(2)}\n`), ...ANSWERS[version]);
    const all = bytesOf(greeting, rfb.updateRequest(), rfb.key());
    const wanted = bytesOf(1, rfb.updateRequest());
    for (let size = 1; size <= all.length; size++) {
      const run = new FilterRun(RIGHTS);
      expect(Buffer.concat(run.page)).toEqual(rfb.version());
      for (let at = 0; at < all.length; at += size) run.in(all.subarray(at, at + size));
      expect(Buffer.concat(run.page)).toEqual(bytesOf(rfb.version(), hex(SERVED[version])));
      expect(Buffer.concat(run.backend)).toEqual(wanted);
      expect(run.endings).toEqual([]);
      expect(run.filter.isOutOpen).toBe(true);
    }
  },
);

test.each([0, 1, 2, 255])('the shared flag %d is 1 for the backend if the page may only view', (flag) => {
  for (const [viewOnly, wanted] of [
    [true, 1],
    [false, flag],
  ] as const) {
    const run = new FilterRun({ isLoggedIn: true, viewOnly });
    run.in(bytesOf(rfb.version(), 1, flag));
    expect(Buffer.concat(run.backend)).toEqual(Buffer.from([wanted]));
  }
});

test('a tunnel with only a login is open in both directions after ClientInit', () => {
  const run = new FilterRun({ isLoggedIn: true });
  run.in(bytesOf(rfb.version(), 1));
  expect([run.filter.isInOpen, run.filter.isOutOpen]).toEqual([false, false]);
  // Bytes after ClientInit in the same chunk pass, whatever they are.
  expect(run.in(hex('00 07 ff'))).toEqual(hex('00 07 ff'));
  expect([run.filter.isInOpen, run.filter.isOutOpen]).toEqual([true, true]);
});

test('a tunnel that reads messages stays closed for the bytes of the page', () => {
  for (const rights of [{ viewOnly: true }, { watchesInput: true }]) {
    const run = new FilterRun({ isLoggedIn: true, ...rights });
    run.in(bytesOf(rfb.version(), 1, 1));
    expect([run.filter.isInOpen, run.filter.isOutOpen]).toEqual([false, true]);
  }
});

test('a filter with nothing to do is open at once', () => {
  const run = new FilterRun({});
  expect([run.filter.isInOpen, run.filter.isOutOpen]).toEqual([true, true]);
});

test.each([
  ['the client speaks "RFB 003.005", not RFB 3.3, 3.7 or 3.8', 'RFB 003.005\n'],
  ['the client speaks "GET / HTTP/1", not RFB 3.3, 3.7 or 3.8', 'GET / HTTP/1.1\r\n'],
  ['the client chose security type 2, which was not offered', 'RFB 003.008\n\x02'],
  ['the client chose security type 0, which was not offered', 'RFB 003.007\n\x00'],
])('ends the tunnel: %s', (reason, greeting) => {
  const run = new FilterRun(RIGHTS);
  run.in(bytesOf(rfb.version(greeting), rfb.key()));
  expect(run.endings).toEqual([{ cause: 'vnc-error', code: 1008, reason }]);
  expect(Buffer.concat(run.backend)).toHaveLength(0);
});

test('a backend that sends bytes before ClientInit ends the tunnel', () => {
  const run = new FilterRun(RIGHTS);
  expect(run.out(Buffer.from('RFB'))).toHaveLength(0);
  expect(run.reason).toBe('the VNC server sent bytes before ClientInit');
});
