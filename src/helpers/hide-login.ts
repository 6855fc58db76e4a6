/**
 * For messages: a text as it is, or `***` where it may hold a user or password (`ann:secret@host`, `token@host`). In a wrong value
 * the end of a password is unknown. `unix:@name` is an address, and `//***@` hides a login already.
 */
export function hideLogin(text: string): string {
  return /[^:]@/.test(text.replace('//***@', '//')) ? '***' : text;
}
