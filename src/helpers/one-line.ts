/** For logs and terminals: a client chooses the reason of its Close, and must not be able to write lines of its own. */
export function onOneLine(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
