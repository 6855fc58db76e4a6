import { describe, expect, test } from 'vitest';
import { RefusedOrigins } from '../../../src/command/listen/origins/refused-origins.js';
import type { RefuseInfo } from '../../../src/types.js';

function start() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const refused = new RefusedOrigins(
    (line) => lines.push(line),
    () => clock.now,
  );
  const note = (origin?: string, code = 'WSTUNNEL_ORIGIN_REFUSED', isLighttpd = false) => {
    const info: RefuseInfo = { id: '1', url: '/', address: '::1', status: 403, code, reason: '' };
    refused.note({ ...info, ...(origin !== undefined && { origin }) }, isLighttpd);
  };
  return { lines, clock, refused, note };
}

describe('issue 13, case 7: refused origins are reported', () => {
  test('once each, with the option that admits it', () => {
    const { lines, refused, note } = start();
    for (let i = 0; i < 3; i++) {
      note('https://a.example');
      note('tauri://localhost');
    }
    expect(lines).toEqual([
      'a page of "https://a.example" was refused: --origin https://a.example allows its pages',
      'a page of "tauri://localhost" was refused: --origin tauri://localhost allows its pages',
    ]);
    refused.forget();
    note('https://a.example');
    expect(lines).toHaveLength(3);
  });

  test('with the directive where the settings are a lighttpd.conf', () => {
    const { lines, note } = start();
    note('https://a.example', 'WSTUNNEL_ORIGIN_REFUSED', true);
    expect(lines).toEqual([
      'a page of "https://a.example" was refused: wstunnel.origins in the lighttpd.conf allows its pages',
    ]);
  });

  test('with an explanation where "null" would be recommended', () => {
    const { lines, note } = start();
    note('null');
    expect(lines[0]).toContain('every site can create: --origin null would allow them all');
  });

  test('without a command line where a shell would execute the origin', () => {
    const { lines, note } = start();
    note('http://$(reboot)');
    note('http://a;b');
    for (const line of lines) expect(line).toMatch(/: --origin allows pages by their origin$/);
    expect(lines).toHaveLength(2);
  });

  test('once for a client without an Origin, and never for other refusals', () => {
    const { lines, note } = start();
    for (let i = 0; i < 3; i++) note(undefined, 'WSTUNNEL_ORIGIN_MISSING');
    note('https://a.example', 'WSTUNNEL_ADDRESS_REFUSED');
    expect(lines).toEqual([
      expect.stringMatching(/^a client without an Origin header was refused: .*--origin/),
    ]);
  });

  test('in bounded number, and a page is reported once the flood is over', () => {
    const { lines, clock, note } = start();
    for (let i = 0; i < 5000; i++) note(`https://x${i}.example`);
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toMatch(
      /^pages of more than 20 origins were refused: .* not reported for 10 minutes/,
    );
    note('https://mine.example');
    expect(lines).toHaveLength(21);
    clock.now += 10 * 60_000;
    note('https://mine.example');
    expect(lines.at(-1)).toContain('--origin https://mine.example');
    // A reported page is reported again only after a thousand others.
    note('https://x1.example');
    expect(lines).toHaveLength(22);
  });
});
