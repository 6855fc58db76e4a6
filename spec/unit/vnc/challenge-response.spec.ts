import { expect, test } from 'vitest';
import { challengeResponse } from '../../../src/vnc/challenge-response.js';

// The example of FIPS 81 (DES in ECB mode), whose key 0123456789abcdef has the bits of each byte reversed here.
const KEY = Buffer.from('80c4a2e691d5b3f7', 'hex');
const CHALLENGE = Buffer.from('Now is the time ');
const RESPONSE = '3fa40e8a984d48156a271787ab8883f9';

test('the response is DES with the bits of each byte of the password reversed', () => {
  expect(challengeResponse(KEY, CHALLENGE).toString('hex')).toBe(RESPONSE);
});

test('bytes of a password after the eighth do not count', () => {
  expect(challengeResponse(Buffer.concat([KEY, KEY]), CHALLENGE).toString('hex')).toBe(RESPONSE);
  expect(challengeResponse('12345678', CHALLENGE)).toEqual(challengeResponse('123456789', CHALLENGE));
});

test('a short password is padded with zeros, and a text counts as UTF-8', () => {
  expect(challengeResponse('ab', CHALLENGE)).toEqual(challengeResponse('ab\0\0\0\0\0\0', CHALLENGE));
  expect(challengeResponse('é', CHALLENGE)).toEqual(challengeResponse(Buffer.of(0xc3, 0xa9), CHALLENGE));
});
