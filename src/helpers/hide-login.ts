/**
 * A text for messages: `***` where the text may contain a user or password (`ann:secret@host`, `token@host`), since the end of a
 * password in an invalid value is unknown. `unix:@name` is an address, and a text with `//***@` hides its login already.
 */
export function hideLogin(text: string): string {
  return /[^:]@/.test(text.replace('//***@', '//')) ? '***' : text;
}
