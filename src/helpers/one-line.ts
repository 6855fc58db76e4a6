/** C0, DEL and C1 controls, characters that change the direction of text, and characters that end a line for some programs. */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/**
 * Escapes a text for logs and terminals: a client chooses the reason of a Close, and must not be able to add lines to a log. In
 * JSON these characters occur only inside strings, where the escapes mean the same. Other values are returned unchanged.
 */
export function onOneLine(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(UNSAFE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Shortens a text to at most `most` characters. A shortened text ends with an ellipsis. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = most - 1;
  // Do not cut between the two halves of a surrogate pair.
  const isSplit = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return `${text.slice(0, isSplit ? end - 1 : end)}…`;
}
