import { expect, test } from 'vitest';
import { uuid } from '../../../src/helpers/uuid.js';

test('ids are distinct random UUIDs of version 4, also after the random bytes are used up', () => {
  const ids = Array.from({ length: 2000 }, uuid);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  // Every digit occurs at every free position.
  for (const position of [0, 35]) expect(new Set(ids.map((id) => id[position])).size).toBe(16);
});
