import { expect, test } from 'vitest';
import { messagesOf } from '../../../src/command/exit.js';
import { placeInJson, readJsonConfig } from '../../../src/command/listen/settings/config-json.js';

/** The faults of the file, one line each. */
function faultsOf(text: string): readonly string[] {
  try {
    readJsonConfig(text, 'c.json');
  } catch (error) {
    return messagesOf(error);
  }
  return [];
}

test.each([' ', '.', '[', ']', '"', '[0]', 'a b', 'a.b', 'x[1].y', '\\', '', '€'])(
  'a key with %j keeps its line and column',
  (part) => {
    const key = JSON.stringify(`/${part}`);
    const text = `{ "server": {\n "/first": { "port": 1 },\n  ${key}: [{ "port": 1 }, { "port": 70000 }] } }`;
    const column = `  ${key}: [{ "port": 1 }, { "port": `.length + 1;
    expect(faultsOf(text)).toEqual([
      `c.json:3:${column}: server[${key}][1].port must be a whole number from 1 to 65535; got 70000`,
    ]);
    const header = JSON.stringify(`x${part}`);
    const [line = ''] = faultsOf(`{ "rules": [{ "when": { "headers": {\n ${header}: 7 } } }] }`);
    expect(line).toMatch(`c.json:2:${` ${header}: `.length + 1}: rules[0].when.headers`);
  },
);

test.each(['a b', 'a.b', 'a[0]', 'a"b'])('an unknown option named %j is found by its name', (name) => {
  const key = JSON.stringify(name);
  expect(faultsOf(`{\n  ${key}: 1 }`)).toEqual([`c.json:2:3: the file has no "${name}"`]);
  expect(faultsOf(`{ "server": {\n "port": 1,\n   ${key}: 1 } }`)).toEqual([
    `c.json:3:4: server has no "${name}"`,
  ]);
});

test('a value that JSON cannot express is reported with its position', () => {
  expect(faultsOf('{ "server": ["1",\n "desk x"],\n "url": ["^("] }')).toEqual([
    'c.json:2:2: server[1]: "desk x" is not a target: give HOST:PORT, PORT, unix:PATH, tls:HOST:PORT or wss://HOST/PATH',
    'c.json:3:9: url: "^(" is not a regular expression',
  ]);
});

test.each(['all', 'any'])('a fault within the conditions of %s has its place', (name) => {
  expect(faultsOf(`{ "rules": [{ "when": { "${name}": [{ "host": "h" }, { "url": "^(" }] } }] }`)).toEqual([
    `c.json:1:59: rules[0].when.${name}[1].url: "^(" is not a regular expression`,
  ]);
});

test.each([420, '0999', 'rw-', true])('unixMode %j is refused with its place', (mode) => {
  expect(faultsOf(`{ "server": { "port": 1 },\n "unixMode": ${JSON.stringify(mode)} }`)).toEqual([
    expect.stringMatching(/^c\.json:2:14: unixMode .* as a text; got /),
  ]);
});

test('a file that is not an object is refused as a whole', () => {
  expect(faultsOf('[]')).toEqual(['c.json:1:1: the file must be an object; got []']);
  // Found by the fuzz test (spec/long/fuzz.mjs).
  expect(faultsOf('null')).toEqual(['c.json:1:1: the file must be an object; got null']);
});

test('the file has no options for tickets, since the command makes no tickets', () => {
  expect(faultsOf(`{ "server": { "port": 1 },\n "tickets": "require" }`)).toEqual([
    'c.json:2:2: the file has no "tickets"',
  ]);
  expect(faultsOf(`{ "rules": [{\n "tickets": "require" }] }`)).toEqual([
    'c.json:2:2: rules[0] has no "tickets"',
  ]);
});

test.each(['limits', 'handshakeTimeout', 'handshake-timeout'])(
  '%s is an option of the JSON file alone',
  (flag) => {
    expect(placeInJson(flag)).toMatch(
      /^set "(limits|handshakeTimeout)" in a JSON file, and give --config FILE$/,
    );
  },
);

test.each(['limit', 'constructor', '__proto__', 'shared'])(
  '%s is no option that the JSON file alone has',
  (flag) => {
    expect(placeInJson(flag)).toBeUndefined();
  },
);
