/**
 * The elements of a list header. Empty elements are skipped (RFC 9110 section 5.6.1.2): Python's clients send an empty header if they
 * offer nothing. A quoted string of a WebSocket extension contains a token (RFC 6455 section 9.1), hence no comma.
 */
export function elementsOf(header: string | undefined): string[] {
  if (header === undefined) return [];
  // Whitespace is space and tab (RFC 9110 section 5.6.3); trim() removes other characters too.
  const elements = header
    .split(',')
    .map((element) => element.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, ''));
  return elements.filter((element) => element !== '');
}

// RFC 6455 section 9.1.
const EXTENSION = extension();

/** Is this element of a Sec-WebSocket-Extensions header well-formed? */
export function isExtension(element: string): boolean {
  return EXTENSION.test(element);
}

function extension(): RegExp {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
  const parameter = `[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|"${token}"))?`;
  return new RegExp(`^${token}(?:${parameter})*$`);
}
