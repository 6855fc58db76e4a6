/** C0, DEL and C1 controls, what turns the direction of text, and what some programs take for the end of a line. */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/**
 * For logs and terminals: a client chooses the reason of its Close, and must not be able to write lines of its own. In JSON these
 * characters stand in strings alone, where the escapes mean the same.
 */
export function onOneLine(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(UNSAFE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** A text of at most so many characters; the last one says that something is missing. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = most - 1;
  // Not between the two halves of one character.
  const isSplit = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return `${text.slice(0, isSplit ? end - 1 : end)}…`;
}
