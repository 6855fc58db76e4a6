import { messageOf } from '../errors.js';

/**
 * A name with several addresses fails with one error per address and an empty message. Puts the messages of all errors into one
 * message.
 */
export function withAllCauses(error: unknown): unknown {
  if (!(error instanceof AggregateError) || error.message !== '') return error;
  return new Error(error.errors.map(messageOf).join('; '), { cause: error });
}
