import type { Random } from '../../support/random.js';

/** A text made of pieces of a language, or of valid texts with a part cut out, doubled, exchanged or changed. */
export function textOf(
  random: Random,
  valid: readonly string[],
  pieces: readonly string[],
  glue: string,
): string {
  const kind = random.below(10);
  if (kind === 0) return random.bytes(random.size(200)).toString(random.oneIn(2) ? 'latin1' : 'utf8');
  if (kind < 4)
    return Array.from({ length: random.size(40) }, () => random.pick(pieces)).join(
      random.oneIn(4) ? '' : glue,
    );
  return change(random, random.pick(valid), pieces);
}

function change(random: Random, text: string, pieces: readonly string[]): string {
  let changed = text;
  for (let left = random.between(0, 3); left > 0; left--) {
    const at = random.below(changed.length + 1);
    const end = Math.min(changed.length, at + random.size(30));
    const [before, part, after] = [changed.slice(0, at), changed.slice(at, end), changed.slice(end)];
    changed = random.pick([
      () => before + after,
      () => before + part + part + after,
      () => before + random.pick(pieces) + after,
      () => before + random.bytes(random.between(1, 4)).toString('latin1') + after,
      () => before + random.pick(pieces) + part + after,
      () => before,
    ])();
  }
  return changed;
}
