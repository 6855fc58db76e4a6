import { expect, test } from 'vitest';
import { readProxy } from '../../../src/client/proxy.js';
import { readConnect } from '../../../src/client/options.js';
import { readUrl } from '../../../src/client/url.js';

const WRONG = [
  'ann:secret@desk.example/x',
  'ann:secret@desk.example:3128',
  'http://ann:x/secret@desk.example:3128',
  'http://ann:x#secret@desk.example',
  'http://ann:x?secret@desk.example',
  'http://ann:secret#x@desk.example',
  'http://desk.example:x/?token=x@secret',
  'socks5://ann:secret@desk.example',
  'desk.example:80/?token=secret',
];

test.each(WRONG)('a wrong URL is shown without its secrets: %s', (url) => {
  const target = readUrl('ws://desk.example/');
  for (const read of [() => readUrl(url), () => readProxy({ proxy: url }, target)]) {
    expect(read).toThrow(/must b/);
    expect(read).not.toThrow(/secret/);
  }
});

test('a login that is no object is not shown', () => {
  const options = { basic: 'ann:secret' as never };
  expect(() => readConnect('ws://desk.example/', options)).toThrow(/basic must be an object; got 'string'/);
});
