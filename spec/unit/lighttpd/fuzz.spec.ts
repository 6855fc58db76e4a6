import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, TunnelError, wstunnel } from '../../../src/index.js';

const VALID = `
# a bit of everything
var.base = "/srv" + "/www"
server.modules += ( "mod_wstunnel", )
server.document-root = base
server.port = 8080
index-file.names = ( "index.html", "a.html" )
wstunnel.ping-interval = 20
$HTTP["url"] =~ "^/vnc(/|$)" {
  wstunnel.server = ( "" => ( "one" => ( "host" => "127.0.0.1", "port" => "5900" ), "two" => ( "socket" => "/run/x" ) ) )
  wstunnel.origins = ( "a.example" )
  $HTTP["remoteip"] != "10.0.0.0/8" { wstunnel.balance = "hash" } else { wstunnel.balance := "sticky" }
} else $HTTP["host"] =$ ".example" {
  wstunnel.map-extensions += ( ".a" => "/b" )
} elseif $HTTP["scheme"] == "https" { wstunnel.frame-type = "binary" }
`;

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
    expect(() => fromLighttpdConf(VALID)).not.toThrow();
  });

  test('random bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('latin1'));
    fc.assert(fc.property(fc.oneof(bytes, fc.string({ unit: 'binary', maxLength: 200 })), read), {
      numRuns: 2000,
    });
  });

  test('random tokens of the language', () => {
    const pieces = [
      ...(VALID.match(/"[^"]*"|[\w.-]+|[=+!~^$:>]+|[^\s]|\n/g) ?? []),
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
    const at = fc.nat(VALID.length);
    const change = fc.tuple(at, at, fc.string({ maxLength: 4 })).map(([from, to, put]) => {
      const [start, end] = from < to ? [from, to] : [to, from];
      const short = Math.min(end, start + 12);
      return fc.constantFrom(
        VALID.slice(0, start) + VALID.slice(end),
        VALID.slice(0, end) + VALID.slice(start),
        VALID.slice(0, start) + put + VALID.slice(short),
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
