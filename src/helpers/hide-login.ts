/**
 * A text for messages: `***` if the text may contain a user or password (`ann:secret@host`, `token@host`), since the end of a
 * password in an invalid value is unknown. `unix:@name` is an address, and the login in a text with `//***@` is already hidden.
 */
export function hideLogin(text: string): string {
  return /[^:]@/.test(text.replace('//***@', '//')) ? '***' : text;
}
