import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, TunnelError, wstunnel } from '../../../src/index.js';
import { LIGHTTPD_SAMPLE } from '../../support/lighttpd-sample.js';

/** Reads a text: the result is valid options, or an error of ours with a position. */
function read(text: string): void {
  try {
    wstunnel(fromLighttpdConf(text, { include: () => text.slice(0, 40) }).options);
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    expect((error as TunnelError).message).toMatch(/^[^\n]*:\d+:\d+: /);
  }
}

describe('random configurations cause no crash', () => {
  test('the valid original is accepted', () => {
    expect(() => fromLighttpdConf(LIGHTTPD_SAMPLE)).not.toThrow();
  });

  test('random bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('latin1'));
    fc.assert(fc.property(fc.oneof(bytes, fc.string({ unit: 'binary', maxLength: 200 })), read), {
      numRuns: 2000,
    });
  });

  test('random tokens of the language', () => {
    const pieces = [
      ...(LIGHTTPD_SAMPLE.match(/"[^"]*"|[\w.-]+|[=+!~^$:>]+|[^\s]|\n/g) ?? []),
      'include',
      'global',
      'env.A',
      '\\',
      '(?',
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(' '));
    fc.assert(fc.property(text, read), { numRuns: 3000 });
  });

  test('a valid file with a part cut out, doubled or changed', () => {
    const at = fc.nat(LIGHTTPD_SAMPLE.length);
    const change = fc.tuple(at, at, fc.string({ maxLength: 4 })).map(([from, to, put]) => {
      const [start, end] = from < to ? [from, to] : [to, from];
      const short = Math.min(end, start + 12);
      return fc.constantFrom(
        LIGHTTPD_SAMPLE.slice(0, start) + LIGHTTPD_SAMPLE.slice(end),
        LIGHTTPD_SAMPLE.slice(0, end) + LIGHTTPD_SAMPLE.slice(start),
        LIGHTTPD_SAMPLE.slice(0, start) + put + LIGHTTPD_SAMPLE.slice(short),
      );
    });
    fc.assert(
      fc.property(
        change.chain((one) => one),
        read,
      ),
      { numRuns: 2000 },
    );
  });

  test('random regular expressions', () => {
    const pieces = [
      'a',
      'b',
      '.',
      '*',
      '+',
      '?',
      '(',
      ')',
      '[',
      ']',
      '|',
      '^',
      '$',
      '\\',
      '{1,3}',
      '(?:',
      '(?=',
      '[:',
      '\\d',
      'é',
      '-',
    ];
    const pattern = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(pattern, (one) => read(`$HTTP["host"] =~ "${one}" { wstunnel.frame-type = "text" }`)),
      { numRuns: 500 },
    );
  });
});
