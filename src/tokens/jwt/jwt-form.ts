/** Is the text a signed (three parts) or encrypted (five parts) JWT, valid or not? The first part is the header, as JSON. */
export function isJwt(token: string): boolean {
  const [header = ''] = /^[\w-]+(?=(?:\.[\w-]*){2}$|(?:\.[\w-]*){4}$)/.exec(token) ?? [];
  if (header === '') return false;
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
    return typeof value === 'object' && value !== null && 'alg' in value;
  } catch {
    return false;
  }
}
