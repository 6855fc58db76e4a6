import { expect, test } from 'vitest';
import { redactUrl, redactUrlOption } from '../../../src/observe/redact.js';

test.each([
  ['/vnc', '/vnc'],
  ['/vnc?', '/vnc?'],
  ['/vnc?token=secret', '/vnc?token=***'],
  ['/vnc?a=secret&b=secret', '/vnc?a=***&b=***'],
  ['/vnc?token=a=secret', '/vnc?token=***'],
  ['/vnc?token=', '/vnc?token=***'],
  ['/vnc?secret', '/vnc?***'],
  ['/vnc?a=1&secret&b', '/vnc?a=***&***&***'],
  ['/vnc?a=1&&b=2', '/vnc?a=***&&b=***'],
  // A base64 token with padding looks like a name, but must be hidden.
  ['/vnc?c2VjcmV0cw==', '/vnc?***'],
  ['/vnc?a=1&c2VjcmV0LXM=', '/vnc?a=***&***'],
  ['/vnc?a=x?secret', '/vnc?a=***'],
  ['/vnc#secret', '/vnc?***'],
  ['/vnc?a=1#secret', '/vnc?a=***'],
  ['http://user:secret@h/vnc?token=secret', 'http://***@h/vnc?token=***'],
  ['HTTPS://secret@h', 'HTTPS://***@h'],
  ['http://user:sec@ret@h/', 'http://***@h/'],
  ['//user:secret@h/vnc', '//***@h/vnc'],
  // A URL in a path, as apps with a proxy take it.
  ['/proxy/http://user:secret@h/vnc', '/proxy/http://***@h/vnc'],
  ['/a//user:secret@h//user:secret@i/j@k', '/a//***@h//***@i/j@k'],
  ['http://h/vnc@home', 'http://h/vnc@home'],
  ['/vnc@home', '/vnc@home'],
  ['*', '*'],
  ['', ''],
])('%s', (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});

test.each([
  ['ws://h/x#secret', 'ws://h/x#***'],
  ['ws://h/x?a=secret#secret', 'ws://h/x?a=***#***'],
  ['ws://h/x#', 'ws://h/x#'],
  ['ws://h/x?secret', 'ws://h/x?***'],
])('the URL of an option keeps the place of its fragment: %s', (url, shown) => {
  expect(redactUrlOption(url)).toBe(shown);
});
