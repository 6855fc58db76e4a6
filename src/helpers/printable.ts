/** Text from a remote server, for logs and terminals: printable ASCII only, shortened. */
export function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, 200);
}
