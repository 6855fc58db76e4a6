/** Characters of the shortest text that V8 keeps as a part or a tree of others. */
const SHORT = 13;

/**
 * A copy of a text that shares no memory with other texts. V8 keeps the whole of a long text alive for a part of it, such as the
 * query of a URL or all of a header, and keeps a joined text as a tree of its parts.
 */
export function flatCopy(text: string): string {
  // V8 copies such short parts itself.
  if (text.length < SHORT) return text;
  const copy = Buffer.from(text).toString();
  // A lone surrogate does not survive the way through UTF-8.
  return copy === text ? copy : text;
}
