import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { idOfTicket, keyOfTicket } from '../request/ticket.js';
import type { Host } from '../types.js';
import type { TicketContent } from './tickets.js';

const CIPHER = 'aes-256-gcm';
const NONCE_SIZE = 12;
const TAG_SIZE = 16;

/** The fields whose values are texts. */
const TEXTS = ['tunnel', 'user', 'session'] as const;

/**
 * The encrypted content, as a text for a store. The key is derived from the ticket, which the store does not have: the store can't read
 * the user, the session or a password of a target.
 */
export function seal(ticket: string, { tunnel, user, session, viewOnly, target }: TicketContent): string {
  const nonce = randomBytes(NONCE_SIZE);
  const cipher = createCipheriv(CIPHER, keyOfTicket(ticket), nonce);
  cipher.setAAD(Buffer.from(idOfTicket(ticket)));
  const text = JSON.stringify({ tunnel, user, session, viewOnly, target });
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Throws an Error for a text that `seal` did not make for this ticket. Fields that a later version has added are left out. */
export function unseal(ticket: string, text: string): TicketContent {
  const bytes = Buffer.from(text, 'base64url');
  const end = bytes.length - TAG_SIZE;
  if (end < NONCE_SIZE) throw new Error('it is too short');
  const nonce = bytes.subarray(0, NONCE_SIZE);
  const decipher = createDecipheriv(CIPHER, keyOfTicket(ticket), nonce, { authTagLength: TAG_SIZE });
  decipher.setAAD(Buffer.from(idOfTicket(ticket)));
  decipher.setAuthTag(bytes.subarray(end));
  const opened = Buffer.concat([decipher.update(bytes.subarray(NONCE_SIZE, end)), decipher.final()]);
  const content = JSON.parse(opened.toString()) as Record<string, unknown>;
  for (const name of TEXTS)
    if (content[name] !== undefined && typeof content[name] !== 'string')
      throw new Error(`${name} is no text`);
  const { tunnel, user, session, viewOnly, target } = content as Record<string, string | undefined>;
  return { tunnel, user, session, viewOnly: Boolean(viewOnly), target: target as Host | undefined };
}
